package syntax

// verb reads a statement that starts with the verb.
func (p *parser) verb(w Word) Stmt {
	switch words[w].shape {
	case shapeOwn:
		return p.own(w)
	case shapeBare:
		return p.bare(w)
	case shapeChan:
		return p.channel(w)
	case shapeOutput:
		return p.output(w)
	case shapeInput:
		return p.input(w)
	case shapeJump:
		return p.jump(w)
	}
	return p.arguments(w)
}

// own reads the verbs with a node of their own.
func (p *parser) own(w Word) Stmt {
	switch w {
	case LET:
		start := p.tok.start
		p.advance()
		return p.assignments(start, true, p.postfix(p.primaryTarget()))
	case IF:
		return p.ifStmt()
	case FOR:
		return p.forStmt()
	case CASE:
		return p.caseStmt()
	case ON:
		return p.onStmt()
	case DEF:
		return p.defStmt()
	case USE:
		return p.useStmt()
	case DECLARE:
		return p.declareStmt()
	case CLASS, INTERFACE:
		return p.classDecl(w)
	case METHOD:
		if p.where == inClass {
			return p.methodDecl(false)
		}
		p.fail(p.tok.rng(), notIn(CodeClass, "METHOD", "outside a CLASS", "close the method above with METHODEND, or open a CLASS"))
	case FIELD:
		if p.where == inClass {
			return p.fieldDecl()
		}
		return p.arguments(w)
	}
	return nil
}

// bare reads a verb that nothing follows.
func (p *parser) bare(w Word) Stmt {
	t := p.tok
	p.advance()
	p.open = w == ELSE
	if w == END && p.foreignEnd(t) {
		return nil
	}
	return p.n.verbs.put(VerbStmt{Range: t.rng(), Word: w})
}

// channel reads VERB (channel, options) list.
func (p *parser) channel(w Word) Stmt {
	v := VerbStmt{Word: w}
	start := p.tok.start
	p.advance()
	if p.tok.kind == tLParen {
		v.Parens = true
		v.Chan = p.chanList()
	} else if w != SETTRACE && w != DUMP {
		p.unexpected("`(` after " + w.String())
	}
	switch {
	case w == SELECT:
		v.Args = p.selectArgs()
	case !p.atClose():
		v.Args, v.Comma = p.itemList(nil, p.item)
	}
	v.Range = Range{start, p.prev.end}
	p.checkLists(w, &v)
	return p.n.verbs.put(v)
}

// chanList reads the parentheses after a verb. Any name=value in them is an
// option.
func (p *parser) chanList() []Expr {
	p.advance()
	mark := len(p.stack)
	for p.tok.kind != tRParen && !p.atEnd() {
		p.stack = append(p.stack, p.chanItem())
		if p.tok.kind != tComma {
			break
		}
		p.advance()
		if p.tok.kind == tRParen {
			p.unexpected("an expression after `,`")
		}
	}
	p.expect(tRParen, "`,` or `)`")
	return p.pop(mark)
}

func (p *parser) chanItem() Expr {
	if p.optionHere() {
		return p.option()
	}
	return p.masked()
}

// optionHere reports whether a name without suffix and `=` stand here.
func (p *parser) optionHere() bool {
	if p.tok.kind != tName || p.peekByte() != '=' {
		return false
	}
	switch p.lex.src[p.tok.end-1] {
	case '$', '!', '%', '@':
		return false
	}
	return true
}

// selectArgs reads template{:fields} FROM file {WHERE e} {SORTBY e} {LIMIT a,b}
// as one list.
func (p *parser) selectArgs() []Expr {
	mark := len(p.stack)
	for !p.atClose() {
		p.stack = append(p.stack, p.masked())
		for p.selectWord() || p.tok.kind == tComma {
			p.advance()
		}
		if p.failed {
			break
		}
		if p.prev.kind != tComma && !p.atClose() && !p.prevSelectWord() {
			p.unexpected("FROM, WHERE, SORTBY or LIMIT")
		}
	}
	return p.pop(mark)
}

func (p *parser) selectWord() bool     { return p.tok.kind == tName && isSelectWord(p.text(p.tok)) }
func (p *parser) prevSelectWord() bool { return p.prev.kind == tName && isSelectWord(p.text(p.prev)) }

func isSelectWord(s string) bool {
	return EqualFold(s, "from") || EqualFold(s, "where") || EqualFold(s, "sortby") || EqualFold(s, "limit")
}

// output reads PRINT and WRITE.
func (p *parser) output(w Word) Stmt { return p.io(w, p.item) }

// input reads READ, INPUT, EXTRACT and FIND.
func (p *parser) input(w Word) Stmt { return p.io(w, p.inputItem) }

func (p *parser) io(w Word, item func() Expr) Stmt {
	v := VerbStmt{Word: w, Record: recordVerb(w)}
	start := p.tok.start
	p.advance()
	if p.tok.word == RECORD && p.peekByte() == '(' {
		v.Record = true
		p.advance()
	}
	var first Expr
	if p.tok.kind == tLParen {
		first = p.channelOrExpr(&v)
	}
	if first != nil || !p.atClose() {
		v.Args, v.Comma = p.itemList(first, item)
	}
	v.Range = Range{start, p.prev.end}
	return p.n.verbs.put(v)
}

func recordVerb(w Word) bool {
	switch w {
	case READRECORD, WRITERECORD, PRINTRECORD, INPUTRECORD, EXTRACTRECORD, FINDRECORD:
		return true
	}
	return false
}

// channelOrExpr reads the parenthesis after PRINT: a channel, unless an
// operator follows, as in PRINT (a+b)*2. Then it returns the expression.
func (p *parser) channelOrExpr(v *VerbStmt) Expr {
	start := p.tok.start
	list := p.chanList()
	_, prec := precedence(p.tok)
	if len(list) != 1 || p.tok.kind != tDot && (prec == 0 || prec == 4 || p.starEndsItem()) {
		v.Parens, v.Chan = true, list
		return nil
	}
	x := p.postfix(p.n.parens.put(ParenExpr{Range{start, p.prev.end}, list[0]}))
	return p.binary(x, 1)
}

// itemList reads items separated by commas. A comma at the end keeps the line.
func (p *parser) itemList(first Expr, item func() Expr) (list []Expr, comma bool) {
	mark := len(p.stack)
	if first != nil {
		p.stack = append(p.stack, p.masksOf(first))
	} else if p.tok.kind != tComma {
		p.stack = append(p.stack, item())
	}
	for p.tok.kind == tComma {
		p.advance()
		if p.atClose() {
			comma = true
			break
		}
		p.stack = append(p.stack, item())
	}
	return p.pop(mark), comma
}

func (p *parser) items(item func() Expr) []Expr {
	list, _ := p.itemList(nil, item)
	return list
}

// item reads an item of a list: an expression with or without a mask, an
// option, or *.
func (p *parser) item() Expr {
	if p.tok.kind == tStar {
		return p.star()
	}
	return p.argument(true)
}

func (p *parser) star() Expr {
	t := p.tok
	p.advance()
	return &StarExpr{t.rng()}
}

// inputItem is item, and an expression may have rules to verify it.
func (p *parser) inputItem() Expr {
	if p.tok.kind == tStar {
		return p.star()
	}
	if p.optionHere() && callOpts.has(p.text(p.tok)) {
		return p.option()
	}
	x := p.expr()
	if p.tok.kind != tColon {
		return x
	}
	if p.peekByte() != '(' {
		return p.masksOf(x)
	}
	p.advance()
	rules := p.rules()
	return &VerifyExpr{Range{x.Span().Start, p.prev.end}, x, rules}
}

// rules reads ("Y"=label,LEN=1,5).
func (p *parser) rules() []Expr {
	p.advance()
	mark := len(p.stack)
	for p.tok.kind != tRParen && !p.atEnd() {
		p.stack = append(p.stack, p.rule())
		if p.tok.kind != tComma {
			break
		}
		p.advance()
	}
	p.expect(tRParen, "`,` or `)`")
	return p.pop(mark)
}

func (p *parser) rule() Expr {
	if p.optionHere() && EqualFold(p.text(p.tok), "len") {
		return p.option()
	}
	start := p.tok.start
	x := p.binary(p.unary(), 4) // up to the = before the label
	if p.tok.kind != tEq {
		return x
	}
	p.advance()
	return &Branch{Range{start, p.prev.end}, x, p.label()}
}

// arguments reads a verb and its list.
func (p *parser) arguments(w Word) Stmt {
	v := VerbStmt{Word: w}
	start := p.tok.start
	p.advance()
	if w == TABLE {
		return p.table(start)
	}
	p.lists = takesLists(w)
	if least, _ := w.arity(); least > 0 && p.tok.kind == tComma {
		p.unexpected("an expression")
	}
	if !p.atClose() {
		v.Args, v.Comma = p.itemList(nil, p.argumentItem(w))
	}
	if w == RENAME && p.tok.word == TO {
		p.advance()
		v.Args = append(v.Args, p.items(p.item)...)
	}
	v.Range = Range{start, p.prev.end}
	p.foreignArguments(w, &v)
	p.checkLists(w, &v)
	p.checkTargets(w, &v)
	return p.n.verbs.put(v)
}

// takesLists reports whether the verb has arguments in brackets: the segments
// of a key, and the occurrence of a field.
func takesLists(w Word) bool {
	switch w {
	case MKEYED, VKEYED, XKEYED, JKEYED, SORT, FIELD:
		return true
	}
	return false
}

// table reads TABLE and its bare hexadecimal digits.
func (p *parser) table(start int32) Stmt {
	args := Range{p.tok.start, p.tok.start}
	for !p.atEnd() && isHex(p.text(p.tok)) {
		args.End = p.tok.end
		p.advance()
	}
	if !p.atEnd() {
		p.unexpected("hexadecimal digits after TABLE")
	}
	v := VerbStmt{Range: Range{start, p.prev.end}, Word: TABLE}
	if args.End > args.Start {
		v.Args = p.one(p.n.hexes.put(HexLit{args, p.lex.src[args.Start:args.End]}))
	}
	return p.n.verbs.put(v)
}

// argumentItem returns how an item of the list of a verb is read.
func (p *parser) argumentItem(w Word) func() Expr {
	switch w {
	case DIM, REDIM, IOLIST, DATA:
		return p.item
	case DREAD, ENTER:
		return p.inputItem
	case BEGIN, CLEAR:
		return p.exceptItem
	}
	return p.plainItem
}

// plainItem reads an expression without a mask, or an option.
func (p *parser) plainItem() Expr {
	if p.tok.kind == tName && p.peekByte() == '=' && callOpts.has(p.text(p.tok)) {
		return p.option()
	}
	return p.expr()
}

// exceptItem reads a variable to keep, after EXCEPT.
func (p *parser) exceptItem() Expr {
	if p.tok.word == EXCEPT {
		p.advance()
	}
	return p.expr()
}

// checkLists reports a list that is too short or too long for the verb, or that
// a comma begins or ends.
func (p *parser) checkLists(w Word, v *VerbStmt) {
	least, most := w.arity()
	n := positional(v.Args)
	switch {
	case v.Comma, least > 0 && n == 0, least > n:
		p.unexpected("an expression")
	case most > 0 && n > most:
		p.fail(v.Args[most].Span(), notIn(CodeUnexpected, "a second value", "after "+w.String(), "give it one"))
	case (w == CALLBACK || w == REMOVE_CALLBACK) && len(v.Chan) == 0:
		p.fail(v.Range, expected("an event in the parentheses after "+w.String(), "none"))
	}
}

// positional counts the items that are no options.
func positional(list []Expr) int {
	n := 0
	for _, x := range list {
		if _, ok := x.(*Option); !ok {
			n++
		}
	}
	return n
}

// arity returns how many values the list of the verb has at least, and at most
// where that is a single one. 0 says that nothing is known.
func (w Word) arity() (least, most int) {
	switch w {
	case WHILE, UNTIL, SWITCH:
		return 1, 1
	case RETURN, METHODRET:
		return 0, 1
	case DIM, CALL, THROW, WAIT, EXECUTE, ERASE, MKDIR, RMDIR, SETDAY, SETTIME, XCALL, DROP, CHDIR, INITFILE,
		OPEN, SQLOPEN, SQLPREP:
		return 1, 0
	case RENAME, MKEYED, DIRECT, FIELD, CLIPFROMSTR:
		return 2, 0
	}
	return 0, 0
}

// checkTargets reports what no value can be read into.
func (p *parser) checkTargets(w Word, v *VerbStmt) {
	if w != DREAD && w != ENTER {
		return
	}
	for _, x := range v.Args {
		switch x := x.(type) {
		case *Option, *Ident, *IndexExpr: // names are for a rule
		case *CallExpr:
			if _, ok := x.Function(); ok {
				p.fail(x.Range, notTarget(p.source(x), ""))
			} else {
				p.checkCallTarget(x)
			}
		default:
			p.checkTarget(x)
		}
	}
}

// jump reads a verb with labels.
func (p *parser) jump(w Word) Stmt {
	v := VerbStmt{Word: w}
	start := p.tok.start
	p.advance()
	switch {
	case p.atClose() && (w == RESTORE || w == DELETE):
	case w == SETERR || w == SETESC || w == RESTORE || w == GOTO || w == GOSUB || w == EXITTO:
		v.Args = p.one(p.label())
	default:
		v.Args = p.labels()
	}
	v.Range = Range{start, p.prev.end}
	return p.n.verbs.put(v)
}

func (p *parser) one(x Expr) []Expr {
	p.stack = append(p.stack, x)
	return p.pop(len(p.stack) - 1)
}

// labels reads labels separated by commas; the first may be absent.
func (p *parser) labels() []Expr {
	mark := len(p.stack)
	if p.tok.kind != tComma {
		p.stack = append(p.stack, p.label())
	}
	for p.tok.kind == tComma {
		p.advance()
		if p.atEnd() {
			break
		}
		p.stack = append(p.stack, p.label())
	}
	return p.pop(mark)
}

func (p *parser) ifStmt() Stmt {
	t := p.tok
	p.advance()
	s := IfStmt{Cond: p.expr()}
	if p.tok.word == THEN {
		s.Then = true
		p.advance()
	}
	s.Range = Range{t.start, p.prev.end}
	s.OneLine = !p.atEnd()
	if s.OneLine && p.foreignThen(t) {
		return nil
	}
	p.open = true
	return p.n.ifs.put(s)
}

func (p *parser) forStmt() Stmt {
	t := p.tok
	p.advance()
	if p.foreignFor() {
		return nil
	}
	s := &ForStmt{Var: p.postfix(p.primaryTarget())}
	p.checkTarget(s.Var)
	p.expect(tEq, "`=`")
	s.From = p.expr()
	p.expectWord(TO)
	s.To = p.expr()
	if p.tok.word == STEP {
		p.advance()
		s.Step = p.expr()
	}
	s.Range = Range{t.start, p.prev.end}
	return s
}

func (p *parser) expectWord(w Word) {
	if p.tok.word == w {
		p.advance()
		return
	}
	p.unexpected(w.String())
}

func (p *parser) caseStmt() Stmt {
	t := p.tok
	s := &CaseStmt{}
	p.advance()
	if p.tok.word == DEFAULT && p.endsAfter() {
		s.Default = true
		p.advance()
	} else {
		s.X = p.expr()
	}
	s.Range = Range{t.start, p.prev.end}
	if p.tok.kind == tColon {
		p.fail(p.tok.rng(), notIn(CodeUnexpected, "`:`", "after CASE", "leave it out"))
	}
	return s
}

// endsAfter reports whether the statement ends after the token at hand.
func (p *parser) endsAfter() bool {
	switch p.peek().kind {
	case tEOF, tEOL, tSemi, tRem, tColon:
		return true
	}
	return false
}

func (p *parser) onStmt() Stmt {
	t := p.tok
	p.advance()
	s := &OnStmt{X: p.expr(), Jump: p.tok.word}
	if s.Jump != GOTO && s.Jump != GOSUB {
		p.unexpected("GOTO or GOSUB")
		return nil
	}
	p.advance()
	s.Targets = p.labels()
	s.Range = Range{t.start, p.prev.end}
	return s
}

func (p *parser) defStmt() Stmt {
	t := p.tok
	p.advance()
	s := &DefStmt{}
	if p.tok.kind == tName && !(Ident{Name: p.text(p.tok)}).IsFN() {
		p.fail(p.tok.rng(), foreign(CodeFunction, "a function called "+quote(p.text(p.tok)),
			"the name of a DEF function starts with FN, as in DEF FNTOTAL(a,b)=a+b"))
		return nil
	}
	s.Name = p.ident()
	if p.tok.kind == tLParen {
		p.advance()
		for p.tok.kind == tName {
			s.Params = append(s.Params, p.ident())
			p.checkVariable(s.Params[len(s.Params)-1])
			if p.tok.kind != tComma {
				break
			}
			p.advance()
		}
		p.expect(tRParen, "`,` or `)`")
	}
	if p.tok.kind == tEq {
		p.advance()
		s.Value = p.expr()
	}
	s.Range = Range{t.start, p.prev.end}
	return s
}
