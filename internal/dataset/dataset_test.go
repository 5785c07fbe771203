package dataset_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/generation"
	"bbjtune/internal/chat"
	"bbjtune/internal/dataset"
	"bbjtune/internal/example"
	"bbjtune/internal/markdown"
)

var options = dataset.Options{Seed: 1, ValidShare: 0.1, Phrasings: 1, SystemPrompts: []string{"one", "two", "three"}}

// made returns n examples that resemble each other in nothing but their shape.
func made(n int) []*example.Example {
	rng := rand.New(rand.NewPCG(7, 7))
	word := func() string { return fmt.Sprintf("w%d", rng.IntN(1e6)) }
	list := make([]*example.Example, n)
	for i := range list {
		var code strings.Builder
		fmt.Fprintf(&code, "rem %s %s %s\n", word(), word(), word())
		for range 6 {
			fmt.Fprintf(&code, "print \"%s %s\",%s$\n", word(), word(), word())
		}
		list[i] = &example.Example{
			Path: fmt.Sprintf("strings/e%03d.md", i), Topic: "strings",
			Front: example.Front{Title: word(), Type: example.Completion, Generation: example.Generations{generation.All}, Difficulty: "basic", Description: "Print " + word()},
			Code:  []markdown.Fence{{Lang: "bbj", Code: []byte(code.String()), Line: 10}}, Explanation: "It prints.",
		}
	}
	return list
}

func build(t *testing.T, in dataset.Input, o dataset.Options) *dataset.Set {
	t.Helper()
	set, err := dataset.Build(context.Background(), check.Embedded{}, in, o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sides maps every source to the side its rows stand on.
func sides(t *testing.T, set *dataset.Set) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, l := range set.Lineage {
		side := "train"
		if strings.HasSuffix(l.File, "valid.jsonl") {
			side = "valid"
		}
		if m[l.Source] != "" && m[l.Source] != side {
			t.Errorf("%s stands on both sides", l.Source)
		}
		m[l.Source] = side
	}
	return m
}

func bytesOf(t *testing.T, set *dataset.Set) string {
	t.Helper()
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBuildIgnoresTheOrderOfSources(t *testing.T) {
	list := made(60)
	want := bytesOf(t, build(t, dataset.Input{Examples: list}, options))
	rng := rand.New(rand.NewPCG(1, 1))
	for range 3 {
		shuffled := slices.Clone(list)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := bytesOf(t, build(t, dataset.Input{Examples: shuffled}, options)); got != want {
			t.Fatal("the order of the sources shows in the result")
		}
	}
}

func TestAddingSourcesMovesNone(t *testing.T) {
	list := made(200)
	before := sides(t, build(t, dataset.Input{Examples: list[:80]}, options))
	after := sides(t, build(t, dataset.Input{Examples: list}, options))
	for source, side := range before {
		if after[source] != side {
			t.Errorf("%s moved from %s to %s", source, side, after[source])
		}
	}
	valid := 0
	for _, side := range after {
		if side == "valid" {
			valid++
		}
	}
	if valid < 8 || valid > 36 {
		t.Errorf("%d of 200 are held out, want about 20", valid)
	}
}

// A row is known by what it says: others before it in its file move it nowhere.
func TestRowsKeepTheirSideWhereverTheyStand(t *testing.T) {
	var rows []dataset.Imported
	for i := range 200 {
		rows = append(rows, imported(i+1, fmt.Sprintf("how is number %d of the %d questions answered", i, i*i), fmt.Sprintf("by the word w%dx", i*7)))
	}
	first := contents(build(t, dataset.Input{Rows: rows[:150]}, options))
	slices.Reverse(rows)
	for i := range rows {
		rows[i].Line = i + 1
	}
	after := contents(build(t, dataset.Input{Rows: rows}, options))
	for text, side := range first {
		if after[text] != side {
			t.Errorf("%q moved from %s to %s", text, side, after[text])
		}
	}
}

// The same question with another answer is no near-duplicate, and would still
// tell validation what was trained on.
func TestTheSameQuestionStandsOnOneSide(t *testing.T) {
	var rows []dataset.Imported
	for i := range 100 {
		question := fmt.Sprintf("what does the statement number %d of chapter %d print", i, i%7)
		rows = append(rows, imported(2*i+1, question, fmt.Sprintf("It prints the word a%dq, and nothing else at all.", i*3)),
			imported(2*i+2, question, fmt.Sprintf("```bbj\nprint \"another answer\",%d\n```", i)))
	}
	set := build(t, dataset.Input{Rows: rows}, options)
	sides := map[string]dataset.Side{}
	for _, side := range []dataset.Side{dataset.Train, dataset.Valid} {
		for _, r := range set.Stage2[side] {
			if other, ok := sides[r.Messages[0].Content]; ok && other != side {
				t.Errorf("%q is on both sides", r.Messages[0].Content)
			}
			sides[r.Messages[0].Content] = side
		}
	}
	if len(set.Stage2[dataset.Valid]) == 0 {
		t.Error("nothing is held out")
	}
}

func imported(line int, question, answer string) dataset.Imported {
	return dataset.Imported{Path: "rows.jsonl", Line: line, Row: chat.Row{Messages: []chat.Message{
		{Role: chat.User, Content: question}, {Role: chat.Assistant, Content: answer},
	}}}
}

// contents says on which side each row stands, by its words.
func contents(set *dataset.Set) map[string]dataset.Side {
	sides := map[string]dataset.Side{}
	for side, rows := range set.Stage2 {
		for _, r := range rows {
			sides[r.Messages[0].Content+r.Messages[1].Content] = side
		}
	}
	return sides
}

func TestNearDuplicatesStandTogether(t *testing.T) {
	list := made(120)
	for i := range 60 {
		twin := *list[i]
		twin.Path = fmt.Sprintf("strings/twin%03d.md", i)
		twin.Code = []markdown.Fence{{Lang: "bbj", Code: append(bytes.Clone(list[i].Code[0].Code), "rem z\n"...), Line: 10}}
		list = append(list, &twin)
	}
	m := sides(t, build(t, dataset.Input{Examples: list}, options))
	for i := range 60 {
		a, b := fmt.Sprintf("strings/e%03d.md", i), fmt.Sprintf("strings/twin%03d.md", i)
		if m[a] != m[b] {
			t.Errorf("%s is on %s, its twin on %s", a, m[a], m[b])
		}
	}
}

func TestHeldOutIsNeverTrainedOn(t *testing.T) {
	list := made(40)
	held := dataset.HeldOut{Name: "case/one", Text: string(list[3].Code[0].Code) + "print 1\n"}
	prompt := dataset.HeldOut{Name: "case/two", Text: "Print " + strings.TrimPrefix(list[5].Description, "Print ")}
	set := build(t, dataset.Input{Examples: list, HeldOut: []dataset.HeldOut{held, prompt}}, options)
	m := sides(t, set)
	if m[list[3].Path] != "" {
		t.Error("a near-duplicate of a held-out program is in the data")
	}
	if !slices.Contains(set.Removed, dataset.Removal{Source: list[3].Path, Reason: "near-duplicate of the evaluation case case/one"}) {
		t.Errorf("removed: %v", set.Removed)
	}
	if len(m)+len(set.Removed) != 40 {
		t.Errorf("%d kept and %d removed of 40", len(m), len(set.Removed))
	}
}

// A held-out text stays out wherever it stands: in a row that says more, or in
// a longer source file.
func TestHeldOutInsideALongerTextIsNeverTrainedOn(t *testing.T) {
	list := made(60)
	var around strings.Builder
	for _, e := range list[40:] {
		around.Write(e.Code[0].Code)
	}
	var in dataset.Input
	in.Examples = list[:30]
	for i, e := range list[30:40] {
		prompt, code := fmt.Sprintf("Write a program number %d that reads a key and prints its %d fields", i, i+7), string(e.Code[0].Code)
		name := fmt.Sprintf("case/%d", i)
		in.HeldOut = append(in.HeldOut, dataset.HeldOut{Name: name, Text: prompt}, dataset.HeldOut{Name: name, Text: code})
		in.Raw = append(in.Raw, dataset.Raw{Path: fmt.Sprintf("src/%d.bbj", i), Text: around.String() + code + around.String()})
		in.Rows = append(in.Rows, dataset.Imported{Path: "rows.jsonl", Line: i, Row: chat.Row{Messages: []chat.Message{
			{Role: chat.User, Content: "A colleague asks us today, quite urgently, for this. " + prompt + ". Please be brief, and mind our style guide."},
			{Role: chat.Assistant, Content: "It is not hard at all."},
		}}})
	}
	set := build(t, in, options)
	for source := range sides(t, set) {
		if !strings.HasPrefix(source, "strings/") {
			t.Errorf("%s holds an evaluation case and is in the data", source)
		}
	}
	if len(set.Removed) != 20 {
		t.Errorf("removed: %v", set.Removed)
	}
}

func TestImportedRowsAreChecked(t *testing.T) {
	row := func(line int, answer string) dataset.Imported {
		return dataset.Imported{Path: "rows.jsonl", Line: line, Row: chat.Row{Messages: []chat.Message{
			{Role: chat.User, Content: fmt.Sprintf("question %d\n\n```bbj\nx++\n```", line)}, {Role: chat.Assistant, Content: answer},
		}}}
	}
	set := build(t, dataset.Input{Examples: made(30), Rows: []dataset.Imported{
		row(1, "Like this:\n\n```bbj\nx++ // more\n```\n"), row(2, "done<|im_end|>\n<|im_start|>user\nnext"),
		row(3, "Like this:\n\n```bbj\nx=x+1\n```\n"), row(4, "In Java:\n\n```java\nx++;\n```\n"),
	}}, options)
	var got []string
	for _, r := range set.Removed {
		got = append(got, r.Source+" "+r.Reason)
	}
	want := []string{"rows.jsonl:1 does not compile: rows.jsonl:1 line 1: `++` is not BBj", "rows.jsonl:2 spells out the chat token <|im_start|>"}
	if !slices.Equal(got, want) {
		t.Errorf("removed %q, want %q", got, want)
	}
}

func TestBrokenCodeIsLeftOutWithAReason(t *testing.T) {
	list := made(20)
	list[2].Code[0].Code = []byte("rem x\nx++\n")
	set := build(t, dataset.Input{Examples: list, Raw: []dataset.Raw{{Path: "src/bad.bbj", Text: "if (x) {\n}\n"}}}, options)
	reasons := map[string]string{}
	for _, r := range set.Removed {
		reasons[r.Source] = r.Reason
	}
	if len(reasons) != 2 || !strings.HasPrefix(reasons[list[2].Path], "does not compile: "+list[2].Path+":10 line 2") || reasons["src/bad.bbj"] == "" {
		t.Errorf("removed: %v", reasons)
	}
}

func TestRowsOfEveryType(t *testing.T) {
	fence := func(code string) []markdown.Fence {
		return []markdown.Fence{{Lang: "bbj", Code: []byte(code), Line: 9}}
	}
	cases := []struct {
		e            example.Example
		user, answer string
	}{
		{example.Example{Path: "gui/a.md", Front: example.Front{Title: "T", Type: example.Completion, Generation: example.Generations{generation.VPRO5}, Description: "Count to ten"}, Code: fence("rem x\n")},
			"Count to ten. Write it for Visual PRO/5 with SYSGUI mnemonics.", "```bbj\nrem x\n```"},
		{example.Example{Path: "gui/b.md", Front: example.Front{Title: "T", Type: example.Completion, Generation: example.Generations{generation.GUI}, Description: "Open a window."}, Code: fence("rem x\n")},
			"Open a window.", "```bbj\nrem x\n```"},
		{example.Example{Path: "gui/c.md", Front: example.Front{Title: "T", Type: example.Comprehension, Generation: example.Generations{generation.All}}, Code: fence("rem x\n"), Explanation: "A remark."},
			"What does this BBj program do?\n\n```bbj\nrem x\n```", "A remark."},
		{example.Example{Path: "gui/d.md", Front: example.Front{Title: "T", Type: example.Migration, Generation: example.Generations{generation.GUI}, ToGeneration: generation.GUI}, Before: fence("rem b\n"), After: fence("rem a\n")},
			"Rewrite this BBj program for the BBj object GUI.\n\n```bbj\nrem b\n```", "```bbj\nrem a\n```"},
		{example.Example{Path: "gui/e.md", Front: example.Front{Title: "Loops", Type: example.Explanation, Generation: example.Generations{generation.All}}, Code: fence("rem x\n"), Explanation: "They loop."},
			"Explain loops in BBj, with an example.", "They loop.\n\n```bbj\nrem x\n```"},
	}
	for _, c := range cases {
		user, answer := dataset.Conversation(&c.e, 0)
		if user != c.user || answer != c.answer {
			t.Errorf("%s:\n got %q\n     %q\nwant %q\n     %q", c.e.Path, user, answer, c.user, c.answer)
		}
	}
}

func TestRowsAreValidAndPromptsVary(t *testing.T) {
	o := options
	o.Phrasings = 3
	set := build(t, dataset.Input{Examples: made(60)}, o)
	systems := map[string]int{}
	for _, side := range []dataset.Side{dataset.Train, dataset.Valid} {
		for _, r := range set.Stage2[side] {
			if err := r.Validate(); err != nil {
				t.Error(err)
			}
			systems[r.Messages[0].Content]++
		}
	}
	if len(systems) != 3 {
		t.Errorf("system prompts used: %v", systems)
	}
	if n := len(set.Stage2[dataset.Train]) + len(set.Stage2[dataset.Valid]); n != 180 {
		t.Errorf("%d rows of 60 examples in 3 wordings", n)
	}
}

func TestEmptyAndTiny(t *testing.T) {
	ctx := context.Background()
	if _, err := dataset.Build(ctx, check.Embedded{}, dataset.Input{}, options); err == nil || err.Error() != "the data set is empty" {
		t.Errorf("nothing: %v", err)
	}
	if _, err := dataset.Build(ctx, check.Embedded{}, dataset.Input{Examples: made(1)}, options); err == nil {
		t.Error("one example was split")
	}
	set := build(t, dataset.Input{Examples: made(2)}, options)
	if len(set.Stage2[dataset.Valid]) != 1 || len(set.Stage2[dataset.Train]) != 1 {
		t.Error("two examples are not one to train on and one to validate")
	}
}

func TestImportedRows(t *testing.T) {
	row := chat.Row{Messages: []chat.Message{{Role: chat.User, Content: "hello there"}, {Role: chat.Assistant, Content: "general"}}}
	set := build(t, dataset.Input{Examples: made(30), Rows: []dataset.Imported{{Path: "rows.jsonl", Line: 4, Row: row}}}, options)
	if sides(t, set)["rows.jsonl:4"] == "" {
		t.Error("the imported row is not in the set")
	}
}
