// Package analysis is what the rules of the checker share: what a rule is, and
// the pass in which it sees a program. A pass holds the tree, the facts that
// one walk gathers, and the classes of objects as far as they are certain.
//
// It must not know single rules, in which order they run, how findings are
// chosen or silenced, or how they are printed.
package analysis

import (
	"maps"
	"slices"
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/nearest"
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

	// Run looks for the finding. It is nil where the parser finds it, or where
	// it can be told only after all other rules.
	Run func(*Pass)
}

// Pass is one run of rules over one program.
type Pass struct {
	Prog  *syntax.Program
	Facts *Facts

	inferred *Types
	rule     *Rule
	found    []diag.Diagnostic
	hints    int // asked for
}

// NewPass gathers the facts of a program. What the parser found counts as found
// already. [Pass.Release] ends the pass.
func NewPass(prog *syntax.Program) *Pass {
	p := &Pass{Prog: prog, Facts: collect(prog)}
	p.found = append(p.found, prog.Errors...)
	return p
}

// Release gives the facts back for the next program; the findings stay valid.
func (p *Pass) Release() {
	p.Facts.release()
	p.Facts, p.inferred = nil, nil
}

// Run runs a rule.
func (p *Pass) Run(r *Rule) {
	p.rule = r
	r.Run(p)
}

// Found returns the findings so far, in the order in which they were made.
func (p *Pass) Found() []diag.Diagnostic { return p.found }

// Drop takes away the findings so far for which the function says so. Unlike
// slices.DeleteFunc it keeps the function off the heap.
func (p *Pass) Drop(unwanted func(diag.Diagnostic) bool) {
	kept := p.found[:0]
	for _, d := range p.found {
		if !unwanted(d) {
			kept = append(kept, d)
		}
	}
	p.found = kept
}

// Types returns what is known of the classes of variables. They are only worked
// out when a rule asks.
func (p *Pass) Types() *Types {
	if p.inferred == nil {
		p.inferred = infer(p.Facts)
	}
	return p.inferred
}

// Report records a finding of the rule that runs.
func (p *Pass) Report(n syntax.Node, message, help string) { p.ReportAs(p.rule, n, message, help) }

// ReportAs records a finding of another rule than the one that runs.
func (p *Pass) ReportAs(r *Rule, n syntax.Node, message, help string) {
	p.found = append(p.found, diag.Diagnostic{
		Code: r.Code, Name: r.Name, Severity: r.Severity, Family: r.Family,
		Span: p.Prog.DiagSpan(n.Span()), Message: message, Help: help,
	})
}

// Quote puts a name into backquotes.
func Quote(name string) string { return "`" + name + "`" }

// DidYouMean returns a hint at the nearest candidate, or the empty string. After
// many hints it gives none: each looks at all candidates, and who has so many
// findings does not read them one by one.
func (p *Pass) DidYouMean(name string, candidates func() []string) string {
	if p.hints++; p.hints > maxHints {
		return ""
	}
	if near := nearest.Name(name, candidates()); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

const maxHints = 100

// Names returns the keys of a map in order, as DidYouMean takes them.
func Names(set map[string]bool) func() []string {
	return func() []string { return slices.Sorted(maps.Keys(set)) }
}

// Fold makes names equal that differ in case alone.
func Fold(name string) string { return strings.ToLower(name) }
