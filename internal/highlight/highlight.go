// Package highlight cuts code into lines, and BBj into pieces of one colour, by our own
// lexer. It makes no HTML: who shows the pieces escapes their text.
package highlight

import (
	"strings"

	"bbjtune/bbj/syntax"
)

// Piece is a stretch of a line that has one colour.
type Piece struct {
	// Class is the CSS class, "" for plain text: k word, n name, o object, d
	// number, s string, m mnemonic, r remark, x what is no BBj.
	Class, Text string
}

// Lines cuts code into lines. What is not BBj has no colours.
func Lines(code string, bbj bool) [][]Piece {
	list := [][]Piece{nil}
	add := func(class, text string) {
		for i, s := range strings.Split(text, "\n") {
			if i > 0 {
				list = append(list, nil)
			}
			if s != "" {
				list[len(list)-1] = append(list[len(list)-1], Piece{class, s})
			}
		}
	}
	if !bbj {
		add("", code)
		return list
	}
	for role, text := range syntax.Pieces([]byte(code)) {
		add(class(role), text)
	}
	return list
}

func class(r syntax.Role) string {
	return []string{"", "k", "n", "o", "d", "s", "m", "r", "x"}[r]
}
