package check

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/bbj/diag"
)

// TestCorpusFindings checks every source file below the folders in
// BBJTUNE_CORPUS, a path list, and reports what is found. It is how the rules
// are measured on public code, which is not in the repository.
func TestCorpusFindings(t *testing.T) {
	corpus := os.Getenv("BBJTUNE_CORPUS")
	if corpus == "" {
		t.Skip("BBJTUNE_CORPUS is not set")
	}
	for _, root := range filepath.SplitList(corpus) {
		files, rejected := 0, 0
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.Contains(".bbj .src .aon .prc", strings.ToLower(filepath.Ext(path))) || filepath.Ext(path) == "" {
				return err
			}
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			found := Source(path, src, Options{})
			if diag.HasErrors(found, diag.Syntax) {
				rejected++
			}
			lines := strings.Split(string(src), "\n")
			for _, d := range found {
				t.Logf("%s:%d: %s %s (%s) | %s", path, d.Span.Start.Line, d.Code, d.Message, d.Help, strings.TrimSpace(lines[d.Span.Start.Line-1]))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d of %d files accepted", root, files-rejected, files)
	}
}
