package suite

import (
	"strings"

	"bbjtune/bbj/syntax"
)

// targets are the names that callbacks may lead to, in lower case.
type targets struct{ labels, methods map[string]bool }

// callbacksLead reports whether the program registers callbacks and each goes
// to a label or a method that exists.
func callbacksLead(p *syntax.Program) bool {
	t := targets{map[string]bool{}, map[string]bool{}}
	p.Walk(func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LabelStmt:
			t.labels[strings.ToLower(n.Name.Name)] = true
		case *syntax.MethodDecl:
			t.methods[strings.ToLower(n.Name.Name)] = true
		}
		return true
	})
	count, lost := 0, 0
	p.Walk(func(n syntax.Node) bool {
		registers, leads := t.registers(n)
		if registers {
			count++
		}
		if registers && !leads {
			lost++
		}
		return true
	})
	return count > 0 && lost == 0
}

// registers reports whether a node registers a callback, and whether that has its
// target.
func (t targets) registers(n syntax.Node) (registers, leads bool) {
	switch n := n.(type) {
	case *syntax.CallExpr:
		_, name, ok := n.Method()
		switch {
		case ok && strings.EqualFold(name.Name, "setCallback") && len(n.Args) >= 2:
			return true, t.leads(n.Args)
		case ok && strings.EqualFold(name.Name, "createTimer") && len(n.Args) >= 3:
			return true, t.leads(n.Args[1:]) // the name of the timer stands first
		}
	case *syntax.VerbStmt:
		if n.Word == syntax.CALLBACK && len(n.Chan) >= 2 {
			return true, t.labelled(n.Chan[1])
		}
	}
	return false, false
}

// labelled reports whether the second argument of the verb CALLBACK is a label that
// exists. A line number, or a label that is worked out, counts as there.
func (t targets) labelled(x syntax.Expr) bool {
	switch x := x.(type) {
	case *syntax.Ident:
		return t.labels[strings.ToLower(x.Name)]
	case *syntax.LabelRef:
		return strings.HasPrefix(x.Name, "*") || t.labels[strings.ToLower(x.Name)] || x.Name[0] >= '0' && x.Name[0] <= '9'
	}
	return true
}

// leads reports whether a setCallback(event,"label") or (event,object,"method")
// has its target. The method of an object whose class stands elsewhere cannot
// be checked and counts as there.
func (t targets) leads(args []syntax.Expr) bool {
	target, ok := args[len(args)-1].(*syntax.StringLit)
	if !ok {
		return true
	}
	name := strings.ToLower(target.Value())
	if len(args) == 2 {
		return t.labels[name]
	}
	if hash, ok := args[1].(*syntax.HashExpr); ok && strings.EqualFold(hash.Name.Name, "this!") {
		return t.methods[name]
	}
	return true
}
