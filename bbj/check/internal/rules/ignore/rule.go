// Package ignore reads the remarks that silence findings, heeds them when all
// other rules have run, and reports those that do not or must not silence any:
//
//	rem bbjtune:ignore CODE{,CODE} reason
//
// After a statement such a remark is for that logical line; standing alone it is
// for the next one with a statement.
//
// It must not know other rules: which codes there are is told by the caller.
package ignore

import (
	_ "embed"
	"sort"
	"strings"
	"unicode"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

var (
	//go:embed testdata/without-reason/bad.bbj
	badWithoutReason string
	//go:embed testdata/without-reason/good.bbj
	goodWithoutReason string
	//go:embed testdata/of-syntax/bad.bbj
	badOfSyntax string
	//go:embed testdata/of-syntax/good.bbj
	goodOfSyntax string
	//go:embed testdata/unused/bad.bbj
	badUnused string
	//go:embed testdata/unused/good.bbj
	goodUnused string
)

// word starts the remark.
const word = "bbjtune:ignore"

// WithoutReason is BBJ4006.
var WithoutReason = analysis.Rule{
	Code: "BBJ4006", Name: "ignore-without-reason", Family: diag.Style, Severity: diag.Warning,
	Title: "bbjtune:ignore without a code or without a reason",
	Why:   "whoever reads the line next must know why the finding is wrong there; without a reason nothing is silenced",
	Bad:   badWithoutReason, BadLine: 1, Good: goodWithoutReason,
}

// OfSyntax is BBJ4007.
var OfSyntax = analysis.Rule{
	Code: "BBJ4007", Name: "ignore-of-syntax", Family: diag.Style, Severity: diag.Warning,
	Title: "bbjtune:ignore for an error of the syntax family",
	Why:   "what the compiler rejects stays rejected, whatever a remark says",
	Bad:   badOfSyntax, BadLine: 1, Good: goodOfSyntax,
}

// Unused is BBJ4008.
var Unused = analysis.Rule{
	Code: "BBJ4008", Name: "unused-ignore", Family: diag.Style, Severity: diag.Warning,
	Title: "bbjtune:ignore that silences nothing",
	Why:   "it would hide the finding that comes back later",
	Bad:   badUnused, BadLine: 1, Good: goodUnused,
}

// Remark is one such remark.
type Remark struct {
	rem         *syntax.RemStmt
	codes       []ignored
	reason      bool
	first, last int // the physical lines that it is for, 0 where there are none
}

// ignored is a code in a remark, where it stands, and whether it silenced a
// finding.
type ignored struct {
	syntax.Range
	code string
	used bool
}

// Read returns the remarks of the program that silence findings.
func Read(p *analysis.Pass) []Remark {
	var list []Remark
	for _, rem := range p.Facts.Rems {
		rest, ok := after(string(p.Prog.Src[rem.Start:rem.End]))
		if !ok {
			continue
		}
		r := Remark{rem: rem}
		r.codes, r.reason = readCodes(rest, rem.End-int32(len(rest)))
		list = append(list, r)
	}
	// From the last to the first: remarks in a row are for the same lines, which
	// are looked for once.
	next := Remark{rem: &syntax.RemStmt{Range: syntax.Range{Start: int32(len(p.Prog.Src))}}}
	for i := len(list) - 1; i >= 0; i-- {
		list[i].first, list[i].last = linesOf(p, list[i].rem, next)
		next = list[i]
	}
	return list
}

// after returns what follows the word in a remark.
func after(rem string) (rest string, ok bool) {
	text := strings.TrimLeft(rem[len("rem"):], " \t")
	if len(text) < len(word) || !syntax.EqualFold(text[:len(word)], word) {
		return "", false
	}
	rest = text[len(word):]
	return rest, rest == "" || rest[0] == ' ' || rest[0] == '\t'
}

// readCodes reads a list of codes, which starts at the offset, and reports
// whether words follow it.
func readCodes(text string, offset int32) (codes []ignored, reason bool) {
	end := offset + int32(len(text))
	for {
		text = strings.TrimLeft(text, " \t,")
		n := codeLen(text)
		if n == 0 {
			return codes, strings.ContainsFunc(text, unicode.IsLetter)
		}
		start := end - int32(len(text))
		codes = append(codes, ignored{Range: syntax.Range{Start: start, End: start + int32(n)}, code: strings.ToUpper(text[:n])})
		text = strings.TrimLeft(text[n:], " \t")
		if !strings.HasPrefix(text, ",") {
			return codes, strings.ContainsFunc(text, unicode.IsLetter)
		}
	}
}

// codeLen returns the length of the code, letters and then digits, at the start
// of the text; 0 if there is none.
func codeLen(text string) int {
	digits := strings.TrimLeftFunc(text, func(r rune) bool { return r < unicode.MaxASCII && unicode.IsLetter(r) })
	rest := strings.TrimLeft(digits, "0123456789")
	if len(digits) == len(text) || len(rest) == len(digits) || rest != "" && !strings.ContainsAny(rest[:1], " \t,") {
		return 0
	}
	return len(text) - len(rest)
}

// linesOf returns the physical lines that the remark is for: those of the next
// remark where no statement stands between the two.
func linesOf(p *analysis.Pass, rem *syntax.RemStmt, next Remark) (first, last int) {
	own, _ := p.Prog.LogicalLine(p.Prog.Position(rem.Start).Line)
	statement, ok := p.Prog.NextStatement(own, next.rem.Start)
	if !ok {
		return next.first, next.last
	}
	return p.Prog.LogicalLine(p.Prog.Position(statement).Line)
}

// Heed takes away the findings that a remark silences, and reports the remarks
// that do not or must not silence any. What is a code, and of which family, is
// told by family.
func Heed(p *analysis.Pass, list []Remark, family func(code string) (diag.Family, bool)) {
	if len(list) == 0 {
		return
	}
	spans := group(list)
	p.Drop(func(d diag.Diagnostic) bool { return d.Family != diag.Syntax && silence(spans, d) })
	for i := range list {
		report(p, &list[i], family)
	}
}

// span is a logical line with what the remarks for it silence.
type span struct {
	first, last int
	codes       map[string]bool // true once it has silenced a finding
	remarks     []*Remark
}

// group joins the remarks that are for the same lines. Both lists are in the
// order of the text.
func group(list []Remark) []span {
	var spans []span
	for i := range list {
		r := &list[i]
		if !r.reason || r.first == 0 {
			continue
		}
		if n := len(spans); n == 0 || spans[n-1].first != r.first {
			spans = append(spans, span{r.first, r.last, map[string]bool{}, nil})
		}
		s := &spans[len(spans)-1]
		s.remarks = append(s.remarks, r)
		for _, c := range r.codes {
			s.codes[c.code] = false
		}
	}
	return spans
}

// silence reports whether a remark silences the finding, and marks the codes that
// do.
func silence(spans []span, d diag.Diagnostic) bool {
	line := d.Span.Start.Line
	i := sort.Search(len(spans), func(i int) bool { return line <= spans[i].last })
	if i == len(spans) || line < spans[i].first {
		return false
	}
	used, ok := spans[i].codes[d.Code]
	if !ok || used {
		return ok
	}
	spans[i].codes[d.Code] = true
	for _, r := range spans[i].remarks {
		for j := range r.codes {
			r.codes[j].used = r.codes[j].used || r.codes[j].code == d.Code
		}
	}
	return true
}

func report(p *analysis.Pass, r *Remark, family func(code string) (diag.Family, bool)) {
	switch {
	case len(r.codes) == 0:
		p.ReportAs(&WithoutReason, r.rem, word+" names no code and silences nothing", "write rem "+word+" CODE reason")
		return
	case !r.reason:
		p.ReportAs(&WithoutReason, r.rem, word+" gives no reason and silences nothing", "write after the code why the finding is wrong here")
		return
	}
	for _, c := range r.codes {
		f, known := family(c.code)
		switch {
		case known && f == diag.Syntax:
			p.ReportAs(&OfSyntax, c, c.code+" is of the syntax family, which cannot be silenced", "put the line right")
		case !known:
			p.ReportAs(&Unused, c, word+" of "+c.code+" silences nothing", "there is no rule "+c.code+" for programs that compile")
		case !c.used && !p.Facts.Broken: // what cannot be read may have hidden the finding
			p.ReportAs(&Unused, c, word+" of "+c.code+" silences nothing", "remove it")
		}
	}
}
