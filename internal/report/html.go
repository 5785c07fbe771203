package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
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
	for _, c := range r.Suite.Questions() {
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
	for i, line := range strings.Split(visible(text), "\n") {
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

// visible makes control characters and marks that change the direction of
// text show as what they are.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case !printable.Dangerous(r):
			return r
		case r < 0x20:
			return '␀' + r
		}
		return '�'
	}, s)
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

// The plot's size and margins in pixels.
const (
	plotW, plotH       = 420, 190
	plotLeft, plotBase = 42, 160
)

// plot draws training and validation loss over the steps.
func plot(s Stage) template.HTML {
	top, last := 0.0, 1
	for _, p := range append(append([]Point{}, s.Train...), s.Valid...) {
		top, last = math.Max(top, p.Loss), max(last, p.Step)
	}
	if top == 0 || math.IsInf(top, 0) || math.IsNaN(top) {
		return ""
	}
	x := func(step int) float64 { return plotLeft + float64(step)/float64(last)*(plotW-plotLeft-12) }
	y := func(loss float64) float64 { return plotBase - loss/top*(plotBase-14) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="loss over steps of %s">`, plotW, plotH, plotW, plotH, template.HTMLEscapeString(s.Name))
	for i := range 5 {
		v := top * float64(i) / 4
		fmt.Fprintf(&b, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%.1f</text>`, plotLeft, y(v), plotW-12, y(v), plotLeft-6, y(v)+4, v)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d">step 0</text><text x="%d" y="%d" text-anchor="end">step %d</text>`, plotLeft, plotH-12, plotW-12, plotH-12, last)
	for _, line := range []struct {
		class  string
		points []Point
	}{{"train", s.Train}, {"valid", s.Valid}} {
		var pts []string
		for _, p := range line.points {
			pts = append(pts, fmt.Sprintf("%.1f,%.1f", x(p.Step), y(p.Loss)))
		}
		fmt.Fprintf(&b, `<polyline class="%s" points="%s"/>`, line.class, strings.Join(pts, " "))
		if line.class == "valid" {
			for _, p := range line.points {
				fmt.Fprintf(&b, `<circle class="valid" cx="%.1f" cy="%.1f" r="3"/>`, x(p.Step), y(p.Loss))
			}
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}
