// Package stats holds the arithmetic behind every claim of the reports:
// intervals for proportions, the estimate of "one of k answers", paired tests and
// their correction where there are many, preferences and the agreement of raters.
// Results carry the number of cases they rest on. What is drawn at random is drawn
// from a seed.
//
// It must not know what was counted.
package stats

import "math"

// z95 is the 0.975 quantile of the standard normal distribution.
const z95 = 1.959963984540054

// Proportion is K successes in N trials with a 95 % Wilson score interval
// (Wilson 1927, JASA 22:209-212). All fields but the counts lie in [0, 1].
type Proportion struct {
	K    int     `json:"k"`
	N    int     `json:"n"`
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// NewProportion computes rate and interval. With N = 0 nothing is known: the
// rate is 0 and the interval is all of [0, 1].
func NewProportion(k, n int) Proportion {
	if n == 0 {
		return Proportion{High: 1}
	}
	p := float64(k) / float64(n)
	low, high := wilson(p, float64(n))
	return Proportion{k, n, p, low, high}
}

// wilson is the score interval of a rate p seen in n trials; n need not be whole.
func wilson(p, n float64) (low, high float64) {
	z2 := z95 * z95
	centre := (p + z2/(2*n)) / (1 + z2/n)
	half := z95 / (1 + z2/n) * math.Sqrt(p*(1-p)/n+z2/(4*n*n))
	low, high = centre-half, centre+half
	// At the ends the formula yields 0 and 1 up to rounding.
	if p == 0 {
		low = 0
	}
	if p == 1 {
		high = 1
	}
	return low, high
}

// Paired compares two systems on the same cases.
type Paired struct {
	// N counts the cases that both have; OnlyA and OnlyB those that one
	// of them alone solved, or solved more often.
	N     int `json:"n"`
	OnlyA int `json:"only_a"`
	OnlyB int `json:"only_b"`
	// Difference is rate A minus rate B, Low and High its 95 % interval.
	Difference float64 `json:"difference"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	// P is the two-sided probability of a difference at least this uneven
	// if the two were equally good.
	P float64 `json:"p"`
}

// ComparePaired takes the outcomes of A and B case by case; the slices have
// equal length.
func ComparePaired(a, b []bool) Paired {
	onlyA, onlyB := 0, 0
	for i := range a {
		switch {
		case a[i] && !b[i]:
			onlyA++
		case b[i] && !a[i]:
			onlyB++
		}
	}
	return NewPaired(onlyA, onlyB, len(a))
}

// NewPaired compares A and B of which each alone solved so many of n cases. The
// test is McNemar's exact one (a binomial test on the discordant pairs); the
// interval is the score interval of Tango (1998, Statistics in Medicine
// 17:891-908), which is to paired cases what Wilson's is to a proportion: few
// cases on which the two differ do not make it narrow.
func NewPaired(onlyA, onlyB, n int) Paired {
	p := Paired{N: n, OnlyA: onlyA, OnlyB: onlyB, P: 1, Low: -1, High: 1}
	if n == 0 {
		return p
	}
	p.Difference = float64(onlyA-onlyB) / float64(n)
	p.P = mcnemarExact(onlyA, onlyB)

	p.Low, p.High = scoreInterval(float64(onlyA), float64(onlyB), float64(n))
	return p
}

// scoreInterval takes the cases that only A and only B solved, which need not be
// whole.
func scoreInterval(b, c, n float64) (low, high float64) {
	seen := (b - c) / n
	return scoreBound(b, c, n, -1, seen, z95), scoreBound(b, c, n, seen, 1, -z95)
}

// scoreBound finds between low and high the difference of which the score is
// wanted: the greater the difference, the lower its score.
func scoreBound(b, c, n, low, high, wanted float64) float64 {
	for range 53 { // as many bits as a float64 has
		middle := (low + high) / 2
		if score(b, c, n, middle) > wanted {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// score is how many standard errors lie between the difference that was seen, of b
// cases that only A solved and c that only B did, and a true one (Tango 1998,
// formula 20, with the estimate of formula 16).
func score(b, c, n, difference float64) float64 {
	linear := (2*n-b+c)*difference - b - c
	onlyB := (math.Sqrt(max(0, linear*linear+8*n*c*difference*(1-difference))) - linear) / (4 * n)
	distance, variance := b-c-n*difference, n*(2*onlyB+difference*(1-difference))
	switch {
	case distance == 0:
		return 0
	case variance <= 0: // it would have been seen for certain
		return math.Copysign(math.Inf(1), distance)
	}
	return distance / math.Sqrt(variance)
}

// mcnemarExact is min(1, 2·P(X ≤ min(b, c))) for X ~ Binomial(b+c, 1/2).
func mcnemarExact(b, c int) float64 {
	n := b + c
	lgN, _ := math.Lgamma(float64(n + 1))
	tail := 0.0
	for i := range min(b, c) + 1 {
		lgI, _ := math.Lgamma(float64(i + 1))
		lgR, _ := math.Lgamma(float64(n - i + 1))
		tail += math.Exp(lgN - lgI - lgR - float64(n)*math.Ln2)
	}
	return min(1, 2*tail)
}
