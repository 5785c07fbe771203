package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kills says at how many points TestRealKills kills a training; make test-kill
// sets it.
const kills = "BBJTUNE_KILLS"

// victims are what is killed.
var victims = []string{"worker", "bbjtune", "both"}

// moments are the files of a training's folder that say where it is, and about
// how long what follows takes.
var moments = []struct {
	file  string
	lasts time.Duration
}{
	{"stage1/job.json", 3 * time.Second},               // the model is loaded, the first steps are taken
	{"stage1/checkpoint-2", 150 * time.Millisecond},    // it is being saved
	{"stage1/checkpoint-4", 150 * time.Millisecond},    //
	{"stage1/checkpoint-4/complete.json", time.Second}, // older ones are removed, steps are taken
	{"stage1/checkpoint-8/adapter_model.safetensors", 80 * time.Millisecond},
	{"stage1/training_log.jsonl", 100 * time.Millisecond}, // the stage is finished
	{"stage1/stage.json", 2 * time.Second},                // the next one begins
	{"stage2/checkpoint-2", 150 * time.Millisecond},
	{"stage2/checkpoint-4/complete.json", time.Second},
	{"stage2/checkpoint-6/optimizer.pt", 80 * time.Millisecond},
	{"stage2/checkpoint-8", 150 * time.Millisecond},
	{"stage2/checkpoint-10/trainer_state.json", 300 * time.Millisecond},
	{"stage2/checkpoint-12/complete.json", time.Second},
	{"stage2/adapter.partial", 50 * time.Millisecond},
}

// cutShort is one of the damages.
const cutShort = 1

// damages are what is done to the newest checkpoint of what was killed.
var damages = []struct {
	name string
	do   func(t *testing.T, random *rand.Rand, checkpoint string)
}{
	{"nothing more", func(*testing.T, *rand.Rand, string) {}},
	{"a file of it cut short", func(t *testing.T, random *rand.Rand, checkpoint string) {
		if path, size := fileOf(t, random, checkpoint); path != "" {
			if err := os.Truncate(path, size/2); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"a file of it deleted", func(t *testing.T, random *rand.Rand, checkpoint string) {
		if path, _ := fileOf(t, random, checkpoint); path != "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"a half-written one after it", func(t *testing.T, random *rand.Rand, checkpoint string) {
		before, number, _ := strings.Cut(checkpoint, "checkpoint-")
		step, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		next := fmt.Sprintf("%scheckpoint-%d", before, step+1)
		if err := os.CopyFS(next, os.DirFS(checkpoint)); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(next, "complete.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if path, size := fileOf(t, random, next); path != "" {
			if err := os.Truncate(path, size/3); err != nil {
				t.Fatal(err)
			}
		}
	}},
}

// fileOf draws a file of a checkpoint, or "" where it has none yet. The mark of a
// complete one is drawn like any other.
func fileOf(t *testing.T, random *rand.Rand, checkpoint string) (string, int64) {
	t.Helper()
	entries, err := os.ReadDir(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		return "", 0
	}
	info, err := entries[random.IntN(len(entries))].Info()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(checkpoint, info.Name()), info.Size()
}

// A training that is killed at random points, the worker, the program or both,
// and whose newest checkpoint is then damaged, comes to the same losses and the
// same adapters as one that nothing disturbed.
func TestRealKills(t *testing.T) {
	count, err := strconv.Atoi(os.Getenv(kills))
	if err != nil {
		t.Skipf("kills a training many times; set %s=20 to run it", kills)
	}
	r := newReal(t)
	r.prepare()
	r.write("recipe.yaml", strings.ReplaceAll(read(t, filepath.Join(r.dir, "recipe.yaml")), "save_steps: 4", "save_steps: 2"))
	r.run("train", "recipe.yaml")
	want := r.trained()
	whole := filepath.Join(r.dir, "whole")
	if err := os.Rename(filepath.Join(r.dir, "runs"), whole); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 20))
	var order []int // every moment and every damage comes before one comes again
	for n := range count {
		if len(order) == 0 {
			order = random.Perm(len(moments))
		}
		m := moments[order[0]]
		order = order[1:]
		p := point{
			victim: victims[n%len(victims)], moment: m.file, delay: time.Duration(random.Float64() * float64(m.lasts)),
			damage: (n/len(victims) + random.IntN(2)) % len(damages),
		}
		t.Run(strconv.Itoa(n+1), func(t *testing.T) {
			r := &real{t: t, bin: r.bin, dir: r.dir}
			defer os.RemoveAll(filepath.Join(r.dir, "runs"))
			said := r.killAt(p, random)
			start := time.Now()
			_, progress := r.run("train", "recipe.yaml")
			for name, sum := range r.trained() {
				if want[name] != sum {
					t.Errorf("%s differs from that of the uninterrupted run", name)
				}
			}
			r.nothingBeside(whole)
			t.Logf("%s; again, %.0f s: %s", said, time.Since(start).Seconds(), resumed(progress))
		})
	}
}

// point is where and how a training is killed.
type point struct {
	victim, moment string
	delay          time.Duration // after the moment
	damage         int
}

// killAt starts a training, kills it at the point and damages its newest
// checkpoint. It says what was done.
func (r *real) killAt(p point, random *rand.Rand) string {
	r.t.Helper()
	cmd := r.command("train", "recipe.yaml")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	r.await(p.moment, ended, &errs)
	time.Sleep(p.delay)
	killed := false
	workers := children(cmd.Process.Pid)
	if p.victim != "bbjtune" {
		for _, pid := range workers {
			worker, err := os.FindProcess(pid)
			killed = err == nil && worker.Kill() == nil || killed
		}
	}
	if p.victim != "worker" {
		killed = cmd.Process.Kill() == nil || killed
	}
	<-ended
	for _, pid := range workers {
		r.awaitEnd(pid)
	}
	if p.victim == "worker" && killed && cmd.ProcessState.ExitCode() != 0 {
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(errs.String(), "run the same command again") {
			r.t.Errorf("%v: %s", cmd.ProcessState, errs.String())
		}
	}
	said := fmt.Sprintf("%s killed %.0f ms after %s", p.victim, 1000*p.delay.Seconds(), p.moment)
	if !killed {
		said = "ended before the kill"
	}
	newest := r.newestCheckpoint()
	if newest == "" {
		return said + ", no checkpoint yet"
	}
	rel, err := filepath.Rel(r.folder(), newest)
	if err != nil {
		r.t.Fatal(err)
	}
	damages[p.damage].do(r.t, random, newest)
	state := "complete"
	if _, err := os.Stat(filepath.Join(newest, "complete.json")); err != nil {
		state = "incomplete"
	}
	return fmt.Sprintf("%s, newest %s (%s): %s", said, rel, state, damages[p.damage].name)
}

// await waits until a file of the training is there.
func (r *real) await(file string, ended <-chan error, errs *bytes.Buffer) {
	r.t.Helper()
	deadline := time.After(8 * time.Minute)
	for {
		select {
		case err := <-ended:
			r.t.Fatalf("it ended before %s was there: %v\n%s", file, err, errs.String())
		case <-deadline:
			r.t.Fatalf("%s never came\n%s", file, errs.String())
		case <-time.After(time.Millisecond):
			if found, _ := filepath.Glob(filepath.Join(r.dir, "runs/train/*", file)); len(found) > 0 {
				return
			}
		}
	}
}

// children are the processes that a process has started. Linux tells them by
// the thread that did.
func children(pid int) []int {
	var said []byte
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil {
			said = append(said, text...)
		}
	}
	if len(files) == 0 {
		said, _ = exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	}
	var list []int
	for _, word := range strings.Fields(string(said)) {
		if n, err := strconv.Atoi(word); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// awaitEnd waits until a process is gone, or nothing but its entry is left.
func (r *real) awaitEnd(pid int) {
	r.t.Helper()
	for range 10_000 {
		if _, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	r.t.Fatalf("the worker %d has outlived the program", pid)
}

// newestCheckpoint is the one of the highest step in the last stage that has any,
// or "".
func (r *real) newestCheckpoint() string {
	r.t.Helper()
	for _, stage := range []string{"stage2", "stage1"} {
		found, err := filepath.Glob(filepath.Join(r.folder(), stage, "checkpoint-*"))
		if err != nil {
			r.t.Fatal(err)
		}
		if len(found) > 0 {
			return slices.MaxFunc(found, func(a, b string) int { return stepOf(a) - stepOf(b) })
		}
	}
	return ""
}

func stepOf(checkpoint string) int {
	n, _ := strconv.Atoi(checkpoint[strings.LastIndexByte(checkpoint, '-')+1:])
	return n
}

// resumed are the lines about what a training went on from.
func resumed(progress string) string {
	var list []string
	for line := range strings.Lines(progress) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "checkpoint") || strings.Contains(line, "done before") && strings.Contains(line, "stage") {
			list = append(list, line)
		}
	}
	if len(list) == 0 {
		return "trained from the start"
	}
	return strings.Join(list, "; ")
}

// nothingBeside holds the files of a finished training against those of the one
// that nothing disturbed: the same names, but for those that tell the time.
func (r *real) nothingBeside(whole string) {
	r.t.Helper()
	names := func(root string) []string {
		var list []string
		dirs, _ := filepath.Glob(filepath.Join(root, "train", "*"))
		if len(dirs) != 1 {
			r.t.Fatalf("trainings in %s: %v", root, dirs)
		}
		err := filepath.WalkDir(dirs[0], func(path string, e fs.DirEntry, err error) error {
			if rel, _ := filepath.Rel(dirs[0], path); err == nil && !strings.Contains(rel, "tensorboard") {
				list = append(list, rel)
			}
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
		return list
	}
	got, want := names(filepath.Join(r.dir, "runs")), names(whole)
	if !slices.Equal(got, want) {
		r.t.Errorf("the files are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// fullDisk trains in a folder on a file system of its own, which is full at some
// time, makes room and trains on.
const fullDisk = `set -e
mkdir runs
mount -t tmpfs -o size="$1"k tmpfs runs
set +e
bbjtune train recipe.yaml
echo "status $?" >&2
set -e
find runs -name 'adapter.partial' -o -name manifest.json -path '*/train/*' >&2
mount -o remount,size=256m runs
bbjtune train recipe.yaml
cp -R runs kept
`

// A disk that is full, while a checkpoint is saved or at any other time, ends the
// training with that reason, and nothing is lost that was complete.
func TestRealFullDisk(t *testing.T) {
	if os.Getenv(kills) == "" {
		t.Skipf("trains several times; set %s=20 to run it", kills)
	}
	if err := exec.Command("unshare", "-rm", "true").Run(); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	whole := newReal(t)
	whole.prepare()
	whole.run("train", "recipe.yaml")
	want := whole.trained()
	size := int64(0)
	err := filepath.WalkDir(filepath.Join(whole.dir, "runs"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, percent := range []int64{15, 30, 45, 60, 75, 90} {
		t.Run(strconv.FormatInt(percent, 10), func(t *testing.T) {
			r := newReal(t)
			r.prepareOn(filepath.Join(whole.dir, "base"))
			cmd := r.command()
			cmd.Args = []string{"unshare", "-rm", "sh", "-c", fullDisk, "sh", strconv.FormatInt(size*percent/100/1024, 10)}
			if cmd.Path, err = exec.LookPath("unshare"); err != nil {
				t.Fatal(err)
			}
			cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(r.bin)+string(os.PathListSeparator)+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			before, after, _ := strings.Cut(string(out), "\nstatus ")
			error := before[max(strings.LastIndex(before, "error: "), 0):]
			if !strings.HasPrefix(after, "2\n") || !strings.Contains(error, "error: ") || !strings.Contains(error, "disk") || !strings.Contains(error, "\nhint: ") {
				t.Errorf("%s", out)
			}
			// Outside, the folder that was mounted over is empty.
			if err := errors.Join(os.Remove(filepath.Join(r.dir, "runs")), os.Rename(filepath.Join(r.dir, "kept"), filepath.Join(r.dir, "runs"))); err != nil {
				t.Fatal(err)
			}
			for name, sum := range r.trained() {
				if want[name] != sum {
					t.Errorf("%s differs from that of the uninterrupted run", name)
				}
			}
			r.nothingBeside(filepath.Join(whole.dir, "runs"))
			t.Logf("%d kB: %s; again: %s", size*percent/100/1024, strings.ReplaceAll(strings.TrimSpace(error), "\n", "; "), resumed(after))
		})
	}
}
