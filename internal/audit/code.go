package audit

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/answer"
)

// MaxCode is the longest program that is compiled, in bytes: no model is trained
// on as long a row, and the tree of a program takes a hundred times its length.
const MaxCode = 256 << 10

// Programs returns the BBj of an answer as it is to be compiled. The fences that
// say they are BBj are one program, as they are to evaluation. Fences without a
// language, and code in no fence, count where they are code for certain.
func Programs(text string) []string { return programs(text, FormOf(text)) }

func programs(text string, form Form) []string {
	if form == Raw {
		return []string{text}
	}
	unmarked := answer.Unmarked(text)
	for i, code := range unmarked {
		if !isBBj(code) {
			unmarked[i] = ""
		}
	}
	pieces := [][]string{answer.Marked(text), unmarked}
	if form == Mixed {
		pieces = append(pieces, runs(outsideFences(text)))
	}
	var list []string
	for _, p := range pieces {
		if code := strings.Join(p, "\n"); strings.TrimSpace(code) != "" {
			list = append(list, code)
		}
	}
	return list
}

func outsideFences(text string) string {
	if a := answer.Extract(text); a.Fenced {
		return a.Prose
	}
	return text
}

// ownSigns are what BBj has and the languages that are mistaken for it have not.
var ownSigns = regexp.MustCompile(`(?i)^\s*(?:\d+\s+)?(?:rem\b|[a-z_]\w*[$!]\s*=(?:[^=]|$)|(?:class|method|field|interface)\s+(?:public|private|protected)\b|(?:methodend|classend|process_events|swend|endif|wend|next\s+\w+|gosub\s+\w+)\s*$)|\bBBjAPI\s*\(`)

// isBBj reports whether the text of a fence is BBj for certain, though the fence
// does not say so: something in it is of BBj alone, and most lines compile.
func isBBj(code string) bool {
	own, taken, all := false, 0, 0
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		all++
		own = own || ownSigns.MatchString(line)
		if IsCode(line) || ContinuesCode(line) {
			taken++
		}
	}
	return own && 2*taken > all
}

// runs returns the stretches of lines of a text that are code for certain: two
// statements or more, with prose, blank lines or the ends of the text around them.
func runs(text string) []string {
	lines := strings.Split(text, "\n")
	var list []string
	for start := 0; start < len(lines); start++ {
		if !IsCode(strings.TrimSpace(lines[start])) {
			continue
		}
		end, statements := run(lines, start)
		bordered := (start == 0 || closes(lines[start-1])) && (end == len(lines) || closes(lines[end]))
		if bordered && statements > 1 {
			list = append(list, strings.Join(lines[start:end], "\n"))
		}
		start = end
	}
	return list
}

// run follows code from its first line.
func run(lines []string, start int) (end, statements int) {
	end, statements = start+1, 1
	for i := end; i < len(lines); i++ {
		switch line := strings.TrimSpace(lines[i]); {
		case line == "":
		case ContinuesCode(line):
			end = i + 1
			statements++
		case end < i || !stray(line) || i+1 == len(lines) || !IsCode(strings.TrimSpace(lines[i+1])):
			return end, statements
		default: // a statement that does not compile, between two that do
			end = i + 1
		}
	}
	return end, statements
}

// closes reports whether a line beside code is prose for certain, or blank.
func closes(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.ContainsAny(line[len(line)-1:], ".:!?")
}

// words are two words side by side, as prose has them.
var words = regexp.MustCompile(`[A-Za-z]{2,}[,;]? +[A-Za-z]{2,}`)

// stray reports whether a line between two statements is one that does not
// compile, and no prose.
func stray(line string) bool {
	return !closes(line) && !words.MatchString(strs.ReplaceAllString(line, ""))
}

// Compiles reports whether a text is BBj as far as its syntax goes. Members of a
// class may stand alone. A text that is too long to be compiled is none.
func Compiles(text string) bool {
	if len(text) > MaxCode {
		return false
	}
	if parses(text) {
		return true
	}
	whole, lines := frame(text)
	return lines != nil && parses(whole)
}

func parses(text string) bool {
	return !diag.HasErrors(syntax.Parse([]byte(text+"\n")).Errors, diag.Syntax)
}

// Judge compiles the programs of answers. "Put this method into your class" is an
// answer that is right: methods and fields that stand alone are judged as they
// would be in a class of the reader's. What is longer than MaxCode is let through
// unseen.
func Judge(ctx context.Context, engine compile.Engine, sources []compile.Source) ([]compile.Verdict, error) {
	verdicts := make([]compile.Verdict, len(sources))
	var asked []int
	for i, s := range sources {
		if verdicts[i] = (compile.Verdict{Name: s.Name, OK: true}); len(s.Text) <= MaxCode {
			asked = append(asked, i)
		}
	}
	if err := judge(ctx, engine, sources, asked, verdicts); err != nil {
		return nil, err
	}
	framed, lines := make([]compile.Source, len(sources)), make([][]int, len(sources))
	var again []int
	for _, i := range asked {
		if verdicts[i].OK {
			continue
		}
		var text string
		if text, lines[i] = frame(string(sources[i].Text)); lines[i] != nil {
			framed[i] = compile.Source{Name: sources[i].Name, Text: []byte(text)}
			again = append(again, i)
		}
	}
	if err := judge(ctx, engine, framed, again, verdicts); err != nil {
		return nil, err
	}
	for _, i := range again {
		unframe(&verdicts[i], lines[i])
	}
	return verdicts, nil
}

// judge compiles those of the sources that are asked for.
func judge(ctx context.Context, engine compile.Engine, sources []compile.Source, asked []int, verdicts []compile.Verdict) error {
	if len(asked) == 0 {
		return nil
	}
	var list []compile.Source
	for _, i := range asked {
		list = append(list, sources[i])
	}
	found, err := engine.Compile(ctx, list)
	if err != nil {
		return err
	}
	for n, i := range asked {
		verdicts[i] = found[n]
	}
	return nil
}

var (
	memberStart = regexp.MustCompile(`(?i)^\s*(method|field)\s+(?:public|private|protected)\b`)
	methodEnd   = regexp.MustCompile(`(?i)^\s*methodend\b`)
	classStart  = regexp.MustCompile(`(?i)^\s*(?:class|interface)\s+(?:public|private|protected)\b`)
	classEnd    = regexp.MustCompile(`(?i)^\s*(?:classend|interfaceend)\b`)
	remark      = regexp.MustCompile(`(?i)^\s*(?:rem\b.*)?$`)
)

// frame puts a class around members of one that stand alone; lines are those of
// the code that the lines of the text came from, nil where nothing stands alone.
// Of what the class extends nothing is known, so that the members may use what is
// not here.
func frame(code string) (text string, lines []int) {
	var b bytes.Buffer
	var inClass, inMethod, open bool
	frames, number := 0, 0
	put := func(line string) {
		b.WriteString(line + "\n")
		lines = append(lines, number)
	}
	for line := range strings.Lines(code) {
		number++
		member := memberStart.FindStringSubmatch(line)
		switch {
		case inClass:
			inClass = !classEnd.MatchString(line)
		case open && !inMethod && member == nil && !remark.MatchString(strings.TrimRight(line, "\r\n")):
			put("classend")
			open = false
			inClass = classStart.MatchString(line)
		case !open && member == nil:
			inClass = classStart.MatchString(line)
		case !open:
			frames++
			put(fmt.Sprintf("class public Fragment%d extends ::fragment.bbj::Unknown", frames))
			open = true
			fallthrough
		default:
			inMethod = member != nil && strings.EqualFold(member[1], "method") || inMethod && !methodEnd.MatchString(line)
		}
		put(strings.TrimRight(line, "\r\n"))
	}
	if open {
		put("classend")
	}
	if frames == 0 {
		return code, nil
	}
	return b.String(), lines
}

// unframe puts findings on the lines of the code that was framed.
func unframe(v *compile.Verdict, lines []int) {
	for i := range v.Diagnostics {
		for _, p := range []*diag.Pos{&v.Diagnostics[i].Span.Start, &v.Diagnostics[i].Span.End} {
			if p.Line > 0 {
				p.Line = lines[min(p.Line, len(lines))-1]
			}
		}
	}
}
