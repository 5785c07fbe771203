package syntax_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

// A mutant is a valid program with one fault. The kinds of faults are those that
// people and models make; a front end that is believed rejects them, and says
// so on the right line.

// fault is one change: the bytes from start to end become text. Line is the
// physical line on which the changed program is wrong.
type fault struct {
	start, end int
	text       string
	line       int
}

// mutation makes faults of one kind out of a program.
type mutation struct {
	name  string
	sites func(*subject) []fault
}

// subject is a valid program and what the mutations need to know of it.
type subject struct {
	path string
	src  []byte
	toks []syntax.Token
}

const wantKilled = 0.98

func TestMutantsAreRejectedOnTheirLines(t *testing.T) {
	const perKind, perLine = 4, 1 // faults of a kind in a program, chosen by a fixed seed
	random := rand.New(rand.NewPCG(7, 11))
	made, killed := map[string]int{}, map[string]int{}
	var survivors []string
	for _, s := range subjects(t) {
		for _, m := range mutations {
			list := m.sites(s)
			random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			most := perKind
			if strings.HasPrefix(m.name, "line ") { // these have places everywhere
				most = perLine
			}
			for _, f := range list[:min(len(list), most)] {
				made[m.name]++
				mutant := slices.Concat(s.src[:f.start], []byte(f.text), s.src[f.end:])
				if verdict := rejected(mutant, f.line); verdict != "" {
					survivors = append(survivors, fmt.Sprintf("%s, %s at line %d: %s", m.name, s.path, f.line, verdict))
				} else {
					killed[m.name]++
				}
			}
		}
	}
	if len(mutations) < 20 {
		t.Errorf("%d kinds of faults, want 20 or more", len(mutations))
	}
	report(t, made, killed, survivors)
}

func report(t *testing.T, made, killed map[string]int, survivors []string) {
	t.Helper()
	all, dead := 0, 0
	for _, m := range mutations {
		all, dead = all+made[m.name], dead+killed[m.name]
		if made[m.name] < 3 {
			t.Errorf("%s: only %d places in all programs", m.name, made[m.name])
		}
		if testing.Verbose() {
			t.Logf("%-28s %4d of %4d", m.name, killed[m.name], made[m.name])
		}
	}
	share := float64(dead) / float64(max(1, all))
	t.Logf("%d of %d mutants rejected on their line (%.1f %%), %d kinds", dead, all, 100*share, len(mutations))
	if share < wantKilled {
		t.Errorf("below %.0f %%:\n%s", 100*wantKilled, strings.Join(survivors, "\n"))
	} else if testing.Verbose() {
		t.Log("survivors:\n" + strings.Join(survivors, "\n"))
	}
}

// rejected returns "" if the first finding of the syntax family stands within
// one line of the fault.
func rejected(src []byte, line int) string {
	found := check.Source("mutant", src, check.Options{Only: []diag.Family{diag.Syntax}})
	if len(found) == 0 {
		return "accepted"
	}
	for _, d := range found {
		if abs(d.Span.Start.Line-line) <= 1 {
			return ""
		}
	}
	return fmt.Sprintf("rejected on line %d", found[0].Span.Start.Line)
}

func abs(n int) int { return max(n, -n) }

func subjects(t *testing.T) []*subject {
	t.Helper()
	paths, err := filepath.Glob("../testdata/valid/*.bbj")
	if err != nil || len(paths) < 60 {
		t.Fatalf("%d programs, %v", len(paths), err)
	}
	sort.Strings(paths)
	var out []*subject
	for _, p := range paths {
		src, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, &subject{filepath.Base(p), src, syntax.Tokens(src)})
	}
	return out
}

var mutations = append([]mutation{
	{"== for =", inCondition("=", "==")},
	{"!= for <>", replaced("<>", "!=")},
	{"&& for AND", words("and", "&&")},
	{"|| for OR", words("or", "||")},
	{"missing )", replaced(")", "")},
	{"missing (", replaced("(", "")},
	{"extra )", replaced(")", "))")},
	{"missing quote", unclosed(func(t syntax.Token) bool { return t.String })},
	{"missing $ of a hex string", unclosed(func(t syntax.Token) bool { return t.Hex && len(t.Text) > 2 })},
	{"missing ' of a mnemonic", unclosed(func(t syntax.Token) bool { return t.Mnemonic })},
	{"missing operand", missingOperand},
	{"doubled operator", replaced("+", "+*")},
	{"// for /", replaced("/", "//")},
	{"reserved word assigned", reservedTarget},
	{"undefined label", undefinedLabel},
	{"misspelt verb", misspelt},
	{"FOR without TO", words("to", "")},
	{"FOR … DO", appended(" do", "for")},
	{"WHILE … DO", appended(" do", "while")},
	{"SWITCH … {", appended(" {", "switch")},
	{"END IF", words("endif", "end if")},
	{"END WHILE", words("wend", "end while")},
	{"END METHOD", words("methodend", "end method")},
	{"END CLASS", words("classend", "end class")},
	{"REM without ;", appended(" rem note", "")},
	{"// at the end of a line", appended(" // note", "")},
	{"; at the end, then }", appended("; }", "")},
	{"value missing", valueMissing},
}, inserted(
	"// note", "/* note */", "x += 1", "x -= 1", "x++", "try", "catch e", "end sub", "elseif x=1 then y=2",
	"dim x as string", "function total(a, b)", "sub total()", "f! = (a) -> a + 1", "a! = [1, 2, 3]",
	"msgbox \"saved\", 1", "console.log \"x\"", "x = a > b ? a : b", "x$ = f\"{a}\"", "p$ = \"a\\\"b\"",
	"const k = 1", "var k = 1", "int k = 1", "string k = \"x\"", "fileopen(\"x\")", "len(a$)", "x$=str(x).trim()",
	"p$[]=\"a\"", "ctrl(1,2,3)=x", "import java.util.HashMap", "x = 5 % 2", "print \"a\" & \"b\"",
	"for each a in b", "foreach a", "while x do", "do", "if x=1 {", "if (x == 1) then y=2", "goto nowhere_at_all",
	"gosub nowhere_at_all", "x=not_there(1)", "print 'hello world'", "print \u201chello\u201d",
	"x = 1 +", "x = (1", "x = 1)", "print \"abc", "switch x:", "def total(a, b):", "x = new", "return x y",
)...)

// inserted makes a mutation of each line: it stands alone between two lines of
// statements.
func inserted(lines ...string) []mutation {
	var out []mutation
	for _, text := range lines {
		out = append(out, mutation{"line " + text, func(s *subject) []fault {
			var list []fault
			for _, at := range s.gaps() {
				list = append(list, fault{at, at, text + "\n", bytes.Count(s.src[:at], []byte("\n")) + 1})
			}
			return list
		}})
	}
	return out
}

// gaps returns the starts of lines before which a statement may stand: not
// before a continuation, in a class outside its methods, or in a listing.
func (s *subject) gaps() []int {
	var out []int
	inClass, inMethod := false, false
	for i, t := range s.toks {
		if !t.First {
			continue
		}
		w := t.Word
		follows := i + 1
		if (w == syntax.CLASS || w == syntax.INTERFACE) && follows < len(s.toks) && s.toks[follows].Name {
			inClass = true
		}
		start := bytes.LastIndexByte(s.src[:t.Start], '\n') + 1
		if start > 0 && (!inClass || inMethod) {
			out = append(out, start)
		}
		switch w {
		case syntax.METHOD:
			inMethod = inClass
		case syntax.METHODEND:
			inMethod = false
		case syntax.CLASSEND, syntax.INTERFACEEND:
			inClass, inMethod = false, false
		}
	}
	return out
}

func (s *subject) each(wanted func(syntax.Token) bool, change func(syntax.Token) fault) []fault {
	var out []fault
	for _, t := range s.toks {
		if wanted(t) {
			out = append(out, change(t))
		}
	}
	return out
}

func swap(text string) func(syntax.Token) fault {
	return func(t syntax.Token) fault { return fault{t.Start, t.End, text, t.Line} }
}

func replaced(old, text string) func(*subject) []fault {
	return func(s *subject) []fault {
		return s.each(func(t syntax.Token) bool { return t.Text == old }, swap(text))
	}
}

// words replaces a word where it is used as one.
func words(old, text string) func(*subject) []fault {
	return func(s *subject) []fault {
		var out []fault
		for i, t := range s.toks {
			if t.Name && strings.EqualFold(t.Text, old) && !s.named(i) {
				out = append(out, fault{t.Start, t.End, text, t.Line})
			}
		}
		return out
	}
}

// named reports whether the word is used as a name: a label, a variable, a
// field, a member.
func (s *subject) named(i int) bool {
	if i > 0 && slices.Contains([]string{".", "#", ","}, s.toks[i-1].Text) {
		return true
	}
	return i+1 < len(s.toks) && !s.toks[i+1].First && slices.Contains([]string{":", "=", ".", "[", ","}, s.toks[i+1].Text)
}

func inCondition(old, text string) func(*subject) []fault {
	return func(s *subject) []fault {
		var out []fault
		condition := false
		for _, t := range s.toks {
			switch {
			case t.First:
				condition = t.Word == syntax.IF || t.Word == syntax.WHILE
			case t.Word == syntax.THEN, t.Text == ";", t.Text == "(":
				condition = false
			case condition && t.Text == old:
				out = append(out, fault{t.Start, t.End, text, t.Line})
			}
		}
		return out
	}
}

func unclosed(wanted func(syntax.Token) bool) func(*subject) []fault {
	return func(s *subject) []fault {
		return s.each(func(t syntax.Token) bool { return wanted(t) && !strings.Contains(t.Text, "\n") }, func(t syntax.Token) fault {
			return fault{t.End - 1, t.End, "", t.Line}
		})
	}
}

// missingOperand takes away a single value after an operator.
func missingOperand(s *subject) []fault {
	var out []fault
	for i := 1; i+1 < len(s.toks); i++ {
		op, x, next := s.toks[i-1].Text, s.toks[i], s.toks[i+1]
		if strings.Contains("+-*/^", op) && (x.Name || x.String) && (next.First || slices.Contains([]string{")", ",", ";"}, next.Text)) {
			out = append(out, fault{x.Start, x.End, "", x.Line})
		}
	}
	return out
}

func valueMissing(s *subject) []fault {
	var out []fault
	for i := 2; i < len(s.toks); i++ {
		last := i+1 == len(s.toks) || s.toks[i+1].First
		if s.toks[i-2].First && s.toks[i-2].Name && s.toks[i-1].Text == "=" && last && !s.toks[i].Remark {
			out = append(out, fault{s.toks[i].Start, s.toks[i].End, "", s.toks[i].Line})
		}
	}
	return out
}

func reservedTarget(s *subject) []fault {
	var out []fault
	for i, t := range s.toks {
		if t.First && t.Name && t.Word == syntax.NoWord && i+1 < len(s.toks) && s.toks[i+1].Text == "=" && !strings.ContainsAny(t.Text, "$!%@") {
			out = append(out, fault{t.Start, t.End, "until", t.Line})
		}
	}
	return out
}

func undefinedLabel(s *subject) []fault {
	var out []fault
	for i, t := range s.toks {
		if i > 0 && t.Name && (s.toks[i-1].Word == syntax.GOTO || s.toks[i-1].Word == syntax.GOSUB) && !s.named(i-1) {
			out = append(out, fault{t.Start, t.End, "nowhere_at_all", t.Line})
		}
	}
	return out
}

// misspelt swaps two letters of a verb that something follows.
func misspelt(s *subject) []fault {
	var out []fault
	for i, t := range s.toks {
		follows := i+1 < len(s.toks) && !s.toks[i+1].First && (s.toks[i+1].Name || s.toks[i+1].String)
		if t.First && follows && (t.Word == syntax.PRINT || t.Word == syntax.GOSUB || t.Word == syntax.CALL || t.Word == syntax.INPUT) {
			out = append(out, fault{t.Start, t.End, t.Text[:1] + t.Text[2:3] + t.Text[1:2] + t.Text[3:], t.Line})
		}
	}
	return out
}

// appended puts text at the end of lines that start with the word ("" for any
// assignment) and have no remark.
func appended(text, word string) func(*subject) []fault {
	return func(s *subject) []fault {
		var out []fault
		var first syntax.Token
		start := 0
		for i, t := range s.toks {
			if t.First {
				first, start = t, i
			}
			last := i+1 == len(s.toks) || s.toks[i+1].First
			if !last || t.Remark || s.named(start) && word != "" {
				continue
			}
			assignment := first.Name && start+1 < len(s.toks) && s.toks[start+1].Text == "=" && i > start+1
			if word == "" && assignment || word != "" && strings.EqualFold(first.Text, word) {
				out = append(out, fault{t.End, t.End, text, t.Line})
			}
		}
		return out
	}
}
