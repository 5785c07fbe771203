package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/bbj/check"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

const graftFacts = `{"output":"o","tensors":27,"tokens":426,"gap":%s,"matrices":14,"rows":1,"differs":["max_position_embeddings"]}`

// grafting is a recipe whose training is done, and a worker that plays its part.
type grafting struct {
	*testing.T
	app     *app
	trained step
	said    *bytes.Buffer
}

func newGrafting(t *testing.T) *grafting {
	t.Helper()
	t.Chdir(t.TempDir())
	for i, name := range []string{"base", "instruct", "other"} {
		put(t, name+"/config.json", `{"dtype":"bfloat16","n":`+string(rune('0'+i))+`}`)
	}
	g := &grafting{T: t, app: &app{Streams: Streams{Now: time.Now, Out: io.Discard, Err: io.Discard}, runs: "runs", cache: "cache"}, said: &bytes.Buffer{}}
	g.app.show = progress.New(g.said, progress.Options{Now: time.Now})
	g.trained = g.train("one")
	return g
}

// train makes the folder of a finished training.
func (g *grafting) train(name string) step {
	g.Helper()
	d, _, err := runs.Open("runs", "train", name, "v1", map[string]any{"base": "x", "name": name, "recipe": map[string]any{}})
	g.must(err)
	g.must(runs.WriteFile(d.File("stage2", "adapter", "adapter_model.safetensors"), []byte(name)))
	text, err := g.recipe("instruct").YAML()
	g.must(err)
	g.must(runs.WriteFile(d.File("recipe.yaml"), text))
	m, err := d.Finish(time.Now(), report.Training{Recipe: name, Base: "base"}, "stage2", "recipe.yaml")
	g.must(err)
	g.must(d.Close())
	return step{d, m}
}

func (g *grafting) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

func (g *grafting) recipe(onto string) *recipe.Recipe {
	r := recipe.Defaults()
	r.Name, r.Base.Model, r.Graft.Onto, r.Data.Examples, r.Package.Quantize = "shop", "base", onto, []string{"examples"}, []string{"f16"}
	return &r
}

// pipeline carries out the recipe as far as it is a graft. What the worker would
// convert is there, so that no model has to be a real one.
func (g *grafting) pipeline(onto string, env ...string) *pipeline {
	g.Helper()
	p := &pipeline{app: g.app, recipe: g.recipe(onto), engine: check.Embedded{}, trained: &g.trained, admitted: true}
	w, err := trainer.Start(context.Background(), trainer.Options{Python: "fake-worker", Script: "worker.py", Env: append([]string{"FAKE_JOBS=jobs.jsonl"}, env...)})
	g.must(err)
	p.worker = w
	g.Cleanup(p.close)
	b, err := p.ensureBase(context.Background())
	g.must(err)
	instruct, err := p.ensureOnto(context.Background())
	g.must(err)
	s, done, err := p.open("runs", "pack", "shop-graft", p.graftInputs(g.trained, b, instruct))
	g.must(err)
	if !done {
		g.must(runs.WriteFile(s.path("model-f16.gguf"), []byte("gguf")))
		g.must(writeJSONFile(s.path(partsFile), map[string]part{"model-f16.gguf": {Output: "model-f16.gguf", Step: "convert to GGUF", Tool: "test"}}))
		g.must(s.dir.Close())
	}
	return p
}

// jobs are those that the worker was given since the last call.
func (g *grafting) jobs() []trainer.Graft {
	g.Helper()
	text, err := os.ReadFile("jobs.jsonl")
	if os.IsNotExist(err) {
		return nil
	}
	g.must(err)
	g.must(os.Remove("jobs.jsonl"))
	var list []trainer.Graft
	for line := range bytes.Lines(text) {
		var job trainer.Graft
		g.must(json.Unmarshal(line, &job))
		list = append(list, job)
	}
	return list
}

func facts(gap string) string { return "FAKE_RESULT=" + strings.Replace(graftFacts, "%s", gap, 1) }

// A graft is a package of its own, made by one job, once, and what it is made of
// stands in it.
func TestGraft(t *testing.T) {
	g := newGrafting(t)
	s, err := g.pipeline("instruct", facts("0.02")).graft(t.Context())
	g.must(err)
	jobs := g.jobs()
	if len(jobs) != 1 || jobs[0].Kind != "graft" || jobs[0].BaseModel != abs("base") || jobs[0].Onto != abs("instruct") ||
		!slices.Equal(jobs[0].Adapters, []string{abs(g.trained.path("stage2", "adapter"))}) || jobs[0].Dtype != "bfloat16" || jobs[0].ChatTemplate == "" {
		t.Errorf("jobs %+v", jobs)
	}
	for _, name := range []string{"merged/model.safetensors", "model-f16.gguf", "Modelfile", cardFile} {
		if _, ok := s.manifest.Lookup(name); !ok {
			t.Errorf("the manifest lacks %s", name)
		}
	}
	if strings.Contains(g.said.String(), "far apart") {
		t.Errorf("said %s", g.said)
	}
	again, err := g.pipeline("instruct").graft(t.Context())
	g.must(err)
	if again.dir.Path != s.dir.Path || len(g.jobs()) > 0 {
		t.Error("the same graft is made twice")
	}
	for what, want := range map[string][]string{
		"show": {"what was trained on base, added to instruct", "one-", "14 matrices changed, and 1 of the rows", "27 tensors and 426 tokens", "0.0200 apart", "differ in max_position_embeddings"},
		"card": {"# shop-graft", "Grafted onto: a local model, `sha256:", "arXiv 2505.12716", "ollama create bbj-coder-graft"},
		"list": {"grafted onto instruct"},
	} {
		args := map[string][]string{"show": {"runs", "show", s.dir.Path}, "card": {"card", s.dir.Path}, "list": {"runs", "list"}}[what]
		var out strings.Builder
		status := Main(t.Context(), Streams{Args: args, Out: &out, Err: &out, Env: func(string) string { return "" }, Now: time.Now, Width: func() int { return 80 }})
		for _, w := range want {
			if status != statusFine || !strings.Contains(out.String(), w) {
				t.Errorf("runs %s: status %d, no %q in\n%s", what, status, w, out.String())
			}
		}
	}
	if card, err := os.ReadFile(s.path(cardFile)); err != nil || !bytes.Contains(card, []byte("# shop-graft")) {
		t.Errorf("%v: %s", err, card)
	}
}

// Another model to graft onto, and another training, are other grafts.
func TestGraftKey(t *testing.T) {
	g := newGrafting(t)
	var paths []string
	graft := func(onto string) {
		s, err := g.pipeline(onto, facts("0.02")).graft(t.Context())
		g.must(err)
		paths = append(paths, s.dir.Path)
	}
	graft("instruct")
	graft("other")
	g.trained = g.train("two")
	graft("instruct")
	if slices.Sort(paths); len(slices.Compact(paths)) != 3 {
		t.Errorf("folders %v", paths)
	}
}

// What was found of the models stays beside the weights until the manifest has it;
// weights that are far apart are said.
func TestGraftFound(t *testing.T) {
	g := newGrafting(t)
	p := g.pipeline("instruct", facts("0.7"))
	b, onto := p.origin, p.onto
	inputs := p.graftInputs(g.trained, b, onto)
	s, _, err := p.open("runs", "pack", "shop-graft", inputs)
	g.must(err)
	defer s.dir.Close()
	_, err = p.mergeOnto(t.Context(), s, b, onto, []string{"adapter"})
	g.must(err)
	k, err := p.newPacking(s, inputs)
	g.must(err)
	if found, err := k.grafted(); err != nil || found.Gap != 0.7 || found.Onto != "instruct" || found.Base != "base" {
		t.Errorf("%v: %+v", err, found)
	}
	if !strings.Contains(g.said.String(), "warning: the weights of base and instruct are far apart (0.70") {
		t.Errorf("said %s", g.said)
	}
	g.must(os.Remove(s.path(graftFile)))
	if _, err := k.grafted(); err == nil || fault.Hint(err) == "" {
		t.Errorf("what was lost was found: %v", err)
	}
}

// Two models that are no pair are refused before the training, and nothing is left
// of the attempt.
func TestGraftOfNoPair(t *testing.T) {
	g := newGrafting(t)
	p := g.pipeline("instruct", "FAKE_FAILURE=the two models have other tensors")
	for what, do := range map[string]func() error{
		"check_graft": func() error { return p.checkGraft(t.Context()) },
		"graft":       func() error { _, err := p.graft(t.Context()); return err },
	} {
		err := do()
		if err == nil || err.Error() != "graft base onto instruct: the two models have other tensors" || fault.Hint(err) != "name another" {
			t.Errorf("%s: %v; %s", what, err, fault.Hint(err))
		}
		if jobs := g.jobs(); len(jobs) != 1 || jobs[0].Kind != what || jobs[0].BaseModel != abs("base") {
			t.Errorf("%s: %+v", what, jobs)
		}
	}
	if done, _ := filepath.Glob("runs/pack/*/manifest.json"); len(done) > 0 {
		t.Errorf("made %v", done)
	}
	p.onto, p.recipe.Graft.Onto = nil, "./base"
	if _, err := p.ensureOnto(t.Context()); err == nil || err.Error() != "graft.onto has the weights of the base model" {
		t.Errorf("onto itself: %v", err)
	}
	g.must(os.Rename(g.trained.dir.Path, "runs/train/shop-0123456789ab"))
	if err := p.checkGraft(t.Context()); err != nil || len(g.jobs()) > 0 {
		t.Errorf("checked although the training is done: %v", err)
	}
}

// Stage 2 starts from stage 1 merged into the base model: merged once, kept with the
// models that are trained on, and made again where it was deleted. The package and
// the graft are made of both adapters.
func TestStageOnMergedBase(t *testing.T) {
	g := newGrafting(t)
	p := g.pipeline("instruct", facts("0.02"))
	p.recipe.Stage2.Start = "merged"
	one := g.trained.path("stage1", "adapter")
	g.must(runs.WriteFile(filepath.Join(one, "adapter_model.safetensors"), []byte("stage 1")))
	at := func(n int) trainer.Paths {
		s := &stageRun{p: p, n: n, adapterIn: one, base: p.origin, data: step{dir: &runs.Dir{Path: "data"}}}
		paths, err := s.start(t.Context())
		g.must(err)
		return paths
	}
	paths := at(2)
	jobs := g.jobs()
	if len(jobs) != 1 || jobs[0].Kind != "merge" || jobs[0].BaseModel != abs("base") || jobs[0].Dtype != "bfloat16" || jobs[0].Output != abs(paths.BaseModel) || !strings.HasPrefix(paths.BaseModel, "cache") || paths.AdapterIn != "" {
		t.Errorf("%+v, jobs %+v", paths, jobs)
	}
	if again := at(2); again != paths || len(g.jobs()) > 0 {
		t.Errorf("merged twice: %+v", again)
	}
	if first := at(1); first.BaseModel != "base" || first.AdapterIn != one || len(g.jobs()) > 0 {
		t.Errorf("stage 1 on %+v", first)
	}
	g.must(os.RemoveAll("cache"))
	last, err := p.lastBase(t.Context(), g.trained, p.origin)
	g.must(err)
	if last.model != paths.BaseModel || len(g.jobs()) != 1 {
		t.Errorf("packed on %+v", last)
	}
	if got := p.adapters(g.trained); !slices.Equal(got, []string{one, g.trained.path("stage2", "adapter")}) {
		t.Errorf("adapters %v", got)
	}
	g.must(runs.WriteFile(filepath.Join(one, "adapter_model.safetensors"), []byte("another")))
	if other := at(2); other.BaseModel == paths.BaseModel {
		t.Error("another adapter of stage 1 leads to the same model")
	}
}
