// Package render prints diagnostics: for people with the line they point to,
// one a line, or as JSON. Renderers differ in form alone.
//
// It must not know rules. The source it shows is foreign text: control
// characters never reach the terminal.
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

// Findings writes the list in a format: text, concise or json. files holds the
// text of every file named in the findings.
func Findings(w io.Writer, format string, list []diag.Diagnostic, files map[string][]byte, colour bool) error {
	switch format {
	case "json":
		return writeJSON(w, list)
	case "concise":
		for _, d := range list {
			if _, err := fmt.Fprintln(w, clean(line(d))); err != nil {
				return err
			}
		}
		return nil
	case "text":
		return people(w, list, files, colour)
	}
	return fmt.Errorf("unknown format %q", format)
}

func line(d diag.Diagnostic) string {
	return fmt.Sprintf("%s:%d:%d: %s %s: %s", d.File, d.Span.Start.Line, d.Span.Start.Col, d.Severity, d.Code, d.Message)
}

// people shows each finding with its source line and a mark below it.
func people(w io.Writer, list []diag.Diagnostic, files map[string][]byte, colour bool) error {
	red, yellow, dim, off := "", "", "", ""
	if colour {
		red, yellow, dim, off = "\x1b[1;31m", "\x1b[1;33m", "\x1b[2m", "\x1b[0m"
	}
	for _, d := range list {
		mark := red
		if d.Severity == diag.Warning {
			mark = yellow
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s%s%s %s(%s, %s)%s: %s\n", mark, d.Severity, off, dim, d.Code, d.Family, off, clean(d.Message))
		fmt.Fprintf(&b, "  %s--> %s:%d:%d%s\n", dim, clean(d.File), d.Span.Start.Line, d.Span.Start.Col, off)
		if text, ok := sourceLine(files[d.File], d.Span.Start.Line); ok {
			before, marked := split(text, d)
			fmt.Fprintf(&b, "%s%5d |%s %s\n      %s|%s %s%s%s%s\n", dim, d.Span.Start.Line, off, clean(text), dim, off, blank(before), mark, strings.Repeat("^", max(1, utf8.RuneCountInString(marked))), off)
		}
		if d.Help != "" {
			fmt.Fprintf(&b, "      help: %s\n", clean(d.Help))
		}
		if _, err := io.WriteString(w, b.String()+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// sourceLine returns a line of a text; the first has the number 1.
func sourceLine(text []byte, number int) (string, bool) {
	for range number - 1 {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return "", false
		}
		text = text[i+1:]
	}
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSuffix(string(text), "\r"), len(text) > 0
}

// split cuts a line into what stands before the finding and the finding.
func split(text string, d diag.Diagnostic) (before, marked string) {
	start := min(max(0, d.Span.Start.Col-1), len(text))
	end := len(text)
	if d.Span.End.Line == d.Span.Start.Line {
		end = min(max(start, d.Span.End.Col-1), len(text))
	}
	return text[:start], text[start:end]
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

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
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

func writeJSON(w io.Writer, list []diag.Diagnostic) error {
	out := struct {
		Version  int       `json:"version"`
		Findings []finding `json:"findings"`
	}{Version, []finding{}}
	for _, d := range list {
		out.Findings = append(out.Findings, finding{
			d.File, d.Span.Start.Line, d.Span.Start.Col, d.Span.End.Line, d.Span.End.Col,
			d.Code, d.Name, d.Severity.String(), d.Family, d.Message, d.Help,
		})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}
