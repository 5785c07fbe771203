package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/answer"
	"bbjtune/internal/chat"
)

// Finding is a defect of one row.
type Finding struct {
	Code   string `json:"code"`
	Line   int    `json:"line"` // of the file, from 1
	Detail string `json:"detail,omitempty"`
}

// sum is a hash of a text, by which equal texts are found.
type sum [16]byte

func sumOf(text string) sum {
	full := sha256.Sum256([]byte(text))
	return sum(full[:16])
}

// row is what is kept of a line after it was looked at.
type row struct {
	line           int
	valid          bool
	prompt, answer sum
	system         sum
	hasSystem      bool
	question       string // the prompt's text
	form           Form
	chars          int // of the answer
	findings       []Finding
	code           []compile.Source // to be compiled with those of other rows
	asked          generation.Generation
}

func (r *row) find(k Kind, detail string, args ...any) {
	r.findings = append(r.findings, Finding{k.Code, r.line, fmt.Sprintf(detail, args...)})
}

// look reads one line.
func (a *auditor) look(number int, line []byte) row {
	r := row{line: number}
	messages, kind, problem := ParseRow(line)
	if problem != "" {
		r.find(kind, "%s", problem)
		return r
	}
	r.valid = true
	var prompt, said []string
	for _, m := range messages {
		a.message(&r, m)
		switch m.Role {
		case chat.System:
			r.system, r.hasSystem = sumOf(m.Content), true
		case chat.User:
			prompt = append(prompt, m.Content)
		case chat.Assistant:
			said = append(said, m.Content)
		}
	}
	r.question = strings.TrimSpace(strings.Join(prompt, "\n\n"))
	text := strings.Join(said, "\n\n")
	r.prompt, r.answer = sumOf(plainEnds(r.question)), sumOf(plainEnds(strings.TrimSpace(text)))
	a.answer(&r, text)
	a.whole(&r, messages, text)
	return r
}

func plainEnds(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// ParseRow reads a row, or says what kind of row it is not.
func ParseRow(line []byte) (messages []chat.Message, kind Kind, problem string) {
	if !utf8.Valid(line) {
		return nil, NotJSON, "it is not UTF-8: convert the file from its real encoding"
	}
	var raw struct {
		Messages *[]chat.Message `json:"messages"`
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	if err := dec.Decode(&raw); err != nil {
		return nil, NotJSON, jsonProblem(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, NotJSON, "something follows the object"
	}
	if raw.Messages == nil {
		return nil, NotJSON, `no key "messages"`
	}
	for i, m := range *raw.Messages {
		if strings.TrimSpace(m.Content) == "" {
			return nil, Empty, fmt.Sprintf("message %d (%q)", i+1, m.Role)
		}
	}
	if err := (chat.Row{Messages: *raw.Messages}).Validate(); err != nil {
		return nil, Roles, err.Error()
	}
	return *raw.Messages, Kind{}, ""
}

func jsonProblem(err error) string {
	var syntaxError *json.SyntaxError
	if errors.As(err, &syntaxError) {
		return fmt.Sprintf("%v (character %d)", err, syntaxError.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "the object has no end"
	}
	return err.Error()
}

// message looks at one turn.
func (a *auditor) message(r *row, m chat.Message) {
	if token := chat.ControlToken(m.Content); token != "" {
		r.find(ControlToken, "%s in the %s's message", token, m.Role)
	}
	if found := Misread(m.Content); found != "" {
		r.find(Encoding, "%q in the %s's message", found, m.Role)
	}
	if found := spelledEscape(m.Content); found != "" && m.Role != chat.System {
		r.find(Escapes, "%s in the %s's message", found, m.Role)
	}
	if HasSecret(m.Content) {
		r.find(Secret, "in the %s's message", m.Role)
	}
	if personIn(m.Content) {
		r.find(Personal, "in the %s's message", m.Role)
	}
}

// answer looks at what the assistant said.
func (a *auditor) answer(r *row, text string) {
	r.chars = utf8.RuneCountInString(text)
	switch {
	case r.chars <= 10:
		r.find(TooShort, "%d characters", r.chars)
	case r.chars < 50:
		r.find(Short, "%d characters", r.chars)
	case r.chars > 1000:
		r.find(Long, "%d characters", r.chars)
	}
	r.form = FormOf(text)
	if r.form == Raw || r.form == Mixed {
		r.find(Unfenced, "%s", r.form)
	}
	// The fences of an answer are one program, as they are to evaluation.
	code := strings.Join(answer.Marked(text), "\n")
	if r.form == Raw {
		code = text
	}
	if code != "" {
		r.code = append(r.code, compile.Source{Name: fmt.Sprintf("line %d", r.line), Text: []byte(code)})
	}
}

// whole looks at what concerns the row as a whole.
func (a *auditor) whole(r *row, messages []chat.Message, text string) {
	if a.options.Tokens != nil && a.options.MaxTokens > 0 {
		if n := a.options.Tokens(rendered(messages)); n > a.options.MaxTokens {
			r.find(Truncated, "%d tokens, %d are trained on", n, a.options.MaxTokens)
		}
	}
	if how := a.held.Find(r.question, text); how != "" {
		r.find(Contaminated, "%s", how)
	}
	r.asked = askedFor(r.question)
}

// rendered is the text that the model reads, as chat.Template makes it.
func rendered(messages []chat.Message) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "<|im_start|>%s\n%s<|im_end|>\n", m.Role, m.Content)
	}
	return b.String()
}

// judge takes the verdicts on the row's code in.
func (r *row) judge(verdicts []compile.Verdict) {
	for i, v := range verdicts {
		switch {
		case !v.OK:
			r.find(Broken, "%s", FirstError(v))
		case diag.HasErrors(v.Diagnostics, diag.API):
			r.find(Fabricated, "%s", first(v.Diagnostics, diag.API))
		}
		written := generation.Of(syntax.Parse(r.code[i].Text)).Written
		// The DWC runs what is written for the GUI.
		fits := written == generation.All || written == r.asked || written == generation.GUI && r.asked == generation.DWC
		if v.OK && r.asked != "" && !fits {
			r.find(OtherGeneration, "asked for %s, written for %s", r.asked, written)
		}
	}
	r.code = nil
}

// FirstError says for what the compiler rejects a program.
func FirstError(v compile.Verdict) string { return first(v.Diagnostics, diag.Syntax) }

func first(list []diag.Diagnostic, family diag.Family) string {
	for _, d := range list {
		if d.Family == family && d.Severity == diag.Error {
			return fmt.Sprintf("%s line %d: %s", d.Code, d.Span.Start.Line, d.Message)
		}
	}
	return ""
}
