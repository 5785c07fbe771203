package stats

import "math"

// Preference is how often one of two was preferred, a tie counting one half, with
// a 95 % interval.
type Preference struct {
	// Wins, Ties and Losses count the votes, Prompts what they were cast on.
	Wins    int     `json:"wins"`
	Ties    int     `json:"ties"`
	Losses  int     `json:"losses"`
	Prompts int     `json:"prompts"`
	Rate    float64 `json:"rate"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
}

// Split is the votes on one prompt.
type Split struct{ Wins, Ties, Losses int }

func (s Split) votes() int { return s.Wins + s.Ties + s.Losses }

// NewPreference is the mean over the prompts of the share that was won. Votes on
// one prompt resemble each other, so the interval is Wilson's for the number of
// prompts, as if all votes on one were the same: it is never too narrow for that.
func NewPreference(prompts []Split) Preference {
	p := Preference{High: 1}
	sum := 0.0
	for _, s := range prompts {
		if s.votes() == 0 {
			continue
		}
		p.Prompts++
		p.Wins, p.Ties, p.Losses = p.Wins+s.Wins, p.Ties+s.Ties, p.Losses+s.Losses
		sum += (float64(s.Wins) + float64(s.Ties)/2) / float64(s.votes())
	}
	if p.Prompts == 0 {
		return p
	}
	p.Rate = sum / float64(p.Prompts)
	p.Low, p.High = wilson(p.Rate, float64(p.Prompts))
	return p
}

// Strength is a competitor's in the model of Bradley and Terry. Log is on the
// logarithmic scale, where the mean of all is 0; Rate is how probable it is to be
// preferred to a competitor of that mean, with its 95 % interval.
type Strength struct {
	Log  float64 `json:"log_strength"`
	SE   float64 `json:"standard_error"`
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// BradleyTerry fits strengths to how often each was preferred to each other,
// wins[i][j] for i over j, a tie counting one half for both (Bradley and Terry 1952,
// Biometrika 39:324-345; the iteration is Hunter's, 2004, Annals of Statistics
// 32:384-406, section 2). prior is added to both counts of each pair that was
// compared: without one, who never lost is infinitely strong. It reports false
// where the comparisons do not connect all of them.
func BradleyTerry(wins [][]float64, prior float64) ([]Strength, bool) {
	n := len(wins)
	played, won := games(wins, prior)
	if !connected(played) {
		return nil, false
	}
	p := make([]float64, n)
	for i := range p {
		p[i] = 1
	}
	for range 10000 {
		if step(p, played, won) < 1e-12 {
			break
		}
	}
	list := make([]Strength, n)
	for i, se := range standardErrors(p, played) {
		log := math.Log(p[i])
		list[i] = Strength{log, se, logistic(log), logistic(log - z95*se), logistic(log + z95*se)}
	}
	return list, true
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// games counts the comparisons of each pair, and each one's wins.
func games(wins [][]float64, prior float64) (played [][]float64, won []float64) {
	n := len(wins)
	played, won = make([][]float64, n), make([]float64, n)
	for i := range n {
		played[i] = make([]float64, n)
		for j := range n {
			if both := wins[i][j] + wins[j][i]; i != j && both > 0 {
				played[i][j] = both + 2*prior
				won[i] += wins[i][j] + prior
			}
		}
	}
	return played, won
}

// connected reports whether comparisons lead from the first to every other.
func connected(played [][]float64) bool {
	if len(played) == 0 {
		return false
	}
	seen, next := map[int]bool{0: true}, []int{0}
	for len(next) > 0 {
		i := next[0]
		next = next[1:]
		for j, n := range played[i] {
			if n > 0 && !seen[j] {
				seen[j] = true
				next = append(next, j)
			}
		}
	}
	return len(seen) == len(played)
}

// step is one round of the iteration. It returns the largest change of a
// logarithm.
func step(p []float64, played [][]float64, won []float64) (change float64) {
	before := append([]float64(nil), p...)
	mean := 0.0
	for i := range p {
		sum := 0.0
		for j, n := range played[i] {
			if n > 0 {
				sum += n / (before[i] + before[j])
			}
		}
		p[i] = math.Max(won[i]/sum, 1e-9) // one that never won has no logarithm
		mean += math.Log(p[i]) / float64(len(p))
	}
	for i := range p {
		p[i] /= math.Exp(mean)
		change = max(change, math.Abs(math.Log(p[i]/before[i])))
	}
	return change
}

// standardErrors are the roots of the diagonal of the inverse of the information
// of the logarithms, whose sum is 0: the inverse of the information with 1/n added
// everywhere, less the same, is that inverse.
func standardErrors(p []float64, played [][]float64) []float64 {
	n := len(p)
	info := make([][]float64, n)
	for i := range n {
		info[i] = make([]float64, n)
	}
	for i := range n {
		for j := range n {
			info[i][j] += 1 / float64(n)
			if i != j {
				v := played[i][j] * p[i] * p[j] / ((p[i] + p[j]) * (p[i] + p[j]))
				info[i][j] -= v
				info[i][i] += v
			}
		}
	}
	inverse := invert(info)
	list := make([]float64, n)
	for i := range n {
		list[i] = math.Sqrt(max(0, inverse[i][i]-1/float64(n)))
	}
	return list
}

// invert inverts a positive definite matrix, which it uses up (Gauss and Jordan).
func invert(m [][]float64) [][]float64 {
	n := len(m)
	inverse := make([][]float64, n)
	for i := range n {
		inverse[i] = make([]float64, n)
		inverse[i][i] = 1
	}
	for c := range n {
		by := m[c][c]
		for j := range n {
			m[c][j] /= by
			inverse[c][j] /= by
		}
		for i := range n {
			if i == c {
				continue
			}
			times := m[i][c]
			for j := range n {
				m[i][j] -= times * m[c][j]
				inverse[i][j] -= times * inverse[c][j]
			}
		}
	}
	return inverse
}
