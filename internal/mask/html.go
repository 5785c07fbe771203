package mask

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed mask.html
var pageText string

var page = template.Must(template.New("mask").Funcs(template.FuncMap{
	"histogram": histogram, "lines": (*Stage).lines, "notes": (*Stage).notes, "runs": Row.runs, "count": thousands,
}).Parse(pageText))

// HTML writes the page: no script, no reference to anything outside.
func (r *Report) HTML(w io.Writer) error { return page.Execute(w, r) }

// The size of a histogram and its margins in pixels.
const (
	plotW, plotH       = 420, 170
	plotLeft, plotBase = 40, 140
)

// histogram draws how many rows have how many tokens.
func histogram(s Spread, class string) template.HTML {
	top := 1
	for _, n := range s.Bins {
		top = max(top, n)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="rows by their number of tokens, from %d to %d, half of them at most %d">`,
		plotW, plotH, plotW, plotH, s.Min, s.Max, s.Median)
	for _, part := range []int{0, 1} {
		y := plotBase - part*(plotBase-14)
		fmt.Fprintf(&b, `<line class="grid" x1="%d" y1="%d" x2="%d" y2="%d"/><text x="%d" y="%d" text-anchor="end">%d</text>`, plotLeft, y, plotW-10, y, plotLeft-6, y+4, part*top)
	}
	wide := float64(plotW-10-plotLeft) / float64(max(1, len(s.Bins)))
	for i, n := range s.Bins {
		high := float64(n) / float64(top) * (plotBase - 14)
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%d to %d tokens: %d rows</title></rect>`,
			class, plotLeft+float64(i)*wide+0.5, plotBase-high, max(1, wide-1), high, i*s.Width, (i+1)*s.Width-1, n)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d">0</text><text x="%d" y="%d" text-anchor="end">%s tokens</text></svg>`, plotLeft, plotBase+16, plotW-10, plotBase+16, thousands(s.Width*len(s.Bins)))
	return template.HTML(b.String())
}
