// Package unknownoption finds options after a channel that no verb knows.
package unknownoption

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

// Rule is BBJ2006.
var Rule = analysis.Rule{
	Code: "BBJ2006", Name: "unknown-option", Family: diag.Syntax, Severity: diag.Error,
	Title: "option that no verb knows",
	Why:   "the options after a channel have fixed names",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

// options lists the names that some verb knows. Which verb takes which is not
// certain enough to report.
var options = []string{
	"dir", "dom", "end", "err", "ind", "isz", "iol", "key", "knum", "len", "mode", "pos", "rec", "siz", "tbl", "tim",
}

func run(p *analysis.Pass) {
	for _, v := range p.Facts.Verbs {
		for _, x := range v.Chan {
			o, ok := x.(*syntax.Option)
			if ok && !isOption(o.Name.Name) {
				p.Report(o.Name, v.Word.String()+" has no option "+analysis.Quote(o.Name.Name), p.DidYouMean(o.Name.Name, func() []string { return options }))
			}
		}
	}
}

func isOption(name string) bool {
	for _, o := range options {
		if syntax.EqualFold(o, name) {
			return true
		}
	}
	return false
}
