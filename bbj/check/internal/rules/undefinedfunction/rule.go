// Package undefinedfunction finds calls of functions that are neither built
// in nor defined. It knows what other languages call them. Names that start with
// FN are another rule's business, since they compile.
package undefinedfunction

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

// Rule is BBJ2002.
var Rule = analysis.Rule{
	Code: "BBJ2002", Name: "undefined-function", Family: diag.Syntax, Severity: diag.Error,
	Title: "call of a function that is neither built in nor defined",
	Why:   "the compiler knows the functions of the language and those that DEF defines in the program",
	Bad:   bad, BadLine: 1, Good: good,
	Run: run,
}

func run(p *analysis.Pass) {
	for _, call := range p.Facts.Calls {
		id, ok := call.Function()
		if !ok || id.IsFN() || p.Facts.IsFunction(id) {
			continue
		}
		help := elsewhere[analysis.Fold(id.Name)]
		if help == "" {
			help = p.DidYouMean(id.Name, api.FunctionNames)
		}
		p.Report(id, "function "+analysis.Quote(id.Name)+" is not defined", help)
	}
}

// elsewhere maps functions of other languages to what BBj has instead.
var elsewhere = map[string]string{
	"alert":        "write x=MSGBOX(message$)",
	"confirm":      "write x=MSGBOX(message$,4)",
	"trim":         "write CVS(a$,3)",
	"ltrim":        "write CVS(a$,1)",
	"rtrim":        "write CVS(a$,2)",
	"ucase":        "write CVS(a$,4)",
	"upper":        "write CVS(a$,4)",
	"lcase":        "write CVS(a$,8)",
	"lower":        "write CVS(a$,8)",
	"left":         "write a$(1,n)",
	"right":        "write a$(len(a$)-n+1)",
	"mid":          "write a$(start,length)",
	"substr":       "write a$(start,length)",
	"instr":        "write POS(part$=a$)",
	"val":          "write NUM(a$)",
	"parseint":     "write NUM(a$)",
	"int_parse":    "write NUM(a$)",
	"str_replace":  "write a!.replace(old$,new$) on a string object",
	"sqrt":         "write SQR(n)",
	"rnd_int":      "write INT(RND(n))",
	"now":          "write DATE(0)",
	"ubound":       "take the bound from where the array is DIMmed",
	"isnull":       "write x!=NULL()",
	"createobject": "write NEW class()",
	"inputbox":     "write PROMPT(message$)",
	"printf":       "write PRINT",
	"require":      "write USE class",
}
