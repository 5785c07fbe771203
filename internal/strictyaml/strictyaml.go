// Package strictyaml reads YAML into Go structs and accepts nothing that the
// struct does not name: a misspelt key is an error that says where it stands
// and which key was probably meant.
//
// It must not know what the values mean.
package strictyaml

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/fault"
	"bbjtune/internal/nearest"
)

// Decode reads the one YAML document in text into out, a pointer to a struct
// with yaml tags. name is what errors call the text; firstLine is the line of
// the file on which the text begins, counted from 1.
func Decode(name string, firstLine int, text []byte, out any) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fault.Newf("mend the YAML: indent with spaces, quote values that hold ': ' or '#'",
			"%s: broken YAML: %s", name, clean(err, firstLine))
	}
	if len(doc.Content) == 0 {
		return fault.Newf("write the keys that its format asks for", "%s: no YAML in it", name)
	}
	c := checker{name, firstLine}
	if err := c.check(doc.Content[0], reflect.TypeOf(out).Elem(), ""); err != nil {
		return err
	}
	if err := doc.Content[0].Decode(out); err != nil {
		return fault.Newf("give the key a value of the right kind", "%s: %s", name, clean(err, firstLine))
	}
	return nil
}

type checker struct {
	name      string
	firstLine int
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()

// check compares the keys of every mapping below node with the fields of t.
func (c checker) check(node *yaml.Node, t reflect.Type, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	switch {
	case t.Kind() == reflect.Struct && node.Kind == yaml.MappingNode:
		return c.checkStruct(node, t, path)
	case t.Kind() == reflect.Struct && node.Tag != "!!null":
		return fault.Newf("write its keys below it, indented", "%s:%d: %s must be a mapping of keys", c.name, c.line(node), orRoot(path))
	case t.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		for _, item := range node.Content {
			if err := c.check(item, t.Elem(), path); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Map && node.Kind == yaml.MappingNode:
		for i := 1; i < len(node.Content); i += 2 {
			if err := c.check(node.Content[i], t.Elem(), join(path, node.Content[i-1].Value)); err != nil {
				return err
			}
		}
	default:
		return c.checkValue(node, t, path)
	}
	return nil
}

// checkValue says of a value of another kind what it should be. The library would
// cut 1.5 to 1 where a whole number is meant, and names Go's types.
func (c checker) checkValue(node *yaml.Node, t reflect.Type, path string) error {
	if node.Tag == "!!null" || node.Kind == yaml.AliasNode {
		return nil
	}
	want, hint := "", "give it a value of that kind"
	switch t.Kind() {
	case reflect.Slice:
		want, hint = "a list", "write ["+node.Value+"]"
	case reflect.Int, reflect.Int64:
		if node.Tag != "!!int" {
			want = "a whole number"
		}
	case reflect.Float64:
		if node.Tag != "!!int" && node.Tag != "!!float" {
			want = "a number"
		}
	case reflect.Bool:
		if node.Tag != "!!bool" {
			want = "true or false"
		}
	case reflect.String:
		if node.Kind != yaml.ScalarNode {
			want = "a text"
		}
	}
	if want == "" {
		return nil
	}
	if node.Kind == yaml.ScalarNode {
		return fault.Newf(hint, "%s:%d: %s is %q and must be %s", c.name, c.line(node), orRoot(path), node.Value, want)
	}
	return fault.Newf("give it a value of that kind", "%s:%d: %s must be %s", c.name, c.line(node), orRoot(path), want)
}

func (c checker) checkStruct(node *yaml.Node, t reflect.Type, path string) error {
	fields := fieldsOf(t)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		f, ok := fields[key.Value]
		if !ok {
			return c.unknown(key, fields, path)
		}
		if err := c.check(node.Content[i+1], f, join(path, key.Value)); err != nil {
			return err
		}
	}
	return nil
}

func (c checker) unknown(key *yaml.Node, fields map[string]reflect.Type, path string) error {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	hint := "known keys here: " + strings.Join(names, ", ")
	if n := nearest.Name(key.Value, names); n != "" {
		hint = fmt.Sprintf("did you mean %q?", n)
	}
	where := ""
	if path != "" {
		where = " in " + path
	}
	return fault.Newf(hint, "%s:%d: unknown key %q%s", c.name, c.line(key), key.Value, where)
}

func (c checker) line(n *yaml.Node) int { return n.Line + c.firstLine - 1 }

// fieldsOf maps the yaml names of a struct's fields to their types; embedded
// structs marked inline count as their fields.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			for n, ft := range fieldsOf(f.Type) {
				fields[n] = ft
			}
		case name != "-" && name != "":
			fields[name] = f.Type
		}
	}
	return fields
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func orRoot(path string) string {
	if path == "" {
		return "the document"
	}
	return path
}

// clean strips the library's prefix from its messages and moves their line
// numbers to those of the file.
func clean(err error, firstLine int) string {
	var te *yaml.TypeError
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if errors.As(err, &te) && len(te.Errors) > 0 {
		text = te.Errors[0]
	}
	var line int
	if _, scanErr := fmt.Sscanf(text, "line %d:", &line); scanErr == nil {
		_, rest, _ := strings.Cut(text, ": ")
		return fmt.Sprintf("line %d: %s", line+firstLine-1, rest)
	}
	return text
}
