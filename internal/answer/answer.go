// Package answer takes the program out of a model's answer. What it does to an
// answer is versioned, since every score depends on it.
//
// It must not know what the program ought to be, nor run or trust it.
package answer

import (
	"regexp"
	"strings"
)

// Version is raised whenever some answer would yield another program.
const Version = 1

// Answer is what was found in a model's text.
type Answer struct {
	// Code is the program, or "" when there is none.
	Code string
	// Prose is the text around it.
	Prose string
	// Text is the whole answer, without reasoning and chat tokens.
	Text string
	// Fenced reports that the program stood in a code fence; otherwise the
	// whole text was taken for it.
	Fenced bool
	// Closed reports that the fence had an end.
	Closed bool
}

var (
	thinking = regexp.MustCompile(`(?s)<think(?:ing)?>.*?(?:</think(?:ing)?>|$)`)
	control  = regexp.MustCompile(`<\|(?:im_start|im_end|endoftext|assistant|user|system|eot_id|start_header_id|end_header_id)\|>`)
	opening  = regexp.MustCompile("(?m)^[ \t]*(```+|~~~+)[ \t]*([A-Za-z0-9_+#./-]*)[^\n`]*$")
	// codeLine tells a bare program from an apology: an assignment, a verb
	// with something after it, or a remark at the start of some line.
	codeLine = regexp.MustCompile(`(?mi)^[ \t]*(\d+[ \t]+)?(rem\b|print\b|\?[ \t]*["'(@]|let\b|for[ \t]+\w+%?[ \t]*=|if\b.+\bthen\b|while\b.+|class[ \t]+public\b|use[ \t]+[\w.:]+|open[ \t]*\(|input\b|gosub\b|[A-Za-z_]\w*[$!%]?[ \t]*=[ \t]*\S)`)
)

// Extract finds the program: the code of the fences that are marked as BBj or
// Business BASIC, else of all fences, joined in their order; an answer without
// a fence is taken whole when some line of it looks like code. Reasoning in
// <think> tags and chat tokens are dropped first. Text after a chat token that
// ends the answer is not part of it.
func Extract(text string) Answer {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = thinking.ReplaceAllString(text, "")
	if i := strings.Index(text, "<|im_end|>"); i >= 0 {
		text = text[:i]
	}
	if i := strings.Index(text, "<|endoftext|>"); i >= 0 {
		text = text[:i]
	}
	text = control.ReplaceAllString(text, "")
	blocks, prose, closed := fences(text)
	if len(blocks) == 0 {
		if codeLine.MatchString(text) {
			return Answer{Code: strings.Trim(text, "\n"), Text: text, Closed: true}
		}
		return Answer{Prose: strings.TrimSpace(text), Text: text, Closed: true}
	}
	return Answer{Code: join(blocks), Prose: strings.TrimSpace(prose), Text: text, Fenced: true, Closed: closed}
}

// Marked returns the code of the fences of a text that say they are BBj.
func Marked(text string) []string { return fenced(text, isBBj) }

// Unmarked returns the code of the fences of a text that name no language.
func Unmarked(text string) []string {
	return fenced(text, func(lang string) bool { return lang == "" })
}

func fenced(text string, wanted func(lang string) bool) []string {
	blocks, _, _ := fences(strings.ReplaceAll(text, "\r\n", "\n"))
	var list []string
	for _, b := range blocks {
		if wanted(b.lang) {
			list = append(list, b.code)
		}
	}
	return list
}

// block is one fence.
type block struct {
	lang, code string
}

func fences(text string) (blocks []block, prose string, closed bool) {
	closed = true
	var around strings.Builder
	for {
		m := opening.FindStringSubmatchIndex(text)
		if m == nil {
			around.WriteString(text)
			return blocks, around.String(), closed
		}
		around.WriteString(text[:m[0]])
		mark, lang := text[m[2]:m[3]], strings.ToLower(text[m[4]:m[5]])
		rest := strings.TrimPrefix(text[m[1]:], "\n")
		code, after, found := cutFence(rest, mark)
		blocks = append(blocks, block{lang, code})
		if !found {
			return blocks, around.String(), false
		}
		text = after
	}
}

// cutFence splits text at the line that closes the fence.
func cutFence(text, mark string) (code, after string, found bool) {
	offset := 0
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, mark) && strings.Trim(trimmed, mark[:1]) == "" {
			return text[:offset], text[offset+len(line):], true
		}
		offset += len(line)
	}
	return text, "", false
}

// join puts the program together. Fences in another language are left out as
// long as one is marked as BBj.
func join(blocks []block) string {
	marked := false
	for _, b := range blocks {
		marked = marked || isBBj(b.lang)
	}
	var parts []string
	for _, b := range blocks {
		if !marked || isBBj(b.lang) {
			parts = append(parts, strings.Trim(b.code, "\n"))
		}
	}
	return strings.Trim(strings.Join(parts, "\n"), "\n")
}

func isBBj(lang string) bool {
	switch lang {
	case "bbj", "bbx", "basic", "bbasic", "businessbasic", "business-basic":
		return true
	}
	return false
}
