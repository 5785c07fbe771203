package raytrain

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
	"bbjtune/internal/trainer"
)

// fakeCluster is a cluster whose jobs are scripts.
type fakeCluster struct {
	jobs      map[string]*fakeJob
	submitted []ray.Submission
	uploaded  int // how often
	// script is what a job that is submitted does.
	script func(id string) *fakeJob
	away   int // how many questions get no answer
	// head is the node of all drivers: another one after a restart.
	head string
}

// fakeJob tells one event more each time that it is asked for them.
type fakeJob struct {
	ray.Job
	events []string
	told   int
	// ends is the state after the last event.
	ends  ray.Status
	files map[string]string
	// log is what its driver has written; empty is none.
	log string
	// gone is after how many events the cluster forgets it.
	gone int
	lost bool
	// cut is after how many bytes the connection for a result breaks once, and mute how
	// often it breaks at the last event.
	cut, mute int
}

func (c *fakeCluster) Nodes(context.Context) ([]ray.Node, error) {
	return []ray.Node{{ID: c.head, Interpreter: "/opt/ray/bin/python"}}, nil
}

func (c *fakeCluster) Upload(context.Context, *ray.Package) (bool, error) {
	c.uploaded++
	return true, nil
}

func (c *fakeCluster) Submit(_ context.Context, s ray.Submission) (bool, error) {
	if c.jobs[s.ID] != nil {
		return false, nil
	}
	c.submitted = append(c.submitted, s)
	c.jobs[s.ID] = c.script(s.ID)
	return true, nil
}

func (c *fakeCluster) Job(_ context.Context, id string) (ray.Job, error) {
	if c.away > 0 {
		c.away--
		return ray.Job{}, &ray.Failure{Kind: ray.Unreachable, Message: "the cluster does not answer"}
	}
	j := c.jobs[id]
	if j == nil || j.gone > 0 && j.told >= j.gone {
		delete(c.jobs, id)
		return ray.Job{}, &ray.Failure{Kind: ray.NotFound}
	}
	if j.Node == "" {
		j.Node = c.head
		return ray.Job{Status: ray.Pending}, nil
	}
	if j.told >= len(j.events) {
		j.Status = j.ends
		if j.lost {
			j.Error = "JOB_SUPERVISOR_ACTOR_DIED"
		}
	}
	return j.Job, nil
}

func (c *fakeCluster) Stop(_ context.Context, id string) error {
	c.jobs[id].ends = ray.Stopped
	c.jobs[id].told = len(c.jobs[id].events)
	return nil
}

func (c *fakeCluster) File(_ context.Context, _, name string, lines int) (io.ReadCloser, error) {
	if id, isLog := strings.CutPrefix(name, "job-driver-"); isLog {
		j := c.jobs[strings.TrimSuffix(id, ".log")]
		if j.log == "" {
			return nil, &ray.Failure{Kind: ray.NotFound}
		}
		return io.NopCloser(strings.NewReader(j.log)), nil
	}
	_, rest, _ := strings.Cut(name, "bbjtune/")
	id, file, _ := strings.Cut(rest, "/")
	j := c.jobs[id]
	if j.Node != c.head {
		return nil, &ray.Failure{Kind: ray.NotFound, Message: "Agent for node id: n1 doesn't exist."}
	}
	if file == "events.jsonl" && j.told >= len(j.events)-1 && j.mute > 0 {
		j.mute--
		j.told = len(j.events)
		return io.NopCloser(strings.NewReader(j.events[0][:3])), nil
	}
	if file == "events.jsonl" {
		j.told = min(j.told+1, len(j.events))
		list := j.events[:j.told]
		if lines >= 0 {
			list = list[max(0, len(list)-lines):]
		}
		// The next one is half-written.
		text := strings.Join(list, "")
		if j.told < len(j.events) {
			text += j.events[j.told][:3]
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}
	text, ok := j.files[strings.TrimPrefix(file, "output/")]
	if !ok {
		return nil, &ray.Failure{Kind: ray.NotFound}
	}
	if cut := j.cut; cut > 0 {
		j.cut = 0
		return io.NopCloser(io.MultiReader(strings.NewReader(text[:cut]), iotest.ErrReader(io.ErrUnexpectedEOF))), nil
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// script is a training of so many steps that ends well.
func script(steps int) *fakeJob {
	j := &fakeJob{ends: ray.Succeeded, files: map[string]string{"adapter/adapter_model.safetensors": "weights", "training_log.jsonl": "{}\n"}}
	var files []file
	for _, name := range []string{"adapter/adapter_model.safetensors", "training_log.jsonl"} {
		files = append(files, file{name, int64(len(j.files[name])), fmt.Sprintf("%x", sha256.Sum256([]byte(j.files[name])))})
	}
	for n := range steps {
		j.events = append(j.events, fmt.Sprintf(`{"n":%d,"event":"step","step":%d,"loss":1}`+"\n", n+1, n+1))
	}
	list, _ := json.Marshal(files)
	j.events = append(j.events, fmt.Sprintf(`{"n":%d,"event":"done","result":{"steps":%d},"files":%s}`+"\n", steps+1, steps, list))
	return j
}

// training is a stage that is trained on a fake cluster.
type training struct {
	t *testing.T
	*fakeCluster
	Options
	job  trainer.Train
	said []string
	// steps are those that were heard for the first time, again the others.
	steps, again []int
}

func newTraining(t *testing.T, script func(id string) *fakeJob) *training {
	t.Helper()
	root := t.TempDir()
	tr := &training{t: t, fakeCluster: &fakeCluster{jobs: map[string]*fakeJob{}, script: script, head: "n1"}}
	for name, text := range map[string]string{"train.jsonl": "rows\n", "valid.jsonl": "others\n", "base/config.json": "{}", "base/model.safetensors": "base"} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	tr.job = trainer.Train{Rows: trainer.Rows{Train: filepath.Join(root, "train.jsonl"), Valid: filepath.Join(root, "valid.jsonl"), BaseModel: filepath.Join(root, "base")}}
	dir := filepath.Join(root, "tiny-0123", "stage1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tr.Options = Options{
		Cluster: tr.fakeCluster, Name: NameOf(dir), Dir: dir, Workers: 2, Base: Base{Folder: tr.job.BaseModel},
		Code: fstest.MapFS{"train.py": {Data: []byte("pass")}, "requirements.txt": {Data: []byte("x")}},
		Say:  func(format string, args ...any) { tr.said = append(tr.said, fmt.Sprintf(format, args...)) },
		Poll: time.Millisecond, Patience: 20 * time.Millisecond,
	}
	return tr
}

func (tr *training) run(ctx context.Context) (json.RawMessage, error) {
	return Run(ctx, tr.Options, tr.job, func(e trainer.Event, again bool) {
		if again {
			tr.Options.Say("again %d", e.Step)
			tr.again = append(tr.again, e.Step)
			return
		}
		tr.steps = append(tr.steps, e.Step)
	})
}

func (tr *training) wants(steps int) {
	tr.t.Helper()
	result, err := tr.run(tr.t.Context())
	if err != nil || string(result) != fmt.Sprintf(`{"steps":%d}`, steps) {
		tr.t.Fatalf("%s %v\n%s", result, err, strings.Join(tr.said, "\n"))
	}
	for name, want := range map[string]string{"adapter/adapter_model.safetensors": "weights", "training_log.jsonl": "{}\n"} {
		if text, err := os.ReadFile(filepath.Join(tr.Dir, name)); string(text) != want {
			tr.t.Errorf("%s: %q %v", name, text, err)
		}
	}
}

func upTo(n int) []int {
	var list []int
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

func TestRunFollowsToTheEnd(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob { return script(5) })
	tr.wants(5)
	if !slices.Equal(tr.steps, upTo(5)) || len(tr.again) > 0 {
		t.Errorf("heard %v, and again %v", tr.steps, tr.again)
	}
	s := tr.submitted[0]
	if s.ID != "bbjtune-tiny-0123-stage1-1" || s.Env.WorkingDir == "" || s.Entrypoint != "'/opt/ray/bin/python' 'ray_driver.py'" || s.Env.Vars["BBJTUNE_SUBMISSION"] != s.ID {
		t.Errorf("%+v", s)
	}
}

func TestFiles(t *testing.T) {
	tr := newTraining(t, nil)
	r, err := open(tr.Options, tr.job, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	files, err := r.files()
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(files))
	if want := []string{"base_model/config.json", "base_model/model.safetensors", "spec.json", "train.jsonl", "train.py", "valid.jsonl"}; !slices.Equal(names, want) {
		t.Errorf("the package holds %v", names)
	}
	var found spec
	if err := json.Unmarshal(files["spec.json"], &found); err != nil || found.Job.BaseModel != "base_model" || found.Job.Train != "train.jsonl" || found.Workers != 2 {
		t.Errorf("%+v %v", found, err)
	}
}

// Whoever follows dies at every event; the next one hears the rest, and nothing twice.
func TestRunGoesOnWhereTheLastOneDied(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob { return script(12) })
	for range 12 {
		ctx, cancel := context.WithCancel(t.Context())
		heard := len(tr.steps)
		tr.Options.Say = func(format string, args ...any) { tr.said = append(tr.said, fmt.Sprintf(format, args...)) }
		_, err := Run(ctx, tr.Options, tr.job, func(e trainer.Event, again bool) {
			if !again {
				tr.steps = append(tr.steps, e.Step)
				cancel()
			}
		})
		cancel()
		var left *Detached
		if !errors.As(err, &left) || left.ID != tr.submitted[0].ID {
			t.Fatalf("after %d: %v", heard, err)
		}
	}
	tr.wants(12)
	if !slices.Equal(tr.steps, upTo(12)) || !slices.Equal(tr.again, upTo(12)) || len(tr.submitted) != 1 {
		t.Errorf("heard %v, and again %v, of %d jobs", tr.steps, tr.again, len(tr.submitted))
	}
}

func TestRunAfterTheClusterForgot(t *testing.T) {
	first := true
	tr := newTraining(t, func(string) *fakeJob {
		j := script(6)
		if first {
			j.gone = 3
		}
		first = false
		return j
	})
	tr.away = 2
	tr.wants(6)
	if want := []int{1, 2, 3, 1, 2, 3, 4, 5, 6}; !slices.Equal(tr.steps, want) || len(tr.submitted) != 2 {
		t.Errorf("heard %v of %d jobs", tr.steps, len(tr.submitted))
	}
	said := strings.Join(tr.said, "\n")
	if !strings.Contains(said, "it is submitted again and goes on from the newest complete checkpoint") {
		t.Error(said)
	}
}

// A job may follow its folder's earlier one on the storage without waiting, and no
// other: that of another folder, or what goes on at another address.
func TestRunSaysWhoseJobsItFollows(t *testing.T) {
	client := func(tr *training, n int) string { return tr.submitted[n].Env.Vars["BBJTUNE_CLIENT"] }
	tr := newTraining(t, func(string) *fakeJob { return script(1) })
	tr.Address = "http://head:8265"
	tr.wants(1)
	delete(tr.jobs, ID(tr.Name, 1))
	if _, err := tr.run(t.Context()); err != nil || len(tr.submitted) != 2 || client(tr, 0) == "" || client(tr, 1) != client(tr, 0) {
		t.Fatalf("%v %+v", err, tr.submitted)
	}
	tr.Address = "http://other:8265"
	delete(tr.jobs, ID(tr.Name, 2))
	if _, err := tr.run(t.Context()); err != nil || len(tr.submitted) != 3 || client(tr, 2) == client(tr, 1) {
		t.Fatalf("%v %+v", err, tr.submitted)
	}
	another := newTraining(t, func(string) *fakeJob { return script(1) })
	another.wants(1)
	if client(another, 0) == client(tr, 0) {
		t.Error("two folders say that they are the same")
	}
}

func TestRunWaitsForAClusterAndGivesUp(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob { return script(3) })
	tr.jobs["bbjtune-tiny-0123-stage1-1"] = script(3)
	tr.jobs["bbjtune-tiny-0123-stage1-1"].Node = "n1"
	heard := 0
	_, err := Run(t.Context(), tr.Options, tr.job, func(trainer.Event, bool) { heard++; tr.away = 1 << 30 })
	if !ray.Is(err, ray.Unreachable) || !strings.Contains(fault.Hint(err), "start the same command again") || heard != 1 {
		t.Errorf("%v after %d events", err, heard)
	}
}

func TestRunSaysWhyAJobEnded(t *testing.T) {
	for _, test := range []struct {
		name, want, hint string
		job              func() *fakeJob
	}{
		{"its own failure", "the loss became nan", "lower learning_rate", func() *fakeJob {
			j := script(2)
			j.events[2], j.ends = `{"n":3,"event":"failed","kind":"nan_loss","message":"the loss became nan","hint":"lower learning_rate"}`+"\n", ray.Failed
			return j
		}},
		{"a defect", "the training failed on the cluster: KeyError: 'x' y", "stage1/ray-job.log has the end of the job's log, ray job logs bbjtune-tiny-0123-stage1-1 all of it", func() *fakeJob {
			j := script(2)
			j.events[2] = `{"n":3,"event":"failed","kind":"internal","message":"KeyError: 'x'\n  y","hint":"the worker's log holds the details"}` + "\n"
			j.ends, j.log = ray.Failed, "Traceback"
			return j
		}},
		{"a defect, and no log", "KeyError", "ray job logs bbjtune-tiny-0123-stage1-1 says more", func() *fakeJob {
			j := script(2)
			j.events[2], j.ends = `{"n":3,"event":"failed","kind":"internal","message":"KeyError","hint":""}`+"\n", ray.Failed
			return j
		}},
		{"lost workers", "3 times in a row", "ray-job.log has the end", func() *fakeJob {
			j := script(2)
			j.events[2] = `{"n":3,"event":"failed","kind":"lost_process","message":"the workers failed 3 times in a row","hint":""}` + "\n"
			j.ends, j.log = ray.Failed, "Traceback"
			return j
		}},
		{"an endless message", strings.Repeat("x", 900), "", func() *fakeJob {
			j := script(2)
			j.events[2] = `{"n":3,"event":"failed","kind":"bad_input","message":"` + strings.Repeat("x", 1<<20) + `","hint":"mend it"}` + "\n"
			return j
		}},
		{"stopped", "was stopped on the cluster", "newest complete checkpoint", func() *fakeJob {
			j := script(2)
			j.events, j.ends = j.events[:2], ray.Stopped
			return j
		}},
		{"no word", "ended without a result: exit code 1", "ray job logs", func() *fakeJob {
			j := script(2)
			j.events, j.ends, j.Message = j.events[:2], ray.Failed, "one\nexit code 1\n"
			return j
		}},
		{"lost again and again", "4 times now the cluster lost the job: the cluster does not say why", "look at the cluster", func() *fakeJob {
			j := script(2)
			j.events, j.ends, j.lost = j.events[:1], ray.Failed, true
			return j
		}},
		{"a path of its own", `hands over "../manifest.json"`, "", func() *fakeJob {
			j := script(1)
			j.events[1] = `{"n":2,"event":"done","result":{},"files":[{"path":"../manifest.json"}]}` + "\n"
			return j
		}},
		{"a name that is not shown", `hands over "adapter/\x1b[2J"`, "", func() *fakeJob {
			j := script(1)
			j.events[1] = `{"n":2,"event":"done","result":{},"files":[{"path":"adapter/\u001b[2J"}]}` + "\n"
			return j
		}},
		{"a size that none has", `"training_log.jsonl" of 9223372036854775807 bytes`, "", func() *fakeJob {
			j := script(1)
			j.events[1] = `{"n":2,"event":"done","result":{},"files":[{"path":"training_log.jsonl","size":9223372036854775807}]}` + "\n"
			return j
		}},
		{"an endless event", "longer than 16 MiB", "", func() *fakeJob {
			j := script(1)
			j.events[1] = strings.Repeat("x", maxLine+1) + "\n"
			return j
		}},
		{"other weights", "what came is not what the job wrote", "", func() *fakeJob {
			j := script(1)
			j.files["adapter/adapter_model.safetensors"] = "weighty"
			return j
		}},
		{"no event", `wrote something that is no event: "{\"n\":0}"`, "", func() *fakeJob {
			j := script(1)
			j.events[1] = "{\"n\":0}\n"
			return j
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newTraining(t, func(string) *fakeJob { return test.job() })
			_, err := tr.run(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(fault.Hint(err), test.hint) {
				t.Errorf("%v; %s", err, fault.Hint(err))
			}
			if text := err.Error() + fault.Hint(err); len(text) > 2500 || strings.ContainsRune(text, '\n') {
				t.Errorf("%d bytes are said, or several lines", len(text))
			}
			if _, err := os.Stat(filepath.Join(tr.Dir, "adapter", "adapter_model.safetensors")); err == nil {
				t.Error("an adapter is there")
			}
		})
	}
}

// What a job wrote before it failed is kept in the stage's folder, its end at least,
// without what a terminal would obey.
func TestRunKeepsTheLogOfWhatFailed(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob {
		j := script(2)
		j.events[2], j.ends = `{"n":3,"event":"failed","kind":"internal","message":"KeyError"}`+"\n", ray.Failed
		j.log = strings.Repeat("much before that\n", 100_000) + "Traceback\n  \x1b[2Jline 7\xff\nKeyError\n"
		return j
	})
	if _, err := tr.run(t.Context()); err == nil {
		t.Fatal("it went well")
	}
	text, err := os.ReadFile(filepath.Join(tr.Dir, logFile))
	if err != nil || len(text) > 2*maxKept || !strings.HasSuffix(string(text), "Traceback\n  ␛[2Jline 7\uFFFD\nKeyError\n") {
		t.Errorf("%d bytes, %v: %q", len(text), err, text[max(0, len(text)-100):])
	}
}

// A job that failed or was stopped is not followed again, and its name not used again.
func TestRunPassesOverWhatFailed(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob { return script(1) })
	for n, ends := range []ray.Status{ray.Failed, ray.Stopped} {
		tr.jobs[ID(tr.Name, n+1)] = &fakeJob{Job: ray.Job{Node: "n1", Status: ends, Message: "Traceback\nout of luck\n"}, ends: ends}
	}
	tr.wants(1)
	said := strings.Join(tr.said, "\n")
	if tr.submitted[0].ID != ID(tr.Name, 3) || !strings.Contains(said, "-1 failed: out of luck; it is begun again") || !strings.Contains(said, "-2 was stopped; it is begun again") {
		t.Errorf("%+v\n%s", tr.submitted, said)
	}
}

// A job that has told of its failure takes seconds to end. Whoever starts the training
// again by then wants another try, and not the same failure once more.
func TestRunDoesNotFollowWhatHasFailed(t *testing.T) {
	tr := newTraining(t, func(id string) *fakeJob {
		j := script(1)
		if id == "bbjtune-tiny-0123-stage1-1" {
			j.events[1], j.ends = `{"n":2,"event":"failed","kind":"internal","message":"the disk is full"}`+"\n", ray.Running
		}
		return j
	})
	if _, err := tr.run(t.Context()); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Fatal(err)
	}
	tr.wants(1)
	if len(tr.submitted) != 2 {
		t.Errorf("%+v", tr.submitted)
	}
}

// Whoever follows alone hears how it ended, each time, and begins nothing; what the
// cluster has lost is another matter.
func TestRunWithoutRetryTellsHowItEnded(t *testing.T) {
	ended := func(change func(*fakeJob)) *fakeJob {
		j := script(2)
		j.Node, j.ends = "n1", ray.Failed
		change(j)
		return j
	}
	for name, test := range map[string]struct {
		job  *fakeJob
		want string
	}{
		"failed": {ended(func(j *fakeJob) {
			j.events[2] = `{"n":3,"event":"failed","kind":"nan_loss","message":"the loss became nan"}` + "\n"
		}), "the loss became nan"},
		"without a word": {ended(func(j *fakeJob) { j.events, j.Message = j.events[:2], "exit code 1" }), "exit code 1"},
		"stopped":        {ended(func(j *fakeJob) { j.events, j.ends = j.events[:2], ray.Stopped }), "was stopped on the cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTraining(t, func(string) *fakeJob { return script(1) })
			tr.NoRetry = true
			tr.jobs[ID(tr.Name, 1)] = test.job
			for range 2 {
				if _, err := tr.run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) || len(tr.submitted) > 0 {
					t.Errorf("%v; %d jobs", err, len(tr.submitted))
				}
			}
			tr.NoRetry = false
			tr.wants(1)
		})
	}
	tr := newTraining(t, func(string) *fakeJob { return script(2) })
	tr.NoRetry = true
	tr.jobs[ID(tr.Name, 1)] = ended(func(j *fakeJob) { j.events, j.lost = j.events[:1], true })
	tr.wants(2)
}

// An adapter that a package does not hold lies where its stage has left it, whether or
// not this machine sees that.
func TestLargeAdapterStaysOnTheStorage(t *testing.T) {
	tr := newTraining(t, nil)
	tr.Storage, tr.Address = filepath.Join(t.TempDir(), "shared"), "http://head:8265"
	before := filepath.Join(filepath.Dir(tr.Dir), "stage0")
	adapter := filepath.Join(before, "adapter")
	tr.job.AdapterIn = &adapter
	if err := errors.Join(os.MkdirAll(adapter, 0o755), os.WriteFile(filepath.Join(adapter, "x"), nil, 0o644), os.Truncate(filepath.Join(adapter, "x"), MaxPackage)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ storage, want string }{{tr.Storage, tr.Storage + "/runs/tiny-0123-stage0/adapter"}, {"/other", ""}} {
		o := tr.Options
		o.Dir, o.Name, o.Storage = before, NameOf(before), test.storage
		r, err := open(o, tr.job, nil)
		if err == nil {
			err = r.record()
			r.close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if r, err = open(tr.Options, tr.job, nil); err != nil {
			t.Fatal(err)
		}
		files, err := r.files()
		r.close()
		var found spec
		if err == nil {
			err = json.Unmarshal(files["spec.json"], &found)
		}
		switch {
		case test.want == "" && (err == nil || fault.Hint(err) == ""):
			t.Errorf("%s: %v", test.storage, err)
		case test.want != "" && (err != nil || *found.Job.AdapterIn != test.want):
			t.Errorf("%s: %+v %v", test.storage, found.Job, err)
		}
	}
}

// The connection breaks before the last events, and again amid a result.
func TestRunAsksAgainWhereTheConnectionBreaks(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob {
		j := script(3)
		j.mute, j.cut = 2, 2
		return j
	})
	tr.wants(3)
}

func TestRunTakesResultsFromTheStorage(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob {
		j := script(1)
		j.files = nil
		return j
	})
	tr.Storage = t.TempDir()
	for name, text := range map[string]string{"adapter/adapter_model.safetensors": "weights", "training_log.jsonl": "{}\n"} {
		path := filepath.Join(tr.Storage, "runs", tr.Name, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	tr.wants(1)
}

// Killed after the job's last event and before its results were fetched.
func TestRunFetchesWhatAnotherLeft(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob { return script(3) })
	tr.jobs[ID(tr.Name, 1)] = script(3)
	files := tr.jobs[ID(tr.Name, 1)].files
	tr.jobs[ID(tr.Name, 1)].files = nil
	if _, err := tr.run(t.Context()); !ray.Is(err, ray.NotFound) {
		t.Fatal(err)
	}
	tr.jobs[ID(tr.Name, 1)].files = files
	tr.wants(3)
	text, err := os.ReadFile(filepath.Join(tr.Dir, journalFile))
	if n := strings.Count(string(text), "\n"); n != 4 || err != nil || len(tr.submitted) > 0 {
		t.Errorf("%d events are stored of 4, %v", n, err)
	}
}

// Events of a job that the cluster was made to forget lie where those of the next one
// of that name will be.
func TestRunPassesOverOlderEvents(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob {
		j := script(2)
		j.Started = 2000
		older := make([]string, len(j.events))
		for i, e := range j.events {
			older[i] = strings.Replace(e, "{", `{"at":1.5,`, 1)
			j.events[i] = strings.Replace(e, "{", `{"at":2.5,`, 1)
		}
		j.events = append(older, j.events...)
		return j
	})
	tr.wants(2)
	if !slices.Equal(tr.steps, upTo(2)) {
		t.Errorf("heard %v", tr.steps)
	}
}

func TestCancel(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob { return script(5) })
	rec := Record{Name: tr.Name, Attempt: 1}
	if id, err := Cancel(t.Context(), tr, rec); id != "" || err != nil {
		t.Errorf("%q %v", id, err)
	}
	tr.jobs[ID(tr.Name, 1)] = script(5)
	if id, err := Cancel(t.Context(), tr, rec); id != ID(tr.Name, 1) || err != nil {
		t.Errorf("%q %v", id, err)
	}
}

func FuzzEvents(f *testing.F) {
	for _, line := range script(2).events {
		f.Add(line)
	}
	f.Add(`{"n":1,"event":"done","files":[{"path":"adapter/../../x"}]}`)
	f.Fuzz(func(t *testing.T, line string) {
		e, err := read([]byte(line))
		if err != nil {
			return
		}
		for _, file := range e.Files {
			if expected(file.Path) && !filepath.IsLocal(file.Path) {
				t.Errorf("%q leads out of the folder", file.Path)
			}
		}
	})
}
