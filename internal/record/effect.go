package record

import (
	"errors"
	"fmt"
	"strings"

	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/stats"
)

// Effect is what a change did.
type Effect struct {
	Losses []StageLoss `json:"losses"`
	Scores []Score     `json:"scores"`
	// Unpaired says why there is no score, or not one for each evaluation.
	Unpaired []string `json:"unpaired"`
}

// StageLoss is the validation loss of a stage on both sides, nil where a side
// did not train it.
type StageLoss struct {
	Stage string `json:"stage"`
	A     *Loss  `json:"a"`
	B     *Loss  `json:"b"`
	// SameRows says that both were validated on the same rows: only then can
	// their losses be compared.
	SameRows bool `json:"same_rows"`
}

// Loss is a validation loss over a stage.
type Loss struct {
	First float64 `json:"first"`
	Last  float64 `json:"last"`
	Best  float64 `json:"best"`
}

// Score compares the models by a metric, case by case.
type Score struct {
	Suite   eval.SuiteRef    `json:"suite"`
	Engine  eval.EngineRef   `json:"engine"`
	RunA    string           `json:"evaluation_a"`
	RunB    string           `json:"evaluation_b"`
	Metric  eval.Metric      `json:"metric"`
	A       stats.Proportion `json:"a"`
	B       stats.Proportion `json:"b"`
	Paired  stats.Paired     `json:"b_minus_a"`
	Verdict compare.Verdict  `json:"verdict"`
	// Grafted is set where both models are grafts, onto the same model.
	Grafted string `json:"grafted_onto,omitempty"`
}

func effect(a, b *Run) Effect {
	e := Effect{Losses: []StageLoss{}, Scores: []Score{}, Unpaired: []string{}}
	for _, stage := range []string{"1", "2"} {
		x, y := a.loss(stage), b.loss(stage)
		file := "stage" + stage + "/valid.jsonl"
		if x != nil || y != nil {
			e.Losses = append(e.Losses, StageLoss{"stage " + stage, x, y, a.inputs.Data[file] == b.inputs.Data[file]})
		}
	}
	e.pair(a, b)
	return e
}

// loss is the validation loss of a stage, or nil where it was not trained.
func (r *Run) loss(stage string) *Loss {
	for _, s := range r.Training.Stages {
		if !strings.HasPrefix(s.Name, "stage "+stage) {
			continue
		}
		l := &Loss{s.ValidFirst, s.ValidLast, s.ValidLast}
		for _, p := range s.Valid {
			l.Best = min(l.Best, p.Loss)
		}
		return l
	}
	return nil
}

// pair compares each evaluation of b with the newest of a that was made alike.
func (e *Effect) pair(a, b *Run) {
	for _, side := range []struct {
		name string
		run  *Run
	}{{"A", a}, {"B", b}} {
		if len(side.run.Evaluations) == 0 {
			e.Unpaired = append(e.Unpaired, fmt.Sprintf("%s is not evaluated: bbjtune eval with its recipe does that", side.name))
		}
	}
	if len(e.Unpaired) > 0 {
		return
	}
	for _, y := range b.Evaluations {
		if err := e.match(a.Evaluations, y); err != nil {
			e.Unpaired = append(e.Unpaired, fmt.Sprintf("%s: %v", y.ID, err))
		}
	}
}

func (e *Effect) match(list []Evaluation, y Evaluation) error {
	right, err := y.result()
	if err != nil {
		return err
	}
	var why error
	for _, x := range list {
		if x.Grafted != y.Grafted {
			continue
		}
		left, err := x.result()
		if err == nil {
			// Both are called alike; the error is to tell them apart.
			left.Model, right.Model = "that of A", "that of B"
			err = compare.Comparable(right, left, nil)
		}
		if err != nil {
			if why == nil {
				why = err
			}
			continue
		}
		for _, c := range compare.Pair(right, left, scored(left, right), nil) {
			p, q := proportion(left, c.Metric), proportion(right, c.Metric)
			e.Scores = append(e.Scores, Score{right.Suite, right.Engine, x.ID, y.ID, c.Metric, p, q, c.Paired, c.Verdict, y.Grafted})
		}
		return nil
	}
	if why == nil {
		why = errors.New("no evaluation of A is of a model that was made alike")
	}
	return why
}

// scored lists the metrics of the effect: facts where both were asked for some.
func scored(a, b *eval.Result) []eval.Metric {
	list := []eval.Metric{eval.CompileAt1, eval.TaskAt1}
	if a.Metrics.Facts.N > 0 && b.Metrics.Facts.N > 0 {
		list = append(list, eval.Facts)
	}
	return list
}

// proportion is what the evaluation has of one of the metrics of the effect.
func proportion(r *eval.Result, m eval.Metric) stats.Proportion {
	switch m {
	case eval.CompileAt1:
		return r.Metrics.Compile
	case eval.Facts:
		return r.Metrics.Facts
	}
	return r.Metrics.Task
}
