package check

import (
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

var reservedTarget = Rule{
	Code: "BBJ2004", Name: "reserved-target", Family: diag.Syntax, Severity: diag.Error,
	Title: "variable of the system read into or dimensioned",
	Why:   "the names of the system's variables cannot be variables of the program",
	Bad:   "read (1)day\n", BadLine: 1,
	Good: "read (1)weekday\n",
	run:  runReservedTarget,
}

func runReservedTarget(p *pass) {
	for _, v := range p.facts.verbs {
		if !v.Word.IsInput() && v.Word != syntax.DIM {
			continue
		}
		for _, x := range v.Args {
			p.checkTargetName(x)
		}
	}
}

func (p *pass) checkTargetName(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.VerifyExpr:
		p.checkTargetName(x.X)
	case *syntax.ColonExpr:
		p.checkTargetName(x.X)
	case *syntax.Ident:
		if syntax.IsReserved(x.Name) || syntax.IsNumericReserved(x.Name) {
			p.report(x, strings.ToUpper(x.Name)+" is reserved and cannot be the name of a variable", "choose another name")
		}
	}
}

var unknownOption = Rule{
	Code: "BBJ2006", Name: "unknown-option", Family: diag.Syntax, Severity: diag.Error,
	Title: "option that no verb knows",
	Why:   "the options after a channel have fixed names",
	Bad:   "open (1,error=failed)\"x\"\nfailed:\n", BadLine: 1,
	Good: "open (1,err=failed)\"x\"\nfailed:\n",
	run:  runUnknownOption,
}

// options lists the names that some verb knows. Which verb takes which is not
// certain enough to report.
var options = []string{
	"dir", "dom", "end", "err", "ind", "isz", "iol", "key", "knum", "len", "mode", "pos", "rec", "siz", "tbl", "tim",
}

func runUnknownOption(p *pass) {
	for _, v := range p.facts.verbs {
		for _, x := range v.Chan {
			o, ok := x.(*syntax.Option)
			if ok && !isOption(o.Name.Name) {
				p.report(o.Name, v.Word.String()+" has no option "+quote(o.Name.Name), didYouMean(o.Name.Name, options))
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
