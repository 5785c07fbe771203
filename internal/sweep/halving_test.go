package sweep_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bbjtune/internal/sweep"
)

func TestRule(t *testing.T) {
	for _, r := range []sweep.Rule{{Grace: 0, Eta: 3}, {Grace: -1, Eta: 3}, {Grace: 1, Eta: 1}, {Grace: 1, Eta: 0}} {
		if r.Check() == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
	if got := (sweep.Rule{Grace: 2, Eta: 3}).Rungs(); !slices.Equal(got[:4], []int{2, 6, 18, 54}) || len(got) > 20 {
		t.Errorf("rungs %v", got)
	}
	if err := (sweep.Rule{Grace: 1, Eta: 2}).Check(); err != nil {
		t.Error(err)
	}
}

func TestHalving(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		eta    int
		losses []float64
		want   string // of each that comes: goes on or not
	}{
		{3, []float64{3}, "+"},
		{3, []float64{3, 2, 1}, "+++"}, // each was the best when it came
		{3, []float64{1, 2, 3, 4}, "+---"},
		{3, []float64{1, 5, 5, 5, 5, 2}, "+----+"}, // the second of six is one of the best two
		{2, []float64{1, 4, 3, 2}, "+--+"},
		{2, []float64{1, 1, 1}, "+--"}, // of equals the earlier
		{2, []float64{nan, 9, nan}, "++-"},
		{2, []float64{math.Inf(1), 9}, "++"},
	} {
		h, got := sweep.NewHalving(sweep.Rule{Grace: 1, Eta: c.eta}), ""
		for i, loss := range c.losses {
			sign := "-"
			if h.Reach(i, 1, loss).GoesOn() {
				sign = "+"
			}
			got += sign
		}
		if got != c.want {
			t.Errorf("eta %d, %v: %s, want %s", c.eta, c.losses, got, c.want)
		}
	}
}

// Told of a second time, a variant is no second one; other rungs are others.
func TestHalvingAgain(t *testing.T) {
	h := sweep.NewHalving(sweep.Rule{Grace: 1, Eta: 2})
	h.Reach(0, 1, 1)
	h.Reach(1, 1, 2)
	if v := h.Reach(1, 1, 2); v != (sweep.Verdict{Place: 2, Of: 2, Keep: 1}) {
		t.Errorf("%+v", v)
	}
	if v := h.Reach(1, 2, 2); v != (sweep.Verdict{Place: 1, Of: 1, Keep: 1}) {
		t.Errorf("%+v", v)
	}
}

// simulated is a sweep whose variants fall from one loss to their own, the smaller
// the better; noise is what an evaluation adds.
type simulated struct {
	rule            sweep.Rule
	variants, slots int
	evaluations     int
	noise           float64
	// crossing is by how much variants differ in how fast they fall: the best may be
	// behind for long.
	crossing float64
}

// run says how many evaluations were trained for, and which variants came to the end.
func (s simulated) run(r *rand.Rand) (trained int, ended []int) {
	h, rungs := sweep.NewHalving(s.rule), s.rule.Rungs()
	final, fall, takes := make([]float64, s.variants), make([]float64, s.variants), make([]float64, s.variants)
	for i, place := range r.Perm(s.variants) {
		final[i] = 1 + float64(place)/float64(s.variants)
		fall[i] = 4 * math.Exp(s.crossing*(r.Float64()-0.5))
		takes[i] = 0.5 + r.Float64()
	}
	type slot struct {
		variant, at int
		time        float64
	}
	next, free := 0, make([]slot, s.slots)
	for i := range free {
		free[i].variant = -1
	}
	for {
		// Whoever is behind the others in time acts next.
		at := slices.IndexFunc(free, func(x slot) bool {
			return x.time == slices.MinFunc(free, func(a, b slot) int { return cmp.Compare(a.time, b.time) }).time
		})
		x := &free[at]
		if math.IsInf(x.time, 1) {
			return trained, ended
		}
		if x.variant < 0 {
			if next == s.variants {
				x.time = math.Inf(1)
				continue
			}
			x.variant, x.at, next = next, 0, next+1
		}
		x.at++
		trained++
		x.time += takes[x.variant]
		loss := final[x.variant] + 2*math.Exp(-fall[x.variant]*float64(x.at)/float64(s.evaluations)) + s.noise*r.NormFloat64()
		switch {
		case x.at == s.evaluations:
			ended = append(ended, indexOf(final, x.variant))
			x.variant = -1
		case slices.Contains(rungs, x.at) && !h.Reach(x.variant, x.at, loss).GoesOn():
			x.variant = -1
		}
	}
}

// indexOf is the place of a variant's own loss among all, 0 being the best.
func indexOf(final []float64, variant int) int {
	place := 0
	for _, f := range final {
		if f < final[variant] {
			place++
		}
	}
	return place
}

// What is the best at every rung is never stopped, in whatever order and however
// many side by side the variants come.
func TestBestIsNeverStopped(t *testing.T) {
	r := rand.New(rand.NewPCG(18, 10))
	for n := range 3000 {
		s := simulated{
			rule:     sweep.Rule{Grace: 1 + r.IntN(4), Eta: 2 + r.IntN(4)},
			variants: 1 + r.IntN(40), slots: 1 + r.IntN(8), evaluations: 1 + r.IntN(40),
		}
		trained, ended := s.run(r)
		if !slices.Contains(ended, 0) {
			t.Fatalf("%d: %+v: the best was stopped; to the end came %v", n, s, ended)
		}
		if trained > s.variants*s.evaluations {
			t.Fatalf("%d: %+v: %d evaluations", n, s, trained)
		}
	}
}

// What the rule saves, as the share of evaluations that are not trained for, and how
// often the best variant comes to the end where evaluations are noisy. The noise is
// that of a twentieth of the distance between the best and the worst.
func BenchmarkHalving(b *testing.B) {
	for _, s := range []simulated{
		{sweep.Rule{Grace: 1, Eta: 3}, 6, 2, 9, 0.05, 0},
		{sweep.Rule{Grace: 2, Eta: 3}, 6, 2, 9, 0.05, 0},
		{sweep.Rule{Grace: 1, Eta: 2}, 12, 2, 20, 0.05, 0},
		{sweep.Rule{Grace: 1, Eta: 3}, 12, 2, 20, 0.05, 0},
		{sweep.Rule{Grace: 2, Eta: 3}, 12, 2, 20, 0.05, 0},
		{sweep.Rule{Grace: 4, Eta: 3}, 12, 2, 20, 0.05, 0},
		{sweep.Rule{Grace: 2, Eta: 4}, 12, 2, 20, 0.05, 0},
		{sweep.Rule{Grace: 2, Eta: 3}, 24, 4, 20, 0.05, 0},
		{sweep.Rule{Grace: 2, Eta: 3}, 48, 8, 20, 0.05, 0},
		{sweep.Rule{Grace: 2, Eta: 3}, 24, 4, 20, 0, 0},
		{sweep.Rule{Grace: 2, Eta: 3}, 24, 4, 20, 0.2, 0},
		{sweep.Rule{Grace: 1, Eta: 3}, 12, 2, 20, 0.05, 1},
		{sweep.Rule{Grace: 2, Eta: 3}, 12, 2, 20, 0.05, 1},
		{sweep.Rule{Grace: 4, Eta: 3}, 12, 2, 20, 0.05, 1},
	} {
		b.Run(fmt.Sprintf("variants=%d/slots=%d/evaluations=%d/grace=%d/eta=%d/noise=%v/crossing=%v", s.variants, s.slots, s.evaluations, s.rule.Grace, s.rule.Eta, s.noise, s.crossing), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			trained, best, place, n := 0, 0, 0, 0
			for b.Loop() {
				some, ended := s.run(r)
				if slices.Contains(ended, 0) {
					best++
				}
				trained, place, n = trained+some, place+slices.Min(ended)+1, n+1
			}
			b.ReportMetric(100-100*float64(trained)/float64(n*s.variants*s.evaluations), "%saved")
			b.ReportMetric(100*float64(best)/float64(n), "%best-ended")
			b.ReportMetric(float64(place)/float64(n), "place-of-best-ended")
		})
	}
}
