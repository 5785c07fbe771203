package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/answer"
	"bbjtune/internal/audit/audittest"
	"bbjtune/internal/chat"
)

// robust are the commands on data that write a folder, as they are called in the
// workplace that [workplace] makes.
var robust = []struct {
	name string
	args []string
}{
	{"clean", []string{"data", "clean", "rows.jsonl"}},
	{"build", []string{"data", "build", "recipe.yaml"}},
	{"corpus", []string{"corpus", "build", "tree"}},
}

// workplace is a folder with generated rows, a recipe, and two trees of source: a
// little of it, and the programs of some rows.
func workplace(t *testing.T, count int) string {
	t.Helper()
	dir := t.TempDir()
	rows := audittest.Generate(7)[:count]
	var text bytes.Buffer
	if err := chat.WriteJSONL(&text, rows); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"rows.jsonl":  text.String(),
		"recipe.yaml": "name: tiny\nbase: {model: some/model}\ndata: {rows: [rows.jsonl], raw: [src], valid_share: 0.3}\n",
		"src/a.bbj":   "rem prints the word hello\nprint \"hello\"\n",
	}
	for i, row := range rows[:count/5] {
		if code := answer.Marked(row.Messages[2].Content); len(code) > 0 {
			files[fmt.Sprintf("tree/%d.bbj", i)] = code[0]
		}
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(dir, name), text); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// writeFile writes a file below a folder that may not be there yet.
func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// command is the real program in a folder, with its output in a buffer.
func command(dir string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	var out bytes.Buffer
	c := exec.Command(args[0], args[1:]...)
	c.Dir, c.Stdout, c.Stderr = dir, &out, &out
	c.Env = append(os.Environ(), "BBJTUNE_CACHE="+filepath.Join(dir, "cache"), "GORACE=atexit_sleep_ms=0")
	return c, &out
}

func bbjtune(t *testing.T, dir string, args ...string) (status int, said string) {
	t.Helper()
	return ran(t, dir, append([]string{"bbjtune"}, args...)...)
}

func ran(t *testing.T, dir string, args ...string) (status int, said string) {
	t.Helper()
	c, out := command(dir, args...)
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String()
}

// made are the files below a folder of runs, by their paths: a manifest without
// the time when it was made.
func made(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && (e.IsDir() || e.Name() == ".lock") {
			return nil
		} else if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if e.Name() == "manifest.json" {
			var m map[string]any
			if err := json.Unmarshal(text, &m); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			delete(m, "created")
			text, err = json.Marshal(m)
		}
		files[rel] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Killed at any point, no file has its name before it is whole; run again, the
// outcome is that of a run that nothing disturbed, with nothing beside it.
func TestKilledAtAnyPoint(t *testing.T) {
	t.Parallel()
	for _, each := range robust {
		t.Run(each.name, func(t *testing.T) {
			dir := workplace(t, 500)
			run := func(root string) time.Duration {
				start := time.Now()
				if status, said := bbjtune(t, dir, append(each.args, "--runs", root)...); status != 0 {
					t.Fatalf("status %d: %s", status, said)
				}
				return time.Since(start)
			}
			run("whole")
			usual := run("timed")
			whole := made(t, filepath.Join(dir, "timed"))
			random := rand.New(rand.NewPCG(1, 20))
			killed := 0
			for i := range 20 {
				root := fmt.Sprintf("killed-%d", i)
				c, _ := command(dir, append(append([]string{"bbjtune"}, each.args...), "--runs", root)...)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				after := time.Duration(random.Float64() * float64(usual))
				time.AfterFunc(after, func() { c.Process.Kill() })
				if c.Wait() != nil {
					killed++
				}
				left := made(t, filepath.Join(dir, root))
				for path, text := range left {
					if !strings.HasPrefix(filepath.Base(path), ".") && text != whole[path] {
						t.Errorf("killed after %v: %s is not whole", after, path)
					}
				}
				for path := range left {
					if filepath.Base(path) == "manifest.json" && len(left) != len(whole) {
						t.Errorf("killed after %v: a manifest, and %d of %d files", after, len(left), len(whole))
					}
				}
				run(root)
				sameFiles(t, made(t, filepath.Join(dir, root)), whole)
			}
			if killed == 0 {
				t.Error("no run was killed before it ended")
			}
			t.Logf("%d of 20 were killed within %v", killed, usual)
		})
	}
}

func sameFiles(t *testing.T, got, want map[string]string) {
	t.Helper()
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s is left over", path)
		}
	}
	for path, text := range want {
		if got[path] != text {
			t.Errorf("%s differs", path)
		}
	}
}

// A full disk (a limit on the size of files comes as near as a test can) ends the
// command with the name of the file; when there is room the same command succeeds.
func TestNoRoomOnTheDisk(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("ulimit is of Unix")
	}
	dir := workplace(t, 800)
	for _, each := range robust {
		t.Run(each.name, func(t *testing.T) {
			command := "ulimit -f 100 && exec bbjtune " + strings.Join(each.args, " ")
			status, said := ran(t, dir, "sh", "-c", command)
			if status != 2 || !strings.Contains(said, "error: write ") || !strings.Contains(said, "runs/") || !strings.Contains(said, "hint: the disk, or a limit") {
				t.Errorf("status %d: %s", status, said)
			}
			for path, text := range made(t, filepath.Join(dir, "runs")) {
				if strings.HasPrefix(filepath.Base(path), ".") || strings.Contains(path, "manifest") || !wholeLines(text) {
					t.Errorf("left behind: %s", path)
				}
			}
			if status, said := bbjtune(t, dir, each.args...); status != 0 {
				t.Errorf("with room: status %d: %s", status, said)
			}
			os.RemoveAll(filepath.Join(dir, "runs"))
		})
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		if status, said := ran(t, dir, "sh", "-c", "bbjtune data audit rows.jsonl >/dev/full"); status != 2 || !strings.Contains(said, "error: write /dev/stdout: no space left on device") {
			t.Errorf("status %d: %s", status, said)
		}
	}
}

// wholeLines reports whether a text ends where a line does.
func wholeLines(text string) bool { return text == "" || strings.HasSuffix(text, "\n") }

// What cannot be read is named, and nothing is made of it.
func TestWhatCannotBeRead(t *testing.T) {
	dir := workplace(t, 10)
	long := filepath.Join(dir, "long.jsonl")
	if err := os.WriteFile(long, bytes.Repeat([]byte("x"), 100<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.jsonl"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := []string{"long.jsonl", "folder.jsonl", "absent.jsonl"}
	if closed := filepath.Join(dir, "closed.jsonl"); runtime.GOOS != "windows" && os.Getuid() != 0 {
		if err := os.WriteFile(closed, nil, 0); err != nil {
			t.Fatal(err)
		}
		files = append(files, "closed.jsonl")
	}
	for _, file := range files {
		recipe := "name: tiny\nbase: {model: some/model}\ndata: {rows: [" + file + "]}\n"
		if err := os.WriteFile(filepath.Join(dir, "one.yaml"), []byte(recipe), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"data", "audit", file}, {"data", "clean", file}, {"data", "build", "one.yaml"}} {
			status, said := bbjtune(t, dir, args...)
			if status != 2 || !strings.Contains(said, "error: ") || !strings.Contains(said, file) || !strings.Contains(said, "\nhint: ") || len(said) > 1000 {
				t.Errorf("%s: status %d: %.1000s", strings.Join(args, " "), status, said)
			}
		}
	}
	if left := made(t, filepath.Join(dir, "runs")); len(left) > 0 {
		t.Errorf("left behind: %v", slices.Collect(maps.Keys(left)))
	}
}

// A file that somebody still writes to is not cleaned by halves.
func TestFileThatChanges(t *testing.T) {
	dir := workplace(t, 800)
	file, err := os.OpenFile(filepath.Join(dir, "rows.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c, out := command(dir, "bbjtune", "data", "clean", "rows.jsonl")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- c.Wait() }()
	for under := true; under; {
		select {
		case <-ended:
			under = false
		case <-time.After(time.Millisecond):
			if _, err := file.WriteString("{}\n"); err != nil {
				t.Error(err)
			}
		}
	}
	if c.ProcessState.ExitCode() != 2 || !strings.Contains(out.String(), "error: rows.jsonl changed while it was read") {
		t.Errorf("%v: %s", c.ProcessState, out)
	}
	if left := made(t, filepath.Join(dir, "runs")); len(left) > 0 {
		t.Errorf("left behind: %v", slices.Collect(maps.Keys(left)))
	}
}

// A folder that holds itself through a link is read once.
func TestFolderInItself(t *testing.T) {
	dir := workplace(t, 10)
	loop := func(target, path string) {
		if err := os.Symlink(target, filepath.Join(dir, path)); err != nil {
			t.Skip(err)
		}
	}
	status, before := bbjtune(t, dir, "data", "build", "recipe.yaml", "--output-format", "json")
	if status != 0 {
		t.Fatal(before)
	}
	loop(".", "src/here")
	loop("../src", "src/above")
	loop("itself", "src/itself")
	if status, after := bbjtune(t, dir, "data", "build", "recipe.yaml", "--output-format", "json"); status != 0 || jsonOf(after) != jsonOf(before) {
		t.Errorf("status %d: %s", status, after)
	}
	if status, said := bbjtune(t, dir, "corpus", "build", "src"); status != 0 || !strings.Contains(said, "1 file") {
		t.Errorf("status %d: %s", status, said)
	}
	if status, said := bbjtune(t, dir, "check", "src"); status != 0 || !strings.Contains(said, "1 file,") {
		t.Errorf("status %d: %s", status, said)
	}
	for path, text := range map[string]string{
		"ex/strings/a.md": "---\ntitle: First\ntype: completion\ngeneration: all\ndescription: Print three words.\n---\n\n## Code\n\n```bbj\nrem prints words\nprint \"a\",\"b\",\"c\"\n```\n\n## Expected Output\n\nx\n\n## Explanation\n\ny\n",
		"ex.yaml":         "name: tiny\nbase: {model: some/model}\ndata: {examples: [ex], rows: [rows.jsonl]}\n",
	} {
		if err := writeFile(filepath.Join(dir, path), text); err != nil {
			t.Fatal(err)
		}
	}
	loop("../../ex", "ex/strings/above")
	if status, said := bbjtune(t, dir, "data", "build", "ex.yaml"); status != 0 || !strings.Contains(said, "1 example,") {
		t.Errorf("status %d: %s", status, said)
	}
}

// jsonOf is what a command printed on standard output, without the lines about
// its progress.
func jsonOf(said string) string {
	return said[max(strings.Index(said, "{"), 0) : strings.LastIndex(said, "}")+1]
}
