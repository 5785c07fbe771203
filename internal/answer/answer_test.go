package answer_test

import (
	"strings"
	"testing"
	"time"

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
		{"indented fence", "1. so:\n   " + f + "bbj\n   print 1\n   " + f, "print 1", "1. so:", true, true},
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
		{"continuation in an indented fence", "- so:\n  " + f + "bbj\n  x$=\"a\n  :b\"\n    print x$\n  " + f, "x$=\"a\n:b\"\n  print x$", "- so:", true, true},
		{"indented by a tab", "\t" + f + "bbj\n\tprint 1\nprint 2\n\t" + f, "print 1\nprint 2", "", true, true},
		{"fence behind prose", "Here: " + f + "bbj\nprint 1\n" + f + "\nDone.", "print 1", "Here: Done.", true, true},
		{"fence closed behind the code", f + "bbj\nprint 1" + f + "\nDone.", "print 1", "Done.", true, true},
		{"attributes behind the language", f + "bbj title=\"a.bbj\"\nprint 1\n" + f, "print 1", "", true, true},
		{"space before the language", f + " bbj\nprint 1\n" + f, "print 1", "", true, true},
		{"Business BASIC by another name", f + "bbx\nprint 1\n" + f, "print 1", "", true, true},
		{"basic", f + "basic\nprint 1\n" + f, "print 1", "", true, true},
		{"a terminal is no program", f + "\nprint 1\n" + f + "\nIt prints:\n" + f + "text\n1\n" + f, "print 1", "It prints:", true, true},
		{"nothing but a terminal", f + "text\nprint 1\n" + f, "print 1", "", true, true},
		{"two blocks without language", f + "\nx=1\n" + f + "\n" + f + "\nprint x\n" + f, "x=1\nprint x", "", true, true},
		{"blank lines around the code", f + "bbj\n\n\nprint 1\n\n" + f, "print 1", "", true, true},
		{"blank lines within the code", f + "bbj\nx=1\n\nprint x\n" + f, "x=1\n\nprint x", "", true, true},
		{"cut off within the second block", f + "bbj\nx=1\n" + f + "\nthen\n" + f + "bbj\nprint", "x=1\nprint", "then", true, false},
		{"cut off at the fence", "So:\n" + f, "", "So:", true, false},
		{"cut off at the language", "So:\n" + f + "bb", "", "So:", true, false},
		{"heading and list around", "# Title\n- one\n" + f + "bbj\nprint 1\n" + f + "\n## Notes\n- two", "print 1", "# Title\n- one\n## Notes\n- two", true, true},
		{"nothing but space", " \n\t\n", "", "", false, true},
		{"byte order mark", "\ufeffprint 1", "print 1", "", false, true},
		{"bare code with a label", "start:\nx=1\ngoto start", "start:\nx=1\ngoto start", "", false, true},
		{"bare print by question mark", "? \"hi\"", "? \"hi\"", "", false, true},
		{"a class", "class public Foo\nclassend", "class public Foo\nclassend", "", false, true},
		{"prose then bare code", "Sure:\nprint 1", "Sure:\nprint 1", "", false, true},
		{"thinking whose start stood in the prompt", "print 5?\n" + f + "\nno\n" + f + "\n</think>\n" + f + "bbj\nprint 1\n" + f, "print 1", "", true, true},
		{"thinking twice", "<think>a</think>x<think>b</think>\n" + f + "bbj\nprint 1\n" + f, "print 1", "x", true, true},
		{"reasoning by another name", "<reasoning>x=1</reasoning>\n" + f + "bbj\nprint 1\n" + f, "print 1", "", true, true},
		{"thinking and bare code", "<think>hm</think>\nprint 1\n", "print 1", "", false, true},
		{"channels", "<|channel|>analysis<|message|>print 5?<|end|><|start|>assistant<|channel|>final<|message|>" + f + "bbj\nprint 1\n" + f + "<|return|>", "print 1", "", true, true},
		{"turn begun anew", "<|im_start|>assistant\nprint 1<|im_end|>", "print 1", "", false, true},
		{"Llama's tokens", "<|start_header_id|>assistant<|end_header_id|>\n\nprint 1<|eot_id|>more", "print 1", "", false, true},
		{"Gemma's tokens", "<start_of_turn>model\nprint 1<end_of_turn>\n<start_of_turn>user\nand?", "print 1", "", false, true},
		{"Mistral's tokens", "<s> " + f + "bbj\nprint 1\n" + f + "</s>", "print 1", "", true, true},
		{"struck text in a page is no token", f + "bbj\nh$=\"<s>old</s> new\"\nprint h$\n" + f, "h$=\"<s>old</s> new\"\nprint h$", "", true, true},
		{"DeepSeek's token", f + "bbj\nprint 1\n" + f + "<｜end▁of▁sentence｜>x", "print 1", "", true, true},
		{"HTML in a string", f + "bbj\nprint \"<script>x</script>\"\n" + f, "print \"<script>x</script>\"", "", true, true},
		{"escape sequences stay what they are", f + "bbj\nprint \"\x1b[31m\u202e\"\n" + f, "print \"\x1b[31m\u202e\"", "", true, true},
		{"bytes that are no text", f + "bbj\nprint \"\xff\xfe\"\n" + f, "print \"\xff\xfe\"", "", true, true},
		{"tildes in the code", f + "bbj\nprint \"~~~\"\n" + f, "print \"~~~\"", "", true, true},
		{"another language's fence alone, then prose", "In Java:\n" + f + "java\nint x = 1;\n" + f + "\nBBj has no such thing.", "int x = 1;", "In Java:\nBBj has no such thing.", true, true},
		{"refusal that names code", "I cannot write a program that uses PRINT.", "", "I cannot write a program that uses PRINT.", false, true},
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

// The time that an answer takes grows with its length and no faster, whatever it
// is made of.
func TestExtractIsLinear(t *testing.T) {
	for _, piece := range []string{"print 1\n", "```", "```bbj\n", "<think>", "</think>", "<|im_start|>", "~~~\n", "a", "<|channel|>final", "\n"} {
		text := strings.Repeat(piece, 1<<20/len(piece))
		start := time.Now()
		answer.Extract(text)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("1 MB of %q take %s", piece, took)
		}
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
	f.Add("x ```bbj\n\tprint 1```\n<|channel|>final<|message|></think>")
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
