package suite

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/markdown"
	"bbjtune/internal/strictyaml"
)

// ParseCase reads one case. rel is its path below cases/, name what errors
// call it.
func ParseCase(rel, name string, text []byte) (*Case, error) {
	doc, err := markdown.Parse(name, text)
	if err != nil {
		return nil, err
	}
	c := &Case{ID: strings.TrimSuffix(rel, ".md"), File: path.Join("cases", rel), Topic: path.Dir(rel)}
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
	if err := c.readPlace(doc); err != nil {
		return err
	}
	reference, _ := doc.Section("Reference")
	c.Line = reference.Line
	if c.Reference = reference.Text; c.Reference == "" {
		return fmt.Errorf("section \"## Reference\" is missing or empty")
	}
	if err := c.readRight(doc); err != nil {
		return err
	}
	wrong, ok := doc.Section("Wrong")
	if !ok {
		return fmt.Errorf("section \"## Wrong\" is missing")
	}
	for _, p := range parts(wrong) {
		w, err := c.readWrong(p)
		if err != nil {
			return fmt.Errorf("line %d: %w", p.Line, err)
		}
		c.Wrong = append(c.Wrong, w)
	}
	return nil
}

// readPlace reads what stands before and behind the place that the answer fills.
func (c *Case) readPlace(doc *markdown.Document) error {
	for _, part := range []struct {
		title string
		code  *string
	}{{"Prefix", &c.Prefix}, {"Suffix", &c.Suffix}} {
		s, ok := doc.Section(part.title)
		if !ok {
			continue
		}
		fences := s.AllFences()
		if len(fences) != 1 || strings.TrimSpace(string(fences[0].Code)) == "" {
			return fmt.Errorf("line %d: section \"## %s\" holds one code fence with a part of the program", s.Line, part.title)
		}
		*part.code = strings.TrimRight(string(fences[0].Code), "\n") + "\n"
	}
	if c.Prefix+c.Suffix != "" && c.Type != example.Completion {
		return fmt.Errorf("only a completion has a prefix or a suffix")
	}
	return nil
}

// readRight reads more right answers, which say the same in other words.
func (c *Case) readRight(doc *markdown.Document) error {
	s, ok := doc.Section("Right")
	if !ok {
		return nil
	}
	for _, p := range parts(s) {
		if p.Text == "" {
			return fmt.Errorf("line %d: the right answer itself is missing", p.Line)
		}
		c.Right = append(c.Right, p.Text)
	}
	return nil
}

// parts are the subsections of a section, or the section itself.
func parts(s markdown.Section) []markdown.Section {
	if len(s.Subsections) > 0 {
		return s.Subsections
	}
	return []markdown.Section{s}
}

var failsLine = regexp.MustCompile(`(?i)^\s*fails:\s*(compile|api|check\s+(\d+))\b[\s:.,;-]*`)

func (c *Case) readWrong(s markdown.Section) (Wrong, error) {
	m := failsLine.FindStringSubmatchIndex(s.Text)
	if m == nil {
		return Wrong{}, fmt.Errorf("a wrong answer starts with \"fails: compile\", \"fails: api\" or \"fails: check N\"")
	}
	w := Wrong{Line: s.Line, API: strings.EqualFold(s.Text[m[2]:m[3]], "api")}
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
