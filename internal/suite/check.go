package suite

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
)

// Words is one string or a list of them in YAML.
type Words []string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (w *Words) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*w = Words{n.Value}
		return nil
	}
	return n.Decode((*[]string)(w))
}

// Check is one thing that a right answer shows. Exactly one of its kinds is
// set; the words of a kind are alternatives.
type Check struct {
	Verb       Words  `yaml:"verb" json:"verb,omitempty"`
	Function   Words  `yaml:"function" json:"function,omitempty"`
	Call       Words  `yaml:"call" json:"call,omitempty"`
	Mnemonic   Words  `yaml:"mnemonic" json:"mnemonic,omitempty"`
	Identifier Words  `yaml:"identifier" json:"identifier,omitempty"`
	Literal    Words  `yaml:"literal" json:"literal,omitempty"`
	Number     Words  `yaml:"number" json:"number,omitempty"`
	Class      Words  `yaml:"class" json:"class,omitempty"`
	Method     Words  `yaml:"method" json:"method,omitempty"`
	Field      Words  `yaml:"field" json:"field,omitempty"`
	Extends    Words  `yaml:"extends" json:"extends,omitempty"`
	Generation Words  `yaml:"generation" json:"generation,omitempty"`
	Callbacks  bool   `yaml:"callbacks" json:"callbacks,omitempty"`
	Prose      string `yaml:"prose" json:"prose,omitempty"`
	Not        *Check `yaml:"not" json:"not,omitempty"`

	// With narrows Call to calls with such an argument.
	With Words `yaml:"with" json:"with,omitempty"`
	// Min is how many places are asked for; 0 means 1.
	Min int `yaml:"min" json:"min,omitempty"`

	prose *regexp.Regexp
}

// kinds lists the alternatives of a check with their names.
func (c *Check) kinds() (set []string) {
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"verb", c.Verb != nil}, {"function", c.Function != nil}, {"call", c.Call != nil}, {"mnemonic", c.Mnemonic != nil},
		{"identifier", c.Identifier != nil}, {"literal", c.Literal != nil}, {"number", c.Number != nil},
		{"class", c.Class != nil}, {"method", c.Method != nil}, {"field", c.Field != nil}, {"extends", c.Extends != nil},
		{"generation", c.Generation != nil}, {"callbacks", c.Callbacks}, {"prose", c.Prose != ""}, {"not", c.Not != nil},
	} {
		if k.set {
			set = append(set, k.name)
		}
	}
	return set
}

func (c *Check) prepare() error {
	kinds := c.kinds()
	if len(kinds) != 1 {
		return fmt.Errorf("a check has exactly one kind, this one has %d (%s)", len(kinds), strings.Join(kinds, ", "))
	}
	if c.With != nil && c.Call == nil {
		return fmt.Errorf("with belongs to call")
	}
	for _, v := range c.Verb {
		if w := syntax.LookupWord(v); w == syntax.NoWord || !w.IsVerb() && w != syntax.LET {
			return fmt.Errorf("%q is no verb", v)
		}
	}
	if c.Prose != "" {
		re, err := regexp.Compile("(?is)" + c.Prose)
		if err != nil {
			return fmt.Errorf("prose: %w", err)
		}
		c.prose = re
	}
	if c.Not != nil {
		return c.Not.prepare()
	}
	return nil
}

// String names the check for reports.
func (c *Check) String() string {
	kind := c.kinds()[0]
	var words Words
	switch kind {
	case "not":
		return "not " + c.Not.String()
	case "callbacks":
		return "callbacks that lead somewhere"
	case "prose":
		return "text matching " + c.Prose
	case "verb":
		words = c.Verb
	case "function":
		words = c.Function
	case "call":
		words = c.Call
	case "mnemonic":
		words = c.Mnemonic
	case "identifier":
		words = c.Identifier
	case "literal":
		words = c.Literal
	case "number":
		words = c.Number
	case "class":
		words = c.Class
	case "method":
		words = c.Method
	case "field":
		words = c.Field
	case "extends":
		words = c.Extends
	case "generation":
		words = c.Generation
	}
	text := kind + " " + strings.Join(words, " or ")
	if c.With != nil {
		text += " with " + strings.Join(c.With, " or ")
	}
	if c.Min > 1 {
		text += " × " + strconv.Itoa(c.Min)
	}
	return text
}

// Holds reports whether the answer passes the check. p is the program's tree,
// text the whole answer.
func (c *Check) Holds(p *syntax.Program, text string) bool {
	switch {
	case c.Not != nil:
		return !c.Not.Holds(p, text)
	case c.prose != nil:
		return c.prose.MatchString(text)
	case c.Generation != nil:
		return matches(c.Generation, string(generation.Of(p).Written))
	case c.Callbacks:
		return callbacksLead(p)
	}
	found := 0
	p.Walk(func(n syntax.Node) bool {
		if c.at(n) {
			found++
		}
		return true
	})
	return found >= max(1, c.Min)
}

// at reports whether the node is a place that the check asks for.
func (c *Check) at(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.CallExpr:
		if _, name, ok := n.Method(); ok {
			return matches(c.Call, name.Name) && (c.With == nil || mentioned(n.Args, c.With)) || matches(c.Identifier, name.Name)
		}
		if name, ok := n.Function(); ok {
			return matches(c.Function, name.Name)
		}
	case *syntax.Ident:
		return matches(c.Identifier, n.Name)
	case *syntax.MemberExpr:
		return matches(c.Identifier, n.Name.Name)
	case *syntax.HashExpr:
		return matches(c.Identifier, n.Name.Name)
	case *syntax.TypeRef:
		return matches(c.Identifier, n.Name) || matches(c.Identifier, n.Name[strings.LastIndexByte(n.Name, '.')+1:])
	case *syntax.Mnemonic:
		return matches(c.Mnemonic, n.Name)
	case *syntax.StringLit:
		return contains(c.Literal, n.Value())
	case *syntax.NumberLit:
		return sameNumber(c.Number, n.Raw)
	}
	return c.atStatement(n)
}

func (c *Check) atStatement(n syntax.Node) bool {
	s, ok := n.(syntax.Stmt)
	if !ok {
		return false
	}
	if w := s.Verb(); w != syntax.NoWord && matches(c.Verb, w.String()) {
		return true
	}
	switch s := s.(type) {
	case *syntax.ClassDecl:
		return c.Class != nil && (c.Class[0] == "*" || matches(c.Class, s.Name.Name)) || anyType(c.Extends, s.Extends)
	case *syntax.MethodDecl:
		return matches(c.Method, s.Name.Name)
	case *syntax.FieldDecl:
		return matches(c.Field, strings.TrimRight(s.Name.Name, "$%!@"))
	case *syntax.OnStmt:
		return matches(c.Verb, s.Jump.String())
	}
	return false
}

func matches(words Words, name string) bool {
	for _, w := range words {
		if strings.EqualFold(w, name) {
			return true
		}
	}
	return false
}

func contains(words Words, text string) bool {
	for _, w := range words {
		if strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
			return true
		}
	}
	return false
}

func sameNumber(words Words, raw string) bool {
	value, err := strconv.ParseFloat(raw, 64)
	for _, w := range words {
		if want, wErr := strconv.ParseFloat(w, 64); err == nil && wErr == nil && want == value {
			return true
		}
	}
	return false
}

func anyType(words Words, types []syntax.TypeRef) bool {
	for _, t := range types {
		if matches(words, t.Name) {
			return true
		}
	}
	return false
}

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

// callbacksLead reports whether the program registers callbacks and each goes
// to a label or a method that exists.
func callbacksLead(p *syntax.Program) bool {
	labels, methods := map[string]bool{}, map[string]bool{}
	p.Walk(func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LabelStmt:
			labels[strings.ToLower(n.Name.Name)] = true
		case *syntax.MethodDecl:
			methods[strings.ToLower(n.Name.Name)] = true
		}
		return true
	})
	count, lost := 0, 0
	p.Walk(func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		if _, name, ok := call.Method(); !ok || !strings.EqualFold(name.Name, "setCallback") || len(call.Args) < 2 {
			return true
		}
		count++
		if !leads(call.Args, labels, methods) {
			lost++
		}
		return true
	})
	return count > 0 && lost == 0
}

// leads reports whether a setCallback(event,"label") or (event,object,"method")
// has its target. The method of an object whose class stands elsewhere cannot
// be checked and counts as there.
func leads(args []syntax.Expr, labels, methods map[string]bool) bool {
	target, ok := args[len(args)-1].(*syntax.StringLit)
	if !ok {
		return true
	}
	name := strings.ToLower(target.Value())
	if len(args) == 2 {
		return labels[name]
	}
	if hash, ok := args[1].(*syntax.HashExpr); ok && strings.EqualFold(hash.Name.Name, "this!") {
		return methods[name]
	}
	return true
}
