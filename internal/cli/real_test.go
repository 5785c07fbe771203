package cli_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
data:
  examples: [REPO/training-data]
  hold_out: [suite]
lora: {r: 4, alpha: 8, dropout: 0.1}
precision: fp32
gradient_checkpointing: false
stage1: {epochs: 0.2, learning_rate: 1e-3, batch_size: 2, gradient_accumulation: 1, max_length: 512, eval_steps: 4, save_steps: 4}
stage2: {epochs: 0.4, learning_rate: 1e-3, batch_size: 4, gradient_accumulation: 1, max_length: 1024, eval_steps: 4, save_steps: 2}
evaluate: {suite: suite, few_shot: 2, max_tokens: 24, concurrency: 2, context: 1024, retention: {max_drop: 1, general: [REPO/suites/general-code]}}
package: {name: tiny}
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

// prepare makes the tiny base model, its recipe and a suite of two cases.
func (r *real) prepare() {
	r.t.Helper()
	python, _ := r.run("env")
	repo, err := filepath.Abs("../..")
	if err != nil {
		r.t.Fatal(err)
	}
	make := exec.Command(strings.TrimSpace(python), "-B", filepath.Join(repo, "worker", "make_tiny.py"), filepath.Join(r.dir, "base"))
	if out, err := make.CombinedOutput(); err != nil {
		r.t.Fatalf("make_tiny: %v\n%s", err, out)
	}
	r.write("recipe.yaml", strings.NewReplacer("BASE", filepath.Join(r.dir, "base"), "REPO", repo).Replace(tinyRecipe))
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

// The whole path with a real, tiny model: trained in two stages, killed in
// each of them and started again, against an uninterrupted run; then packed,
// served by llama.cpp, evaluated and reported; then nothing left to do.
func TestRealRun(t *testing.T) {
	whole := newReal(t)
	whole.prepare()
	whole.run("train", "recipe.yaml")
	want := whole.trained()

	killed := newReal(t)
	killed.prepare()
	// The base must be the same file for the comparison to mean anything.
	killed.write("recipe.yaml", strings.ReplaceAll(read(t, filepath.Join(killed.dir, "recipe.yaml")), filepath.Join(killed.dir, "base"), filepath.Join(whole.dir, "base")))
	killed.killWhen("runs/train/*/stage1/checkpoint-*/complete.json", "train", "recipe.yaml")
	killed.killWhen("runs/train/*/stage2/checkpoint-4/complete.json", "train", "recipe.yaml")
	killed.run("train", "recipe.yaml")
	got := killed.trained()
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("%s differs between the killed and the uninterrupted run", name)
		}
	}

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
			Answers []struct{ Text string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, files[0])), &report); err != nil || len(report.Models) != 3 || len(report.Models[2].Answers) != 2 {
		t.Fatalf("report: %v %+v", err, report)
	}

	whole.typed(t)
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

func (r *real) answersOf(name string) string {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "runs/answers", name+"-*", "samples.jsonl"))
	if err != nil || len(found) != 1 {
		r.t.Fatalf("answers of %s: %v, %v", name, found, err)
	}
	return read(r.t, found[0])
}

// typed runs the commands that the chapter tells its reader to type next, with
// the tiny recipe in place of the reader's.
func (r *real) typed(t *testing.T) {
	t.Helper()
	r.write("my-recipe.yaml", read(t, filepath.Join(r.dir, "recipe.yaml")))
	_, after, found := strings.Cut(read(t, "../../docs/fine-tuning/iteration.md"), "<!-- for real -->\n```sh\n")
	lines, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatal("docs/fine-tuning/iteration.md has no commands for real")
	}
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "bbjtune" {
			t.Fatalf("no command: %q", line)
		}
		r.run(words[1:]...)
	}
}

// killWhen starts a command and kills it, and it alone, the hard way as soon
// as a file shows up. The worker must notice by itself.
func (r *real) killWhen(pattern string, args ...string) {
	r.t.Helper()
	cmd := r.command(args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deadline := time.After(8 * time.Minute)
	for {
		select {
		case err := <-ended:
			r.t.Fatalf("it ended before %s was there: %v\n%s", pattern, err, errs.String())
		case <-deadline:
			cmd.Process.Kill()
			r.t.Fatalf("%s never came\n%s", pattern, errs.String())
		case <-time.After(20 * time.Millisecond):
			if found, _ := filepath.Glob(filepath.Join(r.dir, pattern)); len(found) > 0 {
				cmd.Process.Kill()
				<-ended
				return
			}
		}
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
