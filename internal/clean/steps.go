package clean

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"bbjtune/internal/answer"
	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
)

// Step is one repair, by the name under which it can be left out.
type Step struct {
	Name string
	Does string // what it does, in a few words
}

// The steps, in their order.
var (
	Parse          = Step{"parse", "sets aside lines that are no conversation, and messages that would forge a turn; of messages keeps role and content"}
	Encoding       = Step{"encoding", "reads text again that went through a wrong encoding"}
	Unescape       = Step{"unescape", `puts the real character where \n, \t or \" is spelled out`}
	Normalise      = Step{"normalise", "makes line ends plain, takes blanks off the ends, and marks fences of BBj as bbj"}
	Fence          = Step{"fence", "puts code that stands in no fence into one"}
	Short          = Step{"short", "sets aside answers of 10 characters or fewer"}
	Compile        = Step{"compile", "sets aside answers whose BBj does not compile"}
	Secrets        = Step{"secrets", "sets aside rows with what looks like a key or a password"}
	HoldOut        = Step{"hold-out", "sets aside rows that resemble an evaluation case or contain one"}
	Duplicates     = Step{"duplicates", "keeps one of several rows with the same prompt and answer"}
	Conflicts      = Step{"conflicts", "of rows with the same prompt and different answers keeps the one whose code compiles, or none"}
	NearDuplicates = Step{"near-duplicates", "of rows with the same answer and nearly the same prompt keeps the one with the longest prompt"}
)

// Steps lists the steps in their order.
func Steps() []Step {
	return []Step{Parse, Encoding, Unescape, Normalise, Fence, Short, Compile, Secrets, HoldOut, Duplicates, Conflicts, NearDuplicates}
}

// repairs change the text of a message, and nothing of what it says. Each gives
// the same text back when it has nothing to mend, so that mending twice changes
// nothing.
var repairs = []struct {
	step   Step
	repair func(chat.Message) string
}{
	{Encoding, func(m chat.Message) string { return reread(m.Content) }},
	{Unescape, func(m chat.Message) string {
		if m.Role == chat.System || !strings.Contains(m.Content, `\`) {
			return m.Content
		}
		return unescape(m)
	}},
	{Normalise, func(m chat.Message) string { return normalise(m.Content) }},
	{Fence, func(m chat.Message) string {
		if m.Role != chat.Assistant {
			return m.Content
		}
		return fence(m.Content)
	}},
}

// unescape keeps a program that compiles as it is rather than break it.
func unescape(m chat.Message) string {
	after := audit.Unescape(m.Content)
	was, is := answer.Marked(m.Content), answer.Marked(after)
	for i := range min(len(was), len(is)) {
		if audit.Compiles(was[i]) && !audit.Compiles(is[i]) {
			return m.Content
		}
	}
	return after
}

// reread undoes the reading of UTF-8 as Windows-1252 or Latin-1, where all of
// the text can be undone so.
func reread(text string) string {
	if audit.Misread(text) == "" {
		return text
	}
	for _, table := range []*charmap.Charmap{charmap.Windows1252, charmap.ISO8859_1} {
		raw, err := table.NewEncoder().String(text)
		if err == nil && utf8.ValidString(raw) && audit.Misread(raw) == "" {
			return raw
		}
	}
	return text
}

var mark = regexp.MustCompile("(?im)^([ \t]*(?:```+|~~~+))[ \t]*(?:bbj|bbx|business[- ]?basic|basis)[ \t]*$")

func normalise(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\r")
	}
	text = strings.Trim(strings.Join(lines, "\n"), "\n")
	if !strings.Contains(text, "```") && !strings.Contains(text, "~~~") {
		return text
	}
	return mark.ReplaceAllString(text, "${1}bbj")
}

// fence puts code that stands in no fence into one: all of an answer, or its one
// run of lines that is a program for itself. Anything else is for people to tell
// apart.
func fence(text string) string {
	form := audit.FormOf(text)
	if form == audit.Raw {
		return "```bbj\n" + strings.Trim(text, "\n") + "\n```"
	}
	if form != audit.Mixed || strings.Contains(text, "```") || strings.Contains(text, "~~~") {
		return text
	}
	lines := strings.Split(text, "\n")
	start, end := run(lines)
	bordered := (start == 0 || sentence(lines[start-1])) && (end == len(lines) || sentence(lines[end]))
	if code := strings.Join(lines[start:end], "\n"); !bordered || !audit.Compiles(code) {
		return text
	}
	fenced := slices.Concat(lines[:start], []string{"```bbj"}, lines[start:end], []string{"```"}, lines[end:])
	if out := strings.Join(fenced, "\n"); audit.FormOf(out) == audit.Fenced {
		return out
	}
	return text
}

// sentence reports whether a line beside code is prose for certain, or blank.
func sentence(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.ContainsAny(line[len(line)-1:], ".:!?")
}

// run finds the first run of code lines, with the blank lines inside.
func run(lines []string) (start, end int) {
	start = slices.IndexFunc(lines, func(l string) bool { return audit.IsCode(strings.TrimSpace(l)) })
	if start < 0 {
		return 0, 0
	}
	end = start
	for i := start; i < len(lines); i++ {
		switch line := strings.TrimSpace(lines[i]); {
		case line == "":
		case audit.ContinuesCode(line):
			end = i + 1
		default:
			return start, end
		}
	}
	return start, end
}
