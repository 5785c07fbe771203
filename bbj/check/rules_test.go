package check

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bbjtune/bbj/diag"
)

func TestEachRuleFiresOnBadAndIsSilentOnGood(t *testing.T) {
	for _, r := range Rules() {
		t.Run(r.Code+" "+r.Name, func(t *testing.T) {
			found := Source("bad.bbj", []byte(r.Bad), Options{})
			hit := false
			for _, d := range found {
				hit = hit || d.Code == r.Code && d.Span.Start.Line == r.BadLine
			}
			if !hit {
				t.Errorf("bad program: want %s on line %d, found %v", r.Code, r.BadLine, brief(found))
			}
			if found := Source("good.bbj", []byte(r.Good), Options{}); len(found) > 0 {
				t.Errorf("good program: found %v", brief(found))
			}
		})
	}
}

func TestRulesAreDocumentedAndUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if r.Name == "" || r.Title == "" || r.Why == "" || r.Family == "" || r.Severity == 0 {
			t.Errorf("%s: incomplete: %+v", r.Code, r)
		}
		if seen[r.Code] || seen[r.Name] {
			t.Errorf("%s %s: used twice", r.Code, r.Name)
		}
		seen[r.Code], seen[r.Name] = true, true
		if got, ok := Lookup(r.Code); !ok || got.Name != r.Name {
			t.Errorf("Lookup(%s) = %v, %v", r.Code, got.Name, ok)
		}
	}
	if _, ok := Lookup("BBJ0000"); ok {
		t.Error("Lookup of an unknown code succeeded")
	}
}

// Messages start in lower case or with a BBj keyword in capitals, and are no
// sentences with a full stop.
func TestMessagesSoundAlike(t *testing.T) {
	for _, r := range Rules() {
		for _, d := range Source("x", []byte(r.Bad), Options{}) {
			first := strings.TrimLeft(d.Message, "`")
			word, _, _ := strings.Cut(first, " ")
			if word != strings.ToUpper(word) && first[0] >= 'A' && first[0] <= 'Z' && !strings.HasPrefix(first, "BBj") {
				t.Errorf("%s: message starts in upper case: %s", d.Code, d.Message)
			}
			if strings.HasSuffix(d.Message, ".") || strings.Contains(d.Message, "\n") || d.Message == "" {
				t.Errorf("%s: bad message: %q", d.Code, d.Message)
			}
		}
	}
}

func brief(list []diag.Diagnostic) []string {
	var out []string
	for _, d := range list {
		out = append(out, d.Code+"@"+strconv.Itoa(d.Span.Start.Line)+" "+d.Message)
	}
	return out
}

// A rule whose folder is not in the registry would never run.
func TestEveryRuleFolderIsInTheRegistry(t *testing.T) {
	bad := map[string]bool{}
	for _, r := range Rules() {
		bad[r.Bad] = true
	}
	var paths []string
	for _, pattern := range []string{"internal/rules/*/testdata/bad.bbj", "internal/rules/*/testdata/*/bad.bbj"} {
		list, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, list...)
	}
	if len(paths) < 20 {
		t.Errorf("%d bad programs, want 20 or more", len(paths))
	}
	for _, path := range paths {
		if !bad[string(read(t, path))] {
			t.Errorf("no rule shows %s as its bad program", path)
		}
	}
}
