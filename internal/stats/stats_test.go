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
// interval for counts does; so the mean is taken over true rates spread evenly
// over 0.05 to 0.95, and single rates must not fall far below.
func TestProportionCoverage(t *testing.T) {
	for _, n := range []int{20, 30, 50, 64, 100, 160, 250, 500} {
		mean, worst, rates := 0.0, 1.0, 0
		for truth := 0.05; truth <= 0.95; truth += 0.001 {
			covered := 0.0
			for k, probability := range binomial(n, truth) {
				if p := stats.NewProportion(k, n); p.Low <= truth && truth <= p.High {
					covered += probability
				}
			}
			mean, worst, rates = mean+covered, min(worst, covered), rates+1
		}
		if mean /= float64(rates); mean < 0.94 || mean > 0.96 || worst < 0.83 {
			t.Errorf("n = %d: the nominal 95 %% interval covers %.4f on average, %.4f at worst", n, mean, worst)
		}
	}
}

// The same for the difference of paired rates, over all outcomes of the two kinds
// of discordant cases.
func TestPairedCoverage(t *testing.T) {
	for _, n := range []int{20, 64, 160, 500} {
		mean, rates := 0.0, 0
		for _, discordant := range []float64{0.05, 0.1, 0.2, 0.4, 0.7} {
			for _, share := range []float64{0.5, 0.6, 0.75, 0.9} {
				covered := pairedCoverage(n, discordant, share)
				if covered < 0.92 {
					t.Errorf("n = %d, %.2f discordant, %.2f of them A's: covers %.4f", n, discordant, share, covered)
				}
				mean, rates = mean+covered, rates+1
			}
		}
		if mean /= float64(rates); mean < 0.93 || mean > 0.97 {
			t.Errorf("n = %d: the nominal 95 %% interval covers %.4f on average", n, mean)
		}
	}
}

// pairedCoverage draws the discordant cases out of n, and A's out of those.
func pairedCoverage(n int, discordant, share float64) float64 {
	truth := discordant * (2*share - 1)
	covered := 0.0
	for d, pd := range binomial(n, discordant) {
		if pd < 1e-9 {
			continue
		}
		for a, pa := range binomial(d, share) {
			if p := stats.NewPaired(a, d-a, n); p.Low <= truth && truth <= p.High {
				covered += pd * pa
			}
		}
	}
	return covered
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
