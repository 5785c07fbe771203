package example

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/markdown"
)

func (p *parser) readCode(doc *markdown.Document, e *Example) {
	for _, s := range doc.Sections {
		for _, f := range s.AllFences() {
			if f.Open {
				p.report(Code, onLine(f.Line-1), "code fence is not closed, and holds the rest of the file")
			}
		}
		if !strings.EqualFold(s.Title, "Code") {
			e.Snippets = append(e.Snippets, slices.DeleteFunc(s.AllFences(), func(f markdown.Fence) bool { return f.Lang != "bbj" })...)
		}
	}
	s, ok := doc.Section("Code")
	if !ok {
		p.report(Sections, onLine(1), "section \"## Code\" is missing")
		return
	}
	if e.Type == Migration {
		p.readSides(s, e)
		p.checkProgram(e.Before, Generations{e.FromGeneration}, "from_generation")
		p.checkProgram(e.After, Generations{e.ToGeneration}, "to_generation")
		if !slices.Contains(e.Generation, e.FromGeneration) && !slices.Contains(e.Generation, e.ToGeneration) {
			p.checkGeneration(e.After, e.Generation, "generation")
		}
	} else {
		for _, sub := range s.Subsections {
			if isSide(sub.Title, "before") || isSide(sub.Title, "after") {
				p.report(Sections, onLine(sub.Line), "%q is for migrations only", "### "+sub.Title)
			}
		}
		e.Code = s.AllFences()
		p.checkProgram(e.Code, e.Generation, "generation")
	}
	if len(s.AllFences()) == 0 {
		p.report(Code, onLine(s.Line), "section \"## Code\" holds no code fence")
	}
}

// readSides reads the code of a migration.
func (p *parser) readSides(s markdown.Section, e *Example) {
	for _, f := range s.Fences {
		p.report(Code, onLine(f.Line-1), "the code of a migration stands under \"### Before\" and \"### After\"")
	}
	var before, after []markdown.Section
	for _, sub := range s.Subsections {
		switch {
		case isSide(sub.Title, "before") && len(before)+len(after) == 0:
			before = append(before, sub)
		case isSide(sub.Title, "after") && len(after) == 0:
			after = append(after, sub)
		case isSide(sub.Title, "before") || isSide(sub.Title, "after"):
			p.report(Sections, onLine(sub.Line), "%q stands in the wrong place", "### "+sub.Title)
		default:
			p.report(Sections, onLine(sub.Line), "%q is not part of a migration", "### "+sub.Title)
		}
	}
	e.Before, e.After = p.side(s, before, "### Before"), p.side(s, after, "### After")
}

// isSide reports whether a title is the word, perhaps with a remark in brackets.
func isSide(title, word string) bool {
	title = strings.ToLower(title)
	return title == word || strings.HasPrefix(title, word+" (")
}

func (p *parser) side(s markdown.Section, found []markdown.Section, name string) []markdown.Fence {
	if len(found) == 0 {
		p.report(Sections, onLine(s.Line), "a migration needs %q", name)
		return nil
	}
	fences := found[0].AllFences()
	if len(fences) == 0 && len(s.AllFences()) > 0 {
		p.report(Code, onLine(found[0].Line), "%q holds no code fence", "### "+found[0].Title)
	}
	return fences
}

// checkProgram checks the files of a program that the key of the front matter says
// to be written for the declared generations.
func (p *parser) checkProgram(files []markdown.Fence, declared Generations, key string) {
	for _, f := range files {
		p.checkFence(f)
	}
	p.checkFiles(files)
	p.checkGeneration(files, declared, key)
}

// checkGeneration compares what a program is written for with what is declared. A
// name that is not known has been reported in the front matter.
func (p *parser) checkGeneration(files []markdown.Fence, declared Generations, key string) {
	for _, g := range declared {
		if g != generation.All && !slices.Contains(generation.Known(), g) {
			return
		}
	}
	programs, ok := parsed(files)
	if !ok {
		return
	}
	if i, s, ok := generation.Contradiction(declared, programs...); ok {
		p.report(Generation, inFence(files[i], programs[i].DiagSpan(s.At)), "%s is of %s, and %s says %s", quoted(s.What), s.Generation, key, strings.Join(names(declared), ", "))
	}
}

// quoted shows a name of the code.
func quoted(what string) string { return "`" + what + "`" }

// parsed are the programs in fences, ok when each is one without errors.
func parsed(files []markdown.Fence) (programs []*syntax.Program, ok bool) {
	for _, f := range files {
		p := syntax.Parse(f.Code)
		if len(p.Errors) > 0 {
			return nil, false
		}
		programs = append(programs, p)
	}
	return programs, len(programs) > 0
}

// inFence is the place in the file of a place in the code of a fence.
func inFence(f markdown.Fence, s diag.Span) diag.Span {
	for _, at := range []*diag.Pos{&s.Start, &s.End} {
		at.Line, at.Col, at.Offset = at.Line+f.Line-1, at.Col+f.Indent, 0
	}
	return s
}

var remark = regexp.MustCompile(`(?i)^\s*(\d+\s+)?rem\b(.*)`)

func (p *parser) checkFence(f markdown.Fence) {
	if f.Lang != "bbj" {
		p.report(Code, onLine(f.Line-1), "code fence is marked %q, expected bbj", f.Lang)
	}
	switch {
	case len(bytes.TrimSpace(f.Code)) == 0:
		p.report(Code, onLine(f.Line-1), "code fence is empty")
	case !SaysWhat(f.Code):
		p.report(Code, onLine(f.Line), "code starts without a REM that says what it does")
	}
}

// SaysWhat reports whether the remarks at the beginning of a program hold a word.
func SaysWhat(code []byte) bool {
	for line := range bytes.Lines(code) {
		m := remark.FindSubmatch(bytes.TrimSpace(line))
		if m == nil {
			return false
		}
		if word.Match(m[2]) {
			return true
		}
	}
	return false
}

var (
	word     = regexp.MustCompile(`\pL`)
	fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

// checkFiles checks the names of the files of a program.
func (p *parser) checkFiles(files []markdown.Fence) {
	lines := map[string]int{}
	for _, f := range files {
		name := strings.ToLower(f.Filename) // one file where letters have no case
		switch {
		case f.FilenameLine == 0 && len(files) > 1:
			p.report(FenceNames, onLine(f.Line-1), "one of %d files has no name", len(files))
		case f.FilenameLine == 0:
		case !fileName.MatchString(f.Filename):
			p.report(FenceNames, onLine(f.FilenameLine), "file name %q is not plain", f.Filename)
		case lines[name] > 0:
			p.report(FenceNames, onLine(f.FilenameLine), "file name %q stands in line %d already", f.Filename, lines[name])
		default:
			lines[name] = f.FilenameLine
		}
	}
}

// checkExpected compares what is expected with what the code shows, where that is
// certain: a window that opens and nothing on the console, or the console alone.
func (p *parser) checkExpected(e *Example, s markdown.Section) {
	files := e.Code
	if e.Type == Migration {
		files = e.After
	}
	programs, ok := parsed(files)
	if !ok {
		return
	}
	var shown showing
	for _, program := range programs {
		shown.read(program)
	}
	switch output := strings.EqualFold(s.Title, "Expected Output"); {
	case output && shown.window != "" && !shown.console:
		p.report(Expected, onLine(s.Line), "the program opens a window (%s) and prints nothing, so it has a behavior", quoted(shown.window))
	case !output && shown.console && !shown.more:
		p.report(Expected, onLine(s.Line), "the program only prints, so it has an output")
	}
}

// showing is what a program lets its user see.
type showing struct {
	window  string // the name that opens one
	console bool   // it prints on the console, or asks there
	more    bool   // it perhaps does other things that can be seen
}

func (w *showing) read(p *syntax.Program) {
	for _, s := range generation.Of(p).Signals {
		switch strings.ToLower(s.What) {
		case "addwindow", "window":
			w.window = s.What
		}
		w.more = w.more || s.What != "INPUT" && s.What != "line number"
	}
	p.Walk(func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.VerbStmt:
			w.readVerb(n)
		case *syntax.NewExpr, *syntax.UseStmt, *syntax.ClassDecl, *syntax.ExprStmt:
			w.more = true
		case *syntax.CallExpr:
			name, isFunction := n.Function()
			w.more = w.more || !isFunction && isMethod(n) || isFunction && !pure[strings.ToLower(name.Name)]
		}
		return true
	})
}

func isMethod(n *syntax.CallExpr) bool {
	_, _, ok := n.Method()
	return ok
}

// pure are the functions that only calculate: a program that calls others may do
// anything.
var pure = map[string]bool{"abs": true, "asc": true, "chr": true, "cvs": true, "fill": true, "fpt": true, "int": true, "jul": true, "date": true,
	"len": true, "max": true, "min": true, "mod": true, "num": true, "pad": true, "pos": true, "rnd": true, "round": true, "sgn": true, "sqr": true, "str": true, "iff": true}

// quiet are the verbs that calculate, hold data or jump: nothing of theirs is seen.
var quiet = []syntax.Word{syntax.IF, syntax.THEN, syntax.ELSE, syntax.FI, syntax.ENDIF, syntax.WHILE, syntax.WEND, syntax.REPEAT, syntax.UNTIL,
	syntax.NEXT, syntax.SWITCH, syntax.SWEND, syntax.BREAK, syntax.CONTINUE, syntax.GOTO, syntax.GOSUB, syntax.RETURN, syntax.EXITTO, syntax.DIM,
	syntax.DATA, syntax.DREAD, syntax.RESTORE, syntax.SETERR, syntax.RETRY, syntax.FNEND, syntax.PRECISION, syntax.END, syntax.STOP}

func (w *showing) readVerb(n *syntax.VerbStmt) {
	switch {
	case n.Word == syntax.PRINT && len(n.Chan) == 0, n.Word == syntax.INPUT && len(n.Chan) == 0:
		w.console = true
	case !slices.Contains(quiet, n.Word):
		w.more = true
	}
}
