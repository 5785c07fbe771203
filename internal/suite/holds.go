package suite

import (
	"slices"
	"strconv"
	"strings"

	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
)

// Holds reports whether the answer passes the check. p is the program's tree,
// text the whole answer.
func (c *Check) Holds(p *syntax.Program, text string) bool {
	switch {
	case c.Not != nil:
		return !c.Not.Holds(p, text)
	case c.Any != nil:
		return slices.ContainsFunc(c.Any, func(inner Check) bool { return inner.Holds(p, text) })
	case c.Order != nil:
		return inOrder(c.Order, p)
	case c.prose != nil:
		return c.prose.MatchString(text)
	case c.Generation != nil:
		return matches(c.Generation, string(generation.Of(p).Written))
	case c.Callbacks:
		return callbacksLead(p)
	}
	return len(c.places(p)) >= max(1, c.Min)
}

// inOrder reports whether each check has a place behind one of the check before it.
func inOrder(checks []Check, p *syntax.Program) bool {
	last := int32(-1)
	for i := range checks {
		places := checks[i].places(p)
		at := slices.IndexFunc(places, func(place int32) bool { return place > last })
		if at < 0 {
			return false
		}
		last = places[at]
	}
	return true
}

// places returns where in the text the places that the check asks for begin, in
// ascending order.
func (c *Check) places(p *syntax.Program) []int32 {
	var inside, list []int32
	p.Walk(func(n syntax.Node) bool {
		if c.Inside != nil && named(n, c.Inside) {
			inside = append(inside, n.Span().Start, n.Span().End)
		}
		if c.at(n) {
			list = append(list, n.Span().Start)
		}
		return true
	})
	if c.Inside != nil {
		list = slices.DeleteFunc(list, func(at int32) bool { return !within(inside, at) })
	}
	slices.Sort(list)
	return list
}

// named reports whether the node is a class or a method of one of the names.
func named(n syntax.Node, words Words) bool {
	switch n := n.(type) {
	case *syntax.ClassDecl:
		return matches(words, n.Name.Name)
	case *syntax.MethodDecl:
		return matches(words, n.Name.Name)
	}
	return false
}

// within reports whether a place stands in one of the ranges, which are pairs of
// start and end.
func within(ranges []int32, at int32) bool {
	for i := 0; i < len(ranges); i += 2 {
		if ranges[i] < at && at < ranges[i+1] {
			return true
		}
	}
	return false
}

// at reports whether the node is a place that the check asks for.
func (c *Check) at(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.CallExpr:
		if _, name, ok := n.Method(); ok {
			return matches(c.Call, name.Name) && c.has(n.Args) || matches(c.Identifier, name.Name)
		}
		if name, ok := n.Function(); ok {
			return matches(c.Function, name.Name) && c.has(n.Args)
		}
	case *syntax.NewExpr:
		return (wanted(c.New, n.Type.Name) || matchesType(c.New, n.Type)) && c.has(n.Args)
	case *syntax.Option:
		return matches(c.Option, n.Name.Name)
	case *syntax.Ident:
		return matches(c.Identifier, n.Name)
	case *syntax.MemberExpr:
		return matches(c.Identifier, n.Name.Name)
	case *syntax.HashExpr:
		return matches(c.Identifier, n.Name.Name)
	case *syntax.TypeRef:
		return matchesType(c.Identifier, *n)
	case *syntax.Mnemonic:
		return matches(c.Mnemonic, n.Name)
	case *syntax.StringLit:
		return contains(c.Literal, n.Value())
	case *syntax.NumberLit:
		return sameNumber(c.Number, n.Raw)
	}
	return c.atStatement(n)
}

// has reports whether arguments hold what With asks for.
func (c *Check) has(args []syntax.Expr) bool { return c.With == nil || mentioned(args, c.With) }

func (c *Check) atStatement(n syntax.Node) bool {
	s, ok := n.(syntax.Stmt)
	if !ok {
		return false
	}
	if w := s.Verb(); w != syntax.NoWord && matches(c.Verb, w.String()) && c.hasOption(s) {
		return true
	}
	switch s := s.(type) {
	case *syntax.LabelStmt:
		return matches(c.Label, s.Name.Name)
	case *syntax.ClassDecl:
		return c.atClass(s)
	case *syntax.MethodDecl:
		return wanted(c.Method, s.Name.Name) && c.shaped(s.Visibility, s.Static) &&
			(c.Parameters == nil || *c.Parameters == len(s.Params)) && (c.Returns == nil || matchesType(c.Returns, s.Type))
	case *syntax.FieldDecl:
		return wanted(c.Field, bare(s.Name.Name)) && c.shaped(s.Visibility, s.Static)
	case *syntax.OnStmt:
		return matches(c.Verb, s.Jump.String())
	}
	return false
}

func (c *Check) atClass(s *syntax.ClassDecl) bool {
	words := c.Class
	if s.Interface && c.Interface != nil {
		words = c.Interface
	}
	return wanted(words, s.Name.Name) && c.shaped(s.Visibility, s.Static) ||
		anyType(c.Extends, s.Extends) || anyType(c.Implements, s.Implements)
}

// shaped reports whether a declaration is as Visibility and Static ask. Without a
// word of its own it is public.
func (c *Check) shaped(visibility syntax.Word, static bool) bool {
	written := "public"
	if visibility != syntax.NoWord {
		written = visibility.String()
	}
	return (c.Visibility == "" || strings.EqualFold(c.Visibility, written)) && (!c.Static || static)
}

// hasOption reports whether a statement has the option that With asks for, such as
// KEY= of a READ.
func (c *Check) hasOption(s syntax.Stmt) bool {
	if c.With == nil {
		return true
	}
	v, ok := s.(*syntax.VerbStmt)
	return ok && slices.ContainsFunc(slices.Concat(v.Chan, v.Args), func(x syntax.Expr) bool {
		o, ok := x.(*syntax.Option)
		return ok && matches(c.With, o.Name.Name)
	})
}

// wanted is matches for what a program declares, where * stands for any name.
func wanted(words Words, name string) bool {
	return matches(words, name) || len(words) > 0 && words[0] == "*"
}

func matches(words Words, name string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, name) })
}

func contains(words Words, text string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(w)) })
}

func sameNumber(words Words, raw string) bool {
	value, err := strconv.ParseFloat(raw, 64)
	return err == nil && slices.ContainsFunc(words, func(w string) bool {
		want, err := strconv.ParseFloat(w, 64)
		return err == nil && want == value
	})
}

func anyType(words Words, types []syntax.TypeRef) bool {
	return slices.ContainsFunc(types, func(t syntax.TypeRef) bool { return matchesType(words, t) })
}

// matchesType compares a type by its whole name or the part behind its packages.
func matchesType(words Words, t syntax.TypeRef) bool {
	return matches(words, t.Name) || matches(words, t.Name[strings.LastIndexByte(t.Name, '.')+1:])
}

// bare is a name without its suffix.
func bare(name string) string { return strings.TrimRight(name, "$%!@") }

// mentioned reports whether a name or string among the arguments is one of the
// words.
func mentioned(args []syntax.Expr, words Words) bool {
	found := false
	for _, a := range args {
		if a == nil {
			continue
		}
		syntax.Walk(a, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.Ident:
				found = found || matches(words, n.Name)
			case *syntax.MemberExpr:
				found = found || matches(words, n.Name.Name)
			case *syntax.StringLit:
				found = found || contains(words, n.Value())
			}
			return !found
		})
	}
	return found
}
