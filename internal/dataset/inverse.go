package dataset

import (
	"regexp"
	"strings"

	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/markdown"
)

// FromConversation returns the example that a prompt and its answer were made
// of, and the wording n in which [Conversation] gives the same two texts again,
// byte for byte. It reports false where the words are not those of a wording.
//
// The example holds what the two texts say and nothing else: a completion has a
// description and no title, an explanation a title and no description, a
// comprehension neither. Its generation is set where the prompt names one; that
// of a completion must stay what it is for the prompt to come back.
//
// Any text could be the description of a completion in the first wording. There
// it is taken for one only if the answer is nothing but code.
func FromConversation(prompt, answer string) (e *example.Example, n int, ok bool) {
	for _, c := range candidates(prompt, answer) {
		if p, a := Conversation(c.e, c.n); p == prompt && a == answer {
			return c.e, c.n, true
		}
	}
	return nil, 0, false
}

type candidate struct {
	e *example.Example
	n int
}

// candidates lists what the texts may have been made of, the wordings with the
// most words of their own first.
func candidates(prompt, answer string) []candidate {
	var list []candidate
	code, onlyCode := readFences(answer)
	for n, phrasing := range comprehensionPhrasings {
		if args, ok := unphrase(phrasing, prompt); ok && !onlyCode {
			if shown, ok := readFences(args[0]); ok {
				list = append(list, candidate{&example.Example{Front: example.Front{Type: example.Comprehension}, Code: shown, Explanation: answer}, n})
			}
		}
	}
	if prose, code, ok := cutFences(answer); ok {
		for n, phrasing := range explanationPhrasings {
			if args, ok := unphrase(phrasing, prompt); ok {
				list = append(list, candidate{&example.Example{Front: example.Front{Type: example.Explanation, Title: upperFirst(args[0])}, Code: code, Explanation: prose}, n})
			}
		}
	}
	if !onlyCode {
		return list
	}
	for n, phrasing := range migrationPhrasings {
		if args, ok := unphrase(phrasing, prompt); ok {
			if e, ok := migration(args[0], args[1], code); ok {
				list = append(list, candidate{e, n})
			}
		}
	}
	for n := range completionPhrasings {
		// The bare one fits all: it comes last.
		n = len(completionPhrasings) - 1 - n
		if args, ok := unphrase(completionPhrasings[n], prompt); ok {
			list = append(list, completions(args[0], n, code)...)
		}
	}
	return list
}

// completions reads the task with a hint at its generation, or else without.
func completions(task string, n int, code []markdown.Fence) []candidate {
	made := func(description string, g ...generation.Generation) candidate {
		return candidate{&example.Example{Front: example.Front{Type: example.Completion, Description: description, Generation: g}, Code: code}, n}
	}
	var list []candidate
	for _, g := range generation.Known() {
		if description, ok := strings.CutSuffix(task, hintSentence(g)); ok && !mentions(description, g) {
			list = append(list, made(description, g))
		}
	}
	return append(list, made(task))
}

func migration(hint, before string, after []markdown.Fence) (*example.Example, bool) {
	old, ok := readFences(before)
	if !ok {
		return nil, false
	}
	for _, g := range generation.Known() {
		if hints[g] == hint {
			return &example.Example{Front: example.Front{Type: example.Migration, ToGeneration: g}, Before: old, After: after}, true
		}
	}
	return nil, false
}

// unphrase returns what stands in the places of a phrasing.
func unphrase(phrasing, text string) ([]string, bool) {
	parts := strings.Split(phrasing, "%s")
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return nil, false
	}
	var args []string
	for i, part := range parts[1:] {
		at := strings.Index(rest, part)
		if i == len(parts)-2 {
			at = len(rest) - len(part)
		}
		if at < 1 || rest[at:at+len(part)] != part {
			return nil, false
		}
		args = append(args, rest[:at])
		rest = rest[at+len(part):]
	}
	return args, true
}

// plainWord begins a title whose first letter was a capital, unlike a name such
// as setStyle.
var plainWord = regexp.MustCompile(`^[a-z]{2,}(?:[^A-Za-z(]|$)`)

// upperFirst undoes lowerFirst.
func upperFirst(s string) string {
	if plainWord.MatchString(s) {
		return string(s[0]&^0x20) + s[1:]
	}
	return s
}

// fencePattern is a fence as fences writes it, with the name of its file before
// it where there are several.
var fencePattern = regexp.MustCompile("^(?:([\\w.-]+\\.\\w+):\n)?```bbj\n((?s:.*?))\n```(?:\n\n|$)")

// readFences undoes fences: the text is nothing but code.
func readFences(text string) ([]markdown.Fence, bool) {
	list, rest := leadingFences(text)
	return list, len(list) > 0 && rest == ""
}

// leadingFences reads the fences at the beginning of a text.
func leadingFences(text string) (list []markdown.Fence, rest string) {
	for {
		m := fencePattern.FindStringSubmatch(text)
		if m == nil {
			return list, text
		}
		list = append(list, markdown.Fence{Lang: "bbj", Filename: m[1], Code: []byte(m[2] + "\n")})
		text = text[len(m[0]):]
	}
}

// cutFences splits an answer into its prose and the code at its end. Where the
// prose ends with code of its own, that counts as code, too.
func cutFences(answer string) (prose string, code []markdown.Fence, ok bool) {
	if !strings.HasSuffix(answer, "\n```") {
		return "", nil, false
	}
	for at := 0; ; {
		i := strings.Index(answer[at:], "\n\n")
		if i < 0 {
			return "", nil, false
		}
		at += i + 2
		code, rest := leadingFences(answer[at:])
		if len(code) > 0 && rest == "" {
			return answer[:at-2], code, true
		}
		// Prose follows these fences: on behind them.
		at = max(at, len(answer)-len(rest)-2)
	}
}
