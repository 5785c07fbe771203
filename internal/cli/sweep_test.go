package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/progress"
	"bbjtune/internal/pyenv"
	"bbjtune/internal/runs"
	"bbjtune/internal/sweep"
	"bbjtune/internal/trainer"
)

const sweptRecipe = `version: 1
name: swept
base: {model: base}
data: {examples: [examples], valid_share: 0.4}
precision: fp32
stage1: {enabled: %t, epochs: 1, eval_steps: 5}
stage2: {epochs: 2, eval_steps: 2}
`

// sweptExample is one of several that differ enough to stand on both sides of the split.
const sweptExample = "---\ntitle: Number %[1]d\ntype: completion\ngeneration: all\n---\n\n## Code\n\n```bbj\nREM prints what number %[1]d says\n%[2]s```\n\n## Expected Output\n\n```\n%[1]d\n```\n\n## Explanation\n\nIt prints number %[1]d.\n"

// swept is a sweep over learning rates with a worker that only plays training.
type swept struct {
	*testing.T
	said bytes.Buffer
	pace string
}

func newSwept(t *testing.T, stage1 bool) *swept {
	t.Helper()
	t.Chdir(t.TempDir())
	put(t, "base/config.json", `{"dtype":"float32"}`)
	put(t, "recipe.yaml", fmt.Sprintf(sweptRecipe, stage1))
	for n := range 12 {
		code := ""
		for line := range 4 + n {
			code += fmt.Sprintf("print \"line %d of program %d\", %d\n", line, n, n*n*line)
		}
		put(t, fmt.Sprintf("examples/strings/number-%d.md", n), fmt.Sprintf(sweptExample, n, code))
	}
	return &swept{T: t, pace: "1ms"}
}

// run carries a sweep out; the context may end it in the middle.
func (s *swept) run(ctx context.Context, o sweepOptions) (*sweep.Table, error) {
	s.Helper()
	s.Setenv("FAKE_STEPS", abs("steps.log"))
	s.Setenv("FAKE_PACE", s.pace)
	s.Setenv("GORACE", "atexit_sleep_ms=0") // else a worker that ends trains on for a second
	a := &app{Streams: Streams{Now: time.Now, Out: io.Discard, Err: io.Discard}, runs: "runs", cache: "cache"}
	a.show = progress.New(&s.said, progress.Options{Now: time.Now})
	o.trainOnly = true
	if o.earlyStop == "" {
		o.earlyStop = "none"
	}
	sw, err := a.planSweep("recipe.yaml", o)
	if err != nil {
		return nil, err
	}
	sw.prepared["requirements-cpu.txt"] = workplace{env: &pyenv.Env{Python: "fake-worker"}, script: "worker"}
	if err := sw.prepare(ctx); err != nil {
		return nil, err
	}
	return sw.run(ctx)
}

func (s *swept) table(o sweepOptions) *sweep.Table {
	s.Helper()
	table, err := s.run(s.Context(), o)
	if err != nil {
		s.Fatalf("%v\n%s", err, s.said.String())
	}
	return table
}

// steps counts how often each step was trained since the last call.
func (s *swept) steps() map[string]int {
	s.Helper()
	text, err := os.ReadFile("steps.log")
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	os.Remove("steps.log")
	counts := map[string]int{}
	for line := range strings.Lines(string(text)) {
		counts[strings.TrimSpace(line)]++
	}
	return counts
}

func (s *swept) stageSteps(stage string) int {
	n := 0
	for step, times := range s.steps() {
		if strings.HasPrefix(step, stage+" ") {
			n += times
		}
	}
	return n
}

var asha = sweepOptions{set: []string{"stage2.learning_rate=1e-3,1e-2,3e-3,1e-4,2e-3,9e-4"}, slots: 1, earlyStop: "asha", rule: sweep.Rule{Grace: 1, Eta: 3}}

// outcomes is the table without its folders.
func outcomes(t *sweep.Table) string {
	var b strings.Builder
	for _, r := range t.Rows {
		switch {
		case r.Stopped != nil:
			fmt.Fprintf(&b, "%s: %s, %.3f\n", r.Changed, r.Stopped, *r.Stopped.Loss)
		case r.Failed != "":
			fmt.Fprintf(&b, "%s: %s\n", r.Changed, r.Failed)
		default:
			fmt.Fprintf(&b, "%s: %.3f\n", r.Changed, *r.Loss)
		}
	}
	return b.String()
}

const ashaOutcomes = `learning_rate=1e-3: 1.050
learning_rate=1e-2: stopped early at evaluation 1: place 2 of the 2 that had come so far, of which 1 could go on, 2.741
learning_rate=3e-3: stopped early at evaluation 1: place 2 of the 3 that had come so far, of which 1 could go on, 2.218
learning_rate=1e-4: stopped early at evaluation 1: place 3 of the 4 that had come so far, of which 1 could go on, 2.741
learning_rate=2e-3: stopped early at evaluation 1: place 2 of the 5 that had come so far, of which 1 could go on, 2.042
learning_rate=9e-4: stopped early at evaluation 3: place 2 of the 2 that had come so far, of which 1 could go on, 1.452
`

// Hopeless variants are stopped at a rung, each step is trained once, and what was
// stopped is no finished training: it can be gone on with.
func TestSweepStopsEarly(t *testing.T) {
	s := newSwept(t, false)
	table := s.table(asha)
	if got := outcomes(table); got != ashaOutcomes {
		t.Errorf("table\n%s", got)
	}
	if table.Stopped() != 5 || table.Failed() != 0 || !strings.Contains(s.said.String(), "6 of 6 variants, 5 of them stopped early") {
		t.Errorf("said %s", s.said.String())
	}
	steps := s.steps()
	for step, times := range steps {
		if times != 1 {
			t.Errorf("%s was trained %d times", step, times)
		}
	}
	// Those up to the rungs, and what the workers do while they are being ended.
	if n := len(steps); n < 20+4*2+6 || n > 4*20 {
		t.Errorf("%d steps were trained", n)
	}
	stopped := table.Rows[1].Run
	if exists(filepath.Join(stopped, "manifest.json")) || !exists(filepath.Join(stopped, "stage2/checkpoint-2")) {
		t.Errorf("%s is not what a stopped training leaves", stopped)
	}
	if kept, err := filepath.Glob(filepath.Join(table.Rows[0].Run, rungsFile)); err != nil || len(kept) > 0 {
		t.Errorf("a complete training keeps %v, %v", kept, err)
	}

	if again := s.table(asha); outcomes(again) != ashaOutcomes || len(s.steps()) > 0 {
		t.Errorf("again\n%s", outcomes(again))
	}

	// Another rule decides for itself: of what it lets go on, no step is done again.
	other := asha
	other.rule.Eta = 2
	s.table(other)
	s.once(steps, s.steps())

	all := asha
	all.earlyStop = ""
	table = s.table(all)
	if table.Stopped() > 0 || table.Failed() > 0 {
		t.Errorf("table\n%s", outcomes(table))
	}
	s.once(steps, s.steps())
	if len(steps) != 6*20 {
		t.Errorf("%d steps were trained in all", len(steps))
	}
	if left, err := filepath.Glob("runs/train/*/" + rungsFile); err != nil || len(left) > 0 {
		t.Errorf("complete trainings keep %v, %v", left, err)
	}
}

// once adds steps to those of before. Of those that were trained before, only what a
// worker did after the checkpoint at a rung may come again.
func (s *swept) once(before, more map[string]int) {
	s.Helper()
	for step, times := range more {
		var rate float64
		var n int
		if _, err := fmt.Sscanf(step, "stage2 %g %d", &rate, &n); err != nil {
			s.Fatal(err)
		}
		if times != 1 || before[step] > 0 && before[fmt.Sprintf("stage2 %v %d", rate, n+1)] > 0 {
			s.Errorf("%s was trained again", step)
		}
	}
	maps.Copy(before, more)
}

// Ended at any moment and started again, a sweep comes to the same table, and
// trains nothing twice but what came after a checkpoint.
func TestSweepStopsEarlyResumed(t *testing.T) {
	s := newSwept(t, false)
	s.pace = "4ms"
	ended := 0
	for {
		ctx, end := context.WithTimeout(t.Context(), time.Duration(100+10*ended)*time.Millisecond)
		table, err := s.run(ctx, asha)
		end()
		if err == nil {
			if got := outcomes(table); got != ashaOutcomes {
				t.Errorf("ended %d times:\n%s", ended, got)
			}
			break
		}
		if ended++; ended > 100 {
			t.Fatal(err)
		}
	}
	if ended == 0 {
		t.Error("it was never ended")
	}
	again := 0
	for _, times := range s.steps() {
		again += times - 1
	}
	// At most the two steps since a checkpoint, and one after a rung.
	if again > 2*ended+6 {
		t.Errorf("%d steps were trained again after %d ends", again, ended)
	}
}

// A variant that fails is at no rung and stops nobody.
func TestSweepStopsEarlyWithFailure(t *testing.T) {
	s := newSwept(t, false)
	t.Setenv("FAKE_BROKEN", "0.001")
	table := s.table(asha)
	if table.Failed() != 1 || !strings.Contains(table.Rows[0].Failed, "the loss became nan") || table.Rows[5].Loss == nil {
		t.Errorf("table\n%s", outcomes(table))
	}
}

// A job that a sweep has left on a cluster tells of its rungs to whoever follows it.
func TestRungsOfAnotherSweep(t *testing.T) {
	rule := sweep.Rule{Grace: 1, Eta: 3}
	d := &runs.Dir{Path: t.TempDir()}
	for _, c := range []*climber{nil, {rule: rule, halving: sweep.NewHalving(rule)}} {
		if err := c.reach(d, trainer.Event{Event: "rung", Evaluation: 2, Step: 20}); err != nil || exists(d.File(rungsFile)) {
			t.Errorf("%v: judged at a rung that is not its own: %v", c, err)
		}
	}
}

// What cannot be held against each other is refused before anything is trained.
func TestSweepThatCannotBeJudged(t *testing.T) {
	s := newSwept(t, false)
	for set, want := range map[string]string{
		"stage2.eval_steps=2,4":      "stage2.eval_steps differs from that of eval_steps=2",
		"stage2.max_length=512,1024": "stage2.max_length differs",
		"data.valid_share=0.3,0.5":   "the rows for validation differs",
	} {
		o := asha
		o.set = []string{set}
		if _, err := s.run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", set, err, want)
		}
	}
	if len(s.steps()) > 0 {
		t.Error("something was trained")
	}
}

// Variants that differ in stage 2 alone have one stage 1, whichever slot comes first.
func TestSweepSharesStage1(t *testing.T) {
	s := newSwept(t, true)
	o := sweepOptions{set: []string{"stage2.learning_rate=1e-3,2e-3,3e-3"}, slots: 2}
	table := s.table(o)
	if n := s.stageSteps("stage1"); table.Failed() > 0 || n != 10 {
		t.Errorf("stage 1 took %d steps\n%s", n, outcomes(table))
	}
	again := s.table(o)
	adapters := map[string]bool{}
	for i, r := range table.Rows {
		if r.Reused || !again.Rows[i].Reused {
			t.Errorf("%s: reused %t, then %t", r.Changed, r.Reused, again.Rows[i].Reused)
		}
		text, err := os.ReadFile(filepath.Join(r.Run, "stage1/adapter/adapter_model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		adapters[string(text)] = true
	}
	if len(adapters) != 1 {
		t.Errorf("adapters of stage 1: %v", slices.Sorted(maps.Keys(adapters)))
	}

	// Another stage 1 is another one; a damaged one is not taken.
	o.set = []string{"stage1.learning_rate=1e-4,5e-5", "stage2.learning_rate=4e-3,5e-3"}
	if n := func() int { s.table(o); return s.stageSteps("stage1") }(); n != 10 {
		t.Errorf("stage 1 took %d steps, want those of the one that is new", n)
	}
	made, err := filepath.Glob("runs/train/*/stage1/adapter/adapter_model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range made {
		if err := os.WriteFile(path, []byte("damaged"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o.set = []string{"stage2.learning_rate=6e-3"}
	if n := func() int { s.table(o); return s.stageSteps("stage1") }(); n != 10 {
		t.Errorf("stage 1 took %d steps, want it trained anew", n)
	}
}

// What ended before it said what its stage 1 is made of says so when it goes on.
func TestSweepSharesStage1AfterEnd(t *testing.T) {
	s := newSwept(t, true)
	ended := s.table(sweepOptions{set: []string{"stage2.learning_rate=1e-3"}, slots: 1}).Rows[0].Run
	for _, name := range []string{"manifest.json", "stage1/" + sharedFile} {
		if err := os.Remove(filepath.Join(ended, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.steps()
	table := s.table(sweepOptions{set: []string{"stage2.learning_rate=1e-3,2e-3"}, slots: 1})
	if n := s.stageSteps("stage1"); table.Failed() > 0 || n != 0 {
		t.Errorf("stage 1 took %d steps\n%s", n, outcomes(table))
	}
}

// Where the one that trains stage 1 fails, the next one trains it.
func TestSweepSharesStage1AfterFailure(t *testing.T) {
	s := newSwept(t, true)
	t.Setenv("FAKE_BROKEN", "5e-05")
	table := s.table(sweepOptions{set: []string{"stage2.learning_rate=1e-3,2e-3"}, slots: 2})
	if table.Failed() != 2 {
		t.Errorf("table\n%s", outcomes(table))
	}
}
