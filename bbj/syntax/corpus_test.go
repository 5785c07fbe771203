package syntax

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCorpusAccepted parses every source file below the folders in
// BBJTUNE_CORPUS, a path list, and reports what is rejected and how many files
// are not. It is how the parser is measured on public code, which is not in the
// repository.
func TestCorpusAccepted(t *testing.T) {
	corpus := os.Getenv("BBJTUNE_CORPUS")
	if corpus == "" {
		t.Skip("BBJTUNE_CORPUS is not set")
	}
	for _, root := range filepath.SplitList(corpus) {
		files, rejected, size := 0, 0, 0
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !isSource(path) {
				return err
			}
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			size += len(src)
			prog := Parse(src)
			if len(prog.Errors) > 0 {
				rejected++
			}
			for _, e := range prog.Errors {
				t.Logf("%s:%d:%d: %s %s (%s) | %s", path, e.Span.Start.Line, e.Span.Start.Col, e.Code, e.Message, e.Help,
					lineAt(src, e.Span.Start.Line))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d of %d files accepted, %d bytes", root, files-rejected, files, size)
	}
}

func isSource(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".bbj", ".src", ".aon", ".prc":
		return true
	}
	return false
}

func lineAt(src []byte, n int) string {
	lines := strings.Split(string(src), "\n")
	if n > len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[n-1])
}
