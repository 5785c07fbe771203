// Package unknownclass finds names of classes that start with BBj and that
// neither the API, nor the program, nor a USE knows. Of other names it knows
// nothing: they may be Java's.
package unknownclass

import (
	_ "embed"
	"strings"

	"bbjtune/bbj/api"
	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
)

//go:embed testdata/bad.bbj
var bad string

//go:embed testdata/good.bbj
var good string

// Rule is BBJ3006.
var Rule = analysis.Rule{
	Code: "BBJ3006", Name: "unknown-class", Family: diag.API, Severity: diag.Error,
	Title: "class that neither BBj nor the program has",
	Why:   "names that start with BBj belong to the API, or come with USE; the compiler does not look for them",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, ref := range p.Facts.BBjTypes {
		name := ref.Name
		if ref.Path != "" || strings.ContainsAny(name, ".@") {
			continue
		}
		if p.Facts.HasClass(name) {
			continue
		}
		if _, known := api.LookupClass(name); known || api.InFamily(name) {
			continue
		}
		p.Report(ref, "class "+analysis.Quote(name)+" does not exist", p.DidYouMean(name, classNames))
	}
}

func classNames() []string {
	var out []string
	for c := range api.Classes() {
		out = append(out, c.Name)
	}
	return out
}
