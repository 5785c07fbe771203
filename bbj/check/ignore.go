package check

import (
	"strings"
	"unicode"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

// ignoreWord starts a remark that silences findings:
//
//	rem bbjtune:ignore CODE{,CODE} reason
//
// After a statement it is for that logical line; standing alone it is for the
// next one with a statement.
const ignoreWord = "bbjtune:ignore"

var ignoreMalformed = Rule{
	Code: "BBJ4006", Name: "ignore-without-reason", Family: diag.Style, Severity: diag.Warning,
	Title: "bbjtune:ignore without a code or without a reason",
	Why:   "whoever reads the line next must know why the finding is wrong there; without a reason nothing is silenced",
	Bad:   "rem bbjtune:ignore BBJ4002\nwhile x<3\nx=x+1\n", BadLine: 1,
	Good: "rem bbjtune:ignore BBJ4002 the program merged below closes the loop\nwhile x<3\nx=x+1\n",
}

var ignoreOfSyntax = Rule{
	Code: "BBJ4007", Name: "ignore-of-syntax", Family: diag.Style, Severity: diag.Warning,
	Title: "bbjtune:ignore for an error of the syntax family",
	Why:   "what the compiler rejects stays rejected, whatever a remark says",
	Bad:   "rem bbjtune:ignore BBJ1008 we write them so\nx=1\n", BadLine: 1,
	Good: "rem one\nx=1\n",
}

var ignoreUnused = Rule{
	Code: "BBJ4008", Name: "unused-ignore", Family: diag.Style, Severity: diag.Warning,
	Title: "bbjtune:ignore that silences nothing",
	Why:   "it would hide the finding that comes back later",
	Bad:   "print 1; rem bbjtune:ignore BBJ3001 our own class\n", BadLine: 1,
	Good: "print 1; rem our own class\n",
}

// ignore is one such remark.
type ignore struct {
	rem         *syntax.RemStmt
	codes       []ignoredCode
	reason      bool
	first, last int // the physical lines that it is for, 0 where there are none
}

// ignoredCode is a code in an ignore, where it stands, and whether it silenced
// a finding.
type ignoredCode struct {
	syntax.Range
	code string
	used bool
}

// ignores returns the remarks of the program that silence findings.
func (p *pass) ignores() []ignore {
	var list []ignore
	for _, rem := range p.facts.rems {
		rest, ok := ignoreText(string(p.prog.Src[rem.Start:rem.End]))
		if !ok {
			continue
		}
		ig := ignore{rem: rem}
		ig.codes, ig.reason = readCodes(rest, rem.End-int32(len(rest)))
		ig.first, ig.last = p.linesOf(rem)
		list = append(list, ig)
	}
	return list
}

// ignoreText returns what follows the word in a remark.
func ignoreText(rem string) (rest string, ok bool) {
	text := strings.TrimLeft(rem[len("rem"):], " \t")
	if len(text) < len(ignoreWord) || !syntax.EqualFold(text[:len(ignoreWord)], ignoreWord) {
		return "", false
	}
	rest = text[len(ignoreWord):]
	return rest, rest == "" || rest[0] == ' ' || rest[0] == '\t'
}

// readCodes reads a list of codes, which starts at the offset, and reports
// whether words follow it.
func readCodes(text string, offset int32) (codes []ignoredCode, reason bool) {
	end := offset + int32(len(text))
	for {
		text = strings.TrimLeft(text, " \t,")
		n := codeLen(text)
		if n == 0 {
			return codes, strings.ContainsFunc(text, unicode.IsLetter)
		}
		start := end - int32(len(text))
		codes = append(codes, ignoredCode{Range: syntax.Range{Start: start, End: start + int32(n)}, code: strings.ToUpper(text[:n])})
		text = strings.TrimLeft(text[n:], " \t")
		if !strings.HasPrefix(text, ",") {
			return codes, strings.ContainsFunc(text, unicode.IsLetter)
		}
	}
}

// codeLen returns the length of the code, letters and then digits, at the start
// of the text; 0 if there is none.
func codeLen(text string) int {
	digits := strings.TrimLeftFunc(text, func(r rune) bool { return r < unicode.MaxASCII && unicode.IsLetter(r) })
	rest := strings.TrimLeft(digits, "0123456789")
	if len(digits) == len(text) || len(rest) == len(digits) || rest != "" && !strings.ContainsAny(rest[:1], " \t,") {
		return 0
	}
	return len(text) - len(rest)
}

// linesOf returns the physical lines that an ignore in the remark is for.
func (p *pass) linesOf(rem *syntax.RemStmt) (first, last int) {
	own, _ := p.prog.LogicalLine(p.prog.Position(rem.Start).Line)
	statement, ok := p.prog.NextStatement(own)
	if !ok {
		return 0, 0
	}
	return p.prog.LogicalLine(p.prog.Position(statement).Line)
}

// heed takes away the findings that an ignore silences, and reports the ignores
// that do not or must not silence any.
func (p *pass) heed(list []ignore) {
	if len(list) == 0 {
		return
	}
	kept := p.found[:0:0]
	for _, d := range p.found {
		if d.Family == diag.Syntax || !silence(list, d) {
			kept = append(kept, d)
		}
	}
	p.found = kept
	for i := range list {
		p.reportIgnore(&list[i])
	}
}

// silence reports whether an ignore is for the finding, and marks those that are.
func silence(list []ignore, d diag.Diagnostic) bool {
	found := false
	for _, ig := range list {
		if line := d.Span.Start.Line; !ig.reason || line < ig.first || line > ig.last {
			continue
		}
		for i := range ig.codes {
			if ig.codes[i].code == d.Code {
				ig.codes[i].used, found = true, true
			}
		}
	}
	return found
}

func (p *pass) reportIgnore(ig *ignore) {
	switch {
	case len(ig.codes) == 0:
		p.rule = &ignoreMalformed
		p.report(ig.rem, ignoreWord+" names no code and silences nothing", "write rem "+ignoreWord+" CODE reason")
		return
	case !ig.reason:
		p.rule = &ignoreMalformed
		p.report(ig.rem, ignoreWord+" gives no reason and silences nothing", "write after the code why the finding is wrong here")
		return
	}
	for _, c := range ig.codes {
		rule, known := Lookup(c.code)
		switch {
		case known && rule.Family == diag.Syntax:
			p.rule = &ignoreOfSyntax
			p.report(c, c.code+" is of the syntax family, which cannot be silenced", "put the line right")
		case !known:
			p.rule = &ignoreUnused
			p.report(c, ignoreWord+" of "+c.code+" silences nothing", "there is no rule "+c.code+" for programs that compile")
		case !c.used && !p.broken(): // what cannot be read may have hidden the finding
			p.rule = &ignoreUnused
			p.report(c, ignoreWord+" of "+c.code+" silences nothing", "remove it")
		}
	}
}
