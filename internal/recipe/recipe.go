// Package recipe is the plan of a run: base model, data, the two training
// stages, evaluation and packaging, read from strict YAML with every value
// resolved. docs/recipes.md describes the keys.
//
// It must not know how any of it is carried out.
package recipe

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Version is the version of the recipe format.
const Version = 1

// The engines of a training.
const (
	TRL     = "trl"
	Unsloth = "unsloth"
)

// Recipe is one plan.
type Recipe struct {
	Version int `yaml:"version" json:"version"`
	// Extends names the recipe that this one varies; it is empty once that is read.
	Extends     string `yaml:"extends,omitempty" json:"-"`
	Name        string `yaml:"name" json:"name"`
	Description string `yaml:"description" json:"description"`
	Seed        int    `yaml:"seed" json:"seed"`
	Base        Base   `yaml:"base" json:"base"`
	Data        Data   `yaml:"data" json:"data"`
	Lora        Lora   `yaml:"lora" json:"lora"`
	// Engine is the library that loads the model and computes: trl or unsloth.
	Engine string `yaml:"engine" json:"engine,omitempty"`
	// Quantization of the frozen base weights while training: none or nf4.
	Quantization string `yaml:"quantization" json:"quantization"`
	// DoubleQuant quantizes the quantization constants too.
	DoubleQuant bool `yaml:"double_quant" json:"double_quant"`
	// Precision of the computation: auto, fp32 or bf16.
	Precision string `yaml:"precision" json:"precision"`
	Optimizer string `yaml:"optimizer" json:"optimizer"`
	// GradientCheckpointing trades time for memory.
	GradientCheckpointing bool     `yaml:"gradient_checkpointing" json:"gradient_checkpointing"`
	Stage1                Stage    `yaml:"stage1" json:"stage1"`
	Stage2                Stage    `yaml:"stage2" json:"stage2"`
	Evaluate              Evaluate `yaml:"evaluate" json:"evaluate"`
	// Compute says where the training runs, which decides nothing of its outcome.
	Compute Compute `yaml:"compute" json:"compute,omitzero"`
	// Tracking says who hears of the losses while a training runs.
	Tracking Tracking `yaml:"tracking" json:"tracking,omitempty"`
	Package  Package  `yaml:"package" json:"package"`
	Graft    Graft    `yaml:"graft,omitempty" json:"graft,omitzero"`
	// Allow names findings of recipe check that are meant to be.
	Allow []Allowance `yaml:"allow,omitempty" json:"allow,omitempty"`
	// Record describes a training that was made elsewhere.
	Record Record `yaml:"record,omitempty" json:"record,omitzero"`
}

// Base names the model that is tuned.
type Base struct {
	// Model is a hub name (owner/name), a folder, a .gguf file, or
	// package:NAME for a model that comes in a Python package.
	Model string `yaml:"model" json:"model"`
	// Kind is base or instruct.
	Kind string `yaml:"kind" json:"kind"`
	// InstructBecause says why an instruct model is tuned.
	InstructBecause string `yaml:"instruct_because" json:"instruct_because,omitempty"`
}

// Data names what is trained on.
type Data struct {
	// Examples are folders of Markdown examples.
	Examples []string `yaml:"examples" json:"examples"`
	// Rows are ChatML JSONL files for stage 2.
	Rows []string `yaml:"rows" json:"rows,omitempty"`
	// Raw are folders of BBj source for stage 1.
	Raw []string `yaml:"raw" json:"raw,omitempty"`
	// RawExtensions are the file name endings of BBj source.
	RawExtensions []string `yaml:"raw_extensions" json:"raw_extensions"`
	// Corpus are folders that bbjtune corpus build has made, for stage 1.
	Corpus []string `yaml:"corpus" json:"corpus,omitempty"`
	// General are folders of source in other languages for stage 1, against
	// forgetting them; GeneralShare is what they make up of it.
	General           []string `yaml:"general" json:"general,omitempty"`
	GeneralExtensions []string `yaml:"general_extensions" json:"general_extensions"`
	GeneralShare      float64  `yaml:"general_share" json:"general_share"`
	// FIM is the fill-in-the-middle form of stage 1.
	FIM FIM `yaml:"fim" json:"fim"`
	// ValidShare is the share of sources held out for validation.
	ValidShare float64 `yaml:"valid_share" json:"valid_share"`
	// Phrasings is how many differently worded prompts an example yields.
	Phrasings int `yaml:"phrasings" json:"phrasings"`
	// SystemPrompts are varied over the rows; the first is used in
	// evaluation and packaging.
	SystemPrompts []string `yaml:"system_prompts" json:"system_prompts"`
	// HoldOut are suites whose cases must not be trained on.
	HoldOut []string `yaml:"hold_out" json:"hold_out"`
}

// FIM says which share of stage 1's texts is written in the form that asks for
// the middle, and in which tokens of the base model.
type FIM struct {
	Share  float64 `yaml:"share" json:"share"`
	Prefix string  `yaml:"prefix" json:"prefix"`
	Suffix string  `yaml:"suffix" json:"suffix"`
	Middle string  `yaml:"middle" json:"middle"`
}

// Tokens lists the tokens that the base model must have.
func (f FIM) Tokens() []string {
	if f.Share == 0 {
		return []string{}
	}
	return []string{f.Prefix, f.Suffix, f.Middle}
}

// Lora is the adapter.
type Lora struct {
	R       int     `yaml:"r" json:"r"`
	Alpha   int     `yaml:"alpha" json:"alpha"`
	Dropout float64 `yaml:"dropout" json:"dropout"`
	// Targets is all-linear, or the names of the layers.
	Targets Targets `yaml:"targets" json:"targets"`
	RSLoRA  bool    `yaml:"rslora" json:"rslora"`
	DoRA    bool    `yaml:"dora" json:"dora"`
	// TrainStopTokens makes the embedding of <|im_end|> trainable, for base
	// models that never learned it.
	TrainStopTokens bool `yaml:"train_stop_tokens" json:"train_stop_tokens"`
}

// Targets is "all-linear" or a list of layer names.
type Targets []string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (t *Targets) UnmarshalYAML(n *yaml.Node) error { return oneOrMany(n, (*[]string)(t)) }

// Tracking is one tracker or a list of them.
type Tracking []string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (t *Tracking) UnmarshalYAML(n *yaml.Node) error { return oneOrMany(n, (*[]string)(t)) }

// oneOrMany reads a list that may be written as a single word.
func oneOrMany(n *yaml.Node, list *[]string) error {
	if n.Kind == yaml.ScalarNode {
		*list = []string{n.Value}
		return nil
	}
	return n.Decode(list)
}

// Stage is one of the two trainings.
type Stage struct {
	Enabled bool `yaml:"enabled" json:"enabled"`
	// Start says what stage 2 goes on from: the adapter of stage 1, or the base
	// model with that merged in.
	Start        string  `yaml:"start,omitempty" json:"start,omitempty"`
	Epochs       float64 `yaml:"epochs" json:"epochs"`
	LearningRate float64 `yaml:"learning_rate" json:"learning_rate"`
	Scheduler    string  `yaml:"scheduler" json:"scheduler"`
	WarmupRatio  float64 `yaml:"warmup_ratio" json:"warmup_ratio"`
	WeightDecay  float64 `yaml:"weight_decay" json:"weight_decay"`
	MaxGradNorm  float64 `yaml:"max_grad_norm" json:"max_grad_norm"`
	// BatchSize is rows (or packed sequences) a device and step.
	BatchSize            int `yaml:"batch_size" json:"batch_size"`
	GradientAccumulation int `yaml:"gradient_accumulation" json:"gradient_accumulation"`
	// MaxLength is the longest row in tokens.
	MaxLength int `yaml:"max_length" json:"max_length"`
	// Overlong says what happens to longer rows: drop or truncate.
	Overlong string `yaml:"overlong" json:"overlong"`
	// ZeroRows says what happens to rows without a trained token: refuse stops
	// before the training, drop leaves them out.
	ZeroRows string `yaml:"zero_rows" json:"zero_rows"`
	// Packing joins rows into full sequences without mixing them (bfd), or
	// leaves each its own (none).
	Packing string `yaml:"packing" json:"packing"`
	// Loss is completion (the assistant's tokens alone) or full.
	Loss string `yaml:"loss" json:"loss"`
	// GroupByLength puts rows of like length into one batch.
	GroupByLength bool `yaml:"group_by_length" json:"group_by_length"`
	// EvalSteps, SaveSteps and LoggingSteps count optimizer steps.
	EvalSteps    int     `yaml:"eval_steps" json:"eval_steps"`
	SaveSteps    int     `yaml:"save_steps" json:"save_steps"`
	LoggingSteps int     `yaml:"logging_steps" json:"logging_steps"`
	NEFTuneAlpha float64 `yaml:"neftune_alpha" json:"neftune_alpha"`
	// EarlyStopping ends the stage after so many evaluations without a
	// better validation loss; 0 never does.
	EarlyStopping int `yaml:"early_stopping" json:"early_stopping"`
	// SamplePrompts is how many validation prompts the model answers at every
	// SampleEvery-th evaluation, in at most SampleTokens tokens each.
	SamplePrompts int `yaml:"sample_prompts" json:"sample_prompts"`
	SampleEvery   int `yaml:"sample_every" json:"sample_every"`
	SampleTokens  int `yaml:"sample_tokens" json:"sample_tokens"`
}

// Evaluate says how the result is judged.
type Evaluate struct {
	Suite string `yaml:"suite" json:"suite"`
	// Cases bounds how many questions of the suite are asked, a fixed part with
	// the same shares of every type and generation; 0 asks all.
	Cases int `yaml:"cases" json:"cases,omitempty"`
	// FewShot is the number of examples in the prompt of the control, an
	// untuned model that is shown how; 0 leaves the control out.
	FewShot     int     `yaml:"few_shot" json:"few_shot"`
	Samples     int     `yaml:"samples" json:"samples"`
	MaxTokens   int     `yaml:"max_tokens" json:"max_tokens"`
	Temperature float64 `yaml:"temperature" json:"temperature"`
	Concurrency int     `yaml:"concurrency" json:"concurrency"`
	// Context is the server's window a request, in tokens.
	Context int `yaml:"context" json:"context"`
	// Retention watches what is forgotten.
	Retention Retention `yaml:"retention" json:"retention"`
}

// Retention says what must not be forgotten.
type Retention struct {
	// General are folders of held-out source in other languages; none leaves
	// it unmeasured.
	General []string `yaml:"general" json:"general,omitempty"`
	// MaxDrop is the share of the base model's score that may be lost.
	MaxDrop float64 `yaml:"max_drop" json:"max_drop"`
}

// Package says what is made of the result.
type Package struct {
	// Name is the model's name for Ollama.
	Name string `yaml:"name" json:"name"`
	// Quantize lists the GGUF forms. The first is the one that is evaluated
	// and served; f16 is always made, since the others are made of it.
	Quantize []string `yaml:"quantize" json:"quantize"`
	// NumCtx is the context length a served model is given.
	NumCtx int `yaml:"num_ctx" json:"num_ctx"`
	// Adapter asks for the adapter alone as a GGUF file, too.
	Adapter bool `yaml:"adapter" json:"adapter,omitempty"`
	// License is that of what was trained, as an SPDX name; empty where nobody
	// has stated one.
	License string `yaml:"license" json:"license,omitempty"`
	// Datasets are the names that the model card gives the training data.
	Datasets []string `yaml:"datasets" json:"datasets,omitempty"`
}

// GraftName is what a graft is called beside the package of the tuned base model.
func (p Package) GraftName() string { return p.Name + "-graft" }

// Merges reports whether a stage trains a fresh adapter on the base model with the
// stage before it merged in.
func (r *Recipe) Merges(stage int) bool {
	return stage == 2 && r.Stage1.Enabled && r.Stage2.Enabled && r.Stage2.Start == "merged"
}

// Graft says onto which model the result is grafted: what training adds to the base
// model is added to the Instruct model of its family (arXiv 2505.12716).
type Graft struct {
	Onto string `yaml:"onto" json:"onto"`
}

// Allowance says why a finding about the recipe is meant to be.
type Allowance struct {
	Rule    string `yaml:"rule" json:"rule"`
	Because string `yaml:"because" json:"because"`
}

// Record holds what no other key says about a training that was made elsewhere. A
// recipe with a record is there to be compared with, not to be carried out.
type Record struct {
	Packages   map[string]string `yaml:"packages,omitempty" json:"packages,omitempty"`
	Padding    string            `yaml:"padding,omitempty" json:"padding,omitempty"`
	Tracking   string            `yaml:"tracking,omitempty" json:"tracking,omitempty"`
	Evaluation string            `yaml:"evaluation,omitempty" json:"evaluation,omitempty"`
	Artefacts  string            `yaml:"artefacts,omitempty" json:"artefacts,omitempty"`
}

// Recorded reports whether the recipe records a training made elsewhere.
func (r *Recipe) Recorded() bool {
	c := r.Record
	return len(c.Packages) > 0 || c.Padding+c.Tracking+c.Evaluation+c.Artefacts != ""
}

// Defaults returns the recommended values, those of the two-stage approach.
// Base, data and name have none.
func Defaults() Recipe {
	second := defaultStage(2e-4, "none")
	second.Start = "adapter"
	return Recipe{
		Version: Version, Seed: 42,
		Base: Base{Kind: "base"},
		Data: Data{
			RawExtensions: []string{".bbj", ".bbl", ".src"},
			// The tokens are those of Qwen2.5-Coder (arXiv 2409.12186, section 3.2.2).
			GeneralExtensions: []string{".py", ".java", ".js"}, GeneralShare: 0.1,
			FIM:        FIM{Prefix: "<|fim_prefix|>", Suffix: "<|fim_suffix|>", Middle: "<|fim_middle|>"},
			ValidShare: 0.1, Phrasings: 1,
			SystemPrompts: []string{
				"You are an expert BBj programmer. Answer with BBj code in a fenced code block.",
				"You write BBj, the Business BASIC of BASIS with Java objects. Give complete programs that compile.",
				"You help BBj developers. When asked for a program, answer with BBj source code.",
				"You are a BBj coding assistant. Be precise, and use only methods that exist.",
			},
		},
		Lora:         Lora{R: 32, Alpha: 64, Dropout: 0.05, Targets: Targets{"all-linear"}},
		Engine:       TRL,
		Quantization: "none", Precision: "auto", Optimizer: "adamw_torch", GradientCheckpointing: true,
		Stage1: defaultStage(5e-5, "bfd"), Stage2: second,
		Compute:  Compute{Engine: Local, Workers: 1, Sharding: "none"},
		Evaluate: Evaluate{FewShot: 4, Samples: 1, MaxTokens: 512, Temperature: 0, Concurrency: 4, Context: 4096, Retention: Retention{MaxDrop: 0.05}},
		Tracking: Tracking{"tensorboard"},
		Package:  Package{Name: "bbj-coder", Quantize: []string{"q4_k_m"}, NumCtx: maxLength},
	}
}

// maxLength is the lower end of what is recommended; what is served is given the
// same context.
const maxLength = 2048

func defaultStage(learningRate float64, packing string) Stage {
	return Stage{
		Enabled: true, Epochs: 1, LearningRate: learningRate, Scheduler: "cosine", WarmupRatio: 0.03, MaxGradNorm: 1,
		BatchSize: 1, GradientAccumulation: 32, MaxLength: maxLength, Overlong: "drop", ZeroRows: "refuse", Packing: packing, Loss: "completion",
		EvalSteps: 50, SaveSteps: 50, LoggingSteps: 1, SampleEvery: 1, SampleTokens: 256,
	}
}

// Load reads and checks a recipe file; relative paths in it start from the
// working directory, as they do on the command line.
func Load(path string) (*Recipe, error) {
	p, err := Read(path)
	if err != nil {
		return nil, err
	}
	return p.Recipe, nil
}

// Parse reads a recipe from its text; name is what errors call it.
func Parse(name string, text []byte) (*Recipe, error) {
	p, err := ReadText(name, text)
	if err != nil {
		return nil, err
	}
	return p.Recipe, nil
}

// NeedsBitsandbytes reports whether the training takes that package: for frozen
// weights in 4 bit, or for its optimizers.
func (r *Recipe) NeedsBitsandbytes() bool {
	of := func(word string) bool { return strings.Contains(r.Optimizer, word) }
	return r.Quantization == "nf4" || of("bit") || of("paged") || of("ademamix")
}

// Path resolves a path of the recipe: slashes are those of the platform, and
// relative paths start from the working directory.
func (r *Recipe) Path(p string) string { return filepath.FromSlash(p) }

// YAML returns the recipe with every value resolved.
func (r *Recipe) YAML() ([]byte, error) { return yaml.Marshal(r) }

// plainName is what a folder may be called on every platform, and a terminal
// may print.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

func (r *Recipe) validate() error {
	if r.Version != Version {
		return wrong("version", "take the bbjtune that the recipe was written for", "version is %d, this program reads %d", r.Version, Version)
	}
	if !plainName.MatchString(r.Name) {
		return wrong("name", "write letters, digits, - and _", "name %q must be a plain word: it names the run folders", r.Name)
	}
	if r.Base.Model == "" {
		return wrong("base.model", "write a hub name, a folder, a .gguf file or package:NAME", "base.model is missing")
	}
	if len(r.Data.SystemPrompts) == 0 {
		return wrong("data.system_prompts", "write three to five, or leave the key out", "data.system_prompts is empty")
	}
	if len(r.Data.Examples)+len(r.Data.Rows)+len(r.Data.Raw)+len(r.Data.Corpus) == 0 {
		return wrong("data", "write data.examples, data.rows, data.raw or data.corpus", "data names neither examples nor rows nor raw source nor a corpus")
	}
	if f := r.Data.FIM; f.Share > 0 && (f.Prefix == "" || f.Suffix == "" || f.Middle == "") {
		return wrong("data.fim", "write the base model's own tokens, or leave data.fim out", "data.fim names no prefix, suffix or middle")
	}
	if !r.Stage1.Enabled && !r.Stage2.Enabled {
		return wrong("stage2.enabled", "switch one of them on", "both stages are switched off")
	}
	if r.Stage1.SamplePrompts > 0 {
		return wrong("stage1.sample_prompts", "set stage2.sample_prompts", "stage1.sample_prompts is set, but raw text has no prompts")
	}
	if r.Stage1.Start != "" {
		return wrong("stage1.start", "set stage2.start", "stage1.start is set, but stage 1 starts from the base model")
	}
	if r.Stage2.Start == "merged" && !r.Stage1.Enabled {
		return wrong("stage2.start", "leave it out, or switch stage 1 on", "stage2.start is merged, but stage 1 is switched off")
	}
	if r.Evaluate.Samples > 1 && r.Evaluate.Temperature == 0 {
		return wrong("evaluate.samples", "raise evaluate.temperature, or ask once", "evaluate.samples is %d at temperature 0: that is the same answer several times", r.Evaluate.Samples)
	}
	if err := r.checkValues(); err != nil { // the others rely on them
		return err
	}
	return cmp.Or(r.Package.Check(), r.checkTracking(), r.checkGraft(), r.checkEngine(), r.checkCompute())
}

// plainLicense and plainDataset are what the model hub takes as such.
var (
	plainLicense = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+-]*$`)
	plainDataset = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)
)

// Check holds the values of a package against each other; flags may have set them.
func (p *Package) Check() error {
	if len(p.Quantize) == 0 {
		return wrong("package.quantize", "write q4_k_m, or another form", "package.quantize is empty")
	}
	for i, form := range p.Quantize {
		if !slices.Contains(Forms, form) {
			return wrong("package.quantize", "write some of "+strings.Join(Forms, ", "), "there is no form %q", form)
		}
		if slices.Contains(p.Quantize[:i], form) {
			return wrong("package.quantize", "name it once", "package.quantize names %s twice", form)
		}
	}
	if p.License != "" && !plainLicense.MatchString(p.License) {
		return wrong("package.license", "write an SPDX name such as Apache-2.0, or leave the key out", "package.license is %q", p.License)
	}
	for _, name := range p.Datasets {
		if !plainDataset.MatchString(name) {
			return wrong("package.datasets", "write names as the model hub has them, such as owner/name", "package.datasets names %q", name)
		}
	}
	return nil
}

// checkTracking holds that the trackers do not contradict each other.
func (r *Recipe) checkTracking() error {
	for i, name := range r.Tracking {
		if slices.Contains(r.Tracking[:i], name) {
			return wrong("tracking", "name it once", "tracking names %s twice", name)
		}
	}
	if len(r.Tracking) == 0 || len(r.Tracking) > 1 && slices.Contains(r.Tracking, "none") {
		return wrong("tracking", "write none, or a list of tensorboard, wandb and mlflow", "tracking is empty, or names none and something else")
	}
	return nil
}

// checkEngine holds that nothing is asked of Unsloth that it does not do;
// worker/README.md says where its source shows that.
func (r *Recipe) checkEngine() error {
	switch {
	case r.Engine != Unsloth:
		return nil
	case r.Lora.TrainStopTokens:
		return wrong("engine", "set lora.train_stop_tokens to false, or engine to trl", "engine unsloth does not train single tokens: its loss reads the head's weights past them")
	case r.Precision == "fp32":
		return wrong("engine", "set precision to auto, or engine to trl", "engine unsloth computes in bf16, and precision is fp32")
	}
	return nil
}

// GraftOnto sets the model to graft onto, as if the recipe had named it.
func (r *Recipe) GraftOnto(model string) error {
	r.Graft.Onto = model
	return r.checkGraft()
}

// checkGraft holds that what is grafted was learned by a base model, and can be
// added to other weights.
func (r *Recipe) checkGraft() error {
	switch {
	case r.Graft.Onto == "":
		return nil
	case r.Graft.Onto == r.Base.Model:
		return wrong("graft.onto", "name the Instruct model of the same family", "graft.onto is the model that is trained")
	case r.Base.Kind != "base":
		return wrong("graft.onto", "train the base model of the family; the graft brings the Instruct model in", "graft.onto needs a base model, and base.kind is %q", r.Base.Kind)
	case r.Lora.DoRA:
		return wrong("graft.onto", "set lora.dora to false", "graft.onto cannot go with lora.dora, whose magnitudes are those of the base model's weights")
	}
	return nil
}
