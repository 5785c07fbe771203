package analysis

import (
	"sort"
	"strings"

	"bbjtune/bbj/api"
	"bbjtune/bbj/syntax"
)

// Class is what is known of the class of an object: one of the BBj API, or one
// that the program defines. The zero value is an unknown class.
type Class struct {
	API *api.Class
	Own *syntax.ClassDecl
}

// Known reports whether anything is known.
func (c Class) Known() bool { return c != Class{} }

// Name returns the name of the class as it is defined, empty when unknown.
func (c Class) Name() string {
	switch {
	case c.API != nil:
		return c.API.Name
	case c.Own != nil:
		return c.Own.Name.Name
	}
	return ""
}

// related reports whether one of the two classes may be the other.
func (c Class) related(d Class) bool {
	if c.API != nil && d.API != nil {
		return c.API.Is(d.API) || d.API.Is(c.API)
	}
	return c == d
}

// Types is what is known of the classes of variables in one program.
type Types struct {
	facts   *Facts
	vars    map[scopedName]variable
	unclear int // how often a variable has become unclear
	depth   int // of the chain of calls that is looked at
	members map[*syntax.ClassDecl]*members
}

// members are those of a class by their folded names.
type members struct {
	methods map[string][]*syntax.MethodDecl
	fields  map[string]*syntax.FieldDecl
}

type scopedName struct {
	scope int
	name  string
}

// variable is what is known of the objects that a variable holds.
type variable struct {
	declared, assigned Class
	// unclear is set where declarations, or assignments, do not agree.
	unclearDeclared, unclearAssigned bool
}

// class returns the class of all objects that the variable can hold. A
// declaration stands even where assignments say nothing, since the compiler and
// the interpreter hold the variable to it.
func (v variable) class() Class {
	switch {
	case v.unclearDeclared:
		return Class{}
	case v.declared.Known():
		if v.assigned.Known() && !v.unclearAssigned && !v.assigned.related(v.declared) {
			return Class{}
		}
		return v.declared
	case v.unclearAssigned:
		return Class{}
	}
	return v.assigned
}

// infer finds the class of each variable: the one that is declared, or that all
// assignments in its scope agree on. The later rounds take back what rests on a
// variable that turned out to hold something else, until nothing changes.
func infer(f *Facts) *Types {
	t := &Types{facts: f, vars: map[scopedName]variable{}}
	for range maxRounds {
		before := t.unclear
		for _, n := range f.Binders {
			t.bind(n)
		}
		if t.unclear == before {
			return t
		}
	}
	// Only made programs are so entangled. Nothing is known for certain then.
	clear(t.vars)
	return t
}

const maxRounds = 20

// scopeAt returns the index of the method around the offset, 0 outside all. The
// scopes after the first are methods in the order of the text.
func (t *Types) scopeAt(offset int32) int {
	methods := t.facts.Scopes[1:]
	i := sort.Search(len(methods), func(i int) bool { return offset < methods[i].where.End })
	if i < len(methods) && methods[i].where.Start <= offset {
		return i + 1
	}
	return 0
}

// Around returns the class whose text holds the offset.
func (t *Types) Around(offset int32) *syntax.ClassDecl {
	list := t.facts.classes
	i := sort.Search(len(list), func(i int) bool { return offset < list[i].End })
	if i < len(list) && list[i].Start <= offset {
		return list[i]
	}
	return nil
}

func (t *Types) bind(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.Assign:
		c, null := t.value(n.Value)
		if !null {
			t.assign(n.Target, c)
		}
	case *syntax.DeclareStmt:
		t.declare(n.Name, n.Type)
	case *syntax.Param:
		if n.Array {
			t.declare(n.Name, syntax.TypeRef{})
			return
		}
		t.declare(n.Name, n.Type)
	case *syntax.VerbStmt:
		if n.Word != syntax.PRINT && n.Word != syntax.WRITE {
			for _, x := range n.Args {
				t.assign(x, Class{})
			}
		}
	case *syntax.ForStmt:
		t.assign(n.Var, Class{})
	case *syntax.DefStmt: // what is passed may be anything
		for _, id := range n.Params {
			t.declare(id, syntax.TypeRef{})
		}
	}
}

func (t *Types) key(id syntax.Ident) scopedName {
	return scopedName{t.scopeAt(id.Start), Fold(id.Name)}
}

func (t *Types) assign(target syntax.Expr, c Class) {
	switch x := target.(type) {
	case *syntax.Ident:
		if x.Suffix() != '!' {
			return
		}
		v := t.vars[t.key(*x)]
		if !v.unclearAssigned && (!c.Known() || v.assigned.Known() && v.assigned != c) {
			v.unclearAssigned = true
			t.unclear++
		}
		v.assigned = c
		t.vars[t.key(*x)] = v
	case *syntax.VerifyExpr:
		t.assign(x.X, c)
	}
}

func (t *Types) declare(id syntax.Ident, ref syntax.TypeRef) {
	if id.Suffix() != '!' {
		return
	}
	v, c := t.vars[t.key(id)], t.class(ref)
	if !v.unclearDeclared && (!c.Known() || v.declared.Known() && v.declared != c) {
		v.unclearDeclared = true
		t.unclear++
	}
	v.declared = c
	t.vars[t.key(id)] = v
}

// class returns the class that the type names.
func (t *Types) class(ref syntax.TypeRef) Class {
	if ref.Path != "" || ref.Dims > 0 {
		return Class{}
	}
	return t.named(ref.Name)
}

func (t *Types) named(name string) Class {
	if own, ok := t.facts.types[Fold(name)]; ok {
		return Class{Own: own} // nil where another file defines it
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		if !strings.HasPrefix(Fold(name), "com.basis.bbj.proxies.") {
			return Class{}
		}
		name = name[i+1:]
	}
	if c, ok := api.LookupClass(name); ok && c.Kind != api.Foreign {
		return Class{API: c}
	}
	return Class{}
}

// IsClass reports whether the expression is the name of a BBj class.
func (t *Types) IsClass(x syntax.Expr) bool {
	id, ok := x.(*syntax.Ident)
	return ok && id.Suffix() == 0 && t.named(id.Name).API != nil
}

// Of returns the class of an object.
func (t *Types) Of(x syntax.Expr) Class {
	c, _ := t.value(x)
	return c
}

// value is Of, and tells the null value apart, which every variable may hold.
func (t *Types) value(x syntax.Expr) (c Class, null bool) {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return t.value(x.X)
	case *syntax.Ident:
		return t.vars[t.key(*x)].class(), false
	case *syntax.HashExpr:
		return t.ofHash(x), false
	case *syntax.NewExpr:
		if !x.Array {
			c = t.class(x.Type)
		}
	case *syntax.CallExpr:
		return t.ofCall(x)
	}
	return c, false
}

// ofHash returns the class of #this! or of a field.
func (t *Types) ofHash(x *syntax.HashExpr) Class {
	own := t.Around(x.Start)
	if own == nil {
		return Class{}
	}
	if syntax.EqualFold(x.Name.Name, "this!") {
		return Class{Own: own}
	}
	if f := t.membersOf(own).fields[Fold(x.Name.Name)]; f != nil {
		return t.class(f.Type)
	}
	return Class{}
}

func (t *Types) ofCall(x *syntax.CallExpr) (c Class, null bool) {
	if id, ok := x.Function(); ok {
		return t.ofFunction(id, x.Args)
	}
	receiver, name, ok := x.Method()
	if !ok || t.depth > maxChain {
		return Class{}, false
	}
	t.depth++
	defer func() { t.depth-- }()
	return t.result(t.Receiver(x, receiver), name.Name, Positional(x.Args)), false
}

// maxChain is the longest chain of calls that is followed. Nobody writes longer
// ones, and each call of a chain looks at all before it.
const maxChain = 50

func (t *Types) ofFunction(id syntax.Ident, args []syntax.Expr) (c Class, null bool) {
	switch {
	case syntax.EqualFold(id.Name, "null"):
		return Class{}, true
	case syntax.EqualFold(id.Name, "bbjapi"):
		return t.named("BBjAPI"), false
	case syntax.EqualFold(id.Name, "cast") && len(args) > 0:
		switch x := args[0].(type) {
		case *syntax.TypeExpr:
			return t.class(x.TypeRef), false
		case *syntax.Ident:
			if x.Suffix() == 0 {
				return t.named(x.Name), false
			}
		}
	}
	return Class{}, false
}

// Receiver returns the class of the object whose method is called: that of the
// class around it for #method().
func (t *Types) Receiver(call *syntax.CallExpr, x syntax.Expr) Class {
	if x != nil {
		return t.Of(x)
	}
	if own := t.Around(call.Start); own != nil {
		return Class{Own: own}
	}
	return Class{}
}

// result returns the class of what the method gives with n arguments.
func (t *Types) result(c Class, method string, n int) Class {
	switch {
	case c.API != nil:
		if m, ok := c.API.Method(method); ok {
			return t.apiResult(m.Returns(n))
		}
	case c.Own != nil:
		var found Class
		for _, m := range t.MethodsOf(c.Own, method) {
			r := t.class(m.Type)
			if !r.Known() || found.Known() && found != r {
				return Class{}
			}
			found = r
		}
		return found
	}
	return Class{}
}

// apiResult looks in the API alone: a class of the program that has the same
// name is another one.
func (t *Types) apiResult(name string) Class {
	if c, ok := api.LookupClass(name); ok && c.Kind != api.Foreign {
		return Class{API: c}
	}
	return Class{}
}
