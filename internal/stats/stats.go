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
// interval is Wald's with the correction of Agresti and Min (2005, Statistics in
// Medicine 24:729-740), who add half a case to each of the four cells.
func NewPaired(onlyA, onlyB, n int) Paired {
	p := Paired{N: n, OnlyA: onlyA, OnlyB: onlyB, P: 1, Low: -1, High: 1}
	if n == 0 {
		return p
	}
	p.Difference = float64(onlyA-onlyB) / float64(n)
	p.P = mcnemarExact(onlyA, onlyB)

	m, x, y := float64(n)+2, float64(onlyA)+0.5, float64(onlyB)+0.5
	d := (x - y) / m
	half := z95 * math.Sqrt((x+y)-(x-y)*(x-y)/m) / m
	p.Low, p.High = max(-1, d-half), min(1, d+half)
	return p
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
