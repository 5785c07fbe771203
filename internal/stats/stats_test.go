package stats_test

import (
	"math"
	"math/rand/v2"
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

func TestProportionCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{20, 60, 160, 500} {
		hits, rounds := 0, 4000
		for range rounds {
			truth := 0.05 + 0.9*rng.Float64()
			k := 0
			for range n {
				if rng.Float64() < truth {
					k++
				}
			}
			if p := stats.NewProportion(k, n); p.Low <= truth && truth <= p.High {
				hits++
			}
		}
		if c := float64(hits) / float64(rounds); c < 0.93 || c > 0.97 {
			t.Errorf("n = %d: nominal 95 %% interval covers %.3f", n, c)
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
