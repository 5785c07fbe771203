package compile

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"bbjtune/bbj/diag"
)

// Compared is two engines of which one is measured by the other.
type Compared struct {
	Judge, Other Engine
}

// Disagreements lists, for every source, the lines that only one of the engines
// rejects. A program that the judge fails on is listed as such.
func (c Compared) Disagreements(ctx context.Context, sources []Source) ([][]diag.Diagnostic, error) {
	judged, other, err := both(ctx, c.Judge, c.Other, sources)
	if err != nil {
		return nil, err
	}
	lists := make([][]diag.Diagnostic, len(sources))
	for i, s := range sources {
		if j := slices.IndexFunc(judged[i].Diagnostics, func(d diag.Diagnostic) bool { return d.Code == NoVerdict.Code }); j >= 0 {
			lists[i] = judged[i].Diagnostics[j : j+1]
			continue
		}
		a, b := rejects(c.Judge.Name(), s, judged[i]), rejects(c.Other.Name(), s, other[i])
		lists[i] = append(a.without(b), b.without(a)...)
		diag.Sort(lists[i])
	}
	return lists, nil
}

// rejection is what one engine rejects in a source.
type rejection struct {
	engine string
	found  []diag.Diagnostic
	starts []int        // of the logical line of each finding
	lines  map[int]bool // the same
}

func rejects(engine string, s Source, v Verdict) rejection {
	r := rejection{engine: engine, lines: map[int]bool{}}
	for _, d := range v.Diagnostics {
		if d.Severity == diag.Error && d.Family == diag.Syntax {
			line := logicalLine(s.Text, d.Span.Start)
			r.found, r.starts = append(r.found, d), append(r.starts, line)
			r.lines[line] = true
		}
	}
	return r
}

// logicalLine returns the physical line on which the line of the place starts:
// one that begins with a colon continues the one before it. Engines may differ
// in which of them they name.
func logicalLine(text []byte, p diag.Pos) int {
	line := p.Line
	start := min(max(0, p.Offset-(p.Col-1)), len(text))
	for line > 1 && start > 0 && bytes.HasPrefix(text[start:], []byte{':'}) {
		start = bytes.LastIndexByte(text[:start-1], '\n') + 1
		line--
	}
	return line
}

// without lists the findings on lines where the other engine has none.
func (r rejection) without(other rejection) []diag.Diagnostic {
	var out []diag.Diagnostic
	for i, d := range r.found {
		if other.lines[r.starts[i]] {
			continue
		}
		message := fmt.Sprintf("%s rejects this line, %s does not", r.engine, other.engine)
		if d.Code != Rejected.Code {
			message += ": " + said(d)
		}
		f := Disagreement.Finding(d.File, d.Span, message, other.engine+" accepts the program")
		if len(other.found) > 0 {
			f.Help, f.Related = "", []diag.Related{other.first()}
		}
		out = append(out, f)
	}
	return out
}

// first points to the first line that the engine rejects.
func (r rejection) first() diag.Related {
	d := r.found[0]
	if d.Code == Rejected.Code {
		return diag.Related{Span: d.Span, Message: r.engine + " rejects this one"}
	}
	return diag.Related{Span: d.Span, Message: r.engine + " rejects this one: " + said(d)}
}
