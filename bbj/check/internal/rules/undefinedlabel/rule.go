// Package undefinedlabel finds branches to labels that the program does not
// define. Line numbers are never reported: a branch to one that does not exist
// goes to the next that does.
package undefinedlabel

import (
	_ "embed"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
)

//go:embed testdata/bad.bbj
var bad string

//go:embed testdata/good.bbj
var good string

// Rule is BBJ2001.
var Rule = analysis.Rule{
	Code: "BBJ2001", Name: "undefined-label", Family: diag.Syntax, Severity: diag.Error,
	Title: "branch to a label that is not in the program",
	Why:   "the compiler resolves every label of GOTO, GOSUB, ERR= and the like",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, ref := range p.Facts.Refs {
		if ref.Symbolic() || ref.Numeric() || p.Facts.Labels[analysis.Fold(ref.Name)] {
			continue
		}
		help := p.DidYouMean(ref.Name, analysis.Names(p.Facts.Labels))
		p.Report(ref, "label "+analysis.Quote(ref.Name)+" is not defined", help)
	}
}
