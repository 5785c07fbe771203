package check

import (
	"strings"

	"bbjtune/bbj/api"
	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/syntax"
)

// UseKind is a kind of what a program uses.
type UseKind string

// The kinds of uses.
const (
	UseVerb     UseKind = "verb"
	UseFunction UseKind = "function"
	UseClass    UseKind = "class"
	UseMethod   UseKind = "method"
	UseEvent    UseKind = "event"
)

// Use is a place where a program uses something of the language or of the BBj
// API.
type Use struct {
	Kind UseKind
	// Class is the class that declares a method, or "" where the class of its
	// object is not certain.
	Class string
	// Name is the name as the API writes it.
	Name string
	At   syntax.Range
}

// Uses lists what a program uses of the verbs, functions, classes, methods and
// events that bbj/api knows, in the order in which the program is walked. A
// class counts as used where it is named, and where a call gives one of its
// objects for certain. Calls of methods that the program defines are no uses.
func Uses(prog *syntax.Program) []Use {
	p := analysis.NewPass(prog)
	defer p.Release()
	u := uses{types: p.Types(), own: p.Facts}
	prog.Walk(u.visit)
	return u.list
}

type uses struct {
	types *analysis.Types
	own   *analysis.Facts
	list  []Use
}

func (u *uses) add(kind UseKind, class, name string, at syntax.Node) {
	u.list = append(u.list, Use{kind, class, name, at.Span()})
}

func (u *uses) visit(n syntax.Node) bool {
	if s, ok := n.(syntax.Stmt); ok {
		u.verb(s)
	}
	switch n := n.(type) {
	case *syntax.CallExpr:
		u.call(n)
	case *syntax.MemberExpr:
		if e, ok := api.LookupEvent(n.Name.Name); ok {
			u.add(UseEvent, "", e.Name, n)
		}
	case *syntax.TypeRef:
		u.class(n)
	}
	return true
}

func (u *uses) verb(s syntax.Stmt) {
	word := s.Verb().String()
	if v, ok := s.(*syntax.VerbStmt); ok && v.Record {
		word = strings.TrimSuffix(word, "RECORD")
	}
	if v, ok := api.LookupVerb(word); ok {
		u.add(UseVerb, "", v.Name, s)
	}
	// The words that end these are not statements of their own.
	switch s := s.(type) {
	case *syntax.ClassDecl:
		u.end(word+"END", s)
	case *syntax.MethodDecl:
		if !s.Abstract {
			u.end("METHODEND", s)
		}
	}
}

func (u *uses) end(word string, s syntax.Stmt) {
	if v, ok := api.LookupVerb(word); ok {
		u.add(UseVerb, "", v.Name, s)
	}
}

func (u *uses) class(t *syntax.TypeRef) {
	name := t.Name[strings.LastIndexByte(t.Name, '.')+1:]
	if t.Path != "" || u.own.HasClass(name) && !isProxy(t.Name) {
		return
	}
	if c, ok := api.LookupClass(name); ok && c.Kind != api.Foreign && (name == t.Name || isProxy(t.Name)) {
		u.add(UseClass, "", c.Name, t)
	}
}

func isProxy(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "com.basis.bbj.proxies.")
}

func (u *uses) call(n *syntax.CallExpr) {
	if id, ok := n.Function(); ok {
		if f, ok := api.LookupFunction(id.Name); ok {
			u.add(UseFunction, "", f.Name, n)
		}
	} else if receiver, name, ok := n.Method(); ok {
		u.method(n, receiver, name)
	} else {
		return // a substring
	}
	if c := u.types.Of(n); c.API != nil && c.API.Kind != api.Foreign {
		u.add(UseClass, "", c.API.Name, n)
	}
}

// method finds the class that declares the method that is called. Where the
// class of the object is not certain, any class that has the name may be meant.
func (u *uses) method(n *syntax.CallExpr, receiver syntax.Expr, name syntax.Ident) {
	if !api.IsMethod(name.Name) {
		return
	}
	class := u.types.Receiver(n, receiver)
	switch {
	case class.Own != nil:
	case class.API == nil && receiver == nil:
	case class.API == nil:
		if analysis.OfObject(receiver, name) {
			u.add(UseMethod, "", nameOf(name.Name), n)
		}
	default:
		m, ok := class.API.Method(name.Name)
		if !ok {
			return
		}
		if owner, certain := m.Owner(); certain {
			u.add(UseMethod, owner.Name, m.Name, n)
		} else {
			u.add(UseMethod, "", nameOf(name.Name), n)
		}
	}
}

// nameOf writes a method as the API does. Classes may write it differently; the
// first decides.
func nameOf(name string) string {
	for c := range api.Declaring(name) {
		if m, ok := c.Method(name); ok {
			return m.Name
		}
	}
	return name
}
