// Package example reads training examples: Markdown files with front matter,
// code, expected behaviour and explanation, as training-data/FORMAT.md says.
// Whatever is wrong with a file becomes a diagnostic that points into it.
//
// It must not know how examples become training rows, nor whether their code
// compiles.
package example

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/internal/fault"
	"bbjtune/internal/markdown"
)

// Type says what an example trains.
type Type string

// The types.
const (
	Completion    Type = "completion"
	Comprehension Type = "comprehension"
	Migration     Type = "migration"
	Explanation   Type = "explanation"
)

// Types lists the types in the order of the tables.
func Types() []Type { return []Type{Completion, Comprehension, Migration, Explanation} }

// Difficulties lists the difficulties, easiest first.
func Difficulties() []string { return []string{"basic", "intermediate", "advanced"} }

// Topics lists the topic folders.
func Topics() []string {
	return []string{"gui", "database", "strings", "file-io", "control-flow", "oop", "dwc"}
}

// Generations is one generation or a list of them in YAML.
type Generations []generation.Generation

// UnmarshalYAML implements [yaml.Unmarshaler]. What is no name is left out; the
// checks of the front matter report it.
func (g *Generations) UnmarshalYAML(n *yaml.Node) error {
	*g = nil
	for _, item := range scalars(n) {
		*g = append(*g, generation.Generation(item.Value))
	}
	return nil
}

// scalars are the scalar that a node is, or those in its list.
func scalars(n *yaml.Node) []*yaml.Node {
	switch n = resolved(n); n.Kind {
	case yaml.ScalarNode:
		return []*yaml.Node{n}
	case yaml.SequenceNode:
		var list []*yaml.Node
		for _, item := range n.Content {
			if item = resolved(item); item.Kind == yaml.ScalarNode {
				list = append(list, item)
			}
		}
		return list
	}
	return nil
}

// resolved is the node that an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// Front is the front matter of an example.
type Front struct {
	Title           string                `yaml:"title"`
	Type            Type                  `yaml:"type"`
	Generation      Generations           `yaml:"generation"`
	Difficulty      string                `yaml:"difficulty"`
	Tags            []string              `yaml:"tags"`
	Description     string                `yaml:"description"`
	RequiresVersion string                `yaml:"requires_version"`
	FromGeneration  generation.Generation `yaml:"from_generation"`
	ToGeneration    generation.Generation `yaml:"to_generation"`
}

// Example is one file.
type Example struct {
	// Path is the path below the folder that was loaded, with slashes.
	Path  string
	Topic string
	Front
	// Code holds the files of the program; for a migration, Before and
	// After hold those of the two sides and Code is empty.
	Code, Before, After []markdown.Fence
	// Expected is the text of Expected Behavior or Expected Output.
	Expected    string
	Explanation string
	// Snippets is the BBj code that stands in other sections than Code.
	Snippets []markdown.Fence
}

// Fences returns all code of the example.
func (e *Example) Fences() []markdown.Fence {
	return slices.Concat(e.Code, e.Before, e.After)
}

// skip are Markdown files that are not examples.
var skip = []string{"README.md", "FORMAT.md", "CONTRIBUTING.md"}

// Load reads every example below dir in the order of their paths. Files with an
// error among their findings are left out, not those with warnings. The error says that the folder
// itself could not be read or holds no example.
func Load(dir string) ([]*Example, []diag.Diagnostic, error) {
	paths, err := Files(dir)
	if err != nil {
		return nil, nil, err
	}
	var list []*Example
	var findings []diag.Diagnostic
	for _, p := range paths {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p)))
		if err != nil {
			return nil, nil, err
		}
		e, found := Parse(p, text)
		findings = append(findings, found...)
		if !diag.HasErrors(found, diag.Format) {
			list = append(list, e)
		}
	}
	return list, findings, nil
}

// Files returns the paths of the Markdown files below dir that are examples,
// sorted, with slashes.
func Files(dir string) ([]string, error) {
	var paths []string
	// Over a DirFS, so that a folder that is a link is followed.
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(p, ".md") && !slices.Contains(skip, d.Name()) {
			paths = append(paths, p)
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("read examples in %s: %w", dir, err), "name a folder of Markdown examples; training-data/FORMAT.md says what they look like")
	}
	if len(paths) == 0 {
		return nil, fault.Newf("training-data/FORMAT.md says what an example looks like", "%s holds no example (no .md file)", dir)
	}
	slices.Sort(paths)
	return paths, nil
}
