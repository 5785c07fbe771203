package backport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/diag"
	"bbjtune/internal/audit/audittest"
	"bbjtune/internal/backport"
	"bbjtune/internal/chat"
	"bbjtune/internal/dataset"
	"bbjtune/internal/example"
)

func trainingData(t testing.TB) []*example.Example {
	t.Helper()
	list, findings, err := example.Load("../../training-data")
	if err != nil || len(findings) > 0 {
		t.Fatal(err, findings)
	}
	return list
}

func row(prompt, answer string) string {
	text, err := json.Marshal(chat.Row{Messages: []chat.Message{
		{Role: chat.System, Content: "You write BBj."}, {Role: chat.User, Content: prompt}, {Role: chat.Assistant, Content: answer}}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func export(t testing.TB, lines ...string) *backport.Result {
	t.Helper()
	r, err := backport.Export(context.Background(), check.Embedded{}, []byte(strings.Join(lines, "\n")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows != len(r.Drafts)+len(r.LeftOut) {
		t.Errorf("%d rows, %d written, %d left out", r.Rows, len(r.Drafts), len(r.LeftOut))
	}
	return r
}

// parse reads a draft, and lists what is wrong with it besides what its author has
// yet to fill in.
func parse(d backport.Draft) (*example.Example, []diag.Diagnostic) {
	e, findings := example.Parse(d.Path, d.Text)
	return e, slices.DeleteFunc(findings, func(x diag.Diagnostic) bool { return x.Code == example.Unfinished.Code })
}

// Markdown -> JSONL -> Markdown -> JSONL: the rows of all examples, in every
// wording, become examples that make the same rows.
func TestExportedExamplesMakeTheSameRows(t *testing.T) {
	for n := range 5 {
		var lines []string
		for _, e := range trainingData(t) {
			lines = append(lines, row(dataset.Conversation(e, n)))
		}
		r := export(t, lines...)
		if len(r.LeftOut) > 0 {
			t.Errorf("wording %d: left out %v", n, r.LeftOut)
		}
		for _, d := range r.Drafts {
			e, findings := parse(d)
			if len(findings) > 0 {
				t.Fatalf("%s: %v", d.Path, findings)
			}
			if got := row(dataset.Conversation(e, n)); got != lines[d.Line-1] {
				t.Errorf("wording %d, %s: the row becomes\n%s, want\n%s", n, d.Path, got, lines[d.Line-1])
			}
		}
	}
}

// What a row carries comes back, and what it does not is asked for.
func TestExportKeepsWhatTheRowCarries(t *testing.T) {
	list := trainingData(t)
	var lines []string
	for _, e := range list {
		lines = append(lines, row(dataset.Conversation(e, 1)))
	}
	right, certain := 0, 0
	for _, d := range export(t, lines...).Drafts {
		e := list[d.Line-1]
		got, _ := example.Parse(d.Path, d.Text)
		if got.Type != e.Type || got.ToGeneration != e.ToGeneration {
			t.Errorf("%s is taken for a %s to %q", e.Path, got.Type, got.ToGeneration)
		}
		if !slices.ContainsFunc(d.Needs, func(n string) bool { return strings.HasPrefix(n, "topic") }) {
			certain++
			if got.Topic == e.Topic {
				right++
			}
		}
		if !slices.Contains(d.Needs, "difficulty") || !slices.Contains(d.Needs, "what to expect") || !strings.Contains(string(d.Text), "- TODO: what the program prints") {
			t.Errorf("%s needs %v", d.Path, d.Needs)
		}
	}
	// A topic is a matter of taste: a program that reads a file to print its
	// longest line is about strings, or files.
	if t.Logf("%d of %d certain topics are those of the folders", right, certain); right*10 < certain*8 {
		t.Errorf("only %d of %d certain topics are those of the folders", right, certain)
	}
}

const (
	fenced  = "```bbj\nrem says hello\nprint \"hello\"\n```"
	windows = "```bbj\nrem a window\nsysgui!=BBjAPI().openSysGui(\"X0\")\nwindow!=sysgui!.addWindow(10,10,200,100,\"Name\")\n```"
	console = "```bbj\nrem ask\nprint 'cs',@(5,5),\"Name\",\ninput n$\n```"
)

// Rows in words of their own.
func TestExportReadsFreeWords(t *testing.T) {
	cases := []struct {
		name, prompt, answer string
		want                 []string // parts of the file
	}{
		{"task", "Please write a BBj program that says hello", fenced,
			[]string{"title: Says hello\ntype: completion\ngeneration: all\ndescription: Please write a BBj program that says hello\n"}},
		{"task with words around the program", "Write a program to say hello.", "Here it is:\n\n" + fenced + "\n\nPRINT ends the line.",
			[]string{"type: completion", "## Explanation\n\nHere it is:\n\nPRINT ends the line.\n"}},
		{"words that say nothing", "How is hello said?", "Here is the program:\n" + fenced, []string{"type: completion", "TODO: explain the program"}},
		{"question", "How do I say hello in BBj?", "With PRINT.\n\n" + fenced,
			[]string{"title: How to say hello\ntype: explanation", "description: How do I say hello in BBj?", "## Explanation\n\nWith PRINT.\n"}},
		{"code in the question", "Why does this work?\n" + fenced, "PRINT prints.\n\n### More\n\nThat is all.",
			[]string{"title: Says hello\ntype: comprehension", "description: Why does this work?", "## Explanation\n\nPRINT prints.\n\n### More"}},
		{"two programs", "Convert this program to the BBj GUI.\n\n" + console, windows,
			[]string{"type: migration\ngeneration: bbj-gui", "from_generation: character\nto_generation: bbj-gui", "### Before\n\n" + console, "### After\n\n" + windows, "## Expected Behavior"}},
		{"two programs for nobody knows what", "Improve this program.\n\n" + console, windows, []string{"type: completion", "description: |-\n    Improve this program.\n"}},
		{"raw code", "Say it", "rem hello\nprint \"hello\"\nend", []string{"type: completion", "```bbj\nrem hello\nprint \"hello\"\nend\n```"}},
		{"no REM", "Say it.", "```bbj\nprint 1\n```", []string{"- TODO: REM at the start of the code"}},
		{"a name that does not exist", "Say it.", "```bbj\nrem x\nw!=BBjAPI().openSysGui(\"X0\").addWindow(1,1,1,1,\"\")\nw!.sayIt()\n```", []string{"- TODO: names that exist (BBJ3001"}},
		{"another language", "How is it said?", "In Java:\n```java\nx();\n```\nIn BBj:\n\n" + fenced, []string{"- TODO: a decision on the code in another language"}},
		{"output beside the explanation", "What does this print?\n" + fenced, "It prints\n\n```text\nhello you\n```\n\nand ends.",
			[]string{"type: comprehension", "## Explanation\n\nIt prints\n\n```text\nhello you\n```\n\nand ends.\n"}},
		{"output beside a program without a mark", "How do I say hello?", "So:\n\n```\nprint \"hello\"\n```\n\nwhich prints\n\n```text\nhello you\n```",
			[]string{"type: explanation", "## Code\n\n```bbj\nprint \"hello\"\n```\n", "- TODO: a decision on the code in another language"}},
		{"CRLF", "Say hello.\r\n", strings.ReplaceAll(fenced, "\n", "\r\n"), []string{"description: Say hello.\n", fenced}},
		{"code with marks", "Say marks.", "````bbj\nrem ```\nprint \"```\"\n````", []string{"````bbj\nrem ```\nprint \"```\"\n````"}},
		{"front matter in the question", "Say it.\n---\ntitle: forged\n---\n## Code", fenced, []string{"title: Say it\n", "description: |-\n    Say it.\n    ---\n    title: forged\n    ---\n    ## Code\n---\n"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := export(t, row(c.prompt, c.answer))
			if len(r.Drafts) != 1 {
				t.Fatalf("left out: %v", r.LeftOut)
			}
			for _, part := range c.want {
				if !strings.Contains(string(r.Drafts[0].Text), part) {
					t.Errorf("%q is not in\n%s", part, r.Drafts[0].Text)
				}
			}
		})
	}
}

func TestExportSaysWhyARowIsLeftOut(t *testing.T) {
	cases := []struct{ name, line, want string }{
		{"no JSON", "x", "line that is no JSON object with messages"},
		{"empty answer", row("a", " "), "message without content"},
		{"broken code", row("Say it.", "```bbj\nrem x\nx++\n```"), "does not compile: BBJ1009 line 2"},
		{"broken code that is shown", row("What is this?\n```bbj\nx++\n```", "Not BBj."), "does not compile"},
		{"secret", row("Connect.", "```bbj\npassword$=\"hunter22\"\n```"), "holds what looks like a key or a password, in the assistant's message"},
		{"forged turn", row("Say <|im_end|>.", fenced), "spells out the chat token <|im_end|>"},
		{"code in another language alone", row("Run it.", "In a shell:\n\n```sh\nbbj hello.bbj\n```"), "holds no program"},
		{"no code", row("What is PRINT?", "A verb."), "holds no program"},
		{"mixed", row("Say it.", "You say it so, with the verb and a text:\nprint \"hello\"\nprint \"you\"\nThat is all that there is to it."), "code stands outside of a fence"},
		{"heading", row("What is this?\n"+fenced, "A program.\n\n## Notes\n\nNone."), "no example can hold it: section \"Notes\""},
		{"heading of another kind", row("What is this?\n"+fenced, "Notes\n---\n\nNone."), "no example can hold it"},
		{"fence without an end", row("What is this?\n"+fenced, "It is short for\n\n```text\nsay hello"), "no example can hold it: a code fence of its prose is not closed"},
		{"two questions", `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}`, "is not one question and its answer"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := export(t, c.line)
			if len(r.LeftOut) != 1 || !strings.Contains(r.LeftOut[0].Reason, c.want) {
				t.Errorf("got %v and %d drafts", r.LeftOut, len(r.Drafts))
			}
		})
	}
}

// The order of the rows decides nothing but the lines that are named.
func TestExportIgnoresTheOrderOfRows(t *testing.T) {
	var lines []string
	for i := range 40 {
		lines = append(lines, row(fmt.Sprintf("Say hello, number by number. %d", i/2), fmt.Sprintf("```bbj\nrem x\nprint %d\n```", i)))
	}
	lines = append(lines, row("Say hello, number by number 2.", fenced), lines[3])
	files := func() string {
		var list []string
		r := export(t, lines...)
		for _, d := range r.Drafts {
			list = append(list, d.Path+"\n"+string(d.Text))
		}
		if len(r.Drafts) != 41 || !strings.HasPrefix(r.LeftOut[0].Reason, "makes the same example as line ") {
			t.Errorf("%d drafts, left out: %v", len(r.Drafts), r.LeftOut)
		}
		paths := map[string]bool{}
		for _, d := range r.Drafts {
			paths[d.Path] = true
		}
		if len(paths) != len(r.Drafts) {
			t.Errorf("%d files for %d drafts", len(paths), len(r.Drafts))
		}
		return strings.Join(list, "\n")
	}
	want := files()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		if files() != want {
			t.Fatal("the order of the rows shows in the files")
		}
	}
}

func TestExportTakesTheLinesAskedFor(t *testing.T) {
	text := "\ufeff" + row("Say one.", fenced) + "\n\n" + row("Say two.", fenced) + "\r\n" + row("Say three.", fenced)
	r, err := backport.Export(context.Background(), check.Embedded{}, []byte(text), []int{1, 3})
	if err != nil || r.Rows != 2 || len(r.Drafts) != 2 || r.Drafts[0].Line != 1 || r.Drafts[1].Line != 3 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestFileName(t *testing.T) {
	for title, want := range map[string]string{
		"Open a window":             "open-a-window.md",
		"../../etc/passwd":          "etc-passwd.md",
		`C:\temp\x.md`:              "c-temp-x-md.md",
		"Straße & Café: don't":      "strasse-cafe-dont.md",
		"":                          "example.md",
		"日本":                        "example.md",
		"con":                       "example-con.md",
		"README":                    "example-readme.md",
		strings.Repeat("word ", 30): "word-word-word-word-word-word-word-word-word-word.md",
		strings.Repeat("x", 300):    "example.md",
	} {
		if got := backport.FileName(title); got != want {
			t.Errorf("%q gives %q, want %q", title, got, want)
		}
	}
}

var fileName = regexp.MustCompile(`^[a-z-]+/[a-z0-9]+(-[a-z0-9]+)*\.md$`)

// Whatever a row says, what is written reads as an example with the same code.
func FuzzExport(f *testing.F) {
	f.Add("Write a program that says hello.", fenced)
	f.Add("What is this?\n"+fenced, "A program.\n\n## Notes\n---\n<!--")
	f.Add("title: x\n---\n\n\"'", "a\n~~~\nprint 1\n~~~\n\n```java\n```")
	f.Add("Convert to DWC\n```\n10 print 'cs'\n```", "```bbj\n\tw!.setStyle(\"a\",\"b\") \r\n\n```")
	f.Add("What is this?\n"+fenced, "It is short for\n\n```text\nsay hello")
	f.Fuzz(func(t *testing.T, prompt, answer string) {
		for _, d := range export(t, row(prompt, answer)).Drafts {
			e, findings := parse(d)
			for _, x := range findings {
				if !strings.Contains(x.Message, "without a REM") || !slices.Contains(d.Needs, "REM at the start of the code") {
					t.Fatalf("%v in\n%s", x, d.Text)
				}
			}
			if !fileName.MatchString(d.Path) {
				t.Fatalf("path %q", d.Path)
			}
			read, reason := backport.Read(turns(prompt, answer))
			if reason != "" {
				t.Fatal(reason)
			}
			if codeOf(e) != codeOf(&read.Example) || e.Type != read.Type || strings.TrimSpace(e.Explanation) != strings.TrimSpace(read.Explanation) {
				t.Fatalf("%+v, want %+v", e, read)
			}
		}
	})
}

func turns(prompt, answer string) (string, string) {
	var r chat.Row
	if err := json.Unmarshal([]byte(row(prompt, answer)), &r); err != nil {
		panic(err)
	}
	return backport.Turns(r.Messages)
}

func codeOf(e *example.Example) string {
	var b strings.Builder
	for _, f := range e.Fences() {
		b.WriteString(f.Filename + "\n" + string(f.Code) + "\x00")
	}
	return b.String()
}

// The files of a set with the defects of the first attempt's.
func TestExportOfAGeneratedSet(t *testing.T) {
	var lines []string
	for _, r := range audittest.Generate(1) {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}
	r := export(t, lines...)
	if len(r.Drafts) < audittest.Rows*8/10 {
		t.Errorf("%d of %d rows are written", len(r.Drafts), r.Rows)
	}
	reasons := map[string]int{}
	for _, l := range r.LeftOut {
		kind, _, _ := strings.Cut(l.Reason, ":")
		if strings.HasPrefix(kind, "makes the same example as line") {
			kind = "same"
		}
		reasons[kind]++
	}
	// The prompts that occur three times all have different answers.
	const thrice = audittest.RepeatedRows - 2*audittest.Repeated
	if got, want := reasons["same"], audittest.RepeatedRows-audittest.Repeated-audittest.Conflicting-thrice; got != want {
		t.Errorf("%d rows are the same as another, want %d", got, want)
	}
	if reasons["code stands outside of a fence"] != audittest.Mixed || reasons["does not compile"] > 0 {
		t.Errorf("left out: %v", reasons)
	}
}

// All wordings of an example become one file, and it is the same whichever of
// them it was made of: Markdown -> JSONL -> Markdown.
func TestAllWordingsBecomeOneExample(t *testing.T) {
	var lines []string
	list := trainingData(t)
	for n := range 5 {
		for _, e := range list {
			lines = append(lines, row(dataset.Conversation(e, n)))
		}
	}
	r := export(t, lines...)
	if len(r.Drafts) != len(list) {
		t.Errorf("%d files for %d examples", len(r.Drafts), len(list))
	}
	var again []string
	for _, d := range r.Drafts {
		e, findings := parse(d)
		if len(findings) > 0 {
			t.Fatal(findings)
		}
		again = append(again, row(dataset.Conversation(e, 3)))
	}
	second := export(t, again...)
	for i, d := range second.Drafts {
		if d.Path != r.Drafts[i].Path || string(d.Text) != string(r.Drafts[i].Text) {
			t.Errorf("%s becomes %s:\n%s, want\n%s", r.Drafts[i].Path, d.Path, d.Text, r.Drafts[i].Text)
		}
	}
}
