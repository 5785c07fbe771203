package page

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"bbjtune/internal/audit"
)

// bar draws a part of a whole. What is there at all is seen.
func bar(n, of int, class string) template.HTML {
	width := 0.0
	if n > 0 && of > 0 {
		width = max(0.7, 100*float64(n)/float64(of))
	}
	return template.HTML(fmt.Sprintf(`<svg class="bar %s" width="100%%" height="10" role="img" aria-label="%s"><rect class="rest" width="100%%" height="10" rx="3"/><rect class="part" width="%.2f%%" height="10" rx="3"/></svg>`,
		template.HTMLEscapeString(class), share(n, of), width))
}

// The size and margins of a plot, in its own units.
const (
	plotW, plotH        = 520, 230
	plotLeft, plotRight = 52, 14
	plotTop, plotBase   = 30, 190
)

// lengths draws how many rows there are of each length, on a logarithmic axis,
// with marks at lengths that matter.
func lengths(list []audit.Bin, label string, marks ...int) template.HTML {
	if len(list) == 0 {
		return ""
	}
	low, high := axis(list[0].From), axis(list[len(list)-1].To)
	for _, m := range marks {
		low, high = min(low, axis(m)-0.1), max(high, axis(m)+0.1)
	}
	most := 0
	for _, b := range list {
		most = max(most, b.Rows)
	}
	step := niceStep(most)
	top := max(step, (most+step-1)/step*step)
	x := func(v float64) float64 { return plotLeft + (v-low)/(high-low)*(plotW-plotLeft-plotRight) }
	y := func(n int) float64 { return plotBase - float64(n)/float64(top)*(plotBase-plotTop) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotW, plotH, template.HTMLEscapeString(label))
	for n := 0; n <= top; n += step {
		fmt.Fprintf(&b, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, y(n), plotW-plotRight, y(n), plotLeft-6, y(n)+4, number(n))
	}
	for _, bin := range list {
		if bin.Rows == 0 {
			continue
		}
		left, right, height := x(axis(bin.From)), x(axis(bin.To)), max(1.5, plotBase-y(bin.Rows))
		fmt.Fprintf(&b, `<rect class="col" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s to %s: %s</title></rect>`,
			left, plotBase-height, max(1, right-left-1), height, number(bin.From), number(bin.To-1), counted(bin.Rows, "row"))
	}
	for ten := 1; axis(ten) <= high; ten *= 10 {
		if axis(ten) >= low {
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(axis(ten)), plotBase+18, number(ten))
		}
	}
	for _, m := range marks {
		fmt.Fprintf(&b, `<line class="mark" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text class="mark" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			x(axis(m)), plotTop-8, x(axis(m)), plotBase, x(axis(m)), plotTop-13, number(m))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text></svg>`, plotW-plotRight, plotBase+36, template.HTMLEscapeString(label))
	return template.HTML(b.String())
}

// axis is the place of a length on the axis; 0 stands as far before 1 as 2 after it.
func axis(n int) float64 { return math.Log10(max(0.5, float64(n))) }

// niceStep divides a height into about four steps of 1, 2 or 5 times a power of
// ten.
func niceStep(most int) int {
	for ten := 1; ; ten *= 10 {
		for _, n := range []int{1, 2, 5} {
			if n*ten*4 >= most {
				return n * ten
			}
		}
	}
}
