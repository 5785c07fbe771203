package dataset

import (
	"fmt"
	"strings"

	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/markdown"
)

// A phrasing words the same task in another way. %s is the task, or the code.
var (
	completionPhrasings = []string{
		"%s",
		"Write a BBj program: %s",
		"In BBj: %s",
		"%s Use BBj.",
		"I need BBj code for this. %s",
	}
	comprehensionPhrasings = []string{
		"What does this BBj program do?\n\n%s",
		"Explain this BBj code.\n\n%s",
		"Read this BBj program and say what it does.\n\n%s",
		"%s\n\nWhat does this BBj code do?",
		"Describe what this code does.\n\n%s",
	}
	migrationPhrasings = []string{
		"Rewrite this BBj program for %s.\n\n%s",
		"Migrate this code to %s.\n\n%s",
		"Carry this program over to %s.\n\n%s",
		"Modernise this BBj code: the result is to be written for %s.\n\n%s",
		"Turn this into %s.\n\n%s",
	}
	explanationPhrasings = []string{
		"Explain %s in BBj, with an example.",
		"How does this work in BBj: %s? Show an example.",
		"I want to understand %s in BBj. Explain it with a short program.",
		"Teach me this BBj topic with a program: %s.",
		"What should I know about %s in BBj? Give an example.",
	}
)

// hints name a generation to the reader of a prompt.
var hints = map[generation.Generation]string{
	generation.Character: "character mode",
	generation.VPRO5:     "Visual PRO/5 with SYSGUI mnemonics",
	generation.GUI:       "the BBj object GUI",
	generation.DWC:       "the DWC web client",
}

// Conversation returns the user's prompt and the assistant's answer for an
// example in its n-th wording.
func Conversation(e *example.Example, n int) (prompt, answer string) {
	switch e.Type {
	case example.Comprehension:
		return fmt.Sprintf(pick(comprehensionPhrasings, n), fences(e.Code)), e.Explanation
	case example.Migration:
		return fmt.Sprintf(pick(migrationPhrasings, n), hints[e.ToGeneration], fences(e.Before)), fences(e.After)
	case example.Explanation:
		return fmt.Sprintf(pick(explanationPhrasings, n), lowerFirst(e.Title)), e.Explanation + "\n\n" + fences(e.Code)
	}
	return fmt.Sprintf(pick(completionPhrasings, n), task(e)), fences(e.Code)
}

func pick(list []string, n int) string { return list[n%len(list)] }

// task is the description, with the generation named where the words leave it
// open.
func task(e *example.Example) string {
	text := strings.TrimSpace(e.Description)
	if text == "" {
		text = e.Title
	}
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") && !strings.HasSuffix(text, "!") {
		text += "."
	}
	if len(e.Generation) != 1 || e.Generation[0] == generation.All {
		return text
	}
	if hints[e.Generation[0]] == "" || mentions(text, e.Generation[0]) {
		return text
	}
	return text + hintSentence(e.Generation[0])
}

// hintSentence names a generation behind the words of a task.
func hintSentence(g generation.Generation) string { return " Write it for " + hints[g] + "." }

var generationWords = map[generation.Generation][]string{
	generation.Character: {"character", "screen", "terminal", "console"},
	generation.VPRO5:     {"pro/5", "sysgui", "mnemonic"},
	generation.GUI:       {"window", "button", "dialog", "gui"},
	generation.DWC:       {"dwc", "web", "browser", "css"},
}

func mentions(text string, g generation.Generation) bool {
	lower := strings.ToLower(text)
	for _, w := range generationWords[g] {
		if strings.Contains(lower, w) {
			return true
		}
	}
	return false
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z' {
		return string(s[0]|0x20) + s[1:]
	}
	return s
}

// fences writes code as the model is to write it.
func fences(list []markdown.Fence) string {
	var b strings.Builder
	for i, f := range list {
		if i > 0 {
			b.WriteString("\n")
		}
		if f.Filename != "" && len(list) > 1 {
			fmt.Fprintf(&b, "%s:\n", f.Filename)
		}
		b.WriteString("```bbj\n" + strings.TrimRight(string(f.Code), "\n") + "\n```\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
