package syntax

import "iter"

// Role is what a piece of a source is to a reader: what a display gives one
// colour.
type Role uint8

// The roles. AsPlain are blanks, punctuation and operators.
const (
	AsPlain  Role = iota
	AsVerb        // a word of the language
	AsName        // a variable, a function, a method or a class
	AsObject      // a variable that holds an object, with its !
	AsNumber      // a number, also in hexadecimal
	AsText        // a string
	AsMnemonic
	AsRemark
	AsBroken // bytes that start no token, or a string without an end
)

// Pieces yields the source in pieces, of which each has one role. Together they
// are the source, byte by byte, whatever it holds.
func Pieces(src []byte) iter.Seq2[Role, string] {
	return func(yield func(Role, string) bool) {
		text := string(src)
		l := newLexer(text)
		at := int32(0)
		for before := tEOL; ; {
			t := l.next()
			if before == tDot {
				t.word = NoWord // a method or a field may be called as a verb is
			}
			before = t.kind
			if t.start > at && !yield(AsPlain, text[at:t.start]) || t.kind == tEOF {
				return
			}
			if t.end > t.start && !yield(role(t, text), text[t.start:t.end]) {
				return
			}
			at = t.end
		}
	}
}

func role(t token, text string) Role {
	switch t.kind {
	case tName:
		switch {
		case t.word != NoWord:
			return AsVerb
		case text[t.end-1] == '!':
			return AsObject
		}
		return AsName
	case tNumber, tHex:
		return AsNumber
	case tString, tPath:
		return AsText
	case tMnemonic:
		return AsMnemonic
	case tRem:
		return AsRemark
	case tBad, tBadString:
		return AsBroken
	}
	return AsPlain
}
