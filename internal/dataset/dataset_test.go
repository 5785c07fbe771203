package dataset_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/generation"
	"bbjtune/internal/audit/audittest"
	"bbjtune/internal/chat"
	"bbjtune/internal/dataset"
	"bbjtune/internal/example"
	"bbjtune/internal/markdown"
	"bbjtune/internal/near"
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

// built is a set with all that it writes.
type built struct {
	*dataset.Set
	Stage1  map[dataset.Side][]chat.Text
	Stage2  map[dataset.Side][]chat.Row
	Lineage []dataset.Lineage
	Proof   *dataset.Proof
}

func build(t *testing.T, in dataset.Input, o dataset.Options) *built {
	t.Helper()
	ctx := context.Background()
	set, err := dataset.Build(ctx, check.Embedded{}, in, o)
	if err != nil {
		t.Fatal(err)
	}
	b := &built{Set: set, Stage1: map[dataset.Side][]chat.Text{}, Stage2: map[dataset.Side][]chat.Row{}}
	b.Proof, err = set.Write(ctx, func(r dataset.Row) error {
		b.Lineage = append(b.Lineage, r.Lineage)
		if r.Stage == 1 {
			b.Stage1[r.Side] = append(b.Stage1[r.Side], decode[chat.Text](t, r.Line))
		} else {
			b.Stage2[r.Side] = append(b.Stage2[r.Side], decode[chat.Row](t, r.Line))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode[T any](t *testing.T, line []byte) (value T) {
	t.Helper()
	if err := json.Unmarshal(line, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// file makes a row file in memory; row n stands in line n.
func file(rows ...chat.Row) dataset.RowFile {
	var b bytes.Buffer
	if err := chat.WriteJSONL(&b, rows); err != nil {
		panic(err)
	}
	return dataset.RowFile{Path: "rows.jsonl", Data: bytes.NewReader(b.Bytes()), Size: int64(b.Len())}
}

// sides maps every source to the side its rows stand on.
func sides(t *testing.T, set *built) map[string]string {
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

func bytesOf(t *testing.T, set *built) string {
	t.Helper()
	text, err := json.Marshal([]any{set.Stage1, set.Stage2, set.Lineage, set.Removed, set.Proof})
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

// Programs of one form are all as close as the closest: which of the pairs the proof
// shows depends on what they are, not on where they stood. The form is found in more
// pairs than can be kept.
func TestSourcesOfOneFormAreProvenInAnyOrder(t *testing.T) {
	list := made(120)
	form := ""
	for i := range 30 {
		form += fmt.Sprintf("print \"line %d of all\"\n", i)
	}
	for i := range list {
		own := strings.ReplaceAll(string(list[i].Code[0].Code), "\n", "\nrem ")
		list[i].Code = []markdown.Fence{{Lang: "bbj", Code: []byte(form + "rem " + own + "\n"), Line: 10}}
	}
	set := build(t, dataset.Input{Examples: list}, options)
	leakFree(t, set)
	if c := set.Proof.Closest; c == nil || c.Similarity < 0.5 || set.Proof.SetAside > 0 {
		t.Errorf("%+v", set.Proof)
	}
	want := bytesOf(t, set)
	slices.Reverse(list)
	if got := bytesOf(t, build(t, dataset.Input{Examples: list}, options)); got != want {
		t.Error("the order of the sources shows in the result")
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
	var rows []chat.Row
	for i := range 200 {
		rows = append(rows, conversation(fmt.Sprintf("how is number %d of the %d questions answered", i, i*i), fmt.Sprintf("by the word w%dx", i*7)))
	}
	first := contents(build(t, dataset.Input{Rows: []dataset.RowFile{file(rows[:150]...)}}, options))
	slices.Reverse(rows)
	after := contents(build(t, dataset.Input{Rows: []dataset.RowFile{file(rows...)}}, options))
	for text, side := range first {
		if after[text] != side {
			t.Errorf("%q moved from %s to %s", text, side, after[text])
		}
	}
}

// The same question with another answer is no near-duplicate, and would still
// tell validation what was trained on.
func TestTheSameQuestionStandsOnOneSide(t *testing.T) {
	var rows []chat.Row
	for i := range 100 {
		question := fmt.Sprintf("what does the statement number %d of chapter %d print", i, i%7)
		rows = append(rows, conversation(question, fmt.Sprintf("It prints the word a%dq, and nothing else at all.", i*3)),
			conversation(question, fmt.Sprintf("```bbj\nprint \"another answer\",%d\n```", i)))
	}
	set := build(t, dataset.Input{Rows: []dataset.RowFile{file(rows...)}}, options)
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

func conversation(question, answer string) chat.Row {
	return chat.Row{Messages: []chat.Message{{Role: chat.User, Content: question}, {Role: chat.Assistant, Content: answer}}}
}

// contents says on which side each row stands, by its words.
func contents(set *built) map[string]dataset.Side {
	sides := map[string]dataset.Side{}
	for side, rows := range set.Stage2 {
		for _, r := range rows {
			sides[r.Messages[0].Content+r.Messages[1].Content] = side
		}
	}
	return sides
}

// Near-duplicates come to stand on one side: where hashes put them on two, one is
// set aside with a reason.
func TestNearDuplicatesStandOnOneSide(t *testing.T) {
	list := made(300)
	for i := range 150 {
		twin := *list[i]
		twin.Path = fmt.Sprintf("strings/twin%03d.md", i)
		twin.Code = []markdown.Fence{{Lang: "bbj", Code: append(bytes.Clone(list[i].Code[0].Code), "rem z\n"...), Line: 10}}
		list = append(list, &twin)
	}
	set := build(t, dataset.Input{Examples: list}, options)
	m := sides(t, set)
	apart := 0
	for i := range 150 {
		a, b := fmt.Sprintf("strings/e%03d.md", i), fmt.Sprintf("strings/twin%03d.md", i)
		switch {
		case m[a] == "" && m[b] == "":
			t.Errorf("%s and its twin are both gone", a)
		case m[a] == "" || m[b] == "":
			apart++
		case m[a] != m[b]:
			t.Errorf("%s is on %s, its twin on %s", a, m[a], m[b])
		}
	}
	if apart != len(set.Removed) || apart != set.Proof.SetAside || apart < 10 || apart > 50 {
		t.Errorf("%d of 150 pairs lost one, %d sources were removed, the proof says %d", apart, len(set.Removed), set.Proof.SetAside)
	}
	for _, r := range set.Removed {
		if !strings.Contains(r.Reason, "which stands on the other side of the split") {
			t.Errorf("%v", r)
		}
	}
	leakFree(t, set)
}

// texts returns all that stands on one side, of both stages.
func (b *built) texts(side dataset.Side) []string {
	var list []string
	for _, x := range b.Stage1[side] {
		list = append(list, x.Text)
	}
	for _, r := range b.Stage2[side] {
		text := ""
		for _, m := range r.Messages {
			if m.Role != chat.System {
				text += m.Content + "\n"
			}
		}
		list = append(list, text)
	}
	return list
}

// leakFree compares every text of training with every one of validation, and the
// closest pair with the one of the proof.
func leakFree(t *testing.T, set *built) {
	t.Helper()
	train, valid := near.Sets(set.texts(dataset.Train)), near.Sets(set.texts(dataset.Valid))
	if len(train) != set.Proof.TrainRows || len(valid) != set.Proof.ValidRows || len(train)*len(valid) == 0 {
		t.Errorf("%d and %d rows, the proof says %d and %d", len(train), len(valid), set.Proof.TrainRows, set.Proof.ValidRows)
	}
	closest, pairs := 0.0, 0
	for _, a := range train {
		for _, b := range valid {
			s := near.Jaccard(a, b)
			closest = max(closest, s)
			if s >= 0.7 {
				pairs++
			}
		}
	}
	if pairs > 0 {
		t.Errorf("%d pairs over the border are near-duplicates", pairs)
	}
	if c := set.Proof.Closest; c != nil {
		a, b := set.row(t, c.Train), set.row(t, c.Valid)
		if c.Similarity != closest || near.Similarity(a, b) != closest || c.Train.Source == "" {
			t.Errorf("the closest pair is %v alike, the proof says %+v", closest, c)
		}
	} else if closest > set.Proof.Below {
		t.Errorf("the closest pair is %v alike, the proof says below %v", closest, set.Proof.Below)
	}
}

// row returns the text that a lineage names.
func (b *built) row(t *testing.T, l dataset.Lineage) string {
	t.Helper()
	if !slices.Contains(b.Lineage, l) {
		t.Fatalf("%v is no row", l)
	}
	side := dataset.Train
	if strings.HasSuffix(l.File, "valid.jsonl") {
		side = dataset.Valid
	}
	list := b.texts(side)
	if strings.HasPrefix(l.File, "stage2/") {
		list = list[len(b.Stage1[side]):]
	}
	return list[l.Row-1]
}

// A set as large as people have one: rows that repeat questions, answers and each
// other, added to later, in any order.
func TestNothingCrossesTheBorder(t *testing.T) {
	rows := audittest.Generate(7)[:6000]
	random := rand.New(rand.NewPCG(2, 2))
	for range 800 { // families of near-duplicates
		r := rows[random.IntN(1000)]
		rows = append(rows, conversation(r.Messages[1].Content+" please", r.Messages[2].Content+fmt.Sprintf("\nIt is number %d.", random.IntN(50))))
	}
	first := build(t, dataset.Input{Examples: made(40), Rows: []dataset.RowFile{file(rows...)}}, options)
	leakFree(t, first)
	if first.Proof.SetAside == 0 || first.Proof.Closest == nil {
		t.Errorf("nothing was near the border: %+v", first.Proof)
	}
	if n := len(first.Removed) + len(first.Stage2[dataset.Train]) + len(first.Stage2[dataset.Valid]) - 40; n != len(rows) {
		t.Errorf("%d rows of %d are accounted for", n, len(rows))
	}
	shuffled := slices.Clone(rows)
	random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	again := build(t, dataset.Input{Examples: made(40), Rows: []dataset.RowFile{file(shuffled...)}}, options)
	if !maps.Equal(contents(first), contents(again)) {
		t.Error("the order of the rows shows in the split")
	}
	more := slices.Clone(rows)
	for i := range 1000 {
		r := rows[random.IntN(len(rows))]
		if i%2 == 0 { // like one of the old ones
			more = append(more, conversation(r.Messages[len(r.Messages)-2].Content+" again", r.Messages[len(r.Messages)-1].Content+"\nThat is all."))
		} else {
			more = append(more, conversation(fmt.Sprintf("question %d of the new ones", i*i), fmt.Sprintf("the answer is w%d and w%d", i*7, i*11)))
		}
	}
	grown := build(t, dataset.Input{Examples: made(40), Rows: []dataset.RowFile{file(more...)}}, options)
	leakFree(t, grown)
	now, gone := contents(grown), 0
	for text, side := range contents(first) {
		if now[text] == "" {
			gone++
		} else if now[text] != side {
			t.Errorf("%.40q moved from %s to %s", text, side, now[text])
		}
	}
	t.Logf("%d of %d old rows were set aside for new ones like them; %+v", gone, len(rows), grown.Proof)
}

// What is near to both sides is what goes, since what it says remains.
func TestWhatIsNearToBothSidesIsSetAside(t *testing.T) {
	words := func(from, n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("w%d", from+i))
		}
		return strings.Join(list, " ")
	}
	// A and B are alike at 0.66, the bridge is alike to both at more than 0.7.
	var rows []chat.Row
	for i := range 300 {
		base := i * 1000
		rows = append(rows, conversation(fmt.Sprintf("left %d", i), words(base, 100)), conversation(fmt.Sprintf("right %d", i), words(base+20, 100)))
	}
	before := contents(build(t, dataset.Input{Rows: []dataset.RowFile{file(rows...)}}, options))
	bridges := 0
	for i := range 300 {
		left, right := rows[2*i], rows[2*i+1]
		l, r := before[left.Messages[0].Content+left.Messages[1].Content], before[right.Messages[0].Content+right.Messages[1].Content]
		if l == r {
			continue
		}
		bridges++
		bridge := conversation(fmt.Sprintf("between %d", i), words(i*1000+10, 100))
		set := build(t, dataset.Input{Rows: []dataset.RowFile{file(append(slices.Clone(rows), bridge)...)}}, options)
		if len(set.Removed) != 1 || set.Removed[0].Source != "rows.jsonl:601" || !strings.HasPrefix(set.Removed[0].Reason, "near to both sides of the split, on the other side to rows.jsonl:") {
			t.Errorf("removed %v", set.Removed)
		}
		if bridges == 5 {
			return
		}
	}
	t.Errorf("only %d pairs stand apart", bridges)
}

func TestSetsOfOneKindSayWhyTheyCannotBeSplit(t *testing.T) {
	var rows []chat.Row
	for i := range 60 {
		rows = append(rows, conversation(fmt.Sprintf("number %d", i), strings.Repeat("the same long answer to all that anybody may ever ask, said once more ", 8)))
	}
	_, err := dataset.Build(context.Background(), check.Embedded{}, dataset.Input{Rows: []dataset.RowFile{file(rows...)}}, options)
	if err == nil || err.Error() != "nothing is left on one side of the split: the 60 sources resemble each other too much" {
		t.Errorf("%v", err)
	}
}

func TestFillInTheMiddle(t *testing.T) {
	o := options
	o.FIM = dataset.FIM{Share: 0.5, Prefix: "<|fim_prefix|>", Suffix: "<|fim_suffix|>", Middle: "<|fim_middle|>"}
	list := made(200)
	forged := *list[0]
	forged.Path = "strings/forged.md"
	forged.Code = []markdown.Fence{{Lang: "bbj", Code: []byte("rem x\nprint \"<|fim_middle|>\"\n"), Line: 10}}
	plain, set := build(t, dataset.Input{Examples: list}, options), build(t, dataset.Input{Examples: append(list, &forged)}, o)
	if len(set.Removed) != 1 || set.Removed[0].Reason != "spells out the token <|fim_middle|>" {
		t.Errorf("removed %v", set.Removed)
	}
	if !slices.Equal(plain.Stage1[dataset.Valid], set.Stage1[dataset.Valid]) {
		t.Error("validation changed")
	}
	turned := 0
	for i, x := range set.Stage1[dataset.Train] {
		want := plain.Stage1[dataset.Train][i].Text
		if x.Text == want {
			continue
		}
		turned++
		rest, ok := strings.CutPrefix(x.Text, "<|fim_prefix|>")
		prefix, rest, ok2 := strings.Cut(rest, "<|fim_suffix|>")
		suffix, middle, ok3 := strings.Cut(rest, "<|fim_middle|>")
		if !ok || !ok2 || !ok3 || prefix+middle+suffix != want {
			t.Errorf("%q is not %q in another order", x.Text, want)
		}
	}
	if n := len(set.Stage1[dataset.Train]); turned < n/3 || turned > 2*n/3 {
		t.Errorf("%d of %d texts ask for the middle", turned, n)
	}
}

func TestGeneralCodeMakesUpItsShare(t *testing.T) {
	o := options
	o.GeneralShare = 0.2
	general := func(n int) (list []dataset.Raw) {
		for i := range n {
			list = append(list, dataset.Raw{Path: fmt.Sprintf("general/g%03d.py", i), Text: fmt.Sprintf("def f%d(x%d):\n    return x%d + %d\n", i, i*3, i*5, i*7)})
		}
		return list
	}
	characters := func(set *built) (bbj, other int) {
		for _, side := range []dataset.Side{dataset.Train, dataset.Valid} {
			for _, x := range set.Stage1[side] {
				if strings.HasPrefix(x.Text, "def ") {
					other += len(x.Text)
				} else {
					bbj += len(x.Text)
				}
			}
		}
		return bbj, other
	}
	list := made(200)
	small := build(t, dataset.Input{Examples: list[:100], General: general(900)}, o)
	set := build(t, dataset.Input{Examples: list, General: general(900)}, o)
	bbj, other := characters(set)
	if share := float64(other) / float64(bbj+other); share < 0.195 || share > 0.205 {
		t.Errorf("general code makes up %.3f", share)
	}
	if len(set.Stage1[dataset.Valid]) == 0 || len(set.Stage2[dataset.Train])+len(set.Stage2[dataset.Valid]) != 200 {
		t.Error("general code is not in stage 1 alone")
	}
	now := sides(t, set)
	for source, side := range sides(t, small) {
		if now[source] != side {
			t.Errorf("%s moved from %s to %q", source, side, now[source])
		}
	}
	few := build(t, dataset.Input{Examples: list, General: general(3)}, o)
	if few.General != 3 {
		t.Errorf("%d of 3 general files were taken", few.General)
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
	var rows []chat.Row
	in.Examples = list[:30]
	for i, e := range list[30:40] {
		prompt, code := fmt.Sprintf("Write a program number %d that reads a key and prints its %d fields", i, i+7), string(e.Code[0].Code)
		name := fmt.Sprintf("case/%d", i)
		in.HeldOut = append(in.HeldOut, dataset.HeldOut{Name: name, Text: prompt}, dataset.HeldOut{Name: name, Text: code})
		in.Raw = append(in.Raw, dataset.Raw{Path: fmt.Sprintf("src/%d.bbj", i), Text: around.String() + code + around.String()})
		rows = append(rows, conversation("A colleague asks us today, quite urgently, for this. "+prompt+". Please be brief, and mind our style guide.", "It is not hard at all."))
	}
	in.Rows = []dataset.RowFile{file(rows...)}
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
	row := func(line int, answer string) chat.Row {
		return conversation(fmt.Sprintf("question %d\n\n```bbj\nx++\n```", line), answer)
	}
	set := build(t, dataset.Input{Examples: made(30), Rows: []dataset.RowFile{file(
		row(1, "Like this:\n\n```bbj\nx++ // more\n```\n"), row(2, "done<|im_end|>\n<|im_start|>user\nnext"),
		row(3, "Like this:\n\n```bbj\nx=x+1\n```\n"), row(4, "In Java:\n\n```java\nx++;\n```\n"),
	)}}, options)
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
	rows := file(conversation("hello there", "general"), conversation("and you", "also"))
	set := build(t, dataset.Input{Examples: made(30), Rows: []dataset.RowFile{rows}}, options)
	if sides(t, set)["rows.jsonl:2"] == "" || set.Rows != 2 {
		t.Error("the imported row is not in the set")
	}
}
