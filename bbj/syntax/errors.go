package syntax

import (
	"slices"
	"strings"

	"bbjtune/bbj/diag"
)

// The codes of what the parser rejects. A code never changes its meaning.
const (
	CodeUnexpected    = "BBJ1001"
	CodeString        = "BBJ1002"
	CodeCharacter     = "BBJ1003"
	CodeTokenised     = "BBJ1004"
	CodeTooDeep       = "BBJ1005"
	CodeUnknownVerb   = "BBJ1006"
	CodeBareExpr      = "BBJ1007"
	CodeComment       = "BBJ1008"
	CodeOperator      = "BBJ1009"
	CodeBrace         = "BBJ1010"
	CodeBlockEnd      = "BBJ1011"
	CodeDeclaration   = "BBJ1012"
	CodeFunction      = "BBJ1013"
	CodeException     = "BBJ1014"
	CodeLoop          = "BBJ1015"
	CodeTernary       = "BBJ1016"
	CodeLambda        = "BBJ1017"
	CodeForeignString = "BBJ1018"
	CodeArrayLiteral  = "BBJ1019"
	CodeParentheses   = "BBJ1020"
	CodeTrailingRem   = "BBJ1021"
	CodeClass         = "BBJ1022"
	CodeImport        = "BBJ1023"
	CodeTarget        = "BBJ1024"
	CodeLineNumber    = "BBJ1025"
	CodeReserved      = "BBJ1026"
)

var codeNames = map[string]string{
	CodeUnexpected:    "unexpected-token",
	CodeString:        "unterminated-string",
	CodeCharacter:     "bad-character",
	CodeTokenised:     "tokenised-file",
	CodeTooDeep:       "too-deep",
	CodeUnknownVerb:   "unknown-verb",
	CodeBareExpr:      "expression-as-statement",
	CodeComment:       "foreign-comment",
	CodeOperator:      "foreign-operator",
	CodeBrace:         "foreign-brace",
	CodeBlockEnd:      "foreign-block-end",
	CodeDeclaration:   "foreign-declaration",
	CodeFunction:      "foreign-function",
	CodeException:     "foreign-exception",
	CodeLoop:          "foreign-loop",
	CodeTernary:       "foreign-ternary",
	CodeLambda:        "foreign-lambda",
	CodeForeignString: "foreign-string",
	CodeArrayLiteral:  "array-literal",
	CodeParentheses:   "missing-parentheses",
	CodeTrailingRem:   "trailing-rem",
	CodeClass:         "class-structure",
	CodeImport:        "foreign-import",
	CodeTarget:        "not-assignable",
	CodeLineNumber:    "bad-line-number",
	CodeReserved:      "reserved-word",
}

// CodeName returns the name of a parser code, for example "foreign-comment".
func CodeName(code string) string { return codeNames[code] }

// Position returns the place of a byte offset.
func (p *Program) Position(offset int32) diag.Pos {
	i, found := slices.BinarySearch(p.lines, offset)
	if !found {
		i--
	}
	return diag.Pos{Offset: int(offset), Line: i + 1, Col: int(offset-p.lines[i]) + 1}
}

// DiagSpan returns the place of a range, for a diagnostic.
func (p *Program) DiagSpan(r Range) diag.Span {
	return diag.Span{Start: p.Position(r.Start), End: p.Position(r.End)}
}

// Lines returns the number of physical lines.
func (p *Program) Lines() int { return len(p.lines) }

// message is the text of a finding: one sentence, and what to do about it.
type message struct {
	code, text, help string
}

// The helpers below make all messages, so that they sound alike.

// expected says what should have stood there and what does.
func expected(what, found string) message {
	return message{code: CodeUnexpected, text: "expected " + what + ", found " + found}
}

// foreign says that a form of another language is none of BBj's.
func foreign(code, form, help string) message {
	return message{code: code, text: form + " is not BBj", help: help}
}

// notIn says that a form has no place there.
func notIn(code, form, place, help string) message {
	return message{code: code, text: form + " cannot stand " + place, help: help}
}

// unclosed says that a block lacks its last line.
func unclosed(what, end string) message {
	return message{code: CodeClass, text: what + " has no " + end, help: "close it with " + end}
}

// notComment says that a mark starts a comment elsewhere only.
func notComment(mark string) message {
	return message{code: CodeComment, text: "`" + mark + "` is not a comment in BBj", help: "write REM"}
}

// quote puts a piece of the source into backquotes, shortened.
func quote(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s = strings.TrimRight(s, "\r")
	if r := []rune(s); len(r) > 30 {
		s = string(r[:27]) + "…"
	}
	return "`" + strings.ToValidUTF8(s, "?") + "`"
}

// describe names a token for a message.
func (p *parser) describe(t token) string {
	switch t.kind {
	case tEOF:
		return "the end of the file"
	case tEOL:
		return "the end of the line"
	case tString, tBadString:
		return "a string"
	case tNumber:
		return "the number " + quote(p.text(t))
	case tRem:
		return "REM"
	}
	if t.word != NoWord {
		return t.word.String()
	}
	return quote(p.text(t))
}

// fail records a finding and skips what is left of the statement, so that the
// functions above find its end and return. It is silent until the next
// statement starts.
func (p *parser) fail(r Range, m message) {
	if p.failed {
		return
	}
	p.failed = true
	p.report(r, m)
	p.skipStatement()
}

// report records a finding. The first on a physical line wins: what follows is
// mostly its consequence.
func (p *parser) report(r Range, m message) {
	span := p.prog.DiagSpan(r)
	if n := len(p.prog.Errors); n > 0 && p.prog.Errors[n-1].Span.Start.Line == span.Start.Line {
		return
	}
	p.prog.Errors = append(p.prog.Errors, diag.Diagnostic{
		Code: m.code, Name: CodeName(m.code), Severity: diag.Error, Family: diag.Syntax,
		Span: span, Message: m.text, Help: m.help,
	})
}

// skipStatement moves to the separator that ends the statement.
func (p *parser) skipStatement() {
	for !p.atEnd() {
		p.skip()
	}
}
