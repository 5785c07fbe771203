// Package stats holds the arithmetic behind every claim of the reports:
// intervals for proportions and paired tests. Results
// carry the number of cases they rest on.
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
	p, nn := float64(k)/float64(n), float64(n)
	z2 := z95 * z95
	centre := (p + z2/(2*nn)) / (1 + z2/nn)
	half := z95 / (1 + z2/nn) * math.Sqrt(p*(1-p)/nn+z2/(4*nn*nn))
	low, high := centre-half, centre+half
	// At the ends the formula yields 0 and 1 up to rounding.
	if k == 0 {
		low = 0
	}
	if k == n {
		high = 1
	}
	return Proportion{k, n, p, low, high}
}

// Paired compares two systems on the same cases.
type Paired struct {
	// N counts the cases that both have; OnlyA and OnlyB those that one
	// of them alone solved.
	N     int `json:"n"`
	OnlyA int `json:"only_a"`
	OnlyB int `json:"only_b"`
	// Difference is rate A minus rate B, Low and High its 95 % interval.
	Difference float64 `json:"difference"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	// P is the two-sided exact McNemar probability of discordance at
	// least this uneven if the two were equally good.
	P float64 `json:"p"`
}

// ComparePaired takes the outcomes of A and B case by case; the slices have
// equal length. The test is McNemar's exact one (a binomial test on the
// discordant pairs); the interval is Wald's with the correction of Agresti and
// Min (2005, Statistics in Medicine 24:729-740), who add half a case to each
// of the four cells.
func ComparePaired(a, b []bool) Paired {
	p := Paired{N: len(a), P: 1, Low: -1, High: 1}
	if len(a) == 0 {
		return p
	}
	for i := range a {
		switch {
		case a[i] && !b[i]:
			p.OnlyA++
		case b[i] && !a[i]:
			p.OnlyB++
		}
	}
	p.Difference = float64(p.OnlyA-p.OnlyB) / float64(p.N)
	p.P = mcnemarExact(p.OnlyA, p.OnlyB)

	n, x, y := float64(p.N)+2, float64(p.OnlyA)+0.5, float64(p.OnlyB)+0.5
	d := (x - y) / n
	half := z95 * math.Sqrt((x+y)-(x-y)*(x-y)/n) / n
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
