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
			p.Report(name, fmt.Sprintf("%s.%s does not take %s", c.Name(), name.Name, arguments(n)), "")
		}
	}
}

func countFunction(p *analysis.Pass, call *syntax.CallExpr, id syntax.Ident, n int) {
	f, ok := api.LookupFunction(id.Name)
	if !ok || id.Suffix() != 0 || n >= f.Min && (f.Max < 0 || n <= f.Max) || p.Facts.Defs[analysis.Fold(id.Name)] {
		return
	}
	p.Report(call, fmt.Sprintf("function %s does not take %s", analysis.Quote(f.Name), arguments(n)), "")
}

func arguments(n int) string {
	switch n {
	case 0:
		return "no arguments"
	case 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}
