package progress_test

import (
	"io"
	"strings"
	"testing"

	"bbjtune/internal/progress"
)

func TestPrintable(t *testing.T) {
	cases := map[string]string{
		"plain äß 日本\tline\n":   "plain äß 日本\tline\n",
		"\x1b[2Jgone":           "�[2Jgone",
		"\u009b31mred":          "�31mred",
		"a\u202etxt.exe":        "a�txt.exe",
		"bell\a back\b del\x7f": "bell� back� del�",
		"\xff\xfe":              "��",
	}
	for in, want := range cases {
		if got := progress.Printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPrintableWriterSeesWholeLines(t *testing.T) {
	var out strings.Builder
	w := progress.PrintableWriter(&out)
	for _, part := range []string{"a\xc2", "\x9b1m\nb", "ar  1%\rbar  2%\r\n\r\nend"} {
		if n, err := io.WriteString(w, part); n != len(part) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if want := "a�1m\nbar  1%\nbar  2%\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if _, err := io.WriteString(w, strings.Repeat("x", 1<<17)); err != nil {
		t.Fatal(err)
	}
	if out.Len() < 1<<17 {
		t.Error("a line without an end is kept for ever")
	}
}

func TestDisplayKeepsControlCharactersOff(t *testing.T) {
	var out strings.Builder
	d := progress.New(&out, progress.Options{})
	task := d.Start("eval")
	d.Say("left out: %s", "\x1b[2J.bbj")
	task.End("%s", "\x1b]0;title\a")
	if strings.ContainsAny(out.String(), "\x1b\a") {
		t.Errorf("%q", out.String())
	}
}
