// Package recipe is the plan of a run: base model, data, the two training
// stages, evaluation and packaging, read from strict YAML with every value
// resolved. docs/recipes.md describes the keys.
//
// It must not know how any of it is carried out.
package recipe

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/fault"
	"bbjtune/internal/strictyaml"
)

// Version is the version of the recipe format.
const Version = 1

// Recipe is one plan.
type Recipe struct {
	Version     int    `yaml:"version" json:"version"`
	Name        string `yaml:"name" json:"name"`
	Description string `yaml:"description" json:"description"`
	Seed        int    `yaml:"seed" json:"seed"`
	Base        Base   `yaml:"base" json:"base"`
	Data        Data   `yaml:"data" json:"data"`
	Lora        Lora   `yaml:"lora" json:"lora"`
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
	Package               Package  `yaml:"package" json:"package"`
}

// Base names the model that is tuned.
type Base struct {
	// Model is a hub name (owner/name), a folder, a .gguf file, or
	// package:NAME for a model that comes in a Python package.
	Model string `yaml:"model" json:"model"`
	// Kind is base or instruct.
	Kind string `yaml:"kind" json:"kind"`
	// InstructBecause must say why an instruct model is tuned.
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
func (t *Targets) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*t = Targets{n.Value}
		return nil
	}
	return n.Decode((*[]string)(t))
}

// Stage is one of the two trainings.
type Stage struct {
	Enabled      bool    `yaml:"enabled" json:"enabled"`
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
}

// Evaluate says how the result is judged.
type Evaluate struct {
	Suite string `yaml:"suite" json:"suite"`
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
	// Quantize lists the GGUF forms: f16, q8_0 or q4_0. The first is the
	// one that is evaluated and served; f16 is always made.
	Quantize []string `yaml:"quantize" json:"quantize"`
	// NumCtx is the context length a served model is given.
	NumCtx int `yaml:"num_ctx" json:"num_ctx"`
}

// Defaults returns the recommended values, those of the two-stage approach.
// Base, data and name have none.
func Defaults() Recipe {
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
		Quantization: "none", Precision: "auto", Optimizer: "adamw_torch", GradientCheckpointing: true,
		Stage1: defaultStage(5e-5, "bfd"), Stage2: defaultStage(2e-4, "none"),
		Evaluate: Evaluate{FewShot: 4, Samples: 1, MaxTokens: 512, Temperature: 0, Concurrency: 4, Context: 4096, Retention: Retention{MaxDrop: 0.05}},
		Package:  Package{Name: "bbj-coder", Quantize: []string{"f16"}, NumCtx: 4096},
	}
}

func defaultStage(learningRate float64, packing string) Stage {
	return Stage{
		Enabled: true, Epochs: 1, LearningRate: learningRate, Scheduler: "cosine", WarmupRatio: 0.03, MaxGradNorm: 1,
		BatchSize: 1, GradientAccumulation: 32, MaxLength: 2048, Overlong: "drop", Packing: packing, Loss: "completion",
		EvalSteps: 50, SaveSteps: 50, LoggingSteps: 1,
	}
}

// Load reads and checks a recipe file; relative paths in it start from the
// working directory, as they do on the command line.
func Load(path string) (*Recipe, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("read the recipe: %w", err), "name a recipe file, for example recipes/demo-cpu.yaml")
	}
	return Parse(path, text)
}

// Parse reads a recipe from its text; name is what errors call it.
func Parse(name string, text []byte) (*Recipe, error) {
	r := Defaults()
	if err := strictyaml.Decode(name, 1, text, &r); err != nil {
		return nil, err
	}
	if err := r.validate(); err != nil {
		return nil, fault.Wrap(fmt.Errorf("%s: %w", name, err), "docs/recipes.md lists every key and its values")
	}
	return &r, nil
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
		return fmt.Errorf("version is %d, this program reads %d", r.Version, Version)
	}
	if !plainName.MatchString(r.Name) {
		return fault.Newf("write letters, digits, - and _", "name %q must be a plain word: it names the run folders", r.Name)
	}
	if r.Base.Model == "" {
		return fmt.Errorf("base.model is missing")
	}
	if r.Base.Kind == "instruct" && r.Base.InstructBecause == "" {
		return fault.New("base.kind is instruct: tuning an instruct model for a new language overwrites its alignment",
			"take the base model of the same family, or say in base.instruct_because why not")
	}
	if len(r.Data.SystemPrompts) == 0 {
		return fmt.Errorf("data.system_prompts is empty")
	}
	if len(r.Data.Examples)+len(r.Data.Rows)+len(r.Data.Raw)+len(r.Data.Corpus) == 0 {
		return fmt.Errorf("data names neither examples nor rows nor raw source nor a corpus")
	}
	if f := r.Data.FIM; f.Share > 0 && (f.Prefix == "" || f.Suffix == "" || f.Middle == "") {
		return fault.New("data.fim names no prefix, suffix or middle", "write the base model's own tokens, or leave data.fim out")
	}
	if !r.Stage1.Enabled && !r.Stage2.Enabled {
		return fmt.Errorf("both stages are switched off")
	}
	if r.Evaluate.Samples > 1 && r.Evaluate.Temperature == 0 {
		return fmt.Errorf("evaluate.samples is %d at temperature 0: that is the same answer several times", r.Evaluate.Samples)
	}
	if len(r.Package.Quantize) == 0 {
		return fmt.Errorf("package.quantize is empty")
	}
	for _, form := range r.Package.Quantize {
		if err := oneOf("package.quantize", form, "f16", "q8_0", "q4_0"); err != nil {
			return err
		}
	}
	return firstError(
		oneOf("base.kind", r.Base.Kind, "base", "instruct"),
		oneOf("quantization", r.Quantization, "none", "nf4"),
		oneOf("precision", r.Precision, "auto", "fp32", "bf16"),
		inRange("seed", float64(r.Seed), 0, 1<<31-1),
		inRange("data.valid_share", r.Data.ValidShare, 0, 0.5),
		inRange("data.general_share", r.Data.GeneralShare, 0, 0.9),
		inRange("data.fim.share", r.Data.FIM.Share, 0, 1),
		inRange("data.phrasings", float64(r.Data.Phrasings), 1, 5),
		inRange("lora.r", float64(r.Lora.R), 1, 1024),
		inRange("lora.alpha", float64(r.Lora.Alpha), 1, 4096),
		inRange("lora.dropout", r.Lora.Dropout, 0, 0.9),
		r.Stage1.validate("stage1"),
		r.Stage2.validate("stage2"),
		inRange("evaluate.few_shot", float64(r.Evaluate.FewShot), 0, 16),
		inRange("evaluate.samples", float64(r.Evaluate.Samples), 1, 100),
		inRange("evaluate.max_tokens", float64(r.Evaluate.MaxTokens), 16, 32768),
		inRange("evaluate.temperature", r.Evaluate.Temperature, 0, 2),
		inRange("evaluate.concurrency", float64(r.Evaluate.Concurrency), 1, 256),
		inRange("evaluate.retention.max_drop", r.Evaluate.Retention.MaxDrop, 0, 1),
		inRange("evaluate.context", float64(r.Evaluate.Context), 256, 1<<20),
		inRange("package.num_ctx", float64(r.Package.NumCtx), 256, 1<<20),
	)
}

func (s Stage) validate(name string) error {
	return firstError(
		oneOf(name+".scheduler", s.Scheduler, "linear", "cosine", "constant", "constant_with_warmup"),
		oneOf(name+".overlong", s.Overlong, "drop", "truncate"),
		oneOf(name+".packing", s.Packing, "none", "bfd"),
		oneOf(name+".loss", s.Loss, "completion", "full"),
		inRange(name+".epochs", s.Epochs, 0.001, 100),
		inRange(name+".learning_rate", s.LearningRate, 1e-8, 1),
		inRange(name+".warmup_ratio", s.WarmupRatio, 0, 0.99),
		inRange(name+".weight_decay", s.WeightDecay, 0, 10),
		inRange(name+".max_grad_norm", s.MaxGradNorm, 0, 1000),
		inRange(name+".neftune_alpha", s.NEFTuneAlpha, 0, 1000),
		inRange(name+".early_stopping", float64(s.EarlyStopping), 0, 1e6),
		inRange(name+".batch_size", float64(s.BatchSize), 1, 4096),
		inRange(name+".gradient_accumulation", float64(s.GradientAccumulation), 1, 4096),
		inRange(name+".max_length", float64(s.MaxLength), 16, 1<<20),
		inRange(name+".eval_steps", float64(s.EvalSteps), 1, 1e9),
		inRange(name+".save_steps", float64(s.SaveSteps), 1, 1e9),
		inRange(name+".logging_steps", float64(s.LoggingSteps), 1, 1e9),
	)
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fault.Newf("write one of "+strings.Join(allowed, ", "), "%s is %q", key, value)
}

func inRange(key string, value, low, high float64) error {
	if value >= low && value <= high {
		return nil
	}
	plain := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	return fault.Newf("write a value from "+plain(low)+" to "+plain(high), "%s is %s", key, plain(value))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
