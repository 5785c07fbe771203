package sweep

import (
	"fmt"
	"math"
	"sync"

	"bbjtune/internal/fault"
)

// Rule is that of asynchronous successive halving (ASHA, arXiv 1810.05934) in the
// form that stops: a variant is judged at its rungs, the evaluations Grace,
// Grace·Eta, Grace·Eta² …, and goes on past one only as one of the best 1/Eta of
// those that have reached it by then. It waits for nobody.
type Rule struct {
	Grace int `json:"grace"` // in evaluations
	Eta   int `json:"eta"`
}

// Check refuses what is no rule.
func (r Rule) Check() error {
	switch {
	case r.Grace < 1:
		return fault.Newf("write a number of evaluations from 1", "--grace is %d", r.Grace)
	case r.Eta < 2:
		return fault.Newf("write a number from 2: of how many variants at a rung one goes on", "--eta is %d", r.Eta)
	}
	return nil
}

// maxEvaluations is more than a training has.
const maxEvaluations = 1 << 20

// Rungs are the numbers of the evaluations at which variants are judged; the first
// one after training began is 1.
func (r Rule) Rungs() []int {
	var list []int
	for n := r.Grace; n <= maxEvaluations; n *= r.Eta {
		list = append(list, n)
	}
	return list
}

// Verdict is what became of a variant at a rung.
type Verdict struct {
	// Place is the variant's among the Of that have reached the rung, 1 being the
	// best; the best Keep go on.
	Place, Of, Keep int
}

// GoesOn reports whether the variant is trained on.
func (v Verdict) GoesOn() bool { return v.Place <= v.Keep }

// Halving judges the variants of one sweep.
type Halving struct {
	rule  Rule
	mu    sync.Mutex
	rungs map[int]map[int]float64 // evaluation -> variant -> loss
}

// NewHalving begins with nobody at any rung.
func NewHalving(r Rule) *Halving {
	return &Halving{rule: r, rungs: map[int]map[int]float64{}}
}

// Reach records the validation loss of a variant at a rung and judges it among
// those that were there before. Of equal losses the earlier is the better one; no
// number is worse than any. A variant that is told of a second time replaces itself.
func (h *Halving) Reach(variant, evaluation int, loss float64) Verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	rung := h.rungs[evaluation]
	if rung == nil {
		rung = map[int]float64{}
		h.rungs[evaluation] = rung
	}
	rung[variant] = loss
	place := 1
	for other, its := range rung {
		if other != variant && !math.IsNaN(its) && !(its > loss) {
			place++
		}
	}
	return Verdict{Place: place, Of: len(rung), Keep: max(1, len(rung)/h.rule.Eta)}
}

// Stop is what a variant had when it was stopped.
type Stop struct {
	Evaluation int `json:"evaluation"`
	Step       int `json:"step"`
	// Loss is its validation loss there, nil where that was no number.
	Loss  *float64 `json:"valid_loss"`
	Place int      `json:"place"`
	Of    int      `json:"of"`
	Keep  int      `json:"keep"`
}

// String says where and why.
func (s Stop) String() string {
	return fmt.Sprintf("stopped early at evaluation %d: place %d of the %d that had come so far, of which %d could go on", s.Evaluation, s.Place, s.Of, s.Keep)
}
