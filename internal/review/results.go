package review

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bbjtune/internal/stats"
)

// ResultsVersion is the version of the results' shape.
const ResultsVersion = 1

// Results is what a closed review shows.
type Results struct {
	Version int       `json:"version"`
	Review  string    `json:"review"`
	Title   string    `json:"title"`
	Suite   string    `json:"suite"`
	Created time.Time `json:"created"`
	Closed  time.Time `json:"closed"`
	// Items counts the comparisons, Prompts those of a prompt once, Votes all votes.
	Items   int `json:"items"`
	Prompts int `json:"prompts"`
	Votes   int `json:"votes"`
	// Models are in the order of their overall preference.
	Models []Model `json:"models"`
	// Tables are the scores, first of all generations, then by generation.
	Tables    []Table             `json:"tables"`
	Agreement []Agreement         `json:"agreement"`
	Position  stats.Proportion    `json:"left_preferred"` // of the votes for one of the two, overall
	Reviewers []ReviewerResult    `json:"reviewers"`
	Masked    []MaskedResult      `json:"masked,omitempty"`
	Left      []LeftOut           `json:"left_out,omitempty"`
	Notes     []Note              `json:"notes,omitempty"`
	Warnings  []string            `json:"warnings,omitempty"`
	keys      map[string]*Verdict // by the key of an evaluation
}

// Table is the scores in a dimension, in all generations or in one.
type Table struct {
	Dimension  Dimension `json:"dimension"`
	Generation string    `json:"generation,omitempty"`
	Scores     []Score   `json:"scores"`
}

// Score is how often a model was preferred. With more than two models Strength is
// what tells them apart, since they met different opponents.
type Score struct {
	Model string `json:"model"`
	stats.Preference
	Strength *stats.Strength `json:"strength,omitempty"`
	// Bad counts among the ties those where both answers were found bad.
	Bad int `json:"both_bad"`
}

// Estimate is the rate that stands for the score, with its interval.
func (s Score) Estimate() (rate, low, high float64) {
	if s.Strength != nil {
		return s.Strength.Rate, s.Strength.Low, s.Strength.High
	}
	return s.Rate, s.Low, s.High
}

// String writes the score in a few words.
func (s Score) String() string {
	if s.Prompts == 0 {
		return "–"
	}
	rate, low, high := s.Estimate()
	return fmt.Sprintf("%.1f %% [%.1f, %.1f]", 100*rate, 100*low, 100*high)
}

// Agreement is how far reviewers agree in a dimension.
type Agreement struct {
	Dimension Dimension `json:"dimension"`
	stats.Agreement
}

// ReviewerResult is what one reviewer did.
type ReviewerResult struct {
	Name  string `json:"name"`
	Votes int    `json:"votes"`
	// Median and Total are seconds.
	Median float64 `json:"median_seconds"`
	Total  float64 `json:"total_seconds"`
	// Left is how often the answer on the left was preferred.
	Left stats.Proportion `json:"left_preferred"`
}

// MaskedResult is what was masked in a model's answers.
type MaskedResult struct {
	Model string `json:"model"`
	Masked
}

// Note is what a reviewer wrote, with the models that stood on the two sides.
type Note struct {
	Case     string `json:"case"`
	Reviewer string `json:"reviewer"`
	Left     string `json:"left"`
	Right    string `json:"right"`
	Overall  string `json:"overall"` // the model, or tie or bad
	Text     string `json:"text"`
}

// Verdict is what a review says of one model.
type Verdict struct {
	Score
	Reviewers int
}

// Cast is a vote with who cast it.
type Cast struct {
	Reviewer int
	Vote
}

// FewPrompts is how many prompts a review should have.
const FewPrompts = 20

const (
	fewUnits   = 10 // items that two reviewers judged, for an agreement worth the name
	lowAlpha   = 0.4
	priorGames = 0.5 // added to the wins of each pair, so that no strength is infinite
)

// NewResults counts the votes.
func NewResults(r Review, m Mapping, closed time.Time, reviewers []Reviewer, votes []Cast) *Results {
	slices.SortStableFunc(votes, func(a, b Cast) int { return cmp.Or(cmp.Compare(a.Item, b.Item), cmp.Compare(a.Reviewer, b.Reviewer)) })
	c := counter{r, m, votes}
	out := &Results{
		Version: ResultsVersion, Review: r.ID, Title: r.Title, Suite: r.Suite, Created: r.Created, Closed: closed,
		Items: len(r.Items), Votes: len(votes), Left: r.Left, keys: map[string]*Verdict{},
	}
	prompts := map[string]bool{}
	generations := map[string]bool{}
	for _, i := range r.Items {
		prompts[i.Case], generations[i.Generation] = true, true
	}
	out.Prompts = len(prompts)
	overall := c.table(Overall, "")
	order := ranking(overall.Scores)
	for _, i := range order {
		out.Models = append(out.Models, m.Models[i])
	}
	for _, d := range Dimensions() {
		out.Tables = append(out.Tables, c.table(d, "").arranged(order))
		out.Agreement = append(out.Agreement, c.agreement(d))
	}
	for _, g := range sortedKeys(generations) {
		for _, d := range Dimensions() {
			out.Tables = append(out.Tables, c.table(d, g).arranged(order))
		}
	}
	out.Position = c.position(0)
	voted := 0
	for _, who := range reviewers {
		x := c.reviewer(who)
		if x.Votes > 0 {
			voted++
		}
		out.Reviewers = append(out.Reviewers, x)
	}
	for i, s := range overall.Scores {
		out.keys[m.Models[i].Key] = &Verdict{s, voted}
	}
	for _, x := range m.Masked {
		out.Masked = append(out.Masked, MaskedResult{m.Models[x.Model].Name, x.Masked})
	}
	out.Notes = c.notes(reviewers)
	out.warn()
	return out
}

// Of is what the review says of the evaluation with that key, or nil.
func (r *Results) Of(key string) *Verdict { return r.keys[key] }

// Table returns the table of a dimension in a generation, "" for all.
func (r *Results) Table(d Dimension, generation string) Table {
	for _, t := range r.Tables {
		if t.Dimension == d && t.Generation == generation {
			return t
		}
	}
	return Table{}
}

func (r *Results) warn() {
	add := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	if r.Prompts < FewPrompts {
		add("prompts are few, %d; a review should have %d or more", r.Prompts, FewPrompts)
	}
	overall := r.Agreement[len(r.Agreement)-1]
	switch {
	case overall.Units == 0:
		add("no comparison was judged by two reviewers, so nothing is known of their agreement")
	case overall.Units < fewUnits:
		add("comparisons that two reviewers judged are few, %d; little is known of their agreement", overall.Units)
	case overall.Known && overall.Alpha < lowAlpha:
		add("the reviewers agree little (alpha %.2f); talk about what each dimension means before relying on this", overall.Alpha)
	}
	if p := r.Position; p.N > 0 && (p.Low > 0.5 || p.High < 0.5) {
		add("the side decides: the answer on the left was preferred in %d of %d", p.K, p.N)
	}
	for _, w := range r.Reviewers {
		if w.Votes < r.Items {
			add("%s judged %d of %d comparisons", w.Name, w.Votes, r.Items)
		}
	}
	if t := r.Table(Overall, ""); len(t.Scores) > 2 && t.Scores[0].Strength == nil {
		add("the votes do not connect all models, so they have no common scale")
	}
}

// ranking orders models by their overall score, the best first.
func ranking(scores []Score) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		ra, _, _ := scores[a].Estimate()
		rb, _, _ := scores[b].Estimate()
		return cmp.Compare(rb, ra)
	})
	return order
}

// arranged puts the scores into an order.
func (t Table) arranged(order []int) Table {
	scores := make([]Score, len(order))
	for i, from := range order {
		scores[i] = t.Scores[from]
	}
	t.Scores = scores
	return t
}

func sortedKeys(m map[string]bool) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// Generations are those of the tables, first "" for all.
func (r *Results) Generations() []string {
	var list []string
	for _, t := range r.Tables {
		if t.Dimension == Overall {
			list = append(list, t.Generation)
		}
	}
	return list
}
