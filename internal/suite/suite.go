// Package suite reads an evaluation suite: cases in Markdown with a prompt,
// the checks that a right answer passes, a reference answer that does and
// wrong answers that do not, as suites/FORMAT.md says. It also decides whether
// an answer passes.
//
// It must not know models or statistics.
package suite

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

	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/markdown"
	"bbjtune/internal/strictyaml"
)

// Suite is a folder of cases.
type Suite struct {
	Head
	Cases []*Case
}

// Head is what suite.yaml holds.
type Head struct {
	Name        string `yaml:"name"`
	Title       string `yaml:"title"`
	Version     int    `yaml:"version"`
	Description string `yaml:"description"`
}

// Front is the front matter of a case.
type Front struct {
	Title      string                `yaml:"title"`
	Type       example.Type          `yaml:"type"`
	Generation generation.Generation `yaml:"generation"`
	Difficulty string                `yaml:"difficulty"`
	Tags       []string              `yaml:"tags"`
	Review     bool                  `yaml:"review"`
	Checks     []Check               `yaml:"checks"`
}

// Case is one question with what is needed to judge its answer.
type Case struct {
	// ID is the path below cases/ without .md, for example gui/hello-button.
	ID    string
	Topic string
	Front
	Prompt    string
	Reference string
	Wrong     []Wrong
}

// Wrong is an answer that must not pass.
type Wrong struct {
	Answer string
	// Check is the number of the check that it fails, from 1; 0 says that
	// it does not compile.
	Check int
	Why   string
	// Line is where it stands in the file.
	Line int
}

// WantsCode reports whether the answer must be a program.
func (c *Case) WantsCode() bool { return c.Type != example.Comprehension }

// Load reads the suite in dir.
func Load(dir string) (*Suite, error) {
	text, err := os.ReadFile(filepath.Join(dir, "suite.yaml"))
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("read the suite: %w", err), "name a folder that holds a suite.yaml; suites/FORMAT.md says what a suite looks like")
	}
	s := &Suite{}
	if err := strictyaml.Decode(filepath.Join(dir, "suite.yaml"), 1, text, &s.Head); err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "cases")
	// Over a DirFS, so that a folder that is a link is followed.
	err = fs.WalkDir(os.DirFS(root), ".", func(rel string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(rel, ".md") {
			return err
		}
		p := filepath.Join(root, filepath.FromSlash(rel))
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		c, err := ParseCase(rel, p, text)
		if err != nil {
			return err
		}
		s.Cases = append(s.Cases, c)
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, "suites/FORMAT.md says what a case looks like")
	}
	if len(s.Cases) == 0 {
		return nil, fault.Newf("suites/FORMAT.md says what a case looks like", "%s holds no case", root)
	}
	return s, nil
}

// Format is the rule that a case which breaks the format breaks.
var Format = example.Rule{Code: "EX201", Name: "case-format", Severity: diag.Error, Title: "evaluation case that breaks the format",
	Why: "A case that cannot be read is not asked.", Help: "suites/FORMAT.md says what a case looks like"}

// Finding says of a case what [ParseCase] says in its error, with the place that
// the error names.
func Finding(name string, err error) diag.Diagnostic {
	at, message := example.Placed(err, name)
	d := Format.Finding(diag.Span{Start: at, End: at}, message)
	d.File = name
	return d
}

// ParseCase reads one case. rel is its path below cases/, name what errors
// call it.
func ParseCase(rel, name string, text []byte) (*Case, error) {
	doc, err := markdown.Parse(name, text)
	if err != nil {
		return nil, err
	}
	c := &Case{ID: strings.TrimSuffix(rel, ".md"), Topic: path.Dir(rel)}
	if doc.Front == nil {
		return nil, fmt.Errorf("%s: no front matter", name)
	}
	if err := strictyaml.Decode(name, doc.FrontLine, doc.Front, &c.Front); err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return nil, fault.Wrap(fmt.Errorf("%s: %w", name, err), "suites/FORMAT.md says what a case looks like")
	}
	if err := c.readSections(doc); err != nil {
		return nil, fault.Wrap(fmt.Errorf("%s: %w", name, err), "suites/FORMAT.md says what a case looks like")
	}
	return c, nil
}

func (c *Case) validate() error {
	switch {
	case c.Title == "":
		return fmt.Errorf("title is missing")
	case !slices.Contains(example.Types(), c.Type):
		return fmt.Errorf("type %q is not known", c.Type)
	case c.Generation != generation.All && !slices.Contains(generation.Known(), c.Generation):
		return fmt.Errorf("generation %q is not known", c.Generation)
	case !slices.Contains(example.Difficulties(), c.Difficulty):
		return fmt.Errorf("difficulty %q is not known", c.Difficulty)
	case len(c.Checks) == 0:
		return fmt.Errorf("checks is empty")
	}
	for i := range c.Checks {
		if err := c.Checks[i].prepare(); err != nil {
			return fmt.Errorf("check %d: %w", i+1, err)
		}
	}
	return nil
}

func (c *Case) readSections(doc *markdown.Document) error {
	prompt, _ := doc.Section("Prompt")
	if c.Prompt = prompt.Text; c.Prompt == "" {
		return fmt.Errorf("section \"## Prompt\" is missing or empty")
	}
	reference, _ := doc.Section("Reference")
	if c.Reference = reference.Text; c.Reference == "" {
		return fmt.Errorf("section \"## Reference\" is missing or empty")
	}
	wrong, ok := doc.Section("Wrong")
	if !ok {
		return fmt.Errorf("section \"## Wrong\" is missing")
	}
	parts := wrong.Subsections
	if len(parts) == 0 {
		parts = []markdown.Section{wrong}
	}
	for _, p := range parts {
		w, err := c.readWrong(p)
		if err != nil {
			return fmt.Errorf("line %d: %w", p.Line, err)
		}
		c.Wrong = append(c.Wrong, w)
	}
	return nil
}

var failsLine = regexp.MustCompile(`(?i)^\s*fails:\s*(compile|check\s+(\d+))\b[\s:.,;-]*`)

func (c *Case) readWrong(s markdown.Section) (Wrong, error) {
	m := failsLine.FindStringSubmatchIndex(s.Text)
	if m == nil {
		return Wrong{}, fmt.Errorf("a wrong answer starts with \"fails: compile\" or \"fails: check N\"")
	}
	w := Wrong{Line: s.Line}
	rest := s.Text[m[1]:]
	if m[4] >= 0 {
		n, err := strconv.Atoi(s.Text[m[4]:m[5]])
		if err != nil || n < 1 || n > len(c.Checks) {
			return Wrong{}, fmt.Errorf("there is no check %s", s.Text[m[4]:m[5]])
		}
		w.Check = n
	}
	w.Why, w.Answer, _ = strings.Cut(rest, "\n")
	w.Answer = strings.TrimSpace(w.Answer)
	if fence := strings.Index(rest, "```"); c.WantsCode() && fence >= 0 {
		w.Why, w.Answer = strings.TrimSpace(rest[:fence]), rest[fence:]
	}
	if w.Answer == "" {
		return Wrong{}, fmt.Errorf("the wrong answer itself is missing")
	}
	return w, nil
}
