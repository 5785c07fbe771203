package analysis

import (
	"slices"

	"bbjtune/bbj/api"
	"bbjtune/bbj/syntax"
)

// OfObject reports whether the call may be one of a method that is looked up: a
// name with a suffix after # is a field, or a constructor as in #this!(), and
// other variables than those of objects need no inference.
func OfObject(x syntax.Expr, name syntax.Ident) bool {
	if x == nil {
		return name.Suffix() == 0
	}
	id, ok := x.(*syntax.Ident)
	return !ok || id.Suffix() == '!'
}

// Lacks reports whether no object of the class has a method of that name. Of an
// API class whose methods are not all known, that is certain only if no class
// of the API has it.
func (t *Types) Lacks(c Class, name string) bool {
	switch {
	case c.API != nil && c.API.Closed():
		return c.API.Lacks(name)
	case c.API != nil:
		return !api.IsMethod(name)
	case c.Own != nil:
		return !t.open(c.Own) && len(t.MethodsOf(c.Own, name)) == 0 && !t.isAccessor(c.Own, name) && !ofObjects(name)
	}
	return false
}

// Takes reports whether the method may be called with n arguments. Of a method
// that the class lacks nothing is said.
func (t *Types) Takes(c Class, name string, n int) bool {
	if c.API != nil {
		m, ok := c.API.Method(name)
		return !ok || m.Takes(n)
	}
	list := t.MethodsOf(c.Own, name)
	if t.open(c.Own) || len(list) == 0 || t.isAccessor(c.Own, name) || ofObjects(name) {
		return true
	}
	return slices.ContainsFunc(list, func(m *syntax.MethodDecl) bool { return len(m.Params) == n })
}

// MethodNames returns what a method of the class may be called.
func (t *Types) MethodNames(c Class) []string {
	if c.API != nil {
		return slices.Collect(c.API.Methods())
	}
	var out []string
	for _, m := range c.Own.Members {
		if m, ok := m.(*syntax.MethodDecl); ok {
			out = append(out, m.Name.Name)
		}
	}
	return out
}

// open reports whether an object of the class may have more methods than the
// class defines: inherited ones, those of a class that extends it, or those that
// a syntax error hides.
func (t *Types) open(c *syntax.ClassDecl) bool {
	return t.facts.Broken || c.Interface || len(c.Extends)+len(c.Implements) > 0 || t.facts.extended[Fold(c.Name.Name)]
}

// isAccessor reports whether the name is that of a method which BBj makes for a
// field: getName and setName.
func (t *Types) isAccessor(c *syntax.ClassDecl, name string) bool {
	if len(name) < 4 || !syntax.EqualFold(name[:3], "get") && !syntax.EqualFold(name[:3], "set") {
		return false
	}
	fields := t.membersOf(c).fields
	for _, suffix := range []string{"", "$", "%", "!", "@"} {
		if fields[Fold(name[3:])+suffix] != nil {
			return true
		}
	}
	return false
}

// ofObjects reports whether every object has the method, since every class
// extends Object.
func ofObjects(name string) bool {
	object, ok := api.LookupClass("Object")
	if !ok {
		return false
	}
	m, ok := object.Method(name)
	return ok && m.Certain()
}

// MethodsOf returns the methods of that name that the class itself defines.
func (t *Types) MethodsOf(c *syntax.ClassDecl, name string) []*syntax.MethodDecl {
	return t.membersOf(c).methods[Fold(name)]
}

// membersOf sorts the members of a class by their names, once.
func (t *Types) membersOf(c *syntax.ClassDecl) *members {
	if m := t.members[c]; m != nil {
		return m
	}
	m := &members{map[string][]*syntax.MethodDecl{}, map[string]*syntax.FieldDecl{}}
	for _, s := range c.Members {
		switch s := s.(type) {
		case *syntax.MethodDecl:
			m.methods[Fold(s.Name.Name)] = append(m.methods[Fold(s.Name.Name)], s)
		case *syntax.FieldDecl:
			m.fields[Fold(s.Name.Name)] = s
		}
	}
	if t.members == nil {
		t.members = map[*syntax.ClassDecl]*members{}
	}
	t.members[c] = m
	return m
}

// Positional counts the arguments that are no options.
func Positional(args []syntax.Expr) int {
	n := 0
	for _, x := range args {
		if _, ok := x.(*syntax.Option); !ok {
			n++
		}
	}
	return n
}
