package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/fault"
	"bbjtune/internal/printable"
	"bbjtune/internal/strictyaml"
)

// Plan is a recipe with the places where its values stand.
type Plan struct {
	*Recipe
	// Files are the recipes that were read: each extends the one before it, and
	// the last is the one that was asked for.
	Files  []File
	places map[string]Place
}

// File is the text of a recipe.
type File struct {
	Name string
	Text []byte
}

// Place is where a key stands: its line and columns, counted from 1 in bytes.
type Place struct {
	File           string
	Line, Col, End int
}

// maxChain bounds how many recipes extend each other.
const maxChain = 8

// Read reads and checks a recipe file and those that it extends.
func Read(path string) (*Plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("read the recipe: %w", err), "name a recipe file, for example recipes/demo-cpu.yaml")
	}
	return ReadText(path, text)
}

// ReadText is [Read] for a text that is at hand; name is what errors call it, and
// what it extends is sought beside it.
func ReadText(name string, text []byte) (*Plan, error) {
	r := Defaults()
	p := &Plan{Recipe: &r, places: map[string]Place{}}
	if err := p.read(name, text, nil); err != nil {
		return nil, err
	}
	if err := r.validate(); err != nil {
		where := name
		if at, written := p.places[keyOf(err)]; written {
			where = fmt.Sprintf("%s:%d", at.File, at.Line)
		}
		return nil, fault.Wrap(fmt.Errorf("%s: %w", where, err), "docs/recipes.md lists every key and its values")
	}
	return p, nil
}

// read takes in what a recipe extends, and then the recipe: its keys win, lists
// as a whole. Chain are the recipes that led to it.
func (p *Plan) read(name string, text []byte, chain []string) error {
	var own Recipe
	root, problems := strictyaml.Read(name, 1, text, &own)
	if len(problems) > 0 {
		return fault.Wrap(&problems[0], problems[0].Hint)
	}
	chain = append(slices.Clone(chain), name)
	if own.Extends != "" {
		if err := p.readParent(own.Extends, root, chain); err != nil {
			return err
		}
	}
	p.Name, p.Description = "", ""
	for _, own := range []string{"extends", "name", "description"} {
		delete(p.places, own)
	}
	if err := strictyaml.Decode(name, 1, text, p.Recipe); err != nil {
		return err
	}
	p.Extends = ""
	p.Files = append(p.Files, File{name, text})
	p.mark(name, "", root)
	return nil
}

func (p *Plan) readParent(extends string, root *yaml.Node, chain []string) error {
	name := chain[len(chain)-1]
	_, value := strictyaml.Lookup(root, "extends")
	where := fmt.Sprintf("%s:%d: extends", name, value.Line)
	path := filepath.FromSlash(extends)
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(name), path)
	}
	way := strings.Join(append(slices.Clone(chain), path), " extends ")
	if slices.ContainsFunc(chain, func(before string) bool { return sameFile(before, path) }) {
		return fault.Newf("let one of them stand on its own", "%s: a circle: %s", where, way)
	}
	if len(chain) >= maxChain {
		return fault.Newf("write what they say into fewer files", "%s: more than %d recipes in a chain: %s", where, maxChain, way)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fault.Wrap(fmt.Errorf("%s: %w", where, err), "name a recipe, by a path that starts in the folder of "+name)
	}
	return p.read(path, text, chain)
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errors.Join(errX, errY) == nil && os.SameFile(x, y) || filepath.Clean(a) == filepath.Clean(b)
}

// mark keeps the places of a mapping's keys; those of a list's items have their
// number in brackets, from 0.
func (p *Plan) mark(file, above string, mapping *yaml.Node) {
	if mapping == nil { // the text is the word null
		return
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		path := above + key.Value
		p.places[path] = Place{file, key.Line, key.Column, key.Column + len(key.Value)}
		switch value.Kind {
		case yaml.MappingNode:
			p.mark(file, path+".", value)
		case yaml.SequenceNode:
			for j, item := range value.Content {
				if item.Kind == yaml.MappingNode {
					p.mark(file, fmt.Sprintf("%s[%d].", path, j), item)
				}
			}
		}
	}
}

// Place returns the place of a key, of the section that it would stand in where
// it has its default, or the beginning of the recipe.
func (p *Plan) Place(path string) Place {
	own := p.Files[len(p.Files)-1]
	for {
		if at, ok := p.places[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return Place{own.Name, 1, 1, 1}
		}
		path = path[:i]
	}
}

// Show returns the recipe with every value resolved and a remark on each that
// says where it comes from. It can be read like any recipe.
func (p *Plan) Show() ([]byte, error) {
	var root yaml.Node
	if err := root.Encode(p.Recipe); err != nil {
		return nil, err
	}
	p.remark(&root, "")
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&root); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

func (p *Plan) remark(mapping *yaml.Node, above string) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		path := above + key.Value
		origin := "default"
		if at, ok := p.places[path]; ok {
			origin = fmt.Sprintf("%s:%d", strings.Map(visible, at.File), at.Line)
		}
		switch {
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			p.remark(value, path+".")
		case value.Kind == yaml.SequenceNode && len(value.Content) > 0:
			key.HeadComment = origin
		default:
			value.LineComment = origin
		}
	}
}

// visible keeps a file's name from ending the remark, and from what a terminal
// would obey.
func visible(r rune) rune {
	if strings.ContainsRune("\t\r\n\u0085\u2028\u2029", r) || printable.Dangerous(r) {
		return '\uFFFD'
	}
	return r
}
