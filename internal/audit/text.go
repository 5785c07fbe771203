package audit

import (
	"regexp"
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/answer"
)

// Form is how an answer holds its code.
type Form string

// The forms.
const (
	Fenced Form = "fenced" // all code stands in fences
	Text   Form = "text"   // there is none
	Mixed  Form = "mixed"  // prose, and code outside of a fence
	Raw    Form = "raw"    // code alone, without a fence
)

// FormOf tells the form of an answer. A line counts as code when it is a BBj
// statement that prose is not: a compiler would take it.
func FormOf(text string) Form {
	a := answer.Extract(text)
	code, prose := 0, 0
	outside := text
	if a.Fenced {
		outside = a.Prose
	}
	for line := range strings.Lines(outside) {
		switch line = strings.TrimSpace(line); {
		case line == "":
		case IsCode(line):
			code++
		default:
			prose++
		}
	}
	switch {
	case code == 0 && a.Fenced:
		return Fenced
	case code == 0 || code == 1 && prose > 3:
		return Text // one line that happens to read like a statement
	case a.Fenced || prose > 0 && !compiles(text):
		return Mixed
	}
	return Raw
}

// codeSigns tell a statement from a sentence that parses.
var codeSigns = regexp.MustCompile(`[=$!#"()\[\]]|^\d+ |^(?i:rem|end|endif|wend|next|swend|return|release|process_events|methodend|classend|fnend)\b`)

// IsCode reports whether a line, for itself, is a statement or a label.
func IsCode(line string) bool {
	if !codeSigns.MatchString(line) || strings.HasSuffix(line, ".") && !strings.HasSuffix(line, `".`) {
		return false
	}
	if heads.MatchString(line) {
		return true
	}
	return compiles(line) && !strings.HasSuffix(line, ":")
}

// ContinuesCode reports whether a line after code belongs to it: a compiler would
// take it, though it may read like a sentence, as PRINT X does.
func ContinuesCode(line string) bool {
	return IsCode(line) || compiles(line) && !strings.ContainsAny(line[len(line)-1:], ".:")
}

// heads begin what spans several lines and does not parse alone.
var heads = regexp.MustCompile(`(?i)^\s*(class|interface|method|field)\s+(public|private|protected)\b|^\s*(methodend|classend|interfaceend|methodret)\b`)

func compiles(text string) bool {
	return !diag.HasErrors(syntax.Parse([]byte(text+"\n")).Errors, diag.Syntax)
}

var (
	escapes = regexp.MustCompile(`\\+[nt"]`) // escaped once, or several times over
	paths   = regexp.MustCompile(`[A-Za-z]:\\[^\s"']*|\\\\[\w.$-]+\\[^\s"']*`) // of Windows
)

// spelledEscape is the first \n, \t or \" that is not part of a path.
func spelledEscape(text string) string { return escapes.FindString(paths.ReplaceAllString(text, "")) }

// Unescape puts the characters themselves where a text spells out \n, \t or \",
// but for those in paths.
func Unescape(text string) string {
	var b strings.Builder
	start := 0
	for _, path := range paths.FindAllStringIndex(text, -1) {
		b.WriteString(escapes.ReplaceAllStringFunc(text[start:path[0]], meant))
		b.WriteString(text[path[0]:path[1]])
		start = path[1]
	}
	b.WriteString(escapes.ReplaceAllStringFunc(text[start:], meant))
	return b.String()
}

// meant is the character that an escape stands for.
func meant(escape string) string {
	switch escape[len(escape)-1] {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	}
	return `"`
}

var misread = regexp.MustCompile("Ã[\u0080-\u00BF]|â€[\u0080-\u00FF™œ\u009d]|Â[\u00A0-\u00BF]|\uFFFD")

// Misread is the first place where UTF-8 was read as Latin-1, or a byte as
// nothing.
func Misread(text string) string { return misread.FindString(text) }

var secrets = []*regexp.Regexp{
	regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`),
	regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`),
	regexp.MustCompile(`\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?[A-Za-z0-9]{20,}\b`),
	regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{30,}\b`),
	regexp.MustCompile(`(?i)\b(?:password|passwd|pwd|secret|api_?key)\w*[$!]?\s*[=:]\s*"[^"\s]{4,}"`),
}

// placeholder is what stands for a password that nobody has.
var placeholder = regexp.MustCompile(`(?i)"(?:your|my)?[-_ ]?(?:password|secret|change[-_ ]?me|x+|\*+|<[^>]*>|\.\.\.|key|api[-_]?key)[-_ ]?(?:here)?"`)

// HasSecret reports whether a text holds what looks like a key or a password.
func HasSecret(text string) bool {
	for _, s := range secrets {
		if found := s.FindString(text); found != "" && !placeholder.MatchString(found) {
			return true
		}
	}
	return false
}

var (
	address = regexp.MustCompile(`\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b`)
	nobody  = regexp.MustCompile(`(?i)@(?:[\w-]+\.)*example\.(?:com|org|net)$|@(?:[\w-]+\.)*(?:test|invalid|localhost)$`)
)

// personIn reports whether a text holds an e-mail address that may be
// somebody's.
func personIn(text string) bool {
	for _, found := range address.FindAllString(text, -1) {
		if !nobody.MatchString(found) {
			return true
		}
	}
	return false
}

var asked = []struct {
	words *regexp.Regexp
	means generation.Generation
}{
	{regexp.MustCompile(`(?i)\bDWC\b|\bdynamic web client\b`), generation.DWC},
	{regexp.MustCompile(`(?i)\bcharacter[- ]mode\b`), generation.Character},
	{regexp.MustCompile(`(?i)\bvisual pro/?5\b|\bvpro/?5\b`), generation.VPRO5},
}

// askedFor is the one generation that a prompt names, or "".
func askedFor(prompt string) generation.Generation {
	var found generation.Generation
	for _, a := range asked {
		if a.words.MatchString(prompt) {
			if found != "" {
				return ""
			}
			found = a.means
		}
	}
	return found
}
