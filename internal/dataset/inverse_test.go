package dataset_test

import (
	"bytes"
	"strings"
	"testing"

	"bbjtune/internal/dataset"
	"bbjtune/internal/example"
	"bbjtune/internal/markdown"
)

const phrasings = 5

func trainingData(t *testing.T) []*example.Example {
	t.Helper()
	list, findings, err := example.Load("../../training-data")
	if err != nil || len(findings) > 0 {
		t.Fatal(err, findings)
	}
	return list
}

func codeOf(list []markdown.Fence) string {
	var b bytes.Buffer
	for _, f := range list {
		// The name of a single file is not in the row.
		if len(list) > 1 {
			b.WriteString(f.Filename + "\n")
		}
		b.WriteString(strings.TrimRight(string(f.Code), "\n") + "\n")
	}
	return b.String()
}

// A conversation gives back all that it carries of its example, in every
// wording, and makes the same conversation again.
func TestFromConversationIsTheInverse(t *testing.T) {
	for _, e := range trainingData(t) {
		for n := range phrasings {
			prompt, answer := dataset.Conversation(e, n)
			got, m, ok := dataset.FromConversation(prompt, answer)
			if !ok || m != n {
				t.Errorf("%s in wording %d is taken for %d, %v", e.Path, n, m, ok)
				continue
			}
			if got.Type != e.Type || got.ToGeneration != e.ToGeneration {
				t.Errorf("%s in wording %d is taken for a %s to %q", e.Path, n, got.Type, got.ToGeneration)
			}
			if codeOf(got.Code) != codeOf(e.Code) || codeOf(got.Before) != codeOf(e.Before) || codeOf(got.After) != codeOf(e.After) {
				t.Errorf("%s in wording %d has other code", e.Path, n)
			}
			sameWords(t, got, e)
			if p, a := dataset.Conversation(got, n); p != prompt || a != answer {
				t.Errorf("%s in wording %d becomes\n%q\n%q, want\n%q\n%q", e.Path, n, p, a, prompt, answer)
			}
		}
	}
}

// sameWords compares what a row of the type carries.
func sameWords(t *testing.T, got, e *example.Example) {
	t.Helper()
	switch e.Type {
	case example.Completion:
		want := strings.TrimSpace(e.Description)
		if want == "" {
			want = e.Title
		}
		if strings.TrimSuffix(got.Description, ".") != strings.TrimSuffix(want, ".") {
			t.Errorf("%s: description %q, want %q", e.Path, got.Description, want)
		}
	case example.Comprehension:
		if got.Explanation != e.Explanation {
			t.Errorf("%s: explanation %q, want %q", e.Path, got.Explanation, e.Explanation)
		}
	case example.Explanation:
		if got.Explanation != e.Explanation || got.Title != e.Title {
			t.Errorf("%s: %q, %q, want %q, %q", e.Path, got.Title, got.Explanation, e.Title, e.Explanation)
		}
	}
}

func TestFromConversationKnowsItsOwnWords(t *testing.T) {
	const code = "```bbj\nrem x\nprint 1\n```"
	cases := []struct {
		name, prompt, answer string
		want                 example.Type // "" where it is no wording
	}{
		{"completion", "Print 1.", code, example.Completion},
		{"two files", "Print 1.", "a.bbj:\n" + code + "\n\nb.bbj:\n" + code, example.Completion},
		{"without the dot that a wording would have", "Print 1", code, ""},
		{"words around the code", "Print 1.", "Here:\n\n" + code, ""},
		{"prose alone", "What is PRINT?", "A verb.", ""},
		{"explanation", "Explain print in BBj, with an example.", "It prints.\n\n" + code, example.Explanation},
		{"explanation without prose", "Explain print in BBj, with an example.", code, example.Completion},
		{"comprehension", "What does this BBj program do?\n\n" + code, "It prints.", example.Comprehension},
		{"comprehension in other words", "What is this?\n\n" + code, "It prints.", ""},
		{"migration", "Turn this into the DWC web client.\n\n" + code, code, example.Migration},
		{"migration to nowhere known", "Turn this into Java.\n\n" + code, code, ""},
		{"nothing in the place of the task", "In BBj: ", code, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e, _, ok := dataset.FromConversation(c.prompt, c.answer)
			if ok != (c.want != "") || ok && e.Type != c.want {
				t.Errorf("got %+v, %v", e, ok)
			}
		})
	}
}

// Whatever is recognised makes the same conversation again.
func FuzzFromConversation(f *testing.F) {
	f.Add("Print 1. Write it for character mode.", "```bbj\nrem x\n```")
	f.Add("Rewrite this BBj program for character mode.\n\n```bbj\nrem\n```", "```bbj\n```\n```")
	f.Add("Explain a in BBj, with an example.", "a\n\n```bbj\nx\n```\n\nb.c:\n```bbj\ny\n```")
	f.Fuzz(func(t *testing.T, prompt, answer string) {
		e, n, ok := dataset.FromConversation(prompt, answer)
		if !ok {
			return
		}
		if p, a := dataset.Conversation(e, n); p != prompt || a != answer {
			t.Fatalf("%q, %q becomes %q, %q", prompt, answer, p, a)
		}
	})
}
