package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/fault"
	"bbjtune/internal/recipe"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// Answers are judged as they come; a step that comes again after a resume
// replaces what it was, and what an earlier start has judged stays.
func TestSamplesAreJudgedAndKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "stage2"), 0o755); err != nil {
		t.Fatal(err)
	}
	stage := &stageRun{p: &pipeline{recipe: &recipe.Recipe{Stage2: recipe.Stage{SamplePrompts: 3}}}, s: step{dir: &runs.Dir{Path: dir}}, n: 2}
	answers := []trainer.Sample{
		{Line: 4, Text: "```bbj\nprint \"a\"\n```", Tokens: 9, Stopped: true},
		{Line: 2, Text: "```bbj\nif then else print (\n```", Tokens: 8},
		{Line: 9, Text: "I am sorry.", Tokens: 4, Stopped: true},
	}
	for _, c := range []struct {
		step    int
		answers []trainer.Sample
		want    [2]int
	}{{8, answers, [2]int{1, 3}}, {0, answers[1:], [2]int{0, 2}}, {8, answers[:1], [2]int{1, 1}}, {4, nil, [2]int{0, 0}}} {
		s, err := stage.samples() // as a new start reads it
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.add(t.Context(), check.Embedded{}, trainer.Event{Step: c.step, Answers: c.answers}); err != nil || got != c.want {
			t.Errorf("step %d: %d %v, want %d", c.step, got, err, c.want)
		}
	}
	text, err := os.ReadFile(stage.s.path("stage2", samplesFile))
	want := `{"step":0,"line":2,"compiles":false,"has_code":true,"stopped":false,"tokens":8,"answer":"` + "```bbj\\nif then else print (\\n```" + `"}` + "\n" +
		`{"step":0,"line":9,"compiles":false,"has_code":false,"stopped":true,"tokens":4,"answer":"I am sorry."}` + "\n" +
		`{"step":8,"line":4,"compiles":true,"has_code":true,"stopped":true,"tokens":9,"answer":"` + "```bbj\\nprint \\\"a\\\"\\n```" + `"}` + "\n"
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, text, want)
	}

	log := stage.s.path("stage2", "training_log.jsonl")
	if err := os.WriteFile(log, []byte(`{"step": 8, "eval_loss": 1.5}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := stage.samples()
	if err == nil {
		err = s.annotate(log)
	}
	if text, _ := os.ReadFile(log); err != nil || !strings.Contains(string(text), `"compile_at_1": [1, 1]}`) {
		t.Errorf("%v %s", err, text)
	}

	if err := os.WriteFile(stage.s.path("stage2", samplesFile), []byte("{\"step\""), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := stage.samples(); err == nil || !strings.Contains(err.Error(), "is damaged") || fault.Hint(err) == "" {
		t.Errorf("a damaged file: %v", err)
	}

	stage.p.recipe.Stage2.SamplePrompts = 0
	if s, err := stage.samples(); err != nil || len(s.steps) != 0 {
		t.Errorf("switched off: %v %v", s, err)
	}
}
