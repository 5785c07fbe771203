// Package unknownmethod finds calls of methods that the class of the object
// does not have. It knows what people write who come from other worlds; what a
// class has is package analysis's to say, and an object of unknown class is
// never accused.
package unknownmethod

import (
	_ "embed"

	"bbjtune/bbj/api"
	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
)

//go:embed testdata/bad.bbj
var bad string

//go:embed testdata/good.bbj
var good string

// Rule is BBJ3001.
var Rule = analysis.Rule{
	Code: "BBJ3001", Name: "unknown-method", Family: diag.API, Severity: diag.Error,
	Title: "method that no object of BBj has",
	Why:   "the program compiles, and fails when it runs: the type of the object is known and the name is not",
	Bad:   bad, BadLine: 3, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, call := range p.Facts.Calls {
		x, name, ok := call.Method()
		if !ok || !analysis.OfObject(x, name) {
			continue
		}
		c := p.Types().Receiver(call, x)
		if !p.Types().Lacks(c, name.Name) && !foreign(c, name.Name) {
			continue
		}
		help := insteadOfMethod[analysis.Fold(name.Name)]
		if help == "" {
			help = p.DidYouMean(name.Name, func() []string { return p.Types().MethodNames(c) })
		}
		p.Report(name, c.Name()+" has no method "+analysis.Quote(name.Name), help)
	}
}

// foreign reports whether the class is that of a control, and the name one of
// other worlds that no source about it mentions. That is certain enough even
// where not all methods of the control are known.
func foreign(c analysis.Class, name string) bool {
	if c.API == nil || c.API.Closed() || insteadOfMethod[analysis.Fold(name)] == "" {
		return false
	}
	control, ok := api.LookupClass("BBjControl")
	if !ok || !c.API.Is(control) {
		return false
	}
	_, has := c.API.Method(name)
	return !has
}

// insteadOfMethod maps methods of other worlds to what BBj has instead.
var insteadOfMethod = map[string]string{
	"addeventlistener":  "write setCallback(object!.ON_…,\"label\")",
	"onclick":           "write setCallback(object!.ON_…,\"label\"), for a button with ON_BUTTON_PUSH",
	"addactionlistener": "write setCallback(object!.ON_BUTTON_PUSH,\"label\")",
	"on":                "write setCallback(object!.ON_…,\"label\")",
	"show":              "write setVisible(1)",
	"hide":              "write setVisible(0)",
	"close":             "write destroy()",
	"setcaption":        "write setText(text$)",
	"innerhtml":         "write setText(\"<html>…\")",
}
