// Package report puts evaluations side by side for a reader: one JSON, one
// Markdown and one self-contained HTML page that say the same.
//
// It must not know how models are asked or judged; it computes nothing but the
// order in which things are shown. Answers are hostile text: the HTML shows
// them escaped, the Markdown leaves them out.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/stats"
	"bbjtune/internal/suite"
)

// Version is the version of the JSON form.
const Version = 1

// Report is what the three forms are made from.
type Report struct {
	Version int       `json:"version"`
	Title   string    `json:"title"`
	Date    time.Time `json:"date"`
	// Models are the evaluations in the order in which they are shown.
	Models []*eval.Result `json:"models"`
	// Comparisons pair the main model with every other one.
	Comparisons []Comparison `json:"comparisons"`
	Training    *Training    `json:"training,omitempty"`
	// Next is the command to try next.
	Next string `json:"next,omitempty"`

	Suite *suite.Suite `json:"-"`
}

// Comparison is the paired difference of two models, case by case.
type Comparison struct {
	Better string       `json:"a"`
	Than   string       `json:"b"`
	Metric eval.Metric  `json:"metric"`
	Paired stats.Paired `json:"paired"`
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
	Train         []Point `json:"train_loss"`
	Valid         []Point `json:"valid_loss"`
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
// the others are compared with.
func New(title string, date time.Time, s *suite.Suite, models []*eval.Result, main int) (*Report, error) {
	r := &Report{Version: Version, Title: title, Date: date, Models: models, Suite: s}
	for i, m := range models {
		if err := Comparable(m, models[main]); err != nil {
			return nil, err
		}
		if i == main {
			continue
		}
		r.Comparisons = append(r.Comparisons, Compare(models[main], m)...)
	}
	return r, nil
}

// Comparable returns an error unless both were asked the same, in the same way,
// and judged alike.
func Comparable(a, b *eval.Result) error {
	switch {
	case a.Suite.Hash != b.Suite.Hash:
		return fmt.Errorf("%s was evaluated on another suite (%s version %d) than %s", a.Model, a.Suite.Name, a.Suite.Version, b.Model)
	case a.Engine != b.Engine || a.Extract != b.Extract:
		return fmt.Errorf("%s was judged by another engine or extractor than %s", a.Model, b.Model)
	case len(a.Answers) == 0:
		return fmt.Errorf("%s has no answers", a.Model)
	}
	if what := difference(a.Options, b.Options); what != "" {
		return fault.Newf("evaluate both with the same value, and compare those", "%s was asked with another %s than %s", a.Model, what, b.Model)
	}
	return nil
}

// Compare pairs a with b by both metrics.
func Compare(a, b *eval.Result) []Comparison {
	var list []Comparison
	for _, metric := range []eval.Metric{eval.CompileAt1, eval.TaskAt1} {
		list = append(list, Comparison{a.Model, b.Model, metric, eval.Compare(a, b, metric)})
	}
	return list
}

// difference names, as the flag of eval, what two models were asked with that is
// not alike, or "". Examples in the prompt may differ: they are what a few-shot
// control is about, and the report names them.
func difference(a, b eval.Options) string {
	switch {
	case a.System != b.System:
		return "--system"
	case a.Samples != b.Samples:
		return fmt.Sprintf("--samples (%d, not %d)", a.Samples, b.Samples)
	case a.MaxTokens != b.MaxTokens:
		return fmt.Sprintf("--max-tokens (%d, not %d)", a.MaxTokens, b.MaxTokens)
	case a.Temperature != b.Temperature:
		return fmt.Sprintf("--temperature (%g, not %g)", a.Temperature, b.Temperature)
	case a.Seed != b.Seed:
		return fmt.Sprintf("--seed (%d, not %d)", a.Seed, b.Seed)
	}
	return ""
}

// JSON writes the machine form.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// Verdict says in words what a comparison shows at the 5 % level.
func (c Comparison) Verdict() string {
	switch p := c.Paired; {
	case p.N == 0:
		return "no common cases"
	case p.P >= 0.05 && p.OnlyA+p.OnlyB < 6:
		return "too few differing cases to tell"
	case p.P >= 0.05:
		return "not distinguishable"
	case p.Difference > 0:
		return "better"
	}
	return "worse"
}

// Points writes the difference in percentage points with its interval.
func (c Comparison) Points() string {
	return fmt.Sprintf("%+.1f [%+.1f, %+.1f]", 100*c.Paired.Difference, 100*c.Paired.Low, 100*c.Paired.High)
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

// Markdown writes the readable form, without the answers themselves.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", r.Title)
	b.WriteString("| Model | compile@1 | Qualitative | Date | Notes |\n| --- | --- | --- | --- | --- |\n")
	for _, m := range r.Models {
		fmt.Fprintf(&b, "| %s | %s | – | %s | %s |\n", cell(m.Model), Percent(m.Metrics.Compile), m.Date.Format(time.DateOnly), cell(m.Notes))
	}
	b.WriteString("\n" + intervalNote + "\n\n## Compiling is not yet being right\n\n" + taskNote + "\n\n")
	b.WriteString("| Model | compile@1 | clean@1 | task@1 | no program | not stopped | tokens an answer |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, m := range r.Models {
		x := m.Metrics
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %d | %.0f |\n", cell(m.Model), Percent(x.Compile), Percent(x.Clean), Percent(x.Task), x.NoCode.K, x.Unstopped.K, x.MeanTokens)
	}
	r.markdownComparisons(&b)
	r.markdownTraining(&b)
	r.markdownSlices(&b)
	r.markdownFaults(&b)
	r.markdownConditions(&b)
	if r.Next != "" {
		fmt.Fprintf(&b, "\n## What to try next\n\n```sh\n%s\n```\n", r.Next)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	intervalNote = "Brackets hold 95 % Wilson intervals. Qualitative is what people said of the answers in a blinded review. A dash stands where nothing was run."
	taskNote     = "compile@1 counts the answers whose program compiles at the first attempt. It is a floor: code that does not compile is wrong for certain, and code that compiles may still do something else. task@1 counts the answers that compile and also show what was asked for, clean@1 those that compile and name nothing that does not exist. A case that asks for an explanation has no program to compile and counts for task@1 alone. Not stopped are the answers that were cut at the longest length allowed, often in the middle of a program."
	pairedNote   = "The same cases, one by one: the difference in percentage points with its 95 % interval, how many cases only one of the two solved, and the probability of such a split if both were equally good (exact McNemar test)."
)

// cell keeps a text from breaking a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(s)
}

func (r *Report) markdownComparisons(b *strings.Builder) {
	if len(r.Comparisons) == 0 {
		return
	}
	b.WriteString("\n## Side by side\n\n" + pairedNote + "\n\n")
	b.WriteString("| metric | model | against | difference | only model | only other | p | verdict |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, c := range r.Comparisons {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %d | %d | %s | %s |\n", c.Metric, cell(c.Better), cell(c.Than), c.Points(), c.Paired.OnlyA, c.Paired.OnlyB, PValue(c.Paired.P), c.Verdict())
	}
}

func (r *Report) markdownTraining(b *strings.Builder) {
	t := r.Training
	if t == nil {
		return
	}
	fmt.Fprintf(b, "\n## How the model was trained\n\nRecipe `%s` on %s. %s\n\n", t.Recipe, cell(t.Base), t.Data)
	b.WriteString("| stage | steps | tokens seen | of them trained on | validation loss before | after | time |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range t.Stages {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %.3f | %.3f | %.0f s |\n", s.Name, s.Steps, s.Tokens, s.TrainedTokens, s.ValidFirst, s.ValidLast, s.Seconds)
	}
}

func (r *Report) markdownSlices(b *strings.Builder) {
	b.WriteString("\n## By kind of case\n\n| by | value |")
	for _, m := range r.Models {
		fmt.Fprintf(b, " %s compile@1 | task@1 |", cell(m.Model))
	}
	b.WriteString("\n| --- | --- |" + strings.Repeat(" --- | --- |", len(r.Models)) + "\n")
	for i, s := range r.Models[0].Slices {
		fmt.Fprintf(b, "| %s | %s |", s.By, s.Value)
		for _, m := range r.Models {
			x := m.Slices[i].Metrics
			fmt.Fprintf(b, " %s | %s |", share(x.Compile), share(x.Task))
		}
		b.WriteString("\n")
	}
}

func share(p stats.Proportion) string {
	if p.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%d/%d", p.K, p.N)
}

func (r *Report) markdownFaults(b *strings.Builder) {
	b.WriteString("\n## What is wrong where it is wrong\n\n| model | finding | family | answers |\n| --- | --- | --- | --- |\n")
	for _, m := range r.Models {
		for _, f := range m.Faults[:min(faultsShown, len(m.Faults))] {
			fmt.Fprintf(b, "| %s | %s %s | %s | %d |\n", cell(m.Model), f.Code, f.Name, f.Family, f.Answers)
		}
	}
}

// faultsShown is how many kinds of fault a model's list shows.
const faultsShown = 6

func (r *Report) markdownConditions(b *strings.Builder) {
	m := r.Models[0]
	fmt.Fprintf(b, "\n## Conditions\n\nSuite %s version %d (%d cases, sha256 %.12s). Compiler: %s %s. Extractor version %d. Temperature %g, at most %d tokens, %d sample a case, seed %d.\n",
		m.Suite.Name, m.Suite.Version, len(r.Suite.Cases), m.Suite.Hash, m.Engine.Name, m.Engine.Version, m.Extract,
		m.Options.Temperature, m.Options.MaxTokens, m.Options.Samples, m.Options.Seed)
	for _, m := range r.Models {
		fmt.Fprintf(b, "\n- %s: %s", cell(m.Model), m.Identity)
		for _, s := range m.Examples {
			fmt.Fprintf(b, "\n  - shown in the prompt: %s (%s)", cell(s.Title), s.Path)
		}
	}
	b.WriteString("\n")
}
