package audit

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

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
	case a.Fenced || prose > 0 && !Compiles(text):
		return Mixed
	}
	return Raw
}

// codeSigns tell a statement from a sentence that parses.
var codeSigns = regexp.MustCompile(`[=$!#"()\[\]]|^\d+ |^(?i:rem|end|endif|wend|next|swend|return|release|process_events|methodend|classend|fnend)\b`)

// IsCode reports whether a line, for itself, is a statement or a label.
func IsCode(line string) bool {
	if heads.MatchString(line) {
		return true
	}
	if !codeSigns.MatchString(line) || strings.HasSuffix(line, ".") && !strings.HasSuffix(line, `".`) {
		return false
	}
	return Compiles(line) && !strings.HasSuffix(line, ":")
}

// ContinuesCode reports whether a line after code belongs to it: a compiler would
// take it, though it may read like a sentence, as PRINT X does.
func ContinuesCode(line string) bool {
	return IsCode(line) || label.MatchString(line) || Compiles(line) && !strings.ContainsAny(line[len(line)-1:], ".:")
}

var label = regexp.MustCompile(`^[A-Za-z_]\w*:$`)

// heads begin what spans several lines and does not parse alone.
var heads = regexp.MustCompile(`(?i)^\s*(class|interface|method|field)\s+(public|private|protected)\b|^\s*(methodend|classend|interfaceend|methodret)\b`)

// Compiles reports whether a text is BBj as far as its syntax goes.
func Compiles(text string) bool {
	return !diag.HasErrors(syntax.Parse([]byte(text+"\n")).Errors, diag.Syntax)
}

var (
	escapes = regexp.MustCompile(`\\+r(?:\\+n)?|\\+[nt"]`) // escaped once, or several times over
	// Paths of Windows, with the sign before them that tells a drive or a host from
	// the end of a word.
	paths   = regexp.MustCompile(`(?:^|[^A-Za-z0-9_\\])[A-Za-z]:\\[^\s"'` + "`" + `]*|(?:^|[\s"'(=])\\\\[\w.$-]{2,}\\[\w.$-][^\s"'` + "`" + `]*`)
	spans   = regexp.MustCompile("`[^`\n]+`")
	strs    = regexp.MustCompile(`"[^"\n]*"`)
	fencing = regexp.MustCompile("^\\s*(```+|~~~+)\\s*(\\w*)")
)

// spelledEscape is the first \n, \r, \t or \" that is meant as the character
// itself, or "".
func spelledEscape(text string) string {
	found := ""
	eachEscape(text, func(escape string) string {
		if found == "" {
			found = escape
		}
		return escape
	})
	return found
}

// Unescape puts the characters themselves where a text spells out \n, \r, \t or
// \". It leaves alone what is meant as it stands: paths, code in backquotes,
// other languages, and strings of a program that has lines already.
func Unescape(text string) string {
	return eachEscape(text, func(escape string) string {
		switch escape[len(escape)-1] {
		case 't':
			return "\t"
		case '"':
			return `"`
		}
		return "\n"
	})
}

// eachEscape replaces the escapes of a text that are meant as characters.
func eachEscape(text string, replace func(string) string) string {
	if !strings.Contains(text, "\n") {
		return outside(text, paths, replace)
	}
	lines := strings.Split(text, "\n")
	mark, lang := "", ""
	for i, line := range lines {
		m := fencing.FindStringSubmatch(line)
		switch {
		case m != nil && mark == "":
			mark, lang = m[1], strings.ToLower(m[2])
			// A whole program may stand on the line of its fence.
			lines[i] = outside(line, paths, replace)
		case m != nil && strings.HasPrefix(m[1], mark) && m[2] == "":
			mark = ""
		case mark == "":
			lines[i] = outsideAll(line, []*regexp.Regexp{spans, paths}, replace)
		case lang == "" || lang == "bbj" || lang == "basic":
			lines[i] = outsideAll(line, []*regexp.Regexp{strs, paths}, replace)
		}
	}
	return strings.Join(lines, "\n")
}

// outsideAll replaces escapes where none of the patterns matches.
func outsideAll(text string, patterns []*regexp.Regexp, replace func(string) string) string {
	if len(patterns) == 0 {
		return escapes.ReplaceAllStringFunc(text, replace)
	}
	var b strings.Builder
	start := 0
	for _, at := range patterns[0].FindAllStringIndex(text, -1) {
		b.WriteString(outsideAll(text[start:at[0]], patterns[1:], replace))
		b.WriteString(text[at[0]:at[1]])
		start = at[1]
	}
	b.WriteString(outsideAll(text[start:], patterns[1:], replace))
	return b.String()
}

func outside(text string, pattern *regexp.Regexp, replace func(string) string) string {
	return outsideAll(text, []*regexp.Regexp{pattern}, replace)
}

// Misread is the first place where the bytes of UTF-8 were read as Windows-1252
// or Latin-1, or where a byte was read as nothing.
func Misread(text string) string {
	runes := []rune(text)
	for i, r := range runes {
		if r == utf8.RuneError {
			return string(r)
		}
		need := 0
		switch r {
		case 'Â', 'Ã', 'Ä', 'Å':
			need = 1
		case 'â':
			need = 2
		}
		if need == 0 || i+need >= len(runes) {
			continue
		}
		if following(runes[i+1:i+1+need]) && (r != 'Ä' && r != 'Å' || runes[i+1] > 0x7f && !unicode.IsLetter(runes[i+1])) {
			return string(runes[i : i+1+need])
		}
	}
	return ""
}

// following reports whether all are what the second and later bytes of UTF-8
// become.
func following(runes []rune) bool {
	for _, r := range runes {
		b, ok := charmap.Windows1252.EncodeRune(r)
		if !ok {
			b, ok = charmap.ISO8859_1.EncodeRune(r)
		}
		if !ok || b < 0x80 || b > 0xBF {
			return false
		}
	}
	return true
}

var secrets = []*regexp.Regexp{
	regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`),
	regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`),
	regexp.MustCompile(`\b(?:sk|rk)-(?:[a-z]+[0-9]*-)*[A-Za-z0-9_-]{20,}`),
	regexp.MustCompile(`\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}\b`),
	regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{30,}\b`),
	regexp.MustCompile(`(?i)\b(?:password|passwd|pwd|secret|api_?key)\w*[$!]?\s*[=:]\s*"[^"\s]{4,}"`),
	regexp.MustCompile(`(?i)[,;"](?:password|pwd)=[^",;\s]{4,}`),
}

// placeholder is what stands for a password that nobody has.
var placeholder = regexp.MustCompile(`(?i)"(?:your|my)?[-_ ]?(?:password|secret|change[-_ ]?me|x+|\*+|<[^>]*>|\.\.\.|key|api[-_]?key)[-_ ]?(?:here)?"|(?i)=(?:password|secret|x+|\*+|<[^>]*>)$`)

// HasSecret reports whether a text holds what looks like a key or a password.
func HasSecret(text string) bool {
	for _, s := range secrets {
		for _, found := range s.FindAllString(text, -1) {
			if !placeholder.MatchString(found) {
				return true
			}
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
	for _, at := range address.FindAllStringIndex(text, -1) {
		found := text[at[0]:at[1]]
		if !nobody.MatchString(found) && !strings.HasPrefix(found, "git@") && !strings.HasSuffix(text[:at[0]], "//") {
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
