package recipe

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"bbjtune/internal/fault"
)

// Key describes one key of a recipe, for validation, documentation and editors.
type Key struct {
	// Path is the key with those above it, for example stage2.learning_rate.
	Path string
	// Meaning is for readers.
	Meaning string
	// Needed keys have no default.
	Needed bool
	// Words are the values that a text may have; empty means any.
	Words []string
	// Low and High bound a number; both 0 means that it has no bounds.
	Low, High float64
	// Default is the value of a recipe that leaves the key out.
	Default any
	// Type is the Go type that the key is read into.
	Type reflect.Type
}

// stageKeys describe the keys of either stage.
var stageKeys = []Key{
	{Path: "enabled", Meaning: "false leaves the stage out"},
	{Path: "start", Meaning: "what stage 2 goes on from: `adapter` trains that of stage 1 further, `merged` merges it into the base model first and trains a fresh one", Words: []string{"", "adapter", "merged"}},
	{Path: "epochs", Meaning: "passes over all rows", Low: 0.001, High: 100},
	{Path: "learning_rate", Meaning: "how far a step moves the adapter", Low: 1e-8, High: 1},
	{Path: "scheduler", Meaning: "how the rate falls", Words: []string{"linear", "cosine", "constant", "constant_with_warmup"}},
	{Path: "warmup_ratio", Meaning: "share of the steps in which the rate rises", High: 0.99},
	{Path: "weight_decay", Meaning: "pull of the adapter towards zero", High: 10},
	{Path: "max_grad_norm", Meaning: "longest gradient; 0 does not cut", High: 1000},
	{Path: "batch_size", Meaning: "rows, or packed sequences, that are computed at a time", Low: 1, High: 4096},
	{Path: "gradient_accumulation", Meaning: "such batches that are added up before the weights move; several workers share them", Low: 1, High: 4096},
	{Path: "max_length", Meaning: "longest row in tokens", Low: 16, High: 1 << 20},
	{Path: "overlong", Meaning: "what happens to longer rows: `split` makes several of a text, and is for stage 1 alone", Words: []string{"drop", "truncate", "split"}},
	{Path: "zero_rows", Meaning: "a row without a trained token: `refuse` stops before the training, `drop` leaves it out", Words: []string{"refuse", "drop"}},
	{Path: "packing", Meaning: "`bfd` joins rows into full sequences and keeps them apart", Words: []string{"none", "bfd"}},
	{Path: "loss", Meaning: "`full` trains on the prompt, too; stage 1 has no prompt and trains on all either way", Words: []string{"completion", "full"}},
	{Path: "group_by_length", Meaning: "rows of like length in one batch"},
	{Path: "eval_steps", Meaning: "optimizer steps between two validations", Low: 1, High: 1e9},
	{Path: "save_steps", Meaning: "optimizer steps between two checkpoints", Low: 1, High: 1e9},
	{Path: "logging_steps", Meaning: "optimizer steps between two lines of the loss log", Low: 1, High: 1e9},
	{Path: "sample_prompts", Meaning: "validation prompts of stage 2 that the model answers while it trains, judged by the checker (compile@1)", High: 1000},
	{Path: "sample_every", Meaning: "evaluations from one such sample to the next", Low: 1, High: 1e9},
	{Path: "sample_tokens", Meaning: "tokens of the longest such answer", Low: 1, High: 32768},
	{Path: "neftune_alpha", Meaning: "noise on embeddings (NEFTune, arXiv 2310.05914)", High: 1000},
	{Path: "early_stopping", Meaning: "validations without a better loss before the stage ends; 0 never", High: 1e6},
}

// optimizers are those of transformers that run on the pinned packages.
var optimizers = []string{
	"adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit",
	"lion_8bit", "lion_32bit", "paged_lion_8bit", "paged_lion_32bit", "ademamix", "ademamix_8bit", "paged_ademamix_8bit", "paged_ademamix_32bit",
}

// Forms are those that a GGUF file of a model is made in: llama.cpp's names, with
// all numbers in 16 bit, or in about 8.5, 6.6, 5.7, 4.8 and 4.6.
var Forms = []string{"f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"}

// topKeys describe all others, in the order of the documentation.
var topKeys = []Key{
	{Path: "version", Meaning: "version of this format"},
	{Path: "extends", Meaning: "the recipe to start from, a path relative to the folder of this one"},
	{Path: "name", Meaning: "a plain word: it names the run folders; it is not inherited", Needed: true},
	{Path: "description", Meaning: "for readers, and in the model card; it is not inherited"},
	{Path: "seed", Meaning: "of everything that is random", High: 1<<31 - 1},
	{Path: "base.model", Meaning: "a hub name (`owner/name`), a folder, a `.gguf` file, or `package:NAME`", Needed: true},
	{Path: "base.kind", Meaning: "what the model is", Words: []string{"base", "instruct"}},
	{Path: "base.instruct_because", Meaning: "why an Instruct model is tuned: it allows RC103"},
	{Path: "data.examples", Meaning: "folders of Markdown examples"},
	{Path: "data.rows", Meaning: "JSONL files with a ChatML row a line, for stage 2"},
	{Path: "data.raw", Meaning: "folders of BBj source, for stage 1, taken as they are; `data.corpus` takes what is cleaned"},
	{Path: "data.raw_extensions", Meaning: "ends of the names of BBj source; `.` stands for names without one"},
	{Path: "data.corpus", Meaning: "folders that `corpus build` has made, for stage 1"},
	{Path: "data.general", Meaning: "folders of source in other languages, for stage 1, against forgetting them"},
	{Path: "data.general_extensions", Meaning: "file names that are such source"},
	{Path: "data.general_share", Meaning: "what it makes up of stage 1, in characters", High: 0.9},
	{Path: "data.fim.share", Meaning: "share of stage 1's BBj texts that are cut at two random characters and ask for the middle", High: 1},
	{Path: "data.fim.prefix", Meaning: "the base model's own token before what stands above the gap"},
	{Path: "data.fim.suffix", Meaning: "the one before what stands below it"},
	{Path: "data.fim.middle", Meaning: "the one after which the gap is filled"},
	{Path: "data.valid_share", Meaning: "share held out for validation", High: 0.5},
	{Path: "data.phrasings", Meaning: "differently worded prompts an example", Low: 1, High: 5},
	{Path: "data.system_prompts", Meaning: "varied over the rows made of examples; the first is used in evaluation and packaging"},
	{Path: "data.hold_out", Meaning: "suites whose cases, and what resembles them, must not be trained on"},
	{Path: "lora.r", Meaning: "rank of the adapter", Low: 1, High: 1024},
	{Path: "lora.alpha", Meaning: "its scale", Low: 1, High: 4096},
	{Path: "lora.dropout", Meaning: "share of its inputs that is left out at random", High: 0.9},
	{Path: "lora.targets", Meaning: "`all-linear`, or a list of layer names"},
	{Path: "lora.rslora", Meaning: "scale by the root of the rank (arXiv 2312.03732)"},
	{Path: "lora.dora", Meaning: "train magnitude and direction apart (arXiv 2402.09353)"},
	{Path: "lora.train_stop_tokens", Meaning: "makes the embedding of `<|im_end|>` trainable, for base models that never learned it"},
	{Path: "engine", Meaning: "what loads the model and computes: `trl` (TRL and PEFT), or `unsloth`, whose kernels need an NVIDIA GPU, and one alone; `unsloth` has a Python environment of its own", Words: []string{TRL, Unsloth}},
	{Path: "quantization", Meaning: "`nf4`: the frozen weights in 4 bit (needs a GPU)", Words: []string{"none", "nf4"}},
	{Path: "double_quant", Meaning: "quantizes the constants of the quantization, too"},
	{Path: "precision", Meaning: "of the computation", Words: []string{"auto", "fp32", "bf16"}},
	{Path: "optimizer", Meaning: "a name of transformers; those with `8bit`, `32bit`, `paged` or `ademamix` are bitsandbytes' and want an NVIDIA GPU", Words: optimizers},
	{Path: "gradient_checkpointing", Meaning: "less memory, more time"},
	{Path: "compute.engine", Meaning: "where the training runs: `local` is one process on this machine, `torchrun` several, one a GPU, and `ray` a Ray cluster; the outcome is the same, and so is the run folder", Words: []string{Local, Torchrun, Ray}},
	{Path: "compute.address", Meaning: "with `ray`: the address of the cluster's dashboard, such as `http://head:8265`"},
	{Path: "compute.workers", Meaning: "processes that share each optimizer step; the number must divide the `gradient_accumulation` of each stage", Low: 1, High: 4096},
	{Path: "compute.resources.cpu", Meaning: "cores that one worker gets; 0 is its share of the machine's, and one on a cluster", High: 4096},
	{Path: "compute.resources.gpu", Meaning: "with `ray`: GPUs that one worker gets, 0 for a training on the CPU", High: 1},
	{Path: "compute.resources.memory_gb", Meaning: "with `ray`: main memory that one worker claims, in GB; 0 claims none", High: 1e5},
	{Path: "compute.storage", Meaning: "with `ray`: a folder that all nodes see under this path, where checkpoints lie; on a cluster of one node, any folder of it, needed where the adapter of stage 1 has more than 94 MB"},
	{Path: "compute.sharding", Meaning: "`fsdp` lays the weights out over the GPUs of all workers, for a model that does not fit one; `none` keeps them whole in each", Words: []string{"none", "fsdp"}},
	{Path: "tracking", Meaning: "who hears of the losses while a training runs, one or a list: `tensorboard` writes files into the run folder, `wandb` and `mlflow` are services", Words: []string{"tensorboard", "wandb", "mlflow", "none"}},
	{Path: "evaluate.suite", Meaning: "folder of the suite"},
	{Path: "evaluate.cases", Meaning: "how many questions are asked: a fixed part of the suite with the same shares of every type and generation; 0 asks all", High: 10000},
	{Path: "evaluate.few_shot", Meaning: "examples in the prompt of the control; 0 leaves it out", High: 16},
	{Path: "evaluate.samples", Meaning: "answers a case", Low: 1, High: 100},
	{Path: "evaluate.max_tokens", Meaning: "longest answer", Low: 16, High: 32768},
	{Path: "evaluate.temperature", Meaning: "0 always takes the likeliest token", High: 2},
	{Path: "evaluate.concurrency", Meaning: "questions at the same time", Low: 1, High: 256},
	{Path: "evaluate.context", Meaning: "tokens of prompt and answer", Low: 256, High: 1 << 20},
	{Path: "evaluate.retention.general", Meaning: "folders of held-out source in other languages, such as `suites/general-code`; `bbjtune eval RECIPE` then also says what was forgotten"},
	{Path: "evaluate.retention.max_drop", Meaning: "share of the base model's score whose loss is an alert", High: 1},
	{Path: "package.name", Meaning: "the model's name"},
	{Path: "package.quantize", Meaning: "GGUF forms; the first is evaluated and served, `f16` is always made", Words: Forms},
	{Path: "package.num_ctx", Meaning: "context in the Modelfile", Low: 256, High: 1 << 20},
	{Path: "package.adapter", Meaning: "the adapter alone as a GGUF file, too"},
	{Path: "package.license", Meaning: "that of what was trained, an SPDX name, for the model card; only its owner can say"},
	{Path: "package.datasets", Meaning: "what the model card calls the training data: names as on the model hub; none names the folder below `runs/data`"},
	{Path: "graft.onto", Meaning: "the Instruct model of the base model's family, named like `base.model`: what was trained is added to it as well, as a second package that is evaluated beside the first (Shadow-FT, arXiv 2505.12716)"},
	{Path: "allow", Meaning: "findings of `recipe check` that are meant to be: a list of `{rule: CODE, because: why}`"},
	{Path: "record.packages", Meaning: "what a training made elsewhere ran on: versions by package"},
	{Path: "record.padding", Meaning: "how its rows were filled up", Words: []string{"", "dynamic", "full"}},
	{Path: "record.tracking", Meaning: "where its losses were kept, or `none`"},
	{Path: "record.evaluation", Meaning: "how it was judged"},
	{Path: "record.artefacts", Meaning: "what was kept of it"},
}

// Keys lists every key of a recipe; those of the stages come last.
func Keys() []Key {
	list := slices.Clone(topKeys)
	for _, stage := range []string{"stage1", "stage2"} {
		for _, k := range stageKeys {
			k.Path = stage + "." + k.Path
			list = append(list, k)
		}
	}
	defaults := Defaults()
	for i, k := range list {
		v := field(reflect.ValueOf(&defaults).Elem(), k.Path)
		list[i].Type, list[i].Default = v.Type(), v.Interface()
	}
	return list
}

// Value returns the value that a recipe has for a key, nil if there is no such key.
func (r *Recipe) Value(path string) any {
	if v := field(reflect.ValueOf(r).Elem(), path); v.IsValid() {
		return v.Interface()
	}
	return nil
}

// field finds what a key is read into.
func field(v reflect.Value, path string) reflect.Value {
	name, rest, deeper := strings.Cut(path, ".")
	for i := range v.NumField() {
		if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); tag != name {
			continue
		}
		if deeper {
			return field(v.Field(i), rest)
		}
		return v.Field(i)
	}
	return reflect.Value{}
}

// valueError says which key has a value that it cannot have.
type valueError struct {
	key string
	err error
}

func (e *valueError) Error() string { return e.err.Error() }
func (e *valueError) Unwrap() error { return e.err }

// wrong names a key, what is wrong with it, and what to do.
func wrong(key, hint, format string, args ...any) error {
	return &valueError{key, fault.Newf(hint, format, args...)}
}

// keyOf is the key that an error is about, or "".
func keyOf(err error) string {
	var e *valueError
	if errors.As(err, &e) {
		return e.key
	}
	return ""
}

// checkValues holds every value against the words and bounds of its key.
func (r *Recipe) checkValues() error {
	for _, k := range Keys() {
		if err := k.check(reflect.ValueOf(r.Value(k.Path))); err != nil {
			return err
		}
	}
	return nil
}

func (k Key) check(v reflect.Value) error {
	switch {
	case len(k.Words) > 0 && v.Kind() == reflect.Slice:
		for i := range v.Len() {
			if err := k.check(v.Index(i)); err != nil {
				return err
			}
		}
	case len(k.Words) > 0 && !slices.Contains(k.Words, v.String()):
		words := slices.DeleteFunc(slices.Clone(k.Words), func(w string) bool { return w == "" })
		return wrong(k.Path, "write one of "+strings.Join(words, ", "), "%s is %q", k.Path, v.String())
	case k.Bounded():
		// NaN is in no range.
		if x := number(v); !(x >= k.Low && x <= k.High) {
			return wrong(k.Path, "write a value from "+plain(k.Low)+" to "+plain(k.High), "%s is %s", k.Path, plain(x))
		}
	}
	return nil
}

// Bounded reports whether the key is a number with bounds.
func (k Key) Bounded() bool { return k.Low != 0 || k.High != 0 }

func number(v reflect.Value) float64 {
	if v.CanInt() {
		return float64(v.Int())
	}
	return v.Float()
}

func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
