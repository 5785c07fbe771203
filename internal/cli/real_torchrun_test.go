package cli_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/internal/trainer"
)

// Two processes train what one does: the same run by its ID, the same losses. With
// make test-kill the program is killed in between, which takes all of them along.
func TestRealTorchrun(t *testing.T) {
	whole := newReal(t)
	whole.prepare()
	short := strings.NewReplacer("gradient_accumulation: 1", "gradient_accumulation: 2", "stage1: {", "stage1: {enabled: false, ").Replace(read(t, filepath.Join(whole.dir, "recipe.yaml")))
	whole.write("recipe.yaml", short)
	whole.run("train", "recipe.yaml")

	shared := newReal(t)
	shared.prepareOn(filepath.Join(whole.dir, "base"))
	shared.write("recipe.yaml", short+"compute: {engine: torchrun, workers: 2}\n")
	killed := os.Getenv(kills) != ""
	if killed {
		shared.killedWithAll()
	}
	_, progress := shared.run("train", "recipe.yaml")
	if killed && !strings.Contains(progress, "resumed from checkpoint-") {
		t.Errorf("it did not go on from a checkpoint:\n%s", progress)
	}
	if a, b := filepath.Base(whole.folder()), filepath.Base(shared.folder()); a != b {
		t.Errorf("%s and %s are one run", a, b)
	}
	sameLosses(t, whole.folder(), shared.folder())
	if text := read(t, filepath.Join(shared.folder(), "environment.json")); !strings.Contains(text, `"engine": "torchrun"`) || !strings.Contains(text, `"workers": 2`) {
		t.Errorf("environment.json does not say where it ran:\n%s", text)
	}
	if out, _ := whole.run("runs", "diff", whole.folder(), shared.folder()); !strings.Contains(out, "one variable changed: environment, compute") {
		t.Errorf("runs diff:\n%s", out)
	}
	if _, progress := shared.run("train", "recipe.yaml", "--compute", "local", "--workers", "1"); !strings.Contains(progress, "training: done before") {
		t.Errorf("one process trains it again:\n%s", progress)
	}
}

// killedWithAll kills the program when there is a checkpoint, and waits for the end
// of all that it has started.
func (r *real) killedWithAll() {
	r.t.Helper()
	cmd := r.command("train", "recipe.yaml")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	r.await("stage2/checkpoint-2/complete.json", ended, &errs)
	var all []int
	for below := children(cmd.Process.Pid); len(below) > 0; {
		all = append(all, below...)
		var next []int
		for _, pid := range below {
			next = append(next, children(pid)...)
		}
		below = next
	}
	cmd.Process.Kill()
	<-ended
	if len(all) < 4 {
		r.t.Errorf("%d processes below the program, want a worker, a launcher and two ranks", len(all))
	}
	for _, pid := range all {
		r.awaitEnd(pid)
	}
}

// sameLosses holds the loss logs of two trainings against each other.
func sameLosses(t *testing.T, a, b string) {
	t.Helper()
	var logs [2][]trainer.LogEntry
	for i, folder := range []string{a, b} {
		log, err := trainer.ReadLog(filepath.Join(folder, "stage2", "training_log.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		logs[i] = log
	}
	if len(logs[0]) < 4 || len(logs[0]) != len(logs[1]) {
		t.Fatalf("%d and %d lines", len(logs[0]), len(logs[1]))
	}
	for i, x := range logs[0] {
		y := logs[1][i]
		if x.Step != y.Step || x.Epoch != y.Epoch || apart(x.Loss, y.Loss) || apart(x.EvalLoss, y.EvalLoss) || apart(x.LearningRate, y.LearningRate) {
			t.Errorf("line %d: %+v and %+v", i+1, x, y)
		}
	}
}

func apart(x, y *float64) bool {
	if x == nil || y == nil {
		return x != y
	}
	return math.Abs(*x-*y) > 1e-5
}
