// Package unknowncallback finds callbacks by name, in a string, for which the
// program has no label or the object no method. It does not look at the event:
// that is another rule's business.
package unknowncallback

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

// Rule is BBJ3007.
var Rule = analysis.Rule{
	Code: "BBJ3007", Name: "unknown-callback", Family: diag.API, Severity: diag.Error,
	Title: "callback for a label or method that does not exist",
	Why:   "the name stands in a string, so the compiler does not look for it; the event fails when it comes",
	Bad:   bad, BadLine: 2, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, call := range p.Facts.Calls {
		x, name, ok := call.Method()
		if !ok || x == nil || !syntax.EqualFold(name.Name, "setCallback") || p.Types().Of(x).API == nil {
			continue
		}
		switch args := call.Args; analysis.Positional(args) {
		case 2:
			callbackLabel(p, args[1])
		case 3:
			callbackMethod(p, args[1], args[2])
		}
	}
}

func callbackLabel(p *analysis.Pass, x syntax.Expr) {
	lit, ok := x.(*syntax.StringLit)
	if !ok || p.Facts.Merges() {
		return
	}
	label := lit.Value()
	if label == "" || p.Facts.Labels[analysis.Fold(label)] || label[0] == '*' || label[0] >= '0' && label[0] <= '9' {
		return
	}
	// A method of that name around the call is another way to be called that the
	// sources say too little of.
	if own := p.Types().Around(x.Span().Start); own != nil && len(p.Types().MethodsOf(own, label)) > 0 {
		return
	}
	p.Report(x, "label "+analysis.Quote(label)+" is not defined", p.DidYouMean(label, analysis.Names(p.Facts.Labels)))
}

func callbackMethod(p *analysis.Pass, object, name syntax.Expr) {
	lit, ok := name.(*syntax.StringLit)
	if !ok {
		return
	}
	c := p.Types().Of(object)
	if c.Own != nil && lit.Value() != "" && p.Types().Lacks(c, lit.Value()) {
		p.Report(name, c.Name()+" has no method "+analysis.Quote(lit.Value()), p.DidYouMean(lit.Value(), func() []string { return p.Types().MethodNames(c) }))
	}
}
