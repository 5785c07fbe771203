package audit

import (
	"bufio"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"bbjtune/internal/chat"
	"bbjtune/internal/stream"
)

// Part is a piece of a row, with the place that a finding is about between Before
// and After, where there is one. Secrets and addresses are taken out of it.
type Part struct {
	Name                  string // prompt, answer, another role, program, or line
	Before, Marked, After string
}

// Excerpt shows the row of a finding, or nothing where the file cannot be read at
// a place of choice, as a pipe cannot.
func (f Finding) Excerpt(file io.ReaderAt) []Part {
	in := bufio.NewReader(io.NewSectionReader(file, f.offset, min(stream.MaxLine, math.MaxInt64-f.offset)))
	line, err := in.ReadBytes('\n')
	if err != nil && err != io.EOF {
		return nil
	}
	text := strings.TrimSpace(string(line))
	messages, _, problem := ParseRow([]byte(text))
	if problem != "" {
		return f.broken(text)
	}
	question, answer := said(messages, chat.User), said(messages, chat.Assistant)
	parts := []Part{window("prompt", mask(question), f.place(mask(question)), promptShown)}
	if messages[0].Role == chat.System {
		if system := mask(messages[0].Content); f.Code == OneSystem.Code || f.place(system) != nowhere {
			parts = append([]Part{window("system", system, f.place(system), promptShown)}, parts...)
		}
	}
	if f.code > 0 {
		if list := Programs(answer); f.program < len(list) {
			return append(parts, lines(list[f.program], f.code))
		}
	}
	return append(parts, window("answer", mask(answer), f.place(mask(answer)), answerShown))
}

// How much of a text an excerpt shows, in bytes, and how many lines of a program
// around the one that is meant.
const (
	promptShown = 300
	answerShown = 600
	linesShown  = 3
)

// broken shows a line that cannot be read, and where reading failed.
func (f Finding) broken(text string) []Part {
	shown := mask(unquoted(strings.ToValidUTF8(text, "\ufffd")))
	at := nowhere
	if m := character.FindStringSubmatch(f.Detail); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n > 0 && n <= len(text) {
			at = characterAt(shown, len(mask(unquoted(strings.ToValidUTF8(text[:n-1], "\ufffd")))))
		}
	}
	return []Part{window("line", shown, at, answerShown)}
}

// characterAt is the place of the character at an index, or of the end.
func characterAt(text string, i int) span {
	i = min(i, len(text))
	for i > 0 && i < len(text) && !utf8.RuneStart(text[i]) {
		i--
	}
	_, size := utf8.DecodeRuneInString(text[i:])
	return span{i, i + size}
}

var character = regexp.MustCompile(`\(character (\d+)\)$`)

// unicodeEscape is a character that JSON spells by its number.
var unicodeEscape = regexp.MustCompile(`\\u[0-9a-fA-F]{4}`)

// unquoted undoes the escapes of JSON in a line that is none, so that what is to
// be masked can be seen.
func unquoted(text string) string {
	text = unicodeEscape.ReplaceAllStringFunc(text, func(escape string) string {
		n, err := strconv.ParseUint(escape[2:], 16, 16)
		if err != nil || !utf8.ValidRune(rune(n)) {
			return escape
		}
		return string(rune(n))
	})
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\n", `\t`, "\t", `\"`, `"`, `\/`, `/`).Replace(text)
}

// span is a place in a text, in bytes.
type span struct{ start, end int }

var nowhere = span{-1, -1}

// place finds what the finding is about in a text of its row.
func (f Finding) place(text string) span {
	switch f.Code {
	case ControlToken.Code:
		return spanOf(text, chat.ControlToken(text))
	case Encoding.Code:
		return spanOf(text, Misread(text))
	case Escapes.Code:
		return spelledAt(text)
	case Secret.Code:
		return spanOf(text, secretMask)
	case Personal.Code:
		return spanOf(text, personMask)
	}
	return nowhere
}

func spanOf(text, found string) span {
	if i := strings.Index(text, found); found != "" && i >= 0 {
		return span{i, i + len(found)}
	}
	return nowhere
}

// spelledAt is the place of the first escape that is meant as the character.
func spelledAt(text string) span {
	const here = "\x00"
	text = strings.ReplaceAll(text, here, " ")
	found := ""
	marked := eachEscape(text, func(escape string) string {
		if found != "" {
			return escape
		}
		found = escape
		return here + escape
	})
	if i := strings.Index(marked, here); i >= 0 {
		return span{i, i + len(found)}
	}
	return nowhere
}

// window cuts a text to the size, around the place if there is one.
func window(name, text string, at span, size int) Part {
	if at == nowhere {
		return Part{Name: name, Before: head(text, size)}
	}
	before, marked, after := text[:at.start], head(text[at.start:at.end], size), text[at.end:]
	return Part{name, tail(before, size/2), marked, head(after, size/2)}
}

// head is the beginning of a text, and tail its end, of at most so many bytes.
func head(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size] + "…"
}

func tail(text string, size int) string {
	if len(text) <= size {
		return text
	}
	start := len(text) - size
	for !utf8.RuneStart(text[start]) {
		start++
	}
	return "…" + text[start:]
}

// lines shows a program around one of its lines.
func lines(code string, at int) Part {
	list := strings.Split(mask(code), "\n")
	at = min(at, len(list)) - 1
	join := func(lines []string, end string) string {
		if len(lines) == 0 {
			return ""
		}
		return strings.Join(lines, "\n") + end
	}
	p := Part{
		Name:   "program",
		Before: tail(join(list[max(0, at-linesShown):at], "\n"), promptShown),
		Marked: head(list[at], answerShown),
	}
	if at+1 < len(list) {
		p.After = head("\n"+join(list[at+1:min(len(list), at+1+linesShown)], ""), promptShown)
	}
	return p
}
