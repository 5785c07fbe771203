package bbjtune_test

import (
	"context"
	"slices"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/generation"
	"bbjtune/internal/dataset"
	"bbjtune/internal/example"
	"bbjtune/internal/near"
	"bbjtune/internal/suite"
)

func loadExamples(t *testing.T) []*example.Example {
	t.Helper()
	list, findings, err := example.Load("training-data")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range findings {
		t.Errorf("%s:%d: %s %s", d.File, d.Span.Start.Line, d.Code, d.Message)
	}
	return list
}

// Every program among the examples compiles and names only what exists.
func TestExamplesAreClean(t *testing.T) {
	for _, e := range loadExamples(t) {
		for _, f := range slices.Concat(e.Fences(), e.Snippets) {
			for _, d := range check.Source(e.Path, f.Code, check.Options{}) {
				t.Errorf("training-data/%s:%d: %s %s", e.Path, d.Span.Start.Line+f.Line-1, d.Code, d.Message)
			}
		}
	}
}

func TestExamplesCoverTheField(t *testing.T) {
	list := loadExamples(t)
	if len(list) < 80 {
		t.Errorf("%d examples, want 80 or more", len(list))
	}
	seen := map[string]int{}
	for _, e := range list {
		seen["topic "+e.Topic]++
		seen["type "+string(e.Type)]++
		seen["difficulty "+e.Difficulty]++
		for _, g := range e.Generation {
			seen["generation "+string(g)]++
		}
	}
	want := func(kind, value string) {
		if seen[kind+" "+value] < 3 {
			t.Errorf("%d examples of %s %s, want 3 or more", seen[kind+" "+value], kind, value)
		}
	}
	for _, v := range example.Topics() {
		want("topic", v)
	}
	for _, v := range example.Types() {
		want("type", string(v))
	}
	for _, v := range example.Difficulties() {
		want("difficulty", v)
	}
	for _, v := range generation.Known() {
		want("generation", string(v))
	}
}

// No evaluation case resembles an example, neither in its question nor in its
// answer: what is measured was not trained on.
func TestNoCaseResemblesAnExample(t *testing.T) {
	s, err := suite.Load("suites/bbj-core")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range loadExamples(t) {
		prompt, answer := dataset.Conversation(e, 0)
		for _, c := range s.Cases {
			texts := c.HeldOut()
			if j := near.Similarity(prompt, texts[0]); j >= suite.Nearest {
				t.Errorf("the prompt of %s and %s are alike (%.2f)", c.ID, e.Path, j)
			}
			if j := near.Similarity(suite.Bare(answer), texts[1]); j >= suite.Nearest {
				t.Errorf("the answers of %s and %s are alike (%.2f)", c.ID, e.Path, j)
			}
		}
	}
}

// The data builder leaves nothing of the shipped content out.
func TestShippedContentBuilds(t *testing.T) {
	s, err := suite.Load("suites/bbj-core")
	if err != nil {
		t.Fatal(err)
	}
	in := dataset.Input{Examples: loadExamples(t)}
	for _, c := range s.Questions() {
		for _, text := range c.HeldOut() {
			in.HeldOut = append(in.HeldOut, dataset.HeldOut{Name: c.ID, Text: text})
		}
	}
	set, err := dataset.Build(context.Background(), check.Embedded{}, in, dataset.Options{Seed: 42, ValidShare: 0.1, Phrasings: 1, SystemPrompts: []string{"s"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.Removed {
		t.Errorf("%s is left out: %s", r.Source, r.Reason)
	}
}
