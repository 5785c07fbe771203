package highlight_test

import (
	"reflect"
	"strings"
	"testing"

	"bbjtune/internal/highlight"
)

func TestLines(t *testing.T) {
	got := highlight.Lines("rem <b>\nprint \"a\"\n", true)
	want := [][]highlight.Piece{{{Class: "r", Text: "rem <b>"}}, {{Class: "k", Text: "print"}, {Text: " "}, {Class: "s", Text: `"a"`}}, nil}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
	if got := highlight.Lines("print 1\n", false); !reflect.DeepEqual(got, [][]highlight.Piece{{{Text: "print 1"}}, nil}) {
		t.Errorf("%q", got)
	}
}

// Nothing of the code gets lost, whatever it is.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", "\n", "print \"open", "a! = b!.c(#d) ; rem é\r\n\x00\xff", "'mnemonic'"} {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, code string, bbj bool) {
		var lines []string
		for _, l := range highlight.Lines(code, bbj) {
			var b strings.Builder
			for _, p := range l {
				b.WriteString(p.Text)
			}
			lines = append(lines, b.String())
		}
		if got := strings.Join(lines, "\n"); got != code {
			t.Errorf("%q became %q", code, got)
		}
	})
}
