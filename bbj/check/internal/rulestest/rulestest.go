// Package rulestest runs the rules of one folder, and no others, over the
// programs in the folder's testdata.
//
// The programs of the documentation, bad.bbj and good.bbj, must have the finding
// on the rule's BadLine alone, and none. All others start with a remark that
// lists what is to be found, with lines of the file, or have no finding:
//
//	rem want: BBJ3001 4, BBJ3001 6
//
// What the parser rejects is a finding here, too, so that no program is wrong by
// accident. It must not know single rules, nor how findings of several rules are
// settled: package check has tests of its own for that.
package rulestest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

// Run tests the rules of the folder in which the test runs.
func Run(t *testing.T, rules ...analysis.Rule) {
	t.Helper()
	Judge(t, rules, func(p *analysis.Pass) {
		for i := range rules {
			p.Run(&rules[i])
		}
	})
}

// Judge tests rules that the function runs.
func Judge(t *testing.T, rules []analysis.Rule, run func(*analysis.Pass)) {
	t.Helper()
	for i := range rules {
		documentation(t, &rules[i], run)
	}
	paths, err := filepath.Glob("testdata/*.bbj")
	if err != nil {
		t.Fatal(err)
	}
	paths = slices.DeleteFunc(paths, func(path string) bool {
		return slices.Contains([]string{"bad.bbj", "good.bbj"}, filepath.Base(path))
	})
	if len(paths) == 0 {
		t.Error("testdata holds no programs but those of the documentation")
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if found := judged(src, run); !slices.Equal(brief(found), wanted(string(src))) {
			t.Errorf("%s: want %q, found %s", path, wanted(string(src)), messages(found))
		}
	}
}

// documentation tests the programs with which a rule explains itself. The bad
// one may have findings of other rules as well.
func documentation(t *testing.T, r *analysis.Rule, run func(*analysis.Pass)) {
	t.Helper()
	found := judged([]byte(r.Bad), run)
	own := slices.DeleteFunc(slices.Clone(found), func(d diag.Diagnostic) bool { return d.Code != r.Code })
	if want := fmt.Sprintf("%s %d", r.Code, r.BadLine); !slices.Equal(brief(own), []string{want}) {
		t.Errorf("%s: the bad program: want %s, found %s", r.Name, want, messages(found))
	}
	if found := judged([]byte(r.Good), run); len(found) > 0 {
		t.Errorf("%s: the good program: found %s", r.Name, messages(found))
	}
}

func judged(src []byte, run func(*analysis.Pass)) []diag.Diagnostic {
	p := analysis.NewPass(syntax.Parse(src))
	defer p.Release()
	run(p)
	diag.Sort(p.Found())
	return p.Found()
}

// wanted reads the list in the first line of a program.
func wanted(src string) []string {
	list, ok := strings.CutPrefix(src, "rem want: ")
	if !ok {
		return nil
	}
	list, _, _ = strings.Cut(list, "\n")
	return strings.Split(strings.TrimSpace(list), ", ")
}

// brief lists findings as the programs do.
func brief(found []diag.Diagnostic) []string {
	var out []string
	for _, d := range found {
		out = append(out, fmt.Sprintf("%s %d", d.Code, d.Span.Start.Line))
	}
	return out
}

func messages(found []diag.Diagnostic) string {
	var b strings.Builder
	for _, d := range found {
		fmt.Fprintf(&b, "\n\t%s %d: %s", d.Code, d.Span.Start.Line, d.Message)
	}
	return b.String()
}
