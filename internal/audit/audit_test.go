package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/audit"
	"bbjtune/internal/audit/audittest"
	"bbjtune/internal/chat"
)

func audited(t testing.TB, text string, o audit.Options) *audit.Report {
	t.Helper()
	r, err := audit.Audit(t.Context(), check.Embedded{}, strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func jsonl(t testing.TB, rows []chat.Row) string {
	t.Helper()
	var b bytes.Buffer
	if err := chat.WriteJSONL(&b, rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func count(r *audit.Report, k audit.Kind) int {
	for _, c := range r.Kinds {
		if c.Code == k.Code {
			return c.Rows
		}
	}
	return -1
}

// Each defect of the first attempt's set is found at its own count.
func TestTheFirstAttemptsDefects(t *testing.T) {
	for _, seed := range []uint64{1, 77} {
		r := audited(t, jsonl(t, audittest.Generate(seed)), audit.Options{})
		want := map[string]int{
			"rows": audittest.Rows, "valid": audittest.Rows, "systems": 1,
			"repeated": audittest.Repeated, "rows with repeated": audittest.RepeatedRows, "conflicting": audittest.Conflicting,
			"text": audittest.Text, "mixed": audittest.Mixed, "raw": audittest.Raw, "fenced": audittest.Rows - audittest.Text - audittest.Mixed - audittest.Raw,
			"at most 10": audittest.AtMost10, "under 50": audittest.Under50, "over 1000": audittest.Over1000,
			"median": audittest.Median, "longest": audittest.Longest, "escapes": audittest.Escaped, "broken": 0, "one system": 1,
		}
		got := map[string]int{
			"rows": r.Rows, "valid": r.Valid, "systems": r.Systems,
			"repeated": r.Prompts.Repeated, "rows with repeated": r.Prompts.Rows, "conflicting": r.Prompts.Conflicting,
			"text": r.Forms[audit.Text], "mixed": r.Forms[audit.Mixed], "raw": r.Forms[audit.Raw], "fenced": r.Forms[audit.Fenced],
			"at most 10": r.Answers.AtMost10, "under 50": r.Answers.Under50, "over 1000": r.Answers.Over1000,
			"median": r.Answers.Median, "longest": r.Answers.Longest, "escapes": count(r, audit.Escapes), "broken": count(r, audit.Broken), "one system": count(r, audit.OneSystem),
		}
		for name, n := range want {
			if got[name] != n {
				t.Errorf("seed %d: %s: %d, want %d", seed, name, got[name], n)
			}
		}
		if wrong := reconciled(r); wrong != "" {
			t.Errorf("seed %d: %s", seed, wrong)
		}
		if n := count(r, audit.Repeated) + count(r, audit.Conflict); n != audittest.RepeatedRows {
			t.Errorf("seed %d: %d rows are repeated or conflict, want %d", seed, n, audittest.RepeatedRows)
		}
	}
}

// The report does not depend on the number of cores.
func TestCoresDoNotShow(t *testing.T) {
	text := jsonl(t, audittest.Generate(3)[:2000])
	var reports []string
	for _, cores := range []int{1, 4, 7} {
		old := runtime.GOMAXPROCS(cores)
		out, err := json.Marshal(audited(t, text, audit.Options{}))
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, string(out))
	}
	if reports[0] != reports[1] || reports[1] != reports[2] {
		t.Error("the number of cores shows in the report")
	}
}

func said(prompt, answer string) string {
	out, err := json.Marshal(chat.Row{Messages: []chat.Message{{Role: chat.User, Content: prompt}, {Role: chat.Assistant, Content: answer}}})
	if err != nil {
		panic(err)
	}
	return string(out)
}

const filler = "This explains in enough words what the program does and why."

func bbj(code string) string { return filler + "\n\n```bbj\n" + code + "\n```" }

// Every kind of defect of one row, and what only looks like it.
func TestKindsOfOneRow(t *testing.T) {
	for _, test := range []struct {
		kind audit.Kind
		line string
		want bool
	}{
		{audit.NotJSON, `{"messages":`, true},
		{audit.NotJSON, `{"text":"x"}`, true},
		{audit.NotJSON, said("a", filler) + "{}", true},
		{audit.NotJSON, said("a", filler), false},
		{audit.NotJSON, `{"messages":[{"role":"user","content":"a","content":"b"},{"role":"assistant","content":"c"}]}`, true},
		{audit.NotJSON, `{"messages":[{"role":"user","content":"a","cont\u0065nt" : "b"},{"role":"assistant","content":"c"}]}`, true},
		{audit.NotJSON, said("a", filler+"#") + " ", false},
		{audit.NotJSON, strings.Replace(said("a", filler+"#"), "#", `\ud800`, 1), true},
		{audit.NotJSON, strings.Replace(said("a", filler+"#"), "#", `\uDC00 x`, 1), true},
		{audit.NotJSON, strings.Replace(said("a", filler+"#"), "#", `\ud83d\ude00`, 1), false},
		{audit.NotJSON, strings.Replace(said("a", filler+"#"), "#", `\\ud800 \u00e4`, 1), false},
		{audit.NotJSON, `{"messages":[],"Messages":[{"role":"user","content":"a"},{"role":"assistant","content":"c"}]}`, true},
		{audit.NotJSON, `{"id":7,"source":{"id":8,"content":"x"},"messages":[{"role":"user","content":"a \\","name":"content"},{"role":"assistant","content":"c: \"content\": {"}]}`, false},
		{audit.Roles, `{"messages":[{"role":"bot","content":"x"}]}`, true},
		{audit.Roles, `{"messages":[{"role":"user","content":"x"}]}`, true},
		{audit.Roles, `{"messages":[{"role":"user","content":"x"},{"role":"user","content":"y"},{"role":"assistant","content":"z"}]}`, true},
		{audit.Empty, said("a", "  \n"), true},
		{audit.ControlToken, said("a <|im_end|>", filler), true},
		{audit.Encoding, said("GrÃ¶Ãe", filler), true},
		{audit.Encoding, said("StraÃŸe", filler), true},
		{audit.Encoding, said("Ãœbersicht", filler), true},
		{audit.Encoding, said("so â€” it is", filler), true},
		{audit.Encoding, said("Größe, naïve, Ärger, âge, São, Åse", filler), false},
		{audit.Encoding, said("The letters „Ä“, “Å”, »Ã« and ’Â’.", filler), false},
		{audit.Encoding, said("das kleine ä und das große Ä“", filler), true},
		{audit.Encoding, said("„labÄ“t“", filler), true},
		{audit.Encoding, said("â€žlabÄ“", filler), true},
		{audit.NotJSON, strings.Replace(said("xyz", filler), "xyz", "gr\xf6", 1), true},
		{audit.Escapes, said("a", `first\nsecond`), true},
		{audit.Escapes, said("a", `say \"hello\"`), true},
		{audit.Escapes, said("a", "Here is an example:\\n\\n```bbj\\nprint 1\\n```"), true},
		{audit.Escapes, said("a", `one\\n\\ntwo`), true},
		{audit.Escapes, said("a", bbj(`open (1)"data\names.dat"`)), false},
		{audit.Escapes, said("a", filler+"\nIn Java one writes `\\n` for it."), false},
		{audit.Escapes, said("a", "rem the name of a file\np=pos(\"\\\"=path$,-1)\nprint path$(p+1)"), false},
		{audit.Escapes, said("a", "This strips it:\n\nwhile pos(\"\\\"=a$)\n  a$=a$(pos(\"\\\"=a$)+1)\nwend\ns! = s!.replaceAll(\"\\n\",\"\")"), false},
		{audit.Escapes, said("a", "rem print the way\nprint \"a way\",\n:\"C\\\",x$"), false},
		{audit.Escapes, said("a", `p=pos("\"=path$)`), false},
		{audit.Escapes, said("a", "Look for the last one with `pos(\"\\\"=path$,-1)`, which is all."), false},
		{audit.Escapes, said("a", "The program:\nprint \"a\"\\nprint \"b\""), true},
		{audit.Escapes, said("a", `open the file C:\new\table.txt, please, and read it`), false},
		{audit.Unfenced, said("a", "rem adds\nx=1\nx=x+1\nprint x"), true},
		{audit.Unfenced, said("a", filler+"\nprint \"hello\"\nx=5\n"+filler), true},
		{audit.Unfenced, said("a", "```bbj\nx=1\n```\nand then\ny=2\nprint y"), true},
		{audit.Unfenced, said("a", bbj("x=1")), false},
		{audit.Unfenced, said("a", filler), false},
		{audit.Unfenced, said("a", "Return to the menu. Print the total, and then end.\nUse it."), false},
		{audit.TooShort, said("a", "yes"), true},
		{audit.Short, said("a", "yes, that is so"), true},
		{audit.Long, said("a", strings.Repeat(filler+" ", 20)), true},
		{audit.Broken, said("a", bbj("x++")), true},
		{audit.Broken, said("a", bbj("x=x+1")), false},
		{audit.Broken, said("a", filler+"\n```java\nx++;\n```"), false},
		{audit.Broken, said("a", filler+"\n```\nrem hello\nx$=\"a\"\nx++\nprint x$\n```"), true},
		{audit.Broken, said("a", filler+"\n```\nrem hello\nx$=\"a\"\nprint x$\n```"), false},
		{audit.Broken, said("a", filler+"\n```\nimport os\nx = f(1)\nx += 1\nprint(x)\n```"), false},
		{audit.Broken, said("a", filler+"\n```\n$ bbj -q menu.bbj\nThe sum is 12!\n```"), false},
		{audit.Broken, said("a", filler+"\nrem hello\nx=1\nx++\nprint \"a\",x\nend"), true},
		{audit.Broken, said("a", filler+"\nrem hello\nx=1\nprint \"a\",x\nend\n"+filler), false},
		{audit.Broken, said("a", bbj("x=1")+"\nAnd then:\ny=1\ny++\nz=y\n\nThat is all."), true},
		{audit.Broken, said("a", filler+"\nx=1\nand then you set\ny=2"), false},
		{audit.Broken, said("a", bbj("method public void click()\n#count=#count+1\n#helper(1)\nmethodend")), false},
		{audit.Broken, said("a", bbj("rem of the class\nfield private BBjNumber count\n\nmethod public void click()\n#count=#count+1\nmethodend\nrem and used so:\nx!=new Counter()")), false},
		{audit.Broken, said("a", bbj("method public void click()\nx++\nmethodend")), true},
		{audit.Broken, said("a", bbj("method public void click()\nx=1")), true},
		{audit.Fabricated, said("a", bbj("method public void click()\n#helper(1)\nmethodend")), false},
		{audit.Fabricated, said("a", bbj("method public void show()\nw!=BBjAPI().openSysGui(\"X0\").addWindow(1,2,3,4,\"t\")\nw!.dockLeft()\nmethodend")), true},
		{audit.Broken, said("a", bbj(strings.Repeat("x=1\n", audit.MaxCode/4)+"x++")), false},
		{audit.Fabricated, said("a", bbj(`BBjAPI().openSysGui("X0").addWindow(1,2,3,4,"t").dockLeft()`)), true},
		{audit.OtherGeneration, said("write it for character mode", bbj(`w!=BBjAPI().openSysGui("X0").addWindow(1,2,3,4,"t")`)), true},
		{audit.OtherGeneration, said("write it for character mode", bbj("print 'CS',@(0,0)")), false},
		{audit.OtherGeneration, said("write it for the DWC", bbj("x=1\nprint 'CS',@(0,0)")), true},
		{audit.OtherGeneration, said("write it for the DWC", bbj("x=1\nprint x")), false},
		{audit.OtherGeneration, said("a window in the DWC", bbj(`w!=BBjAPI().openSysGui("X0").addWindow(1,2,3,4,"t")`)), false},
		{audit.Broken, said("a", bbj("goto done")+"\nand then\n```bbj\ndone: end\n```"), false},
		{audit.OtherGeneration, said("from character mode to the DWC", bbj("print 'CS',@(0,0)")), false},
		{audit.Secret, said("a", bbj(`password$="hunter22"`)), true},
		{audit.Secret, said("a", bbj(`password$="your-password"`)), false},
		{audit.Secret, said("a", bbj(`password$="your-password"`)+bbj(`password$="hunter22"`)), true},
		{audit.Secret, said("a", bbj(`sqlopen (1,mode="USER=sa,PASSWORD=Hunter22")"db"`)), true},
		{audit.Secret, said("a", "the key pk_customerorderlineitemhistory of the table"), false},
		{audit.Secret, said("a", "-----BEGIN RSA PRIVATE KEY-----"), true},
		{audit.Secret, said("a", `so: {"password": "hunter22"}`), true},
		{audit.Secret, said("a", `so: {"password": "change-me"}`), false},
		{audit.Secret, said("a", `so: password$=\"hunter22\"\nend`), true},
		{audit.Secret, said("a", "the key is SK-ABCDEFGHIJKLMNOPQRSTUVWX"), false},
		{audit.Secret, said("a", "the keys sk-abcdefghijklmnopqrstuvwx, AKIAABCDEFGHIJKLMNOP"), true},
		{audit.Personal, said("ask joe.smith@acme.de", filler), true},
		{audit.Personal, said("ask joe@example.com", filler), false},
		{audit.Personal, said("git@github.com:a/b and sftp://joe@files.acme.de/x", filler), false},
		{audit.Contaminated, said("Show the days that are left until the end of this very year, please.", filler), true},
		{audit.Truncated, said("a", strings.Repeat("word ", 200)), true},
		{audit.Truncated, said("a", filler), false},
	} {
		o := audit.Options{
			Tokens: func(_ int, text string) int { return len(strings.Fields(text)) }, MaxTokens: 150,
			HeldOut: []audit.HeldOut{{Name: "dates/left", Text: "Show the days that are left until the end of this very year, please."}},
		}
		if got := count(audited(t, test.line+"\n", o), test.kind) > 0; got != test.want {
			t.Errorf("%s: %v, want %v: %s", test.kind.Name, got, test.want, test.line)
		}
	}
}

// What a row is instead of a row is said in words, not in those of Go.
func TestWhatIsNoRowIsSaid(t *testing.T) {
	for line, want := range map[string]string{
		`[1]`:                                 "the line is an array, where an object is wanted",
		`"x"`:                                 "the line is a string, where an object is wanted",
		`{"messages":7}`:                      `"messages" is a number, where a list is wanted`,
		`{"messages":[7]}`:                    `"messages" is a number, where an object is wanted`,
		`{"messages":[{"content":[]}]}`:       `"messages.content" is an array, where text is wanted`,
		`{"messages":[{"content":"\ud800"}]}`: `\ud800 is half a character`,
		`{"messages":[`:                       "the object has no end",
	} {
		if _, _, got := audit.ParseRow([]byte(line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestRowsAreCompared(t *testing.T) {
	long := "explain how a keyed file is read from the first record to the last one in the order of its keys"
	lines := []string{
		said("one question", filler+" A"), said("one question", filler+" A"),
		said("another question", filler+" B"), said("another question", filler+" C"),
		said(long, filler+" D"), said(long+" please", filler+" E"), "", said("alone", filler+" F"),
	}
	r := audited(t, strings.Join(lines, "\n"), audit.Options{})
	got := ""
	for _, f := range r.Found {
		got += fmt.Sprintf("%s %d; ", f.Code, f.Line)
	}
	want := "DA201 1; DA201 2; DA202 3; DA202 4; DA203 6; "
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	prompts := audit.Prompts{Distinct: 5, Repeated: 2, Rows: 4, Conflicting: 1, Times: []audit.Times{{Times: 1, Prompts: 3}, {Times: 2, Prompts: 2}}}
	if r.Rows != 7 || r.Clean != 2 || r.Systems != 0 || !reflect.DeepEqual(r.Prompts, prompts) {
		t.Errorf("%d rows, %d clean, %+v", r.Rows, r.Clean, r.Prompts)
	}
}

func TestKindsHaveCodesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range audit.Kinds() {
		if seen[k.Code] || seen[k.Name] || k.Title == "" || k.Why == "" || k.Help == "" {
			t.Errorf("%+v", k)
		}
		seen[k.Code], seen[k.Name] = true, true
		if found, ok := audit.Lookup(k.Code); !ok || found != k {
			t.Errorf("%s is not found", k.Code)
		}
	}
	if _, ok := audit.Lookup("DA999"); ok {
		t.Error("DA999 exists")
	}
}

// reconciled tells by which of its equations a report does not add up.
func reconciled(r *audit.Report) string {
	forms, times, prompts := 0, 0, 0
	for _, n := range r.Forms {
		forms += n
	}
	for _, t := range r.Prompts.Times {
		times, prompts = times+t.Times*t.Prompts, prompts+t.Prompts
	}
	lengths := 0
	for _, b := range r.Answers.Lengths {
		lengths += b.Rows
	}
	found := map[string]int{}
	for _, f := range r.Found {
		found[f.Code]++
	}
	for _, k := range r.Kinds {
		if k.Rows != len(k.Lines) || k.Findings < k.Rows || found[k.Code] != min(k.Findings, r.Detailed) || !slices.IsSorted(k.Lines) {
			return fmt.Sprintf("%s: %d rows, %d lines, %d findings, %d of them said", k.Code, k.Rows, len(k.Lines), k.Findings, found[k.Code])
		}
	}
	unreadable := count(r, audit.NotJSON) + count(r, audit.Roles) + count(r, audit.Empty)
	switch {
	case r.Rows != r.Valid+unreadable || r.Unreadable() != unreadable:
		return fmt.Sprintf("%d rows, %d valid, %d unreadable", r.Rows, r.Valid, unreadable)
	case r.Valid != forms || r.Valid != times || r.Valid != lengths:
		return fmt.Sprintf("%d valid, %d by form, %d by prompt, %d by length", r.Valid, forms, times, lengths)
	case r.Prompts.Distinct != prompts:
		return fmt.Sprintf("%d prompts, %d by times", r.Prompts.Distinct, prompts)
	case r.Rows != r.Worst.None+r.Worst.Notes+r.Worst.Warnings+r.Worst.Errors || r.Clean != r.Worst.None+r.Worst.Notes:
		return fmt.Sprintf("%d rows, %d clean, %+v", r.Rows, r.Clean, r.Worst)
	case r.HasErrors() != (r.Worst.Errors > 0):
		return "errors"
	}
	return ""
}

// Of a kind that all rows have, the report says all lines and details of some.
func TestManyFindingsAreBounded(t *testing.T) {
	const rows = audit.Detailed + 500
	var text strings.Builder
	for i := range rows {
		text.WriteString(said(fmt.Sprint("question ", i), "no") + "\n")
	}
	fmt.Fprintf(&text, `{"messages":[{"role":"%s","content":"x"}]}`, strings.Repeat("bot", 10_000))
	r := audited(t, text.String(), audit.Options{})
	if wrong := reconciled(r); wrong != "" || count(r, audit.TooShort) != rows || len(r.Found) != audit.Detailed+1 {
		t.Errorf("%s; %d too short, %d found", wrong, count(r, audit.TooShort), len(r.Found))
	}
	if last := r.Found[len(r.Found)-1]; last.Line != rows+1 || len(last.Detail) > 400 {
		t.Errorf("line %d: %d bytes", last.Line, len(last.Detail))
	}
}

func TestTokensAreCounted(t *testing.T) {
	o := audit.Options{Tokens: func(_ int, text string) int { return len(strings.Fields(text)) }, MaxTokens: 20}
	r := audited(t, said("a", "one two three")+"\n"+said("b", strings.Repeat("word ", 30))+"\nnot a row", o)
	sum := 0
	for _, b := range r.Tokens.Lengths {
		sum += b.Rows
	}
	if r.Tokens.Over != 1 || r.Tokens.Max != 20 || r.Tokens.Longest < 30 || sum != 2 {
		t.Errorf("%+v", r.Tokens)
	}
}

// What is written in blocks is of one seed after the other, and has no defect beside those.
func TestBlocksOfRows(t *testing.T) {
	var text bytes.Buffer
	if err := audittest.Write(&text, 5, audittest.Rows+100); err != nil {
		t.Fatal(err)
	}
	r := audited(t, text.String(), audit.Options{})
	if wrong := reconciled(r); wrong != "" || r.Rows != audittest.Rows+100 || count(r, audit.Broken) != 0 {
		t.Errorf("%s; %d rows", wrong, r.Rows)
	}
	var again bytes.Buffer
	if err := audittest.Write(&again, 6, 100); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(text.Bytes(), again.Bytes()) {
		t.Error("the second block is not the beginning of that of the next seed")
	}
}

func FuzzAudit(f *testing.F) {
	f.Add(said("a", bbj("x=1")))
	f.Add(said("a", "x=1\ny$=\"b\"\nz++") + "\n" + said("a", "```\nrem hello\n") + "\n\n{")
	f.Add(`{"messages":[{"role":"user","content":"\ud800"},{"role":"assistant","content":"` + "```" + `"}]}`)
	f.Add(`{"a":{"b":"}","b":[{}]}}` + "\xff\n" + `{"messages":[{"role":"bot","content":"password=\"hunter22"` + "\n\xef\xbb\xbf" + "method public x")
	f.Fuzz(func(t *testing.T, text string) {
		r := audited(t, text, audit.Options{HeldOut: []audit.HeldOut{{Name: "one", Text: "a case that is held out"}}})
		if wrong := reconciled(r); wrong != "" {
			t.Fatal(wrong)
		}
		for _, found := range r.Found {
			if found.Line < 1 || found.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("%+v", found)
			}
			found.Excerpt(strings.NewReader(text))
		}
		old := runtime.GOMAXPROCS(1)
		one := audited(t, text, audit.Options{HeldOut: []audit.HeldOut{{Name: "one", Text: "a case that is held out"}}})
		runtime.GOMAXPROCS(4)
		four := audited(t, text, audit.Options{HeldOut: []audit.HeldOut{{Name: "one", Text: "a case that is held out"}}})
		runtime.GOMAXPROCS(old)
		if !reflect.DeepEqual(one, four) || !reflect.DeepEqual(one, r) {
			t.Fatal("the number of cores shows")
		}
	})
}

func BenchmarkAudit(b *testing.B) {
	text := jsonl(b, audittest.Generate(1))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		audited(b, text, audit.Options{})
	}
}
