package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"bbjtune/bbj/compile"
	"bbjtune/internal/answer"
	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// samplesFile keeps what the model in training answered, one answer a line.
const samplesFile = "samples.jsonl"

// samples judges the answers that a stage gives while it trains. A step that
// comes again after a resume replaces what it was.
type samples struct {
	path  string
	steps map[int][]judged
}

// judged is one answer with its verdict.
type judged struct {
	Step     int    `json:"step"`
	Line     int    `json:"line"`
	Compiles bool   `json:"compiles"`
	HasCode  bool   `json:"has_code"`
	Stopped  bool   `json:"stopped"`
	Tokens   int    `json:"tokens"`
	Answer   string `json:"answer"`
}

// samples reads what an interrupted training has left.
func (t *stageRun) samples() (*samples, error) {
	s := &samples{path: t.s.path(t.name(), samplesFile), steps: map[int][]judged{}}
	if t.n == 1 || t.p.recipe.Stage2.SamplePrompts == 0 {
		return s, nil
	}
	text, err := os.ReadFile(s.path)
	if os.IsNotExist(err) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var j judged
		if err := json.Unmarshal(line, &j); err != nil {
			return nil, fault.Wrap(fmt.Errorf("%s is damaged: %w", s.path, err), "delete it: what the steps that are done have answered is lost, the training is not")
		}
		s.steps[j.Step] = append(s.steps[j.Step], j)
	}
	return s, nil
}

// add judges the answers of a step, keeps them, and says how many of how many compile.
func (s *samples) add(ctx context.Context, engine compile.Engine, e trainer.Event) ([2]int, error) {
	list := make([]judged, len(e.Answers))
	var sources []compile.Source
	var of []int
	for i, a := range e.Answers {
		code := answer.Extract(a.Text).Code
		list[i] = judged{Step: e.Step, Line: a.Line, HasCode: code != "", Stopped: a.Stopped, Tokens: a.Tokens, Answer: a.Text}
		if code != "" {
			sources, of = append(sources, compile.Source{Name: fmt.Sprintf("sample %d", i+1), Text: []byte(code)}), append(of, i)
		}
	}
	verdicts, err := engine.Compile(ctx, sources)
	if err != nil {
		return [2]int{}, err
	}
	for i, v := range verdicts {
		list[of[i]].Compiles = v.OK
	}
	s.steps[e.Step] = list
	return compiling(list), s.write()
}

func compiling(list []judged) [2]int {
	n := 0
	for _, j := range list {
		if j.Compiles {
			n++
		}
	}
	return [2]int{n, len(list)}
}

func (s *samples) write() error {
	return runs.WriteWith(s.path, func(w io.Writer) error {
		for _, step := range slices.Sorted(maps.Keys(s.steps)) {
			if err := chat.WriteJSONL(w, s.steps[step]); err != nil {
				return err
			}
		}
		return nil
	})
}

// annotate puts the verdicts into the stage's log.
func (s *samples) annotate(log string) error {
	if len(s.steps) == 0 {
		return nil
	}
	found := map[int][2]int{}
	for step, list := range s.steps {
		found[step] = compiling(list)
	}
	return trainer.AddCompile1(log, found)
}
