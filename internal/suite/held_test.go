package suite_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/suite"
)

// longProgram is long enough to be held out for itself.
func longProgram(name string) string {
	var lines []string
	for i := range 6 {
		lines = append(lines, fmt.Sprintf("%s%d = %d * other%d + %d", name, i, i, i+1, i+2))
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestHeldOut(t *testing.T) {
	fence := func(code string) string { return "So:\n\n```bbj\n" + code + "```" }
	c := &suite.Case{Prompt: "What does this print?\n\n```bbj\n" + longProgram("asked") + "```", Reference: fence("print 1\n"), Right: []string{fence(longProgram("right"))}}
	if got, want := c.HeldOut(), []string{c.Prompt, "So:\n\nprint 1\n", longProgram("asked"), longProgram("right")}; !slices.EqualFunc(got, want, alike) {
		t.Errorf("held out: %q", got)
	}
	gap := &suite.Case{Prompt: "Fill it.", Prefix: longProgram("before"), Suffix: longProgram("behind"), Reference: "```bbj\nprint 1\n```"}
	if got, want := gap.HeldOut(), []string{"Fill it.", gap.Prefix + "print 1\n" + gap.Suffix, gap.Prefix, gap.Suffix}; !slices.EqualFunc(got, want, alike) {
		t.Errorf("held out of a gap: %q", got)
	}
	fact := &suite.Case{Front: suite.Front{Type: suite.Fact}, Prompt: "How many?", Reference: "7", Right: []string{"Seven."}}
	if got := fact.HeldOut(); !slices.Equal(got, []string{"How many?"}) {
		t.Errorf("held out of a fact: %q", got)
	}
}

// alike leaves white space out of the comparison.
func alike(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}
