// Package answer takes the program out of a model's answer. What it does to an
// answer is versioned, since every score depends on it.
//
// It must not know what the program ought to be, nor run or trust it.
package answer

import (
	"regexp"
	"slices"
	"strings"
)

// Version is raised whenever some answer would yield another program.
const Version = 2

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
	thinking = regexp.MustCompile(`(?s)<(?:think|thinking|thought|reasoning)>.*?(?:</(?:think|thinking|thought|reasoning)>|$)`)
	// thought is the end of reasoning whose beginning stood in the prompt.
	thought = regexp.MustCompile(`(?s)^.*</(?:think|thinking|thought|reasoning)>`)
	// channel is all before the channel that is meant for the reader.
	channel = regexp.MustCompile(`(?s)^.*<\|channel\|>final<\|message\|>`)
	ending  = regexp.MustCompile(`<\|(?:im_end|endoftext|eot_id|eom_id|end|return|end_of_text)\|>|<end_of_turn>|<｜end▁of▁sentence｜>|</s>\s*$`)
	control = regexp.MustCompile(`(?:<\|im_start\|>|<start_of_turn>)(?:assistant|model|user|system)?[ \t]*\n?` +
		`|<\|start_header_id\|>(?:assistant|user|system)?<\|end_header_id\|>\n*|<\|(?:assistant|user|system|start|message|begin_of_text)\|>|^\s*<s>`)
	// opening is a line that opens a fence, perhaps behind prose.
	opening = regexp.MustCompile("^([^\n`~]*)(```+|~~~+)[ \t]*([A-Za-z0-9_+#./-]*)[^\n`]*$")
	// codeLine tells a bare program from an apology: an assignment, a verb
	// with something after it, or a remark at the start of some line.
	codeLine = regexp.MustCompile(`(?i)^[ \t]*(\d+[ \t]+)?(rem\b|print\b|\?[ \t]*["'(@]|let\b|for[ \t]+\w+%?[ \t]*=|if\b.+\bthen\b|while\b.+|class[ \t]+public\b|use[ \t]+[\w.:]+|open[ \t]*\(|input\b|gosub\b|[A-Za-z_]\w*[$!%]?[ \t]*=[ \t]*\S)`)
)

// Extract finds the program: the code of the fences that are marked as BBj or
// Business BASIC, else of all fences but those that show a terminal or plain
// text, joined in their order; an answer without a fence is taken whole when some
// line of it looks like code. Reasoning and chat tokens are dropped first. Text
// after a token that ends the answer is not part of it.
func Extract(text string) Answer {
	text = Said(text)
	blocks, prose, closed := fences(text)
	if len(blocks) == 0 {
		if looksLikeCode(text) {
			return Answer{Code: strings.Trim(text, "\n"), Text: text, Closed: true}
		}
		return Answer{Prose: strings.TrimSpace(text), Text: text, Closed: true}
	}
	return Answer{Code: join(blocks), Prose: strings.TrimSpace(prose), Text: text, Fenced: true, Closed: closed}
}

// Said is the answer without reasoning and chat tokens, and without what follows
// a token that ends it.
func Said(text string) string {
	return said(strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"))
}

// said drops what is not meant for the reader. The expressions walk slowly over
// long texts, so each is tried only where its first characters occur.
func said(text string) string {
	if strings.Contains(text, "<|channel|>") {
		text = channel.ReplaceAllString(text, "")
	}
	if strings.Contains(text, "<th") || strings.Contains(text, "<reas") {
		text = thinking.ReplaceAllString(text, "")
	}
	if strings.Contains(text, "</th") || strings.Contains(text, "</reas") {
		text = thought.ReplaceAllString(text, "")
	}
	if !strings.Contains(text, "<|") && !strings.Contains(text, "<｜") && !strings.Contains(text, "s>") && !strings.Contains(text, "_turn>") {
		return text
	}
	if at := ending.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	return control.ReplaceAllString(text, "")
}

// maxLine bounds the lines in which code and fences are looked for, in bytes.
const maxLine = 4096

func looksLikeCode(text string) bool {
	for line := range strings.Lines(text) {
		if codeLine.MatchString(line[:min(len(line), maxLine)]) {
			return true
		}
	}
	return false
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

// Part is a stretch of an answer: the inside of a code fence, or the prose
// around it.
type Part struct {
	Code bool
	// Lang is what the fence says of its language, in lower case.
	Lang, Text string
}

// Parts cuts an answer into its parts, in their order, without reasoning and chat
// tokens. An answer without a fence that looks like code is one part of code.
func Parts(text string) []Part {
	text = Said(text)
	var list []Part
	add := func(p Part) {
		if p.Text = strings.Trim(p.Text, "\n"); strings.TrimSpace(p.Text) != "" {
			list = append(list, p)
		}
	}
	for {
		line, start, end := fenceLine(text)
		if line == nil {
			add(Part{Code: len(list) == 0 && looksLikeCode(text), Text: text})
			return list
		}
		add(Part{Text: text[:start] + line[1]})
		code, after, _ := cutFence(strings.TrimPrefix(text[end:], "\n"), line[2])
		add(Part{Code: true, Lang: strings.ToLower(line[3]), Text: outdent(code, line[1])})
		text = after
	}
}

// IsBBj reports whether a part is code that may be BBj: it says so, or it names
// no language.
func (p Part) IsBBj() bool { return p.Code && (p.Lang == "" || isBBj(p.Lang)) }

func fences(text string) (blocks []block, prose string, closed bool) {
	var around strings.Builder
	for {
		line, start, end := fenceLine(text)
		if line == nil {
			around.WriteString(text)
			return blocks, around.String(), true
		}
		before, mark, lang := line[1], line[2], strings.ToLower(line[3])
		around.WriteString(text[:start] + before)
		code, after, found := cutFence(strings.TrimPrefix(text[end:], "\n"), mark)
		blocks = append(blocks, block{lang, outdent(code, before)})
		if !found {
			return blocks, around.String(), false
		}
		text = after
	}
}

// fenceLine finds the first line that opens a fence: its parts, and where it
// starts and ends.
func fenceLine(text string) (parts []string, start, end int) {
	for line := range strings.Lines(text) {
		end = start + len(strings.TrimSuffix(line, "\n"))
		if len(line) <= maxLine && (strings.Contains(line, "```") || strings.Contains(line, "~~~")) {
			if m := opening.FindStringSubmatch(text[start:end]); m != nil {
				return m, start, end
			}
		}
		start += len(line)
	}
	return nil, 0, 0
}

// cutFence splits text at the line that closes the fence. The marks may also
// stand behind the last line of the code.
func cutFence(text, mark string) (code, after string, found bool) {
	offset := 0
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, mark) && strings.Trim(trimmed, mark[:1]) == "" {
			return text[:offset], text[offset+len(line):], true
		}
		if before, ok := strings.CutSuffix(trimmed, mark); ok && !strings.Contains(before, mark) {
			end := offset + strings.LastIndex(line, mark)
			return text[:end], text[offset+len(line):], true
		}
		offset += len(line)
	}
	return text, "", false
}

// outdent takes from every line as much of the space as stands before the fence:
// the fences of a list are indented, and with them a continuation line, whose
// colon counts in the first column alone.
func outdent(code, before string) string {
	if before == "" || strings.Trim(before, " \t") != "" {
		return code
	}
	var b strings.Builder
	for line := range strings.Lines(code) {
		for range len(before) {
			if line[0] != ' ' && line[0] != '\t' {
				break
			}
			line = line[1:]
		}
		b.WriteString(line)
	}
	return b.String()
}

// join puts the program together. Fences in another language are left out as
// long as one is marked as BBj, and those that show no program as long as
// another does.
func join(blocks []block) string {
	wanted := func(block) bool { return true }
	for _, kind := range []func(block) bool{
		func(b block) bool { return isBBj(b.lang) },
		func(b block) bool { return !isShown(b.lang) },
	} {
		if slices.ContainsFunc(blocks, kind) {
			wanted = kind
			break
		}
	}
	var parts []string
	for _, b := range blocks {
		if wanted(b) {
			parts = append(parts, strings.Trim(b.code, "\n"))
		}
	}
	return strings.Trim(strings.Join(parts, "\n"), "\n")
}

// isShown reports whether a fence shows what a terminal or a reader sees.
func isShown(lang string) bool {
	switch lang {
	case "text", "txt", "plaintext", "output", "console", "terminal", "bash", "sh", "shell":
		return true
	}
	return false
}

func isBBj(lang string) bool {
	switch lang {
	case "bbj", "bbx", "basic", "bbasic", "businessbasic", "business-basic":
		return true
	}
	return false
}
