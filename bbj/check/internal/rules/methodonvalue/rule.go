// Package methodonvalue finds methods called straight on what a function
// returns where that is a string or a number. It trusts the list of functions,
// and says nothing of those whose result is not on record.
package methodonvalue

import (
	_ "embed"

	"bbjtune/bbj/api"
	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

//go:embed testdata/bad.bbj
var bad string

//go:embed testdata/good.bbj
var good string

// Rule is BBJ2003.
var Rule = analysis.Rule{
	Code: "BBJ2003", Name: "method-on-value", Family: diag.Syntax, Severity: diag.Error,
	Title: "method called on the value of a function that gives no object",
	Why:   "a string or a number that a function returns has no methods; assign it to an object variable first",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, call := range p.Facts.Calls {
		receiver, name, ok := call.Method()
		if !ok {
			continue
		}
		inner, ok := receiver.(*syntax.CallExpr)
		if !ok {
			continue
		}
		id, ok := inner.Function()
		if !ok {
			continue
		}
		f, ok := api.LookupFunction(id.Name)
		if !ok {
			continue
		}
		switch f.Returns {
		case "string", "num", "int":
			p.Report(call, "the value of "+id.Name+"(…) is no object and has no method "+analysis.Quote(name.Name),
				"assign it to an object variable first")
		}
	}
}
