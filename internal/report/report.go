// Package report puts evaluations side by side for a reader: one JSON, one
// Markdown and one self-contained HTML page that say the same.
//
// It must not know how models are asked or judged; it computes nothing but the
// order in which things are shown. Answers are hostile text: the HTML shows
// them escaped and cut, the Markdown leaves them out.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/printable"
	"bbjtune/internal/review"
	"bbjtune/internal/stats"
)

// Version is the version of the JSON form.
const Version = 3

// Report is what the three forms are made from.
type Report struct {
	Version int       `json:"version"`
	Title   string    `json:"title"`
	Date    time.Time `json:"date"`
	// Models are the evaluations in the order in which they are shown.
	Models []*eval.Result `json:"models"`
	// Comparisons pair the main model with every other one.
	Comparisons []compare.Comparison `json:"comparisons"`
	// Unlike says in what the models differ that were compared all the same.
	Unlike   []Unlike  `json:"unlike,omitempty"`
	Training *Training `json:"training,omitempty"`
	// Retention is what tuned models have forgotten, the newest measurement of a
	// model first; none where it was not measured.
	Retention []Retention `json:"retention,omitempty"`
	// Next is the command to try next.
	Next string `json:"next,omitempty"`
	// Cases are all cases with the answers that are shown.
	Cases []*Case `json:"cases"`
	// Review is what people preferred, if they were asked.
	Review *review.Results `json:"review,omitempty"`

	verdicts []*review.Verdict // by model
	byID     map[string]*Case
	spent    int // bytes of the answers shown
}

// Unlike is what another model than the main one was evaluated with.
type Unlike struct {
	Model string `json:"model"`
	compare.Difference
}

// Training says how the tuned model came about.
type Training struct {
	Recipe string  `json:"recipe"`
	Base   string  `json:"base"`
	Stages []Stage `json:"stages"`
	Data   string  `json:"data"`
}

// Stage is one training stage.
type Stage struct {
	Name          string  `json:"name"`
	Rows          int     `json:"rows"`
	Steps         int     `json:"steps"`
	Tokens        int     `json:"tokens"`
	TrainedTokens int     `json:"trained_tokens"`
	Seconds       float64 `json:"seconds"`
	ValidFirst    float64 `json:"valid_loss_first"`
	ValidLast     float64 `json:"valid_loss_last"`
	// From is the training that the stage was taken from, "" for one that was trained
	// for this: it took its time there.
	From string `json:"from,omitempty"`
	// Kept is the evaluation whose adapter is the stage's: the best one. It is nil
	// in records from before it was kept.
	Kept  *Point  `json:"kept,omitempty"`
	Train []Point `json:"train_loss"`
	Valid []Point `json:"valid_loss"`
	// Samples are what became of validation prompts while it trained.
	Samples []Samples `json:"samples,omitempty"`
}

// Samples is how many of the sampled answers compiled at a step.
type Samples struct {
	Step    int `json:"step"`
	Compile int `json:"compile"`
	Of      int `json:"of"`
}

// Point is a loss at a step.
type Point struct {
	Step int     `json:"step"`
	Loss float64 `json:"loss"`
}

// New puts the evaluations side by side. main is the index of the model that
// the others are compared with; what is allowed may differ between them. The
// answers are added by [Report.Show].
func New(title string, date time.Time, models []*eval.Result, main int, allowed []string) (*Report, error) {
	r := &Report{Version: Version, Title: title, Date: date, Models: models, byID: map[string]*Case{}}
	for i, m := range models {
		if err := compare.Comparable(models[main], m, allowed); err != nil {
			return nil, err
		}
		if i == main {
			continue
		}
		for _, d := range compare.Differences(models[main], m) {
			r.Unlike = append(r.Unlike, Unlike{m.Model, d})
		}
		r.Comparisons = append(r.Comparisons, compare.Pair(models[main], m, compare.Metrics(models[main], m), eval.Properties())...)
	}
	r.addCases()
	return r, nil
}

// JSON writes the machine form.
func (r *Report) JSON(w io.Writer) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return err
	}
	_, err := io.WriteString(w, printable.JSON(b.String()))
	return err
}

// Points writes the difference in percentage points with its interval.
func Points(p stats.Paired) string {
	return fmt.Sprintf("%+.1f [%+.1f, %+.1f]", 100*p.Difference, 100*p.Low, 100*p.High)
}

var superscript = strings.NewReplacer("-", "⁻", "0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹")

// PValue writes a probability as readers expect it.
func PValue(p float64) string {
	if p < 1e-300 {
		return "< 10⁻³⁰⁰" // smaller ones are lost in the arithmetic
	}
	if p < 0.001 {
		// The library rounds before it chooses the exponent.
		digits, exponent, _ := strings.Cut(strconv.FormatFloat(p, 'e', 1, 64), "e-")
		return digits + " × 10" + superscript.Replace("-"+strings.TrimLeft(exponent, "0"))
	}
	return fmt.Sprintf("%.3f", p)
}

// Percent writes a proportion with its interval and counts.
func Percent(p stats.Proportion) string {
	if p.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %% [%.1f, %.1f] (%d/%d)", 100*p.Rate, 100*p.Low, 100*p.High, p.K, p.N)
}

// AtK writes the same of the best of several answers.
func AtK(p stats.AtK) string {
	if p.Cases == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %% [%.1f, %.1f] (%d cases)", 100*p.Rate, 100*p.Low, 100*p.High, p.Cases)
}
