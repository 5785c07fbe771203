package cli_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/chat"
	"bbjtune/internal/mask"
	"bbjtune/internal/sweep"
)

// require turns "skipped, because something is not there" into a failure; make
// test sets it.
const require = "BBJTUNE_REQUIRE"

// real runs the program as a process of its own, with the Python environment
// of the user's cache.
type real struct {
	t   *testing.T
	bin string
	dir string
}

func newReal(t *testing.T) *real {
	t.Helper()
	if os.Getenv(require) == "" {
		t.Skipf("trains a model for real; set %s=1 to run it", require)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &real{t: t, dir: t.TempDir(), bin: filepath.Join(t.TempDir(), "bbjtune")}
	if err := os.Symlink(exe, r.bin); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *real) command(args ...string) *exec.Cmd {
	cmd := exec.Command(r.bin, args...)
	cmd.Dir = r.dir
	// One thread: two that spin on busy cores are slower than one, and the
	// order of additions must be the same in every run.
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1")
	return cmd
}

// run runs a command to its end and returns standard output and error.
func (r *real) run(args ...string) (stdout, stderr string) {
	r.t.Helper()
	cmd := r.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		log, _ := os.ReadFile(filepath.Join(r.dir, "runs", "worker.log"))
		r.t.Fatalf("bbjtune %s: %v\n%s\n%s\n%s", strings.Join(args, " "), err, out.String(), errs.String(), log[max(0, len(log)-4000):])
	}
	return out.String(), errs.String()
}

const tinyRecipe = `name: tiny
base: {model: BASE}
graft: {onto: BASE-instruct}
data:
  examples: [REPO/training-data]
  hold_out: [suite]
lora: {r: 4, alpha: 8, dropout: 0.1}
precision: fp32
gradient_checkpointing: false
stage1: {epochs: 0.2, learning_rate: 1e-3, batch_size: 2, gradient_accumulation: 1, max_length: 512, eval_steps: 4, save_steps: 4}
stage2: {epochs: 0.4, learning_rate: 1e-3, batch_size: 4, gradient_accumulation: 1, max_length: 1024, eval_steps: 4, save_steps: 2, sample_prompts: 2, sample_tokens: 8}
evaluate: {suite: suite, few_shot: 2, max_tokens: 24, concurrency: 2, context: 1024, retention: {max_drop: 1, general: [REPO/suites/general-code]}}
package: {name: tiny, quantize: [f16]}
`

const tinyCase = "---\ntitle: %s\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [{verb: PRINT}]\n---\n\n## Prompt\n\nPrint %s.\n\n" +
	"## Reference\n\n```bbj\nprint \"x\"\n```\n\n## Wrong\n\nfails: compile: Python\n\n```python\ndef f(): pass\n```\n"

func (r *real) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// prepare makes the tiny base model, one to graft onto, its recipe and a suite of two cases.
func (r *real) prepare() {
	r.t.Helper()
	r.python(filepath.Join("..", "..", "worker", "make_tiny.py"), filepath.Join(r.dir, "base"), filepath.Join(r.dir, "base-instruct"))
	r.prepareOn(filepath.Join(r.dir, "base"))
}

// python runs a script in the worker's environment. What it compiles of the
// packages is kept, since that takes longer than the script.
func (r *real) python(args ...string) {
	r.t.Helper()
	python, _ := r.run("env")
	cmd := exec.Command(strings.TrimSpace(python), args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=", "PYTHONPYCACHEPREFIX="+filepath.Join(os.TempDir(), "bbjtune-test-bytecode"))
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// prepareOn makes the recipe and a suite of two cases for a base model.
func (r *real) prepareOn(base string) {
	r.t.Helper()
	repo, err := filepath.Abs("../..")
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("recipe.yaml", strings.NewReplacer("BASE", base, "REPO", repo).Replace(tinyRecipe))
	r.write("suite/suite.yaml", "name: tiny\nversion: 1\n")
	r.write("suite/cases/strings/one.md", fmt.Sprintf(tinyCase, "One", "a one"))
	r.write("suite/cases/strings/two.md", fmt.Sprintf(tinyCase, "Two", "a two"))
}

// trained returns the hashes of what a training leaves: adapters and losses.
func (r *real) trained() map[string]string {
	r.t.Helper()
	sums := map[string]string{}
	for _, pattern := range []string{"stage?/adapter/adapter_model.safetensors", "stage?/training_log.jsonl"} {
		files, err := filepath.Glob(filepath.Join(r.dir, "runs/train/*", pattern))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				r.t.Fatal(err)
			}
			sums[strings.Join(strings.Split(filepath.ToSlash(f), "/")[len(strings.Split(filepath.ToSlash(r.dir), "/"))+3:], "/")] = fmt.Sprintf("%x", sha256.Sum256(text))
		}
	}
	if len(sums) != 4 {
		r.t.Fatalf("a finished training leaves two adapters and two logs, found %v", sums)
	}
	return sums
}

// wordTokenizer is a tokenizer of a kind that the program does not know.
const wordTokenizer = `import sys
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

words = {"<|endoftext|>": 0, "<unk>": 1, "print": 2}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", unk_token="<unk>").save_pretrained(sys.argv[1])
open(sys.argv[1] + "/config.json", "w").write("{}")
`

// Tokens that the program cannot count itself are counted by the worker, and the
// report says so.
func TestRealTokenCounts(t *testing.T) {
	r := newReal(t)
	r.write("make.py", wordTokenizer)
	r.python(filepath.Join(r.dir, "make.py"), filepath.Join(r.dir, "odd"))
	row := func(answer string) string {
		return `{"messages":[{"role":"user","content":"one two three"},{"role":"assistant","content":"` + answer + `"}]}` + "\n"
	}
	r.write("rows.jsonl", row("a b")+"no row\n\n"+row("a b c d e f g h i j k l m n o p q r s t"))
	cmd := r.command("data", "audit", "rows.jsonl", "--tokenizer", "odd", "--max-tokens", "20")
	out, err := cmd.Output()
	// Of every turn its role, and of the first the end of the one before.
	for _, want := range []string{
		"tokens: 25 the longest row, 1 row over the 20 that are trained on; counted by the training worker, since bbjtune does not know this kind of tokenizer",
		"  line 4: 25 tokens, 20 are trained on",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%v: %q is not in\n%s", err, want, out)
		}
	}
}

// The whole path with a real, tiny model: trained in two stages, killed in
// each of them and started again, against an uninterrupted run; then packed,
// served by llama.cpp, evaluated and reported; then nothing left to do.
func TestRealRun(t *testing.T) {
	whole := newReal(t)
	whole.prepare()
	whole.run("train", "recipe.yaml")
	want := whole.trained()

	killed := newReal(t)
	// The base must be the same for the comparison to mean anything.
	killed.prepareOn(filepath.Join(whole.dir, "base"))
	random := rand.New(rand.NewPCG(1, 2))
	t.Log(killed.killAt(point{victim: "bbjtune", moment: "stage1/checkpoint-4/complete.json"}, random))
	t.Log(killed.killAt(point{victim: "worker", moment: "stage2/checkpoint-4/complete.json", damage: cutShort}, random))
	killed.run("train", "recipe.yaml")
	got := killed.trained()
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("%s differs between the killed and the uninterrupted run", name)
		}
	}

	whole.recorded(killed)

	out, _ := whole.run("run", "recipe.yaml")
	if !strings.Contains(out, "report.html") {
		t.Errorf("no report in\n%s", out)
	}
	files, err := filepath.Glob(filepath.Join(whole.dir, "runs/report/*/report.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("reports: %v %v", files, err)
	}
	var report struct {
		Models []struct {
			Model   string
			Metrics map[string]json.RawMessage
		}
		Cases []struct {
			Outcomes []struct {
				Answers []struct{ Text string }
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, files[0])), &report); err != nil || len(report.Models) != 4 || report.Models[2].Model != "graft" || len(report.Cases) != 2 || len(report.Cases[0].Outcomes) != 4 || len(report.Cases[0].Outcomes[3].Answers) != 1 {
		t.Fatalf("report: %v %+v", err, report)
	}

	for run, want := range map[string][]string{
		"tiny":       {"# tiny\n", "| tuned |", "| untuned |", "| graft |"},
		"tiny-graft": {"# tiny-graft\n", "Grafted onto: a local model", "| tuned |", "| untuned |", "| graft |"},
	} {
		out, _ := whole.run("card", run)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("the model card of %s has no %q:\n%s", run, w, out)
			}
		}
	}
	whole.typed(t)
	whole.packed(t)
	whole.verified(t)
	whole.served(t)
	whole.workerAnswers(t)
	if lost, _ := whole.run("eval", "recipe.yaml", "--retention"); !strings.Contains(lost, "general code: perplexity ") {
		t.Errorf("what was forgotten:\n%s", lost)
	}

	start := time.Now()
	again, progress := whole.run("run", "recipe.yaml")
	if again != out {
		t.Errorf("the second run says something else:\n%s", again)
	}
	for line := range strings.Lines(progress) {
		if !strings.Contains(line, " before") {
			t.Errorf("the second run did something: %s", line)
		}
	}
	t.Logf("the second run took %v", time.Since(start))
}

// What is inspected is what would be trained on, and training does not start
// where the report says so: not even its first stage.
func TestRealInspect(t *testing.T) {
	r := newReal(t)
	r.prepare()
	out, _ := r.run("train", "recipe.yaml", "--inspect", "--row", "1,2", "--html", "page.html", "--output-format", "json")
	var report struct {
		Version int
		Stages  []mask.Stage
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Version != 1 || len(report.Stages) != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, s := range report.Stages {
		// Of a long text that was split the last piece alone has an end.
		pieces := s.Train.Rows + s.Train.DroppedOverlong - s.Train.Read
		if s.Refused != "" || s.Train.PromptTrained+s.Train.ZeroRows != 0 || s.Train.StopUntrained != pieces || s.Train.Rows == 0 || len(s.Rows) != 2 {
			t.Errorf("%s: %+v", s.Refused, s.Train)
		}
	}
	trained := ""
	for _, token := range report.Stages[1].Rows[0].Tokens {
		if token.Trained {
			trained += token.Text
		}
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "runs/data/*/stage2/train.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	first, _, _ := strings.Cut(read(t, files[0]), "\n")
	var row chat.Row
	if err := json.Unmarshal([]byte(first), &row); err != nil || trained != row.Messages[2].Content+"<|im_end|>" {
		t.Errorf("%v: trained on %q", err, trained)
	}
	if page := read(t, filepath.Join(r.dir, "page.html")); !strings.Contains(page, "training may start") {
		t.Error(page)
	}

	recipe := read(t, filepath.Join(r.dir, "recipe.yaml"))
	r.write("cut.yaml", strings.Replace(recipe, "gradient_accumulation: 1, max_length: 1024", "gradient_accumulation: 1, overlong: truncate, max_length: 130", 1))
	for _, c := range []struct {
		status int
		args   []string
		want   string
	}{
		{1, []string{"train", "cut.yaml", "--inspect"}, "training does not start: runs/data/"},
		{2, []string{"train", "cut.yaml"}, "has no token to train on"},
	} {
		cmd := r.command(c.args...)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != c.status || !strings.Contains(string(out), c.want) || !strings.Contains(string(out), "stage2/train.jsonl line ") {
			t.Errorf("%v: %v\n%s", c.args, cmd.ProcessState, out)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, "runs/train/*/stage1/checkpoint-*")); len(left) > 0 {
		t.Errorf("stage 1 was trained: %v", left)
	}
}

// workerAnswers has the training worker answer for the base model, with the
// adapter and without: the same question has the same answer each time.
func (r *real) workerAnswers(t *testing.T) {
	t.Helper()
	adapters, err := filepath.Glob(filepath.Join(r.dir, "runs/train/*/stage2/adapter"))
	if err != nil || len(adapters) != 1 {
		t.Fatalf("adapters %v, %v", adapters, err)
	}
	base := []string{"eval", "--provider", "worker", "--model", "base", "--suite", "suite", "--max-tokens", "24", "--concurrency", "1", "--output-format", "json"}
	out, _ := r.run(append(base, "--label", "plain")...)
	if !strings.Contains(out, `"unanswered": 0`) || !strings.Contains(out, `"prompt_form": "chat"`) {
		t.Errorf("the worker's answers:\n%s", out)
	}
	first := r.answersOf("plain-worker")
	r.run(append(base, "--label", "plain", "--again")...)
	if again := r.answersOf("plain-worker"); again != first {
		t.Errorf("asked again it answered %s, before %s", again, first)
	}
	r.run(append(base, "--label", "adapted", "--adapter", adapters[0])...)
	r.answersOf("adapted-worker")
}

// readGGUF says of GGUF files, one a line, what an independent reader finds in them.
const readGGUF = `import json, sys
from gguf import GGUFReader

for path in sys.argv[1:]:
    read = GGUFReader(path)
    fields = {name: field.contents() for name, field in read.fields.items()}
    tokens = fields.get("tokenizer.ggml.tokens", [])
    print(json.dumps({
        "architecture": fields["general.architecture"], "kind": fields["general.type"], "name": fields["general.name"],
        "template": fields.get("tokenizer.chat_template"), "pre": fields.get("tokenizer.ggml.pre"), "tokens": tokens,
        "stops": [tokens[fields["tokenizer.ggml." + key + "_token_id"]] for key in ("eot", "eos") if tokens],
        "alpha": fields.get("adapter.lora.alpha"),
        "tensors": {tensor.name: tensor.tensor_type.name for tensor in read.tensors},
    }))
`

// gguf is what it finds.
type gguf struct {
	Architecture, Kind, Name, Template, Pre string
	Tokens, Stops                           []string
	Alpha                                   float64
	Tensors                                 map[string]string
}

// packed asks for more forms of the finished training: nothing is merged or
// converted again, and an independent reader finds in each file what belongs there.
func (r *real) packed(t *testing.T) {
	t.Helper()
	out, progress := r.run("pack", "tiny", "--quantize", "f16,q8_0,q4_k_m", "--adapter", "--output-format", "json")
	if !strings.Contains(progress, "merge: taken from tiny-") || !strings.Contains(progress, "convert to GGUF: taken from tiny-") {
		t.Errorf("it was merged or converted again:\n%s", progress)
	}
	var made struct {
		Folder string
		Files  []struct{ Path, SHA256 string }
		Steps  []struct{ Output, Tool string }
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil || len(made.Steps) != 6 {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, s := range made.Steps {
		if s.Output == "model-q4_k_m.gguf" && !strings.HasPrefix(s.Tool, "llama.cpp b") {
			t.Errorf("%s was made by %s", s.Output, s.Tool)
		}
	}
	python, _ := r.run("env")
	r.write("read.py", readGGUF)
	cmd := exec.Command(strings.TrimSpace(python), "-B", "read.py", "model-f16.gguf", "model-q8_0.gguf", "model-q4_k_m.gguf", "adapter.gguf")
	for i, name := range cmd.Args[3:] {
		cmd.Args[3+i] = filepath.Join(r.dir, made.Folder, name)
	}
	cmd.Dir = r.dir
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var files []gguf
	for line := range strings.Lines(string(text)) {
		var g gguf
		if err := json.Unmarshal([]byte(line), &g); err != nil {
			t.Fatal(err)
		}
		files = append(files, g)
	}
	for i, want := range []string{"F16", "Q8_0", "Q"} {
		r.holds(files[i], want)
	}
	r.holdsAdapter(files[3])
}

// holds checks a model of two layers whose matrices are of the type.
func (r *real) holds(g gguf, matrices string) {
	t := r.t
	t.Helper()
	var tokenizer struct {
		Model struct{ Vocab map[string]int }
		Added []struct{ Content string } `json:"added_tokens"`
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(r.dir, "base", "tokenizer.json"))), &tokenizer); err != nil {
		t.Fatal(err)
	}
	if g.Architecture != "qwen2" || g.Kind != "model" || g.Name != "tiny" || g.Template != chat.Template || g.Pre != "qwen2" || !slices.Equal(g.Stops, chat.Stop()) {
		t.Errorf("%+v", g)
	}
	if len(g.Tokens) != len(tokenizer.Model.Vocab)+len(tokenizer.Added) || g.Tokens[tokenizer.Model.Vocab["a"]] != "a" {
		t.Errorf("%d tokens", len(g.Tokens))
	}
	want := map[string]bool{"token_embd.weight": true, "output_norm.weight": false}
	for _, layer := range []string{"blk.0.", "blk.1."} {
		for _, name := range []string{"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight", "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"} {
			want[layer+name] = true
		}
		for _, name := range []string{"attn_norm.weight", "ffn_norm.weight", "attn_q.bias", "attn_k.bias", "attn_v.bias"} {
			want[layer+name] = false
		}
	}
	if len(g.Tensors) != len(want) {
		t.Errorf("%d tensors, want %d: %v", len(g.Tensors), len(want), g.Tensors)
	}
	for name, matrix := range want {
		if kind := g.Tensors[name]; matrix && !strings.HasPrefix(kind, matrices) || !matrix && kind != "F32" {
			t.Errorf("%s is %q where matrices are %s", name, kind, matrices)
		}
	}
}

// holdsAdapter checks the pairs of every linear layer.
func (r *real) holdsAdapter(g gguf) {
	r.t.Helper()
	if g.Architecture != "qwen2" || g.Kind != "adapter" || g.Alpha != 8 || len(g.Tensors) != 2*7*2 || g.Tensors["blk.1.ffn_down.weight.lora_b"] != "F16" {
		r.t.Errorf("the adapter: %+v", g)
	}
}

func (r *real) answersOf(name string) string {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "runs/answers", name+"-*", "samples.jsonl"))
	if err != nil || len(found) != 1 {
		r.t.Fatalf("answers of %s: %v, %v", name, found, err)
	}
	return read(r.t, found[0])
}

// typed runs the commands that the chapter tells its reader to type next, and those
// that end the guide's first hour, with the tiny recipe in place of the reader's.
func (r *real) typed(t *testing.T) {
	t.Helper()
	for page, recipe := range map[string]string{"fine-tuning/iteration.md": "my-recipe.yaml", "guide/first-hour.md": "my-first.yaml"} {
		r.write(recipe, read(t, filepath.Join(r.dir, "recipe.yaml")))
		_, after, found := strings.Cut(read(t, "../../docs/"+page), "<!-- for real -->\n```sh\n")
		lines, _, closed := strings.Cut(after, "```")
		if !found || !closed {
			t.Fatalf("docs/%s has no commands for real", page)
		}
		for line := range strings.Lines(lines) {
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "bbjtune" {
				t.Fatalf("no command: %q", line)
			}
			r.run(words[1:]...)
		}
	}
}

// folder returns the only folder of a training.
func (r *real) folder() string {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "runs", "train", "*"))
	if err != nil || len(found) != 1 {
		r.t.Fatalf("trainings: %v %v", found, err)
	}
	return found[0]
}

// recorded holds the record of a training against that of the same one made in
// pieces.
func (r *real) recorded(killed *real) {
	r.t.Helper()
	for _, dir := range []string{r.folder(), killed.folder()} {
		manifest := read(r.t, filepath.Join(dir, "manifest.json"))
		for _, name := range []string{"recipe.yaml", "data.json", "environment.json", "loss.svg", "README.md", "stage1/tensorboard/events.out.tfevents.", "stage2/tensorboard/events.out.tfevents."} {
			if !strings.Contains(manifest, `"path": "`+name) {
				r.t.Errorf("%s does not list %s", dir, name)
			}
		}
	}
	out, _ := r.run("runs", "diff", r.folder(), killed.folder())
	for _, want := range []string{"nothing changed that the training depends on", "A is not evaluated"} {
		if !strings.Contains(out, want) {
			r.t.Errorf("runs diff does not say %q:\n%s", want, out)
		}
	}
	if out, _ := r.run("runs", "show", r.folder()); !strings.Contains(out, "environment  cpu") || strings.Contains(out, "missing") {
		r.t.Errorf("runs show:\n%s", out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Variants are trained side by side; killed and started again, a sweep trains
// nothing twice and leaves no slot idle while a variant waits.
func TestRealSweep(t *testing.T) {
	r := newReal(t)
	r.prepare()
	r.write("sweep.yaml", "version: 1\nextends: recipe.yaml\nname: sweep\nstage1: {epochs: 0.05}\nstage2: {epochs: 0.1, sample_prompts: 0}\n")
	args := []string{"sweep", "sweep.yaml", "--set", "stage2.weight_decay=0,0.1,0.2", "--slots", "2", "--output-format", "json"}

	cmd := r.command(append(args, "--train-only")...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	r.await("manifest.json", ended, &errs)
	cmd.Process.Kill()
	<-ended
	done := map[string]string{}
	manifests, err := filepath.Glob(filepath.Join(r.dir, "runs/train/*/manifest.json"))
	if err != nil || len(manifests) == 0 || len(manifests) == 3 {
		t.Fatalf("killed with %d of 3 trainings complete (%v)", len(manifests), err)
	}
	for _, m := range manifests {
		done[m] = read(t, m)
	}
	if err := os.Remove(filepath.Join(r.dir, "runs/sweep.log")); err != nil {
		t.Fatal(err)
	}

	out, _ := r.run(args...)
	var got struct {
		Folder string      `json:"folder"`
		Table  sweep.Table `json:"table"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	reused := 0
	for _, row := range got.Table.Rows {
		if row.Reused {
			reused++
		}
		if row.Loss == nil || row.Failed != "" || len(row.Scores) != 2 || row.Scores[0].N != 2 {
			t.Errorf("%s: %+v", row.Changed, row)
		}
	}
	// The kill may have come between the last stage of another one and its manifest.
	if len(got.Table.Rows) != 3 || reused < len(done) {
		t.Errorf("%d variants, %d of them trained before, want 3 and at least %d", len(got.Table.Rows), reused, len(done))
	}
	for m, before := range done {
		if read(t, m) != before {
			t.Errorf("%s was trained again", m)
		}
	}
	if log := read(t, filepath.Join(r.dir, "runs/sweep.log")); idle(t, log) > time.Second {
		t.Errorf("a slot was idle for %s\n%s", idle(t, log), log)
	}
	again, _ := r.run(args...)
	if a, b := strings.ReplaceAll(again, `"reused": true,`, ""), strings.ReplaceAll(out, `"reused": true,`, ""); strings.Join(strings.Fields(a), " ") != strings.Join(strings.Fields(b), " ") {
		t.Errorf("done again\n%s\nfirst\n%s", again, out)
	}
	diff, _ := r.run("runs", "diff", filepath.Base(got.Table.Rows[0].Run), filepath.Base(got.Table.Rows[1].Run))
	if !strings.Contains(diff, "stage2.weight_decay") {
		t.Errorf("runs diff does not name what changed:\n%s", diff)
	}
	firsts, err := filepath.Glob(filepath.Join(r.dir, "runs/train/*/stage1/stage.json"))
	if err != nil || len(firsts) != 3 {
		t.Fatalf("%v, %v", firsts, err)
	}
	firsts = slices.DeleteFunc(firsts, func(path string) bool { return strings.Contains(read(t, path), `"from": "sweep-`) })
	if len(firsts) != 1 {
		t.Errorf("stage 1 was trained %d times", len(firsts))
	}
}

// A variant that is stopped early keeps its checkpoint, and is gone on with by itself.
func TestRealSweepStopsEarly(t *testing.T) {
	if os.Getenv(kills) == "" {
		t.Skipf("takes three more starts of the worker; set %s=1 to run it", kills)
	}
	r := newReal(t)
	r.prepare()
	r.write("sweep.yaml", "version: 1\nextends: recipe.yaml\nname: sweep\nstage1: {enabled: false}\nstage2: {epochs: 0.1, sample_prompts: 0}\n")
	out, _ := r.run("sweep", "sweep.yaml", "--set", "stage2.learning_rate=1e-3,1e-6", "--train-only", "--early-stop", "asha", "--grace", "1", "--eta", "2", "--output-format", "json")
	var got struct{ Table sweep.Table }
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Table.Rows) != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
	best, stopped := got.Table.Rows[0], got.Table.Rows[1]
	if best.Loss == nil || stopped.Stopped == nil || stopped.Stopped.Step != 4 || stopped.Loss != nil {
		t.Fatalf("%+v", got.Table.Rows)
	}
	dir := filepath.Join(r.dir, stopped.Run)
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); !os.IsNotExist(err) {
		t.Errorf("a stopped training has a manifest (%v)", err)
	}
	_, said := r.run("train", filepath.Join(stopped.Run, "recipe.yaml"))
	if !strings.Contains(said, "resumed from checkpoint-") {
		t.Errorf("it began anew:\n%s", said)
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Error(err)
	}
}

// idle is the longest time that a slot of a sweep's log waited between two variants.
func idle(t *testing.T, log string) time.Duration {
	t.Helper()
	ended := map[string]time.Time{}
	longest := time.Duration(0)
	for line := range strings.Lines(log) {
		clock, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		slot, what, _ := strings.Cut(rest, ", ")
		at, err := time.Parse(time.RFC3339Nano, clock)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(what, ": ends"):
			ended[slot] = at
		case strings.HasSuffix(what, ": begins") && !ended[slot].IsZero():
			longest = max(longest, at.Sub(ended[slot]))
		}
	}
	if len(ended) != 2 {
		t.Errorf("%d slots in the log, want 2", len(ended))
	}
	return longest
}
