package suite

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

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
	Verb       Words   `yaml:"verb" json:"verb,omitempty"`
	Function   Words   `yaml:"function" json:"function,omitempty"`
	Call       Words   `yaml:"call" json:"call,omitempty"`
	New        Words   `yaml:"new" json:"new,omitempty"`
	Option     Words   `yaml:"option" json:"option,omitempty"`
	Mnemonic   Words   `yaml:"mnemonic" json:"mnemonic,omitempty"`
	Identifier Words   `yaml:"identifier" json:"identifier,omitempty"`
	Label      Words   `yaml:"label" json:"label,omitempty"`
	Literal    Words   `yaml:"literal" json:"literal,omitempty"`
	Number     Words   `yaml:"number" json:"number,omitempty"`
	Class      Words   `yaml:"class" json:"class,omitempty"`
	Interface  Words   `yaml:"interface" json:"interface,omitempty"`
	Method     Words   `yaml:"method" json:"method,omitempty"`
	Field      Words   `yaml:"field" json:"field,omitempty"`
	Extends    Words   `yaml:"extends" json:"extends,omitempty"`
	Implements Words   `yaml:"implements" json:"implements,omitempty"`
	Generation Words   `yaml:"generation" json:"generation,omitempty"`
	Callbacks  bool    `yaml:"callbacks" json:"callbacks,omitempty"`
	Prose      string  `yaml:"prose" json:"prose,omitempty"`
	Not        *Check  `yaml:"not" json:"not,omitempty"`
	Any        []Check `yaml:"any" json:"any,omitempty"`
	Order      []Check `yaml:"order" json:"order,omitempty"`

	// With narrows calls, functions and objects to those with such an argument,
	// and verbs to those with such an option.
	With Words `yaml:"with" json:"with,omitempty"`
	// Inside narrows to places in a class or method of that name.
	Inside Words `yaml:"inside" json:"inside,omitempty"`
	// Parameters, Returns, Visibility and Static narrow methods, the last two
	// fields and classes, too.
	Parameters *int   `yaml:"parameters" json:"parameters,omitempty"`
	Returns    Words  `yaml:"returns" json:"returns,omitempty"`
	Visibility string `yaml:"visibility" json:"visibility,omitempty"`
	Static     bool   `yaml:"static" json:"static,omitempty"`
	// Min is how many places are asked for; 0 means 1.
	Min int `yaml:"min" json:"min,omitempty"`

	prose *regexp.Regexp
}

// kind is a kind of check that is set, with its words where it has some.
type kind struct {
	name  string
	words Words
}

// places are the kinds that places in a program answer; the others look at the
// whole.
func (c *Check) placeKinds() []kind {
	return []kind{
		{"verb", c.Verb}, {"function", c.Function}, {"call", c.Call}, {"new", c.New}, {"option", c.Option}, {"mnemonic", c.Mnemonic},
		{"identifier", c.Identifier}, {"label", c.Label}, {"literal", c.Literal}, {"number", c.Number}, {"class", c.Class},
		{"interface", c.Interface}, {"method", c.Method}, {"field", c.Field}, {"extends", c.Extends}, {"implements", c.Implements},
	}
}

// kinds lists what is set.
func (c *Check) kinds() []kind {
	set := slices.DeleteFunc(c.placeKinds(), func(k kind) bool { return k.words == nil })
	for _, k := range []struct {
		kind
		set bool
	}{
		{kind{"generation", c.Generation}, c.Generation != nil}, {kind{"callbacks", nil}, c.Callbacks}, {kind{"prose", nil}, c.Prose != ""},
		{kind{"not", nil}, c.Not != nil}, {kind{"any", nil}, c.Any != nil}, {kind{"order", nil}, c.Order != nil},
	} {
		if k.set {
			set = append(set, k.kind)
		}
	}
	return set
}

// prepare reports what is wrong with a check, and compiles its pattern.
func (c *Check) prepare() error {
	kinds := c.kinds()
	if len(kinds) != 1 {
		var names []string
		for _, k := range kinds {
			names = append(names, k.name)
		}
		return fmt.Errorf("a check has exactly one kind, this one has %d (%s)", len(kinds), strings.Join(names, ", "))
	}
	if err := c.narrowed(kinds[0].name); err != nil {
		return err
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
	for i := range c.Any {
		if err := c.Any[i].prepare(); err != nil {
			return fmt.Errorf("any, item %d: %w", i+1, err)
		}
	}
	for i := range c.Order {
		if err := c.Order[i].prepare(); err != nil {
			return fmt.Errorf("order, item %d: %w", i+1, err)
		}
		if !c.Order[i].hasPlaces() {
			return fmt.Errorf("order, item %d: only what stands at places of a program has an order", i+1)
		}
	}
	return nil
}

// narrowed reports a narrowing key that does not belong to the kind of check.
func (c *Check) narrowed(kind string) error {
	for _, n := range []struct {
		name string
		set  bool
		of   []string
	}{
		{"with", c.With != nil, []string{"call", "function", "new", "verb"}},
		{"parameters", c.Parameters != nil, []string{"method"}},
		{"returns", c.Returns != nil, []string{"method"}},
		{"visibility", c.Visibility != "", []string{"method", "field", "class", "interface"}},
		{"static", c.Static, []string{"method", "field", "class"}},
	} {
		if n.set && !slices.Contains(n.of, kind) {
			return fmt.Errorf("%s belongs to %s", n.name, strings.Join(n.of, ", "))
		}
	}
	switch {
	case !c.hasPlaces() && (c.Inside != nil || c.Min != 0):
		return fmt.Errorf("inside and min count places in a program, and %s has none", kind)
	case c.Min < 0 || c.Parameters != nil && *c.Parameters < 0:
		return fmt.Errorf("min and parameters are never negative")
	case c.Visibility != "" && !slices.Contains([]string{"public", "protected", "private"}, strings.ToLower(c.Visibility)):
		return fmt.Errorf("visibility %q is none of public, protected, private", c.Visibility)
	}
	return nil
}

// hasPlaces reports whether the check looks for places in a program.
func (c *Check) hasPlaces() bool {
	return slices.ContainsFunc(c.placeKinds(), func(k kind) bool { return k.words != nil })
}

// String names the check for reports.
func (c *Check) String() string {
	k := c.kinds()[0]
	switch k.name {
	case "not":
		return "not " + c.Not.String()
	case "callbacks":
		return "callbacks that lead somewhere"
	case "prose":
		return "text matching " + c.Prose
	case "any":
		return list(c.Any, " or ")
	case "order":
		return list(c.Order, ", then ")
	}
	text := k.name + " " + strings.Join(k.words, " or ")
	if c.Static {
		text = "static " + text
	}
	if c.Visibility != "" {
		text = strings.ToLower(c.Visibility) + " " + text
	}
	if c.With != nil {
		text += " with " + strings.Join(c.With, " or ")
	}
	if c.Parameters != nil {
		text += fmt.Sprintf(" of %d parameters", *c.Parameters)
	}
	if c.Returns != nil {
		text += " that gives " + strings.Join(c.Returns, " or ")
	}
	if c.Inside != nil {
		text += " in " + strings.Join(c.Inside, " or ")
	}
	if c.Min > 1 {
		text += " × " + strconv.Itoa(c.Min)
	}
	return text
}

func list(checks []Check, between string) string {
	var names []string
	for i := range checks {
		names = append(names, checks[i].String())
	}
	return strings.Join(names, between)
}
