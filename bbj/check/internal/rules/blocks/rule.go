// Package blocks finds the blocks that their end does not close, one rule for
// each kind of block. The compiler is not known to check the balance of blocks,
// so these are warnings, and an end too many is none: it is on record as
// accepted. It says nothing where a syntax error may hide an end.
package blocks

import (
	_ "embed"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

var (
	//go:embed testdata/if/bad.bbj
	badIf string
	//go:embed testdata/if/good.bbj
	goodIf string
	//go:embed testdata/while/bad.bbj
	badWhile string
	//go:embed testdata/while/good.bbj
	goodWhile string
	//go:embed testdata/for/bad.bbj
	badFor string
	//go:embed testdata/for/good.bbj
	goodFor string
	//go:embed testdata/switch/bad.bbj
	badSwitch string
	//go:embed testdata/switch/good.bbj
	goodSwitch string
	//go:embed testdata/repeat/bad.bbj
	badRepeat string
	//go:embed testdata/repeat/good.bbj
	goodRepeat string
)

// Rules are BBJ4001 to BBJ4005.
var Rules = []analysis.Rule{
	rule("BBJ4001", "unbalanced-if", "IF and ENDIF", badIf, goodIf, syntax.IF, syntax.ENDIF),
	rule("BBJ4002", "unbalanced-while", "WHILE and WEND", badWhile, goodWhile, syntax.WHILE, syntax.WEND),
	rule("BBJ4003", "unbalanced-for", "FOR and NEXT", badFor, goodFor, syntax.FOR, syntax.NEXT),
	rule("BBJ4004", "unbalanced-switch", "SWITCH and SWEND", badSwitch, goodSwitch, syntax.SWITCH, syntax.SWEND),
	rule("BBJ4005", "unbalanced-repeat", "REPEAT and UNTIL", badRepeat, goodRepeat, syntax.REPEAT, syntax.UNTIL),
}

func rule(code, name, pair, bad, good string, open, end syntax.Word) analysis.Rule {
	return analysis.Rule{
		Code: code, Name: name, Family: diag.Style, Severity: diag.Warning,
		Title: pair + " that do not match",
		Why:   "a block without its end runs other statements than it looks like",
		Bad:   bad, BadLine: 1, Good: good,
		Run: func(p *analysis.Pass) { run(p, open, end) },
	}
}

func run(p *analysis.Pass, open, end syntax.Word) {
	if p.Facts.Broken || !p.Facts.Opens(open) {
		return
	}
	for _, s := range p.Facts.Scopes {
		reportUnclosed(p, s.Body, open, end)
	}
}

// reportUnclosed reports the statements that open a block which nothing ends. A
// one-line IF ends with its line; an ENDIF too many on the line of one is
// accepted by the compiler.
func reportUnclosed(p *analysis.Pass, body []syntax.Stmt, open, end syntax.Word) {
	var stack []syntax.Stmt // it never leaves the function, which keeps it off the heap
	for _, s := range body {
		switch w := s.Verb(); {
		case w == open:
			if i, ok := s.(*syntax.IfStmt); ok && i.OneLine {
				continue
			}
			stack = append(stack, s)
		case w == end || open == syntax.IF && w == syntax.FI:
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
		}
	}
	for _, s := range stack {
		p.Report(s, open.String()+" has no "+end.String(), "close it with "+end.String())
	}
}
