package check

import (
	"maps"
	"slices"

	"bbjtune/bbj/api"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

var undefinedFunction = Rule{
	Code: "BBJ2002", Name: "undefined-function", Family: diag.Syntax, Severity: diag.Error,
	Title: "call of a function that is neither built in nor defined",
	Why:   "the compiler knows the functions of the language and those that DEF defines in the program",
	Bad:   "a$=trim(b$)\n", BadLine: 1,
	Good: "a$=cvs(b$,3)\n",
	run:  runUndefinedFunction,
}

func runUndefinedFunction(p *pass) {
	for _, call := range p.facts.calls {
		id, ok := call.Function()
		if !ok || id.IsFN() || p.isFunction(id) || p.variables()[fold(id.Name)] {
			continue
		}
		help := elsewhere[fold(id.Name)]
		if help == "" {
			help = didYouMean(id.Name, api.FunctionNames())
		}
		p.report(id, "function "+quote(id.Name)+" is not defined", help)
	}
}

var undefinedFN = Rule{
	Code: "BBJ3004", Name: "undefined-fn", Family: diag.API, Severity: diag.Error,
	Title: "call of an FN function that the program does not define",
	Why:   "shipped programs show that such a call compiles; it fails when it runs",
	Bad:   "x=fntotal(1,2)\n", BadLine: 1,
	Good: "def fntotal(a,b)=a+b\nx=fntotal(1,2)\n",
	run:  runUndefinedFN,
}

// A name with a suffix may be a variable whose substring is taken, and a
// program that executes or merges text may define the function in it.
func runUndefinedFN(p *pass) {
	if p.merges() {
		return
	}
	for _, call := range p.facts.calls {
		id, ok := call.Function()
		if !ok || !id.IsFN() || id.Suffix() != 0 || p.isFunction(id) || p.variables()[fold(id.Name)] {
			continue
		}
		p.report(id, "function "+quote(id.Name)+" is not defined", didYouMean(id.Name, slices.Sorted(maps.Keys(p.facts.defs))))
	}
}

func (p *pass) isFunction(id syntax.Ident) bool {
	if _, ok := api.LookupFunction(id.Name); ok {
		return true
	}
	return syntax.IsSystemVar(id.Name) || p.facts.defs[fold(id.Name)]
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
