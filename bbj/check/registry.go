package check

import (
	"slices"
	"strings"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/check/internal/rules/argumentcount"
	"bbjtune/bbj/check/internal/rules/blocks"
	"bbjtune/bbj/check/internal/rules/browserobject"
	"bbjtune/bbj/check/internal/rules/functionastarget"
	"bbjtune/bbj/check/internal/rules/ignore"
	"bbjtune/bbj/check/internal/rules/methodonvalue"
	"bbjtune/bbj/check/internal/rules/parser"
	"bbjtune/bbj/check/internal/rules/reservedtarget"
	"bbjtune/bbj/check/internal/rules/undefinedfn"
	"bbjtune/bbj/check/internal/rules/undefinedfunction"
	"bbjtune/bbj/check/internal/rules/undefinedlabel"
	"bbjtune/bbj/check/internal/rules/unknowncallback"
	"bbjtune/bbj/check/internal/rules/unknownclass"
	"bbjtune/bbj/check/internal/rules/unknownevent"
	"bbjtune/bbj/check/internal/rules/unknownmethod"
	"bbjtune/bbj/check/internal/rules/unknownmnemonic"
	"bbjtune/bbj/check/internal/rules/unknownoption"
	"bbjtune/bbj/diag"
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
}

// registry holds all rules in the order of their codes. It only grows.
var registry = sorted(parser.Rules, blocks.Rules, []analysis.Rule{
	undefinedlabel.Rule, undefinedfunction.Rule, methodonvalue.Rule, reservedtarget.Rule, functionastarget.Rule, unknownoption.Rule,
	unknownmnemonic.Rule, unknownmethod.Rule, unknownevent.Rule, browserobject.Rule, undefinedfn.Rule, argumentcount.Rule, unknownclass.Rule,
	unknowncallback.Rule,
	ignore.WithoutReason, ignore.OfSyntax, ignore.Unused,
})

func sorted(lists ...[]analysis.Rule) []analysis.Rule {
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b analysis.Rule) int { return strings.Compare(a.Code, b.Code) })
	return all
}

// Rules returns all rules in the order of their codes.
func Rules() []Rule {
	out := make([]Rule, len(registry))
	for i := range registry {
		out[i] = documented(&registry[i])
	}
	return out
}

// Lookup returns the rule with the code.
func Lookup(code string) (Rule, bool) {
	r := find(code)
	if r == nil {
		return Rule{}, false
	}
	return documented(r), true
}

// documented returns what others may know of a rule: not how it looks.
func documented(r *analysis.Rule) Rule {
	return Rule{Code: r.Code, Name: r.Name, Family: r.Family, Severity: r.Severity,
		Title: r.Title, Why: r.Why, Bad: r.Bad, BadLine: r.BadLine, Good: r.Good}
}

func familyOf(code string) (diag.Family, bool) {
	r := find(code)
	if r == nil {
		return "", false
	}
	return r.Family, true
}

// find returns the rule with the code, nil if there is none.
func find(code string) *analysis.Rule {
	i := slices.IndexFunc(registry, func(r analysis.Rule) bool { return r.Code == code })
	if i < 0 {
		return nil
	}
	return &registry[i]
}
