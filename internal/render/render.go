// Package render prints diagnostics: for people with the line they point to,
// one a line, as JSON, as SARIF, or as the workflow commands of GitHub. Renderers
// differ in form alone.
//
// It must not know rules: what a code means is told by the caller. The source,
// the messages and the file names are foreign text: control characters never
// reach a terminal, and nothing in them is taken for markup.
package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/diag"
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
	for _, f := range list {
		if _, err := io.WriteString(w, show(f)); err != nil {
			return err
		}
	}
	return nil
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

// Line returns a line of a text, as a Finding holds it; the first has the
// number 1.
func Line(text []byte, number int) string {
	for range number - 1 {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return ""
		}
		text = text[i+1:]
	}
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	return string(bytes.TrimSuffix(text, []byte{'\r'}))
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

// dangerous reports whether a terminal might obey the character, or show the
// text around it in another order.
func dangerous(r rune) bool {
	return r < 0x20 && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if dangerous(r) {
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
		if dangerous(r) && r != '\n' {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	_, err := io.WriteString(w, out.String())
	return err
}
