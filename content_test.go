package bbjtune_test

import (
	"context"
	"slices"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/generation"
	"bbjtune/internal/coverage"
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
	if len(list) < 310 {
		t.Errorf("%d examples, want 310 or more", len(list))
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
	if n := seen["type "+string(example.Migration)]; n < 40 {
		t.Errorf("%d migrations, want 40 or more", n)
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

// Every cell of the coverage table has an example, and most verbs and functions
// that public code uses are shown.
func TestExamplesFillTheCoverageReport(t *testing.T) {
	var items []coverage.Item
	for _, e := range loadExamples(t) {
		items = append(items, coverage.OfExample(e))
	}
	report := coverage.Measure(items, coverage.Public())
	for _, c := range report.Cells {
		if c.Have == 0 {
			t.Errorf("no example of %s, %s, %s, %s", c.Type, c.Generation, c.Topic, c.Difficulty)
		}
	}
	used, shown := 0, 0
	for _, n := range report.Names {
		if n.Used.Programs == 0 || n.Kind != check.UseVerb && n.Kind != check.UseFunction {
			continue
		}
		used++
		if n.Shown > 0 {
			shown++
		}
	}
	t.Logf("%d of %d verbs and functions in public use are shown", shown, used)
	if 100*shown < 60*used {
		t.Errorf("%d of %d verbs and functions in public use are shown, want 60 %% or more", shown, used)
	}
}

// pair names a cell of the suite's table.
type pair struct{ a, b string }

// The suite covers the field: every value of every dimension is met 12 times or
// more, and no cell of two dimensions is empty but those that cannot be.
func TestSuiteCoversTheField(t *testing.T) {
	s, err := suite.Load("suites/bbj-core")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]string{"type": nil, "generation": {string(generation.All)}, "difficulty": example.Difficulties(), "topic": example.Topics()}
	for _, v := range example.Types() {
		values["type"] = append(values["type"], string(v))
	}
	for _, v := range generation.Known() {
		values["generation"] = append(values["generation"], string(v))
	}
	single, cells := map[pair]int{}, map[pair]int{}
	reviewed, gaps := map[string]int{}, map[string]int{}
	for _, c := range s.Cases {
		of := map[string]string{"type": string(c.Type), "generation": string(c.Generation), "difficulty": c.Difficulty, "topic": c.Topic}
		for a, v := range of {
			single[pair{a, v}]++
			for b, w := range of {
				cells[pair{a + " " + v, b + " " + w}]++
			}
		}
		if c.Review {
			reviewed[string(c.Generation)]++
		}
		if c.Prefix != "" {
			gaps["prefix"]++
		}
		if c.Suffix != "" {
			gaps["suffix"]++
		}
	}
	atLeast := func(n, want int, what string) {
		if n < want {
			t.Errorf("%s: %d, want %d or more", what, n, want)
		}
	}
	atLeast(len(s.Cases), 160, "cases")
	atLeast(len(s.Facts), 40, "questions of fact")
	atLeast(gaps["prefix"], 12, "completions with a prefix")
	atLeast(gaps["suffix"], 6, "completions with a suffix")
	inAll := 0
	for _, g := range values["generation"] {
		atLeast(reviewed[g], 3, "cases for review of generation "+g)
		inAll += reviewed[g]
	}
	atLeast(inAll, 24, "cases for review")
	for dimension, list := range values {
		for _, v := range list {
			n := single[pair{dimension, v}]
			t.Logf("%s %s: %d", dimension, v, n)
			atLeast(n, 12, dimension+" "+v)
		}
	}
	for _, two := range []pair{{"type", "generation"}, {"type", "difficulty"}, {"type", "topic"}, {"generation", "difficulty"}, {"generation", "topic"}, {"difficulty", "topic"}} {
		for _, v := range values[two.a] {
			for _, w := range values[two.b] {
				n := cells[pair{two.a + " " + v, two.b + " " + w}]
				if why := impossible(v, w); two.a == "generation" && two.b == "topic" && why != "" {
					if n > 0 {
						t.Errorf("%s × %s: %d cases, but %s", v, w, n, why)
					}
					continue
				}
				want := 1
				if two.b != "topic" {
					want = 3
				}
				atLeast(n, want, two.a+" "+v+" × "+two.b+" "+w)
			}
		}
	}
}

// impossible says why a generation and a topic exclude each other, or nothing.
func impossible(gen, topic string) string {
	switch {
	case topic == "dwc" && gen != "dwc":
		return "the topic is the web client"
	case topic == "gui" && (gen == "all" || gen == "character"):
		return "a window belongs to a generation that has windows"
	case topic == "oop" && (gen == "character" || gen == "vpro5"):
		return "classes came with the object API"
	}
	return ""
}

// No case is nearly the same as another: each counts once.
func TestCasesDiffer(t *testing.T) {
	s, err := suite.Load("suites/bbj-core")
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range s.Cases {
		for _, other := range s.Cases[:i] {
			for part, text := range c.HeldOut()[:2] {
				if j := near.Similarity(text, other.HeldOut()[part]); j >= near.Threshold {
					t.Errorf("%s and %s are alike (%.2f)", c.ID, other.ID, j)
				}
			}
		}
	}
}

// No evaluation case resembles an example, neither in its question nor in its
// answer: what is measured was not trained on.
func TestNoCaseResemblesAnExample(t *testing.T) {
	s, err := suite.Load("suites/bbj-core")
	if err != nil {
		t.Fatal(err)
	}
	type sets struct {
		name  string
		parts [2]near.Set // question and answer
	}
	setsOf := func(name, question, answer string) sets {
		return sets{name, [2]near.Set{near.Of(question), near.Of(answer)}}
	}
	var cases []sets
	for _, c := range s.Cases {
		cases = append(cases, setsOf(c.ID, c.HeldOut()[0], c.HeldOut()[1]))
	}
	for _, e := range loadExamples(t) {
		question, answer := dataset.Conversation(e, 0)
		mine := setsOf(e.Path, question, suite.Bare(answer))
		for _, c := range cases {
			for i, part := range []string{"question", "answer"} {
				if j := near.Jaccard(mine.parts[i], c.parts[i]); j >= suite.Nearest {
					t.Errorf("the %ss of %s and %s are alike (%.2f)", part, c.name, e.Path, j)
				}
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
