package check

import (
	"sort"
	"strings"

	"bbjtune/bbj/syntax"
)

// returns says which class some methods give. Where it is silent, a method
// addX gives a BBjX if there is such a class, and anything else is unknown.
// Source: BASIS's documentation of the classes.
var returns = map[string]string{
	"getsysgui":        "BBjSysGui",
	"opensysgui":       "BBjSysGui",
	"addwindow":        "BBjTopLevelWindow",
	"addchildwindow":   "BBjChildWindow",
	"addgrid":          "BBjStandardGrid",
	"getwebmanager":    "BBjWebManager",
	"getbuimanager":    "BBjBuiManager",
	"getthinclient":    "BBjThinClient",
	"getconfig":        "BBjConfig",
	"getmenubar":       "BBjMenuBar",
	"getimagemanager":  "BBjImageManager",
	"getsystemmetrics": "BBjSystemMetrics",
}

const (
	unknownType = "?"    // of a variable that does not always hold the same class
	nullType    = "null" // of NULL(), which every variable may hold
)

// types is what is known of the types of variables in one program.
type types struct {
	facts *facts
	vars  map[scopedName]string
}

type scopedName struct {
	scope int
	name  string
}

// infer finds the type of each variable: the one that all assignments and
// declarations in its scope agree on. The second round takes back what rests on
// a variable that later turned out to hold something else.
func infer(f *facts) *types {
	t := &types{facts: f, vars: map[scopedName]string{}}
	for range 2 {
		for _, n := range f.binders {
			t.bind(n)
		}
	}
	return t
}

// scopeAt returns the index of the method around the offset, 0 outside all. The
// scopes after the first are methods in the order of the text.
func (t *types) scopeAt(offset int32) int {
	methods := t.facts.scopes[1:]
	i := sort.Search(len(methods), func(i int) bool { return offset < methods[i].where.End })
	if i < len(methods) && methods[i].where.Start <= offset {
		return i + 1
	}
	return 0
}

func (t *types) bind(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.Assign:
		t.assign(n.Target, t.value(n.Value))
	case *syntax.DeclareStmt:
		t.set(n.Name, t.class(n.Type))
	case *syntax.Param:
		t.set(n.Name, t.class(n.Type))
	case *syntax.VerbStmt:
		if n.Word != syntax.PRINT && n.Word != syntax.WRITE {
			for _, x := range n.Args {
				t.assign(x, "")
			}
		}
	case *syntax.ForStmt:
		t.assign(n.Var, "")
	}
}

func (t *types) assign(target syntax.Expr, class string) {
	switch x := target.(type) {
	case *syntax.Ident:
		t.set(*x, class)
	case *syntax.VerifyExpr:
		t.assign(x.X, class)
	}
}

// set records that the variable holds the class. A null value agrees with all.
func (t *types) set(id syntax.Ident, class string) {
	if id.Suffix() != '!' {
		return
	}
	key := scopedName{t.scopeAt(id.Start), fold(id.Name)}
	switch old, ok := t.vars[key]; {
	case class == nullType:
	case class == "":
		t.vars[key] = unknownType
	case !ok:
		t.vars[key] = class
	case old != class:
		t.vars[key] = unknownType
	}
}

// class returns the name of the BBj class that the type names, or "".
func (t *types) class(ref syntax.TypeRef) string {
	if ref.Path != "" || ref.Dims > 0 || t.facts.types[fold(ref.Name)] {
		return ""
	}
	if _, ok := knownClasses.lookup(ref.Name); !ok || isValueClass(ref.Name) {
		return ""
	}
	return ref.Name
}

// isValueClass reports whether the class is a string, a number or a vector,
// which have the methods of their Java classes too.
func isValueClass(name string) bool {
	switch fold(name) {
	case "bbjstring", "bbjnumber", "bbjint", "bbjvector", "bbjtemplatedstring", "bbjfont", "bbjcolor":
		return true
	}
	return false
}

// isClass reports whether the expression is the name of a BBj class.
func (t *types) isClass(x syntax.Expr) bool {
	id, ok := x.(*syntax.Ident)
	if !ok || t.facts.types[fold(id.Name)] {
		return false
	}
	_, known := knownClasses.lookup(id.Name)
	return known
}

// of returns the BBj class of an object, "" if it is not known.
func (t *types) of(x syntax.Expr) string {
	if c := t.value(x); c != nullType {
		return c
	}
	return ""
}

// value is of, and tells the null value apart.
func (t *types) value(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return t.value(x.X)
	case *syntax.Ident:
		if c := t.vars[scopedName{t.scopeAt(x.Start), fold(x.Name)}]; c != unknownType {
			return c
		}
	case *syntax.CallExpr:
		return t.ofCall(x)
	}
	return ""
}

func (t *types) ofCall(x *syntax.CallExpr) string {
	if id, ok := x.Function(); ok {
		switch {
		case syntax.EqualFold(id.Name, "bbjapi"):
			return "BBjAPI"
		case syntax.EqualFold(id.Name, "null"):
			return nullType
		}
		return ""
	}
	receiver, name, ok := x.Method()
	if !ok || receiver == nil || t.of(receiver) == "" {
		return ""
	}
	method := fold(name.Name)
	if c, ok := returns[method]; ok {
		return c
	}
	if what, ok := strings.CutPrefix(name.Name, "add"); ok {
		if _, known := knownClasses.lookup("BBj" + what); known {
			return "BBj" + what
		}
	}
	return ""
}
