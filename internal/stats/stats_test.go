package stats_test

import (
	"math"
	"testing"

	"bbjtune/internal/stats"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// The intervals are those of Newcombe (1998, Statistics in Medicine
// 17:857-872, table I, method 3).
func TestProportionAgainstPublishedIntervals(t *testing.T) {
	cases := []struct {
		k, n      int
		low, high float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0.0000, 0.1611},
		{1, 29, 0.0061, 0.1718},
	}
	for _, c := range cases {
		p := stats.NewProportion(c.k, c.n)
		near(t, "low", p.Low, c.low, 5e-5)
		near(t, "high", p.High, c.high, 5e-5)
	}
	if p := stats.NewProportion(0, 0); p.Low != 0 || p.High != 1 {
		t.Errorf("no trials: %+v", p)
	}
	if p := stats.NewProportion(7, 7); p.High != 1 {
		t.Errorf("all succeeded: %+v", p)
	}
}

// binomial returns P(X = k) for X ~ Binomial(n, p), for all k.
func binomial(n int, p float64) []float64 {
	out := make([]float64, n+1)
	if p == 1 {
		out[n] = 1
		return out
	}
	lgN, _ := math.Lgamma(float64(n + 1))
	for k := range out {
		lgK, _ := math.Lgamma(float64(k + 1))
		lgR, _ := math.Lgamma(float64(n - k + 1))
		out[k] = math.Exp(lgN - lgK - lgR + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
	}
	return out
}

// The coverage is exact: the probabilities of all outcomes whose interval holds
// the true rate. For a single rate it jumps with the rate, as that of every
// interval for counts does (Brown, Cai and DasGupta 2001, Statistical Science
// 16:101-133); so, as there, the mean is taken over true rates spread evenly, here
// over 0.05 to 0.95, and single rates must not fall far below.
func TestProportionCoverage(t *testing.T) {
	for n := 20; n <= 500; n++ {
		var intervals []stats.Proportion
		for k := range n + 1 {
			intervals = append(intervals, stats.NewProportion(k, n))
		}
		mean, worst, rates := 0.0, 1.0, 0
		for truth := 0.05; truth <= 0.95; truth += 0.01 {
			covered := 0.0
			for k, probability := range binomial(n, truth) {
				if p := intervals[k]; p.Low <= truth && truth <= p.High {
					covered += probability
				}
			}
			mean, worst, rates = mean+covered, min(worst, covered), rates+1
		}
		if mean /= float64(rates); mean < 0.93 || mean > 0.97 || worst < 0.85 {
			t.Errorf("n = %d: the nominal 95 %% interval covers %.4f on average, %.4f at worst", n, mean, worst)
		}
	}
}

// The intervals are those of Tango (1998, section 6), of 32 and of 44 pairs.
func TestPairedAgainstPublishedIntervals(t *testing.T) {
	for _, c := range []struct {
		onlyA, onlyB, n int
		low, high       float64
	}{
		{9, 3, 32, -0.027, 0.390},
		{0, 1, 44, -0.118, 0.059},
	} {
		p := stats.NewPaired(c.onlyA, c.onlyB, c.n)
		near(t, "low", p.Low, c.low, 5e-4)
		near(t, "high", p.High, c.high, 5e-4)
	}
	// Where the two never differ, the formula is z²/(n+z²), as Wilson's for 0 of n.
	wilson := stats.NewProportion(0, 20)
	p := stats.NewPaired(0, 0, 20)
	near(t, "low", p.Low, -wilson.High, 1e-9)
	near(t, "high", p.High, wilson.High, 1e-9)
}

// paired holds the interval of every outcome for n cases.
type paired map[[2]int]stats.Paired

func (known paired) of(onlyA, onlyB, n int) stats.Paired {
	k := [2]int{onlyA, onlyB}
	p, ok := known[k]
	if !ok {
		p = stats.NewPaired(onlyA, onlyB, n)
		known[k] = p
	}
	return p
}

// probability is that of an outcome which holds, where A alone solves the one
// share of n cases and B alone the other.
func (known paired) probability(n int, onlyA, onlyB float64, holds func(stats.Paired) bool) float64 {
	sum := 0.0
	for d, pd := range binomial(n, onlyA+onlyB) {
		if pd < 1e-7 {
			continue
		}
		for a, pa := range binomial(d, onlyA/(onlyA+onlyB)) {
			if pa > 1e-7 && holds(known.of(a, d-a, n)) {
				sum += pd * pa
			}
		}
	}
	return sum
}

// The same for the difference of paired rates, over all outcomes of the two kinds
// of cases in which A and B differ. The mean is taken over shares of them that are
// spread evenly.
func TestPairedCoverage(t *testing.T) {
	for _, n := range []int{20, 30, 64, 160, 500} {
		known := paired{}
		mean, shares := 0.0, 0
		for _, onlyA := range []float64{0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4} {
			for _, onlyB := range []float64{0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4} {
				covered := known.probability(n, onlyA, onlyB, func(p stats.Paired) bool { return p.Low <= onlyA-onlyB && onlyA-onlyB <= p.High })
				if covered < 0.92 {
					t.Errorf("n = %d, only A %.2f, only B %.2f: covers %.4f", n, onlyA, onlyB, covered)
				}
				if onlyB >= 0.05 && onlyA >= 0.05 {
					mean, shares = mean+covered, shares+1
				}
			}
		}
		if mean /= float64(shares); mean < 0.93 || mean > 0.97 {
			t.Errorf("n = %d: the nominal 95 %% interval covers %.4f on average", n, mean)
		}
	}
}

// Two models that differ by ten points are rarely said to differ by less, however
// rare the cases are that tell them apart.
func TestFewDifferencesAreNoProofOfNone(t *testing.T) {
	for _, n := range []int{18, 20, 25, 35, 60, 160, 500} {
		known := paired{}
		for _, onlyB := range []float64{0, 0.02, 0.1, 0.3} {
			if wrong := known.probability(n, onlyB+0.1, onlyB, func(p stats.Paired) bool { return p.Low >= -0.1 && p.High < 0.1 }); wrong > 0.035 {
				t.Errorf("n = %d, only B %.2f: in %.3f of all comparisons", n, onlyB, wrong)
			}
		}
	}
}

func TestComparePaired(t *testing.T) {
	cases := []struct {
		name                       string
		both, onlyA, onlyB, neiter int
		p                          float64
	}{
		{"no discordance", 5, 0, 0, 5, 1},
		{"1 against 0", 0, 1, 0, 3, 1},
		{"5 against 0", 0, 5, 0, 0, 0.0625},
		{"1 against 9", 10, 1, 9, 10, 0.021484375},
		{"21 against 0", 0, 21, 0, 30, 9.5367431640625e-07},
		{"even", 3, 4, 4, 3, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var a, b []bool
			add := func(n int, x, y bool) {
				for range n {
					a, b = append(a, x), append(b, y)
				}
			}
			add(c.both, true, true)
			add(c.onlyA, true, false)
			add(c.onlyB, false, true)
			add(c.neiter, false, false)
			got := stats.ComparePaired(a, b)
			near(t, "p", got.P, c.p, 1e-12)
			near(t, "difference", got.Difference, float64(c.onlyA-c.onlyB)/float64(len(a)), 1e-12)
			if got.Low > got.Difference || got.High < got.Difference {
				t.Errorf("difference %v outside its interval [%v, %v]", got.Difference, got.Low, got.High)
			}
		})
	}
	if got := stats.ComparePaired(nil, nil); got.P != 1 || got.Low != -1 || got.High != 1 {
		t.Errorf("no cases: %+v", got)
	}
}
