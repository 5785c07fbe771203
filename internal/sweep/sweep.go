// Package sweep varies a recipe: which values each variant has, its recipe, and
// the table of what became of them.
//
// It must not know how a recipe is carried out, nor what its keys mean.
package sweep

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/fault"
)

// maxVariants bounds a sweep: more are a slip of the keyboard.
const maxVariants = 256

// Setting is a key of a recipe and the values that it takes one after the other,
// as YAML.
type Setting struct {
	Key    string
	Values []string
}

// ParseSetting reads KEY=VALUE,VALUE…; a value in brackets is a list and keeps its
// commas.
func ParseSetting(text string) (Setting, error) {
	const hint = "for example --set stage2.learning_rate=5e-5,1e-4"
	key, values, found := strings.Cut(text, "=")
	s := Setting{Key: strings.TrimSpace(key), Values: split(values)}
	if !found || s.Key == "" || slices.Contains(strings.Split(s.Key, "."), "") || slices.Contains(s.Values, "") {
		return s, fault.Newf(hint, "--set %s is no key with its values", text)
	}
	for i, v := range s.Values {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(v), &n); err != nil || len(n.Content) != 1 || n.Content[0].Kind == yaml.MappingNode {
			return s, fault.Newf(hint, "--set %s: %s is no value", s.Key, v)
		}
		if slices.Contains(s.Values[:i], v) {
			return s, fault.Newf("name each value once", "--set %s has %s twice", s.Key, v)
		}
	}
	return s, nil
}

// split divides at the commas that are in no brackets.
func split(text string) []string {
	var list []string
	depth, start := 0, 0
	for i, c := range text {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			list, start = append(list, strings.TrimSpace(text[start:i])), i+1
		}
	}
	return append(list, strings.TrimSpace(text[start:]))
}

// Value is what a variant has for a key.
type Value struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Variant is one combination of values, in the order of the settings.
type Variant []Value

// Grid lists every combination of the values; the last setting changes fastest.
func Grid(settings []Setting) ([]Variant, error) {
	if len(settings) == 0 {
		return nil, fault.New("nothing is varied", "name keys and values, for example --set stage2.learning_rate=5e-5,1e-4")
	}
	grid := []Variant{{}}
	for i, s := range settings {
		for _, before := range settings[:i] {
			if before.Key == s.Key || strings.HasPrefix(before.Key, s.Key+".") || strings.HasPrefix(s.Key, before.Key+".") {
				return nil, fault.Newf("name each key once, with all its values", "--set %s stands beside --set %s", s.Key, before.Key)
			}
		}
		var next []Variant
		for _, v := range grid {
			for _, value := range s.Values {
				next = append(next, append(slices.Clone(v), Value{s.Key, value}))
			}
		}
		if grid = next; len(grid) > maxVariants {
			return nil, fault.Newf("vary fewer keys at a time", "more than %d variants", maxVariants)
		}
	}
	return grid, nil
}

// String names a variant by what it varies: learning_rate=5e-5 r=32. A key that is
// the last word of another one, too, is written in full.
func (v Variant) String() string {
	var parts []string
	for _, x := range v {
		short := last(x.Key)
		if slices.ContainsFunc(v, func(o Value) bool { return o.Key != x.Key && last(o.Key) == short }) {
			short = x.Key
		}
		parts = append(parts, short+"="+x.Value)
	}
	return strings.Join(parts, " ")
}

func last(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// Recipe writes the variant as a recipe of the given name that extends the one at
// path. What it extends is written in full, so that the text may stand anywhere.
func (v Variant) Recipe(name, path string) ([]byte, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	root := map[string]any{"version": 1, "extends": filepath.ToSlash(full), "name": name}
	for _, x := range v {
		var value yaml.Node
		if err := yaml.Unmarshal([]byte(x.Value), &value); err != nil {
			return nil, fmt.Errorf("%s: %w", x.Key, err)
		}
		words := strings.Split(x.Key, ".")
		section := root
		for _, w := range words[:len(words)-1] {
			inner, ok := section[w].(map[string]any)
			if !ok {
				inner = map[string]any{}
				section[w] = inner
			}
			section = inner
		}
		section[words[len(words)-1]] = value.Content[0]
	}
	return yaml.Marshal(root)
}
