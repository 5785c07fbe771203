package record_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/record"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
	"bbjtune/internal/stats"
)

var update = flag.Bool("update", false, "write the golden files anew")

// clock makes every folder an hour younger than the one before.
type clock struct{ t time.Time }

func (c *clock) now() time.Time {
	c.t = c.t.Add(time.Hour)
	return c.t
}

// world is a folder of made-up runs.
type world struct {
	t     *testing.T
	root  string
	clock clock
}

func newWorld(t *testing.T) *world {
	// Relative, so that the paths in golden files are the same everywhere.
	t.Chdir(t.TempDir())
	return &world{t, "runs", clock{time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// finish makes a finished folder with the files.
func (w *world) finish(kind, name string, inputs, result any, files map[string]string) (string, *runs.Manifest) {
	w.t.Helper()
	d, m, err := runs.Open(w.root, kind, name, "v1", inputs)
	w.check(err)
	if m != nil {
		w.t.Fatalf("%s %s was made before", kind, name)
	}
	var names []string
	for file, text := range files {
		w.check(runs.WriteFile(d.File(filepath.FromSlash(file)), []byte(text)))
		names = append(names, file)
	}
	m, err = d.Finish(w.clock.now(), result, names...)
	w.check(err)
	w.check(d.Close())
	return d.Path, m
}

// rows writes the files of a data folder: a source a row, the last one held out.
func rows(sources ...string) map[string]string {
	files := map[string]string{"stage1/train.jsonl": "", "stage1/valid.jsonl": "", "stage2/train.jsonl": "", "stage2/valid.jsonl": "", "lineage.jsonl": ""}
	n := map[string]int{}
	for i, s := range sources {
		name, text, _ := strings.Cut(s, "=")
		for _, stage := range []string{"stage1", "stage2"} {
			file := stage + "/train.jsonl"
			if i == len(sources)-1 {
				file = stage + "/valid.jsonl"
			}
			n[file]++
			files[file] += fmt.Sprintf("{%q:%q}\n", "text", text)
			files["lineage.jsonl"] += fmt.Sprintf("{%q:%q,%q:%d,%q:%q}\n", "file", file, "row", n[file], "source", name)
		}
	}
	return files
}

func (w *world) data(name string, seed int, hash string, sources ...string) (string, *runs.Manifest) {
	return w.finish("data", name, map[string]any{
		"format": 4, "engine": "embedded 5", "sources": map[string]string{"examples training-data": hash, "hold out suites/x": "s1"},
		"options": map[string]any{"Seed": seed, "ValidShare": 0.1, "SystemPrompts": []string{"one", "two"}}, "extensions": []string{".bbj"},
	}, map[string]any{"examples": len(sources), "stage1": map[string]int{"train": 3, "valid": 1}, "stage2": map[string]int{"train": 3, "valid": 1}}, rows(sources...))
}

// plan is what a training of the world is made by.
type plan struct {
	name     string
	data     *runs.Manifest
	dataDir  string
	recipe   map[string]any
	worker   string
	packages map[string]string
	device   string
	last     float64 // validation loss
}

func basic() map[string]any {
	return map[string]any{
		"version": 1, "seed": 42, "base": map[string]any{"model": "owner/base", "kind": "base"}, "quantization": "none", "precision": "auto",
		"lora": map[string]any{"r": 16, "alpha": 32}, "stage1": map[string]any{"enabled": true, "learning_rate": 0.002, "epochs": 1},
		"stage2": map[string]any{"enabled": true, "learning_rate": 0.002, "epochs": 2}, "evaluate": map[string]any{"suite": ""},
	}
}

func (w *world) train(p plan) (string, *runs.Manifest) {
	w.t.Helper()
	files := map[string]string{}
	for _, f := range p.data.Files {
		if strings.HasPrefix(f.Path, "stage") {
			files[f.Path] = f.SHA256
		}
	}
	d, err := record.NewData(p.dataDir, p.data)
	w.check(err)
	return w.finish("train", p.name, map[string]any{"base": "hub:owner/base", "data": files, "worker": p.worker, "template": "t", "recipe": p.recipe},
		report.Training{Recipe: p.name, Base: "owner/base", Data: "4 examples.", Stages: []report.Stage{
			{Name: "stage 1, continued pretraining", Steps: 2, Tokens: 100, Seconds: 9, ValidFirst: 3, ValidLast: 2, Train: []report.Point{{Step: 1, Loss: 3}, {Step: 2, Loss: 2.5}}, Valid: []report.Point{{Step: 0, Loss: 3}, {Step: 2, Loss: 2}}},
			{Name: "stage 2, instruction tuning", Steps: 4, Tokens: 200, Seconds: 18, ValidFirst: 2, ValidLast: p.last, Valid: []report.Point{{Step: 0, Loss: 2}, {Step: 4, Loss: p.last}}},
		}}, map[string]string{
			"recipe.yaml": "name: x\nbase: {model: owner/base}\ndata: {examples: [training-data]}\n", "data.json": text(d), "stage2/adapter/adapter_config.json": "{}",
			"stage1/checkpoint-2/complete.json": "{}", "stage2/checkpoint-10/complete.json": "{}", "stage2/checkpoint-4/optimizer.pt": "",
			"environment.json": text(record.Environment{Version: 1, Tool: "v1", OS: "linux", Arch: "amd64", CPUs: 2, Python: "3.11.7", Packages: p.packages, Device: p.device, DeviceName: "x86_64", Precision: "fp32", Threads: 2}),
		})
}

func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// evaluated makes an evaluation of cases whose answer compiles where the outcome has a 1.
func (w *world) evaluated(name, trained, suiteHash, outcomes string) *runs.Manifest {
	w.t.Helper()
	return w.evaluatedGraft(name, trained, "", suiteHash, outcomes)
}

// evaluatedGraft does so for a model that was grafted onto another.
func (w *world) evaluatedGraft(name, trained, onto, suiteHash, outcomes string) *runs.Manifest {
	w.t.Helper()
	r := eval.Result{Version: eval.ResultVersion, Model: "tuned", Suite: eval.SuiteRef{Name: "tiny", Version: 1, Hash: suiteHash}, Engine: eval.EngineRef{Name: "embedded", Version: "5"}, Options: eval.Options{Samples: 1, Seed: 42}}
	k := strings.Count(outcomes, "1")
	for i, c := range outcomes {
		compiles := 0
		if c == '1' {
			compiles = 1
		}
		r.Cases = append(r.Cases, eval.Case{ID: fmt.Sprint(i), Program: true, Samples: 1, Compiles: compiles})
	}
	r.Metrics = eval.Metrics{Compile: stats.NewProportion(k, len(outcomes)), Task: stats.NewProportion(0, len(outcomes))}
	in := map[string]any{"suite": r.Suite, "engine": "embedded 5", "label": "tuned", "answers": outcomes}
	if trained != "" {
		in["trained"] = trained
	}
	if onto != "" {
		in["grafted"] = onto
	}
	_, m := w.finish("eval", name, in, r.Metrics, map[string]string{"result.json": text(r)})
	return m
}

// fill makes two trainings that differ in one hyperparameter, a third that
// differs in more, and what goes with them.
func (w *world) fill() {
	dirA, dataA := w.data("first", 42, "h1", "a.md=one", "b.md=two", "c.md=three", "v.md=four")
	packages := map[string]string{"torch": "2.9", "trl": "1.0"}
	_, a := w.train(plan{"first", dataA, dirA, basic(), "code1", packages, "cpu", 1.5})
	slower := basic()
	slower["stage2"].(map[string]any)["learning_rate"] = 0.001
	_, b := w.train(plan{"slower", dataA, dirA, slower, "code1", packages, "cpu", 1.25})
	dirC, dataC := w.data("more", 42, "h2", "a.md=one", "b.md=TWO", "d.md=five", "e.md=six", "v.md=four")
	many := basic()
	many["lora"] = map[string]any{"r": 32, "alpha": 64}
	many["stage1"] = map[string]any{"enabled": false, "learning_rate": 9}
	many["extra"] = "x"
	_, c := w.train(plan{"more", dataC, dirC, many, "code2", map[string]string{"torch": "2.10", "trl": "1.0"}, "cuda", 1.75})
	one := w.evaluated("first-tuned", a.Key, "s", "0011010011")
	untuned := w.evaluated("first-base", "", "s", "0000000001")
	w.evaluated("slower-tuned", b.Key, "s", "1111010111")
	w.evaluated("more-tuned", c.Key, "another", "11")
	w.finish("report", "first", map[string]any{"evaluations": []string{untuned.Key, one.Key}}, nil, map[string]string{"report.md": "#"})
}

// debris makes what crashes and other programs leave behind.
func (w *world) debris() {
	when := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for dir, manifest := range map[string]string{
		"train/half-0123456789ab": "", "train/torn-0123456789ab": "{", "train/old-0123456789ab": `{"version":99}`, "eval/odd-0123456789ab": `{"version":1,"kind":"train"}`,
		"train/lies-0123456789ab":          `{"version":1,"kind":"train","created":"2026-10-01T00:00:00Z","result":[1],"inputs":3}`,
		"train/less-0123456789ab":          `{"version":1,"kind":"train","created":"2026-10-01T00:00:00Z","files":[{"path":"../../gone","size":3}]}`,
		"eval/\u202egpj-0123456789ab":      `{"version":1,"kind":"eval","created":"2026-10-01T00:00:00Z","result":"\u001b[31m"}`,
		"corpus/no-hash/deeper/still":      "",
		"train/nothing-0123456789ab/empty": "",
	} {
		path := filepath.Join(w.root, filepath.FromSlash(dir))
		w.check(os.MkdirAll(path, 0o755))
		if manifest != "" {
			w.check(os.WriteFile(filepath.Join(path, "manifest.json"), []byte(manifest), 0o644))
			w.check(os.Chtimes(filepath.Join(path, "manifest.json"), when, when))
		}
	}
	w.check(os.WriteFile(filepath.Join(w.root, "worker.log"), nil, 0o644))
	w.check(filepath.WalkDir(w.root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chtimes(path, when, when)
		}
		return err
	}))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join(testdata, name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (write it with -update):\n%s", name, got)
	}
}

// testdata is absolute: the tests change the folder.
var testdata = func() string {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	return dir
}()

func open(t *testing.T) *record.Store {
	t.Helper()
	s, err := record.Open("runs")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func TestList(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.debris()
	s := open(t)
	var b bytes.Buffer
	if err := s.List("").Text(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "list.txt", b.Bytes())
	golden(t, "list.json", jsonOf(t, s.List("train")))
	if got := fmt.Sprint(s.Kinds()); got != "[corpus data eval report train]" {
		t.Errorf("kinds %s", got)
	}
}

func TestListKnowsWhoWorks(t *testing.T) {
	w := newWorld(t)
	d, _, err := runs.Open(w.root, "train", "x", "v", 1)
	if err != nil {
		t.Fatal(err)
	}
	if e := open(t).Entries[0]; e.State != runs.UnderWay {
		t.Errorf("a locked folder is %s", e.State)
	}
	w.check(d.Close())
	if e := open(t).Entries[0]; e.State != runs.Unfinished {
		t.Errorf("a folder that nobody works in is %s", e.State)
	}
}

func TestShow(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := open(t)
	for _, name := range []string{"first", "data/first", "eval/slower"} {
		e, err := s.Find(name, "train")
		if kind, prefix, ok := strings.Cut(name, "/"); ok {
			for _, e = range s.Entries {
				if e.Kind == kind && strings.HasPrefix(e.ID, prefix) {
					err = nil
					break
				}
			}
		}
		w.check(err)
		shown, err := record.Show(e)
		w.check(err)
		var b bytes.Buffer
		w.check(shown.Text(&b))
		name = "show-" + strings.ReplaceAll(name, "/", "-")
		golden(t, name+".txt", b.Bytes())
		golden(t, name+".json", jsonOf(t, shown))
	}
}

// A graft is another model than the one that was trained: its scores are named as
// such, never stand for those of the training, and are compared with a graft alone.
func TestGrafts(t *testing.T) {
	w := newWorld(t)
	dir, data := w.data("first", 42, "h1", "a.md=one", "v.md=four")
	_, a := w.train(plan{"first", data, dir, basic(), "code1", nil, "cpu", 1.5})
	slower := basic()
	slower["stage2"].(map[string]any)["learning_rate"] = 0.001
	_, b := w.train(plan{"slower", data, dir, slower, "code1", nil, "cpu", 1.25})
	w.evaluated("first-tuned", a.Key, "s", "0011")
	w.evaluatedGraft("first-graft", a.Key, "owner/instruct", "s", "0111")
	w.evaluatedGraft("slower-graft", b.Key, "owner/instruct", "s", "1111")
	pack, _ := w.finish("pack", "first-graft", map[string]any{"trained": a.Key}, map[string]any{"graft": record.Graft{Base: "owner/base", Onto: "owner/\x1binstruct", Tensors: 9, Differs: []string{"x"}}}, map[string]string{"Modelfile": ""})

	for name, want := range map[string][]string{
		"first":       {"tuned: compile@1 50.0", "tuned, grafted onto owner/instruct: compile@1 75.0"},
		"first-graft": {"grafted onto owner/instruct"},
		pack:          {"what was trained on owner/base, added to owner/\uFFFDinstruct", "first-", "9 tensors", "differ in x"},
	} {
		e, err := open(t).Find(name, "train")
		if name == "first-graft" {
			e, err = open(t).Find("first-graft", "eval")
		}
		w.check(err)
		shown, err := record.Show(e)
		w.check(err)
		var text strings.Builder
		w.check(shown.Text(&text))
		for _, s := range want {
			if !strings.Contains(text.String(), s) {
				t.Errorf("%s: no %q in\n%s", name, s, text.String())
			}
		}
	}
	for _, l := range open(t).List("train").Runs {
		if (l.Compile != nil) != (l.Name == "first") || l.Compile != nil && l.Compile.Rate != 0.5 {
			t.Errorf("%s: compile@1 %v", l.Name, l.Compile)
		}
	}
	d := record.Compare(load(t, "first"), load(t, "slower"))
	if len(d.Effect.Scores) != 2 || d.Effect.Scores[0].Grafted != "owner/instruct" || d.Effect.Scores[0].A.Rate != 0.75 {
		t.Errorf("%+v", d.Effect)
	}
	if d = record.Compare(load(t, "slower"), load(t, "first")); len(d.Effect.Scores) != 2 || len(d.Effect.Unpaired) != 1 || !strings.Contains(d.Effect.Unpaired[0], "first-tuned-") {
		t.Errorf("%+v", d.Effect)
	}
}

func TestFind(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.debris()
	w.finish("pack", "alone", 1, nil, nil)
	w.finish("eval", "alone", 1, nil, nil)
	s := open(t)
	for name, want := range map[string]string{
		"first": "train/first", "fir": "train/first", "alone": "pack/alone", "slow": "train/slower", "slower-tu": "eval/slower-tuned",
		"runs/train/half-0123456789ab": "train/half", "./runs/train/half-0123456789ab/": "train/half",
	} {
		e, err := s.Find(name, "train", "pack")
		if err != nil || e.Kind+"/"+e.Name() != want {
			t.Errorf("%q is %s/%s, %v, want %s", name, e.Kind, e.Name(), err, want)
		}
	}
	for name, want := range map[string]string{
		"l":      `"l" may be any of 2 runs; write more of it: train/less-0123456789ab, train/lies-0123456789ab`,
		"frist":  `there is no run "frist" in runs; did you mean "first"?`,
		"":       `there is no run "" in runs; bbjtune runs list shows what there is in runs`,
		"xyzzy":  `there is no run "xyzzy" in runs; bbjtune runs list shows what there is in runs`,
		"runs/x": `; name a folder below runs, or an ID that bbjtune runs list shows`,
	} {
		_, err := s.Find(name, "train")
		if err == nil || !strings.HasSuffix(err.Error()+"; "+fault.Hint(err), want) {
			t.Errorf("%q: %v; %s", name, err, fault.Hint(err))
		}
	}
}

func load(t *testing.T, name string) *record.Run {
	t.Helper()
	e, err := open(t).Find(name, "train")
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.Load(e.Path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDiff(t *testing.T) {
	w := newWorld(t)
	w.fill()
	for name, d := range map[string]*record.Diff{
		"one": record.Compare(load(t, "first"), load(t, "slower")), "many": record.Compare(load(t, "slower"), load(t, "more")),
	} {
		var txt, md bytes.Buffer
		w.check(d.Text(&txt))
		w.check(d.Markdown(&md))
		golden(t, "diff-"+name+".txt", txt.Bytes())
		golden(t, "diff-"+name+".md", md.Bytes())
		golden(t, "diff-"+name+".json", jsonOf(t, d))
		if d.One() != (name == "one") {
			t.Errorf("%s: %d variables", name, len(d.Variables))
		}
	}
}

// Each change alone is the one variable that is named, or none.
func TestVariables(t *testing.T) {
	cases := map[string]struct {
		change func(*plan, *world)
		want   string
	}{
		"nothing":        {func(*plan, *world) {}, ""},
		"rank and alpha": {func(p *plan, _ *world) { p.recipe["lora"] = map[string]any{"r": 8, "alpha": 16} }, "hyperparameters lora.r: 16 → 8 [lora.alpha follows it: 32 → 16]"},
		"rank alone":     {func(p *plan, _ *world) { p.recipe["lora"] = map[string]any{"r": 8, "alpha": 32} }, "hyperparameters lora.r: 16 → 8 []"},
		"a stage less":   {func(p *plan, _ *world) { p.recipe["stage1"] = map[string]any{"enabled": false, "epochs": 7} }, "hyperparameters stage1.enabled: true → false []"},
		"a new key":      {func(p *plan, _ *world) { p.recipe["new"] = 1 }, "hyperparameters new: – → 1 []"},
		"a name":         {func(p *plan, _ *world) { p.recipe["description"] = "x" }, ""},
		"code":           {func(p *plan, _ *world) { p.worker = "c" }, "code training code: w → c []"},
		"code, packages": {func(p *plan, _ *world) { p.worker, p.packages = "c", map[string]string{"trl": "2"} }, "code training code and packages: w → c [trl – → 2]"},
		"another GPU":    {func(p *plan, _ *world) { p.device = "cuda" }, "environment device: cpu, x86_64 → cuda, x86_64 []"},
		"seed": {func(p *plan, w *world) {
			p.recipe["seed"] = 7
			p.dataDir, p.data = w.data("seed", 7, "h", "v=4", "a=1")
		}, "hyperparameters seed: 42 → 7 [the split of the data follows it, too]"},
		"made anew, the same rows": {func(p *plan, w *world) { p.dataDir, p.data = w.data("same", 42, "other", "a=1", "v=4") }, ""},
		"rows without a reason": {func(p *plan, w *world) { p.dataDir, p.data = w.data("odd", 43, "h", "a=2", "v=4") },
			"data rows [they differ, and nothing that is recorded says why]"},
		"sources": {func(p *plan, w *world) { p.dataDir, p.data = w.data("src", 42, "h2", "a=2", "n=9", "v=4") },
			"data sources [examples training-data: content changed 1 added (n); 1 changed (a); 1 as before]"},
		"moved": {func(p *plan, w *world) { p.dataDir, p.data = w.data("src", 42, "h2", "v=4", "a=1") },
			"data sources [examples training-data: content changed 2 moved between training and validation (a, v); 0 as before]"},
		"gone": {func(p *plan, w *world) {
			p.dataDir, p.data = w.data("src", 42, "h2", "a=2", "v=4")
		}, "data sources [examples training-data: content changed what changed row by row is not known: the data folder of B is gone]"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			dir, data := w.data("d", 42, "h", "a=1", "v=4")
			p := plan{"a", data, dir, basic(), "w", nil, "cpu", 1}
			pathA, _ := w.train(p)
			p.name, p.recipe = "b", basic()
			p.recipe["z"] = nil // another key, the same meaning: the folders differ
			c.change(&p, w)
			pathB, _ := w.train(p)
			if name == "gone" {
				w.check(os.RemoveAll(p.dataDir))
			}
			a, err := record.Load(pathA)
			w.check(err)
			b, err := record.Load(pathB)
			w.check(err)
			d := record.Compare(a, b)
			var got []string
			for _, v := range d.Variables {
				if v.Name == "z" {
					continue
				}
				values := ""
				if v.Old+v.New != "" {
					values = fmt.Sprintf(": %s → %s", v.Old, v.New)
				}
				got = append(got, fmt.Sprintf("%s %s%s %v", v.Group, v.Name, values, v.Details))
			}
			if strings.Join(got, " | ") != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestBeside(t *testing.T) {
	newWorld(t).fill()
	r := load(t, "first")
	if list := r.Beside(r.Evaluations[0]); len(list) != 1 || list[0].Name() != "first-base" {
		t.Errorf("beside it: %+v", list)
	}
}

func TestLoadRefuses(t *testing.T) {
	w := newWorld(t)
	w.debris()
	for dir, want := range map[string]string{
		"train/half-0123456789ab": "is unfinished: only a finished training can be looked into", "train/lies-0123456789ab": "inputs of manifest.json",
		"train/torn-0123456789ab": "manifest.json is damaged", "eval/odd-0123456789ab": "holds eval, not train", "train/absent": "no such file",
	} {
		if _, err := record.Load(filepath.Join(w.root, dir)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// Whatever lies in a folder, reading it ends, and nothing of it reaches the
// terminal as more than text.
func FuzzFolders(f *testing.F) {
	f.Add(`{"version":1,"kind":"train","key":"k","inputs":{"recipe":{"lora":{"r":1}}},"result":{"stages":[{"name":"stage 1","valid_loss":[{"step":1,"loss":2}]}]}}`,
		`{"version":1,"id":"d","key":"k","inputs":{"sources":{"a":"b"}}}`, `{"file":"stage1/train.jsonl","row":1,"source":"x"}`, `{"version":2}`)
	f.Add(`{"version":1,"kind":"train","inputs":{"recipe":{"a":{"b":{"c":[1,{"\u001b":null}]}}}},"result":{"stages":[{"name":"\u202e","train_loss":[{"step":9223372036854775807,"loss":1e308}]}]}}`, `[]`, "\x00\n", ``)
	f.Add(`{"version":1,"kind":"train","files":[{"path":"../../../etc/passwd","size":-1}],"result":{}}`, `{"version":1}`, `{"file":"../x","row":-1}`, `{}`)
	f.Fuzz(func(t *testing.T, manifest, data, lineage, result string) {
		root := t.TempDir()
		write := func(path, text string) {
			path = filepath.Join(root, filepath.FromSlash(path))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, run := range []string{"train/a-1", "train/b-2"} {
			write(run+"/manifest.json", manifest)
			write(run+"/data.json", data)
			write(run+"/environment.json", data)
			data = strings.Replace(data, "b", "c", 1)
			manifest = strings.Replace(manifest, "1", "2", 2)
		}
		for _, file := range []string{"stage1/train.jsonl", "stage1/valid.jsonl", "stage2/train.jsonl", "stage2/valid.jsonl"} {
			write("data/d/"+file, "{}\n{}")
		}
		write("data/d/manifest.json", `{"version":1,"kind":"data","key":"k"}`)
		write("data/d/lineage.jsonl", lineage)
		write("eval/e-1/manifest.json", `{"version":1,"kind":"eval","key":"e","inputs":{"trained":"k"},"result":{}}`)
		write("eval/e-1/result.json", result)
		s, err := record.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := s.List("").Text(&b); err != nil {
			t.Fatal(err)
		}
		var sides []*record.Run
		for _, e := range s.Entries {
			if shown, err := record.Show(e); err == nil {
				if err := shown.Text(&b); err != nil {
					t.Fatal(err)
				}
			}
			if r, err := record.Load(e.Path); err == nil {
				sides = append(sides, r)
			}
		}
		if len(sides) == 2 {
			d := record.Compare(sides[0], sides[1])
			if err := d.Text(&b); err != nil {
				t.Fatal(err)
			}
			if err := d.Markdown(&b); err != nil {
				t.Fatal(err)
			}
		}
		if strings.ContainsAny(b.String(), "\x1b\x00\r\u202e") {
			t.Errorf("%q reaches the terminal", b.String())
		}
	})
}
