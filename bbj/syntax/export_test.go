package syntax

// Token is a token as tests of other packages see it.
type Token struct {
	Text       string
	Start, End int
	Line       int
	First      bool // on its logical line
	Name       bool
	Word       Word
	String     bool
	Hex        bool
	Mnemonic   bool
	Remark     bool
}

// Tokens returns the tokens of a source without the ends of its lines.
func Tokens(src []byte) []Token {
	prog := &Program{Src: src, lines: lineTable(src)}
	l := newLexer(string(src))
	var out []Token
	for t := l.next(); t.kind != tEOF; t = l.next() {
		if t.kind == tEOL {
			continue
		}
		out = append(out, Token{
			Text: string(src[t.start:t.end]), Start: int(t.start), End: int(t.end),
			Line: prog.DiagSpan(Range{t.start, t.end}).Start.Line, First: t.first,
			Name: t.kind == tName, Word: t.word, String: t.kind == tString, Hex: t.kind == tHex,
			Mnemonic: t.kind == tMnemonic, Remark: t.kind == tRem,
		})
	}
	return out
}
