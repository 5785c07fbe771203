package corpus

import (
	"cmp"
	"regexp"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/syntax"
)

// Piece is a part of a text and the number of its first line, from 1.
type Piece struct {
	Text string
	Line int
}

// Cut divides a text of more than max characters into pieces that give it again,
// one after the other. A piece ends where a part of the program does: best after a
// class or a callpoint, else after a routine, else before a remark or behind a
// blank line; never inside a statement, a method or a function of several lines.
// Where nothing ends for so long, the piece is longer than max.
func Cut(text string, max int) []Piece {
	if utf8.RuneCountInString(text) <= max {
		return []Piece{{text, 1}}
	}
	var pieces []Piece
	from := border{line: 1}
	borders := append(borders(text), border{offset: len(text)})
	for from.offset < len(text) {
		to := next(text, from, borders, max)
		pieces = append(pieces, Piece{text[from.offset:to.offset], from.line})
		from = to
	}
	return pieces
}

// border is a place between two lines where a text may be cut.
type border struct {
	offset, line int
	rank         rank
}

// rank says how well a border divides: less is better.
type rank int

const (
	betweenClasses rank = iota + 1
	betweenRoutines
	betweenParts
	insideBlock // and the more the deeper
)

// next chooses the border at which the piece that starts at from ends: the best
// and then the last within the second half of what a piece may hold, else the last
// before that, else the first after it.
func next(text string, from border, borders []border, max int) border {
	if rest := text[from.offset:]; len(rest) <= max*utf8.UTFMax && utf8.RuneCountInString(rest) <= max {
		return borders[len(borders)-1]
	}
	var chosen border
	at, size, chosenSize := from.offset, 0, 0
	for _, b := range borders {
		if b.offset <= from.offset {
			continue
		}
		size += utf8.RuneCountInString(text[at:b.offset])
		at = b.offset
		if size > max {
			return cmp.Or(chosen, b)
		}
		if 2*chosenSize < max || b.rank <= chosen.rank {
			chosen, chosenSize = b, size
		}
	}
	return borders[len(borders)-1]
}

// borders lists the borders of a text in their order.
func borders(text string) []border {
	o := outlineOf(text)
	var list []border
	for i := 1; i < len(o); i++ {
		if r := o.rank(i); r != 0 {
			list = append(list, border{o[i].offset, i + 1, r})
		}
	}
	return list
}

// outlineLine is what the outline of a program knows of a physical line.
type outlineLine struct {
	offset    int
	blank     bool
	leads     bool // a remark or a label, which belong to what follows
	remark    bool
	whole     bool // no cut before it: it continues a line, a method or a function
	depth     int  // of blocks around its start
	head, end rank // it starts or ends a class or a routine
}

type outline []outlineLine

// rank says how good a border stands before line i, or 0 if none does. Remarks
// belong to what follows them, blank lines to what is before.
func (o outline) rank(i int) rank {
	if o[i].blank || o[i].whole {
		return 0
	}
	end := i - 1
	for end > 0 && o[end].blank {
		end--
	}
	if o[end].blank || o[end].leads {
		return 0
	}
	head := i
	for head < len(o) && (o[head].blank || o[head].remark) {
		head++
	}
	best := o[end].end
	if head < len(o) {
		best = better(best, o[head].head)
	}
	switch {
	case best == 0 && end == i-1 && !o[i].remark:
		return 0
	case best == betweenClasses:
		return best
	case o[i].depth > 0:
		return insideBlock + rank(o[i].depth)
	case best != 0:
		return best
	}
	return betweenParts
}

// better is the lesser of two ranks of which 0 is none.
func better(x, y rank) rank {
	if x == 0 || y != 0 && y < x {
		return y
	}
	return x
}

var (
	labelLine = regexp.MustCompile(`^\s*[A-Za-z_]\w*:\s*(?:(?i:rem)\b.*)?\n?$`)
	goesOn    = regexp.MustCompile(`^\d{0,5}:`) // continues the line before, also in a listing
)

// outlineOf reads the outline of a text.
func outlineOf(text string) outline {
	points := isCallpoints(text)
	var o outline
	at := 0
	for line := range strings.Lines(text) {
		l := outlineLine{offset: at, blank: strings.TrimSpace(line) == "", remark: remark.MatchString(line), whole: goesOn.MatchString(line)}
		l.leads = l.remark || labelLine.MatchString(line)
		if points && callpointHead.MatchString(line) {
			l.head = betweenClasses
		}
		o = append(o, l)
		at += len(line)
	}
	r := reader{prog: syntax.Parse(program(text)), o: o}
	r.list(r.prog.Stmts)
	r.set(len(o))
	return o
}

// reader marks the lines of an outline by the statements of the program.
type reader struct {
	prog *syntax.Program
	o    outline

	depth int // of blocks
	at    int // the line from which the depth holds

	// Lines counted from 1, or 0.
	fn      int // of a DEF that is open
	oneLine int // of the last IF that ends with its line
}

func (r *reader) line(offset int32) int {
	return min(r.prog.Position(offset).Line, len(r.o)) - 1
}

// lastLine is the line on which a statement ends.
func (r *reader) lastLine(s syntax.Stmt) int {
	span := s.Span()
	return r.line(max(span.Start, span.End-1))
}

func (r *reader) list(stmts []syntax.Stmt) {
	for _, s := range stmts {
		first := r.line(s.Span().Start)
		switch s := s.(type) {
		case *syntax.ClassDecl:
			r.part(s, first, betweenClasses)
			r.list(s.Members)
		case *syntax.MethodDecl:
			r.part(s, first, betweenRoutines)
			for i := first + 1; i <= r.lastLine(s); i++ {
				r.o[i].whole = true
			}
		case *syntax.LabelStmt:
			r.set(first)
			r.head(first, betweenRoutines)
		case *syntax.DefStmt:
			r.head(first, betweenRoutines)
			if s.Value == nil {
				r.fn = first + 1
			}
		case *syntax.IfStmt:
			if s.OneLine {
				r.oneLine = first + 1
			} else {
				r.open(s)
			}
		case *syntax.ForStmt:
			r.open(s)
		case *syntax.VerbStmt:
			r.verb(s)
		}
	}
}

// part marks a class or a method.
func (r *reader) part(s syntax.Stmt, first int, k rank) {
	r.depth = 0
	r.head(first, k)
	last := r.lastLine(s)
	r.end(last, k)
	r.set(last + 1)
}

func (r *reader) head(line int, k rank) { r.o[line].head = better(r.o[line].head, k) }
func (r *reader) end(line int, k rank)  { r.o[line].end = better(r.o[line].end, k) }

func (r *reader) verb(s *syntax.VerbStmt) {
	last := r.lastLine(s)
	switch s.Word {
	case syntax.WHILE, syntax.REPEAT, syntax.SWITCH:
		r.open(s)
	case syntax.ENDIF, syntax.FI, syntax.WEND, syntax.NEXT, syntax.UNTIL, syntax.SWEND:
		if last+1 != r.oneLine {
			r.set(last + 1)
			r.depth = max(0, r.depth-1)
		}
	case syntax.FNEND:
		for i := r.fn; i <= last && r.fn > 0; i++ {
			r.o[i].whole = true
		}
		r.fn = 0
		r.end(last, betweenRoutines)
	case syntax.RETURN, syntax.STOP, syntax.END, syntax.RELEASE, syntax.BYE, syntax.EXIT:
		if last+1 != r.oneLine {
			r.end(last, betweenRoutines)
		}
	}
}

// open begins a block below the statement.
func (r *reader) open(s syntax.Stmt) {
	r.set(r.lastLine(s) + 1)
	r.depth++
}

// set gives the lines before the one named their depth.
func (r *reader) set(line int) {
	for ; r.at < line && r.at < len(r.o); r.at++ {
		r.o[r.at].depth = r.depth
	}
}
