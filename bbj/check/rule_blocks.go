package check

import (
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

// The compiler is not known to check the balance of blocks, so these are
// warnings.

var blockIf = blockRule("BBJ4001", "unbalanced-if", "IF and ENDIF",
	"if x=1 then\nprint x\n", 1, "if x=1 then\nprint x\nendif\n", syntax.IF)

var blockWhile = blockRule("BBJ4002", "unbalanced-while", "WHILE and WEND",
	"while x<3\nx=x+1\n", 1, "while x<3\nx=x+1\nwend\n", syntax.WHILE)

var blockFor = blockRule("BBJ4003", "unbalanced-for", "FOR and NEXT",
	"for i=1 to 3\nprint i\n", 1, "for i=1 to 3\nprint i\nnext i\n", syntax.FOR)

var blockSwitch = blockRule("BBJ4004", "unbalanced-switch", "SWITCH and SWEND",
	"switch x\ncase 1\nprint x\nbreak\n", 1, "switch x\ncase 1\nprint x\nbreak\nswend\n", syntax.SWITCH)

var blockRepeat = blockRule("BBJ4005", "unbalanced-repeat", "REPEAT and UNTIL",
	"repeat\nx=x+1\n", 1, "repeat\nx=x+1\nuntil x>3\n", syntax.REPEAT)

func blockRule(code, name, pair, bad string, line int, good string, open syntax.Word) Rule {
	return Rule{
		Code: code, Name: name, Family: diag.Style, Severity: diag.Warning,
		Title: pair + " that do not match",
		Why:   "a block without its end, or an end without its block, runs other statements than it looks like",
		Bad:   bad, BadLine: line, Good: good,
		run: func(p *pass) { runBlocks(p, open) },
	}
}

// blockEnds maps the word that opens a block to the one that closes it.
var blockEnds = map[syntax.Word]syntax.Word{
	syntax.IF: syntax.ENDIF, syntax.WHILE: syntax.WEND, syntax.FOR: syntax.NEXT,
	syntax.SWITCH: syntax.SWEND, syntax.REPEAT: syntax.UNTIL,
}

func runBlocks(p *pass, open syntax.Word) {
	if p.broken() {
		return
	}
	for _, s := range p.facts.scopes {
		unmatched(s.body, open, func(n syntax.Stmt, opens bool) {
			end := blockEnds[open]
			if opens {
				p.report(n, open.String()+" has no "+end.String(), "close it with "+end.String())
				return
			}
			p.report(n, n.Verb().String()+" has no "+open.String()+" before it", "")
		})
	}
}

// unmatched finds the statements of one kind of block that have no partner. A
// one-line IF ends with its line; an ENDIF too many on the line of one is
// accepted by the compiler.
func unmatched(body []syntax.Stmt, open syntax.Word, report func(s syntax.Stmt, opens bool)) {
	var stack []syntax.Stmt
	for _, s := range body {
		w := s.Verb()
		switch {
		case w == open:
			if i, ok := s.(*syntax.IfStmt); ok && i.OneLine {
				continue
			}
			stack = append(stack, s)
		case w == blockEnds[open] || open == syntax.IF && w == syntax.FI:
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
		}
	}
	for _, s := range stack {
		report(s, true)
	}
}
