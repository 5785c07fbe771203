package mask

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"bbjtune/internal/printable"
)

// The colours of a terminal.
const (
	green, dim, red, plain = "\x1b[32m", "\x1b[2m", "\x1b[31m", "\x1b[0m"
)

// Text writes the report for a terminal, with colour where that is wanted.
func (r *Report) Text(w io.Writer, colour bool) error {
	t := text{w: w, colour: colour}
	for i, s := range r.Stages {
		if i > 0 {
			t.print("\n")
		}
		t.stage(s)
	}
	return t.err
}

// text is where the report goes; the first error ends it.
type text struct {
	w      io.Writer
	colour bool
	err    error
}

func (t *text) print(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// in puts a text in a colour.
func (t *text) in(colour, s string) string {
	if !t.colour || s == "" {
		return s
	}
	return colour + s + plain
}

func (t *text) stage(s *Stage) {
	t.print("%s: %s\n\n", s.Title(), s.Settings())
	lines := append([]line{{Train: "train", Valid: "valid"}}, s.lines()...)
	names, trains, valids := 0, 0, 0
	for _, l := range lines {
		names, trains, valids = max(names, utf8.RuneCountInString(l.Name)), max(trains, len(l.Train)), max(valids, len(l.Valid))
	}
	for _, l := range lines {
		row := fmt.Sprintf("  %-*s  %*s  %*s", names, l.Name, trains, l.Train, valids, l.Valid)
		if l.Bad {
			row = t.in(red, row)
		}
		t.print("%s\n", row)
	}
	t.print("\n")
	for _, h := range []struct {
		name string
		s    Spread
	}{{"trained on", s.Train.Trained}, {"masked", s.Train.Masked}} {
		t.print("  %-10s  %s  0 to %s tokens in a row\n", h.name, bars(h.s.Bins), thousands(h.s.Width*len(h.s.Bins)))
	}
	for _, n := range s.notes() {
		t.print("  %s\n", printable.Visible(n))
	}
	for _, r := range s.Rows {
		t.row(r)
	}
	if s.Refused == "" {
		t.print("\n%s\n", t.in(green, "training may start"))
		return
	}
	t.print("\n%s %s\n", t.in(red, "training does not start:"), printable.Visible(s.Refused))
	t.print("hint: %s\n", printable.Visible(s.Hint))
}

// bars draws row counts as one line of blocks.
func bars(bins []int) string {
	blocks := []rune(" ▁▂▃▄▅▆▇█")
	top := 1
	for _, n := range bins {
		top = max(top, n)
	}
	var b strings.Builder
	for _, n := range bins {
		b.WriteRune(blocks[(n*(len(blocks)-1)+top-1)/top]) // rounded up: one row shows
	}
	return b.String()
}

// row shows a row, run by run, its tokens apart.
func (t *text) row(r Row) {
	t.print("\nrow in line %d: %d tokens, %d trained on\n", r.Line, len(r.Tokens), r.Trained())
	for _, run := range r.runs() {
		head, colour := "masked", dim
		if run.Trained {
			head, colour = "trained on", green
		}
		t.print("  %s, %d:\n", head, len(run.Tokens))
		var words []string
		for _, token := range run.Tokens {
			words = append(words, token.Text)
		}
		for line := range strings.Lines(strings.Join(words, "│")) {
			line = strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "│")
			t.print("    %s\n", t.in(colour, line))
		}
	}
}
