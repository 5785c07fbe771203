package suite

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/strictyaml"
)

// factFile is a file of facts.
type factFile struct {
	Facts []factEntry `yaml:"facts"`
}

// factEntry is one question of fact. An answer is right when one of the patterns
// of Accept matches it and none of Reject.
type factEntry struct {
	ID         string                `yaml:"id"`
	Question   string                `yaml:"question"`
	Generation generation.Generation `yaml:"generation"`
	Difficulty string                `yaml:"difficulty"`
	Review     bool                  `yaml:"review"`
	Accept     Words                 `yaml:"accept"`
	Reject     Words                 `yaml:"reject"`
	Right      Words                 `yaml:"right"`
	Wrong      Words                 `yaml:"wrong"`
	Source     string                `yaml:"source"`
}

var factID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// ParseFacts reads a file of facts. rel is its path below facts/, name what errors
// call it.
func ParseFacts(rel, name string, text []byte) ([]*Case, error) {
	var file factFile
	if err := strictyaml.Decode(name, 1, text, &file); err != nil {
		return nil, err
	}
	lines := factLines(text)
	var list []*Case
	seen := map[string]bool{}
	for i, f := range file.Facts {
		c, err := f.toCase(strings.TrimSuffix(rel, ".yaml"))
		if err == nil && seen[f.ID] {
			err = fmt.Errorf("there is another fact %s", f.ID)
		}
		line := 1
		if i < len(lines) {
			line = lines[i]
		}
		if err != nil {
			return nil, fault.Wrap(fmt.Errorf("%s:%d: %w", name, line, err), "suites/FORMAT.md says what a fact looks like")
		}
		seen[f.ID] = true
		c.File, c.Line = path.Join("facts", rel), line
		for w := range c.Wrong {
			c.Wrong[w].Line = line
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fault.Newf("suites/FORMAT.md says what a fact looks like", "%s holds no fact", name)
	}
	return list, nil
}

// factLines says where each fact of a file begins.
func factLines(text []byte) (lines []int) {
	var root yaml.Node
	if yaml.Unmarshal(text, &root) != nil || len(root.Content) == 0 {
		return nil
	}
	if _, facts := strictyaml.Lookup(root.Content[0], "facts"); facts != nil {
		for _, n := range facts.Content {
			lines = append(lines, n.Line)
		}
	}
	return lines
}

func (f factEntry) toCase(topic string) (*Case, error) {
	switch {
	case !factID.MatchString(f.ID):
		return nil, fmt.Errorf("id %q is not in the form like-this", f.ID)
	case f.Question == "" || f.Source == "":
		return nil, fmt.Errorf("fact %s: question and source are needed", f.ID)
	case f.Generation != generation.All && !slices.Contains(generation.Known(), f.Generation):
		return nil, fmt.Errorf("fact %s: generation %q is not known", f.ID, f.Generation)
	case !slices.Contains(example.Difficulties(), f.Difficulty):
		return nil, fmt.Errorf("fact %s: difficulty %q is not known", f.ID, f.Difficulty)
	case len(f.Accept) == 0 || len(f.Right) == 0 || len(f.Wrong) == 0:
		return nil, fmt.Errorf("fact %s: accept, right and wrong need one entry or more", f.ID)
	}
	c := &Case{ID: "facts/" + topic + "/" + f.ID, Topic: topic, Prompt: f.Question, Reference: f.Right[0], Right: f.Right[1:],
		Front: Front{Title: f.Question, Type: Fact, Generation: f.Generation, Difficulty: f.Difficulty, Review: f.Review}}
	c.Checks = []Check{{Any: proseOf(f.Accept)}}
	if len(f.Reject) > 0 {
		c.Checks = append(c.Checks, Check{Not: &Check{Any: proseOf(f.Reject)}})
	}
	for i := range c.Checks {
		if err := c.Checks[i].prepare(); err != nil {
			return nil, fmt.Errorf("fact %s: %w", f.ID, err)
		}
	}
	for _, text := range f.Wrong {
		c.Wrong = append(c.Wrong, Wrong{Answer: text})
	}
	return c, nil
}

func proseOf(patterns Words) (list []Check) {
	for _, p := range patterns {
		list = append(list, Check{Prose: p})
	}
	return list
}
