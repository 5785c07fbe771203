package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/bbj/check"
	"bbjtune/internal/eval"
	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
	"bbjtune/internal/recipe"
)

const helloCase = "---\ntitle: Hello\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks:\n  - verb: PRINT\n---\n\n## Prompt\n\nPrint hello.\n\n## Reference\n\n```bbj\nprint \"hello\"\n```\n\n## Wrong\n\nfails: compile: JavaScript\n\n```js\nconsole.log(\"hello\");\n```\n"

// The tuned model of a recipe is evaluated where it is served, as the recipe says,
// and is that of its training: another one is not given its answers.
func TestTunedModelIsServedElsewhere(t *testing.T) {
	g := newGrafting(t)
	put(t, "suite/suite.yaml", "name: tiny\nversion: 1\ntitle: Tiny\n")
	put(t, "suite/cases/strings/hello.md", helloCase)
	program := func(string, int) llmtest.Act { return llmtest.Act{Text: "```bbj\nprint \"hello\"\n```"} }
	a, b := llmtest.NewEndpoint(t, "mine", program, nil), llmtest.NewEndpoint(t, "mine", program, nil)
	r := recipe.Defaults()
	r.Name, r.Evaluate.Suite, r.Evaluate.Samples, r.Evaluate.Temperature = "one", "suite", 3, 0.5
	evaluate := func(trained step, urls ...string) *eval.Result {
		t.Helper()
		p := &pipeline{app: g.app, recipe: &r, engine: check.Embedded{}, trained: &trained}
		defer p.close()
		f := evalFlags{urls: urls, model: "mine", promptForm: "auto", label: "tuned", concurrency: 2, timeout: time.Minute, fewShot: -1, samples: 3, maxTokens: 7, temperature: 0.5}
		if err := p.evalTunedAt(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		found, err := filepath.Glob("runs/eval/one-tuned-*/result.json")
		if err != nil || len(found) == 0 {
			t.Fatalf("%v, %v", found, err)
		}
		result, err := readResult(found[len(found)-1])
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	result := evaluate(g.trained, a.URL, b.URL)
	if result.Metrics.Compile.N != 3 || result.Metrics.Compile.Rate != 1 || !strings.HasSuffix(result.Identity, " mine training "+g.trained.dir.Key) {
		t.Errorf("%+v", result)
	}
	var m struct {
		Result struct {
			Endpoints []tookPart `json:"endpoints"`
		} `json:"result"`
	}
	found, _ := filepath.Glob("runs/answers/one-tuned-*/manifest.json")
	text, err := os.ReadFile(found[0])
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if list := m.Result.Endpoints; err != nil || len(list) != 2 || list[0].Answers+list[1].Answers != 3 || list[0].URL != a.URL {
		t.Errorf("%+v, %v", m, err)
	}
	asked := len(a.Asked()) + len(b.Asked())
	evaluate(g.trained, a.URL)
	if again := len(a.Asked()) + len(b.Asked()); again != asked {
		t.Errorf("asked %d questions, then %d", asked, again)
	}
	evaluate(g.train("two"), a.URL)
	if n := a.Asked()["Print hello."]; n < 3 {
		t.Errorf("the next training was asked %d questions", n)
	}
}

func TestBaseURL(t *testing.T) {
	openAI, _ := llm.FindProvider("")
	for text, want := range map[string]string{
		"http://a:8000": "http://a:8000/v1", "http://a:8000/": "http://a:8000/v1", "https://a/v1/": "https://a/v1", "http://a/serve/v1": "http://a/serve/v1",
	} {
		if got, err := baseURL(text, openAI); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"a:8000", "", "ftp://a", "http://me:secret@a", "http://a?key=x", "http://", "::"} {
		if got, err := baseURL(text, openAI); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

// What holds for one API that is asked by name holds for all of them.
func TestProviders(t *testing.T) {
	sound := func(name string, urls ...string) evalFlags {
		return evalFlags{provider: name, urls: urls, model: "m", promptForm: "auto", samples: 1, maxTokens: 1, concurrency: 1, timeout: time.Minute}
	}
	for _, p := range llm.Providers() {
		f := sound(p.Name)
		if err := f.validate(); err != nil {
			t.Errorf("%s by its name: %v", p.Name, err)
		}
		a := &app{Streams: Streams{Env: func(string) string { return "" }}}
		t.Chdir(t.TempDir())
		_, err := (&pipeline{app: a}).endpoint(t.Context(), subject{}, f)
		if err == nil || !strings.Contains(err.Error(), p.KeyEnv) {
			t.Errorf("%s without its key: %v", p.Name, err)
		}
		f = sound(p.Name, "http://a/")
		want := map[bool]string{true: "http://a/v1", false: "http://a"}[p.Compatible()]
		if err := f.validate(); err != nil || f.urls[0] != want {
			t.Errorf("%s: %v, %v, want %s", p.Name, f.urls, err, want)
		}
		f = sound(p.Name, "http://a")
		f.model = ""
		if err := f.validate(); (err == nil) != p.Compatible() {
			t.Errorf("%s without --model: %v", p.Name, err)
		}
		f = sound(p.Name, "http://a", "http://b")
		if err := f.validate(); (err == nil) != p.Compatible() {
			t.Errorf("%s at two addresses: %v", p.Name, err)
		}
	}
}
