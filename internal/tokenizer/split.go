package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// splitter returns the length of the word that a text begins with. Each is one
// regular expression of a tokenizer.json, written out: the alternatives in their
// order, each as greedy as there.
type splitter func(text string) int

// qwenPattern is that of Qwen2 and Qwen2.5.
const qwenPattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

func splitQwen(text string) int {
	if n := contraction(text, true); n > 0 {
		return n
	}
	first, size := utf8.DecodeRuneInString(text)
	switch {
	case isLetter(first):
		return size + letters(text[size:])
	case !isNumber(first) && first != '\r' && first != '\n':
		if n := letters(text[size:]); n > 0 {
			return size + n
		}
	case isNumber(first):
		return size
	}
	if n := symbols(text); n > 0 {
		for n < len(text) && (text[n] == '\r' || text[n] == '\n') {
			n++
		}
		return n
	}
	n, lastLine := spaces(text)
	if lastLine > 0 {
		return lastLine
	}
	return blanks(text, n)
}

// splitGPT2 is the expression that ByteLevel brings along, after Digits has put
// every digit for itself.
func splitGPT2(text string) int {
	first, size := utf8.DecodeRuneInString(text)
	if isNumber(first) {
		return size
	}
	if n := contraction(text, false); n > 0 {
		return n
	}
	skip := 0
	if first == ' ' {
		skip = 1
	}
	if n := letters(text[skip:]); n > 0 {
		return skip + n
	}
	if n := symbols(text); n > 0 {
		return n
	}
	n, _ := spaces(text)
	// A digit ends the piece that the expression sees, as the end of the text does.
	if next, _ := utf8.DecodeRuneInString(text[n:]); n < len(text) && isNumber(next) {
		return n
	}
	return blanks(text, n)
}

// contraction is the length of 's, 't, 're, 've, 'm, 'll or 'd. Without regard
// to case ſ is an s.
func contraction(text string, anyCase bool) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	at := func(i int) byte {
		if i >= len(text) {
			return 0
		}
		if c := text[i]; anyCase && 'A' <= c && c <= 'Z' {
			return c | 0x20
		}
		return text[i]
	}
	switch at(1) {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if at(2) == 'e' {
			return 3
		}
	case 'l':
		if at(2) == 'l' {
			return 3
		}
	}
	if anyCase && len(text) >= 3 && text[1:3] == "ſ" {
		return 3
	}
	return 0
}

// letters is the length of the letters that a text begins with.
func letters(text string) int {
	n := 0
	for n < len(text) {
		if c := text[n]; c < utf8.RuneSelf {
			if c|0x20 < 'a' || c|0x20 > 'z' {
				return n
			}
			n++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[n:])
		if !isLetter(r) {
			return n
		}
		n += size
	}
	return n
}

// asciiSymbols are the ASCII characters that are no space, letter or number.
var asciiSymbols = func() (table [utf8.RuneSelf]bool) {
	for c := range table {
		r := rune(c)
		table[c] = !unicode.IsSpace(r) && !isLetter(r) && !isNumber(r)
	}
	return table
}()

// symbols is the length of what is no space, letter or number, perhaps after one
// space.
func symbols(text string) int {
	n := 0
	if text[0] == ' ' {
		n = 1
	}
	start := n
	for n < len(text) {
		if c := text[n]; c < utf8.RuneSelf {
			if !asciiSymbols[c] {
				break
			}
			n++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[n:])
		if unicode.IsSpace(r) || isLetter(r) || isNumber(r) {
			break
		}
		n += size
	}
	if n == start {
		return 0
	}
	return n
}

// spaces is the length of the white space that a text begins with, and that up to
// its last line end.
func spaces(text string) (n, lastLine int) {
	for n < len(text) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if !unicode.IsSpace(r) {
			break
		}
		n += size
		if r == '\r' || r == '\n' {
			lastLine = n
		}
	}
	return n, lastLine
}

// blanks leaves the last of several spaces to the word after them.
func blanks(text string, n int) int {
	if n == len(text) {
		return n
	}
	_, last := utf8.DecodeLastRuneInString(text[:n])
	if n > last {
		return n - last
	}
	return n
}
