package report

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"bbjtune/internal/printable"
)

// The plot's size and margins in pixels.
const (
	plotW, plotH       = 420, 190
	plotLeft, plotBase = 42, 160
)

// plot draws training and validation loss over the steps.
func plot(s Stage) template.HTML {
	return template.HTML(plotAt(s, fmt.Sprintf(`class="plot" width="%d" height="%d" viewBox="0 0 %d %d"`, plotW, plotH, plotW, plotH)))
}

// plotAt is the plot as an element with the attributes, or "" where there is
// nothing to draw.
func plotAt(s Stage, attributes string) string {
	top, last := s.extent()
	if top == 0 {
		return ""
	}
	x := func(step int) float64 { return plotLeft + float64(step)/float64(last)*(plotW-plotLeft-12) }
	y := func(loss float64) float64 { return plotBase - loss/top*(plotBase-14) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg %s role="img" aria-label="loss over steps of %s">`, attributes, template.HTMLEscapeString(printable.Visible(s.Name)))
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
	s.drawSamples(&b, x)
	b.WriteString("</svg>")
	return b.String()
}

// drawSamples draws compile@1 of the samples over the losses: the top is all of them.
func (s Stage) drawSamples(b *strings.Builder, x func(int) float64) {
	samples := s.samples()
	if len(samples) == 0 {
		return
	}
	var pts []string
	for _, p := range samples {
		at := plotBase - float64(p.Compile)/float64(p.Of)*(plotBase-14)
		pts = append(pts, fmt.Sprintf("%.1f,%.1f", x(p.Step), at))
		fmt.Fprintf(b, `<rect class="sampled" x="%.1f" y="%.1f" width="5" height="5"/>`, x(p.Step)-2.5, at-2.5)
	}
	fmt.Fprintf(b, `<polyline class="sampled" points="%s"/><text x="%d" y="10" text-anchor="end">compile@1: the top is 100 %%</text>`, strings.Join(pts, " "), plotW-12)
}

// samples are those that can be: a broken record is not drawn.
func (s Stage) samples() []Samples {
	_, last := s.extent()
	return slices.DeleteFunc(slices.Clone(s.Samples), func(p Samples) bool {
		return p.Of < 1 || p.Compile < 0 || p.Compile > p.Of || p.Step < 0 || p.Step > last
	})
}

// SampledText says how many of the samples compiled, evaluation by evaluation, or "".
func (s Stage) SampledText() string {
	var list []string
	for _, p := range s.samples() {
		list = append(list, fmt.Sprintf("%d/%d at step %d", p.Compile, p.Of, p.Step))
	}
	if len(list) == 0 {
		return ""
	}
	return "compile@1 of samples: " + strings.Join(list, ", ")
}

// FromText says which training the stage was taken from, or "".
func (s Stage) FromText() string {
	if s.From == "" {
		return ""
	}
	return "taken from the training " + s.From + ", which has the same settings and data for it"
}

// KeptText says which adapter the stage left where it is not the last one, or "".
func (s Stage) KeptText() string {
	if s.Kept == nil || s.Kept.Step >= s.Steps {
		return ""
	}
	return fmt.Sprintf("the adapter is that of step %d, where it was %.3f", s.Kept.Step, s.Kept.Loss)
}

// maxLoss is far above any loss of a training: what is higher is a broken record.
const maxLoss = 1e6

// extent returns the highest loss and the last step; the loss is 0 where nothing
// can be drawn.
func (s Stage) extent() (top float64, last int) {
	last = 1
	for _, p := range slices.Concat(s.Train, s.Valid) {
		if p.Step < 0 || !(p.Loss >= 0 && p.Loss <= maxLoss) {
			return 0, 1
		}
		top, last = max(top, p.Loss), max(last, p.Step)
	}
	return top, last
}

// lossStyle is what the picture needs to be read on light and on dark ground.
const lossStyle = `svg{--bg:#fff;--ink:#1d2126;--dim:#626b75;--line:#e2e5e8;--train:#a9c9f0;--valid:#0b62c4;--sampled:#2a7d46}` +
	`@media(prefers-color-scheme:dark){svg{--bg:#1b1f24;--ink:#e6e9ec;--dim:#9aa4ae;--line:#2e343b;--train:#2f5583;--valid:#6fb0ff;--sampled:#6cc48a}}` +
	`text{fill:var(--dim);font:11px system-ui,sans-serif}.name{fill:var(--ink);font-weight:600;font-size:12px}.ground{fill:var(--bg)}` +
	`.grid{stroke:var(--line)}polyline,.key{fill:none;stroke-width:1.6}.train{stroke:var(--train)}.valid{stroke:var(--valid)}circle.valid{fill:var(--valid)}` +
	`.sampled{stroke:var(--sampled);stroke-dasharray:4 3}rect.sampled{fill:var(--sampled);stroke:none}`

// The picture's layout in pixels: a plot below its stage's name.
const headH, plotGap = 34, 12

// LossSVG writes the losses of all stages as one picture that needs nothing else.
func (t *Training) LossSVG(w io.Writer) error {
	var b strings.Builder
	height := plotGap + len(t.Stages)*(headH+plotH)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="training and validation loss">`+"\n", plotW, height, plotW, height)
	fmt.Fprintf(&b, "<style>%s</style>\n"+`<rect class="ground" width="%d" height="%d" rx="8"/>`+"\n", lossStyle, plotW, height)
	for i, s := range t.Stages {
		y := plotGap + i*(headH+plotH)
		fmt.Fprintf(&b, `<text class="name" x="%d" y="%d">%s</text>`, plotGap, y+12, template.HTMLEscapeString(printable.Visible(s.Name)))
		for j, line := range []string{"train", "valid"} {
			x := plotW - 190 + 80*j
			fmt.Fprintf(&b, `<line class="key %s" x1="%d" y1="%d" x2="%d" y2="%d"/><text x="%d" y="%d">%s</text>`, line, x, y+25, x+16, y+25, x+21, y+29, []string{"training", "validation"}[j])
		}
		b.WriteString("\n" + plotAt(s, fmt.Sprintf(`x="0" y="%d" width="%d" height="%d" viewBox="0 0 %d %d"`, y+headH, plotW, plotH, plotW, plotH)) + "\n")
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// The size of a plot in characters, without its axes.
const textW, textH = 60, 8

// LossText draws the losses in characters: dots are training, o is validation.
func (s Stage) LossText() string {
	top, last := s.extent()
	if top == 0 {
		return ""
	}
	var grid [textH][textW]rune
	for i := range grid {
		for j := range grid[i] {
			grid[i][j] = ' '
		}
	}
	put := func(points []Point, mark rune) {
		for _, p := range points {
			row := int(math.Round((1 - p.Loss/top) * (textH - 1)))
			grid[row][int(float64(p.Step)/float64(last)*(textW-1))] = mark
		}
	}
	put(s.Train, '·')
	put(s.Valid, 'o')
	var b strings.Builder
	for i, row := range grid {
		label := "      "
		if i == 0 || i == textH-1 {
			label = fmt.Sprintf("%6.2f", top*float64(textH-1-i)/(textH-1))
		}
		fmt.Fprintf(&b, "%s │%s\n", label, strings.TrimRight(string(row[:]), " "))
	}
	fmt.Fprintf(&b, "       └%s\n        step 0%*s\n", strings.Repeat("─", textW), textW-6, fmt.Sprintf("step %d", last))
	return b.String()
}
