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
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/internal/fault"
	"bbjtune/internal/markdown"
	"bbjtune/internal/strictyaml"
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

// UnmarshalYAML implements [yaml.Unmarshaler].
func (g *Generations) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*g = Generations{generation.Generation(n.Value)}
		return nil
	}
	return n.Decode((*[]generation.Generation)(g))
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
}

// Fences returns all code of the example.
func (e *Example) Fences() []markdown.Fence {
	return slices.Concat(e.Code, e.Before, e.After)
}

// skip are Markdown files that are not examples.
var skip = []string{"README.md", "FORMAT.md", "CONTRIBUTING.md"}

// Load reads every example below dir in the order of their paths. Files that
// break the format are reported and left out. The error says that the folder
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
		if len(found) == 0 {
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

// parser collects what is wrong with one file.
type parser struct {
	path     string
	findings []diag.Diagnostic
}

func (p *parser) report(rule Rule, line int, format string, args ...any) {
	at := diag.Pos{Line: max(line, 1), Col: 1}
	p.findings = append(p.findings, diag.Diagnostic{
		Code: rule.Code, Name: rule.Name, Severity: diag.Error, Family: diag.Format, File: p.path,
		Span: diag.Span{Start: at, End: at}, Message: fmt.Sprintf(format, args...), Help: rule.Help,
	})
}

// Parse reads one example. It is usable when the list of findings is empty.
func Parse(name string, text []byte) (*Example, []diag.Diagnostic) {
	p := &parser{path: name}
	e := &Example{Path: name, Topic: path.Base(path.Dir(name))}
	p.checkName(e)
	doc, err := markdown.Parse(name, text)
	if err != nil {
		line, message := Placed(err, name)
		p.report(FrontMatter, line, "%s", message)
		return e, p.findings
	}
	if doc.Front == nil {
		p.report(FrontMatter, 1, "no front matter before the text")
		return e, p.findings
	}
	if err := strictyaml.Decode(name, doc.FrontLine, doc.Front, &e.Front); err != nil {
		line, message := Placed(err, name)
		p.report(FrontMatter, max(line, doc.FrontLine), "%s%s", message, hintText(err))
		return e, p.findings
	}
	p.checkFront(e)
	p.checkOrder(doc)
	p.readCode(doc, e)
	p.readText(doc, e)
	return e, p.findings
}

// Placed takes an error's text apart that begins with the name of the file and
// perhaps a line: a diagnostic says both itself. The line is 1 where there is
// none.
func Placed(err error, name string) (line int, message string) {
	message = strings.TrimLeft(strings.TrimPrefix(err.Error(), name), ": ")
	if number, rest, ok := strings.Cut(message, ":"); ok {
		if n, err := strconv.Atoi(number); err == nil && n > 0 {
			return n, strings.TrimSpace(rest)
		}
	}
	return 1, message
}

func hintText(err error) string {
	if h := fault.Hint(err); h != "" {
		return " (" + h + ")"
	}
	return ""
}

var kebab = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*\.md$`)

func (p *parser) checkName(e *Example) {
	if base := path.Base(e.Path); !kebab.MatchString(base) {
		p.report(FileName, 1, "file name %q is not kebab-case", base)
	}
	if !slices.Contains(Topics(), e.Topic) {
		p.report(FileName, 1, "%q is no topic folder (%s)", e.Topic, strings.Join(Topics(), ", "))
	}
}

func (p *parser) checkFront(e *Example) {
	if e.Title == "" {
		p.report(FrontMatter, 2, "title is missing")
	}
	if !slices.Contains(Types(), e.Type) {
		p.report(FrontMatter, 2, "type %q is none of %s", e.Type, names(Types()))
	}
	if len(e.Generation) == 0 {
		p.report(FrontMatter, 2, "generation is missing")
	}
	for _, g := range e.Generation {
		if !slices.Contains(generation.Known(), g) && (g != generation.All || len(e.Generation) > 1) {
			p.report(FrontMatter, 2, "generation %q is none of all, %s", g, names(generation.Known()))
		}
	}
	if e.Difficulty != "" && !slices.Contains(Difficulties(), e.Difficulty) {
		p.report(FrontMatter, 2, "difficulty %q is none of %s", e.Difficulty, strings.Join(Difficulties(), ", "))
	}
	p.checkMigration(e)
}

func (p *parser) checkMigration(e *Example) {
	check := func(key string, g generation.Generation) {
		switch {
		case e.Type != Migration && g != "":
			p.report(FrontMatter, 2, "%s is for migrations only", key)
		case e.Type == Migration && !slices.Contains(generation.Known(), g):
			p.report(FrontMatter, 2, "%s of a migration must be one of %s, not %q", key, names(generation.Known()), g)
		}
	}
	check("from_generation", e.FromGeneration)
	check("to_generation", e.ToGeneration)
}

func names[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}

// order is the order of the sections; those of equal rank exclude each other.
var order = map[string]int{"code": 0, "expected behavior": 1, "expected output": 1, "explanation": 2}

func (p *parser) checkOrder(doc *markdown.Document) {
	last := -1
	for _, s := range doc.Sections {
		rank, known := order[strings.ToLower(s.Title)]
		switch {
		case !known:
			p.report(Sections, s.Line, "section %q is not part of the format", s.Title)
		case rank <= last:
			p.report(Sections, s.Line, "section %q stands in the wrong place", s.Title)
		default:
			last = rank
		}
	}
}

func (p *parser) readCode(doc *markdown.Document, e *Example) {
	s, ok := doc.Section("Code")
	if !ok {
		p.report(Sections, 1, "section \"## Code\" is missing")
		return
	}
	if e.Type == Migration {
		e.Before, e.After = p.side(s, "before"), p.side(s, "after")
	} else {
		e.Code = s.AllFences()
	}
	if len(e.Fences()) == 0 {
		p.report(Code, s.Line, "section \"## Code\" holds no code fence")
	}
	for _, f := range e.Fences() {
		p.checkFence(f)
	}
}

func (p *parser) side(s markdown.Section, name string) []markdown.Fence {
	for _, sub := range s.Subsections {
		title := strings.ToLower(sub.Title)
		if title == name || strings.HasPrefix(title, name+" (") {
			if len(sub.Fences) == 0 {
				p.report(Code, sub.Line, "%q holds no code fence", "### "+sub.Title)
			}
			return sub.Fences
		}
	}
	p.report(Sections, s.Line, "a migration needs %q", "### "+strings.ToUpper(name[:1])+name[1:])
	return nil
}

var remFirst = regexp.MustCompile(`(?i)^\s*(\d+\s+)?rem\b`)

func (p *parser) checkFence(f markdown.Fence) {
	if f.Lang != "bbj" {
		p.report(Code, f.Line-1, "code fence is marked %q, expected bbj", f.Lang)
	}
	if !remFirst.Match(f.Code) {
		p.report(Code, f.Line, "code starts without a REM that says what it does")
	}
}

func (p *parser) readText(doc *markdown.Document, e *Example) {
	if s, ok := doc.Section("Expected Behavior"); ok {
		e.Expected = s.Text
	} else if s, ok := doc.Section("Expected Output"); ok {
		e.Expected = s.Text
	} else {
		p.report(Sections, 1, "section \"## Expected Behavior\" or \"## Expected Output\" is missing")
	}
	s, ok := doc.Section("Explanation")
	if !ok || s.Text == "" {
		p.report(Sections, 1, "section \"## Explanation\" is missing or empty")
	}
	e.Explanation = s.Text
}
