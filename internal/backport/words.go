package backport

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"bbjtune/internal/example"
)

// title names the example by what the row says of it.
func (r *Reading) title(prompt string) {
	from, whole := r.Title, true
	switch {
	case from != "":
	case r.Type == example.Comprehension:
		from = remark(r.Code[0].Code)
	case r.Type == example.Migration:
		from = remark(r.After[0].Code)
	case r.Type == example.Explanation:
		from = subject(prompt)
	default:
		from = task(r.Description)
	}
	if r.Exact && r.Type == example.Explanation {
		return // the question holds it
	}
	if from == "" {
		from, whole = firstSentence(r.Explanation), false
	}
	if from == "" && r.Type == example.Migration {
		from = "Migration to " + string(r.ToGeneration)
	}
	title, cut := headline(from)
	if r.Type == example.Completion && cut {
		// The first remark says it shorter, as a rule.
		if short, long := headline(remark(r.Code[0].Code)); short != "" && !long {
			title, cut = short, false
		}
	}
	if r.Title = title; title == "" {
		r.Title, cut = "Example without a title", true
	}
	if cut || !whole {
		r.need("title (first words)")
	}
}

// titleWords is how many words a title has at most.
const titleWords = 10

// headline is the first sentence of a text as a title, and whether something was
// cut off.
func headline(text string) (title string, cut bool) {
	sentence := firstSentence(text)
	words := strings.FieldsFunc(sentence, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	cut = len(words) > titleWords
	if cut {
		words = words[:titleWords]
		for len(words) > 3 && small[strings.ToLower(strings.Trim(words[len(words)-1], ",;:"))] {
			words = words[:len(words)-1]
		}
	}
	title = strings.TrimRight(strings.Join(words, " "), " .,;:")
	if len(title) > 120 {
		title, cut = strings.ToValidUTF8(title[:120], ""), true
	}
	if strings.Count(title, `"`)%2 == 1 {
		title = strings.TrimRight(title[:strings.LastIndex(title, `"`)], " ") // the other quote was cut off
	}
	if title != "" && !strings.ContainsFunc(words[0], unicode.IsUpper) {
		first, size := utf8.DecodeRuneInString(title)
		title = string(unicode.ToUpper(first)) + title[size:]
	}
	return title, cut
}

// small are words that no title ends with.
var small = map[string]bool{"a": true, "an": true, "the": true, "of": true, "in": true, "on": true, "to": true, "with": true, "and": true,
	"or": true, "for": true, "from": true, "that": true, "which": true, "by": true, "at": true, "as": true, "is": true, "are": true, "it": true, "its": true}

var sentenceEnd = regexp.MustCompile(`[.!?](?:\s|$)|\n`)

func firstSentence(text string) string {
	text = strings.TrimSpace(text)
	if at := sentenceEnd.FindStringIndex(text); at != nil {
		return strings.TrimSpace(text[:at[0]])
	}
	return text
}

var (
	remarkLine = regexp.MustCompile(`(?im)^[ \t]*(?:\d+[ \t]+)?rem[ \t]+(.*[A-Za-z].*)$`)
	ornament   = "*-=#/ \t'\""
	asking     = regexp.MustCompile(`(?i)^\W*(?:(?:please|can you|could you|would you|in bbj[:,]?|using bbj[:,]?|i want to|i need to|i'd like to)\s+)*`)
	creating   = regexp.MustCompile(`(?i)^(?:write|create|make|build|develop|implement|generate|give me|show me|i need|i want|provide)\s+(?:me\s+)?(?:(?:a|an|the|some)\s+)?(?:(?:small|short|simple|complete|bbj|sample)\s+)*(?:program|code|routine|snippet|example)(?:\s+in\s+bbj)?(?:\s+(?:that|which|to|for)\s+|[:,]\s*)`)
	learning   = regexp.MustCompile(`(?i)^(?:explain|describe|show(?: me)?|teach me|tell me|demonstrate)\s+(?:to me\s+)?(?:about\s+)?`)
	howDoI     = regexp.MustCompile(`(?i)^how\s+(?:do|can|should|would)\s+(?:i|you|we|one)\s+`)
	inBBj      = regexp.MustCompile(`(?i)\s+in\s+bbj$`)
	whatIs     = regexp.MustCompile(`(?i)^what\s+(?:is|are|does)\s+`)
)

// remark is what the first remark of a program says.
func remark(code []byte) string {
	m := remarkLine.FindSubmatch(code)
	if m == nil {
		return ""
	}
	return strings.Trim(strings.ToValidUTF8(string(m[1]), ""), ornament)
}

// task is a task without the words that only ask for a program.
func task(description string) string {
	text := asking.ReplaceAllString(firstSentence(description), "")
	if short := creating.ReplaceAllString(text, ""); strings.TrimSpace(short) != "" {
		text = short
	}
	return text
}

// subject is what a question is about.
func subject(prompt string) string {
	text := asking.ReplaceAllString(firstSentence(prompt), "")
	text = learning.ReplaceAllString(text, "")
	text = howDoI.ReplaceAllString(text, "How to ")
	text = whatIs.ReplaceAllString(text, "")
	return inBBj.ReplaceAllString(text, "") // the wordings say so themselves
}

// nameLength is how long the name of a file is at most, in bytes and without
// its ending.
const nameLength = 50

// FileName makes the name of a file of the words of a title: small letters,
// digits and hyphens, and never more.
func FileName(title string) string {
	var parts []string
	length := 0
	for _, word := range strings.FieldsFunc(strings.ToLower(plain(title)), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		if length += len(word) + 1; length > nameLength+1 {
			break
		}
		parts = append(parts, word)
	}
	name := strings.Join(parts, "-")
	if name == "" || reserved.MatchString(name) {
		name = strings.Trim("example-"+name, "-")
	}
	return name + ".md"
}

// plain takes the accents off letters, and apostrophes out of words.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || r == '\'' || r == '’' {
			return -1
		}
		return r
	}, norm.NFD.String(strings.ReplaceAll(s, "ß", "ss")))
}

// reserved are names that Windows keeps for devices, and those that are no
// examples.
var reserved = regexp.MustCompile(`^(?:con|prn|aux|nul|com\d|lpt\d|readme|format|contributing)$`)
