// Package printable knows which characters of foreign text must not reach a
// terminal or a page as they are.
//
// It must not know where a text comes from, nor what is shown in their place.
package printable

import "strings"

// Dangerous reports whether a terminal might obey the character, or show the
// text around it in another order: control characters other than line feed and
// tab, and marks of direction.
func Dangerous(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	}
	return r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// Visible makes control characters and marks of direction show as what they are.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case !Dangerous(r):
			return r
		case r < 0x20:
			return '␀' + r
		}
		return '�'
	}, s)
}
