package clean_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/audit"
	"bbjtune/internal/audit/audittest"
	"bbjtune/internal/chat"
	"bbjtune/internal/clean"
)

// result is what cleaning wrote, read again.
type result struct {
	clean.Counts
	Text    string // the rows that were kept, as they are written
	Kept    []chat.Row
	Removed []clean.Removed
	Changed []clean.Changed
}

// memory is a scratch space.
type memory struct{ bytes.Buffer }

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m.Bytes()).ReadAt(p, at)
}

func cleaned(t testing.TB, text string, o clean.Options) *result {
	t.Helper()
	var kept, removed, changed bytes.Buffer
	in := clean.Input{Name: "rows.jsonl", Text: strings.NewReader(text), Size: int64(len(text))}
	counts, err := clean.Clean(t.Context(), check.Embedded{}, in, clean.Output{Kept: &kept, Removed: &removed, Changed: &changed, Scratch: &memory{}}, o)
	if err != nil {
		t.Fatal(err)
	}
	r := &result{Counts: *counts, Text: kept.String(), Kept: parsed[chat.Row](t, &kept), Removed: parsed[clean.Removed](t, &removed), Changed: parsed[clean.Changed](t, &changed)}
	r.check(t)
	return r
}

// check compares the counts with what was written.
func (r *result) check(t testing.TB) {
	t.Helper()
	removed, changed := map[string]int{}, map[string]int{}
	for _, x := range r.Removed {
		removed[x.Step]++
	}
	for _, x := range r.Changed {
		changed[x.Step]++
	}
	if r.Lines != len(r.Kept)+len(r.Removed) || r.Counts.Kept != len(r.Kept) || !maps.Equal(removed, r.Counts.Removed) || !maps.Equal(changed, r.Counts.Changed) {
		t.Errorf("counts %+v, but %d kept, removed %v, changed %v", r.Counts, len(r.Kept), removed, changed)
	}
	if !slices.IsSortedFunc(r.Removed, func(a, b clean.Removed) int { return a.Line - b.Line }) ||
		!slices.IsSortedFunc(r.Changed, func(a, b clean.Changed) int { return a.Line - b.Line }) {
		t.Error("not in the order of the lines")
	}
}

func parsed[T any](t testing.TB, lines io.Reader) []T {
	t.Helper()
	var list []T
	for dec := json.NewDecoder(lines); ; {
		var one T
		err := dec.Decode(&one)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
}

func jsonl[T any](t testing.TB, rows []T) string {
	t.Helper()
	var b bytes.Buffer
	if err := chat.WriteJSONL(&b, rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func said(prompt, answer string) string {
	out, err := json.Marshal(chat.Row{Messages: []chat.Message{{Role: chat.User, Content: prompt}, {Role: chat.Assistant, Content: answer}}})
	if err != nil {
		panic(err)
	}
	return string(out)
}

// The defects of the first attempt's set are mended or set aside, every row is
// accounted for, and cleaning twice changes nothing.
func TestTheFirstAttemptsSet(t *testing.T) {
	text := jsonl(t, audittest.Generate(2))
	r := cleaned(t, text, clean.Options{})
	if r.Lines != audittest.Rows || len(r.Kept)+len(r.Removed) != r.Lines {
		t.Errorf("%d lines, %d kept, %d removed", r.Lines, len(r.Kept), len(r.Removed))
	}
	steps := map[string]int{}
	for _, c := range r.Changed {
		steps[c.Step]++
	}
	if steps["unescape"] != audittest.Escaped || steps["fence"] != audittest.Mixed+audittest.Raw {
		t.Errorf("changed %v", steps)
	}
	again := cleaned(t, r.Text, clean.Options{})
	if len(again.Changed)+len(again.Removed) > 0 || len(again.Kept) != len(r.Kept) {
		t.Errorf("cleaned again: %d changed, %d removed", len(again.Changed), len(again.Removed))
	}
	report, err := audit.Audit(t.Context(), check.Embedded{}, strings.NewReader(r.Text), audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range report.Kinds {
		if slices.Contains([]audit.Kind{audit.Repeated, audit.Conflict, audit.Escapes, audit.Unfenced, audit.TooShort, audit.Broken}, k.Kind) && k.Rows > 0 {
			t.Errorf("%d rows are still %s", k.Rows, k.Name)
		}
	}
}

// Each step by itself: what becomes of a line, and that leaving the step out
// leaves the line alone.
func TestSteps(t *testing.T) {
	const filler = "It prints the word hello on the terminal and stops."
	for _, test := range []struct {
		step     clean.Step
		line     string
		want     string // the answer afterwards, or "" for a row that is set aside
		skipping bool   // whether leaving the step out keeps the line as it was
	}{
		{clean.Parse, `{"messages":[]}`, "", false},
		{clean.Parse, said("q", "so <|im_end|>"), "", true},
		{clean.Encoding, said("q", "Die GrÃ¶ÃŸe steht in der Ãœberschrift."), "Die Größe steht in der Überschrift.", true},
		{clean.Unescape, said("q", `first line\nsecond line, in C:\new\table`), "first line\nsecond line, in C:\\new\\table", true},
		{clean.Normalise, said("q", "Like this:\r\n```BBj\r\nprint 1  \r\n```\r\n"), "Like this:\n```bbj\nprint 1\n```", true},
		{clean.Fence, said("q", "rem adds\nx=1\nprint x"), "```bbj\nrem adds\nx=1\nprint x\n```", true},
		{clean.Fence, said("q", filler+"\nx=1\n\nprint x\n\n"+filler), filler + "\n```bbj\nx=1\n\nprint x\n```\n\n" + filler, true},
		{clean.Short, said("q", "yes"), "", true},
		{clean.Compile, said("q", filler+"\n```bbj\nx++\n```"), "", true},
		{clean.Secrets, said("q", filler+"\n```bbj\npassword$=\"hunter22\"\n```"), "", true},
		{clean.HoldOut, said("What is the sum of all the odd numbers up to nineteen?", filler), "", true},
	} {
		t.Run(test.step.Name, func(t *testing.T) {
			o := clean.Options{HeldOut: []audit.HeldOut{{Name: "odd", Text: "What is the sum of all the odd numbers up to nineteen?"}}}
			r := cleaned(t, test.line, o)
			got := ""
			if len(r.Kept) == 1 {
				got = r.Kept[0].Messages[1].Content
			}
			if got != test.want {
				t.Errorf("%q, want %q; removed %+v", got, test.want, r.Removed)
			}
			for _, c := range r.Changed {
				if c.Step != test.step.Name {
					t.Errorf("changed by %s", c.Step)
				}
			}
			for _, c := range r.Removed {
				if c.Step != test.step.Name || c.Row != test.line {
					t.Errorf("removed %+v", c)
				}
			}
			o.Skip = []string{test.step.Name}
			if kept := len(cleaned(t, test.line, o).Kept) == 1; kept != test.skipping {
				t.Errorf("without the step the row is kept: %v", kept)
			}
		})
	}
}

// What says the same afterwards is repaired; what might not is left to people.
func TestWhatIsLeftAlone(t *testing.T) {
	program := "open (1)\"x\"\nloop:\nread (1,end=done)a$\nprint a$\ngoto loop\ndone:\nclose (1)"
	class := "class public Counter\nfield private BBjNumber n\nmethod public BBjNumber next()\n#n=#n+1\nmethodret #n\nmethodend\nclassend"
	filler := "It reads a file from the first line to the last one."
	for name, test := range map[string][2]string{
		"a label in code":          {filler + "\n" + program, filler + "\n```bbj\n" + program + "\n```"},
		"a class":                  {filler + "\n" + class, filler + "\n```bbj\n" + class + "\n```"},
		"code that is broken":      {filler + "\nrem adds\nx=1\nx++\nprint x", filler + "\nrem adds\nx=1\nx++\nprint x"},
		"two runs of code":         {filler + "\nx=1\n" + filler + "\ny=2", filler + "\nx=1\n" + filler + "\ny=2"},
		"another fence":            {"~~~bbj\nx=1\n~~~\n" + filler + "\ny=2", "~~~bbj\nx=1\n~~~\n" + filler + "\ny=2"},
		"a path in a string":       {filler + "\n```bbj\nopen (1)\"data\\names.dat\"\n```", filler + "\n```bbj\nopen (1)\"data\\names.dat\"\n```"},
		"a backslash in a string":  {filler + "\np=pos(\"\\\"=a$,-1)\nprint a$(p+1)", filler + "\n```bbj\np=pos(\"\\\"=a$,-1)\nprint a$(p+1)\n```"},
		"code in backquotes":       {filler + "\nIn Java it is `\\n` as ever.", filler + "\nIn Java it is `\\n` as ever."},
		"another language":         {filler + "\n```java\nString a=\"a\\n\";\n```", filler + "\n```java\nString a=\"a\\n\";\n```"},
		"an answer in one line":    {`Here is one:\n\n` + "```bbj" + `\nprint 1\n` + "```", "Here is one:\n\n```bbj\nprint 1\n```"},
		"escaped twice, and twice": {`first\\n\\nsecond, and so on`, "first\n\nsecond, and so on"},
		"carriage returns":         {`first\r\nsecond, and so on`, "first\nsecond, and so on"},
	} {
		r := cleaned(t, said("q", test[0]), clean.Options{Skip: []string{"compile"}})
		if len(r.Kept) != 1 || r.Kept[0].Messages[1].Content != test[1] {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// What is compiled of an answer is what the audit compiles.
func TestWhatMustCompile(t *testing.T) {
	const filler = "Put this into your class, before its end:\n"
	for name, test := range map[string]struct {
		answer string
		kept   bool
	}{
		"methods alone":        {filler + "```bbj\nmethod public BBjNumber next()\n#n=#n+1\nmethodret #n\nmethodend\n```", true},
		"broken methods alone": {filler + "```bbj\nmethod public BBjNumber next()\n#n++\nmethodend\n```", false},
		"a fence not marked":   {filler + "```\nrem adds\na$=\"x\"\nx=1\nx++\nprint x\n```", false},
		"another language":     {filler + "```java\nint x = 1;\nx++;\n```", true},
	} {
		if r := cleaned(t, said("q", test.answer), clean.Options{}); (len(r.Kept) == 1) != test.kept {
			t.Errorf("%s: kept %d, removed %+v", name, len(r.Kept), r.Removed)
		}
	}
}

func TestOtherKeysStay(t *testing.T) {
	line := `{"id":7,"messages":[{"role":"user","content":"q <b>"},{"role":"assistant","content":"It is closed with CLOSE."}],"source":"a&b"}`
	got := cleaned(t, "\ufeff"+line, clean.Options{}).Text
	want := `{"messages":[{"role":"user","content":"q <b>"},{"role":"assistant","content":"It is closed with CLOSE."}],"id":7,"source":"a&b"}` + "\n"
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	r := cleaned(t, strings.Replace(line, `"content":"q <b>"`, `"content":"q","name":"joe"`, 1), clean.Options{})
	if len(r.Kept) != 1 || len(r.Changed) != 1 || r.Changed[0].Step != "parse" || !strings.Contains(r.Changed[0].Before, `"name":"joe"`) {
		t.Errorf("a key of a message went without a record: %+v", r)
	}
	if r := cleaned(t, "{\"messages\":[{\"role\":\"user\",\"content\":\"gr\xf6\xdfe\"},{\"role\":\"assistant\",\"content\":\"so\"}]}", clean.Options{}); len(r.Removed) != 1 {
		t.Errorf("a line that is not UTF-8 is kept: %+v", r)
	}
}

func TestTheSamePrompt(t *testing.T) {
	good, bad, prose := "```bbj\nprint 1,2,3\n```", "```bbj\nx++\n```", "It is printed with PRINT and a list."
	other := "```bbj\nprint 1;print 2\n```"
	for _, test := range []struct {
		name    string
		answers []string
		want    string // the lines that are kept
	}{
		{"copies", []string{prose, prose, prose}, "1"},
		{"one compiles", []string{bad, good, prose}, "2"},
		{"one compiles, twice", []string{bad, good, good}, "2"},
		{"two compile", []string{good, other}, ""},
		{"none has code", []string{prose, prose + " So."}, ""},
		{"copies of broken code", []string{bad, bad}, ""},
	} {
		var lines []string
		for _, a := range test.answers {
			lines = append(lines, said("how?", a))
		}
		r := cleaned(t, strings.Join(lines, "\n"), clean.Options{})
		kept := map[int]bool{}
		for i := range lines {
			kept[i+1] = true
		}
		for _, gone := range r.Removed {
			delete(kept, gone.Line)
		}
		got := ""
		for i := range lines {
			if kept[i+1] {
				got += fmt.Sprint(i + 1)
			}
		}
		if got != test.want || len(r.Kept) != len(kept) {
			t.Errorf("%s: kept %q, want %q", test.name, got, test.want)
		}
	}
}

// Of rows with the same answer to nearly the same prompt one is kept, whatever
// their order; another answer is never lost.
func TestNearDuplicates(t *testing.T) {
	const prompt = "Write a program that opens the file of customers, reads it from the first record to the last one, prints the name and the town of each customer, and closes the file"
	fenced := "```bbj\nprint 1,2,3\n```"
	rows := []string{
		said(prompt, fenced),
		said(prompt+" please", fenced),
		said("PLEASE: "+prompt, fenced),
		said(prompt+" at once", fenced+"\nSo it is."),
		said("How are numbers printed?", fenced),
	}
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 0, 4, 1, 3}} {
		var lines []string
		for _, i := range order {
			lines = append(lines, rows[i])
		}
		r := cleaned(t, strings.Join(lines, "\n"), clean.Options{})
		var kept []string
		for _, row := range r.Kept {
			kept = append(kept, row.Messages[0].Content)
		}
		slices.Sort(kept)
		if want := []string{"How are numbers printed?", "PLEASE: " + prompt, prompt + " at once"}; !slices.Equal(kept, want) {
			t.Errorf("order %v: kept %q", order, kept)
		}
		where := slices.Index(order, 2) + 1
		for _, gone := range r.Removed {
			if gone.Step != "near-duplicates" || gone.Reason != fmt.Sprintf("line %d has the same answer to nearly the same prompt", where) {
				t.Errorf("order %v: %+v", order, gone)
			}
		}
	}
	// Copies are not its business.
	twice := said(prompt, fenced) + "\n" + said(prompt, fenced)
	if r := cleaned(t, twice, clean.Options{Skip: []string{"duplicates"}}); len(r.Kept) != 2 {
		t.Errorf("copies: %+v", r.Removed)
	}
	if r := cleaned(t, strings.Join(rows, "\n"), clean.Options{Skip: []string{"near-duplicates"}}); len(r.Kept) != 5 {
		t.Errorf("left out: %+v", r.Removed)
	}
}

// failing is a text of which nothing can be read from some byte on.
type failing struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("input/output error")

func (f failing) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.from {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(p, at)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errDisk }

// What cannot be read or written ends the work, and says where.
func TestErrors(t *testing.T) {
	text := strings.Repeat(said("q", "no")+"\n", 20000)
	run := func(ctx context.Context, text string, change func(*clean.Input, *clean.Output)) error {
		in := clean.Input{Name: "rows.jsonl", Text: strings.NewReader(text), Size: int64(len(text))}
		out := clean.Output{Kept: io.Discard, Removed: io.Discard, Changed: io.Discard, Scratch: &memory{}}
		change(&in, &out)
		_, err := clean.Clean(ctx, check.Embedded{}, in, out, clean.Options{})
		return err
	}
	err := run(t.Context(), text, func(in *clean.Input, _ *clean.Output) { in.Text = failing{in.Text, 1 << 20} })
	if !errors.Is(err, errDisk) || !strings.HasPrefix(err.Error(), "rows.jsonl: line ") {
		t.Errorf("reading: %v", err)
	}
	if err := run(t.Context(), text, func(_ *clean.Input, out *clean.Output) { out.Removed = full{} }); err != errDisk {
		t.Errorf("writing: %v", err)
	}
	fenced := strings.Replace(text, "no", "rem adds\\nx=1\\nprint x", 1)
	if err := run(t.Context(), fenced, func(_ *clean.Input, out *clean.Output) { out.Changed = full{} }); err != errDisk {
		t.Errorf("writing: %v", err)
	}
	err = run(t.Context(), said("q", strings.Repeat("x", 17<<20)), func(*clean.Input, *clean.Output) {})
	if err == nil || err.Error() != "rows.jsonl: line 1: it is longer than 16 MB" {
		t.Errorf("a long line: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, text, func(*clean.Input, *clean.Output) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// What is not UTF-8 is on record byte by byte.
func TestBytes(t *testing.T) {
	line := "{\"messages\":[{\"role\":\"user\",\"content\":\"gr\xf6\xdfe\"},{\"role\":\"assistant\",\"content\":\"so\"}]}"
	r := cleaned(t, line, clean.Options{})
	if len(r.Removed) != 1 || string(r.Removed[0].Bytes) != line {
		t.Errorf("removed %+v", r.Removed)
	}
}

// Rows in are rows kept and rows removed, and what is clean stays as it is.
func FuzzClean(f *testing.F) {
	f.Add("rem x\nx=1\nprint \\n", "GrÃ¶Ãe", "prompt")
	f.Add("text\n```\nx=1", `a\tb\"c C:\new`, "")
	f.Add("It is printed with PRINT.", "one two three four five six seven eight nine ten eleven", "One two three four five six seven eight nine ten eleven twelve")
	f.Add("x=1\n```bbj\ny=2\n```\nz=3\n`` ```", "yes", "q")
	f.Fuzz(func(t *testing.T, one, two, prompt string) {
		text := said(prompt, one) + "\n" + said(prompt, two) + "\n" + prompt + "\n" + said(prompt+" now", one) + "\n" + said(two, one)
		r := cleaned(t, text, clean.Options{})
		if len(r.Kept)+len(r.Removed) != r.Lines {
			t.Fatalf("%d lines, %d kept, %d removed", r.Lines, len(r.Kept), len(r.Removed))
		}
		again := cleaned(t, r.Text, clean.Options{})
		if len(again.Changed)+len(again.Removed) > 0 || again.Text != r.Text {
			t.Fatalf("not clean after cleaning: %+v %+v", again.Changed, again.Removed)
		}
	})
}
