package example_test

import (
	"reflect"
	"strings"
	"testing"

	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/markdown"
)

// placeless is the example without the lines on which its fences stood.
func placeless(e *example.Example) example.Example {
	c := *e
	for _, list := range []*[]markdown.Fence{&c.Code, &c.Before, &c.After} {
		var fences []markdown.Fence
		for _, f := range *list {
			f.Line, f.FilenameLine, f.Indent = 0, 0, 0
			fences = append(fences, f)
		}
		*list = fences
	}
	c.Snippets = nil // of the prose, which is compared as it stands
	return c
}

// again formats an example and reads it.
func again(t *testing.T, e *example.Example) *example.Example {
	t.Helper()
	text, err := example.Format(e)
	if err != nil {
		t.Fatal(err)
	}
	back, findings := example.Parse(e.Path, text)
	if len(findings) > 0 {
		t.Fatalf("%v in\n%s", findings, text)
	}
	return back
}

// What is written says what was read, for every example that there is.
func TestFormatIsTheInverseOfParse(t *testing.T) {
	list, findings, err := example.Load("../../training-data")
	if err != nil || len(findings) > 0 {
		t.Fatal(err, findings)
	}
	for _, e := range list {
		if got, want := placeless(again(t, e)), placeless(e); !reflect.DeepEqual(got, want) {
			t.Errorf("%s reads\n%+v, want\n%+v", e.Path, got, want)
		}
	}
}

func TestFormatHoldsOddValues(t *testing.T) {
	e := &example.Example{Path: "gui/odd.md", Topic: "gui", Front: example.Front{
		Title: "yes: # no\n---\n", Type: example.Migration, Generation: example.Generations{generation.GUI, generation.DWC}, Difficulty: "basic",
		Tags: []string{"a, b", "- c", "null"}, Description: "  two\n---\n## lines\x07", RequiresVersion: "24.10",
		FromGeneration: generation.Character, ToGeneration: generation.GUI,
	}, Before: []markdown.Fence{{Lang: "bbj", Filename: "a.bbj", Code: []byte("rem ```` marks\n")}, {Lang: "bbj", Filename: "b.bbj", Code: []byte("rem b\n\n---\n## x\n")}},
		After:    []markdown.Fence{{Lang: "bbj", Code: []byte("rem after\n")}},
		Expected: "A window.", Explanation: "Prose.\n\n---\n\n```bbj\n## no heading\n```\n\n### Notes\n\nMore."}
	if got, want := placeless(again(t, e)), placeless(e); !reflect.DeepEqual(got, want) {
		t.Errorf("reads\n%+v, want\n%+v", got, want)
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("Title", "Description.", "rem x\nprint 1\n")
	f.Add("---\nx: y", "\"'|- >\n\n  indented\n", "rem ```\n")
	f.Add("\u2028", "\t\x00\xff", "rem \r")
	f.Fuzz(func(t *testing.T, title, description, code string) {
		// What is no UTF-8 is never an example's.
		title, description, code = strings.ToValidUTF8(title, ""), strings.ToValidUTF8(description, ""), strings.ToValidUTF8(code, "")
		e := &example.Example{Path: "gui/a.md", Topic: "gui", Front: example.Front{Title: "t" + title, Type: example.Completion,
			Generation: example.Generations{generation.All}, Description: description},
			Code: []markdown.Fence{{Lang: "bbj", Code: []byte("rem " + code)}}, Expected: "x", Explanation: "y"}
		text, err := example.Format(e)
		if err != nil {
			return
		}
		back, findings := example.Parse(e.Path, text)
		if len(findings) > 0 {
			t.Fatalf("%v in\n%s", findings, text)
		}
		if back.Front.Title != e.Title || back.Type != e.Type || back.Expected != "x" || back.Explanation != "y" || len(back.Code) != 1 {
			t.Fatalf("%q reads %+v", text, back)
		}
	})
}
