package suite_test

import (
	"strings"
	"testing"
	"time"

	"bbjtune/internal/suite"
)

const (
	before = "rem a list\ndim a$[3]\nfor i=0 to 3\n    a$[i]=str(i)\nnext i\n"
	behind = "finish:\n    print \"done\"\nend\n"
)

func TestProgramFillsTheGap(t *testing.T) {
	whole := before + "gosub finish\n" + behind
	onlyPrefix, both := suite.Case{Prefix: before}, suite.Case{Prefix: before, Suffix: behind}
	for _, c := range []struct {
		name         string
		c            suite.Case
		answer, want string
	}{
		{"no gap", suite.Case{}, "print 1", "print 1"},
		{"no program", both, "", ""},
		{"what was asked for", both, "gosub finish", whole},
		{"indented", both, "    gosub finish", before + "    gosub finish\n" + behind},
		{"the whole program again", both, whole, whole},
		{"the whole in another dress", both, "DIM a$[3]\n\nFOR i=0 TO 3\na$[i] = str(i)\nNEXT i\nrem now\ngosub finish\nfinish:\nprint \"done\"\nend", before + "rem now\ngosub finish\n" + behind},
		{"the last line again", both, "next i\ngosub finish", whole},
		{"some lines at the end again", both, "gosub finish\nfinish:\n    print \"done\"", whole},
		{"the gap itself", both, suite.Gap + "\ngosub finish", whole},
		{"begun anew and changed", both, "dim a$[3]\na$[0]=\"x\"\nprint a$[0]\nend", "dim a$[3]\na$[0]=\"x\"\nprint a$[0]\nend"},
		{"only the beginning is given", onlyPrefix, "print a$[1]", before + "print a$[1]"},
		{"and comes again", onlyPrefix, before + "print a$[1]", before + "print a$[1]"},
		{"a remark in the answer stays", onlyPrefix, "rem second\nprint a$[1]", before + "rem second\nprint a$[1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.c.Program(c.answer); got != strings.TrimRight(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestQuestionShowsTheGap(t *testing.T) {
	c := suite.Case{Prompt: "Go on.", Prefix: before, Suffix: behind}
	if q := c.Question(); !strings.Contains(q, "next i\n"+suite.Gap+"\nfinish:") || !strings.HasPrefix(q, "Go on.\n\n```bbj\nrem a list") {
		t.Errorf("the question is\n%s", q)
	}
	if q := (&suite.Case{Prompt: "Go on."}).Question(); q != "Go on." {
		t.Errorf("without a gap: %q", q)
	}
}

// An answer of a megabyte does not take longer than it must: models run on.
func TestLongAnswersAreJoinedAtOnce(t *testing.T) {
	c := &suite.Case{Prefix: "x=1\n", Suffix: "release\n"}
	long := strings.Repeat("print x\n", 1<<18)
	start := time.Now()
	if got := c.Program(strings.TrimSuffix(long, "\n")); got != "x=1\n"+long+"release" {
		t.Errorf("%d bytes", len(got))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

const gapCase = "---\ntitle: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [{verb: PRINT}]\n---\n\n## Prompt\n\nGo on.\n\n## Prefix\n\n```bbj\nx=1\n```\n\n## Reference\n\n```bbj\nprint x\n```\n\n## Wrong\n\nfails: check 1: silent\n\n```bbj\nx=2\n```\n"

func TestGapInAFile(t *testing.T) {
	c, err := suite.ParseCase("oop/x.md", "x.md", []byte(gapCase))
	if err != nil || c.Prefix != "x=1\n" || c.Suffix != "" {
		t.Fatalf("prefix %q, suffix %q, %v", c.Prefix, c.Suffix, err)
	}
	if got := c.HeldOut(); got[1] != "x=1\nprint x" {
		t.Errorf("held out: %q", got)
	}
	for old, replaced := range map[string]struct{ by, want string }{
		"```bbj\nx=1\n```": {"some prose", `x.md: line 13: section "## Prefix" holds one code fence with a part of the program`},
		"type: completion": {"type: migration", "x.md: only a completion has a prefix or a suffix"},
	} {
		_, err := suite.ParseCase("oop/x.md", "x.md", []byte(strings.Replace(gapCase, old, replaced.by, 1)))
		if err == nil || err.Error() != replaced.want {
			t.Errorf("got %v, want %s", err, replaced.want)
		}
	}
}

func FuzzProgram(f *testing.F) {
	f.Add(before, behind, "gosub finish")
	f.Add("x=1\n", "", "x=1\nx=1")
	f.Add("", "end\n", "end")
	f.Add("rem\n", "rem\n", "rem")
	f.Fuzz(func(t *testing.T, prefix, suffix, code string) {
		c := suite.Case{Prefix: prefix, Suffix: suffix}
		got := c.Program(code)
		if len(got) > len(prefix)+len(code)+len(suffix)+1 {
			t.Errorf("%q is longer than its parts", got)
		}
		if code == "" && got != "" {
			t.Errorf("a program of no answer: %q", got)
		}
	})
}
