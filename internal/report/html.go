package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"bbjtune/bbj/diag"
	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/printable"
	"bbjtune/internal/stats"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": Percent, "pvalue": PValue, "share": share, "date": func(t time.Time) string { return t.Format(time.DateOnly) },
	"interval": interval, "difference": difference, "plot": plot, "pct": func(p stats.Proportion) string { return fmt.Sprintf("%.0f %%", 100*p.Rate) },
	"faults":  func(f []eval.Fault) []eval.Fault { return f[:min(faultsShown, len(f))] },
	"missing": func(m []eval.Missing) []eval.Missing { return m[:min(faultsShown, len(m))] },
	"best": func(p stats.AtK) stats.Proportion {
		return stats.Proportion{N: p.Cases, Rate: p.Rate, Low: p.Low, High: p.High}
	},
	"atk": AtK, "points": Points, "topics": topics, "verdictClass": verdictClass, "rateClass": rateClass, "lines": lines, "see": printable.Visible, "asked": asked, "plural": plural,
	"estimate": estimate, "reviewRows": ReviewRows, "reviewCounts": ReviewCounts, "reviewNote": ReviewNote, "agreement": ReviewAgreement, "reviewTitle": reviewTitle,
	"reviewNotes": reviewNotes, "plain": plain,
}).Parse(pageText))

// HTML writes the page: no script, no reference to anything outside.
func (r *Report) HTML(w io.Writer) error {
	anchors := map[string]int{}
	for i, c := range r.Cases {
		anchors[c.ID] = i + 1
	}
	return page.Execute(w, struct {
		*Report
		IntervalNote, TaskNote, BestNote, PairedNote, SliceNote, FaultNote, Method, RetentionNote, NotMeasured string
		Several                                                                                                bool
		InShort                                                                                                []string
		Certain                                                                                                []certainSlice
		Rows                                                                                                   []sliceRow
		Anchors                                                                                                map[string]int
	}{r, intervalNote, taskNote, bestNote, pairedNote, sliceNote, faultNote, r.method(), retentionNote, strings.ReplaceAll(notMeasured, "`", ""), r.several(), r.inShort(), r.certain(), r.sliceRows(), anchors})
}

// lineView is a line of an answer in pieces, some of which are underlined, with
// the findings that start on it.
type lineView struct {
	Number   int
	Pieces   []piece
	Findings []diag.Diagnostic
}

type piece struct {
	Text string
	Bad  bool
}

// lines cuts an answer into lines and underlines what its findings point at.
func lines(a Answer) []lineView {
	var list []lineView
	for i, text := range strings.Split(a.Text, "\n") {
		l := lineView{Number: i + 1}
		bad := make([]bool, len(text))
		for _, d := range a.Findings {
			if d.Span.Start.Line == l.Number {
				l.Findings = append(l.Findings, d)
			}
			mark(bad, d.Span, l.Number)
		}
		l.Pieces = pieces(text, bad)
		list = append(list, l)
	}
	return list
}

// mark marks the bytes of a line that lie in the span; of an empty span one.
func mark(bad []bool, s diag.Span, line int) {
	if line < s.Start.Line || line > max(s.Start.Line, s.End.Line) {
		return
	}
	from, to := 0, len(bad)
	if line == s.Start.Line {
		from = s.Start.Col - 1
	}
	if line == s.End.Line {
		to = s.End.Col - 1
	}
	if s.End.Line <= s.Start.Line {
		to = max(to, from+1)
	}
	for i := max(0, from); i < min(to, len(bad)); i++ {
		bad[i] = true
	}
}

// pieces joins bytes of one kind, and never cuts a character.
func pieces(text string, bad []bool) []piece {
	var list []piece
	start := 0
	for i := range text {
		if i > start && bad[i] != bad[start] {
			list = append(list, piece{printable.Visible(text[start:i]), bad[start]})
			start = i
		}
	}
	if start < len(text) {
		list = append(list, piece{printable.Visible(text[start:]), bad[start]})
	}
	return list
}

// interval draws a proportion with its interval on a line from 0 to 1, with marks
// at the quarters.
func interval(p stats.Proportion, width int) template.HTML {
	if p.N == 0 {
		return ""
	}
	w := float64(width)
	at := func(x float64) float64 { return 5 + x*(w-10) }
	return template.HTML(fmt.Sprintf(
		`<svg class="iv" width="%d" height="18" viewBox="0 0 %d 18" role="img" aria-label="%.1f percent, 95 percent interval %.1f to %.1f">`+
			`<path class="axis" d="M%.1f 9H%.1fM%.1f 4v10M%.1f 6v6M%.1f 6v6M%.1f 6v6M%.1f 4v10"/><rect class="bar" x="%.1f" y="5" width="%.1f" height="8" rx="3"/><circle class="dot" cx="%.1f" cy="9" r="4.5"/></svg>`,
		width, width, 100*p.Rate, 100*p.Low, 100*p.High, at(0), at(1), at(0), at(.25), at(.5), at(.75), at(1), at(p.Low), max(1, at(p.High)-at(p.Low)), at(p.Rate)))
}

// difference draws a paired difference with its interval on a line from -1 to 1.
func difference(p stats.Paired, width int) template.HTML {
	if p.N == 0 {
		return ""
	}
	w := float64(width)
	at := func(x float64) float64 { return 5 + (x+1)/2*(w-10) }
	return template.HTML(fmt.Sprintf(
		`<svg class="iv" width="%d" height="18" viewBox="0 0 %d 18" role="img" aria-label="difference %.1f points, 95 percent interval %.1f to %.1f">`+
			`<path class="axis" d="M%.1f 9H%.1f"/><path class="zero" d="M%.1f 2v14"/><rect class="bar" x="%.1f" y="5" width="%.1f" height="8" rx="3"/><circle class="dot" cx="%.1f" cy="9" r="4.5"/></svg>`,
		width, width, 100*p.Difference, 100*p.Low, 100*p.High, at(-1), at(1), at(0), at(p.Low), max(1, at(p.High)-at(p.Low)), at(p.Difference)))
}

func verdictClass(v compare.Verdict) string {
	switch v {
	case compare.Better:
		return "good"
	case compare.Worse:
		return "bad"
	}
	return "mid"
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
