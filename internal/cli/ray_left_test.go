package cli

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/pyenv"
	"bbjtune/internal/ray/raytest"
	"bbjtune/internal/recipe"
)

// onFake is a training of two stages on the stand-in for a cluster, whose jobs come to
// their end once that is said.
type onFake struct {
	*swept
	fake    *raytest.Fake
	address string
	ended   bool   // the jobs are done
	failure string // how they fail instead
}

func newOnFake(t *testing.T) *onFake {
	t.Helper()
	o := &onFake{swept: newSwept(t, true), fake: raytest.NewFake("")}
	o.fake.Takes = time.Hour
	o.fake.Nodes = o.fake.Nodes[:1]
	o.fake.Files = o.files
	s := httptest.NewServer(o.fake)
	t.Cleanup(s.Close)
	o.address = s.URL
	t.Setenv("FAKE_STEPS", abs("steps.log"))
	t.Setenv("FAKE_PACE", "1ms")
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	return o
}

// files are what a job has written by now.
func (o *onFake) files(j raytest.FakeJob) map[string]string {
	left := map[string]string{
		"training_log.jsonl": `{"step": 0, "epoch": 0, "eval_loss": 2}` + "\n", "training_config.json": "{}",
		"adapter/adapter_config.json": "{}", "adapter/adapter_model.safetensors": "weights of " + j.ID,
	}
	type file struct {
		Path   string `json:"path"`
		Size   int    `json:"size"`
		SHA256 string `json:"sha256"`
	}
	var list []file
	found := map[string]string{}
	for path, text := range left {
		found["bbjtune/"+j.ID+"/output/"+path] = text
		list = append(list, file{path, len(text), fmt.Sprintf("%x", sha256.Sum256([]byte(text)))})
	}
	events := `{"n":1,"at":9e9,"event":"step","step":1,"steps":2,"loss":2}` + "\n"
	switch {
	case o.failure != "":
		events += fmt.Sprintf(`{"n":2,"at":9e9,"event":"failed","kind":"nan_loss","message":%q}`+"\n", o.failure)
	case o.ended:
		text, err := json.Marshal(list)
		if err != nil {
			o.Error(err)
		}
		events += fmt.Sprintf(`{"n":2,"at":9e9,"event":"done","result":{"steps":2,"adapter_step":2},"files":%s}`+"\n", text)
	}
	found["bbjtune/"+j.ID+"/events.jsonl"] = events
	return found
}

// end lets all jobs end, with a failure or without.
func (o *onFake) end(failure string) {
	o.fake.Change(func() { o.ended, o.failure, o.fake.Takes = true, failure, 0 })
}

func (o *onFake) app() *app {
	a := &app{Streams: Streams{Now: time.Now, Out: io.Discard, Err: io.Discard, Env: func(string) string { return "" }}, runs: "runs", cache: abs("cache")}
	a.show = progress.New(&o.said, progress.Options{Now: time.Now})
	return a
}

// train trains, on the cluster unless that is changed.
func (o *onFake) train(ctx context.Context, change func(*pipeline)) error {
	o.Helper()
	p, err := o.app().pipeline("recipe.yaml")
	if err != nil {
		o.Fatal(err)
	}
	defer p.close()
	if err := p.apply(computeFlags{engine: recipe.Ray, address: o.address}); err != nil {
		o.Fatal(err)
	}
	p.env, p.script, p.probed = &pyenv.Env{Python: "fake-worker"}, "worker", true
	change(p)
	_, err = p.train(ctx)
	return err
}

func asItIs(*pipeline) {}

// here has the training on this machine instead.
func here(p *pipeline) { p.recipe.Compute, p.where = recipe.Defaults().Compute, computeFlags{} }

// leave starts the training and is interrupted as soon as its job is followed.
func (o *onFake) leave(change func(*pipeline)) *leftRunning {
	o.Helper()
	ctx, cancel := context.WithCancel(o.Context())
	defer cancel()
	followed := func() (n int) {
		for _, call := range o.fake.Calls() {
			if call == "GET /api/v0/logs/file" {
				n++
			}
		}
		return n
	}
	before := followed()
	go func() {
		for ctx.Err() == nil && followed() == before {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	err := o.train(ctx, change)
	var left *leftRunning
	if !errors.As(err, &left) {
		o.Fatalf("%v\n%s", err, o.said.String())
	}
	return left
}

// attach does what runs attach does.
func (o *onFake) attach(names ...string) error {
	a := o.app()
	e, err := a.leftBehind(names)
	if err != nil {
		return err
	}
	return a.attach(o.Context(), e)
}

func (o *onFake) cancel(name string) string {
	o.Helper()
	a := o.app()
	e, err := a.leftBehind([]string{name})
	if err != nil {
		o.Fatal(err)
	}
	c, err := a.cancel(o.Context(), e)
	if err != nil {
		o.Fatal(err)
	}
	return c.String()
}

// wants holds an error, or its hint, against a part of it.
func (o *onFake) wants(err error, message, hint string) {
	o.Helper()
	if err == nil || !strings.Contains(err.Error(), message) || !strings.Contains(fault.Hint(err), hint) {
		o.Errorf("got %v (hint %q), want %q (%q)\n%s", err, fault.Hint(err), message, hint, o.said.String())
	}
}

// jobs are those that were submitted, without the name that they share.
func (o *onFake) jobs(run string) []string {
	list := o.fake.Left()
	for i := range list {
		list[i] = strings.TrimPrefix(list[i], "bbjtune-"+run+"-")
	}
	return list
}

// Whoever is interrupted in stage 1 is told that stage 2 wants somebody who follows;
// who attaches goes through both.
func TestRayLeftAndAttached(t *testing.T) {
	o := newOnFake(t)
	left := o.leave(asItIs)
	if want := "goes on as job bbjtune-" + left.run + "-stage1-1 of the cluster; stage 2 begins when somebody follows it again"; !strings.HasSuffix(left.Error(), want) {
		t.Errorf("%v", left)
	}
	o.end("")
	if err := o.attach(); err != nil {
		t.Fatalf("%v\n%s", err, o.said.String())
	}
	if jobs := o.jobs(left.run); !slices.Equal(jobs, []string{"stage1-1", "stage2-1"}) || !exists(filepath.Join("runs/train", left.run, "manifest.json")) {
		t.Errorf("jobs %v", jobs)
	}
	o.wants(o.attach(), "no training on a cluster was left running", "bbjtune runs list")
	if said := o.cancel(left.run); said != left.run+" is complete" {
		t.Error(said)
	}
}

// What was cancelled is not begun again by who attaches, nor taken for one that runs.
func TestRayCancelled(t *testing.T) {
	o := newOnFake(t)
	run := o.leave(asItIs).run
	for _, want := range []string{"job bbjtune-" + run + "-stage1-1 ended", "no job of " + run + " is under way"} {
		if said := o.cancel(run); said != want {
			t.Errorf("%s, want %s", said, want)
		}
	}
	o.wants(o.attach(run), run+" was cancelled", "bbjtune train runs/train/"+run+"/recipe.yaml goes on")
	o.wants(o.attach(), "no training on a cluster was left running", "")
	o.leave(asItIs)
	if jobs := o.jobs(run); !slices.Equal(jobs, []string{"stage1-1", "stage1-2"}) {
		t.Errorf("jobs %v", jobs)
	}
	o.end("")
	if said := o.cancel(run); !strings.Contains(said, "-stage1-2 is done: bbjtune runs attach "+run) {
		t.Error(said)
	}
	if err := o.attach(); err != nil {
		t.Errorf("%v\n%s", err, o.said.String())
	}
}

// A failure that came while nobody followed is heard, and only then passed over.
func TestRayFailedMeanwhile(t *testing.T) {
	o := newOnFake(t)
	exit := 1
	o.fake.Run = func(raytest.FakeJob) (string, int) { return "Traceback\nexit code 1\n", exit }
	run := o.leave(asItIs).run
	o.end("the loss became nan")
	for range 2 {
		o.wants(o.attach(run), "the loss became nan", "")
	}
	if jobs := o.jobs(run); len(jobs) != 1 {
		t.Errorf("jobs %v", jobs)
	}
	o.fake.Change(func() { exit = 0 })
	o.end("")
	if err := o.train(t.Context(), asItIs); err != nil || !strings.Contains(o.said.String(), "-stage1-1 failed: the loss became nan; it is begun again") {
		t.Errorf("%v\n%s", err, o.said.String())
	}
}

// A job that is under way is followed although a node is down that it needs; one that
// is not would be refused.
func TestRayFollowsWithoutItsNode(t *testing.T) {
	o := newOnFake(t)
	two := func(p *pipeline) { p.recipe.Compute.Workers = 2 }
	run := o.leave(two).run
	o.fake.Change(func() { o.fake.Nodes[0].CPUs, o.fake.Nodes[0].FreeCPUs = 1, 0 })
	o.said.Reset()
	unasked := func(p *pipeline) { two(p); p.probed = false }
	o.leave(unasked)
	if want := "warning: 2 workers of 1 CPU ask for 2 CPUs, and the cluster offers 1 CPU; job bbjtune-" + run + "-stage1-1 is under way all the same"; !strings.Contains(o.said.String(), want) {
		t.Errorf("said %s", o.said.String())
	}
	o.cancel(run)
	o.wants(o.train(t.Context(), unasked), "2 workers of 1 CPU ask for 2 CPUs", "compute.workers")
	if jobs := o.jobs(run); len(jobs) != 1 {
		t.Errorf("jobs %v", jobs)
	}
}

// Another cluster that Ray's variables name by now is asked what it lacks: the job that
// goes on elsewhere is not the one that would be followed.
func TestRayIsNotFollowedElsewhere(t *testing.T) {
	o := newOnFake(t)
	o.leave(asItIs)
	small := raytest.NewFake("")
	small.Nodes = small.Nodes[:1]
	small.Nodes[0].CPUs = 1
	s := httptest.NewServer(small)
	t.Cleanup(s.Close)
	elsewhere := func(p *pipeline) {
		p.recipe.Compute.Address, p.recipe.Compute.Workers, p.where, p.probed = "", 2, computeFlags{}, false
		p.Env = func(name string) string { return map[string]string{"RAY_ADDRESS": s.URL}[name] }
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o.wants(o.train(ctx, elsewhere), "2 workers of 1 CPU ask for 2 CPUs, and the cluster offers 1 CPU", "compute.workers")
	if jobs := small.Left(); len(jobs) > 0 {
		t.Errorf("jobs %v", jobs)
	}
}

// A stage 1 that another training has finished meanwhile is taken, and the own job is
// not left running without anyone who follows it.
func TestRayTakesSharedStageAndEndsItsOwn(t *testing.T) {
	o := newOnFake(t)
	run := o.leave(asItIs).run
	other := func(p *pipeline) { here(p); p.recipe.Stage2.LearningRate = 5e-4 }
	if err := o.train(t.Context(), other); err != nil {
		t.Fatalf("%v\n%s", err, o.said.String())
	}
	o.said.Reset()
	left := o.leave(asItIs)
	if left.more || !strings.Contains(o.said.String(), "stage 1, continued pretraining: taken from swept-") {
		t.Errorf("%v\n%s", left, o.said.String())
	}
	if o.cancel(run); !strings.Contains(strings.Join(o.fake.Calls(), " "), "POST /api/jobs/bbjtune-"+run+"-stage1-1/stop") {
		t.Errorf("the job of stage 1 goes on: %v", o.fake.Calls())
	}
	if exists(filepath.Join("runs/train", run, "stage1/ray.json")) {
		t.Error("the record of the job says where results of another training lie")
	}
}

// What a cluster trains is not trained here as well, until its job has ended.
func TestRayIsNotTrainedHereToo(t *testing.T) {
	o := newOnFake(t)
	run := o.leave(asItIs).run
	o.wants(o.train(t.Context(), here), "stage1 of "+run+" is under way on the cluster at "+o.address, "bbjtune runs cancel "+run+" ends it")
	o.cancel(run)
	if err := o.train(t.Context(), here); err != nil {
		t.Errorf("%v\n%s", err, o.said.String())
	}
	if said := o.cancel(run); said != run+" is complete" {
		t.Error(said)
	}
}
