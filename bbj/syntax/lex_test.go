package syntax

import (
	"strings"
	"testing"
)

// kinds returns the tokens of a text in a short form.
func kinds(src string) string {
	l := newLexer(src)
	var out []string
	for t := l.next(); t.kind != tEOF; t = l.next() {
		s := src[t.start:t.end]
		switch t.kind {
		case tEOL:
			s = "EOL"
		case tBad:
			s = "bad" + s
		case tBadString:
			s = "open" + s
		case tRem:
			s = "rem"
		}
		out = append(out, s)
	}
	return strings.Join(out, "|")
}

func TestTokens(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"suffixes", "a$=b%+c!", "a$|=|b%|+|c!"},
		{"client type", "Name@ x!", "Name@|x!"},
		{"position keeps its at", "x@(1,2)", "x|@|(|1|,|2|)"},
		{"hexadecimal string", "$0d0A$+$$", "$0d0A$|+|$$"},
		{"dollar alone", "$x", "bad$|x"},
		{"numbers", "12 .5 5. 1.0e-2 1e5", "12|.5|5.|1.0e-2|1e5"},
		{"exponent needs digits", "1else", "1|else"},
		{"member after a name", "a.b.5", "a|.|b|.5"},
		{"doubled quote", `"a""b"`, `"a""b"`},
		{"backslash is plain", `"a\"+b`, `"a\"|+|b`},
		{"open string ends with its line", "\"abc\nx", "open\"abc|EOL|x"},
		{"mnemonic", "'CS','BOX'(1)", "'CS'|,|'BOX'|(|1|)"},
		{"single quoted text", "'a b'", "bad'a b'"},
		{"path", "use ::a b/c.bbj::D", "use|::a b/c.bbj::|D"},
		{"two colons that are no path", "a::", "a|:|:"},
		{"remark to the end of the line", "x;rem a;b\ny", "x|;|rem|EOL|y"},
		{"remark with stars", "rem*** x", "rem"},
		{"name that starts like a remark", "rema=1", "rema|=|1"},
		{"member called rem", "x.rem", "x|.|rem"},
		{"two-byte operators", "<> <= >= => =< **", "<>|<=|>=|=>|=<|**"},
		{"continued line", "a+\n:b\nc", "a|+|b|EOL|c"},
		{"listing form", "0760 a,\n0760:b", "0760|a|,|b"},
		{"continued string", "\"a\n:b\"", "\"a\n:b\""},
		{"carriage returns are blanks", "a\r\nb", "a|EOL|b"},
		{"byte order mark", "\xef\xbb\xbfa", "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := kinds(tt.src); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestWordsAreFoundInAnyCase(t *testing.T) {
	for _, w := range Words() {
		for _, name := range []string{w.String(), strings.ToLower(w.String())} {
			if got := LookupWord(name); got != w {
				t.Errorf("LookupWord(%q) = %v", name, got)
			}
		}
		if len(w.String()) > maxWord {
			t.Errorf("%v is longer than maxWord", w)
		}
	}
	for _, name := range []string{"", "x", "prin", "printt", "print$", strings.Repeat("a", 99)} {
		if got := LookupWord(name); got != NoWord {
			t.Errorf("LookupWord(%q) = %v", name, got)
		}
	}
}

func FuzzLex(f *testing.F) {
	for _, src := range seeds(f) {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		l := newLexer(src)
		end := l.pos
		for {
			tok := l.next()
			if tok.start < end || tok.end < tok.start || int(tok.end) > len(src) {
				t.Fatalf("token %d..%d after %d of %d", tok.start, tok.end, end, len(src))
			}
			if gap := src[end:tok.start]; strings.Trim(gap, " \t\r\f\v\x1a\n:0123456789") != "" {
				t.Fatalf("%q between two tokens", gap)
			}
			if tok.kind == tEOF {
				break
			}
			if tok.end == tok.start {
				t.Fatalf("empty token of kind %d at %d", tok.kind, tok.start)
			}
			end = tok.end
		}
	})
}
