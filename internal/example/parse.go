package example

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/diag"
	"bbjtune/internal/fault"
	"bbjtune/internal/markdown"
	"bbjtune/internal/nearest"
	"bbjtune/internal/strictyaml"
)

// parser collects what is wrong with one file.
type parser struct {
	path     string
	findings []diag.Diagnostic
}

func (p *parser) report(rule Rule, at diag.Span, format string, args ...any) {
	d := rule.Finding(at, fmt.Sprintf(format, args...))
	d.File = p.path
	p.findings = append(p.findings, d)
}

// onLine is the start of a line.
func onLine(line int) diag.Span { return between(line, 1, 1) }

// between is a part of a line.
func between(line, col, end int) diag.Span {
	return diag.Span{Start: diag.Pos{Line: line, Col: col}, End: diag.Pos{Line: line, Col: end}}
}

// Parse reads one example and lists all that is wrong with it. It is usable when
// none of that is an error.
func Parse(name string, text []byte) (*Example, []diag.Diagnostic) {
	p := &parser{path: name}
	e := &Example{Path: name, Topic: path.Base(path.Dir(name))}
	p.checkName(e)
	p.checkText(text)
	doc, err := markdown.Parse(name, text)
	switch {
	case err != nil:
		at, message := Placed(err, name)
		p.report(FrontMatter, diag.Span{Start: at, End: at}, "%s%s", message, hintText(err))
	case doc.Front == nil:
		p.report(FrontMatter, onLine(1), "no front matter before the text")
	default:
		p.readFront(doc, e)
		p.checkOrder(doc)
		p.readCode(doc, e)
		p.readText(doc, e)
	}
	diag.Sort(p.findings)
	return e, p.findings
}

// Placed takes an error's text apart that begins with the name of the file and
// perhaps a line: a diagnostic says both itself. It is the first line where there
// is none.
func Placed(err error, name string) (at diag.Pos, message string) {
	var problem *strictyaml.Problem
	if errors.As(err, &problem) {
		return diag.Pos{Line: max(problem.Line, 1), Col: max(problem.Col, 1)}, problem.Message
	}
	message = strings.TrimLeft(strings.TrimPrefix(err.Error(), name), ": ")
	if number, rest, ok := strings.Cut(message, ":"); ok {
		if n, err := strconv.Atoi(number); err == nil && n > 0 {
			return diag.Pos{Line: n, Col: 1}, strings.TrimSpace(rest)
		}
	}
	return diag.Pos{Line: 1, Col: 1}, message
}

func hintText(err error) string {
	if h := fault.Hint(err); h != "" {
		return " (" + h + ")"
	}
	return ""
}

var (
	kebab   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	noKebab = regexp.MustCompile(`[^a-z0-9]+`)
	hump    = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

func (p *parser) checkName(e *Example) {
	if base := path.Base(e.Path); !kebab.MatchString(strings.TrimSuffix(base, ".md")) || !strings.HasSuffix(base, ".md") {
		p.report(FileName, onLine(1), "file name %q is not kebab-case%s", base, meant(kebabed(base)+".md"))
	}
	if !slices.Contains(Topics(), e.Topic) {
		p.report(FileName, onLine(1), "%q is no topic folder (%s)%s", e.Topic, strings.Join(Topics(), ", "), meant(nearest.Name(e.Topic, Topics())))
	}
}

// kebabed makes a kebab-case name without an end of another, or "".
func kebabed(name string) string {
	if end := path.Ext(name); strings.EqualFold(end, ".md") {
		name = strings.TrimSuffix(name, end)
	}
	name = hump.ReplaceAllString(name, "$1-$2")
	return strings.Trim(noKebab.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// meant is the remark that somebody perhaps meant a name.
func meant(name string) string {
	if name == "" || name == ".md" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", name)
}

// placeholder is what a skeleton leaves to its author.
var placeholder = regexp.MustCompile(`\bTODO:[^"\n\r]*`)

// checkText looks at all of the file, whatever stands where.
func (p *parser) checkText(text []byte) {
	number, encoded := 0, true
	for line := range bytes.Lines(text) {
		number++
		if encoded && !utf8.Valid(line) {
			encoded = false // one finding says it of all lines
			p.report(Encoding, onLine(number), "the line is not UTF-8")
		}
		for _, at := range placeholder.FindAllIndex(line, -1) {
			words := strings.TrimSpace(string(line[at[0]:at[1]]))
			p.report(Unfinished, between(number, at[0]+1, at[0]+1+len(words)), "%s is not filled in", strconv.Quote(words))
		}
	}
}

// order is the order of the sections; those of equal rank exclude each other.
var order = map[string]int{"code": 0, "expected behavior": 1, "expected output": 1, "explanation": 2}

// titles are the names of the sections.
var titles = []string{"Code", "Expected Behavior", "Expected Output", "Explanation"}

func (p *parser) checkOrder(doc *markdown.Document) {
	last := -1
	for _, s := range doc.Sections {
		rank, known := order[strings.ToLower(s.Title)]
		switch {
		case !known:
			p.report(Sections, onLine(s.Line), "section %q is not part of the format%s", s.Title, meant(nearest.Name(s.Title, titles)))
		case rank <= last:
			p.report(Sections, onLine(s.Line), "section %q stands in the wrong place", s.Title)
		default:
			last = rank
		}
	}
}

func (p *parser) readText(doc *markdown.Document, e *Example) {
	s, ok := doc.Section("Expected Behavior")
	if !ok {
		s, ok = doc.Section("Expected Output")
	}
	switch {
	case !ok:
		p.report(Sections, onLine(1), "section \"## Expected Behavior\" or \"## Expected Output\" is missing")
	case s.Text == "":
		p.report(Sections, onLine(s.Line), "section %q is empty", "## "+s.Title)
	default:
		p.checkExpected(e, s)
	}
	e.Expected = s.Text
	switch s, ok = doc.Section("Explanation"); {
	case !ok:
		p.report(Sections, onLine(1), "section \"## Explanation\" is missing")
	case s.Text == "":
		p.report(Sections, onLine(s.Line), "section \"## Explanation\" is empty")
	}
	e.Explanation = s.Text
}
