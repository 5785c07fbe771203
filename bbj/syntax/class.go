package syntax

func (p *parser) useStmt() Stmt {
	t := p.tok
	p.advance()
	s := &UseStmt{Type: p.typeName()}
	s.Range = Range{t.start, p.prev.end}
	return s
}

func (p *parser) declareStmt() Stmt {
	t := p.tok
	p.advance()
	s := &DeclareStmt{}
	if EqualFold(p.text(p.tok), "auto") && p.peekByte() != 0 {
		if k := p.peek().kind; k == tName || k == tPath {
			s.Auto = true
			p.advance()
		}
	}
	s.Type = p.typeRef()
	s.Name = p.declaredName(&s.Type)
	p.checkVariable(s.Name)
	s.Range = Range{t.start, p.prev.end}
	if p.tok.kind == tEq {
		p.fail(p.tok.rng(), notIn(CodeDeclaration, "a value", "in DECLARE", "assign it in a statement of its own"))
	}
	return s
}

// declaredName reads a name and the brackets that may follow it.
func (p *parser) declaredName(t *TypeRef) Ident {
	id := p.ident()
	for p.tok.kind == tLBrack {
		p.advance()
		if p.tok.word == ALL {
			p.advance()
		}
		p.expect(tRBrack, "`]`")
		t.Dims++
	}
	return id
}

// isModifier reports whether the word is one that visibility reads.
func (w Word) isModifier() bool {
	return w == PUBLIC || w == PRIVATE || w == PROTECTED || w == STATIC
}

// visibility reads PUBLIC, PRIVATE, PROTECTED and STATIC in any order.
func (p *parser) visibility() (vis Word, static bool) {
	for {
		switch w := p.tok.word; w {
		case PUBLIC, PRIVATE, PROTECTED:
			vis = w
		case STATIC:
			static = true
		default:
			return vis, static
		}
		p.advance()
	}
}

// startsClass reports whether the CLASS at hand opens a class.
func (p *parser) startsClass() bool { return p.peek().kind == tName }

// startsMember reports whether the METHOD or FIELD at hand opens a member.
func (p *parser) startsMember() bool {
	k := p.peek().kind
	return k == tName || k == tPath
}

func (p *parser) classDecl(w Word) Stmt {
	t := p.tok
	if p.where != inProgram {
		p.fail(t.rng(), notIn(CodeClass, w.String(), "inside a CLASS", "close the class above first"))
		return nil
	}
	p.advance()
	return p.classFrom(t, w)
}

// classFrom reads a class from behind its first word, which is t.
func (p *parser) classFrom(t token, w Word) Stmt {
	c := &ClassDecl{Interface: w == INTERFACE}
	level := p.braces
	c.Visibility, c.Static = p.visibility()
	c.Name = p.ident()
	if p.tok.word == EXTENDS {
		c.Extends = p.types()
	}
	if p.tok.word == IMPLEMENTS {
		c.Implements = p.types()
	}
	c.Head = Range{t.start, p.prev.end}
	if !p.atEnd() {
		p.unexpected("the end of the statement")
	}
	p.classEnd = p.braceEnd(level)
	p.members(c, w, p.failed)
	c.Range = Range{t.start, p.prev.end}
	p.failed, p.open = false, false
	return c
}

func (p *parser) types() []TypeRef {
	var list []TypeRef
	for first := true; first || p.tok.kind == tComma; first = false {
		p.advance()
		list = append(list, p.typeName())
	}
	return list
}

// members reads what stands between CLASS and CLASSEND. Where the first line is
// broken, its end is not missed.
func (p *parser) members(c *ClassDecl, w Word, broken bool) {
	end := CLASSEND
	if c.Interface {
		end = INTERFACEEND
	}
	p.where = inClass
	mark := len(p.stmts)
	for p.tok.kind != tEOF && p.tok.word != CLASSEND && p.tok.word != INTERFACEEND && p.closed == NoWord {
		p.member(c.Interface)
	}
	c.Members = append([]Stmt(nil), p.stmts[mark:]...)
	p.stmts = p.stmts[:mark]
	p.where = inProgram
	if p.closed != NoWord {
		p.closed = NoWord
		return
	}
	if p.tok.word == end {
		p.advance()
		return
	}
	if !broken && !p.cut {
		p.report(c.Head, unclosed(w.String(), end.String()))
	}
	if p.tok.kind == tName {
		p.advance()
	}
}

func (p *parser) member(isInterface bool) {
	p.failed, p.open, p.depth = false, false, 0
	start := p.tok
	var s Stmt
	switch {
	case p.tok.kind == tEOL || p.tok.kind == tSemi:
		p.advance()
		return
	case p.tok.kind == tNumber && p.tok.first:
		p.lineNumber()
		return
	case p.tok.kind == tRem:
		s = p.stmt()
	case p.tok.word == METHOD:
		s = p.methodDecl(isInterface)
	case p.tok.word == FIELD && !isInterface:
		s = p.fieldDecl()
	case p.tok.word == DECLARE || p.tok.word == USE:
		s = p.own(p.tok.word)
	case p.tok.word == END:
		s = p.bare(END)
		if !p.failed {
			p.fail(start.rng(), notIn(CodeClass, "END", "between the members of a class", "close the class with CLASSEND"))
		}
	case p.tok.word == METHODEND:
		// The end of a METHOD whose first line is broken.
		s = p.bare(METHODEND)
	default:
		s = p.notMember(isInterface)
	}
	if s == nil || p.failed {
		s = p.orBad(s, start)
	}
	p.stmts = append(p.stmts, s)
	if !p.failed && !p.atEnd() && !p.tok.first {
		p.unexpected("the end of the statement")
	}
}

func (p *parser) fieldDecl() Stmt {
	t := p.tok
	p.advance()
	f := &FieldDecl{}
	f.Visibility, f.Static = p.visibility()
	f.Type = p.typeRef()
	f.Name = p.declaredName(&f.Type)
	if p.tok.kind == tEq {
		p.advance()
		f.Value = p.expr()
	}
	f.Range = Range{t.start, p.prev.end}
	return f
}

// methodDecl reads a method with its body, in an interface the line alone.
func (p *parser) methodDecl(headOnly bool) Stmt {
	t, level := p.tok, p.braces
	p.advance()
	m := &MethodDecl{}
	m.Visibility, m.Static = p.visibility()
	m.Type = p.typeRef()
	if p.tok.kind == tLParen { // a constructor, or no type
		m.Name = Ident{m.Type.Range, m.Type.Name}
		m.Type = TypeRef{}
	} else {
		m.Name = p.ident()
	}
	p.params(m)
	m.Head = Range{t.start, p.prev.end}
	if !p.failed && !p.atEnd() {
		p.unexpected("the end of the statement")
	}
	m.Range = m.Head
	if headOnly {
		m.Abstract = true
		return m
	}
	p.methodEnd = p.braceEnd(level)
	p.body(m, p.failed)
	m.Range = Range{t.start, p.prev.end}
	return m
}

func (p *parser) params(m *MethodDecl) {
	if p.tok.kind != tLParen {
		p.unexpected("`(` after the name of the method")
		return
	}
	p.advance()
	for p.tok.kind != tRParen {
		a := Param{Range: p.tok.rng()}
		a.Type = p.typeRef()
		dims := a.Type.Dims
		a.Name = p.declaredName(&a.Type)
		p.checkVariable(a.Name)
		a.Array = a.Type.Dims > dims
		a.End = p.prev.end
		if p.failed {
			return
		}
		m.Params = append(m.Params, a)
		if p.tok.kind != tComma {
			break
		}
		p.advance()
	}
	p.expect(tRParen, "`,` or `)`")
}

func (p *parser) body(m *MethodDecl, broken bool) {
	p.where = inMethod
	m.Body = p.block(METHODEND)
	p.where = inClass
	p.failed, p.open = false, false
	if p.closed == METHODEND {
		p.closed = NoWord
		return
	}
	if p.tok.word == METHODEND {
		p.advance()
		return
	}
	if !broken && !p.cut {
		p.report(m.Head, unclosed("METHOD "+m.Name.Name, "METHODEND"))
	}
}
