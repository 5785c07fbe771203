// Package unknownmnemonic finds strings in single quotes, which the compiler
// takes for mnemonics. It must not report a mnemonic that only its device knows:
// those are written in capitals, or in small letters, throughout.
package unknownmnemonic

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

// Rule is BBJ3008.
var Rule = analysis.Rule{
	Code: "BBJ3008", Name: "unknown-mnemonic", Family: diag.API, Severity: diag.Error,
	Title: "string in single quotes, which makes it a mnemonic that does not exist",
	Why:   "what stands in single quotes is a mnemonic for a terminal, a window or a printer; one that does not exist is an error when the program runs; names all in capitals or all in small letters are left alone, since a device may have its own",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, m := range p.Facts.Mnemonics {
		if m.Name == strings.ToUpper(m.Name) || m.Name == strings.ToLower(m.Name) {
			continue
		}
		if _, known := api.LookupMnemonic(m.Name); !known {
			p.Report(m, "there is no mnemonic "+analysis.Quote("'"+m.Name+"'"), `write a string in double quotes: "`+m.Name+`"`)
		}
	}
}
