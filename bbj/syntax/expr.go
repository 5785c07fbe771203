package syntax

// The limits of an expression. A tree that obeys them can be walked by
// recursion without fear for the stack.
const (
	maxDepth  = 400   // of parentheses, arguments and unary operators
	maxHeight = 10000 // of the tree, which long chains of operators make high
)

// precedence returns how strongly a binary operator binds, 0 for other tokens.
func precedence(t token) (Op, int) {
	switch t.kind {
	case tEq:
		return Eq, 3
	case tNe:
		return Ne, 3
	case tLt:
		return Lt, 3
	case tLe:
		return Le, 3
	case tGt:
		return Gt, 3
	case tGe:
		return Ge, 3
	case tPlus:
		return Add, 4
	case tMinus:
		return Sub, 4
	case tStar:
		return Mul, 5
	case tSlash:
		return Div, 5
	case tCaret, tStarStar:
		return Pow, 6
	case tName:
		switch t.word {
		case OR:
			return Or, 1
		case AND:
			return And, 2
		}
	}
	return NoOp, 0
}

// expr reads an expression.
func (p *parser) expr() Expr { return p.binary(p.unary(), 1) }

// binary reads the operators that bind at least as strongly as min, and what
// they join to x.
func (p *parser) binary(x Expr, min int) Expr {
	for {
		op, prec := precedence(p.tok)
		if prec < min || p.starEndsItem() {
			return x
		}
		height := p.height
		p.advance()
		y := p.unary()
		for {
			if _, next := precedence(p.tok); next <= prec || p.starEndsItem() {
				break
			}
			y = p.binary(y, prec+1)
		}
		p.grow(height)
		x = p.n.binaries.put(BinaryExpr{Range{x.Span().Start, p.prev.end}, op, x, y})
	}
}

// starEndsItem reports whether the * at hand is the null item of a list and no
// operator: READ (1)*,a$.
func (p *parser) starEndsItem() bool {
	if p.tok.kind != tStar {
		return false
	}
	switch p.peek().kind {
	case tComma, tEOL, tEOF, tSemi:
		return true
	}
	return false
}

// grow sets the height of a node from the height of its last part and of the
// highest part before it.
func (p *parser) grow(height int) {
	p.height = max(height, p.height) + 1
	if p.height > maxHeight {
		p.failDeep()
	}
}

func (p *parser) failDeep() {
	p.fail(p.tok.rng(), message{code: CodeTooDeep, text: "expression is nested too deeply",
		help: "split it into several assignments"})
}

func (p *parser) unary() Expr {
	op := NoOp
	switch p.tok.kind {
	case tMinus:
		op = Sub
	case tPlus:
		op = Add
	case tBang:
		op = Not
	default:
		return p.postfix(p.primary())
	}
	start := p.tok.start
	p.advance()
	p.enter()
	x := p.unary()
	p.depth--
	p.grow(0)
	return p.n.unaries.put(UnaryExpr{Range{start, p.prev.end}, op, x})
}

// enter counts a level of nesting; the caller takes it back.
func (p *parser) enter() {
	p.depth++
	if p.depth > maxDepth {
		p.failDeep()
	}
}

// nested reads an expression one level deeper.
func (p *parser) nested() Expr {
	p.enter()
	x := p.expr()
	p.depth--
	return x
}

func (p *parser) primary() Expr {
	t := p.tok
	p.height = 1
	switch t.kind {
	case tName:
		return p.nameExpr()
	case tNumber:
		p.advance()
		return p.n.numbers.put(NumberLit{t.rng(), p.text(t)})
	case tString:
		p.advance()
		return p.n.strings.put(StringLit{t.rng(), p.text(t)})
	case tHex:
		p.advance()
		return p.n.hexes.put(HexLit{t.rng(), p.text(t)})
	case tMnemonic:
		p.advance()
		return p.mnemonic(t.start, p.lex.src[t.start+1:t.end-1])
	case tAt:
		p.advance()
		if p.tok.kind == tLParen {
			return p.mnemonic(t.start, "@")
		}
	case tPath:
		return p.typeExpr()
	case tHash:
		if next := p.peek(); next.kind == tName && next.start == t.end {
			p.advance()
			id := p.ident()
			return p.n.hashes.put(HashExpr{Range{t.start, p.prev.end}, id})
		}
	case tLParen:
		p.advance()
		x := p.nested()
		p.expect(tRParen, "`)`")
		p.grow(0)
		return p.n.parens.put(ParenExpr{Range{t.start, p.prev.end}, x})
	}
	if t.kind == tLBrack && p.lists {
		args, height := p.list(tRBrack, "`]`", false)
		p.height = height + 1
		return &IndexExpr{Range{t.start, p.prev.end}, &BadExpr{Range{t.start, t.start}}, false, args}
	}
	p.unexpected("an expression")
	return p.bad(t)
}

func (p *parser) bad(t token) Expr {
	return &BadExpr{Range{t.start, max(t.start, p.prev.end)}}
}

// nameExpr reads a name, NEW, or CAST.
func (p *parser) nameExpr() Expr {
	t := p.tok
	switch {
	case t.word == NEW:
		return p.newExpr()
	case t.word == THEN || t.word == ELSE || t.word == FI || t.word == ENDIF:
		p.unexpected("an expression")
		return p.bad(t)
	case t.end-t.start == 4 && EqualFold(p.text(t), "cast") && p.peekByte() == '(':
		return p.cast()
	}
	p.advance()
	id := Ident{t.rng(), p.text(t)}
	p.checkValueName(t, id)
	return p.n.idents.put(id)
}

// checkValueName rejects a reserved word used as a value. The variables of the
// system are values, and before a dot or a parenthesis stands the name of a
// class or of a function.
func (p *parser) checkValueName(t token, id Ident) {
	if t.end-t.start < 2 || id.Suffix() != 0 || p.tok.kind == tDot || p.tok.kind == tLParen {
		return
	}
	if systemSet.has(id.Name) {
		return
	}
	if reservedSet.has(id.Name) || numericSet.has(id.Name) {
		p.fail(t.rng(), reservedName(id.Name, "a variable"))
	}
}

// mnemonic reads the arguments that may follow.
func (p *parser) mnemonic(start int32, name string) Expr {
	var args []Expr
	height := 0
	if p.tok.kind == tLParen {
		args, height = p.args(true)
	}
	p.height = height + 1
	return p.n.mnemos.put(Mnemonic{Range{start, p.prev.end}, name, args})
}

func (p *parser) typeExpr() Expr {
	t := p.typeRef()
	return &TypeExpr{t}
}

// newExpr reads new T(args) and new T[args].
func (p *parser) newExpr() Expr {
	start := p.tok.start
	if k := p.peek().kind; k != tName && k != tPath {
		p.fail(p.tok.rng(), reservedName("new", "a variable"))
		return p.bad(p.tok)
	}
	p.advance()
	n := &NewExpr{Type: p.typeName()}
	height := 0
	switch p.tok.kind {
	case tLParen:
		n.Args, height = p.args(true)
	case tLBrack:
		n.Array = true
		n.Args, height = p.list(tRBrack, "`]`", false)
		for p.tok.kind == tLBrack { // new T[2][3]
			p.list(tRBrack, "`]`", false)
		}
	case tLt:
		p.fail(p.tok.rng(), foreign(CodeDeclaration, "a type in angle brackets", "leave it out"))
	default:
		p.unexpected("`(` after the class of NEW")
	}
	n.Range = Range{start, p.prev.end}
	p.height = height + 1
	return n
}

// cast reads CAST(type, value).
func (p *parser) cast() Expr {
	start := p.tok.start
	fun := p.n.idents.put(p.ident())
	p.advance() // (
	mark := len(p.stack)
	p.stack = append(p.stack, p.typeExpr())
	height := 0
	for p.tok.kind == tComma {
		p.advance()
		p.stack = append(p.stack, p.argument(true))
		height = max(height, p.height)
	}
	p.expect(tRParen, "`)`")
	p.height = height + 1
	return p.n.calls.put(CallExpr{Range{start, p.prev.end}, fun, p.pop(mark)})
}

// postfix reads what follows a value: members, arguments, indexes.
func (p *parser) postfix(x Expr) Expr {
	start := x.Span().Start
	for {
		height := p.height
		switch p.tok.kind {
		case tDot:
			p.advance()
			if p.tok.kind != tName {
				p.unexpected("a name after `.`")
				return x
			}
			id := p.ident()
			p.grow(height)
			x = p.n.members.put(MemberExpr{Range{start, p.prev.end}, x, id})
		case tLParen:
			if !callable(x) {
				return x
			}
			_, function := x.(*Ident)
			args, h := p.args(!function)
			p.height = h
			p.grow(height)
			x = p.n.calls.put(CallExpr{Range{start, p.prev.end}, x, args})
		case tLBrack:
			if !callable(x) {
				return x
			}
			ix := IndexExpr{X: x}
			h := 0
			if t := p.peek(); t.word == ALL && p.after(t).kind == tRBrack {
				p.advance()
				p.advance()
				p.advance()
				ix.All = true
			} else {
				ix.Args, h = p.list(tRBrack, "`]`", false)
			}
			p.height = h
			p.grow(height)
			ix.Range = Range{start, p.prev.end}
			x = p.n.indexes.put(ix)
		default:
			return x
		}
	}
}

// callable reports whether parentheses or brackets after the value belong to
// it.
func callable(x Expr) bool {
	switch x.(type) {
	case *NumberLit, *BadExpr:
		return false
	}
	return true
}

// args reads a list of arguments in parentheses. options reports whether the
// first may be an option; later ones always may.
func (p *parser) args(options bool) ([]Expr, int) { return p.list(tRParen, "`)`", options) }

// list reads arguments up to the closing token.
func (p *parser) list(end kind, what string, options bool) ([]Expr, int) {
	p.advance()
	if p.tok.kind == end {
		p.advance()
		return nil, 0
	}
	mark, height := len(p.stack), 0
	p.enter()
	for {
		p.stack = append(p.stack, p.argument(options))
		height = max(height, p.height)
		if p.tok.kind != tComma {
			break
		}
		p.advance()
		options = true
	}
	p.depth--
	p.expect(end, "`,` or "+what)
	return p.pop(mark), height
}

// pop returns what was pushed onto the stack since the mark.
func (p *parser) pop(mark int) []Expr {
	out := p.n.exprs.copy(p.stack[mark:])
	p.stack = p.stack[:mark]
	return out
}

// argument reads an option, or an expression perhaps with a mask.
func (p *parser) argument(options bool) Expr {
	if options && p.tok.kind == tName && p.peekByte() == '=' && callOpts.has(p.text(p.tok)) {
		return p.option()
	}
	return p.masked()
}

// masked reads an expression and the masks that may follow it.
func (p *parser) masked() Expr { return p.masksOf(p.expr()) }

// masksOf reads the masks after an expression.
func (p *parser) masksOf(x Expr) Expr {
	for p.tok.kind == tColon {
		height := p.height
		p.advance()
		y := p.expr()
		p.grow(height)
		x = p.n.colons.put(ColonExpr{Range{x.Span().Start, p.prev.end}, x, y})
	}
	return x
}

// option reads name=value.
func (p *parser) option() Expr {
	start := p.tok.start
	id := p.ident()
	p.advance() // =
	var value Expr
	switch {
	case p.tok.kind == tStar:
		value = p.label()
	case labelOpts.has(id.Name) && p.labelAhead():
		value = p.label()
	default:
		value = p.expr()
	}
	return p.n.options.put(Option{Range{start, p.prev.end}, id, value})
}

// labelAhead reports whether a bare name or number stands before the end of
// the item.
func (p *parser) labelAhead() bool {
	if p.tok.kind != tName && p.tok.kind != tNumber {
		return false
	}
	switch t := p.peek(); t.kind {
	case tComma, tRParen, tSemi, tEOL, tEOF, tRem:
		return true
	case tName:
		return t.word == ELSE || t.word == FI || t.word == ENDIF
	}
	return false
}

// label reads a label, a line number or a symbolic label.
func (p *parser) label() Expr {
	t := p.tok
	switch t.kind {
	case tStar:
		p.advance()
		if p.tok.kind == tName {
			name := "*" + p.text(p.tok)
			r := Range{t.start, p.tok.end}
			p.advance()
			if !symbolicSet.has(name) {
				p.fail(r, unknownSymbolic(name))
			}
			return p.n.labels.put(LabelRef{r, name})
		}
	case tName:
		p.advance()
		id := Ident{t.rng(), p.text(t)}
		if reservedSet.has(id.Name) {
			p.fail(t.rng(), reservedName(id.Name, "a label"))
		}
		if id.Suffix() != 0 {
			p.fail(t.rng(), expected("a label", quote(id.Name)))
		}
		return p.n.labels.put(LabelRef{t.rng(), id.Name})
	case tNumber:
		p.advance()
		return p.n.labels.put(LabelRef{t.rng(), p.text(t)})
	}
	p.unexpected("a label")
	return p.bad(t)
}

// typeName reads a class without []: dotted, with a path, or with an @.
func (p *parser) typeName() TypeRef {
	t := TypeRef{Range: p.tok.rng()}
	if p.tok.kind == tPath {
		t.Path = p.lex.src[p.tok.start+2 : p.tok.end-2]
		p.advance()
	}
	if p.tok.kind != tName {
		p.unexpected("the name of a class")
		return t
	}
	start := p.tok.start
	p.advance()
	for p.tok.kind == tDot && p.peek().kind == tName && t.Path == "" {
		p.advance()
		p.advance()
	}
	// Before a parenthesis the lexer takes the @ of a client class for @(x,y).
	if p.tok.kind == tAt && p.tok.start == p.prev.end {
		p.advance()
	}
	// A nested Java class is written with a dollar sign: Map$Entry.
	for p.lex.src[p.prev.end-1] == '$' && p.tok.kind == tName && p.tok.start == p.prev.end {
		p.advance()
	}
	t.Name = p.lex.src[start:p.prev.end]
	t.End = p.prev.end
	return t
}

// typeRef reads a class and its [].
func (p *parser) typeRef() TypeRef {
	t := p.typeName()
	for p.tok.kind == tLBrack && p.peek().kind == tRBrack {
		p.advance()
		p.advance()
		t.Dims++
		t.End = p.prev.end
	}
	return t
}
