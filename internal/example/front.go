package example

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/internal/markdown"
	"bbjtune/internal/nearest"
	"bbjtune/internal/strictyaml"
)

// front checks the values of the front matter, each at its place.
type front struct {
	*parser
	root *yaml.Node
	line int // where the front matter begins
}

func (p *parser) readFront(doc *markdown.Document, e *Example) {
	root, problems := strictyaml.Read(p.path, doc.FrontLine, doc.Front, &e.Front)
	for _, problem := range problems {
		at := between(max(problem.Line, 1), max(problem.Col, 1), max(problem.Col, 1))
		hint := ""
		if problem.Hint != "" {
			hint = " (" + problem.Hint + ")"
		}
		p.report(FrontMatter, at, "%s%s", problem.Message, hint)
	}
	if root == nil {
		return
	}
	f := front{p, root, doc.FrontLine - 1}
	f.checkFilled()
	f.need("title")
	f.oneOf("type", true, names(Types()))
	f.checkGeneration()
	f.oneOf("difficulty", false, Difficulties())
	f.checkMigration(e)
}

// place is where the value of a key stands, or the beginning of the front matter.
func (f front) place(key string) diag.Span {
	if _, value := strictyaml.Lookup(f.root, key); value != nil {
		return spanOf(value)
	}
	return onLine(f.line)
}

// spanOf is the place of a node, from its beginning to its end where it is a plain
// word.
func spanOf(n *yaml.Node) diag.Span {
	end := n.Column
	if n.Kind == yaml.ScalarNode && n.Style == 0 && !strings.Contains(n.Value, "\n") {
		end += len(n.Value)
	}
	return between(n.Line, n.Column, end)
}

// blank matches texts that say nothing.
var blank = regexp.MustCompile(`^\s*$`)

// checkFilled reports values that are empty: the line is finished or deleted.
func (f front) checkFilled() {
	for i := 0; i+1 < len(f.root.Content); i += 2 {
		key, value := f.root.Content[i], resolved(f.root.Content[i+1])
		list := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			list = value.Content
		}
		for _, item := range list {
			if item = resolved(item); item.Kind == yaml.ScalarNode && (item.Tag == "!!null" || blank.MatchString(item.Value)) {
				f.report(FrontMatter, spanOf(item), "%s has an empty value", key.Value)
			}
		}
	}
}

func (f front) need(key string) {
	if _, value := strictyaml.Lookup(f.root, key); value == nil {
		f.report(FrontMatter, onLine(f.line), "%s is missing", key)
	}
}

// oneOf checks a value that is one of a list.
func (f front) oneOf(key string, needed bool, list []string) {
	_, value := strictyaml.Lookup(f.root, key)
	if value == nil {
		if needed {
			f.need(key)
		}
		return
	}
	f.checkWord(key, value, list)
}

// checkWord reports a scalar that is none of the list. Others are reported
// elsewhere.
func (f front) checkWord(key string, value *yaml.Node, list []string) {
	at := spanOf(value)
	value = resolved(value)
	if value.Kind == yaml.ScalarNode && !blank.MatchString(value.Value) && !slices.Contains(list, value.Value) {
		f.report(FrontMatter, at, "%s %q is none of %s%s", key, value.Value, strings.Join(list, ", "), meant(nearest.Name(value.Value, list)))
	}
}

func (f front) checkGeneration() {
	const key = "generation"
	_, value := strictyaml.Lookup(f.root, key)
	if value == nil {
		f.need(key)
		return
	}
	all := append([]string{string(generation.All)}, names(generation.Known())...)
	target := resolved(value)
	switch {
	case target.Kind == yaml.ScalarNode:
		f.checkWord(key, value, all)
	case target.Kind != yaml.SequenceNode || len(scalars(value)) < len(target.Content):
		f.report(FrontMatter, spanOf(value), "%s must be one name or a list of names", key)
	case len(target.Content) == 0:
		f.report(FrontMatter, spanOf(value), "%s has an empty value", key)
	default:
		f.checkGenerations(target.Content, all)
	}
}

func (f front) checkGenerations(list []*yaml.Node, all []string) {
	seen := map[string]bool{}
	for _, item := range list {
		name := resolved(item).Value
		switch {
		case name == string(generation.All):
			f.report(FrontMatter, spanOf(item), "generation all stands alone, not in a list")
		case seen[name]:
			f.report(FrontMatter, spanOf(item), "generation %q stands twice in the list", name)
		default:
			f.checkWord("generation", item, all)
		}
		seen[name] = true
	}
}

// checkMigration looks at the two keys that migrations need and nothing else has.
func (f front) checkMigration(e *Example) {
	if !slices.Contains(Types(), e.Type) {
		return
	}
	known := names(generation.Known())
	for _, key := range []string{"from_generation", "to_generation"} {
		name, value := strictyaml.Lookup(f.root, key)
		switch {
		case e.Type != Migration && value != nil:
			f.report(FrontMatter, spanOf(name), "%s is for migrations only", key)
		case e.Type == Migration && value == nil:
			f.report(FrontMatter, f.place("type"), "a migration needs %s, one of %s", key, strings.Join(known, ", "))
		case e.Type == Migration:
			f.checkWord(key, value, known)
		}
	}
}

func names[T ~string](list []T) []string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = string(v)
	}
	return words
}
