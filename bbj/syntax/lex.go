package syntax

// kind is the kind of a token.
type kind uint8

const (
	tEOF kind = iota
	tEOL
	tName
	tNumber
	tString
	tBadString // no closing quote on the line
	tHex
	tMnemonic
	tPath // ::path::
	tRem  // to the end of the line
	tBad  // bytes that start no token

	tLParen
	tRParen
	tLBrack
	tRBrack
	tComma
	tSemi
	tColon
	tDot
	tHash
	tAt
	tBang
	tQuestion
	tStar
	tStarStar
	tSlash
	tCaret
	tPlus
	tMinus
	tEq
	tNe
	tLt
	tLe
	tGt
	tGe
)

// token is a token of the source: its kind, and where it stands.
type token struct {
	kind       kind
	word       Word // for a name without suffix that is a word
	first      bool // nothing stands before it on its logical line
	start, end int32
}

// lexer splits a source text into tokens. It is a value: copying it is how the
// parser looks ahead.
type lexer struct {
	src  string
	pos  int32
	prev kind // the last token, which decides whether REM is a remark
}

const (
	cLetter = 1 << iota
	cDigit
	cHexDigit
	cPathByte
)

var class = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] = cDigit | cHexDigit | cPathByte
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= cLetter | cPathByte
		t[c-32] |= cLetter | cPathByte
	}
	for _, c := range "abcdefABCDEF" {
		t[c] |= cHexDigit
	}
	t['_'] = cLetter | cPathByte
	for _, c := range " ./\\-+~#@$!%&=()[]{}" {
		t[c] |= cPathByte
	}
	for c := 0x80; c < 0x100; c++ {
		t[c] |= cPathByte
	}
	return t
}()

// singles maps a byte to the token it always is.
var singles = [256]kind{
	'(': tLParen, ')': tRParen, '[': tLBrack, ']': tRBrack, ',': tComma, ';': tSemi,
	'#': tHash, '@': tAt, '!': tBang, '?': tQuestion,
	'/': tSlash, '^': tCaret, '+': tPlus, '-': tMinus,
}

func newLexer(src string) lexer {
	l := lexer{src: src, prev: tEOL}
	if len(src) >= 3 && src[:3] == "\xef\xbb\xbf" {
		l.pos = 3
	}
	return l
}

func (l *lexer) at(i int32) byte {
	if int(i) < len(l.src) {
		return l.src[i]
	}
	return 0
}

// next returns the next token. Between two tokens stand only blanks and the
// joints of continued lines.
func (l *lexer) next() token {
	l.blanks()
	t := token{start: l.pos, first: l.prev == tEOL}
	if int(l.pos) >= len(l.src) {
		t.kind, t.end = tEOF, l.pos
		return t
	}
	l.scan(&t)
	t.end = l.pos
	l.prev = t.kind
	return t
}

func (l *lexer) scan(t *token) {
	c := l.src[l.pos]
	switch {
	case class[c]&cLetter != 0:
		l.name(t)
	case class[c]&cDigit != 0:
		l.number(t)
	case c == '\n':
		l.pos++
		t.kind = tEOL
	case c == '"':
		l.str(t)
	case c == '$':
		l.hex(t)
	case c == '\'':
		l.mnemonic(t)
	case c == '.':
		if class[l.at(l.pos+1)]&cDigit != 0 {
			l.number(t)
			return
		}
		l.pos++
		t.kind = tDot
	case c == ':':
		l.colon(t)
	case singles[c] != 0:
		l.pos++
		t.kind = singles[c]
	default:
		l.operator(t, c)
	}
}

// blanks skips blanks, and the joint between a line and its continuation.
func (l *lexer) blanks() {
	for int(l.pos) < len(l.src) {
		switch l.src[l.pos] {
		case ' ', '\t', '\r', '\f', '\v', 0x1a:
			l.pos++
		case '\n':
			end := l.joint(l.pos)
			if end == 0 {
				return
			}
			l.pos = end
		default:
			return
		}
	}
}

// joint returns where the text goes on if the line that follows the newline at
// i continues this one: it starts with a colon, or in a listing with the number
// of the line and a colon. Otherwise it returns 0.
func (l *lexer) joint(i int32) int32 {
	i++
	for d := i; d < i+6; d++ {
		c := l.at(d)
		if c == ':' {
			return d + 1
		}
		if class[c]&cDigit == 0 {
			break
		}
	}
	return 0
}

func (l *lexer) name(t *token) {
	i := l.pos + 1
	for class[l.at(i)]&(cLetter|cDigit) != 0 {
		i++
	}
	name := l.src[l.pos:i]
	t.kind = tName
	switch c := l.at(i); {
	case c == '$' || c == '!' || c == '%' || c == '@' && l.at(i+1) != '(':
		i++
	case len(name) == 3 && l.prev != tDot && l.prev != tHash && EqualFold(name, "rem"):
		l.pos = i
		l.toEndOfLine()
		t.kind = tRem
		return
	default:
		t.word = LookupWord(name)
	}
	l.pos = i
}

// toEndOfLine moves to the newline that ends the logical line.
func (l *lexer) toEndOfLine() {
	for int(l.pos) < len(l.src) {
		if l.src[l.pos] == '\n' {
			end := l.joint(l.pos)
			if end == 0 {
				break
			}
			l.pos = end
			continue
		}
		l.pos++
	}
	for l.src[l.pos-1] == '\r' {
		l.pos--
	}
}

func (l *lexer) digits(i int32) int32 {
	for class[l.at(i)]&cDigit != 0 {
		i++
	}
	return i
}

func (l *lexer) number(t *token) {
	i := l.digits(l.pos)
	if l.at(i) == '.' {
		i = l.digits(i + 1)
	}
	if l.at(i)|0x20 == 'e' {
		e := i + 1
		if c := l.at(e); c == '+' || c == '-' {
			e++
		}
		if end := l.digits(e); end > e {
			i = end
		}
	}
	l.pos = i
	t.kind = tNumber
}

func (l *lexer) str(t *token) {
	i := l.pos + 1
	for int(i) < len(l.src) {
		switch l.src[i] {
		case '"':
			i++
			if l.at(i) != '"' {
				l.pos = i
				t.kind = tString
				return
			}
		case '\n':
			end := l.joint(i)
			if end == 0 {
				l.badString(t, i)
				return
			}
			i = end - 1
		}
		i++
	}
	l.badString(t, i)
}

func (l *lexer) badString(t *token, end int32) {
	for l.src[end-1] == '\r' {
		end--
	}
	l.pos = end
	t.kind = tBadString
}

func (l *lexer) hex(t *token) {
	i := l.pos + 1
	for {
		c := l.at(i)
		if class[c]&cHexDigit != 0 {
			i++
			continue
		}
		if c == '\n' || c == '\r' && l.at(i+1) == '\n' {
			if end := l.joint(i + int32(btoi(c == '\r'))); end != 0 {
				i = end
				continue
			}
		}
		break
	}
	if l.at(i) != '$' {
		l.pos++
		t.kind = tBad
		return
	}
	l.pos = i + 1
	t.kind = tHex
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mnemonic reads 'CS'. A quoted text that cannot be one is a single bad token,
// so that a string in single quotes gives one finding.
func (l *lexer) mnemonic(t *token) {
	i := l.pos + 1
	for class[l.at(i)]&(cLetter|cDigit) != 0 {
		i++
	}
	if l.at(i) == '\'' {
		l.pos = i + 1
		t.kind = tMnemonic
		return
	}
	t.kind = tBad
	for i := l.pos + 1; int(i) < len(l.src) && l.src[i] != '\n'; i++ {
		if l.src[i] == '\'' {
			l.pos = i + 1
			return
		}
	}
	l.pos++
}

// colon reads : or ::path::.
func (l *lexer) colon(t *token) {
	t.kind = tColon
	if l.at(l.pos+1) != ':' {
		l.pos++
		return
	}
	i := l.pos + 2
	for class[l.at(i)]&cPathByte != 0 || l.at(i) == ':' && l.at(i+1) != ':' {
		i++
	}
	if i == l.pos+2 || l.at(i) != ':' {
		l.pos++
		return
	}
	l.pos = i + 2
	t.kind = tPath
}

func (l *lexer) operator(t *token, c byte) {
	d := l.at(l.pos + 1)
	k, n := tBad, int32(1)
	switch {
	case c == '*' && d == '*':
		k, n = tStarStar, 2
	case c == '*':
		k = tStar
	case c == '<' && d == '>', c == '>' && d == '<':
		k, n = tNe, 2
	case c == '<' && d == '=', c == '=' && d == '<':
		k, n = tLe, 2
	case c == '>' && d == '=', c == '=' && d == '>':
		k, n = tGe, 2
	case c == '<':
		k = tLt
	case c == '>':
		k = tGt
	case c == '=':
		k = tEq
	}
	l.pos += n
	t.kind = k
}

// unquote returns the text between the quotes of a string, without allocating
// where the text stands in the source as it is.
func unquote(raw string) string {
	plain := true
	for i := 0; i < len(raw) && plain; i++ {
		plain = raw[i] != '"' && raw[i] != '\n'
	}
	if plain {
		return raw
	}
	out := make([]byte, 0, len(raw))
	l := lexer{src: raw}
	for i := int32(0); int(i) < len(raw); i++ {
		switch raw[i] {
		case '"':
			i++ // the second quote of a pair
			out = append(out, '"')
		case '\r':
			if l.at(i+1) != '\n' {
				out = append(out, '\r')
			}
		case '\n':
			if end := l.joint(i); end != 0 {
				i = end - 1
			}
		default:
			out = append(out, raw[i])
		}
	}
	return string(out)
}

// isHex reports whether all bytes are hexadecimal digits.
func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if class[s[i]]&cHexDigit == 0 {
			return false
		}
	}
	return len(s) > 0
}
