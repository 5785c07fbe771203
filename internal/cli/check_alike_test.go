package cli

import (
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/example"
)

// alike lists the near-duplicates among examples with the programs, read in an order.
func alike(t *testing.T, programs map[string]string, order []string) []string {
	t.Helper()
	c := &checking{}
	for _, path := range order {
		text := "---\ntitle: x\n---\n\n## Code\n\n```bbj\n" + programs[path] + "\n```\n"
		e, _ := example.Parse(path, []byte(text))
		c.likes.add(path, []byte(text), e)
	}
	c.addDuplicates()
	var list []string
	for _, f := range c.findings {
		list = append(list, f.File+": "+f.Message)
		if f.Span.Start.Line != 8 || f.Source != strings.SplitN(programs[f.File], "\n", 2)[0] {
			t.Errorf("%s points to line %d, %q", f.File, f.Span.Start.Line, f.Source)
		}
	}
	return list
}

func TestDuplicatesNameTheNearest(t *testing.T) {
	long := func(last string) string {
		return "rem a\nfor i=1 to 10; print i,i*i,i*i*i; next i\nfor j=1 to 10; print j,j*j,j*j*j; next j\nprint \"" + last + "\""
	}
	programs := map[string]string{
		"gui/a.md":     long("one"),
		"gui/b.md":     "rem another\nx=msgbox(\"a\",1,2)\nif x=1 then gosub b\nprint \"nothing like it\"",
		"gui/c.md":     long("two"),
		"strings/d.md": long("two"),
		"strings/e.md": "",
		"strings/f.md": "",
	}
	order := []string{"gui/a.md", "gui/b.md", "gui/c.md", "strings/d.md", "strings/e.md", "strings/f.md"}
	got := alike(t, programs, order)
	want := []string{"gui/c.md: the code is 90 % like that of gui/a.md", "strings/d.md: the code is 100 % like that of gui/c.md"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	slices.Reverse(order)
	if again := alike(t, programs, order); !slices.Equal(again, got) {
		t.Errorf("in another order %q", again)
	}
}

// What is held for the comparison has a bound, and that it was reached is known.
func TestDuplicatesHaveABound(t *testing.T) {
	var l likes
	text := "---\ntitle: x\n---\n\n## Code\n\n```bbj\n" + strings.Repeat("print 1\n", 100_000) + "```\n"
	e, _ := example.Parse("gui/a.md", []byte(text))
	for range maxLikesBytes/len(text) + 5 {
		l.add("gui/a.md", []byte(text), e)
	}
	held := 0
	for _, one := range l.list {
		held += len(one.code)
	}
	if !l.full || held > maxLikesBytes || len(l.list) < 2 {
		t.Errorf("full %v, %d bytes of %d examples", l.full, held, len(l.list))
	}
}
