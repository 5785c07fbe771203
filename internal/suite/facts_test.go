package suite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/suite"
)

const facts = `facts:
  - id: chr-of-65
    question: What does CHR$(65) give in BBj?
    generation: all
    difficulty: basic
    accept: ['\bA\b', 'capital a\b']
    reject: '\bB\b'
    right: ["A", "The letter A."]
    wrong: ["It gives B", "65, or A, or B"]
    source: "CHR(): the string of a number"
`

func TestParseFacts(t *testing.T) {
	list, err := suite.ParseFacts("strings.yaml", "f.yaml", []byte(facts))
	if err != nil {
		t.Fatal(err)
	}
	c := list[0]
	if c.ID != "facts/strings/chr-of-65" || c.Topic != "strings" || c.File != "facts/strings.yaml" || c.Line != 2 || c.WantsCode() || len(c.Wrong) != 2 || c.Wrong[0].Line != 2 {
		t.Errorf("read as %+v", c)
	}
	if q := c.Question(); !strings.Contains(q, "one short sentence") {
		t.Errorf("question %q", q)
	}
	for text, want := range map[string]bool{"A": true, "a capital A": true, "It is 65": false, "A or B": false, "": false, "<think>A</think>C": false} {
		if got := judge(t, c, text).Task; got != want {
			t.Errorf("%q is right: %v, want %v", text, got, want)
		}
	}
}

func TestParseFactsRefuses(t *testing.T) {
	for old, c := range map[string]struct{ by, want string }{
		"id: chr-of-65":     {"id: CHR 65", `f.yaml:2: id "CHR 65" is not in the form like-this`},
		"generation: all":   {"generation: web", `f.yaml:2: fact chr-of-65: generation "web" is not known`},
		"difficulty: basic": {"difficulty: easy", `f.yaml:2: fact chr-of-65: difficulty "easy" is not known`},
		`    source: "CHR(): the string of a number"` + "\n": {"", "f.yaml:2: fact chr-of-65: question and source are needed"},
		`wrong: ["It gives B", "65, or A, or B"]`:            {"wrong: []", "f.yaml:2: fact chr-of-65: accept, right and wrong need one entry or more"},
		`reject: '\bB\b'`: {"reject: '('", "f.yaml:2: fact chr-of-65: any, item 1: prose: error parsing regexp: missing closing ): `(?is)(`"},
		facts:             {"facts: []\n", "f.yaml holds no fact"},
		"facts:\n":        {facts, "f.yaml:11: there is another fact chr-of-65"},
	} {
		_, err := suite.ParseFacts("strings.yaml", "f.yaml", []byte(strings.Replace(facts, old, c.by, 1)))
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func FuzzParseFacts(f *testing.F) {
	f.Add(facts)
	f.Add("facts:\n- id: a\n- &x {id: b}\n- *x\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := suite.ParseFacts("a.yaml", "a.yaml", []byte(text))
		if err == nil && len(list) == 0 {
			t.Error("no facts and no error")
		}
	})
}

// A case may record more right answers; each must pass.
func TestRightAnswers(t *testing.T) {
	const text = "---\ntitle: x\ntype: comprehension\ngeneration: all\ndifficulty: basic\nchecks: [{prose: 'seven|7'}]\n---\n\n## Prompt\n\nHow many?\n\n## Reference\n\nSeven.\n\n" +
		"## Right\n\n### A figure\n\nIt is 7.\n\n### In German\n\nSieben.\n\n## Wrong\n\nfails: check 1: no\n\nEight.\n"
	c, err := suite.ParseCase("oop/x.md", "x.md", []byte(text))
	if err != nil || len(c.Right) != 2 {
		t.Fatalf("%q, %v", c.Right, err)
	}
	findings, err := suite.Verify(t.Context(), check.Embedded{}, []*suite.Case{c})
	if err != nil || len(findings) != 1 || findings[0].Message != `right answer 2 ("Sieben.") fails check 1 (text matching seven|7)` {
		t.Errorf("found %v, %v", findings, err)
	}
	if _, err := suite.ParseCase("oop/x.md", "x.md", []byte(strings.Replace(text, "Sieben.\n", "", 1))); err == nil || err.Error() != "x.md: line 23: the right answer itself is missing" {
		t.Errorf("an empty right answer: %v", err)
	}
}

// write makes a suite of a case and a fact.
func write(t *testing.T, head string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"suite.yaml": head, "cases/oop/x.md": gapCase, "facts/strings.yaml": facts} {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFormatVersions(t *testing.T) {
	s, err := suite.Load(write(t, "name: x\nversion: 1\nformat: 2\n"))
	if err != nil || len(s.Cases) != 1 || len(s.Facts) != 1 || len(s.Questions()) != 2 {
		t.Errorf("format 2: %+v, %v", s, err)
	}
	if _, err := suite.Load(write(t, "name: x\nversion: 1\nformat: 3\n")); err == nil || !strings.Contains(err.Error(), "format is 3, this program reads 1 to 2") {
		t.Errorf("format 3: %v", err)
	}
	_, broken, err := suite.Read(write(t, "name: x\nversion: 1\n"))
	if err != nil || len(broken) != 2 || broken[0].File != "cases/oop/x.md" || !strings.Contains(broken[1].Err.Error(), "facts belong to format 2") {
		t.Errorf("format 1: %v, %v", broken, err)
	}
}

// Verify finds what recorded answers do not keep.
func TestVerify(t *testing.T) {
	base := "---\ntitle: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [{verb: PRINT}]\n---\n\n## Prompt\n\nGo.\n\n## Reference\n\n```bbj\nREF\n```\n\n## Wrong\n\nfails: WHY: because\n\n```bbj\nBAD\n```\n"
	for _, c := range []struct{ name, ref, why, bad, want string }{
		{"fine", "print 1", "check 1", "x=1", ""},
		{"fine, does not compile", "print 1", "compile", "x++", ""},
		{"fine, invented", "print 1", "api", "print BBjAPI().getNothing()", ""},
		{"reference does not compile", "x++", "check 1", "x=1", "EX202 the reference does not compile"},
		{"reference invents", "print BBjAPI().getNothing()", "check 1", "x=1", "EX202 the reference names something"},
		{"reference fails a check", "x=2", "check 1", "x=1", "EX202 the reference fails check 1 (verb PRINT)"},
		{"wrong passes", "print 1", "check 1", "print 2", "EX203 the wrong answer passes check 1"},
		{"wrong compiles", "print 1", "compile", "x=1", "EX203 the wrong answer compiles"},
		{"wrong does not compile", "print 1", "check 1", "x++", "EX203 the wrong answer does not compile"},
		{"wrong invents nothing", "print 1", "api", "print 2", "EX203 the wrong answer names nothing"},
		{"wrong for api does not compile", "print 1", "api", "x++", "EX203 the wrong answer does not compile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.NewReplacer("REF", c.ref, "WHY", c.why, "BAD", c.bad).Replace(base)
			one, err := suite.ParseCase("oop/x.md", "x.md", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			findings, err := suite.Verify(t.Context(), check.Embedded{}, []*suite.Case{one})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(findings) > 0 {
				got = findings[0].Code + " " + findings[0].Message
			}
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || diag.HasErrors(findings, diag.Format) != (c.want != "") {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
	broken := strings.Replace(facts, `right: ["A", "The letter A."]`, `right: ["A", "The letter C."]`, 1)
	broken = strings.Replace(broken, "It gives B", "It gives A", 1)
	list, err := suite.ParseFacts("strings.yaml", "f.yaml", []byte(broken))
	if err != nil {
		t.Fatal(err)
	}
	findings, err := suite.Verify(t.Context(), check.Embedded{}, list)
	if err != nil || len(findings) != 2 || findings[0].Code != "EX202" || findings[1].Code != "EX203" {
		t.Errorf("facts: %v, %v", findings, err)
	}
}

// A part of a suite keeps the shares, and does not depend on the order.
func TestSubset(t *testing.T) {
	s := &suite.Suite{}
	for i, kind := range []example.Type{example.Completion, example.Migration, suite.Fact} {
		for n := range 10 * (i + 1) {
			c := &suite.Case{ID: fmt.Sprint(kind, n), Front: suite.Front{Type: kind, Generation: generation.Known()[n%2]}}
			if kind == suite.Fact {
				s.Facts = append(s.Facts, c)
			} else {
				s.Cases = append(s.Cases, c)
			}
		}
	}
	part := s.Subset(12)
	if len(part.Cases) != 6 || len(part.Facts) != 6 {
		t.Fatalf("%d cases, %d facts", len(part.Cases), len(part.Facts))
	}
	kinds := map[string]int{}
	for _, c := range part.Cases {
		kinds[fmt.Sprint(c.Type, c.Generation)]++
	}
	if kinds["completioncharacter"] != 1 || kinds["completionvpro5"] != 1 || kinds["migrationcharacter"] != 2 {
		t.Errorf("shares %v", kinds)
	}
	names := func(s *suite.Suite) (list []string) {
		for _, c := range s.Questions() {
			list = append(list, c.ID)
		}
		slices.Sort(list)
		return list
	}
	want := names(part)
	slices.Reverse(s.Cases)
	slices.Reverse(s.Facts)
	if got := names(s.Subset(12)); !slices.Equal(got, want) {
		t.Errorf("in another order %v, want %v", got, want)
	}
	for _, n := range []int{0, 60, 61} {
		if s.Subset(n) != s {
			t.Errorf("%d of 60 is not the suite itself", n)
		}
	}
	for n := 1; n < 60; n++ {
		if got := len(s.Subset(n).Questions()); got != n {
			t.Errorf("%d of %d questions", got, n)
		}
	}
}

// The question itself is no answer to it.
func TestAFactIsNotAnsweredByItsQuestion(t *testing.T) {
	list, err := suite.ParseFacts("strings.yaml", "f.yaml", []byte(strings.Replace(facts, "CHR$(65) give", "CHR$(65) or 'A' give", 1)))
	if err != nil {
		t.Fatal(err)
	}
	findings, err := suite.Verify(t.Context(), check.Embedded{}, list)
	if err != nil || len(findings) != 1 || !strings.HasPrefix(findings[0].Message, "an answer that says nothing passes") {
		t.Errorf("found %v, %v", findings, err)
	}
}
