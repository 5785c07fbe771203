package stats_test

import (
	"math"
	"math/rand/v2"
	"os"
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

// gamma draws from the distribution of that shape (Marsaglia and Tsang 2000).
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	for {
		x := rng.NormFloat64()
		v := math.Pow(1+x/math.Sqrt(9*d), 3)
		if v > 0 && math.Log(rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// population are cases with rates of their own, which are spread as Beta(a, b).
type population struct{ a, b float64 }

func (p population) draw(rng *rand.Rand) float64 {
	x, y := gamma(rng, p.a), gamma(rng, p.b)
	return x / (x + y)
}

// atLeastOne is the probability that one of k answers to a case is right.
func (p population) atLeastOne(k int) float64 {
	miss := 1.0
	for i := range k {
		miss *= (p.b + float64(i)) / (p.a + p.b + float64(i))
	}
	return 1 - miss
}

// populationWith finds the one where one of k answers is right in that share of
// the cases; the greater alike is, the less do cases differ from each other.
func populationWith(truth float64, k int, alike float64) population {
	low, high := 0.0, 1.0
	for range 30 {
		if middle := (low + high) / 2; (population{middle * alike, (1 - middle) * alike}).atLeastOne(k) < truth {
			low = middle
		} else {
			high = middle
		}
	}
	return population{low * alike, (1 - low) * alike}
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

// Cases with rates of their own, each answered several times. As for one answer,
// the coverage is averaged over true values spread evenly over 0.05 to 0.95, and
// over cases that are alike and that are not; in each third of the true values it
// must not be far off either. make simulate draws more often.
func TestRepeatedCoverage(t *testing.T) {
	most := 3000
	if wide() {
		most = 20_000
	}
	for _, n := range []int{20, 30, 60, 120, 250, 500} {
		for _, c := range []struct{ samples, k int }{{2, 1}, {5, 1}, {5, 3}, {5, 5}, {10, 5}, {20, 10}} {
			rng := rand.New(rand.NewPCG(uint64(n), uint64(100*c.samples+c.k)))
			const thirds = 3
			var hits, rounds [thirds]int
			right := make([]int, n)
			for round := range min(most, 50*most/n) {
				third := round % thirds
				truth := 0.05 + 0.9*(float64(third)+rng.Float64())/thirds
				p := populationWith(truth, c.k, []float64{0.5, 1, 2, 4, 8}[rng.IntN(5)])
				for i := range right {
					right[i] = draws(rng, c.samples, p.draw(rng))
				}
				at := stats.NewAtK(right, c.samples, c.k)
				if c.k == 1 {
					r := stats.NewRepeated(right, c.samples)
					at.Low, at.High = r.Low, r.High
				}
				if rounds[third]++; at.Low <= truth && truth <= at.High {
					hits[third]++
				}
			}
			mean := 0.0
			for third := range thirds {
				covered := float64(hits[third]) / float64(rounds[third])
				if mean += covered / thirds; covered < 0.91 || covered > 0.985 {
					t.Errorf("n = %d, %d answers, at %d, third %d of the true values: covers %.4f", n, c.samples, c.k, third+1, covered)
				}
			}
			if mean < 0.93 || mean > 0.97 {
				t.Errorf("n = %d, %d answers, at %d: covers %.4f on average", n, c.samples, c.k, mean)
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
	if got := stats.CompareCases([]float64{1}, []float64{0}, 1); got.P != 1 || got.Low > 0 || got.High != 1 {
		t.Errorf("one case says something: %+v", got)
	}
}

// wide reports whether there is time for a thorough simulation.
func wide() bool { return os.Getenv("BBJTUNE_SIMULATE") != "" }

// comparison is a pair of models as it may be.
type comparison struct {
	name       string
	difference float64
	rates      func(rng *rand.Rand) (a, b float64) // of a case
}

// few differ in a share of the cases, and not in the others, which both solve or
// both do not.
func few(share, a, b float64) func(*rand.Rand) (float64, float64) {
	return func(rng *rand.Rand) (float64, float64) {
		if rng.Float64() < share {
			return a, b
		}
		same := float64(rng.IntN(2))
		return same, same
	}
}

var comparisons = []comparison{
	{"equal", 0, func(rng *rand.Rand) (float64, float64) { r := 0.8 * rng.Float64(); return r, r }},
	{"everywhere", 0.15, func(rng *rand.Rand) (float64, float64) { r := 0.8 * rng.Float64(); return r + 0.15, r }},
	{"unlike", 0.1, func(rng *rand.Rand) (float64, float64) { return 0.1 + 0.9*rng.Float64(), 0.9 * rng.Float64() }},
	{"in a tenth, wholly", 0.1, few(0.1, 1, 0)},
	{"in a fifth, half", 0.1, few(0.2, 0.5, 0)},
	{"hardly anything", 0.03, func(*rand.Rand) (float64, float64) { return 0.05, 0.02 }},
}

// The interval holds the true difference as often as it says, averaged over pairs
// of many kinds; equal models are rarely told apart, and models that differ by ten
// points rarely said to differ by less. make simulate asks for all sizes and draws
// more often.
func TestCompareCasesCoverage(t *testing.T) {
	// Three standard errors of 0.95 in so many rounds, and of their mean.
	sizes, rounds, each, mean := []int{20, 35}, 60, 0.084, 0.034
	if wide() {
		sizes, rounds, each, mean = []int{20, 35, 60, 150, 500}, 500, 0.03, 0
	}
	for _, n := range sizes {
		sum := 0.0
		for _, c := range comparisons {
			covered, apart, tied := c.simulate(n, rounds)
			t.Logf("n = %d, %s: covers %.3f, told apart in %.3f, said to be within 0.1 in %.3f", n, c.name, covered, apart, tied)
			if sum += covered; covered < 0.95-each-0.02 {
				t.Errorf("n = %d, %s: covers %.3f", n, c.name, covered)
			}
			if c.difference == 0 && apart > 0.05+each {
				t.Errorf("n = %d, %s: equal models are told apart in %.3f", n, c.name, apart)
			}
			if c.difference >= 0.1 && tied > 0.025+each {
				t.Errorf("n = %d, %s: said to be within 0.1 in %.3f", n, c.name, tied)
			}
		}
		if sum /= float64(len(comparisons)); sum < 0.93-mean || sum > 0.97+mean {
			t.Errorf("n = %d: covers %.4f on average", n, sum)
		}
	}
}

// simulate compares the two on n cases with five answers each, again and again.
func (c comparison) simulate(n, rounds int) (covered, apart, tied float64) {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	x, y := make([]float64, n), make([]float64, n)
	const slack = 1e-9
	for round := range rounds {
		for i := range x {
			a, b := c.rates(rng)
			x[i], y[i] = float64(draws(rng, 5, a))/5, float64(draws(rng, 5, b))/5
		}
		p := stats.CompareCases(x, y, uint64(round))
		covered += one(p.Low <= c.difference+slack && c.difference-slack <= p.High) / float64(rounds)
		apart += one(p.P < 0.05) / float64(rounds)
		tied += one(p.Low >= -0.1 && p.High < 0.1) / float64(rounds)
	}
	return covered, apart, tied
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Where all cases differ alike there is nothing to draw from, and yet the
// difference is not known for certain.
func TestCompareCasesThatAreAlike(t *testing.T) {
	always, never := make([]float64, 20), make([]float64, 20)
	for i := range always {
		always[i] = 1
	}
	got, want := stats.CompareCases(always, never, 1), stats.NewPaired(20, 0, 20)
	if got.Low != want.Low || got.High != want.High || got.Low > 0.7 || got.Difference != 1 {
		t.Errorf("%+v, want the interval of %+v", got, want)
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
