package suite

import (
	"context"
	"fmt"
	"slices"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/internal/answer"
)

// Verify runs the recorded answers of cases and facts: each reference passes and
// names nothing that does not exist, each wrong answer fails for the reason it
// states, and an empty one fails. What does not hold is a finding in the case's
// file.
func Verify(ctx context.Context, engine compile.Engine, list []*Case) ([]diag.Diagnostic, error) {
	var answers []answer.Answer
	var sources []compile.Source
	add := func(c *Case, text string) {
		a := answer.Extract(text)
		answers = append(answers, a)
		sources = append(sources, compile.Source{Name: c.ID, Text: []byte(c.Program(a.Code))})
	}
	for _, c := range list {
		for _, text := range c.recorded() {
			add(c, text)
		}
	}
	verdicts, err := engine.Compile(ctx, sources)
	if err != nil {
		return nil, err
	}
	var findings []diag.Diagnostic
	next := 0
	for _, c := range list {
		scores := make([]Score, len(c.recorded()))
		for i := range scores {
			scores[i] = c.Judge(answers[next], verdicts[next])
			next++
		}
		findings = append(findings, c.verify(scores)...)
	}
	return findings, nil
}

// recorded are the answers that a case records, the reference, more that are right,
// the wrong ones, and then those that say nothing.
func (c *Case) recorded() []string {
	list := append([]string{c.Reference}, c.Right...)
	for _, w := range c.Wrong {
		list = append(list, w.Answer)
	}
	return append(list, c.idle()...)
}

// idle are answers that say nothing, and pass no check that is worth its name: to a
// question of fact, also the question itself.
func (c *Case) idle() []string {
	if c.Type == Fact {
		return []string{"", c.Prompt}
	}
	return []string{"```bbj\nrem\n```"}
}

// verify compares the scores of the recorded answers with what they ought to be.
func (c *Case) verify(scores []Score) (findings []diag.Diagnostic) {
	rights := 1 + len(c.Right)
	for i, s := range scores[:rights] {
		if why := c.whyWrong(s); why != "" {
			what := "the reference"
			if i > 0 {
				what = fmt.Sprintf("right answer %d (%q)", i, beginning(c.Right[i-1]))
			}
			findings = append(findings, c.At(Reference, c.Line, what+" "+why))
		}
	}
	for i, w := range c.Wrong {
		if why := c.whyRight(w, scores[rights+i]); why != "" {
			findings = append(findings, c.At(WrongAnswer, w.Line, "the wrong answer "+why))
		}
	}
	for i, s := range scores[rights+len(c.Wrong):] {
		if s.Task {
			findings = append(findings, c.At(WrongAnswer, c.Line, fmt.Sprintf("an answer that says nothing passes: %q", beginning(c.idle()[i]))))
		}
	}
	return findings
}

// beginning is the first part of a text.
func beginning(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return text
}

// whyWrong says why an answer that ought to be right is not, or nothing.
func (c *Case) whyWrong(s Score) string {
	switch {
	case c.WantsCode() && !s.HasCode:
		return "has no program"
	case c.WantsCode() && !s.Compiles:
		return "does not compile: " + first(s.Diagnostics)
	case c.WantsCode() && !s.Clean:
		return "names something that does not exist: " + first(s.Diagnostics)
	case len(s.Failed) > 0:
		return fmt.Sprintf("fails check %d (%s)", s.Failed[0], c.Checks[s.Failed[0]-1].String())
	}
	return ""
}

// whyRight says why an answer that ought to fail for its reason does not.
func (c *Case) whyRight(w Wrong, s Score) string {
	switch {
	case c.Type == Fact:
		if s.Task {
			return fmt.Sprintf("%q passes", w.Answer)
		}
		return ""
	case w.API && !c.WantsCode() || w.Check == 0 && !c.WantsCode():
		return "is prose, which does not fail to compile"
	case w.API && !s.Compiles:
		return "does not compile: " + first(s.Diagnostics)
	case w.API && s.Clean:
		return "names nothing that is known not to exist"
	case w.API:
		return ""
	case w.Check == 0 && s.Compiles:
		return "compiles"
	case w.Check == 0:
		return ""
	case c.WantsCode() && !s.Compiles:
		return "does not compile: " + first(s.Diagnostics)
	case !slices.Contains(s.Failed, w.Check):
		return fmt.Sprintf("passes check %d (%s); it fails %v", w.Check, c.Checks[w.Check-1].String(), s.Failed)
	}
	return ""
}

// first is the first error among the findings.
func first(list []diag.Diagnostic) string {
	for _, d := range list {
		if d.Severity == diag.Error {
			return fmt.Sprintf("line %d: %s %s", d.Span.Start.Line, d.Code, d.Message)
		}
	}
	return "no finding"
}
