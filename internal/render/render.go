// Package render prints diagnostics: for people with the line they point to,
// one a line, as JSON, as SARIF, or as the workflow commands of GitHub. Renderers
// differ in form alone.
//
// It must not know rules: what a code means is told by the caller. The source,
// the messages and the file names are foreign text: control characters never
// reach a terminal, and nothing in them is taken for markup.
package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/diag"
	"bbjtune/internal/printable"
)

// Version is the version of the JSON form.
const Version = 1

// Report is what is printed.
type Report struct {
	Findings []Finding
	// Engine names who decided which programs compile.
	Engine string
	// Tool is the version of this program.
	Tool string
	// Dir is the folder that SARIF's and GitHub's file names start from. Names
	// that are not below it stay as they are.
	Dir string
	// Rule says what a code means.
	Rule func(code string) Rule
}

// Finding is a diagnostic with the line that it points to, or "".
type Finding struct {
	diag.Diagnostic
	Source string
}

// Rule documents a code.
type Rule struct {
	Code, Name, Title, Help string
	Family                  diag.Family
	Severity                diag.Severity
}

// Formats lists the formats.
func Formats() []string { return []string{"text", "concise", "json", "sarif", "github"} }

// Findings writes the report in a format. Only text knows colour.
func Findings(w io.Writer, format string, r Report, colour bool) error {
	switch format {
	case "json":
		return encode(w, jsonForm(r))
	case "sarif":
		return encode(w, sarifForm(r))
	case "github":
		return each(w, r.Findings, func(f Finding) string { return github(r.Dir, f) })
	case "concise":
		return each(w, r.Findings, func(f Finding) string { return clean(line(f.Diagnostic)) + "\n" })
	case "text":
		p := palette{}
		if colour {
			p = palette{"\x1b[1;31m", "\x1b[1;33m", "\x1b[2m", "\x1b[0m"}
		}
		return each(w, r.Findings, p.people)
	}
	return fmt.Errorf("unknown format %q", format)
}

func each(w io.Writer, list []Finding, show func(Finding) string) error {
	out := bufio.NewWriter(w)
	for _, f := range list {
		if _, err := out.WriteString(show(f)); err != nil {
			return err
		}
	}
	return out.Flush()
}

func line(d diag.Diagnostic) string {
	return fmt.Sprintf("%s:%d:%d: %s %s: %s", d.File, d.Span.Start.Line, d.Span.Start.Col, d.Severity, d.Code, d.Message)
}

// palette holds the codes that switch colours; all empty without colour.
type palette struct{ red, yellow, dim, off string }

// people shows a finding with its source line and a mark below it.
func (p palette) people(f Finding) string {
	mark := p.red
	if f.Severity == diag.Warning {
		mark = p.yellow
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s%s %s(%s, %s)%s: %s\n", mark, f.Severity, p.off, p.dim, f.Code, f.Family, p.off, clean(f.Message))
	fmt.Fprintf(&b, "  %s--> %s:%d:%d%s\n", p.dim, clean(f.File), f.Span.Start.Line, f.Span.Start.Col, p.off)
	if f.Source != "" {
		before, marked := split(f)
		fmt.Fprintf(&b, "%s%5d |%s %s\n      %s|%s %s%s%s%s\n", p.dim, f.Span.Start.Line, p.off, clean(f.Source), p.dim, p.off, blank(before), mark, strings.Repeat("^", max(1, utf8.RuneCountInString(marked))), p.off)
	}
	for _, r := range f.Related {
		fmt.Fprintf(&b, "      note: line %d: %s\n", r.Span.Start.Line, clean(r.Message))
	}
	if f.Help != "" {
		fmt.Fprintf(&b, "      help: %s\n", clean(f.Help))
	}
	return b.String() + "\n"
}

// Lines gives the lines of a text by their numbers. Asked in rising order, as
// findings come, it reads the text once.
type Lines struct {
	text, rest []byte
	number     int // of the line that rest starts with
}

// NewLines returns the lines of a text.
func NewLines(text []byte) *Lines { return &Lines{text, text, 1} }

// At returns a line as a Finding holds it; the first has the number 1.
func (l *Lines) At(number int) string {
	if number < l.number {
		l.rest, l.number = l.text, 1
	}
	for l.number < number {
		_, after, ok := bytes.Cut(l.rest, []byte{'\n'})
		if !ok {
			return ""
		}
		l.rest = after
		l.number++
	}
	line, _, _ := bytes.Cut(l.rest, []byte{'\n'})
	return string(bytes.TrimSuffix(line, []byte{'\r'}))
}

// split cuts the source line into what stands before the finding and the finding.
func split(f Finding) (before, marked string) {
	start := min(max(0, f.Span.Start.Col-1), len(f.Source))
	end := len(f.Source)
	if f.Span.End.Line == f.Span.Start.Line {
		end = min(max(start, f.Span.End.Col-1), len(f.Source))
	}
	return f.Source[:start], f.Source[start:end]
}

// column returns the column of the finding in characters, as viewers count.
func column(f Finding) int {
	if f.Source == "" {
		return max(1, f.Span.Start.Col)
	}
	before, _ := split(f)
	return utf8.RuneCountInString(before) + 1
}

// blank turns text into white space of the same width.
func blank(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, text)
}

// clean makes a text fit for one line of a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || printable.Dangerous(r) {
			return '�'
		}
		return r
	}, s)
}

// finding is the JSON form of a diagnostic.
type finding struct {
	File      string      `json:"file"`
	Line      int         `json:"line"`
	Column    int         `json:"column"`
	EndLine   int         `json:"end_line"`
	EndColumn int         `json:"end_column"`
	Code      string      `json:"code"`
	Name      string      `json:"name"`
	Severity  string      `json:"severity"`
	Family    diag.Family `json:"family"`
	Message   string      `json:"message"`
	Help      string      `json:"help,omitempty"`
}

func jsonForm(r Report) any {
	list := []finding{}
	for _, f := range r.Findings {
		list = append(list, finding{
			f.File, f.Span.Start.Line, f.Span.Start.Col, f.Span.End.Line, f.Span.End.Col,
			f.Code, f.Name, f.Severity.String(), f.Family, f.Message, f.Help,
		})
	}
	return struct {
		Version  int       `json:"version"`
		Engine   string    `json:"engine"`
		Findings []finding `json:"findings"`
	}{Version, r.Engine, list}
}

// encode writes JSON in which every dangerous character is an escape, so that a
// text keeps all it holds and is still safe to look at.
func encode(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range b.String() {
		if printable.Dangerous(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	_, err := io.WriteString(w, out.String())
	return err
}
