package syntax

import (
	"strings"

	"bbjtune/internal/nearest"
)

// This file names the forms of other languages that programs hold by mistake.
// None of it is looked at while a program is right.

func reservedName(name, as string) message {
	return message{code: CodeReserved, text: strings.ToUpper(name) + " is reserved and cannot be the name of " + as,
		help: "choose another name"}
}

func notTarget(source, help string) message {
	return message{code: CodeTarget, text: quote(source) + " cannot be assigned to", help: help}
}

func unknownSymbolic(name string) message {
	m := message{code: CodeUnexpected, text: quote(name) + " is no symbolic label"}
	if near := nearest.Name(name, symbolicLabels[:]); near != "" {
		m.help = "did you mean " + near + "?"
	}
	return m
}

// unexpected reports the token at hand, naming what it is if another language
// has it.
func (p *parser) unexpected(what string) {
	if p.failed {
		return
	}
	m, r, ok := p.foreignToken()
	if !ok {
		p.fail(p.tok.rng(), expected(what, p.describe(p.tok)))
		return
	}
	p.failForeign(m, r)
}

// failForeign reports a form of another language, and skips what belongs to it:
// a comment may hold anything.
func (p *parser) failForeign(m message, r Range) {
	t := p.tok
	p.fail(r, m)
	switch rest := p.lex.src[r.Start:]; {
	case strings.HasPrefix(rest, "/*"):
		p.skipBlockComment(t, r)
	case m.code == CodeComment, rest[:1] == "'" && !closesQuote(rest[1:]):
		p.skipLine()
	case m.code == CodeBrace:
		p.skipLine()
		p.closeBrace()
	}
}

// closesQuote reports whether a quote follows on the same line.
func closesQuote(s string) bool {
	i := strings.IndexAny(s, "'\n")
	return i >= 0 && s[i] == '\''
}

// skipLine moves to the end of the logical line.
func (p *parser) skipLine() {
	for p.tok.kind != tEOL && p.tok.kind != tEOF {
		p.skip()
	}
}

// skip moves on by a token that is not understood, and counts foreign braces.
func (p *parser) skip() {
	if p.tok.kind == tBad {
		switch p.lex.src[p.tok.start] {
		case '{':
			p.braces++
		case '}':
			p.braces--
		}
	}
	p.advance()
}

// closeBrace lets the last brace close the method or class that one opened.
func (p *parser) closeBrace() {
	tooMany := p.braces < 0
	p.braces = max(p.braces, 0)
	switch {
	case p.where == inMethod && p.braces <= p.methodEnd:
		p.closed = METHODEND
	case p.where == inClass && (p.braces <= p.classEnd || tooMany && !p.memberAhead()):
		p.closed = CLASSEND
	}
}

// braceEnd returns how many braces are open where the block ends whose first
// line is read: as many as before it, or never so few if it opened none.
func (p *parser) braceEnd(before int) int {
	if p.braces > before {
		return before
	}
	return -1
}

// memberAhead reports whether the next line holds what only stands in a class.
func (p *parser) memberAhead() bool {
	l := p.lex
	for {
		switch t := l.next(); t.kind {
		case tEOL, tSemi, tRem:
		default:
			return t.word == METHOD || t.word == FIELD || t.word == CLASSEND || t.word == INTERFACEEND
		}
	}
}

// skipBlockComment moves behind a /* */ that the finding starts at, so that it
// gives one finding.
func (p *parser) skipBlockComment(t token, r Range) {
	n := strings.Index(p.lex.src[r.Start:], "*/")
	if n < 0 {
		p.lex.pos, p.cut = int32(len(p.lex.src)), true
	} else {
		p.lex.pos = r.Start + int32(n) + 2
	}
	if p.lex.pos < t.end {
		return
	}
	p.lex.prev = tEOL
	p.advance()
	if p.tok.kind != tEOL && p.tok.kind != tEOF {
		p.skipStatement()
	}
}

// foreignToken names the token at hand from the bytes around it.
func (p *parser) foreignToken() (m message, r Range, ok bool) {
	t := p.tok
	r = t.rng()
	rest := p.lex.src[t.start:]
	has := func(s string) bool { return strings.HasPrefix(rest, s) }
	// The second of two operators: x ==, x ++, a // b.
	if t.kind != tEOL && p.prev.end == t.start && t.start > 0 {
		pair := p.lex.src[p.prev.start:t.end]
		if m, ok := foreignOperator(pair); ok {
			return m, Range{p.prev.start, t.end}, true
		}
	}
	if m, r, ok := p.foreignAfter(t); ok {
		return m, r, true
	}
	switch {
	case t.kind == tRem:
		return message{code: CodeTrailingRem, text: "REM after a statement needs a `;` before it",
			help: "write `; rem`"}, r, true
	case t.kind == tBadString:
		return p.badString(t), r, true
	case has("//"), has("/*"), has("--"):
		m, ok = foreignOperator(rest[:2])
		return m, Range{t.start, t.start + 2}, ok
	case t.kind == tHash:
		return notComment("#"), r, true
	case has("*/"):
		return notComment("*/"), r, true
	case t.kind == tQuestion:
		return foreign(CodeTernary, "`? :`", "write IFF(condition,a,b)"), r, true
	case has("{"), has("}"):
		return foreign(CodeBrace, quote(rest[:1]), "blocks end with a word: ENDIF, WEND, NEXT, METHODEND"), r, true
	case has("["):
		return foreign(CodeArrayLiteral, "a list in brackets", "DIM the array and assign its elements, or fill a BBjVector"), r, true
	case has("\\"):
		return p.backslash(), r, true
	case has("`"), has("'"):
		return p.foreignQuote(rest), r, true
	}
	if len(rest) > 1 {
		if m, ok := foreignOperator(rest[:2]); ok {
			return m, Range{t.start, t.start + 2}, true
		}
	}
	if t.kind == tBad {
		return p.badByte(rest), r, true
	}
	return message{}, r, false
}

// foreignAfter names the token from the one before it.
func (p *parser) foreignAfter(t token) (m message, r Range, ok bool) {
	before := p.text(p.prev)
	joined := p.prev.end == t.start
	switch {
	case t.kind == tString && joined && p.prev.kind == tName && len(before) == 1:
		return foreign(CodeForeignString, "a prefix before a string", "join the parts with `+`"), Range{p.prev.start, t.end}, true
	case p.prev.kind == tString && joined && strings.HasSuffix(before, "\\\""):
		return foreign(CodeForeignString, "`\\\"`", "a quote in a string is doubled: `\"\"`"), Range{p.prev.end - 2, p.prev.end}, true
	case t.kind == tName && EqualFold(p.text(t), "do"):
		return foreign(CodeLoop, "DO after the head of a loop", "leave it out"), t.rng(), true
	case p.prev.kind == tName && EqualFold(before, "not"):
		return foreign(CodeOperator, "NOT without parentheses", "write NOT(x) or !x"), p.prev.rng(), true
	}
	return message{}, Range{}, false
}

// foreignOperator names two bytes that are an operator or comment elsewhere.
func foreignOperator(s string) (message, bool) {
	switch s {
	case "//", "/*":
		return notComment(s), true
	case "--":
		return foreign(CodeOperator, "`--`", "write x=x-1, or REM for a comment"), true
	case "++":
		return foreign(CodeOperator, "`++`", "write x=x+1"), true
	case "+=", "-=", "*=", "/=":
		return foreign(CodeOperator, "`"+s+"`", "write x=x"+s[:1]+"y"), true
	case "==":
		return foreign(CodeOperator, "`==`", "write `=`"), true
	case "!=":
		return foreign(CodeOperator, "`!=`", "write `<>`"), true
	case "&&":
		return foreign(CodeOperator, "`&&`", "write AND"), true
	case "||":
		return foreign(CodeOperator, "`||`", "write OR"), true
	case "->":
		return foreign(CodeLambda, "`->`", "write a METHOD, or a label for the callback"), true
	}
	return message{}, false
}

// foreignArguments names a list that only another language has after the word.
func (p *parser) foreignArguments(w Word, v *VerbStmt) {
	switch w {
	case DIM:
		if p.tok.kind == tName && EqualFold(p.text(p.tok), "as") {
			p.fail(p.tok.rng(), foreign(CodeDeclaration, "DIM … AS", "assign the variable, or write DECLARE type name!"))
		}
		for _, x := range v.Args {
			if isComparison(x) {
				p.fail(x.Span(), foreign(CodeDeclaration, "DIM with a value", "assign it in a statement of its own"))
			}
		}
	case STRING:
		if len(v.Args) == 1 && isComparison(v.Args[0]) {
			p.fail(v.Range, foreign(CodeDeclaration, "`string` as a declaration", "assign the variable, or write DECLARE type name!"))
		}
	}
}

func isComparison(x Expr) bool {
	b, ok := x.(*BinaryExpr)
	return ok && b.Op == Eq
}

func (p *parser) badString(t token) message {
	m := message{code: CodeString, text: "string has no closing quote on its line", help: "close it with `\"`"}
	if strings.Contains(p.text(t), `\"`) {
		m.help = "a quote in a string is doubled: `\"\"`"
	}
	return m
}

func (p *parser) backslash() message {
	return foreign(CodeForeignString, "a backslash outside a string", "a quote in a string is doubled: `\"\"`")
}

func (p *parser) foreignQuote(rest string) message {
	if rest[0] == '`' {
		return foreign(CodeForeignString, "a string in backquotes", "write it in double quotes and join with `+`")
	}
	return foreign(CodeForeignString, "a string in single quotes", "write it in double quotes; single quotes hold mnemonics")
}

// badByte describes a byte that starts no token.
func (p *parser) badByte(rest string) message {
	help := ""
	switch {
	case rest[0] == '%':
		return foreign(CodeOperator, "`%`", "write MOD(a,b)")
	case rest[0] == '&' || rest[0] == '|' || rest[0] == '~':
		return foreign(CodeOperator, quote(rest[:1]), "write AND, OR or NOT(…); to join strings write `+`")
	case strings.HasPrefix(rest, "\u201c"), strings.HasPrefix(rest, "\u201d"):
		help = "typographic quotes are not quotes: write `\"`"
	case rest[0] < 0x20:
		return message{code: CodeCharacter, text: "control character in the source", help: "remove it"}
	}
	return message{code: CodeCharacter, text: "character " + quote(firstRune(rest)) + " has no meaning here", help: help}
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

// foreignEnd reports END IF, END SUB and the like. END is read already.
func (p *parser) foreignEnd(end token) bool {
	if p.tok.kind != tName {
		return false
	}
	word, help := strings.ToLower(p.text(p.tok)), ""
	switch word {
	case "if":
		help = "write ENDIF"
	case "while":
		help = "write WEND"
	case "for":
		help = "write NEXT"
	case "switch", "select":
		help = "write SWEND"
	case "method":
		help = "write METHODEND"
		p.closeWith(METHODEND, p.where == inMethod)
	case "class":
		help = "write CLASSEND"
		p.closeWith(CLASSEND, p.where != inProgram)
	case "interface":
		help = "write INTERFACEEND"
		p.closeWith(INTERFACEEND, p.where != inProgram)
	case "function", "def", "sub", "procedure":
		p.closeWith(METHODEND, p.where == inMethod && word != "def")
		help = "write FNEND after DEF FN, METHODEND after METHOD, RETURN after GOSUB"
	case "try":
		help = "branch on errors with ERR=label or SETERR"
	default:
		return false
	}
	p.fail(Range{end.start, p.tok.end}, foreign(CodeBlockEnd, quote("END "+strings.ToUpper(word)), help))
	return true
}

// closeWith lets a foreign end close what it means to close, so that the block
// is not reported as open too.
func (p *parser) closeWith(w Word, open bool) {
	if open {
		p.closed = w
	}
}

// closeLike lets a word that is meant as the end of a method or class close it.
func (p *parser) closeLike(word string) {
	switch word {
	case "endmethod", "endsub", "endfunction", "endprocedure":
		p.closeWith(METHODEND, p.where == inMethod)
		return
	case "endclass":
		p.closeWith(CLASSEND, p.where != inProgram)
		return
	}
	if LookupWord(word) != NoWord {
		return
	}
	switch nearestVerb(word) {
	case METHODEND.String():
		p.closeWith(METHODEND, p.where == inMethod)
	case CLASSEND.String():
		p.closeWith(CLASSEND, p.where != inProgram)
	case INTERFACEEND.String():
		p.closeWith(INTERFACEEND, p.where != inProgram)
	}
}

// foreignThen reports IF cond: and IF cond {. The condition is read already.
func (p *parser) foreignThen(t token) bool {
	if p.prev.kind == tName && EqualFold(p.text(p.prev), "not") {
		p.unexpected("THEN")
		return true
	}
	if p.tok.kind == tColon {
		p.fail(p.tok.rng(), foreign(CodeUnexpected, "`:` after the condition of IF", "write THEN"))
		return true
	}
	return false
}

// foreignFor reports FOR (i=0;…), FOR EACH and FOR x IN list.
func (p *parser) foreignFor() bool {
	next := p.peek()
	each := p.tok.kind == tName && EqualFold(p.text(p.tok), "each") && next.kind == tName
	in := next.kind == tName && EqualFold(p.text(next), "in")
	if p.tok.kind != tLParen && !each && !in {
		return false
	}
	p.fail(p.tok.rng(), foreign(CodeLoop, "this FOR", "write FOR i=1 TO n … NEXT i, or walk an iterator with WHILE"))
	return true
}

// notMember reports a statement straight inside a class. It returns the method
// that the statement is meant to open.
func (p *parser) notMember(isInterface bool) Stmt {
	if m, r, ok := p.foreignToken(); ok {
		p.failForeign(m, r)
		return nil
	}
	start := p.tok
	m := notIn(CodeClass, p.describe(start), "between the members of a class", "put it into a METHOD")
	if start.kind != tName {
		p.fail(start.rng(), m)
		return nil
	}
	word := strings.ToLower(p.text(start))
	if foreign, ok := foreignStatement(word); ok {
		m = foreign
	}
	var method *MethodDecl
	if !start.word.IsVerb() {
		method = p.foreignMethod()
	}
	p.fail(start.rng(), m)
	p.closeLike(word)
	if method == nil || isInterface {
		return nil
	}
	method.Head = Range{start.start, p.prev.end}
	p.skipLine()
	p.body(method, true)
	method.Range = Range{start.start, p.prev.end}
	return method
}

// foreignMethod returns a method with the name before the first parenthesis of
// the line, unless there is none.
func (p *parser) foreignMethod() *MethodDecl {
	l, before := p.lex, p.tok
	for {
		switch t := l.next(); t.kind {
		case tLParen:
			return &MethodDecl{Name: Ident{before.rng(), p.text(before)}}
		case tName, tLBrack, tRBrack, tDot, tPath:
			before = t
		default:
			return nil
		}
	}
}

// misplacedClass reads a class after a word that cannot stand before CLASS, or
// is a misspelt CLASS. Only that word is read already.
func (p *parser) misplacedClass(start token) Stmt {
	if p.where != inProgram || start.kind != tName || p.prev.end != start.end || p.tok.kind != tName {
		return nil
	}
	w, word := p.tok.word, strings.ToLower(p.text(start))
	opens := (w == CLASS || w == INTERFACE) && p.startsClass()
	if !opens && (!w.isModifier() || LookupWord(word) != NoWord || nearestVerb(word) != CLASS.String()) {
		return nil
	}
	m, ok := foreignStatement(word)
	if !ok {
		m = unknownVerb(word)
	}
	p.report(start.rng(), m)
	if opens {
		return p.classDecl(w)
	}
	return p.classFrom(start, CLASS)
}

// notStatement reports an expression that is no statement, or an unknown verb.
func (p *parser) notStatement(start token, x Expr) {
	if start.kind == tName {
		word := strings.ToLower(p.text(start))
		if m, ok := foreignStatement(word); ok && !p.startsAccess(start) {
			p.fail(start.rng(), m)
			p.closeLike(word)
			return
		}
		if m, ok := p.elseNoVerb(start, word); ok {
			p.fail(start.rng(), m)
			p.closeLike(word)
			return
		}
	}
	if !p.atClose() {
		p.unexpected("`=`")
		return
	}
	p.fail(x.Span(), p.bareExpr(x))
}

// startsAccess reports whether the name is followed by a dot or a bracket, and
// so is the start of a value.
func (p *parser) startsAccess(t token) bool {
	c := p.after(t).kind
	return c == tDot || c == tLBrack
}

// elseNoVerb reports a word that something follows which could be its
// arguments.
func (p *parser) elseNoVerb(start token, word string) (message, bool) {
	if p.prev.end != start.end {
		return message{}, false
	}
	switch p.tok.kind {
	case tName, tNumber, tString, tHex, tPath:
	case tEOL, tEOF, tSemi:
		if (Ident{Name: word}).Suffix() != 0 {
			return message{}, false
		}
	default:
		return message{}, false
	}
	if hint, ok := calledWithout[word]; ok {
		return message{code: CodeParentheses, text: strings.ToUpper(word) + " is a function and takes its arguments in parentheses",
			help: hint}, true
	}
	return unknownVerb(word), true
}

func unknownVerb(word string) message {
	m := message{code: CodeUnknownVerb, text: quote(word) + " is not a verb"}
	if near := nearestVerb(word); near != "" {
		m.help = "did you mean " + near + "?"
	}
	return m
}

// calledWithout maps functions that other BASICs have as verbs to the form to
// write.
var calledWithout = map[string]string{
	"msgbox":   "write x=MSGBOX(message$,options,title$)",
	"inputbox": "write x$=PROMPT(message$)",
	"prompt":   "write x$=PROMPT(message$)",
	"fileopen": "write x$=FILEOPEN(prompt$,path$,name$,ext$)",
	"filesave": "write x$=FILESAVE(prompt$,path$,name$,ext$)",
	"scall":    "write x=SCALL(command$)",
	"sendmsg":  "write x$=SENDMSG(…)",
}

func (p *parser) bareExpr(x Expr) message {
	m := message{code: CodeBareExpr, text: "an expression is no statement", help: "assign it, or PRINT it"}
	c, ok := x.(*CallExpr)
	if !ok {
		return m
	}
	id, ok := c.Function()
	if !ok {
		return m
	}
	m.text = "a call of the function " + quote(id.Name) + " is no statement"
	switch strings.ToLower(id.Name) {
	case "alert", "confirm":
		m.help = "write x=MSGBOX(message$)"
	case "print", "echo", "println", "printf":
		m.help = "write PRINT"
	default:
		m.help = "assign its value, as in x=" + id.Name + "(…)"
	}
	return m
}

// foreignStatement names the first word of a statement of another language.
func foreignStatement(word string) (message, bool) {
	form := quote(word)
	switch word {
	case "var", "const", "int", "integer", "string", "double", "float", "boolean", "bool", "char", "local", "global",
		"final", "auto", "long":
		return foreign(CodeDeclaration, form+" as a declaration", "assign the variable, or write DECLARE type name!"), true
	case "function", "sub", "procedure", "func", "fn", "void", "public", "private", "protected", "static", "async":
		return foreign(CodeFunction, form, "write DEF FN…, a METHOD in a CLASS, or a label that GOSUB calls"), true
	case "try", "catch", "finally", "except", "raise", "rescue":
		return foreign(CodeException, form, "branch on errors with ERR=label or SETERR label"), true
	case "import", "include", "require", "using", "package", "namespace", "#include":
		return foreign(CodeImport, form, "write USE class, or CALL program$"), true
	case "elseif", "elsif", "elif":
		return foreign(CodeBlockEnd, form, "write ELSE and a nested IF … ENDIF, or SWITCH"), true
	case "endwhile", "endfor", "endsub", "endfunction", "endswitch", "endclass", "endmethod", "endtry", "endcase",
		"endselect", "enddo", "loop", "endprocedure", "endprogram", "esac", "done":
		return foreign(CodeBlockEnd, form, "blocks end with ENDIF, WEND, NEXT, SWEND, METHODEND or CLASSEND"), true
	case "do", "foreach":
		return foreign(CodeLoop, form, "write WHILE … WEND, REPEAT … UNTIL or FOR … NEXT"), true
	}
	return message{}, false
}
