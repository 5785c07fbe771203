package check

import (
	"slices"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

// Rule is one kind of finding.
type Rule struct {
	Code     string // never reused, for example "BBJ2001"
	Name     string // for example "undefined-label"
	Family   diag.Family
	Severity diag.Severity
	Title    string // what is found, in one line
	Why      string // why it matters, in a sentence or two
	Bad      string // a program that has the finding on line BadLine
	BadLine  int
	Good     string // the program put right

	// run looks for the finding; nil where the parser does, or [pass.heed].
	run func(*pass)
}

// registry holds all rules in the order of their codes. It only grows.
var registry = sorted(append(parserRules, treeRules...))

// treeRules lists the rules that look at the tree, each in a file of its own.
var treeRules = []Rule{
	undefinedLabel, undefinedFunction, methodOnValue, reservedTarget, functionTarget, unknownOption,
	unknownMethod, unknownEvent, hostObject, undefinedFN, argumentCount, unknownClass, unknownCallback,
	blockIf, blockWhile, blockFor, blockSwitch, blockRepeat,
	ignoreMalformed, ignoreOfSyntax, ignoreUnused,
}

func sorted(rules []Rule) []Rule {
	slices.SortFunc(rules, func(a, b Rule) int {
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
	return rules
}

// Rules returns all rules in the order of their codes.
func Rules() []Rule { return slices.Clone(registry) }

// Lookup returns the rule with the code.
func Lookup(code string) (Rule, bool) {
	i := slices.IndexFunc(registry, func(r Rule) bool { return r.Code == code })
	if i < 0 {
		return Rule{}, false
	}
	return registry[i], true
}

// parserRule makes the rule for what the parser reports itself.
func parserRule(code, title, why string, line int, bad, good string) Rule {
	return Rule{Code: code, Name: syntax.CodeName(code), Family: diag.Syntax, Severity: diag.Error,
		Title: title, Why: why, Bad: bad, BadLine: line, Good: good}
}
