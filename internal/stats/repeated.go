package stats

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// AtK is the share of cases that one of k answers solves, with the mean over
// the cases of the unbiased estimate and its 95 % interval.
type AtK struct {
	K     int     `json:"k"`
	Cases int     `json:"cases"`
	Rate  float64 `json:"rate"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// PassAtK estimates from n answers, c of which are right, how probable it is
// that at least one of k is: 1 - C(n-c,k)/C(n,k), as a product that does not
// overflow (Chen et al. 2021, arXiv 2107.03374, section 2.1). k is at most n.
func PassAtK(n, c, k int) float64 {
	if n-c < k {
		return 1
	}
	miss := 1.0
	for i := n - c + 1; i <= n; i++ {
		miss *= 1 - float64(k)/float64(i)
	}
	return 1 - miss
}

// NewAtK takes, case by case, how many of n answers were right.
func NewAtK(right []int, n, k int) AtK {
	if len(right) == 0 {
		return AtK{K: k, High: 1}
	}
	rates := make([]float64, len(right))
	for i, c := range right {
		rates[i] = PassAtK(n, c, k)
	}
	// n answers hold n/k lots of k that have no answer in common.
	rate, low, high := clustered(rates, float64(n)/float64(k))
	return AtK{k, len(right), rate, low, high}
}

// NewRepeated is the proportion of right answers where every case was answered
// n times. Answers to one case resemble each other, so that they say less than
// as many cases would: the interval is Wilson's for the effective number of
// answers, which the spread between the cases gives (Kish 1965; for Wilson's
// interval Franco et al. 2019, J. Survey Stat. Methodol. 7:334-364). With n = 1
// it is that of [NewProportion].
func NewRepeated(right []int, n int) Proportion {
	k := 0
	for _, c := range right {
		k += c
	}
	if n == 1 || len(right) == 0 {
		return NewProportion(k, len(right))
	}
	rates := make([]float64, len(right))
	for i, c := range right {
		rates[i] = float64(c) / float64(n)
	}
	_, low, high := clustered(rates, float64(n))
	return Proportion{k, n * len(right), float64(k) / float64(n*len(right)), low, high}
}

// clustered is the mean of the cases' rates with an interval for the effective
// number of answers: never fewer than the cases, nor more than each times the
// cases. That the spread itself is estimated costs what it costs in Student's
// distribution.
func clustered(rates []float64, each float64) (mean, low, high float64) {
	m := float64(len(rates))
	mean, variance := moments(rates)
	effective := m
	if variance > 0 && len(rates) > 1 {
		t := z95 / studentT95(len(rates)-1)
		effective = min(max(mean*(1-mean)/(variance/m)*t*t, m), m*each)
	}
	low, high = wilson(mean, effective)
	return mean, low, high
}

// moments returns the mean and the unbiased variance.
func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	if len(x) < 2 {
		return mean, 0
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(len(x)-1)
}

// studentT95 is the 0.975 quantile of Student's distribution (Abramowitz and
// Stegun 1964, 26.7.5), good to three digits from five degrees of freedom on.
func studentT95(df int) float64 {
	z, v := z95, float64(df)
	z3, z5, z7 := z*z*z, z*z*z*z*z, z*z*z*z*z*z*z
	return z + (z3+z)/(4*v) + (5*z5+16*z3+3*z)/(96*v*v) + (3*z7+19*z5+17*z3-15*z)/(384*v*v*v)
}

// Resamples is how often [CompareCases] draws.
const Resamples = 10000

// rounding is more than the arithmetic errs in a sum of differences.
const rounding = 1e-9

// CompareCases compares the rates of A and B, case by case, where a case was
// answered several times; the slices have equal length. The interval is that of
// a bootstrap over the cases, corrected for bias and skewness (BCa; Efron 1987,
// JASA 82:171-185), since differences in a few cases are skewed, and made wider
// for small numbers of cases (Hesterberg 2015, The American Statistician
// 69:371-386). Where all cases are alike it is that of [NewPaired]. P is
// that of changing the signs of the cases' differences at random, which with one
// answer a case is McNemar's test. The same seed gives the same figures.
func CompareCases(a, b []float64, seed uint64) Paired {
	p := Paired{N: len(a), P: 1, Low: -1, High: 1}
	if len(a) == 0 {
		return p
	}
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
		switch {
		case d[i] > 0:
			p.OnlyA++
		case d[i] < 0:
			p.OnlyB++
		}
	}
	mean, variance := moments(d)
	p.Difference = mean
	rng := rand.New(rand.NewPCG(seed, uint64(len(d))))
	if variance > rounding {
		p.Low, p.High = bootstrap(d, rng)
	} else { // nothing to draw from
		n := float64(len(d))
		p.Low, p.High = scoreInterval(n*max(0, mean), n*max(0, -mean), n)
	}
	p.P = signChanges(d, rng)
	return p
}

func bootstrap(d []float64, rng *rand.Rand) (low, high float64) {
	n := len(d)
	means := make([]float64, Resamples)
	for i := range means {
		sum := 0.0
		for range n {
			sum += d[rng.IntN(n)]
		}
		means[i] = sum / float64(n)
	}
	slices.Sort(means)
	// The quantile that Student's interval takes, in terms of the normal one.
	z := math.Sqrt(float64(n)/float64(n-1)) * studentT95(n-1)
	bias, skew := biasOf(means, d), skewOf(d)
	at := func(z float64) int { return int(Resamples * corrected(z, bias, skew)) }
	return means[max(0, at(-z))], means[min(Resamples-1, at(z))]
}

// biasOf is how far the median of the means lies from the mean of the cases, in
// standard normal terms; half of those that are equal lie below.
func biasOf(means, d []float64) float64 {
	mean, _ := moments(d)
	below, _ := slices.BinarySearch(means, mean-rounding)
	upTo, _ := slices.BinarySearch(means, mean+rounding)
	share := float64(below+upTo) / 2 / float64(len(means))
	return math.Sqrt2 * math.Erfinv(2*share-1)
}

// skewOf is the acceleration of BCa: a sixth of the skewness of the mean.
func skewOf(d []float64) float64 {
	mean, _ := moments(d)
	square, cube := 0.0, 0.0
	for _, v := range d {
		square += (v - mean) * (v - mean)
		cube += (v - mean) * (v - mean) * (v - mean)
	}
	return cube / (6 * math.Pow(square, 1.5))
}

// corrected is the share of the means that lies below the quantile z.
func corrected(z, bias, skew float64) float64 {
	shifted := bias + z
	if skew*shifted >= 1 { // further out than any
		return math.Max(0, math.Copysign(1, shifted))
	}
	return math.Erfc(-(bias+shifted/(1-skew*shifted))/math.Sqrt2) / 2
}

// signChanges is the probability of a sum at least as far from 0 when every
// difference might as well have the other sign. What was seen counts as one of
// the draws, so that it is never 0.
func signChanges(d []float64, rng *rand.Rand) float64 {
	var seen float64
	moving := slices.DeleteFunc(slices.Clone(d), func(v float64) bool { return v == 0 })
	for _, v := range moving {
		seen += v
	}
	extreme := 1
	for range Resamples {
		sum := 0.0
		var bits uint64
		for i, v := range moving {
			if i%64 == 0 {
				bits = rng.Uint64()
			}
			if bits&1 == 0 {
				v = -v
			}
			bits >>= 1
			sum += v
		}
		if math.Abs(sum) >= math.Abs(seen)-rounding {
			extreme++
		}
	}
	return float64(extreme) / (Resamples + 1)
}

// Holm corrects the probabilities of a family of tests, so that the chance of
// even one false claim stays at the level that the corrected ones are held
// against (Holm 1979, Scand. J. Statist. 6:65-70). The order is kept.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	out := make([]float64, len(p))
	reached := 0.0
	for rank, i := range order {
		reached = max(reached, min(1, float64(len(p)-rank)*p[i]))
		out[i] = reached
	}
	return out
}
