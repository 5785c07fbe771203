package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"bbjtune/internal/stats"
)

func TestPassAtK(t *testing.T) {
	cases := []struct {
		n, c, k int
		want    float64
	}{
		{10, 3, 1, 0.3},          // k = 1 is the plain rate
		{5, 2, 2, 1 - 3.0/10},    // C(3,2)/C(5,2)
		{10, 1, 10, 1},           // all are drawn
		{10, 4, 3, 1 - 20.0/120}, // C(6,3)/C(10,3)
		{200, 0, 100, 0},
		{200, 101, 100, 1},
		{4, 4, 1, 1},
	}
	for _, c := range cases {
		near(t, "pass@k", stats.PassAtK(c.n, c.c, c.k), c.want, 1e-12)
	}
}

// The estimate is unbiased: over all outcomes of n answers its mean is the
// probability that one of k is right. The obvious 1-(1-c/n)^k is not.
func TestPassAtKIsUnbiased(t *testing.T) {
	for _, truth := range []float64{0.02, 0.3, 0.8} {
		for _, k := range []int{1, 5, 20} {
			mean, plain := 0.0, 0.0
			for c, p := range binomial(20, truth) {
				mean += p * stats.PassAtK(20, c, k)
				plain += p * (1 - math.Pow(1-float64(c)/20, float64(k)))
			}
			want := 1 - math.Pow(1-truth, float64(k))
			near(t, "mean of the estimates", mean, want, 1e-9)
			if k > 1 && truth < 0.5 && math.Abs(plain-want) < 1e-3 {
				t.Errorf("k = %d, p = %g: the biased estimate is not told apart", k, truth)
			}
		}
	}
}

func TestRepeatedWithOneAnswerIsWilsons(t *testing.T) {
	if got, want := stats.NewRepeated([]int{1, 0, 1, 1}, 1), stats.NewProportion(3, 4); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := stats.NewRepeated(nil, 3); got.N != 0 || got.High != 1 {
		t.Errorf("no cases: %+v", got)
	}
}

// Five answers that are always alike are worth one; five that have nothing to do
// with each other are worth five.
func TestRepeatedCountsWhatAnswersAreWorth(t *testing.T) {
	alike, apart := make([]int, 60), make([]int, 60)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range alike {
		alike[i] = 5 * (i % 2)
		for range 5 {
			apart[i] += rng.IntN(2)
		}
	}
	width := func(p stats.Proportion) float64 { return p.High - p.Low }
	one, five := width(stats.NewProportion(30, 60)), width(stats.NewProportion(150, 300))
	if got := width(stats.NewRepeated(alike, 5)); math.Abs(got-one) > 0.001 {
		t.Errorf("alike: width %.3f, want %.3f", got, one)
	}
	if got := width(stats.NewRepeated(apart, 5)); math.Abs(got-five) > 0.04 || got > 0.7*one {
		t.Errorf("apart: width %.3f, want about %.3f", got, five)
	}
}

// beta draws a case's own rate from Beta(a, b) with whole a and b, as an order
// statistic of uniform numbers.
func beta(rng *rand.Rand, a, b int) float64 {
	var x []float64
	for range a + b - 1 {
		v := rng.Float64()
		i := 0
		for i < len(x) && x[i] < v {
			i++
		}
		x = append(x[:i], append([]float64{v}, x[i:]...)...)
	}
	return x[a-1]
}

func draws(rng *rand.Rand, n int, p float64) int {
	k := 0
	for range n {
		if rng.Float64() < p {
			k++
		}
	}
	return k
}

// Cases with rates of their own, each answered five times: the intervals of the
// plain rate and of "one of three" hold the truth about as often as they say, the
// latter somewhat more often for few cases (0.972 for 20).
func TestRepeatedCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const rounds = 1500
	for _, n := range []int{20, 60, 200, 500} {
		means := map[string]float64{}
		for _, shape := range [][2]int{{1, 1}, {1, 3}, {4, 2}} {
			a, b := float64(shape[0]), float64(shape[1])
			plain, atThree := a/(a+b), 1-b*(b+1)*(b+2)/((a+b)*(a+b+1)*(a+b+2))
			hits, hitsAtThree := 0, 0
			right := make([]int, n)
			for range rounds {
				for i := range right {
					right[i] = draws(rng, 5, beta(rng, shape[0], shape[1]))
				}
				if p := stats.NewRepeated(right, 5); p.Low <= plain && plain <= p.High {
					hits++
				}
				if p := stats.NewAtK(right, 5, 3); p.Low <= atThree && atThree <= p.High {
					hitsAtThree++
				}
			}
			for what, h := range map[string]int{"rate": hits, "at 3": hitsAtThree} {
				c := float64(h) / rounds
				if means[what] += c / 3; c < 0.93 || c > 0.98 {
					t.Errorf("n = %d, beta%v, %s: covers %.4f", n, shape, what, c)
				}
			}
		}
		for what, mean := range means {
			if mean < 0.93 || mean > 0.975 {
				t.Errorf("n = %d, %s: covers %.4f on average", n, what, mean)
			}
		}
	}
}

func TestCompareCasesIsMcNemarsTestForOneAnswer(t *testing.T) {
	for _, c := range [][2]int{{1, 9}, {5, 0}, {12, 4}, {3, 3}} {
		a, b := make([]float64, 60), make([]float64, 60)
		for i := range c[0] {
			a[i] = 1
		}
		for i := range c[1] {
			b[30+i] = 1
		}
		got, want := stats.CompareCases(a, b, 1), stats.NewPaired(c[0], c[1], 60)
		near(t, "p", got.P, want.P, 0.012)
		near(t, "difference", got.Difference, want.Difference, 1e-12)
		if got.OnlyA != c[0] || got.OnlyB != c[1] {
			t.Errorf("%v: %+v", c, got)
		}
	}
}

func TestCompareCasesIsSeeded(t *testing.T) {
	a, b := []float64{0.2, 0.4, 1, 0, 0.6, 0.8}, []float64{0, 0.4, 0.2, 0.2, 0.6, 0.2}
	if first, again := stats.CompareCases(a, b, 7), stats.CompareCases(a, b, 7); first != again {
		t.Errorf("%+v, then %+v", first, again)
	}
	if first, other := stats.CompareCases(a, b, 7), stats.CompareCases(a, b, 8); first.P == other.P && first.Low == other.Low {
		t.Error("another seed draws the same")
	}
	if got := stats.CompareCases(nil, nil, 1); got.P != 1 || got.Low != -1 || got.High != 1 {
		t.Errorf("no cases: %+v", got)
	}
	if got, want := stats.CompareCases(a, a, 1), stats.NewPaired(0, 0, len(a)); got != want {
		t.Errorf("alike: %+v, want %+v", got, want)
	}
	if got := stats.CompareCases([]float64{1}, []float64{0}, 1); got.P != 1 || got.Low != -1 {
		t.Errorf("one case says something: %+v", got)
	}
}

// Two models with equal and unequal rates: the interval holds the true
// difference, and equal models are rarely told apart.
func TestCompareCasesCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const rounds = 200
	for _, n := range []int{20, 60} {
		for _, gain := range []float64{0, 0.15} {
			hits, claims := 0, 0
			a, b := make([]float64, n), make([]float64, n)
			for round := range rounds {
				for i := range a {
					rate := 0.8 * beta(rng, 1, 1)
					a[i], b[i] = float64(draws(rng, 5, rate+gain))/5, float64(draws(rng, 5, rate))/5
				}
				p := stats.CompareCases(a, b, uint64(round))
				if p.Low <= gain && gain <= p.High {
					hits++
				}
				if p.P < 0.05 {
					claims++
				}
			}
			// 200 rounds: three standard errors of 0.95 are 0.046.
			if c := float64(hits) / rounds; c < 0.904 || c > 0.996 {
				t.Errorf("n = %d, gain %.2f: covers %.3f", n, gain, c)
			}
			if f := float64(claims) / rounds; gain == 0 && f > 0.09 {
				t.Errorf("n = %d: equal models are told apart in %.3f", n, f)
			}
		}
	}
}

func TestHolm(t *testing.T) {
	// The steps by hand: 4·0.005, 3·0.01, 2·0.03, then no less than the one before.
	got := stats.Holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		near(t, "Holm", got[i], want, 1e-12)
	}
	if got := stats.Holm([]float64{0.9, 0.8}); got[0] != 1 || got[1] != 1 {
		t.Errorf("not held at 1: %v", got)
	}
	if len(stats.Holm(nil)) != 0 {
		t.Error("no tests")
	}
}
