package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/markdown"
	"bbjtune/internal/render"
	"bbjtune/internal/suite"
)

// How much is read before it is judged: enough to keep all cores busy, and a
// bound for the memory that a folder takes.
const (
	maxPending      = 512
	maxPendingBytes = 32 << 20
)

// checking collects the findings of many files. Of their text only the lines
// that findings point to are kept.
type checking struct {
	ctx        context.Context
	judge      judge
	only       diag.Family // "" for all
	extensions []string    // of the BBj files of a folder

	seen     map[string]bool
	others   map[string]int // files of other extensions, by extension
	files    int
	programs int
	gaps     int // cases whose answers are parts of a program
	findings []render.Finding

	pending []program
	bytes   int

	likes likes
}

// program is a source that waits to be judged.
type program struct {
	compile.Source
	doc   []byte // the file it stands in
	above int    // how many lines of that file stand above it
	left  int    // how many bytes stand left of it
}

func (c *checking) path(path string, in io.Reader) error {
	if path == "-" {
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		c.files++
		return c.program(program{Source: compile.Source{Name: "<stdin>", Text: text}, doc: text})
	}
	info, err := os.Stat(path)
	if err != nil {
		return fault.Wrap(fmt.Errorf("nothing to check: %w", err), "name BBj files, Markdown examples or folders")
	}
	if !info.IsDir() {
		return c.file(path, true)
	}
	// Over a DirFS, so that a folder that is a link is followed.
	return fs.WalkDir(os.DirFS(path), ".", func(rel string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && rel != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir // of version control, editors and the like
		case !d.Type().IsRegular() || !c.checkable(rel):
			return nil
		}
		return c.file(filepath.Join(path, filepath.FromSlash(rel)), false)
	})
}

// checkable says which files of a folder are looked at, and counts the others.
func (c *checking) checkable(path string) bool {
	switch e := strings.ToLower(filepath.Ext(path)); {
	case slices.Contains(c.extensions, e):
		return true
	case e != ".md":
		c.others[e]++
		return false
	}
	return !slices.Contains([]string{"README.md", "FORMAT.md", "CONTRIBUTING.md"}, filepath.Base(path))
}

// instead names what lies there in place of files to check, or nothing.
func (c *checking) instead() string {
	if len(c.others) == 0 {
		return ""
	}
	return ", but " + mostOf(c.others)
}

// file reads a file, once however often it is named. Other documents lie in
// folders of source, too: Markdown without front matter is an example or a case
// only where those lie, or to whom names it.
func (c *checking) file(path string, named bool) error {
	full := abs(path)
	if c.seen[full] {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	isMarkdown := strings.ToLower(filepath.Ext(path)) == ".md"
	hasFront := bytes.HasPrefix(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), []byte("---"))
	if isMarkdown && !named && !hasFront && !isCase(path) && !slices.Contains(example.Topics(), filepath.Base(filepath.Dir(full))) {
		return nil
	}
	c.seen[full] = true
	c.files++
	if !isMarkdown {
		return c.program(program{Source: compile.Source{Name: path, Text: text}, doc: text})
	}
	return c.markdown(path, text)
}

// markdown checks a document: an evaluation case by its own rules and its
// reference, an example by its format and every fence.
func (c *checking) markdown(path string, text []byte) error {
	var fences []markdown.Fence
	var findings []diag.Diagnostic
	if isCase(path) {
		var gap bool
		if fences, gap, findings = reference(path, text); gap {
			c.gaps++
		}
	} else {
		var e *example.Example
		e, findings = example.Parse(filepath.ToSlash(path), text)
		fences = slices.Concat(e.Fences(), e.Snippets)
		unfinished := func(d diag.Diagnostic) bool { return d.Code == example.Unfinished.Code }
		if c.seeksDuplicates() && !slices.ContainsFunc(findings, unfinished) { // skeletons are alike
			c.likes.add(path, text, e)
		}
	}
	for i := range findings {
		findings[i].File = path
	}
	if !c.judge.compares {
		c.add(findings, text)
	}
	for _, f := range fences {
		if err := c.program(program{compile.Source{Name: path, Text: f.Code}, text, f.Line - 1, f.Indent}); err != nil {
			return err
		}
	}
	return nil
}

// isCase tells an evaluation case by its place: below the folder cases of a
// suite, which has a suite.yaml beside it.
func isCase(path string) bool {
	for dir := filepath.Dir(abs(path)); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if filepath.Base(dir) == "cases" && exists(filepath.Join(filepath.Dir(dir), "suite.yaml")) {
			return true
		}
	}
	return false
}

// reference returns the code of an evaluation case's reference answer, unless it
// belongs into a gap, or what is wrong with the case.
func reference(path string, text []byte) (fences []markdown.Fence, gap bool, wrong []diag.Diagnostic) {
	doc, err := markdown.Parse(path, text)
	var one *suite.Case
	if err == nil {
		one, err = suite.ParseCase(filepath.ToSlash(path), path, text)
	}
	switch {
	case err != nil:
		return nil, false, []diag.Diagnostic{suite.Finding(path, err)}
	case one.Prefix+one.Suffix != "":
		return nil, true, nil
	}
	s, _ := doc.Section("Reference")
	return s.AllFences(), false, nil
}

// program takes a source in, and has what waits judged when it is enough.
func (c *checking) program(p program) error {
	c.programs++
	c.pending = append(c.pending, p)
	c.bytes += len(p.doc)
	if len(c.pending) < maxPending && c.bytes < maxPendingBytes {
		return nil
	}
	return c.flush()
}

// flush has the waiting programs judged and lets go of their text.
func (c *checking) flush() error {
	sources := make([]compile.Source, len(c.pending))
	for i, p := range c.pending {
		sources[i] = p.Source
	}
	lists, err := c.judge.find(c.ctx, sources)
	if err != nil {
		return err
	}
	for i, p := range c.pending {
		c.add(moved(lists[i], p.above, p.left), p.doc)
	}
	c.pending, c.bytes = nil, 0
	return nil
}

// moved puts the findings of a program in a document where they are there.
func moved(list []diag.Diagnostic, above, left int) []diag.Diagnostic {
	move := func(s *diag.Span) {
		for _, at := range []*diag.Pos{&s.Start, &s.End} {
			at.Line, at.Col = at.Line+above, at.Col+left
		}
	}
	for i := range list {
		move(&list[i].Span)
		for j := range list[i].Related {
			move(&list[i].Related[j].Span)
		}
	}
	return list
}

// add keeps the findings of the families asked for, each with its line of the
// file. Findings on one line share its text.
func (c *checking) add(list []diag.Diagnostic, doc []byte) {
	lines := render.NewLines(doc)
	number, line := 0, ""
	for _, d := range list {
		if c.only != "" && d.Family != c.only {
			continue
		}
		if d.Span.Start.Line != number {
			number = d.Span.Start.Line
			line = lines.At(number)
		}
		c.findings = append(c.findings, render.Finding{Diagnostic: d, Source: line})
	}
}
