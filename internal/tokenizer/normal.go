package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// young are the combining marks of today that the library takes for plain
// characters: it knows Unicode 9. All it composes has stayed the same since.
var young = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x07fd, Hi: 0x07fd, Stride: 1}, {Lo: 0x0898, Hi: 0x089f, Stride: 1}, {Lo: 0x08ca, Hi: 0x08d3, Stride: 1},
		{Lo: 0x09fe, Hi: 0x09fe, Stride: 1}, {Lo: 0x0c3c, Hi: 0x0c3c, Stride: 1}, {Lo: 0x0d3b, Hi: 0x0d3c, Stride: 1},
		{Lo: 0x0eba, Hi: 0x0eba, Stride: 1}, {Lo: 0x1715, Hi: 0x1715, Stride: 1}, {Lo: 0x1abf, Hi: 0x1ace, Stride: 1},
		{Lo: 0x1df6, Hi: 0x1dfa, Stride: 1}, {Lo: 0xa82c, Hi: 0xa82c, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x10d24, Hi: 0x10d27, Stride: 1}, {Lo: 0x10eab, Hi: 0x10eac, Stride: 1}, {Lo: 0x10efd, Hi: 0x10eff, Stride: 1},
		{Lo: 0x10f46, Hi: 0x10f50, Stride: 1}, {Lo: 0x10f82, Hi: 0x10f85, Stride: 1}, {Lo: 0x11070, Hi: 0x11070, Stride: 1},
		{Lo: 0x1133b, Hi: 0x1133b, Stride: 1}, {Lo: 0x1145e, Hi: 0x1145e, Stride: 1}, {Lo: 0x11839, Hi: 0x1183a, Stride: 1},
		{Lo: 0x1193d, Hi: 0x1193e, Stride: 1}, {Lo: 0x11943, Hi: 0x11943, Stride: 1}, {Lo: 0x119e0, Hi: 0x119e0, Stride: 1},
		{Lo: 0x11a34, Hi: 0x11a34, Stride: 1}, {Lo: 0x11a47, Hi: 0x11a47, Stride: 1}, {Lo: 0x11a99, Hi: 0x11a99, Stride: 1},
		{Lo: 0x11d42, Hi: 0x11d42, Stride: 1}, {Lo: 0x11d44, Hi: 0x11d45, Stride: 1}, {Lo: 0x11d97, Hi: 0x11d97, Stride: 1},
		{Lo: 0x11f41, Hi: 0x11f42, Stride: 1}, {Lo: 0x16ff0, Hi: 0x16ff1, Stride: 1}, {Lo: 0x1e08f, Hi: 0x1e08f, Stride: 1},
		{Lo: 0x1e130, Hi: 0x1e136, Stride: 1}, {Lo: 0x1e2ae, Hi: 0x1e2ae, Stride: 1}, {Lo: 0x1e2ec, Hi: 0x1e2ef, Stride: 1},
		{Lo: 0x1e4ec, Hi: 0x1e4ef, Stride: 1},
	},
}

// youngVowel is the one character made of others since Unicode 9.
const youngVowel = '\U00011938'

// mark is a character with its place among those that combine with the one before
// them; 0 is that of a character that stands for itself.
type mark struct {
	r     rune
	class uint8
}

// nfc puts a text into normal form C as the library does. [norm] would put a joiner
// behind every thirty marks, and its Unicode is of another year: it only says which
// texts need nothing, and what single characters become.
func nfc(text string) string {
	if norm.NFC.IsNormalString(text) {
		return text
	}
	list := decomposed(text)
	for from := 0; from < len(list); from++ {
		to := from
		for to < len(list) && list[to].class > 0 {
			to++
		}
		slices.SortStableFunc(list[from:to], func(a, b mark) int { return int(a.class) - int(b.class) })
		from = to
	}
	var b strings.Builder
	for _, m := range composed(list) {
		b.WriteRune(m.r)
	}
	return b.String()
}

func decomposed(text string) []mark {
	list := make([]mark, 0, len(text))
	for _, r := range text {
		apart := string(r)
		if r >= utf8.RuneSelf && r != youngVowel {
			apart = norm.NFD.String(apart)
		}
		for _, r := range apart {
			m := mark{r: r}
			if r >= utf8.RuneSelf && !unicode.Is(young, r) {
				m.class = norm.NFD.PropertiesString(string(r)).CCC()
			}
			list = append(list, m)
		}
	}
	return list
}

// composed joins each character that stands for itself with those after it that
// make one with it, unless one between them is of the same class or a higher one.
func composed(list []mark) []mark {
	out := list[:0]
	first := -1 // the last that stands for itself
	for _, m := range list {
		if first >= 0 && (first == len(out)-1 || out[len(out)-1].class > 0 && out[len(out)-1].class < m.class) {
			if r := pair(out[first].r, m.r); r != 0 {
				out[first].r = r
				continue
			}
		}
		if m.class == 0 {
			first = len(out)
		}
		out = append(out, m)
	}
	return out
}

// pair is the character that two become, or 0.
func pair(first, second rune) rune {
	if second < utf8.RuneSelf || norm.NFC.PropertiesString(string(second)).BoundaryBefore() {
		return 0
	}
	whole := norm.NFC.String(string(first) + string(second))
	if r, size := utf8.DecodeRuneInString(whole); size == len(whole) && r != youngVowel {
		return r
	}
	return 0
}
