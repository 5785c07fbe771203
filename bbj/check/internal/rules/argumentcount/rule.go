// Package argumentcount finds calls of functions and methods with a number
// of arguments that none of their forms takes. It counts, and looks at neither
// types nor values.
package argumentcount

import (
	_ "embed"
	"fmt"

	"bbjtune/bbj/api"
	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

//go:embed testdata/bad.bbj
var bad string

//go:embed testdata/good.bbj
var good string

// Rule is BBJ3005.
var Rule = analysis.Rule{
	Code: "BBJ3005", Name: "argument-count", Family: diag.API, Severity: diag.Error,
	Title: "method or function called with a number of arguments that it does not take",
	Why:   "the compiler does not count arguments; the call fails when it runs",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, call := range p.Facts.Calls {
		n := analysis.Positional(call.Args)
		if id, ok := call.Function(); ok {
			countFunction(p, call, id, n)
			continue
		}
		x, name, ok := call.Method()
		if !ok || !analysis.OfObject(x, name) {
			continue
		}
		if c := p.Types().Receiver(call, x); c.Known() && !p.Types().Takes(c, name.Name, n) {
			p.Report(name, c.Name()+"."+name.Name+" "+refusal(n), "")
		}
	}
}

func countFunction(p *analysis.Pass, call *syntax.CallExpr, id syntax.Ident, n int) {
	f, ok := api.LookupFunction(id.Name)
	if !ok || id.Suffix() != 0 || n >= f.Min && (f.Max < 0 || n <= f.Max) || p.Facts.Defs[analysis.Fold(id.Name)] {
		return
	}
	p.Report(call, "function "+analysis.Quote(f.Name)+" "+refusal(n), "")
}

func refusal(n int) string {
	switch n {
	case 0:
		return "does not do without arguments"
	case 1:
		return "does not take 1 argument"
	}
	return fmt.Sprintf("does not take %d arguments", n)
}
