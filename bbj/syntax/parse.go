package syntax

import (
	"bytes"
	"slices"
	"sync"
	"unsafe"

	"bbjtune/bbj/diag"
)

// Parse reads a program. It always returns a tree, whatever src holds; what it
// rejects is in Program.Errors. It accepts a little more than the compiler,
// since rules over the tree (package check) say better what is wrong.
func Parse(src []byte) *Program {
	p := parsers.Get().(*parser)
	*p = parser{stmts: p.stmts[:0], stack: p.stack[:0]}
	defer p.release()
	prog := p.n.program(len(src))
	prog.Src, prog.lines, p.prog = src, lineTable(src), prog
	// The tree points into src instead of copying it; Program.Src says so.
	p.lex = newLexer(unsafe.String(unsafe.SliceData(src), len(src)))
	if m, broken := unreadable(src); broken {
		p.report(Range{0, min(7, int32(len(src)))}, m)
		return prog
	}
	p.advance()
	prog.Stmts = p.block(NoWord)
	prog.Errors = onePerLine(prog.Errors)
	return prog
}

// parsers keeps the open lists of parsers that are done, which only grow to the
// depth of a program.
var parsers = sync.Pool{New: func() any { return new(parser) }}

// keptLists is the longest list worth keeping: longer ones are rare, and would
// have to be cleared each time.
const keptLists = 1024

// release drops what belongs to the tree, so that the pool does not keep it.
func (p *parser) release() {
	if cap(p.stmts) > keptLists || cap(p.stack) > keptLists {
		return
	}
	clear(p.stmts[:cap(p.stmts)])
	clear(p.stack[:cap(p.stack)])
	*p = parser{stmts: p.stmts, stack: p.stack}
	parsers.Put(p)
}

// maxSource is the size beyond which offsets would not fit.
const maxSource = 1 << 30

// unreadable reports what cannot be parsed at all.
func unreadable(src []byte) (message, bool) {
	switch {
	case len(src) > maxSource:
		return message{code: CodeTooDeep, text: "source is larger than 1 GiB"}, true
	case bytes.HasPrefix(src, []byte("<<bbj>>")):
		return message{code: CodeTokenised, text: "file is a tokenised program, not source text",
			help: "list it to text with bbjlst first"}, true
	}
	return message{}, false
}

func lineTable(src []byte) []int32 {
	if len(src) > maxSource {
		return []int32{0}
	}
	lines := make([]int32, 1, 1+bytes.Count(src, []byte{'\n'}))
	for i := 0; ; {
		n := bytes.IndexByte(src[i:], '\n')
		if n < 0 {
			return lines
		}
		i += n + 1
		lines = append(lines, int32(i))
	}
}

func onePerLine(list []diag.Diagnostic) []diag.Diagnostic {
	diag.Sort(list)
	return slices.CompactFunc(list, func(a, b diag.Diagnostic) bool {
		return a.Span.Start.Line == b.Span.Start.Line
	})
}

// parser reads statements. Where it fails, it moves to the end of the statement
// and stays silent until the next one, so functions need not look at errors.
type parser struct {
	lex  lexer
	tok  token // the token at hand
	prev token // the one before it
	prog *Program
	n    nodes

	stmts []Stmt // the open lists of statements
	stack []Expr // the open lists of expressions

	failed bool // the statement at hand has a finding
	closed Word // what a foreign END METHOD or END CLASS stands for, until it is used
	open   bool // the statement just read lets another follow without `;`
	lists  bool // the verb takes [1:1:10] as a value
	depth  int  // of nested expressions
	height int  // of the expression just read
	where  place

	// What other languages leave open, so that one mistake is reported once.
	braces              int  // foreign braces that are open
	classEnd, methodEnd int  // how many are open where they close the class, the method
	cut                 bool // a foreign comment has swallowed the rest of the file
}

// place says what encloses a statement.
type place uint8

const (
	inProgram place = iota
	inClass
	inMethod
)

// rng returns where the token stands; the end of a line has no extent.
func (t token) rng() Range {
	if t.kind == tEOL {
		return Range{t.start, t.start}
	}
	return Range{t.start, t.end}
}

func (p *parser) text(t token) string { return p.lex.src[t.start:t.end] }

func (p *parser) advance() {
	p.prev = p.tok
	p.tok = p.lex.next()
}

// peek returns the token after the one at hand.
func (p *parser) peek() token {
	l := p.lex
	return l.next()
}

// after returns the token after t, which is one that peek returned.
func (p *parser) after(t token) token {
	l := p.lex
	l.pos, l.prev = t.end, t.kind
	return l.next()
}

// peekByte returns the first byte of the token after the one at hand, cheaper
// than peek.
func (p *parser) peekByte() byte {
	l := p.lex
	l.blanks()
	return l.at(l.pos)
}

// atEnd reports whether the statement ends here.
func (p *parser) atEnd() bool {
	return p.tok.kind == tEOL || p.tok.kind == tSemi || p.tok.kind == tEOF
}

// atClose is atEnd, or before a word that needs no separator.
func (p *parser) atClose() bool {
	switch p.tok.word {
	case ELSE, FI, ENDIF:
		return true
	}
	return p.atEnd()
}

func (p *parser) expect(k kind, what string) {
	if p.tok.kind == k {
		p.advance()
		return
	}
	p.unexpected(what)
}

func (p *parser) ident() Ident {
	t := p.tok
	if t.kind != tName {
		p.unexpected("a name")
		return Ident{Range: Range{t.start, t.start}}
	}
	p.advance()
	return Ident{t.rng(), p.text(t)}
}

// block reads statements up to the end of the file or the word that closes the
// class or method, which it leaves at hand.
func (p *parser) block(end Word) []Stmt {
	mark := len(p.stmts)
	for p.tok.kind != tEOF && !p.closes(end) {
		switch p.tok.kind {
		case tEOL, tSemi:
			p.advance()
			continue
		}
		p.statement()
		if p.closed != NoWord && end != NoWord {
			break
		}
	}
	out := slices.Clone(p.stmts[mark:])
	p.stmts = p.stmts[:mark]
	return out
}

// closes reports whether the token at hand ends a block that the word closes.
// A METHOD or CLASSEND ends a method without METHODEND, so that one mistake
// does not hide the rest.
func (p *parser) closes(end Word) bool {
	if end == NoWord || p.tok.kind != tName || p.labelHere() {
		return false
	}
	w := p.tok.word
	if w == end {
		return true
	}
	if end != METHODEND {
		return false
	}
	switch w {
	case CLASSEND, INTERFACEEND:
		return true
	case CLASS:
		return p.startsClass()
	case METHOD:
		return p.startsMember()
	case FIELD:
		return p.peek().word.isModifier()
	}
	return false
}

// statement reads a statement with its line number, and reports what follows
// it without a separator.
func (p *parser) statement() {
	p.failed, p.open, p.lists, p.depth = false, false, false, 0
	start := p.tok
	if start.kind == tNumber && start.first {
		p.lineNumber()
		return
	}
	s := p.stmt()
	if s == nil || p.failed {
		s = p.orBad(s, start)
	}
	p.stmts = append(p.stmts, s)
	if p.open || p.failed || p.atClose() || p.tok.first {
		return
	}
	p.unexpected("the end of the statement")
	if p.tok.start == start.start { // nothing was read: never stand still
		p.advance()
	}
}

// orBad keeps a statement that was read in part, since its names still count,
// and stands in for one that was not.
func (p *parser) orBad(s Stmt, start token) Stmt {
	if s != nil {
		return s
	}
	if p.tok.start == start.start {
		p.advance()
	}
	return &BadStmt{Range{start.start, max(p.prev.end, start.end)}}
}

func (p *parser) lineNumber() {
	t := p.tok
	p.advance()
	n := 0
	for _, c := range []byte(p.text(t)) {
		if c < '0' || c > '9' || n > 65534 {
			n = 65535
			break
		}
		n = n*10 + int(c-'0')
	}
	if n > 65534 {
		p.report(t.rng(), message{code: CodeLineNumber,
			text: "line number " + quote(p.text(t)) + " is not between 0 and 65534"})
	}
	p.stmts = append(p.stmts, p.n.numSts.put(LineNumber{t.rng(), n}))
}

// labelHere reports whether the name at hand is followed by a colon, which
// makes it a label.
func (p *parser) labelHere() bool {
	if p.peekByte() != ':' {
		return false
	}
	switch p.lex.src[p.tok.end-1] {
	case '$', '!', '%', '@':
		return false
	}
	return p.peek().kind == tColon
}

// stmt reads one statement. It returns nil where it could not.
func (p *parser) stmt() Stmt {
	switch p.tok.kind {
	case tRem:
		t := p.tok
		p.advance()
		return p.n.rems.put(RemStmt{t.rng()})
	case tName:
		if p.labelHere() {
			return p.labelStmt()
		}
		if w := p.tok.word; w.IsVerb() && p.verbHere() {
			return p.verb(w)
		}
		return p.simple()
	case tQuestion:
		return p.output(PRINT)
	case tHash, tPath, tLParen, tString, tHex, tMnemonic:
		return p.simple()
	}
	p.unexpected("a statement")
	return nil
}

func (p *parser) labelStmt() Stmt {
	t := p.tok
	id := p.ident()
	p.advance() // :
	p.open = true
	if reservedSet.has(id.Name) {
		p.fail(t.rng(), reservedName(id.Name, "a label"))
	}
	// The number of the line may stand after the label of the line.
	p.tok.first = p.tok.kind == tNumber && t.first && !p.endsAfter()
	return p.n.labelSts.put(LabelStmt{Range{t.start, p.prev.end}, id})
}

// verbHere reports whether the word at hand is meant as a verb and not as the
// name of a variable: most verbs may be both.
func (p *parser) verbHere() bool {
	switch p.peek().kind {
	case tEq, tLBrack, tDot:
		return false
	}
	return true
}

// simple reads an assignment, or a call of a method.
func (p *parser) simple() Stmt {
	start := p.tok
	x := p.postfix(p.primaryTarget())
	if p.failed {
		return nil
	}
	if p.tok.kind == tEq {
		return p.assignments(start.start, false, x)
	}
	if isMethodCall(x) && p.atClose() {
		return p.n.exprSts.put(ExprStmt{x.Span(), x})
	}
	if c := p.misplacedClass(start); c != nil {
		return c
	}
	p.notStatement(start, x)
	return p.n.exprSts.put(ExprStmt{x.Span(), x})
}

// primaryTarget reads the first part of an assignment or call. Reserved words
// are reported where the target is known.
func (p *parser) primaryTarget() Expr {
	t := p.tok
	if t.kind == tName && t.word != NEW && p.peekByte() == '=' {
		p.height = 1
		return p.n.idents.put(p.ident())
	}
	return p.primary()
}

// isMethodCall reports whether the expression may stand as a statement.
func isMethodCall(x Expr) bool {
	switch x := x.(type) {
	case *NewExpr:
		return !x.Array
	case *CallExpr:
		if _, name, ok := x.Method(); ok {
			// #name$(1,2) is a substring, #this!() calls a constructor.
			return name.Suffix() == 0 || name.Suffix() == '!'
		}
		// CAST and EVAL are the functions that the compiler lets stand alone.
		id, ok := x.Function()
		return ok && (EqualFold(id.Name, "cast") || EqualFold(id.Name, "eval"))
	}
	return false
}

// assignments reads =value{,target=value}; the first target is read already.
func (p *parser) assignments(start int32, let bool, target Expr) Stmt {
	var buf [4]Assign
	list := buf[:0]
	for {
		p.checkTarget(target)
		p.expect(tEq, "`=`")
		value := p.expr()
		list = append(list, Assign{Range{target.Span().Start, max(target.Span().Start, p.prev.end)}, target, value})
		if p.tok.kind != tComma || p.failed {
			break
		}
		p.advance()
		target = p.postfix(p.primaryTarget())
	}
	return p.n.lets.put(LetStmt{Range{start, p.prev.end}, let, p.n.assigns.copy(list)})
}

// checkTarget rejects what can never be assigned to.
func (p *parser) checkTarget(x Expr) {
	switch x := x.(type) {
	case *Ident:
		p.checkVariable(*x)
	case *HashExpr, *MemberExpr, *BadExpr:
	case *VerifyExpr:
		p.checkTarget(x.X)
	case *IndexExpr:
		id, ok := x.X.(*Ident)
		switch {
		case ok && len(x.Args) == 0 && !x.All && id.Suffix() != '!':
			p.fail(x.Range, notTarget(p.source(x), "name an element, or [ALL]"))
		case ok:
			p.checkVariable(*id)
		}
	case *CallExpr:
		p.checkCallTarget(x)
	default:
		p.fail(x.Span(), notTarget(p.source(x), ""))
	}
}

// checkVariable rejects a name that no variable can have.
func (p *parser) checkVariable(id Ident) {
	if id.Suffix() == 0 && (reservedSet.has(id.Name) || numericSet.has(id.Name)) {
		p.fail(id.Range, reservedName(id.Name, "a variable"))
	}
}

// checkCallTarget accepts a substring of a variable and rejects a method, and a
// substring of anything else.
func (p *parser) checkCallTarget(x *CallExpr) {
	if _, id, ok := x.Method(); ok && id.Suffix() == 0 {
		p.fail(x.Range, notTarget(p.source(x), "a method call has no place on the left of `=`"))
		return
	}
	switch fun := x.Fun.(type) {
	case *CallExpr:
		p.checkCallTarget(fun)
	case *Ident, *HashExpr, *MemberExpr, *IndexExpr, *BadExpr:
	default:
		p.fail(x.Range, notTarget(p.source(x), ""))
	}
}

func (p *parser) source(n Node) string {
	r := n.Span()
	return p.lex.src[r.Start:r.End]
}
