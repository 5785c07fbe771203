package bbjtune_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bbjtune/bbj/check"
	"bbjtune/bbj/diag"
	"bbjtune/internal/render"
)

var update = flag.Bool("update", false, "write docs/rules anew, and the tables and outputs in docs/fine-tuning")

// The pages say what bbjtune explain says, and what the checker prints: they are
// made of the rules, never by hand.
func TestRulePagesAreFresh(t *testing.T) {
	const dir = "docs/rules"
	pages := map[string]string{"README.md": ruleIndex()}
	for _, r := range check.Rules() {
		pages[r.Code+".md"] = rulePage(t, r)
	}
	if *update {
		writePages(t, dir, pages)
	}
	for name, want := range pages {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s/%s is missing or stale (%v): run go test . -update", dir, name, err)
		}
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range there {
		if _, ok := pages[f.Name()]; !ok && !strings.HasPrefix(f.Name(), ".") {
			t.Errorf("%s/%s belongs to no rule: run go test . -update", dir, f.Name())
		}
	}
}

// writePages makes the Markdown files of the folder those that are given.
func writePages(t *testing.T, dir string, pages map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// familyWords says what a finding of the family means for the program.
var familyWords = map[diag.Family]string{
	diag.Syntax: "the compiler rejects the program, and no remark excuses it",
	diag.API:    "the compiler does not see it, and the program fails when it runs",
	diag.Style:  "the program compiles, and is worth a look all the same",
}

func ruleIndex() string {
	var b strings.Builder
	b.WriteString("# The rules of `bbjtune check`\n\n" +
		"A page for each: what it finds and why, a bad program, what the check prints for it, and the program put right.\n" +
		"`bbjtune explain CODE` shows the reason and the two programs in the terminal. Codes are never used again for anything else.\n\n")
	for _, f := range []diag.Family{diag.Syntax, diag.API, diag.Style} {
		fmt.Fprintf(&b, "- **%s**: %s.\n", f, familyWords[f])
	}
	b.WriteString("\nThese files are made of the rules by `go test . -update`.\n\n" +
		"| code | name | family | what it finds |\n| --- | --- | --- | --- |\n")
	for _, r := range check.Rules() {
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s | %s |\n", r.Code, r.Code, r.Name, r.Family, escaped(r.Title))
	}
	return b.String()
}

func rulePage(t *testing.T, r check.Rule) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n", r.Code, r.Name)
	fmt.Fprintf(&b, "- **What it finds:** %s.\n- **Why:** %s.\n", escaped(r.Title), escaped(r.Why))
	kind := map[diag.Severity]string{diag.Error: "an error", diag.Warning: "a warning"}[r.Severity]
	fmt.Fprintf(&b, "- **Family:** %s, %s: %s.\n", r.Family, kind, familyWords[r.Family])
	fmt.Fprintf(&b, "\n## Bad\n\n%s", fenced(t, "bbj", r.Bad))
	fmt.Fprintf(&b, "\n`bbjtune check bad.bbj` prints:\n\n%s", fenced(t, "text", printed(t, r.Bad)))
	fmt.Fprintf(&b, "\n## Good\n\n%s", fenced(t, "bbj", r.Good))
	if r.Family != diag.Syntax {
		fmt.Fprintf(&b, "\n## Where the finding is wrong\n\n%s", excuse(t, r))
	}
	return b.String()
}

// printed returns what the check of a file with that program prints.
func printed(t *testing.T, program string) string {
	t.Helper()
	var r render.Report
	lines := render.NewLines([]byte(program))
	for _, d := range check.Source("bad.bbj", []byte(program), check.Options{}) {
		r.Findings = append(r.Findings, render.Finding{Diagnostic: d, Source: lines.At(d.Span.Start.Line)})
	}
	var b strings.Builder
	if err := render.Findings(&b, "text", r, false); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String()) + "\n"
}

// excuse shows the bad program with a remark that silences the finding, and
// holds that it does. A finding about such a remark cannot be silenced by one.
func excuse(t *testing.T, r check.Rule) string {
	t.Helper()
	if strings.Contains(r.Bad, "bbjtune:ignore") {
		return "The finding is about the remark that silences others, and no remark excuses it: put the remark right, or remove it.\n"
	}
	lines := strings.SplitAfter(r.Bad, "\n")
	remark := "rem bbjtune:ignore " + r.Code + " say here why the line is right\n"
	program := strings.Join(slices.Insert(lines, r.BadLine-1, remark), "")
	if found := check.Source("bad.bbj", []byte(program), check.Options{}); len(found) > 0 {
		t.Errorf("%s: the remark excuses nothing: %v", r.Code, found)
	}
	return "A remark with a reason excuses it, after the statement or, standing alone, for the next line that has one:\n\n" + fenced(t, "bbj", program)
}

// escaped keeps Markdown from taking anything in the text for markup.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "<", `\<`, "|", `\|`, "&", `\&`).Replace(text)
}

// fenced puts a text into a fence, and says below what is shown otherwise than
// it is.
func fenced(t *testing.T, language, text string) string {
	t.Helper()
	if strings.Contains(text, "```") || !utf8.ValidString(text) {
		t.Fatalf("a page cannot show %q", text)
	}
	visible := strings.Map(picture, text)
	short := shortened(visible)
	block := "```" + language + "\n" + short + "```\n"
	if visible != text {
		block += "\n(Control characters are shown as their pictures.)\n"
	}
	if short != visible {
		block += "\n(The long line is shortened: … stands for what is left out.)\n"
	}
	return block
}

// picture maps a control character to the character that depicts it.
func picture(r rune) rune {
	switch {
	case r < ' ' && r != '\n' && r != '\t':
		return '␀' + r
	case r == 0x7f:
		return '␡'
	}
	return r
}

// shortened cuts the same columns out of all lines that are far too long, so
// that a mark stays below what it points to.
func shortened(text string) string {
	const most, width, head, tail = 200, 80, 24, 12
	lines, shortest := strings.SplitAfter(text, "\n"), 0
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > most && (shortest == 0 || n < shortest) {
			shortest = n
		}
	}
	for i, line := range lines {
		r := []rune(line)
		if len(r) <= most {
			continue
		}
		gap := []rune("…")
		if r[head] == ' ' {
			gap = []rune(" ")
		}
		r = slices.Concat(r[:head], gap, r[shortest-tail:])
		if len(r) > width {
			r = append(r[:width], []rune("…\n")...)
		}
		lines[i] = string(r)
	}
	return strings.Join(lines, "")
}
