// Package undefinedfn finds calls of FN functions that no DEF of the program
// defines. The program compiles, so it says nothing where the definition may be
// out of sight.
package undefinedfn

import (
	_ "embed"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
)

//go:embed testdata/bad.bbj
var bad string

//go:embed testdata/good.bbj
var good string

// Rule is BBJ3004.
var Rule = analysis.Rule{
	Code: "BBJ3004", Name: "undefined-fn", Family: diag.API, Severity: diag.Error,
	Title: "call of an FN function that the program does not define",
	Why:   "shipped programs show that such a call compiles; it fails when it runs",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

// A name with a suffix may be a variable whose substring is taken, a program
// that executes or merges text may define the function in it, and a syntax error
// may hide the definition.
func run(p *analysis.Pass) {
	if p.Facts.Merges() || p.Facts.Broken {
		return
	}
	for _, call := range p.Facts.Calls {
		id, ok := call.Function()
		if !ok || !id.IsFN() || id.Suffix() != 0 || p.Facts.IsFunction(id) || p.Facts.Variables()[analysis.Fold(id.Name)] {
			continue
		}
		p.Report(id, "function "+analysis.Quote(id.Name)+" is not defined", p.DidYouMean(id.Name, analysis.Names(p.Facts.Defs)))
	}
}
