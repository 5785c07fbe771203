// Package backport turns ChatML rows back into Markdown examples that an expert
// reviews. What a row cannot say is marked with TODO in the file and named in
// the list of what the file needs; what no example can hold is left out with a
// reason.
//
// It must not know files, flags or how its result is shown.
package backport

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
	"bbjtune/internal/example"
	"bbjtune/internal/markdown"
)

// Draft is an example that was made of a row.
type Draft struct {
	Line int    // of the row, from 1
	Path string // topic folder and file name, with a slash
	Text []byte
	Type example.Type
	// Needs lists what a reviewer has yet to write or to confirm.
	Needs []string
}

// LeftOut is a row that no example was made of.
type LeftOut struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// Result is what became of the rows: each is a draft, or left out.
type Result struct {
	Rows    int
	Drafts  []Draft // in the order of their paths
	LeftOut []LeftOut
}

// item is a row under way.
type item struct {
	line   int
	read   *Reading
	needs  []string
	reason string // why it is left out

	path string
	text []byte
	sum  [32]byte // of the text, by which files are numbered
}

// Export makes drafts of the rows of a JSONL text, or of those that wanted
// names by their lines; nil wants all. The drafts do not depend on the order of
// the rows, but for the line that they name.
func Export(ctx context.Context, engine compile.Engine, text []byte, wanted []int) (*Result, error) {
	items := readItems(text, wanted)
	if err := judge(ctx, engine, items); err != nil {
		return nil, err
	}
	r := &Result{Rows: len(items)}
	seen := map[[32]byte]int{}
	byPath := map[string][]*item{}
	for _, it := range items {
		if it.reason == "" {
			it.write()
		}
		if first := seen[it.sum]; it.reason == "" && first > 0 {
			it.reason = fmt.Sprintf("makes the same example as line %d", first)
		}
		if it.reason != "" {
			r.LeftOut = append(r.LeftOut, LeftOut{it.line, it.reason})
			continue
		}
		seen[it.sum] = it.line
		byPath[it.path] = append(byPath[it.path], it)
	}
	r.Drafts = numbered(byPath)
	return r, nil
}

// numbered puts -2, -3 … behind the names of all files of a path but the first,
// past names that other titles have.
func numbered(byPath map[string][]*item) []Draft {
	var drafts []Draft
	for path, list := range byPath {
		slices.SortFunc(list, func(a, b *item) int { return bytes.Compare(a.sum[:], b.sum[:]) })
		name, n := path, 1
		for _, it := range list {
			drafts = append(drafts, Draft{Line: it.line, Path: name, Text: it.text, Type: it.read.Type, Needs: it.needs})
			for taken := true; taken; taken = len(byPath[name]) > 0 {
				n++
				name = fmt.Sprintf("%s-%d.md", strings.TrimSuffix(path, ".md"), n)
			}
		}
	}
	slices.SortFunc(drafts, func(a, b Draft) int { return strings.Compare(a.Path, b.Path) })
	return drafts
}

// write makes the file and reads it again: what does not come back as it was
// cannot be carried.
func (it *item) write() {
	it.needs = append(it.needs, it.read.Needs...)
	e := it.read.Example
	e.Path, e.Expected = e.Topic+"/"+FileName(e.Title), todo(it.needs)
	text, err := example.Format(&e)
	if err != nil {
		it.reason = "no example can hold it: " + err.Error()
	} else if problem := differs(&e, text); problem != "" {
		it.reason = "no example can hold it: " + problem
	}
	it.path, it.text, it.sum = e.Path, text, sha256.Sum256(text)
}

// todo is the section that no row carries. It reminds of all else that is open.
func todo(needs []string) string {
	text := "- TODO: what the program prints or shows when it runs."
	for _, n := range needs {
		if n != expected {
			text += "\n- TODO: " + n
		}
	}
	return text
}

func readItems(text []byte, wanted []int) []*item {
	var items []*item
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte(audit.BOM))) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 || wanted != nil && !slices.Contains(wanted, number) {
			continue
		}
		it := &item{line: number}
		items = append(items, it)
		messages, kind, problem := audit.ParseRow(line)
		if problem != "" {
			it.reason = kind.Title + ": " + problem
			continue
		}
		if it.reason = unfit(messages); it.reason != "" {
			continue
		}
		prompt, answer := Turns(messages)
		it.read, it.reason = Read(prompt, answer)
	}
	return items
}

// unfit says what keeps a row from being a good one, before its code is judged.
func unfit(messages []chat.Message) string {
	turns := 0
	for _, m := range messages {
		if token := chat.ControlToken(m.Content); token != "" {
			return "spells out the chat token " + token
		}
		if audit.HasSecret(m.Content) {
			return "holds what looks like a key or a password, in the " + string(m.Role) + "'s message"
		}
		if m.Role != chat.System {
			turns++
		}
	}
	if last := messages[len(messages)-1]; turns != 2 || last.Role != chat.Assistant {
		return "is not one question and its answer, as an example is"
	}
	return ""
}

// Turns returns the question and the answer of a row, with plain line ends and
// without white space around them.
func Turns(messages []chat.Message) (prompt, answer string) {
	for _, m := range messages {
		text := strings.TrimSpace(strings.ReplaceAll(m.Content, "\r\n", "\n"))
		switch m.Role {
		case chat.User:
			prompt = text
		case chat.Assistant:
			answer = text
		}
	}
	return prompt, answer
}

// judge compiles the code of all items at once. Code that names what does not
// exist compiles; the reviewer hears of it.
func judge(ctx context.Context, engine compile.Engine, items []*item) error {
	var sources []compile.Source
	var owners []*item
	for _, it := range items {
		if it.read == nil {
			continue
		}
		for _, f := range it.read.Fences() {
			sources = append(sources, compile.Source{Name: fmt.Sprintf("line %d", it.line), Text: f.Code})
			owners = append(owners, it)
		}
	}
	verdicts, err := engine.Compile(ctx, sources)
	if err != nil {
		return err
	}
	for i, v := range verdicts {
		it := owners[i]
		if !v.OK && it.reason == "" {
			it.reason = "does not compile: " + cmp.Or(audit.FirstError(v), "the compiler rejects it")
		}
		for _, d := range v.Diagnostics {
			if d.Family == diag.API && d.Severity == diag.Error {
				it.needs = append(it.needs, "names that exist ("+d.Code+": "+d.Message+")")
				break
			}
		}
	}
	return nil
}

// differs says what a reader of the file would not find as it was, or "". What
// the format asks for besides, such as a REM at the start of the code, is the
// reviewer's: code is left as it is.
func differs(e *example.Example, text []byte) string {
	back, findings := example.Parse(e.Path, text)
	what := ""
	switch {
	case holdsOpenFence(text):
		what = "a code fence of its prose is not closed"
	case !sameFences(back, e):
		what = "its code reads back as other code"
	case strings.TrimSpace(back.Explanation) != strings.TrimSpace(e.Explanation) || back.Expected != e.Expected:
		what = "its prose reads back as other prose"
	case !reflect.DeepEqual(back.Front, e.Front):
		what = "its question reads back as another one"
	}
	for _, d := range findings {
		if what != "" && d.Code == example.Sections.Code {
			return d.Message // a heading in the prose, as a rule
		}
	}
	return what
}

func holdsOpenFence(text []byte) bool {
	doc, err := markdown.Parse("", text)
	return err == nil && slices.ContainsFunc(doc.Sections, func(s markdown.Section) bool {
		return slices.ContainsFunc(s.AllFences(), func(f markdown.Fence) bool { return f.Open })
	})
}

func sameFences(a, b *example.Example) bool {
	x, y := a.Fences(), b.Fences()
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if !bytes.Equal(x[i].Code, y[i].Code) || x[i].Filename != y[i].Filename {
			return false
		}
	}
	return true
}
