package corpus

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecode(t *testing.T) {
	cases := []struct {
		name, raw            string
		text, encoding, ends string
		unfit                string
	}{
		{name: "plain", raw: "rem ü\nprint 1\n", text: "rem ü\nprint 1\n"},
		{name: "mark", raw: "\xef\xbb\xbfprint 1\n", text: "print 1\n", encoding: "UTF-8 with a byte order mark"},
		{name: "Latin-1", raw: "rem gr\xfc\xdfe\n", text: "rem grüße\n", encoding: "Windows-1252"},
		{name: "Windows-1252", raw: "rem Barista\x92s \x80\n", text: "rem Barista’s €\n", encoding: "Windows-1252"},
		{name: "both", raw: "rem ü\nrem \xfc\n", text: "rem ü\nrem ü\n", encoding: "UTF-8 in some lines, Windows-1252 in others"},
		{name: "UTF-16 LE", raw: "\xff\xfer\x00\xfc\x00\r\x00\n\x00", text: "rü\n", encoding: "UTF-16, little-endian", ends: "CRLF line ends"},
		{name: "UTF-16 BE", raw: "\xfe\xff\x00r\x00\xfc", text: "rü", encoding: "UTF-16, big-endian"},
		{name: "odd UTF-16", raw: "\xfe\xff\x00r\x00", text: "r", encoding: "UTF-16, big-endian", unfit: "binary"},
		{name: "half a pair", raw: "\xfe\xff\xd8\x00\x00r", text: "\ufffdr", encoding: "UTF-16, big-endian", unfit: "binary"},
		{name: "CRLF", raw: "a\r\nb\r\r\nc\n", text: "a\nb\nc\n", ends: "CRLF line ends"},
		{name: "CR", raw: "a\rb\r", text: "a\nb\n", ends: "CR line ends"},
		{name: "a CR among LF ends no line", raw: "a\rb\nc\n", text: "a\rb\nc\n"},
		{name: "DOS", raw: "a\r\n\x1a", text: "a\n", ends: "end-of-file mark of DOS, CRLF line ends"},
		{name: "tokenised", raw: "<<bbj>>\x00\x01", unfit: "tokenised"},
		{name: "tokenised by PRO/5", raw: "<<bbx>>\r\x00", unfit: "tokenised"},
		{name: "NUL", raw: "rem \x00", text: "rem \x00", unfit: "binary"},
		{name: "control characters", raw: "\x01\x02\x03abc", text: "\x01\x02\x03abc", unfit: "binary"},
		{name: "empty", raw: "", unfit: "empty"},
		{name: "blank", raw: " \r\n\t\r\n", text: " \n\t\n", ends: "CRLF line ends", unfit: "empty"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := decode([]byte(c.raw))
			if d.text != c.text || d.encoding != c.encoding || d.ends != c.ends {
				t.Errorf("decoded %q, %q, %q", d.text, d.encoding, d.ends)
			}
			if got := d.unfit().rule; got != c.unfit {
				t.Errorf("unfit by %q, want %q", got, c.unfit)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"print 1\r\n", "\xff\xfea\x00", "\xfe\xff\x00", "\xef\xbb\xbf\xfc", "<<bbj>>", "ü\n\xfc\n\x1a", "\r\r\n\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := decode(raw)
		d.unfit()
		if !utf8.ValidString(d.text) {
			t.Errorf("%q is no UTF-8", d.text)
		}
		if strings.Contains(d.text, "\r\n") {
			t.Errorf("%q has CRLF", d.text)
		}
		if !d.tokenised && d.encoding == "" && d.ends == "" && d.text != string(raw) {
			t.Errorf("%q became %q without a word", raw, d.text)
		}
	})
}
