// Package unknownoption finds options that a verb does not know: after a channel
// those that no verb knows, elsewhere those of verbs whose options are all known.
package unknownoption

import (
	_ "embed"
	"slices"

	"bbjtune/bbj/api"
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
	Title: "option that the verb does not know",
	Why:   "options have fixed names",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

// options lists the names that some verb knows after a channel. Most verbs are
// held against all of them: which one takes which is not certain enough.
var options = []string{
	"dir", "dom", "end", "err", "ind", "isz", "iol", "key", "knum", "len", "mode", "pos", "rec", "siz", "tbl", "tim",
}

func run(p *analysis.Pass) {
	for _, v := range p.Facts.Verbs {
		inspect(p, v, v.Chan, false)
		inspect(p, v, v.Args, true)
	}
}

// inspect reports the options of a list that the verb cannot know. Outside of
// the channel that is certain only of verbs of which all options are known.
func inspect(p *analysis.Pass, v *syntax.VerbStmt, list []syntax.Expr, onlyCertain bool) {
	for _, x := range list {
		name, ok := optionName(v, x)
		if !ok {
			continue
		}
		known, accepted := options, isOption(name.Name)
		if verb, ok := api.LookupVerb(v.Word.String()); ok && verb.Complete {
			known, accepted = verb.Options, verb.Accepts(name.Name)
		} else if onlyCertain {
			continue
		}
		if !accepted {
			p.Report(name, v.Word.String()+" has no option "+analysis.Quote(name.Name), p.DidYouMean(name.Name, func() []string { return known }))
		}
	}
}

func isOption(name string) bool {
	return slices.ContainsFunc(options, func(o string) bool { return syntax.EqualFold(o, name) })
}

// optionName returns the name of an option. Where a verb takes nothing but
// options, a comparison is meant as one.
func optionName(v *syntax.VerbStmt, x syntax.Expr) (syntax.Ident, bool) {
	switch x := x.(type) {
	case *syntax.Option:
		return x.Name, true
	case *syntax.BinaryExpr:
		if name, ok := x.X.(*syntax.Ident); ok && v.Word == syntax.PROCESS_EVENTS && x.Op == syntax.Eq {
			return *name, true
		}
	}
	return syntax.Ident{}, false
}
