package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"bbjtune/bbj/check"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// unreached are the keys that change nothing of what is done, each with the reason
// why it is a key all the same.
var unreached = map[string]string{
	"version":               "it says how the recipe is to be read",
	"extends":               "it is resolved when the recipe is read (TestExtends)",
	"name":                  "it names the run folders, and equal work of another name is the same work",
	"description":           "it is for readers",
	"base.instruct_because": "the audit takes it as an allowance (RC103)",
	"allow":                 "it is for the audit",
	"record.packages":       "a recipe with a record is not carried out; it is for recipe compare",
	"record.padding":        "the same",
	"record.tracking":       "the same",
	"record.evaluation":     "the same",
	"record.artefacts":      "the same",
	"stage1.start":          "stage 1 starts from the base model, and setting it is an error",
	"stage1.loss":           "raw text has no prompt that could be left out",
}

// reach makes a folder with all that the recipe of the test names.
type reach struct {
	*testing.T
	app    *app
	corpus [2]string
}

func newReach(t *testing.T) *reach {
	t.Helper()
	examples, err := filepath.Abs("../../training-data/control-flow")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, folder := range []string{"examples", "more"} {
		if err := os.CopyFS(filepath.Join(folder, "control-flow"), os.DirFS(examples)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, "more/gui/another.md", "---\ntitle: Another\ntype: completion\ngeneration: all\n---\n\n## Code\n\n```bbj\nrem prints\nprint 1\n```\n\n## Expected Output\n\n1\n\n## Explanation\n\nIt prints.\n")
	const row = `{"messages":[{"role":"user","content":"%s"},{"role":"assistant","content":"x"}]}` + "\n"
	for name, text := range map[string]string{
		"one.jsonl": fmt.Sprintf(row, "one"), "two.jsonl": fmt.Sprintf(row, "two"),
		"raw1/a.bbj": "print 1\n", "raw1/a.txt": "print 3\n", "raw2/a.bbj": "print 2\n", "general1/a.py": "print(1)\n", "general1/a.go": "package a\n", "general2/a.py": "print(2)\n",
		"model1/config.json": "{}", "model2/config.json": `{"a":1}`, "model3/config.json": `{"a":2}`, "model4/config.json": `{"a":3}`, "graft.gguf": "3", "base.gguf": "1", "tuned.gguf": "2",
	} {
		put(t, name, text)
	}
	for i, suite := range []string{"suite1", "suite2", "suite3"} {
		put(t, suite+"/suite.yaml", "name: "+suite+"\nversion: 1\n")
		for _, name := range []string{"one", "two"} {
			put(t, suite+"/cases/strings/"+name+".md", fmt.Sprintf("---\ntitle: One\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [{verb: PRINT}]\n---\n\n## Prompt\n\nPrint %d.\n\n"+
				"## Reference\n\n```bbj\nprint \"x\"\n```\n\n## Wrong\n\nfails: compile: Python\n\n```python\ndef f(): pass\n```\n", i))
		}
	}
	r := &reach{T: t, app: &app{Streams: Streams{Now: time.Now, Out: io.Discard, Err: io.Discard}, runs: "runs", cache: "cache"}}
	r.app.show = progress.New(io.Discard, progress.Options{Now: time.Now})
	for i, raw := range []string{"raw1", "raw2"} {
		var out strings.Builder
		if status := Main(context.Background(), Streams{Args: []string{"corpus", "build", raw, "--output-format", "json", "--cache", "cache"}, Out: &out, Err: io.Discard, Env: func(string) string { return "" }, Now: time.Now, Width: func() int { return 80 }}); status != statusFine {
			t.Fatalf("corpus build ends with %d", status)
		}
		var built struct{ Folder string }
		if err := json.Unmarshal([]byte(out.String()), &built); err != nil {
			t.Fatal(err)
		}
		r.corpus[i] = built.Folder
	}
	return r
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// full is a recipe that uses everything.
func (r *reach) full() *recipe.Recipe {
	p := recipe.Defaults()
	p.Name, p.Base.Model, p.Graft.Onto = "x", "model1", "model3"
	p.Data.Examples, p.Data.Rows, p.Data.Raw, p.Data.Corpus, p.Data.General = []string{"examples"}, []string{"one.jsonl"}, []string{"raw1"}, []string{r.corpus[0]}, []string{"general1"}
	p.Evaluate.Retention.General = []string{"general1"}
	p.Data.HoldOut, p.Evaluate.Suite, p.Data.FIM.Share, p.Evaluate.Temperature = []string{"suite2"}, "suite1", 0.5, 0.5
	return &p
}

// effects is all that the steps of a recipe are given.
func (r *reach) effects(rec *recipe.Recipe) string {
	r.Helper()
	ctx := context.Background()
	p := &pipeline{app: r.app, recipe: rec, engine: check.Embedded{}}
	in, sources, err := p.readSources()
	closeRows(in.Rows)
	r.must(err)
	data, err := p.dataInputs(ctx, sources)
	r.must(err)
	b, err := p.ensureBase(ctx)
	r.must(err)
	onto, err := p.ensureOnto(ctx)
	r.must(err)
	e, err := p.evaluation("x", rec.Path(rec.Evaluate.Suite), rec.Evaluate.Cases, p.engine, rec.Evaluate.Concurrency)
	r.must(err)
	groups, _, err := p.subjects("base.gguf", "graft.gguf", "tuned.gguf", "trained")
	r.must(err)
	general, err := p.generalTexts()
	r.must(err)
	var asked []any
	for _, group := range groups {
		for _, s := range group {
			asked = append(asked, s.options, s.grafted)
		}
	}
	trained := step{&runs.Dir{Key: "x"}, &runs.Manifest{}}
	text, err := json.Marshal([]any{
		data, b.identity, p.requirements(), p.trainingRequirements(), p.stages(), p.adapters(trained), trainer.NewTrain(rec, 1, trainer.Paths{}), trainer.NewTrain(rec, 2, trainer.Paths{}),
		e.ref, e.concurrency, asked, p.serverOptions("x"), p.packInputs("x"), p.graftInputs(trained, b, onto), p.modelfile(), rec.Compute, p.retentionInputs("x", "x", general, false),
	})
	r.must(err)
	return string(text)
}

func (r *reach) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// other changes a key to another value that it may have.
func (r *reach) other(k recipe.Key, v reflect.Value) {
	r.Helper()
	lists := map[string][]string{
		"data.examples": {"more"}, "data.rows": {"two.jsonl"}, "data.raw": {"raw2"}, "data.raw_extensions": {".bbj", ".txt"}, "data.corpus": {r.corpus[1]},
		"data.general": {"general2"}, "data.general_extensions": {".py", ".go"}, "data.hold_out": {"suite3"}, "data.system_prompts": {"Write BBj."},
		"lora.targets": {"q_proj"}, "tracking": {"wandb"}, "package.quantize": {"q8_0"}, "package.datasets": {"owner/rows"}, "evaluate.retention.general": {"general2"},
	}
	texts := map[string]string{"base.model": "model2", "graft.onto": "model4", "stage2.start": "merged", "evaluate.suite": "suite3"}
	switch {
	case lists[k.Path] != nil:
		v.Set(reflect.ValueOf(lists[k.Path]).Convert(v.Type()))
	case texts[k.Path] != "":
		v.SetString(texts[k.Path])
	case k.Path == "allow":
		v.Set(reflect.ValueOf([]recipe.Allowance{{Rule: "RC201", Because: "x"}}))
	case k.Path == "record.packages":
		v.Set(reflect.ValueOf(map[string]string{"peft": "1"}))
	case len(k.Words) > 0:
		for _, word := range k.Words {
			if word != v.String() {
				v.SetString(word)
				return
			}
		}
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	case v.CanFloat():
		v.SetFloat(v.Float() + (k.High-v.Float())/2)
	case v.Kind() == reflect.String:
		v.SetString(v.String() + "x")
	default:
		r.Fatalf("no other value for %s", k.Path)
	}
}

// Every key of a recipe changes what some step is given: the trainer's jobs, the
// data set, the questions, the server, the package. One that changed nothing would
// be a promise that is not kept.
func TestEveryKeyReachesAStep(t *testing.T) {
	r := newReach(t)
	plain := r.effects(r.full())
	if again := r.effects(r.full()); again != plain {
		t.Fatal("the same recipe has two effects")
	}
	left := maps.Clone(unreached)
	for _, k := range recipe.Keys() {
		rec := r.full()
		v := at(reflect.ValueOf(rec).Elem(), k.Path)
		r.other(k, v)
		changed := r.effects(rec) != plain
		if reason := unreached[k.Path]; changed == (reason != "") {
			t.Errorf("%s: it changes what is done: %v; it is known to change nothing, because %q", k.Path, changed, reason)
		}
		delete(left, k.Path)
	}
	if len(left) > 0 {
		t.Errorf("no such keys: %v", left)
	}
}

// at finds the field of a key.
func at(v reflect.Value, path string) reflect.Value {
	name, rest, deeper := strings.Cut(path, ".")
	for i := range v.NumField() {
		if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); tag == name {
			if deeper {
				return at(v.Field(i), rest)
			}
			return v.Field(i)
		}
	}
	panic("no key " + path)
}

// What a training does not depend on is not in its key: allowing a finding, or
// naming the model onto which it is grafted, trains nothing anew.
func TestAllowancesTrainNothingAnew(t *testing.T) {
	r := newReach(t)
	key := func(rec *recipe.Recipe) string {
		p := &pipeline{app: r.app, recipe: rec, engine: check.Embedded{}}
		s, _, err := p.buildData(context.Background())
		r.must(err)
		inputs, err := p.trainInputs(s, &base{identity: "x"})
		r.must(err)
		text, err := json.Marshal(inputs)
		r.must(err)
		return string(text)
	}
	plain := key(r.full())
	other := r.full()
	other.Allow, other.Graft.Onto, other.Record.Tracking = []recipe.Allowance{{Rule: "RC201", Because: "x"}}, "a/b", "none"
	other.Compute = recipe.Compute{Engine: recipe.Torchrun, Workers: 2}
	if got := key(other); got != plain {
		t.Errorf("%s\n%s", got, plain)
	}
	other = r.full()
	other.Stage2.Start = "merged"
	if key(other) == plain {
		t.Error("what stage 2 starts from is not in the key of a training")
	}
	// That a stage can start from a merged model was not known to earlier trainings.
	for _, word := range []string{"allow", "graft", "record", "compute", "extends", "start"} {
		if strings.Contains(plain, `"`+word+`"`) {
			t.Errorf("%s is in the key of a training", word)
		}
	}
}
