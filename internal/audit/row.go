package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/chat"
	"bbjtune/internal/near"
	"bbjtune/internal/stream"
)

// Finding is a defect of one row.
type Finding struct {
	Code   string `json:"code"`
	Line   int    `json:"line"` // of the file, from 1
	Detail string `json:"detail,omitempty"`

	offset        int64 // of the row in the file
	program, code int   // the program of the answer and the line in it, from 1
}

func finding(k Kind, detail string, args ...any) Finding {
	return Finding{Code: k.Code, Detail: fmt.Sprintf(detail, args...)}
}

// sum is a hash of a text, by which equal texts are found.
type sum [16]byte

func sumOf(text string) sum {
	full := sha256.Sum256([]byte(text))
	return sum(full[:16])
}

// row is what was found in a line.
type row struct {
	line           int
	offset         int64
	valid          bool
	prompt, answer sum
	system         sum
	hasSystem      bool
	grams          near.Set // of the prompt
	form           Form
	chars, tokens  int // of the answer, of the row
	findings       []Finding
	code           []compile.Source // to be compiled with those of other rows
	asked          generation.Generation
}

func (r *row) find(k Kind, detail string, args ...any) {
	r.findings = append(r.findings, finding(k, detail, args...))
}

// look reads one line.
func (a *auditor) look(line stream.Line) row {
	r := row{line: line.Number, offset: line.Offset}
	messages, kind, problem := ParseRow(line.Text)
	if problem != "" {
		r.find(kind, "%s", problem)
		return r
	}
	r.valid = true
	for _, m := range messages {
		a.message(&r, m)
		if m.Role == chat.System {
			r.system, r.hasSystem = sumOf(m.Content), true
		}
	}
	question, text := said(messages, chat.User), said(messages, chat.Assistant)
	r.prompt, r.answer = sumOf(plainEnds(question)), sumOf(plainEnds(strings.TrimSpace(text)))
	r.grams = near.Of(question)
	r.asked = askedFor(question)
	a.answer(&r, text)
	if a.options.Tokens != nil && a.options.MaxTokens > 0 {
		if r.tokens = a.options.Tokens(r.line, Rendered(messages)); r.tokens > a.options.MaxTokens {
			r.find(Truncated, "%d tokens, %d are trained on", r.tokens, a.options.MaxTokens)
		}
	}
	if how := a.held.Find(question, text); how != "" {
		r.find(Contaminated, "%s", how)
	}
	return r
}

// said joins what one side of a conversation says.
func said(messages []chat.Message, role chat.Role) string {
	var parts []string
	for _, m := range messages {
		if m.Role == role {
			parts = append(parts, m.Content)
		}
	}
	text := strings.Join(parts, "\n\n")
	if role == chat.User {
		return strings.TrimSpace(text)
	}
	return text
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
	if half := halfCharacter(line); half != "" {
		return nil, NotJSON, half + " is half a character"
	}
	if key := repeatedKey(line); key != "" {
		return nil, NotJSON, fmt.Sprintf("the key %q occurs twice in one object", key)
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
	var typeError *json.UnmarshalTypeError
	if errors.As(err, &typeError) {
		what, article := "the line", "a"
		if typeError.Field != "" {
			what = strconv.Quote(typeError.Field)
		}
		if strings.ContainsAny(typeError.Value[:1], "ao") {
			article = "an"
		}
		return fmt.Sprintf("%s is %s %s, where %s is wanted", what, article, typeError.Value, wanted(typeError.Type))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "the object has no end"
	}
	return err.Error()
}

// wanted is what stands in a row in the place of a Go type.
func wanted(t reflect.Type) string {
	if t.Kind() == reflect.String {
		return "text"
	}
	if t.Kind() == reflect.Slice {
		return "a list"
	}
	return "an object"
}

// halves are the halves of characters that JSON spells by two numbers.
var halves = regexp.MustCompile(`\\(?:[^u]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4})`)

// halfCharacter returns the first half of a character that stands alone in a line
// that is JSON, or "": it says nothing, and reading puts another character there.
func halfCharacter(line []byte) string {
	if !bytes.Contains(line, []byte(`\ud`)) && !bytes.Contains(line, []byte(`\uD`)) {
		return ""
	}
	for _, escape := range halves.FindAll(line, -1) {
		if len(escape) == len(`\ud800`) && (escape[2] == 'd' || escape[2] == 'D') && escape[3] >= '8' {
			return string(escape)
		}
	}
	return ""
}

// repeatedKey returns a key that occurs twice in one object of a line that is
// JSON, or "": readers differ in which of the two they take.
func repeatedKey(line []byte) string {
	var open [][]string // the keys of each object around
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '{':
			open = append(open, nil)
		case '}':
			keys := open[len(open)-1]
			open = open[:len(open)-1]
			slices.Sort(keys)
			for n := 1; n < len(keys); n++ {
				if keys[n] == keys[n-1] {
					return keys[n]
				}
			}
		case '"':
			end := stringEnd(line, i)
			if rest := bytes.TrimLeft(line[end:], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
				open[len(open)-1] = append(open[len(open)-1], keyOf(line[i:end]))
			}
			i = end - 1
		}
	}
	return ""
}

// stringEnd is where the string of JSON that starts at i ends.
func stringEnd(line []byte, i int) int {
	for i++; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(line)
}

// keyOf is the name that a quoted key spells. Case makes no other key of those that
// are read.
func keyOf(quoted []byte) string {
	var key string
	if json.Unmarshal(quoted, &key) != nil {
		return string(quoted)
	}
	for _, known := range []string{"messages", "role", "content"} {
		if strings.EqualFold(key, known) {
			return known
		}
	}
	return key
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
	for i, code := range programs(text, r.form) {
		if len(code) > MaxCode {
			r.find(Long, "%d bytes of code: more than %d are not compiled", len(code), MaxCode)
			continue
		}
		r.code = append(r.code, compile.Source{Name: strconv.Itoa(i), Text: []byte(code)})
	}
}

// Rendered is the text that the model reads, as chat.Template makes it.
func Rendered(messages []chat.Message) string {
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
			r.findIn(i, Broken, v, diag.Syntax)
		case diag.HasErrors(v.Diagnostics, diag.API):
			r.findIn(i, Fabricated, v, diag.API)
		}
		if v.OK && r.asked != "" {
			r.contradict(i)
		}
	}
	r.code = nil
}

// contradict finds a program that is written for another generation than the prompt
// asks for, where that is certain.
func (r *row) contradict(i int) {
	program := syntax.Parse(r.code[i].Text)
	_, at, ok := generation.Contradiction([]generation.Generation{r.asked}, program)
	if !ok {
		return
	}
	line := program.Position(at.At.Start).Line
	f := finding(OtherGeneration, "asked for %s; line %d: %s is of %s", r.asked, line, at.What, at.Generation)
	f.program, _ = strconv.Atoi(r.code[i].Name)
	f.code = line
	r.findings = append(r.findings, f)
}

// findIn enters the first error of a family in a program.
func (r *row) findIn(i int, k Kind, v compile.Verdict, family diag.Family) {
	f := finding(k, "%s", first(v.Diagnostics, family))
	f.program, _ = strconv.Atoi(r.code[i].Name)
	if d := firstOf(v.Diagnostics, family); d != nil {
		f.code = d.Span.Start.Line
	}
	r.findings = append(r.findings, f)
}

// FirstError says for what the compiler rejects a program.
func FirstError(v compile.Verdict) string { return first(v.Diagnostics, diag.Syntax) }

func first(list []diag.Diagnostic, family diag.Family) string {
	if d := firstOf(list, family); d != nil {
		return fmt.Sprintf("%s line %d: %s", d.Code, d.Span.Start.Line, d.Message)
	}
	return ""
}

func firstOf(list []diag.Diagnostic, family diag.Family) *diag.Diagnostic {
	for i, d := range list {
		if d.Family == family && d.Severity == diag.Error {
			return &list[i]
		}
	}
	return nil
}
