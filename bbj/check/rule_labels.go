package check

import (
	"maps"
	"slices"

	"bbjtune/bbj/diag"
)

var undefinedLabel = Rule{
	Code: "BBJ2001", Name: "undefined-label", Family: diag.Syntax, Severity: diag.Error,
	Title: "branch to a label that is not in the program",
	Why:   "the compiler resolves every label of GOTO, GOSUB, ERR= and the like",
	Bad:   "gosub total\nend\n", BadLine: 1,
	Good: "gosub total\nend\ntotal:\nreturn\n",
	run:  runUndefinedLabel,
}

// A branch to a line number that does not exist goes to the next line that
// does, so numbers are never reported.
func runUndefinedLabel(p *pass) {
	for _, ref := range p.facts.refs {
		if ref.Symbolic() || ref.Numeric() || p.facts.labels[fold(ref.Name)] {
			continue
		}
		help := didYouMean(ref.Name, slices.Sorted(maps.Keys(p.facts.labels)))
		p.report(ref, "label "+quote(ref.Name)+" is not defined", help)
	}
}
