package recipe_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/internal/fault"
	"bbjtune/internal/recipe"
)

const minimal = "name: x\nbase: {model: a/b}\ndata: {examples: [d]}\n"

func TestParseFillsDefaults(t *testing.T) {
	r, err := recipe.Parse("r.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if r.Lora.Alpha != 2*r.Lora.R || r.Stage1.Packing != "bfd" || r.Stage2.Loss != "completion" || r.Data.ValidShare != 0.1 || len(r.Data.SystemPrompts) < 3 {
		t.Errorf("defaults are not those of the recommended approach: %+v", r)
	}
	// What was resolved can be read back and means the same.
	text, err := r.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := recipe.Parse("again.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.YAML()
	if err != nil || string(second) != string(text) {
		t.Errorf("resolved twice:\n%s\n%s", text, second)
	}
}

func TestParseRefuses(t *testing.T) {
	cases := []struct{ name, text, want, hint string }{
		{"misspelt key", minimal + "stage2: {learning_rte: 1}", `r.yaml:4: unknown key "learning_rte" in stage2`, `did you mean "learning_rate"?`},
		{"misspelt section", minimal + "stage_2: {}", `r.yaml:4: unknown key "stage_2"`, `did you mean "stage2"?`},
		{"no name", "base: {model: a/b}\ndata: {examples: [d]}", `r.yaml: name "" must be a plain word: it names the run folders`, ""},
		{"a path as name", strings.Replace(minimal, "name: x", "name: ../x", 1), `r.yaml:1: name "../x" must be a plain word: it names the run folders`, ""},
		{"no model", "name: x\ndata: {examples: [d]}", "r.yaml: base.model is missing", ""},
		{"no data", "name: x\nbase: {model: a/b}", "r.yaml: data names neither examples nor rows nor raw source nor a corpus", ""},
		{"a word that is none", minimal + "stage1: {packing: some}", `r.yaml:4: stage1.packing is "some"`, "write one of none, bfd"},
		{"negative seed", minimal + "seed: -1", "r.yaml:4: seed is -1", "write a value from 0 to 2147483647"},
		{"all warm-up", minimal + "stage1: {warmup_ratio: 1}", "r.yaml:4: stage1.warmup_ratio is 1", "write a value from 0 to 0.99"},
		{"weight growth", minimal + "stage2: {weight_decay: -5}", "r.yaml:4: stage2.weight_decay is -5", "write a value from 0 to 10"},
		{"impatience", minimal + "stage2: {early_stopping: -2}", "r.yaml:4: stage2.early_stopping is -2", "write a value from 0 to 1000000"},
		{"no context", minimal + "package: {num_ctx: -7}", "r.yaml:4: package.num_ctx is -7", "write a value from 256 to 1048576"},
		{"escape in the name", strings.Replace(minimal, "name: x", `name: "a\e[31m"`, 1), `r.yaml:1: name "a\x1b[31m" must be a plain word: it names the run folders`, "write letters, digits, - and _"},
		{"no number", minimal + "lora: {dropout: .nan}", "r.yaml:4: lora.dropout is NaN", "write a value from 0 to 0.9"},
		{"a form that is none", minimal + "package: {quantize: [f16, q2]}", `r.yaml:4: package.quantize is "q2"`, "write one of f16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0"},
		{"a graft onto itself", minimal + "graft: {onto: a/b}", "r.yaml:4: graft.onto is the model that is trained", ""},
		{"conversations in pieces", minimal + "stage2: {overlong: split}", "r.yaml:4: stage2.overlong is split, which would part questions from their answers", "set it to drop or truncate"},
		{"a start of stage 1", minimal + "stage1: {start: merged}", "r.yaml:4: stage1.start is set, but stage 1 starts from the base model", ""},
		{"nothing to merge", minimal + "stage1: {enabled: false}\nstage2: {start: merged}", "r.yaml:5: stage2.start is merged, but stage 1 is switched off", ""},
		{"a graft of what belongs to its base", minimal + "lora: {dora: true}\ngraft: {onto: a/c}",
			"r.yaml:5: graft.onto cannot go with lora.dora, whose magnitudes are those of the base model's weights", ""},
		{"a graft of an instruct model", strings.Replace(minimal, "model: a/b", "model: a/b, kind: instruct", 1) + "graft: {onto: a/c}",
			`r.yaml:4: graft.onto needs a base model, and base.kind is "instruct"`, ""},
		{"an optimizer that is none", minimal + "optimizer: adam_w", `r.yaml:4: optimizer is "adam_w"`, ""},
		{"an engine that is none", minimal + "engine: axolotl", `r.yaml:4: engine is "axolotl"`, "write one of trl, unsloth"},
		{"single tokens with Unsloth", minimal + "engine: unsloth\nlora: {train_stop_tokens: true}",
			"r.yaml:4: engine unsloth does not train single tokens: its loss reads the head's weights past them", "set lora.train_stop_tokens to false, or engine to trl"},
		{"32 bit with Unsloth", minimal + "engine: unsloth\nprecision: fp32", "r.yaml:4: engine unsloth computes in bf16, and precision is fp32", ""},
		{"another machine without a cluster", minimal + "compute: {address: http://head:8265}", "r.yaml:4: compute.address is set, and compute.engine is local", "set compute.engine to ray, or leave the address out"},
		{"storage without a place", minimal + "compute: {engine: ray, storage: shared}", `r.yaml:4: compute.storage is "shared", which each job would look for in a folder of its own`, "write the whole path, such as /shared"},
		{"shared storage without a cluster", minimal + "compute: {engine: torchrun, storage: /data}", "r.yaml:4: compute.storage is set, and compute.engine is torchrun", ""},
		{"GPUs of a cluster without one", minimal + "compute: {engine: torchrun, resources: {gpu: 1}}", "r.yaml:4: compute.resources claims GPUs or memory of a cluster, and compute.engine is torchrun", ""},
		{"several processes in one", minimal + "compute: {workers: 2}", "r.yaml:4: compute.workers is 2, and compute.engine is local, which is one process", "set compute.engine to torchrun for several processes on this machine"},
		{"cores of all", minimal + "compute: {resources: {cpu: 2}}", "r.yaml:4: compute.resources.cpu is 2, and compute.engine is local", ""},
		{"shards of one", minimal + "compute: {engine: ray, sharding: fsdp}", "r.yaml:4: compute.sharding is fsdp, and there is one worker to lay the weights out over", ""},
		{"several processes with Unsloth", minimal + "engine: unsloth\ncompute: {engine: torchrun, workers: 2}", "r.yaml:5: engine unsloth trains in one process, and compute.workers is 2", ""},
		{"uneven shares", minimal + "stage2: {gradient_accumulation: 9}\ncompute: {engine: torchrun, workers: 4}", "r.yaml:5: 4 workers cannot share the 9 batches of a step of stage2 evenly",
			"set compute.workers to one of 9, 3, 1, or stage2.gradient_accumulation to 12"},
		{"an engine of computing that is none", minimal + "compute: {engine: slurm}", `r.yaml:4: compute.engine is "slurm"`, "write one of local, torchrun, ray"},
		{"a padding that is none", minimal + "record: {padding: some}", `r.yaml:4: record.padding is "some"`, "write one of dynamic, full"},
		{"out of range", minimal + "lora: {r: 0}", "r.yaml:4: lora.r is 0", "write a value from 1 to 1024"},
		{"nothing to do", minimal + "stage1: {enabled: false}\nstage2: {enabled: false}", "r.yaml:5: both stages are switched off", ""},
		{"another version", minimal + "version: 9", "r.yaml:4: version is 9, this program reads 1", ""},
		{"a tracker that is none", minimal + "tracking: comet", `r.yaml:4: tracking is "comet"`, "write one of tensorboard, wandb, mlflow, none"},
		{"none and one", minimal + "tracking: [none, wandb]", "r.yaml:4: tracking is empty, or names none and something else", "write none, or a list of tensorboard, wandb and mlflow"},
		{"a tracker twice", minimal + "tracking: [wandb, wandb]", "r.yaml:4: tracking names wandb twice", "name it once"},
		{"half a seed", minimal + "seed: 1.5", `r.yaml:4: seed is "1.5" and must be a whole number`, ""},
		{"a folder that is no list", strings.Replace(minimal, "examples: [d]", "examples: d", 1), `r.yaml:3: data.examples is "d" and must be a list`, "write [d]"},
		{"wrong type", minimal + "seed: many", `r.yaml:4: seed is "many" and must be a whole number`, "give it a value of that kind"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := recipe.Parse("r.yaml", []byte(c.text))
			if err == nil || err.Error() != c.want {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if c.hint != "" && fault.Hint(err) != c.hint || fault.Hint(err) == "" {
				t.Errorf("hint %q, want %q", fault.Hint(err), c.hint)
			}
		})
	}
}

func TestShippedRecipes(t *testing.T) {
	files, err := filepath.Glob("../../recipes/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		r, err := recipe.Load(f)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := strings.TrimSuffix(filepath.Base(f), ".yaml"); r.Name != want {
			t.Errorf("%s has the name %q", f, r.Name)
		}
	}
}

func TestLoadMissing(t *testing.T) {
	_, err := recipe.Load(filepath.Join(t.TempDir(), "none.yaml"))
	if err == nil || !errors.Is(err, fs.ErrNotExist) || fault.Hint(err) == "" {
		t.Errorf("got %v", err)
	}
}
