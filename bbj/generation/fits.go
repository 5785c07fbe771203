package generation

import (
	"slices"
	"strings"

	"bbjtune/bbj/syntax"
)

// makers are the methods that add a window or a control. They are the names of
// nothing else.
var makers = set("addwindow", "addchildwindow", "addbutton", "addmenubutton", "addtoolbutton", "addcheckbox", "addradiobutton",
	"addstatictext", "addeditbox", "addcedit", "addinpute", "addinputn", "addinputd", "addlistbox", "addlistbutton", "addlistedit",
	"addgrid", "addtree", "addtabcontrol", "addgroupbox", "addimagectrl", "addhtmlview", "addprogressbar", "addhorizontalslider",
	"addverticalslider", "addmenubar", "addwebcomponent", "addnavigator")

// shared are names of signals that classes of Java have, too, or a program's own.
var shared = set("setattribute", "getattribute", "removeattribute", "setstyle", "getstyle", "unsetstyle", "addstyle", "addclass",
	"removeclass", "setproperty", "settheme", "setcallback")

// anywhere are signals of character programs that programs of every generation
// give: such code says nothing against any.
var anywhere = set("input", "line number", "bell", "rb", "cr", "lf")

// screenTypes are parts of the names of BBj's types for what is seen.
var screenTypes = []string{"window", "button", "box", "edit", "grid", "text", "control", "slider", "tree", "menu", "sysgui", "webmanager", "webcomponent"}

// Contradiction returns the place that shows programs, the files of one, to be
// written for a generation that none of the declared ones fits: the index of the
// program and the signal. It is ok only where that is certain.
//
// [All] fits programs without a signal. DWC fits those of the object GUI as well.
// Code without a signal fits any generation, and so does what runs in all of them,
// such as INPUT and line numbers. A method that other classes have, too, counts when
// its object is a control for certain.
func Contradiction(declared []Generation, programs ...*syntax.Program) (program int, at Signal, ok bool) {
	if len(declared) == 0 {
		return 0, Signal{}, false
	}
	perhaps := All
	certain := make([][]Signal, len(programs))
	var every []Signal
	for i, p := range programs {
		signals := Of(p).Signals
		perhaps = newest(append(signals, Signal{Generation: perhaps}))
		certain[i] = sure(p, signals)
		every = append(every, certain[i]...)
	}
	written := newest(every)
	if fitsAny(declared, perhaps) || fitsAny(declared, written) {
		return 0, Signal{}, false
	}
	for i, list := range certain {
		for _, s := range list {
			if s.Generation == written {
				return i, s, true
			}
		}
	}
	return 0, Signal{}, false
}

func fitsAny(declared []Generation, written Generation) bool {
	return written == All || slices.Contains(declared, written) || written == GUI && slices.Contains(declared, DWC)
}

// sure leaves out the signals that may be something else.
func sure(p *syntax.Program, signals []Signal) []Signal {
	known := knownObjects(p)
	elsewhere := otherChannels(p)
	var list []Signal
	for _, s := range signals {
		name := strings.ToLower(s.What)
		switch {
		case s.Generation == Character && anywhere[name]:
		case shared[name] && !known.calls[s.At.Start]:
		case known.types[s.At.Start] && !slices.ContainsFunc(screenTypes, func(part string) bool { return strings.Contains(name, part) }):
		case s.Generation == Character && slices.ContainsFunc(elsewhere, func(r syntax.Range) bool { return r.Start <= s.At.Start && s.At.End <= r.End }):
		default:
			list = append(list, s)
		}
	}
	return list
}

// otherChannels are the statements that write or read another channel than the
// terminal: a position on paper is not one on the screen.
func otherChannels(p *syntax.Program) []syntax.Range {
	var list []syntax.Range
	p.Walk(func(n syntax.Node) bool {
		if v, ok := n.(*syntax.VerbStmt); ok && !fromTerminal(v.Chan) {
			list = append(list, v.Range)
		}
		return true
	})
	return list
}

// objects says where a program names a type, and where it calls a shared method
// of a control.
type objects struct {
	types, calls map[int32]bool
}

func knownObjects(p *syntax.Program) objects {
	controls := map[string]bool{}
	o := objects{map[int32]bool{}, map[int32]bool{}}
	note := func(t syntax.TypeRef, name syntax.Ident) {
		if strings.HasPrefix(strings.ToLower(t.Name), "bbj") {
			controls[strings.ToLower(name.Name)] = true
		}
	}
	p.Walk(func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.TypeRef:
			o.types[n.Start] = true
		case *syntax.DeclareStmt:
			note(n.Type, n.Name)
		case *syntax.FieldDecl:
			note(n.Type, n.Name)
		case *syntax.Param:
			note(n.Type, n.Name)
		case *syntax.Assign:
			if makes(n.Value) {
				controls[objectName(n.Target)] = true
			}
		}
		return true
	})
	delete(controls, "") // a target that is neither, such as an element
	p.Walk(func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			if receiver, name, ok := call.Method(); ok && receiver != nil && (makes(receiver) || controls[objectName(receiver)]) {
				o.calls[name.Start] = true
			}
		}
		return true
	})
	return o
}

// makes reports whether the expression is the call of a method that adds a control.
func makes(x syntax.Expr) bool {
	call, ok := x.(*syntax.CallExpr)
	if !ok {
		return false
	}
	_, name, ok := call.Method()
	return ok && makers[strings.ToLower(name.Name)]
}

// objectName is the name of a variable or field, in lower case, or "".
func objectName(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.Ident:
		return strings.ToLower(x.Name)
	case *syntax.HashExpr:
		return strings.ToLower(x.Name.Name)
	}
	return ""
}
