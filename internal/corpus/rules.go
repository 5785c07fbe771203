package corpus

import (
	"fmt"
	"regexp"
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/audit"
)

// Rule is one of the named rules that files go through.
type Rule struct{ Name, Does string }

// Rules lists the rules in their order.
func Rules() []Rule {
	return []Rule{
		{"large", fmt.Sprintf("sets aside files of more than %d MB", maxSize>>20)},
		{"tokenised", "sets aside tokenised programs"},
		{"binary", "sets aside files that are no text"},
		{"empty", "sets aside empty files"},
		{"encoding", "reads UTF-16 and Windows-1252 (Latin-1)"},
		{"line-ends", "makes CR and CRLF line ends LF"},
		{"generated", "sets aside files that say that a program made them"},
		{"secrets", "sets aside files with keys or passwords"},
		{"licence", "takes licences and copyright notices out of the remarks at the top"},
		{"data", "sets aside files that are no programs"},
		{"compile", "sets aside files that do not compile"},
		{"held-out", "sets aside files that resemble a case of --suite or contain one"},
		{"duplicates", "keeps one of files with the same text"},
		{"near-duplicates", "keeps one of files that are nearly the same"},
	}
}

// verdict says by which rule a file is set aside, why, and for which of its lines
// (0: for none). The zero value keeps it.
type verdict struct {
	rule, reason string
	line         int
}

var (
	// made is a remark by which a generator names itself as the author.
	made = regexp.MustCompile(`(?i)^\W*(?:(?:this|the) (?:file|program|class|source|code)(?: (?:is|was|has been))? )?(?:auto(?:matically)?[- ]?)?generated (?:automatically )?(?:by|from|with|using)\b`)
	// own is what a generator says of what it alone may write.
	own    = regexp.MustCompile(`(?i)\bdo not (?:edit|modify|change|put any changes)\b|\bwill be (?:overwritten|lost)\b|\bany changes? .*\blost\b`)
	origin = regexp.MustCompile(`(?i)\bgenerat(?:ed|or|ion)\b`)
	// opening are the statements that stand above the remarks of a class.
	opening = regexp.MustCompile(`(?i)^\s*(?:use|declare)\b`)
)

// generated looks at the remarks above the first statement that does something. A
// skeleton that people were to fill in says that it was generated, too, but not
// that changes will be lost.
func (c *candidate) generated() verdict {
	n, warned, origins := 0, 0, false
	for line := range strings.Lines(c.text()) {
		n++
		if strings.TrimSpace(line) == "" || opening.MatchString(line) {
			continue
		}
		if !remark.MatchString(line) {
			break
		}
		text := said(line)
		if made.MatchString(text) {
			return verdict{"generated", "says that it is generated", n}
		}
		origins = origins || origin.MatchString(text)
		if warned == 0 && own.MatchString(text) {
			warned = n
		}
	}
	if warned > 0 && origins {
		return verdict{"generated", "says that it is generated, and not to be changed", warned}
	}
	return verdict{}
}

// secrets carries out the rule for keys and passwords.
func (c *candidate) secrets(how Secrets) {
	lines := secretLines(c.text())
	if len(lines) == 0 || how == Keep {
		return
	}
	text, ok := masked(c.text())
	if how != Mask || !ok {
		c.out = verdict{"secrets", "holds what looks like a key or a password", lines[0]}
		return
	}
	c.header.text = text
	for _, n := range lines {
		c.change("secrets", "what looks like a key or a password is "+mask+" now", n, "")
	}
}

func (c *candidate) licence() {
	h := withoutLicence(c.text())
	if h.taken != "" {
		c.change("licence", "taken out of the remarks at the top", h.line, h.taken)
	}
	c.header = h
}

// judge sets the candidate aside if it is no program or does not compile; d is the
// reason, if it is broken.
func (c *candidate) judge(d diag.Diagnostic, includeBroken bool) {
	prog := syntax.Parse(program(c.text()))
	c.written = generation.Of(prog).Written
	switch {
	case !acts(prog.Stmts):
		c.out = verdict{"data", "holds no statement, only remarks", 0}
	case c.broken && isData(c.text()):
		c.out = verdict{"data", "hardly a line is a statement", 0}
	case c.broken && !includeBroken:
		c.out = verdict{"compile", fmt.Sprintf("does not compile: %s %s", d.Code, d.Message), c.header.fileLine(d.Span.Start.Line)}
	}
}

// acts reports whether one of the statements is more than a remark.
func acts(list []syntax.Stmt) bool {
	for _, s := range list {
		switch s.(type) {
		case *syntax.RemStmt, *syntax.LineNumber, *syntax.LabelStmt:
		default:
			return true
		}
	}
	return false
}

// Data is told by its first lines, of which fewer than one in codeShare is BBj. A
// few lines do not tell.
const (
	codeShare   = 5
	fewLines    = 5
	linesToTell = 1000
)

func isData(text string) bool {
	lines, code := 0, 0
	for line := range strings.Lines(string(program(text))) {
		if line = strings.TrimSpace(line); line == "" || remark.MatchString(line) {
			continue
		}
		if lines++; audit.ContinuesCode(line) {
			code++
		}
		if lines == linesToTell {
			break
		}
	}
	return lines >= fewLines && code*codeShare < lines
}
