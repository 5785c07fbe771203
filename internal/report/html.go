package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"bbjtune/bbj/diag"
	"bbjtune/internal/eval"
	"bbjtune/internal/printable"
	"bbjtune/internal/stats"
	"bbjtune/internal/suite"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": Percent, "pvalue": PValue, "share": share, "date": func(t time.Time) string { return t.Format(time.DateOnly) },
	"interval": interval, "plot": plot, "pct": func(p stats.Proportion) string { return fmt.Sprintf("%.0f %%", 100*p.Rate) },
	"top":       func(f []eval.Fault) []eval.Fault { return f[:min(faultsShown, len(f))] },
	"rateClass": rateClass,
}).Parse(pageText))

// HTML writes the page: no script, no reference to anything outside.
func (r *Report) HTML(w io.Writer) error {
	return page.Execute(w, struct {
		*Report
		IntervalNote, TaskNote, PairedNote string
		Cases                              []caseView
	}{r, intervalNote, taskNote, pairedNote, r.cases()})
}

// caseView is a case with every model's answer.
type caseView struct {
	*suite.Case
	Answers []answerView
}

type answerView struct {
	Model string
	eval.Answer
	// Lines are the program's lines, or the answer's where it has none.
	Lines  []lineView
	Failed []string
	Prose  bool
}

type lineView struct {
	Number   int
	Text     string
	Findings []diag.Diagnostic
}

func (r *Report) cases() []caseView {
	var list []caseView
	for _, c := range r.Suite.Cases {
		v := caseView{Case: c}
		for _, m := range r.Models {
			for _, a := range m.Answers {
				if a.Case == c.ID {
					v.Answers = append(v.Answers, view(c, m.Model, a))
				}
			}
		}
		list = append(list, v)
	}
	return list
}

// maxShown bounds the answer that a page shows, in bytes: a model that never
// stops must not make the page unusable.
const maxShown = 16 << 10

func view(c *suite.Case, model string, a eval.Answer) answerView {
	v := answerView{Model: model, Answer: a, Prose: a.Code == ""}
	text := a.Code
	if v.Prose {
		text = a.Text
	}
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "\n…"
	}
	for i, line := range strings.Split(printable.Visible(text), "\n") {
		l := lineView{Number: i + 1, Text: line}
		for _, d := range a.Score.Diagnostics {
			if d.Span.Start.Line == l.Number && !v.Prose {
				l.Findings = append(l.Findings, d)
			}
		}
		v.Lines = append(v.Lines, l)
	}
	for _, n := range a.Score.Failed {
		v.Failed = append(v.Failed, c.Checks[n-1].String())
	}
	return v
}

// interval draws a proportion with its interval on a line from 0 to 1.
func interval(p stats.Proportion, width int) template.HTML {
	if p.N == 0 {
		return "–"
	}
	w := float64(width)
	return template.HTML(fmt.Sprintf(
		`<svg class="iv" width="%d" height="18" viewBox="0 0 %d 18" role="img" aria-label="%.1f percent, 95 percent interval %.1f to %.1f">`+
			`<line class="axis" x1="0" y1="9" x2="%d" y2="9"/><rect class="bar" x="%.1f" y="5" width="%.1f" height="8" rx="3"/><circle class="dot" cx="%.1f" cy="9" r="4.5"/></svg>`,
		width, width, 100*p.Rate, 100*p.Low, 100*p.High, width, 5+p.Low*(w-10), max(1, (p.High-p.Low)*(w-10)), 5+p.Rate*(w-10)))
}

// rateClass colours a share in the table of slices.
func rateClass(p stats.Proportion) string {
	switch {
	case p.N == 0:
		return "none"
	case p.Rate >= 2.0/3:
		return "high"
	case p.Rate >= 1.0/3:
		return "mid"
	}
	return "low"
}
