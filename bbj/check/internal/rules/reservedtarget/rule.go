// Package reservedtarget finds reserved names that are read into or
// dimensioned. Reserved words that are assigned to are found by the parser.
package reservedtarget

import (
	_ "embed"
	"strings"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

//go:embed testdata/bad.bbj
var bad string

//go:embed testdata/good.bbj
var good string

// Rule is BBJ2004.
var Rule = analysis.Rule{
	Code: "BBJ2004", Name: "reserved-target", Family: diag.Syntax, Severity: diag.Error,
	Title: "variable of the system read into or dimensioned",
	Why:   "the names of the system's variables cannot be variables of the program",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, v := range p.Facts.Verbs {
		if !v.Word.IsInput() && v.Word != syntax.DIM {
			continue
		}
		for _, x := range v.Args {
			checkTarget(p, x)
		}
	}
}

func checkTarget(p *analysis.Pass, x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.VerifyExpr:
		checkTarget(p, x.X)
	case *syntax.ColonExpr:
		checkTarget(p, x.X)
	case *syntax.IndexExpr:
		checkTarget(p, x.X)
	case *syntax.Ident:
		if syntax.IsReserved(x.Name) || syntax.IsNumericReserved(x.Name) {
			p.Report(x, strings.ToUpper(x.Name)+" is reserved and cannot be the name of a variable", "choose another name")
		}
	}
}
