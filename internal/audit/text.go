package audit

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"bbjtune/bbj/generation"
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
		if code > 1 && (a.Fenced || prose > 0) {
			break // more of either decides nothing
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
	if !strings.Contains(text, `\`) {
		return text
	}
	if !strings.Contains(text, "\n") {
		if strings.Contains(text, "```") { // fences are no spans
			return outside(text, paths, replace)
		}
		return outsideAll(text, meant(text), replace)
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
			lines[i] = outsideAll(line, meant(line), replace)
		case lang == "" || lang == "bbj" || lang == "basic":
			lines[i] = outsideAll(line, []*regexp.Regexp{strs, paths}, replace)
		}
	}
	return strings.Join(lines, "\n")
}

// meant are the places of a line in no fence where a backslash is meant: in code the
// strings, as of pos("\"=path$).
func meant(line string) []*regexp.Regexp {
	if strings.Contains(line, `\`) && strings.Contains(line, `"`) {
		if code := strings.TrimSpace(line); strings.HasPrefix(code, ":") || ContinuesCode(code) {
			return []*regexp.Regexp{strs, paths}
		}
	}
	return []*regexp.Regexp{spans, paths}
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
	for i, r := range text {
		if r < utf8.RuneSelf {
			continue
		}
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
		if need == 0 {
			continue
		}
		found, last, ok := misread(text[i:], need)
		letter := r == 'Ä' || r == 'Å'
		if ok && (!letter || !unicode.IsLetter(last)) && !(need == 1 && closesQuote(text, i, i+len(found))) {
			return found
		}
	}
	return ""
}

// misread returns the character at the start of a text and as many after it,
// when these are what the second and later bytes of UTF-8 become.
func misread(text string, need int) (found string, last rune, ok bool) {
	for i, r := range text {
		switch {
		case i == 0:
			continue
		case !laterByte(r):
			return "", 0, false
		}
		if need--; need == 0 {
			return text[:i+utf8.RuneLen(r)], r, true
		}
	}
	return "", 0, false
}

// laterByte reports whether a character is what the second or a later byte of
// UTF-8 becomes.
func laterByte(r rune) bool {
	b, ok := charmap.Windows1252.EncodeRune(r)
	if !ok {
		b, ok = charmap.ISO8859_1.EncodeRune(r)
	}
	return ok && b >= 0x80 && b <= 0xBF
}

// closesQuote reports whether a letter and the sign after it, at text[start:end],
// are the end of a quotation, as in „Ä“: on the same line a quotation begins before
// them, and no word goes on after them.
func closesQuote(text string, start, end int) bool {
	if sign, _ := utf8.DecodeLastRuneInString(text[:end]); !strings.ContainsRune("‘’“”‹›«»", sign) {
		return false
	}
	if next, _ := utf8.DecodeRuneInString(text[end:]); unicode.IsLetter(next) {
		return false
	}
	before := text[strings.LastIndexByte(text[:start], '\n')+1 : start]
	opened := false
	for i, r := range before {
		switch {
		case !strings.ContainsRune("‚„‘’“”‹›«»", r):
		case opened:
			opened = false
		default: // not one that is itself misread
			previous, _ := utf8.DecodeLastRuneInString(before[:i])
			opened = !strings.ContainsRune("ÂÃÄÅâ€", previous)
		}
	}
	return opened
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
