// Package unknownevent finds events that no object of BBj has: ON_… of an
// object or a class of the API, or alone where an event must stand. Whether this
// object has that event is not certain enough to report.
package unknownevent

import (
	_ "embed"
	"strings"

	"bbjtune/bbj/api"
	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

//go:embed testdata/bad.bbj
var bad string

//go:embed testdata/good.bbj
var good string

// Rule is BBJ3002.
var Rule = analysis.Rule{
	Code: "BBJ3002", Name: "unknown-event", Family: diag.API, Severity: diag.Error,
	Title: "event constant that does not exist",
	Why:   "the names of the events are fixed; another name fails when the program runs",
	Bad:   bad, BadLine: 2, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, m := range p.Facts.Events {
		if _, known := api.LookupEvent(m.Name.Name); known {
			continue
		}
		c := p.Types().Of(m.X)
		if c.API == nil && !p.Types().IsClass(m.X) || c.API != nil && c.API.Constant(m.Name.Name) {
			continue
		}
		p.Report(m.Name, "event "+analysis.Quote(m.Name.Name)+" does not exist", p.DidYouMean(m.Name.Name, api.EventNames))
	}
	for _, v := range p.Facts.Verbs {
		if (v.Word == syntax.CALLBACK || v.Word == syntax.REMOVE_CALLBACK) && len(v.Chan) > 0 {
			bareEvent(p, v.Chan[0])
		}
	}
	for _, call := range p.Facts.Calls {
		_, name, ok := call.Method()
		if ok && len(call.Args) > 0 && (syntax.EqualFold(name.Name, "setCallback") || syntax.EqualFold(name.Name, "clearCallback")) {
			bareEvent(p, call.Args[0])
		}
	}
}

// bareEvent reports an event without an object before it that does not exist.
func bareEvent(p *analysis.Pass, x syntax.Expr) {
	id, ok := x.(*syntax.Ident)
	if !ok || !strings.HasPrefix(strings.ToUpper(id.Name), "ON_") || id.Suffix() != 0 || p.Facts.Variables()[analysis.Fold(id.Name)] {
		return
	}
	if _, known := api.LookupEvent(id.Name); !known {
		p.Report(id, "event "+analysis.Quote(id.Name)+" does not exist", p.DidYouMean(id.Name, api.EventNames))
	}
}
