package clean

import (
	"regexp"
	"strings"

	"golang.org/x/text/encoding/charmap"

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
	Parse      = Step{"parse", "sets aside lines that are no conversation, and messages that would forge a turn"}
	Encoding   = Step{"encoding", "reads text again that went through a wrong encoding"}
	Unescape   = Step{"unescape", `puts the real character where \n, \t or \" is spelled out`}
	Normalise  = Step{"normalise", "makes line ends plain, takes blanks off the ends, and marks fences of BBj as bbj"}
	Fence      = Step{"fence", "puts code that stands in no fence into one"}
	Short      = Step{"short", "sets aside answers of 10 characters or fewer"}
	Compile    = Step{"compile", "sets aside answers whose BBj does not compile"}
	Secrets    = Step{"secrets", "sets aside rows with what looks like a key or a password"}
	HoldOut    = Step{"hold-out", "sets aside rows that resemble an evaluation case or contain one"}
	Duplicates = Step{"duplicates", "keeps one of several rows with the same prompt and answer"}
	Conflicts  = Step{"conflicts", "of rows with the same prompt and different answers keeps the one whose code compiles, or none"}
)

// Steps lists the steps in their order.
func Steps() []Step {
	return []Step{Parse, Encoding, Unescape, Normalise, Fence, Short, Compile, Secrets, HoldOut, Duplicates, Conflicts}
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
		if m.Role == chat.System {
			return m.Content
		}
		return audit.Unescape(m.Content)
	}},
	{Normalise, func(m chat.Message) string { return normalise(m.Content) }},
	{Fence, func(m chat.Message) string {
		if m.Role != chat.Assistant {
			return m.Content
		}
		return fence(m.Content)
	}},
}

// reread undoes the reading of UTF-8 as Windows-1252 or Latin-1, where all of
// the text can be undone so.
func reread(text string) string {
	if audit.Misread(text) == "" {
		return text
	}
	for _, table := range []*charmap.Charmap{charmap.Windows1252, charmap.ISO8859_1} {
		raw, err := table.NewEncoder().String(text)
		if err == nil && strings.ToValidUTF8(raw, "") == raw && audit.Misread(raw) == "" {
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
	return mark.ReplaceAllString(strings.Trim(strings.Join(lines, "\n"), "\n"), "${1}bbj")
}

// fence puts runs of code lines, and what stands between two of them, into fences.
func fence(text string) string {
	form := audit.FormOf(text)
	if form == audit.Raw {
		return "```bbj\n" + strings.Trim(text, "\n") + "\n```"
	}
	if form != audit.Mixed {
		return text
	}
	fenced := strings.Join(fenceLines(strings.Split(text, "\n")), "\n")
	if audit.FormOf(fenced) == audit.Mixed {
		return text // it cannot be told apart: for people
	}
	return fenced
}

func fenceLines(lines []string) []string {
	var out, code []string
	flush := func() {
		if len(code) == 0 {
			return
		}
		end := len(code)
		for end > 0 && strings.TrimSpace(code[end-1]) == "" {
			end--
		}
		out = append(out, "```bbj")
		out = append(out, code[:end]...)
		out = append(out, "```")
		out = append(out, code[end:]...)
		code = nil
	}
	inside := ""
	for _, line := range lines {
		trimmed := strings.TrimSpace(line)
		switch {
		case inside != "" || strings.HasPrefix(trimmed, "```"):
			flush()
			out = append(out, line)
			if inside != "" && trimmed == inside {
				inside = ""
			} else if inside == "" {
				inside = trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "`"))]
			}
		case audit.IsCode(trimmed) || len(code) > 0 && (trimmed == "" || audit.ContinuesCode(trimmed)):
			code = append(code, line)
		default:
			flush()
			out = append(out, line)
		}
	}
	flush()
	return out
}
