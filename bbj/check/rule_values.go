package check

import (
	"bbjtune/bbj/api"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

var methodOnValue = Rule{
	Code: "BBJ2003", Name: "method-on-value", Family: diag.Syntax, Severity: diag.Error,
	Title: "method called on the value of a function that gives no object",
	Why:   "a string or a number that a function returns has no methods; assign it to an object variable first",
	Bad:   "a$=str(5).trim()\n", BadLine: 1,
	Good: "a!=str(5)\na$=a!.trim()\n",
	run:  runMethodOnValue,
}

func runMethodOnValue(p *pass) {
	for _, call := range p.facts.calls {
		receiver, name, ok := call.Method()
		if !ok {
			continue
		}
		inner, ok := receiver.(*syntax.CallExpr)
		if !ok {
			continue
		}
		id, ok := inner.Function()
		if !ok {
			continue
		}
		f, ok := api.LookupFunction(id.Name)
		if !ok {
			continue
		}
		switch f.Returns {
		case "string", "num", "int":
			if p.variables()[fold(id.Name)] {
				continue
			}
			p.report(call, "the value of "+id.Name+"(…) is no object and has no method "+quote(name.Name),
				"assign it to an object variable first")
		}
	}
}

var functionTarget = Rule{
	Code: "BBJ2005", Name: "function-as-target", Family: diag.Syntax, Severity: diag.Error,
	Title: "assignment to a function",
	Why:   "the value of a function cannot be assigned to",
	Bad:   "ctrl(1)=\"x\"\n", BadLine: 1,
	Good: "x$=ctrl(1)\n",
	run:  runFunctionTarget,
}

func runFunctionTarget(p *pass) {
	for _, let := range p.facts.lets {
		for i := range let.Assigns {
			call, ok := let.Assigns[i].Target.(*syntax.CallExpr)
			if !ok {
				continue
			}
			id, ok := call.Function()
			if ok && id.Suffix() == 0 && p.isFunction(id) {
				p.report(call, "the function "+quote(id.Name)+" cannot be assigned to", "")
			}
		}
	}
}
