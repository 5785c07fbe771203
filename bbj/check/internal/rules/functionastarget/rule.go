// Package functionastarget finds assignments to what a function gives, and to
// an element or a substring of it.
package functionastarget

import (
	_ "embed"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

//go:embed testdata/bad.bbj
var bad string

//go:embed testdata/good.bbj
var good string

// Rule is BBJ2005.
var Rule = analysis.Rule{
	Code: "BBJ2005", Name: "function-as-target", Family: diag.Syntax, Severity: diag.Error,
	Title: "assignment to a function",
	Why:   "the value of a function cannot be assigned to",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, n := range p.Facts.Binders {
		switch n := n.(type) {
		case *syntax.Assign:
			checkTarget(p, n.Target)
		case *syntax.ForStmt:
			checkTarget(p, n.Var)
		}
	}
}

// checkTarget reports a function, and an element or a substring of what
// it gives.
func checkTarget(p *analysis.Pass, x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.IndexExpr:
		checkTarget(p, x.X)
	case *syntax.CallExpr:
		id, ok := x.Function()
		switch {
		case !ok:
			checkTarget(p, x.Fun)
		case id.Suffix() == 0 && p.Facts.IsFunction(id):
			p.Report(x, "the function "+analysis.Quote(id.Name)+" cannot be assigned to", "")
		}
	}
}
