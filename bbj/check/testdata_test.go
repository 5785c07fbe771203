package check

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/diag"
)

// The programs in ../testdata are the project's own. Those in valid have no
// finding at all. Those in invalid start with a remark that lists what is to be
// found, with physical lines of the file:
//
//	rem want: BBJ1008 3, BBJ2001 5
//
// A file that cannot start with a remark, such as a tokenised one, has the list
// beside it in a file whose name ends in .want.

func TestValidProgramsAreSilent(t *testing.T) {
	for _, path := range programs(t, "valid") {
		src := read(t, path)
		if found := Source(path, src, Options{}); len(found) > 0 {
			t.Errorf("%s: %s", path, strings.Join(brief(found), "; "))
		}
	}
}

func TestInvalidProgramsAreFoundOut(t *testing.T) {
	for _, path := range programs(t, "invalid") {
		src := read(t, path)
		want := wanted(t, path, string(src))
		found := Source(path, src, Options{})
		if !slices.Equal(codes(found), want) {
			t.Errorf("%s: want %q, found %s", path, want, strings.Join(brief(found), "; "))
		}
	}
}

// codes lists findings as the programs in the folders do.
func codes(found []diag.Diagnostic) []string {
	var out []string
	for _, d := range found {
		out = append(out, fmt.Sprintf("%s %d", d.Code, d.Span.Start.Line))
	}
	return out
}

func programs(t *testing.T, kind string) []string {
	t.Helper()
	paths, err := filepath.Glob("../testdata/" + kind + "/*.bbj")
	if err != nil || len(paths) < 250 {
		t.Fatalf("%d %s programs (%v), want at least 250", len(paths), kind, err)
	}
	return paths
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func wanted(t *testing.T, path, src string) []string {
	t.Helper()
	list, ok := strings.CutPrefix(src, "rem want: ")
	if !ok {
		list = string(read(t, path+".want"))
	}
	list, _, _ = strings.Cut(list, "\n")
	return strings.Split(strings.TrimSpace(list), ", ")
}
