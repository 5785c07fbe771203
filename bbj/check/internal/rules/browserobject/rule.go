// Package browserobject finds calls of methods that only the objects of a
// browser have. A program that has such a name of its own is left alone.
package browserobject

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

// Rule is BBJ3003.
var Rule = analysis.Rule{
	Code: "BBJ3003", Name: "browser-object", Family: diag.API, Severity: diag.Error,
	Title: "object of a browser",
	Why:   "console and document live in JavaScript; the program compiles, and fails when it runs",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

// hostMethods lists, for the objects of a browser, the methods that leave no
// doubt that they are meant.
var hostMethods = map[string][]string{
	"console":        {"log", "error", "warn", "info", "debug"},
	"document":       {"getElementById", "querySelector", "createElement", "write", "addEventListener"},
	"localstorage":   {"getItem", "setItem"},
	"json":           {"parse", "stringify"},
	"sessionstorage": {"getItem", "setItem"},
	"window":         {"alert", "confirm", "addEventListener", "setTimeout", "setInterval"},
}

func run(p *analysis.Pass) {
	for _, call := range p.Facts.Calls {
		receiver, name, ok := call.Method()
		if !ok {
			continue
		}
		id, ok := receiver.(*syntax.Ident)
		if !ok || id.Suffix() != 0 {
			continue
		}
		for _, m := range hostMethods[analysis.Fold(id.Name)] {
			if syntax.EqualFold(m, name.Name) && !p.Facts.Variables()[analysis.Fold(id.Name)] && !p.Facts.HasClass(id.Name) {
				help := ""
				if analysis.Fold(id.Name) == "console" {
					help = "write PRINT"
				}
				p.Report(call, analysis.Quote(id.Name+"."+name.Name)+" belongs to JavaScript", help)
			}
		}
	}
}
