// Package strictyaml reads YAML into Go structs and accepts nothing that the
// struct does not name: a misspelt key is an error that says where it stands
// and which key was probably meant.
//
// It must not know what the values mean.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/fault"
	"bbjtune/internal/nearest"
)

// Problem is one thing that is wrong, and where.
type Problem struct {
	Name      string // of the file
	Line, Col int    // from 1
	Message   string
	Hint      string
}

// Error returns the file, the line and what is wrong.
func (p *Problem) Error() string {
	if p.Line == 0 {
		return p.Name + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d: %s", p.Name, p.Line, p.Message)
}

// Decode reads the one YAML document in text into out, a pointer to a struct
// with yaml tags. name is what errors call the text; firstLine is the line of
// the file on which the text begins, counted from 1. The error says the first
// thing that is wrong and holds it as a [Problem].
func Decode(name string, firstLine int, text []byte, out any) error {
	if _, problems := Read(name, firstLine, text, out); len(problems) > 0 {
		return fault.Wrap(&problems[0], problems[0].Hint)
	}
	return nil
}

// Read is [Decode] for those who report everything: it lists all that is wrong in
// the order of the text, decodes what can be, and returns the mapping of the
// document, whose lines are those of the file. It is nil where there is none.
func Read(name string, firstLine int, text []byte, out any) (*yaml.Node, []Problem) {
	c := &checker{name: name}
	doc, second, err := documents(text)
	if err != nil {
		line, message := placed(err)
		lines := bytes.Count(bytes.TrimRight(text, "\n"), []byte("\n")) + 1
		c.report(&yaml.Node{Line: min(max(line, 1), lines) + firstLine - 1, Column: 1},
			"mend the YAML: indent with spaces, quote values that hold ': ' or '#'", "broken YAML: %s", message)
		return nil, c.problems
	}
	if len(doc.Content) == 0 {
		c.report(&yaml.Node{}, "write the keys that its format asks for", "no YAML in it")
		return nil, c.problems
	}
	root := doc.Content[0]
	settle(root, bytes.Split(text, []byte("\n")), firstLine-1)
	c.check(root, reflect.TypeOf(out).Elem(), "")
	if second.Kind != 0 {
		settle(&second, bytes.Split(text, []byte("\n")), firstLine-1)
		c.report(&second, "delete the line of dashes before it", "a second YAML document begins")
	}
	if err := root.Decode(out); err != nil && len(c.problems) == 0 {
		line, message := placed(err)
		c.report(&yaml.Node{Line: max(line, firstLine), Column: 1}, "give the key a value of the right kind", "%s", message)
	}
	if root.Kind != yaml.MappingNode {
		root = nil
	}
	return root, c.problems
}

// documents reads the first document of a text, and the second to tell that there
// is one.
func documents(text []byte) (first, second yaml.Node, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err = dec.Decode(&first); err == nil {
		err = dec.Decode(&second)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return first, second, err
}

// longLine is the length from which on a line's columns stay as they are: counting
// them anew for each of its nodes takes too long.
const longLine = 1000

// settle gives a node and all below it the places that they have in the file:
// its lines, and columns that count bytes, where the library counts characters.
func settle(n *yaml.Node, lines [][]byte, above int) {
	if n.Line > len(lines) { // YAML knows other line breaks, too
		n.Line, n.Column = len(lines), 1
	}
	if n.Line >= 1 && len(lines[n.Line-1]) < longLine {
		line := []rune(string(lines[n.Line-1]))
		n.Column = len(string(line[:min(max(n.Column, 1)-1, len(line))])) + 1
	}
	n.Line += above
	for _, child := range n.Content {
		settle(child, lines, above)
	}
}

// Lookup returns a key of a mapping and its value, or nothing.
func Lookup(mapping *yaml.Node, name string) (key, value *yaml.Node) {
	if mapping == nil {
		return nil, nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

type checker struct {
	name     string
	problems []Problem
}

func (c *checker) report(at *yaml.Node, hint, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.name, at.Line, at.Column, fmt.Sprintf(format, args...), hint})
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()

// check compares the keys of every mapping below node with the fields of t.
func (c *checker) check(node *yaml.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return
	}
	switch {
	case t.Kind() == reflect.Struct && node.Kind == yaml.MappingNode:
		c.checkStruct(node, t, path)
	case t.Kind() == reflect.Struct && node.Tag != "!!null":
		c.report(node, "write its keys below it, indented", "%s must be a mapping of keys", orRoot(path))
	case t.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		for _, item := range node.Content {
			c.check(item, t.Elem(), path)
		}
	case t.Kind() == reflect.Map && node.Kind == yaml.MappingNode:
		for i := 1; i < len(node.Content); i += 2 {
			c.check(node.Content[i], t.Elem(), join(path, node.Content[i-1].Value))
		}
	default:
		c.checkValue(node, t, path)
	}
}

// checkValue says of a value of another kind what it should be. The library would
// cut 1.5 to 1 where a whole number is meant, and names Go's types.
func (c *checker) checkValue(node *yaml.Node, t reflect.Type, path string) {
	if node.Tag == "!!null" || node.Kind == yaml.AliasNode {
		return
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
	switch {
	case want == "":
	case node.Kind == yaml.ScalarNode:
		c.report(node, hint, "%s is %q and must be %s", orRoot(path), node.Value, want)
	default:
		c.report(node, "give it a value of that kind", "%s must be %s", orRoot(path), want)
	}
}

func (c *checker) checkStruct(node *yaml.Node, t reflect.Type, path string) {
	fields := fieldsOf(t)
	first := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		f, known := fields[key.Value]
		line, twice := first[key.Value]
		switch {
		case !known:
			c.unknown(key, fields, path)
		case twice:
			c.report(key, "keep one of the two", "key %q stands in line %d already", join(path, key.Value), line)
		default:
			first[key.Value] = key.Line
			c.check(node.Content[i+1], f, join(path, key.Value))
		}
	}
}

func (c *checker) unknown(key *yaml.Node, fields map[string]reflect.Type, path string) {
	names := slices.Sorted(maps.Keys(fields))
	hint := "known keys here: " + strings.Join(names, ", ")
	if n := nearest.Name(key.Value, names); n != "" {
		hint = fmt.Sprintf("did you mean %q?", n)
	}
	where := ""
	if path != "" {
		where = " in " + path
	}
	c.report(key, hint, "unknown key %q%s", key.Value, where)
}

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

// placed takes the line, or 0, and the words from an error of the library.
func placed(err error) (line int, message string) {
	var te *yaml.TypeError
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if errors.As(err, &te) && len(te.Errors) > 0 {
		text = te.Errors[0]
	}
	if _, scanErr := fmt.Sscanf(text, "line %d:", &line); scanErr == nil {
		_, text, _ = strings.Cut(text, ": ")
	}
	return line, text
}
