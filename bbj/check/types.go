package check

import (
	"sort"
	"strings"

	"bbjtune/bbj/api"
	"bbjtune/bbj/syntax"
)

// class is what is known of the class of an object: one of the BBj API, or one
// that the program defines. The zero value is an unknown class.
type class struct {
	api *api.Class
	own *syntax.ClassDecl
}

func (c class) known() bool { return c != class{} }

func (c class) name() string {
	switch {
	case c.api != nil:
		return c.api.Name
	case c.own != nil:
		return c.own.Name.Name
	}
	return ""
}

// related reports whether one of the two classes may be the other.
func (c class) related(d class) bool {
	if c.api != nil && d.api != nil {
		return c.api.Is(d.api) || d.api.Is(c.api)
	}
	return c == d
}

// types is what is known of the classes of variables in one program.
type types struct {
	facts *facts
	vars  map[scopedName]variable
}

type scopedName struct {
	scope int
	name  string
}

// variable is what is known of the objects that a variable holds.
type variable struct {
	declared, assigned class
	// unclear is set where declarations, or assignments, do not agree.
	unclearDeclared, unclearAssigned bool
}

// class returns the class of all objects that the variable can hold. A
// declaration stands even where assignments say nothing, since the compiler and
// the interpreter hold the variable to it.
func (v variable) class() class {
	switch {
	case v.unclearDeclared:
		return class{}
	case v.declared.known():
		if v.assigned.known() && !v.unclearAssigned && !v.assigned.related(v.declared) {
			return class{}
		}
		return v.declared
	case v.unclearAssigned:
		return class{}
	}
	return v.assigned
}

// infer finds the class of each variable: the one that is declared, or that all
// assignments in its scope agree on. The second round takes back what rests on
// a variable that later turned out to hold something else.
func infer(f *facts) *types {
	t := &types{facts: f, vars: map[scopedName]variable{}}
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

// around returns the class whose text holds the offset.
func (t *types) around(offset int32) *syntax.ClassDecl {
	list := t.facts.classes
	i := sort.Search(len(list), func(i int) bool { return offset < list[i].End })
	if i < len(list) && list[i].Start <= offset {
		return list[i]
	}
	return nil
}

func (t *types) bind(n syntax.Node) {
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
				t.assign(x, class{})
			}
		}
	case *syntax.ForStmt:
		t.assign(n.Var, class{})
	}
}

func (t *types) key(id syntax.Ident) scopedName {
	return scopedName{t.scopeAt(id.Start), fold(id.Name)}
}

func (t *types) assign(target syntax.Expr, c class) {
	switch x := target.(type) {
	case *syntax.Ident:
		if x.Suffix() != '!' {
			return
		}
		v := t.vars[t.key(*x)]
		if !c.known() || v.assigned.known() && v.assigned != c {
			v.unclearAssigned = true
		}
		v.assigned = c
		t.vars[t.key(*x)] = v
	case *syntax.VerifyExpr:
		t.assign(x.X, c)
	}
}

func (t *types) declare(id syntax.Ident, ref syntax.TypeRef) {
	if id.Suffix() != '!' {
		return
	}
	v, c := t.vars[t.key(id)], t.class(ref)
	if !c.known() || v.declared.known() && v.declared != c {
		v.unclearDeclared = true
	}
	v.declared = c
	t.vars[t.key(id)] = v
}

// class returns the class that the type names.
func (t *types) class(ref syntax.TypeRef) class {
	if ref.Path != "" || ref.Dims > 0 {
		return class{}
	}
	return t.named(ref.Name)
}

func (t *types) named(name string) class {
	if own, ok := t.facts.types[fold(name)]; ok {
		return class{own: own} // nil where another file defines it
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		if !strings.HasPrefix(fold(name), "com.basis.bbj.proxies.") {
			return class{}
		}
		name = name[i+1:]
	}
	if c, ok := api.LookupClass(name); ok && c.Kind != api.Foreign {
		return class{api: c}
	}
	return class{}
}

// isClass reports whether the expression is the name of a BBj class.
func (t *types) isClass(x syntax.Expr) bool {
	id, ok := x.(*syntax.Ident)
	return ok && id.Suffix() == 0 && t.named(id.Name).api != nil
}

// of returns the class of an object.
func (t *types) of(x syntax.Expr) class {
	c, _ := t.value(x)
	return c
}

// value is of, and tells the null value apart, which every variable may hold.
func (t *types) value(x syntax.Expr) (c class, null bool) {
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
func (t *types) ofHash(x *syntax.HashExpr) class {
	own := t.around(x.Start)
	if own == nil {
		return class{}
	}
	if syntax.EqualFold(x.Name.Name, "this!") {
		return class{own: own}
	}
	for _, m := range own.Members {
		if f, ok := m.(*syntax.FieldDecl); ok && syntax.EqualFold(f.Name.Name, x.Name.Name) {
			return t.class(f.Type)
		}
	}
	return class{}
}

func (t *types) ofCall(x *syntax.CallExpr) (c class, null bool) {
	if id, ok := x.Function(); ok {
		return t.ofFunction(id, x.Args)
	}
	receiver, name, ok := x.Method()
	if !ok {
		return class{}, false
	}
	return t.result(t.receiver(x, receiver), name.Name, positional(x.Args)), false
}

func (t *types) ofFunction(id syntax.Ident, args []syntax.Expr) (c class, null bool) {
	switch {
	case syntax.EqualFold(id.Name, "null"):
		return class{}, true
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
	return class{}, false
}

// receiver returns the class of the object whose method is called: that of the
// class around it for #method().
func (t *types) receiver(call *syntax.CallExpr, x syntax.Expr) class {
	if x != nil {
		return t.of(x)
	}
	if own := t.around(call.Start); own != nil {
		return class{own: own}
	}
	return class{}
}

// result returns the class of what the method gives with n arguments.
func (t *types) result(c class, method string, n int) class {
	switch {
	case c.api != nil:
		if m, ok := c.api.Method(method); ok {
			return t.apiResult(m.Returns(n))
		}
	case c.own != nil:
		var found class
		for _, m := range methodsOf(c.own, method) {
			r := t.class(m.Type)
			if !r.known() || found.known() && found != r {
				return class{}
			}
			found = r
		}
		return found
	}
	return class{}
}

// apiResult looks in the API alone: a class of the program that has the same
// name is another one.
func (t *types) apiResult(name string) class {
	if c, ok := api.LookupClass(name); ok && c.Kind != api.Foreign {
		return class{api: c}
	}
	return class{}
}

// methodsOf returns the methods of that name that the class itself defines.
func methodsOf(c *syntax.ClassDecl, name string) []*syntax.MethodDecl {
	var out []*syntax.MethodDecl
	for _, m := range c.Members {
		if m, ok := m.(*syntax.MethodDecl); ok && syntax.EqualFold(m.Name.Name, name) {
			out = append(out, m)
		}
	}
	return out
}

// positional counts the arguments that are no options.
func positional(args []syntax.Expr) int {
	n := 0
	for _, x := range args {
		if _, ok := x.(*syntax.Option); !ok {
			n++
		}
	}
	return n
}
