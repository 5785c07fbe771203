package answer_test

import (
	"strings"
	"testing"

	"bbjtune/internal/answer"
)

func TestExtract(t *testing.T) {
	const f = "```"
	cases := []struct {
		name, text, code, prose string
		fenced, closed          bool
	}{
		{"plain fence", f + "bbj\nprint 1\n" + f, "print 1", "", true, true},
		{"no language", f + "\nprint 1\n" + f, "print 1", "", true, true},
		{"upper-case language", f + "BBj\nprint 1\n" + f, "print 1", "", true, true},
		{"prose around", "Here you are:\n\n" + f + "bbj\nprint 1\n" + f + "\nDone.", "print 1", "Here you are:\n\nDone.", true, true},
		{"several blocks are one program", f + "bbj\nx=1\n" + f + "\nthen\n" + f + "bbj\nprint x\n" + f, "x=1\nprint x", "then", true, true},
		{"a bbj block beats others", f + "python\nprint(1)\n" + f + "\n" + f + "bbj\nprint 1\n" + f, "print 1", "", true, true},
		{"only another language", f + "python\nimport os\n" + f, "import os", "", true, true},
		{"unclosed fence", f + "bbj\nprint 1\nprint 2", "print 1\nprint 2", "", true, false},
		{"tilde fence", "~~~bbj\nprint 1\n~~~", "print 1", "", true, true},
		{"longer fence", "````bbj\nprint \"```\"\n````", "print \"```\"", "", true, true},
		{"indented fence", "1. so:\n   " + f + "bbj\n   print 1\n   " + f, "   print 1", "1. so:", true, true},
		{"bare code", "rem hi\nprint 1", "rem hi\nprint 1", "", false, true},
		{"bare line numbers", "10 PRINT \"HI\"\n20 END", "10 PRINT \"HI\"\n20 END", "", false, true},
		{"prose only", "I am sorry, I do not know BBj.", "", "I am sorry, I do not know BBj.", false, true},
		{"empty", "", "", "", false, true},
		{"thinking", "<think>print 5?\n" + f + "\nno\n" + f + "</think>" + f + "bbj\nprint 1\n" + f, "print 1", "", true, true},
		{"unfinished thinking", "<think>print 5?", "", "", false, true},
		{"chat token left over", f + "bbj\nprint 1\n" + f + "<|im_end|>\n<|im_start|>user", "print 1", "", true, true},
		{"chat token after a closed fence", f + "bbj\nprint 1\n" + f + "\n<|im_end|>\nmore", "print 1", "", true, true},
		{"end of text", f + "bbj\nprint 1\n" + f + "\n<|endoftext|>print 2", "print 1", "", true, true},
		{"crlf", f + "bbj\r\nprint 1\r\n" + f, "print 1", "", true, true},
		{"empty fence", f + "bbj\n" + f, "", "", true, true},
		{"inline code is no fence", "Use `print` for that.", "", "Use `print` for that.", false, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := answer.Extract(c.text)
			got.Text = "" // has a test of its own
			want := answer.Answer{Code: c.code, Prose: c.prose, Fenced: c.fenced, Closed: c.closed}
			if got != want {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestTextIsTheAnswerWithoutItsThoughts(t *testing.T) {
	for text, want := range map[string]string{
		"It prints 7.": "It prints 7.",
		"<think>8 perhaps</think>It prints 7.<|im_end|>\n<|im_start|>user": "It prints 7.",
		"So:\r\n```bbj\r\nprint 7\r\n```":                                  "So:\n```bbj\nprint 7\n```",
		"print 7":                                                          "print 7",
	} {
		if got := answer.Extract(text).Text; got != want {
			t.Errorf("%q: text %q, want %q", text, got, want)
		}
	}
}

func FuzzExtract(f *testing.F) {
	f.Add("```bbj\nprint 1\n```")
	f.Add("<think>```\n~~~\n<|im_end|>")
	f.Fuzz(func(t *testing.T, text string) {
		a := answer.Extract(text)
		if len(a.Code) > len(text) {
			t.Fatalf("more code than text: %q", a.Code)
		}
		if strings.Contains(a.Code, "<|im_end|>") {
			t.Fatalf("chat token in %q", a.Code)
		}
	})
}
