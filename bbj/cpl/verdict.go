package cpl

import (
	"bytes"
	"slices"
	"strings"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
)

// verdict makes the verdict on a source of the lines that the compiler rejects.
func verdict(s compile.Source, lines []int) compile.Verdict {
	v := compile.Verdict{Name: s.Name, OK: len(lines) == 0}
	if v.OK {
		return v
	}
	t := newText(s.Text)
	for i := range lines {
		lines[i] = min(max(lines[i], 1), len(t.starts)) // the end of the text may be the fault
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	ends := t.cascades(lines)
	follows := map[int]bool{}
	for _, end := range ends {
		follows[end] = true
	}
	for _, line := range lines {
		if follows[line] {
			continue
		}
		d := compile.Rejected.Finding(s.Name, t.span(line), "bbjcpl rejects this line", "")
		if end, ok := ends[line]; ok {
			d.Related = []diag.Related{{Span: t.span(end), Message: "bbjcpl rejects this METHODEND along with it"}}
		}
		v.Diagnostics = append(v.Diagnostics, d)
	}
	return v
}

// noVerdict is the verdict on a program that makes the compiler fail, which
// works on others. It is an error: what was not judged must not count as
// compiling. It has a code of its own, since it was not rejected either.
func noVerdict(s compile.Source, failed string) compile.Verdict {
	d := compile.NoVerdict.Finding(s.Name, newText(s.Text).span(1), "bbjcpl gives no verdict: with this program alone it "+failed, "")
	return compile.Verdict{Name: s.Name, Diagnostics: []diag.Diagnostic{d}}
}

// text is a source with the offsets of its physical lines.
type text struct {
	src    []byte
	starts []int
}

func newText(src []byte) text {
	t := text{src, []int{0}}
	for i, c := range src {
		if c == '\n' && i+1 < len(src) {
			t.starts = append(t.starts, i+1)
		}
	}
	return t
}

// bounds returns the line without the characters that end it.
func (t text) bounds(line int) (start, end int) {
	start, end = t.starts[line-1], len(t.src)
	if line < len(t.starts) {
		end = t.starts[line]
	}
	return start, start + len(bytes.TrimRight(t.src[start:end], "\r\n"))
}

// span is the line from its first character that is no blank to its end.
func (t text) span(line int) diag.Span {
	start, end := t.bounds(line)
	from := end - len(bytes.TrimLeft(t.src[start:end], " \t\ufeff"))
	if from == end {
		from = start
	}
	at := func(offset int) diag.Pos { return diag.Pos{Offset: offset, Line: line, Col: offset - start + 1} }
	return diag.Span{Start: at(from), End: at(end)}
}

// cascades finds, among the rejected lines, each METHODEND that is one only
// because its METHOD is, and returns it under that METHOD's line. By itself a
// METHODEND is accepted even where it is stray, so one below a rejected METHOD
// is a consequence and would be the same fault a second time. It stays a finding
// of its own where another METHOD or METHODEND stands between, or where the
// METHOD above is not rejected: then the reason must be another.
func (t text) cascades(rejected []int) map[int]int {
	found := map[int]int{}
	head := 0 // the rejected line of the METHOD that is open
	for line, inHead := 1, false; line <= len(t.starts); line++ {
		_, hit := slices.BinarySearch(rejected, line)
		switch t.word(line) {
		case "METHOD":
			head, inHead = 0, true
			if hit {
				head = line
			}
		case "METHODEND":
			if hit && head > 0 {
				found[head] = line
			}
			head, inHead = 0, false
		case ":": // the line continues, and the report may name any part of it
			if inHead && hit && head == 0 {
				head = line
			}
		default:
			inHead = false
		}
	}
	return found
}

// word returns the first word of a line behind its line number, in upper case;
// ":" for a line that continues the one before.
func (t text) word(line int) string {
	start, end := t.bounds(line)
	s := t.src[start:end]
	if bytes.HasPrefix(s, []byte{':'}) {
		return ":"
	}
	s = bytes.TrimLeft(s, " \t0123456789\ufeff")
	n := bytes.IndexFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	})
	if n < 0 {
		n = len(s)
	}
	return strings.ToUpper(string(s[:n]))
}
