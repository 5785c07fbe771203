package corpus

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// The sign ✂ stands where a text is to be cut.
func TestCut(t *testing.T) {
	cases := []struct {
		name string
		max  int
		text string
	}{
		{"short", 100, "print 1\n\nprint 2\n"},
		{"after RETURN, remarks go with what follows", 60, "gosub one\ngosub two\nend\n\none:\nprint 1\nreturn\n\n✂rem the second\n\ntwo:\nprint 2\nreturn\n"},
		{"a RETURN on condition ends nothing", 50, "one:\nprint 1\nif x then return\nprint 2\nprint 3\nreturn\n✂two:\nprint 2\nreturn\n"},
		{"between methods", 70, "class public A\nmethod public void a()\nprint 1\n\nprint 2\nmethodend\n\n✂rem b\nmethod public void b()\nprint 3\n\nprint 4\nmethodend\nclassend\n"},
		{"rather between classes", 90, "class public A\nmethod public void a()\nmethodend\nclassend\n✂class public B\nmethod public void b()\nmethodend\nmethod public void c()\nmethodend\nclassend\n"},
		{"not in a function", 40, "def fna(x)\n\nrem inside\nlet x=1\n\nreturn x\nfnend\n✂def fnb(x)\nreturn x\nfnend\n"},
		{"not in a line that goes on", 20, "print \"a\",\n:\n: \"b\",\n\n✂print \"c\"\n"},
		{"rather not in a block", 45, "print 1\n\nwhile 1\nprint 2\n\nprint 3\nwend\n\n✂print 4\n\nprint 5\n\nprint 6\n"},
		{"in a block where there is nothing else", 24, "while 1\nprint 2\n\n✂print 3\n\n✂print 4\nprint 5\nwend\n"},
		{"callpoints", 40, "[[T.BSHO]]\nprint 1\nreturn\nprint 2\n✂[[T.ARAR]]\n#include x.src\nprint 2\n"},
		{"nowhere to cut", 10, "print 1\nprint 2\nprint 3\n"},
		{"characters, not bytes", 24, "print \"üüü\"\n\nprint \"ü\"\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, p := range Cut(strings.ReplaceAll(c.text, "✂", ""), c.max) {
				got = append(got, p.Text)
			}
			if s := strings.Join(got, "✂"); s != c.text {
				t.Errorf("cut into\n%s\nwant\n%s", s, c.text)
			}
		})
	}
}

func TestCutKeepsWithinTheLimit(t *testing.T) {
	text := strings.Repeat("rem a routine\nlabel:\nprint 1\nreturn\n\n", 500)
	for _, p := range Cut(text, 1000) {
		if n := utf8.RuneCountInString(p.Text); n > 1000 {
			t.Errorf("a piece of %d characters", n)
		}
	}
}

func FuzzCut(f *testing.F) {
	for _, seed := range []string{
		"class public A\nmethod public void a()\nmethodend\nclassend\n", "[[A.B]]\n#include x\nprint 1\n[[A.C]]\nwhile 1\n", "def fna(x)\nreturn\n\nif a then b=1 fi\nend\n",
		"10 print 1\n20:print 2\n\n:x\nfnend\nwend\n", "class public A\nmethod", "\n\n\"",
	} {
		f.Add(seed, 10)
	}
	f.Fuzz(func(t *testing.T, text string, max int) {
		var b strings.Builder
		for _, p := range Cut(text, max) {
			if line := strings.Count(b.String(), "\n") + 1; p.Line != line {
				t.Errorf("a piece says line %d and starts on line %d", p.Line, line)
			}
			if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
				t.Error("cut inside a line")
			}
			b.WriteString(p.Text)
		}
		if b.String() != text {
			t.Errorf("%q became %q", text, b.String())
		}
	})
}
