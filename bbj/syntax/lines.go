package syntax

import "unsafe"

// LogicalLine returns the first and the last physical line of the logical line
// that the physical line is a part of; all are counted from 1.
func (p *Program) LogicalLine(line int) (first, last int) {
	first, last = line, line
	for first > 1 && p.continues(first) {
		first--
	}
	for last < len(p.lines) && p.continues(last+1) {
		last++
	}
	return first, last
}

// continues reports whether the physical line continues the one before it.
func (p *Program) continues(line int) bool {
	l := lexer{src: p.text()}
	return l.joint(p.lines[line-1]-1) != 0
}

// NextStatement returns where the first statement stands on the physical line
// or below it, but before the offset end. Line numbers, labels and remarks are no
// statements here. ok is false where there is none.
func (p *Program) NextStatement(line int, end int32) (offset int32, ok bool) {
	l := newLexer(p.text())
	l.pos = max(l.pos, p.lines[line-1])
	for {
		t := l.next()
		if t.kind == tEOF || t.start >= end {
			return 0, false
		}
		switch t.kind {
		case tEOL, tSemi, tRem:
			continue
		case tNumber:
			if !t.first {
				return t.start, true
			}
		default:
			after := l
			if t.kind != tName || after.next().kind != tColon {
				return t.start, true
			}
			l = after
		}
	}
}

// text is the source as a string, without a copy: Src must not change.
func (p *Program) text() string { return unsafe.String(unsafe.SliceData(p.Src), len(p.Src)) }
