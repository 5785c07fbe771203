package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/cli"
)

// A folder larger than what is judged at a time is reported in order and whole.
func TestCheckOfManyFiles(t *testing.T) {
	dir := t.TempDir()
	const files = 1200
	for i := range files {
		text := strings.Repeat("print 1\n", i%7) + "x++\n"
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%04d.bbj", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs strings.Builder
	status := cli.Main(t.Context(), cli.Streams{
		Args: []string{"check", "--engine", "embedded", dir}, Out: &out, Err: &errs, Env: func(string) string { return "" }, Now: time.Now,
	})
	if want := fmt.Sprintf("%d files, %d programs, %d findings;", files, files, files); status != 1 || !strings.HasPrefix(errs.String(), want) {
		t.Fatalf("status %d, %q, want %q", status, errs.String(), want)
	}
	rest := out.String()
	for i := range files {
		place := fmt.Sprintf("p%04d.bbj:%d:2\n    %d | x++\n", i, i%7+1, i%7+1)
		_, after, ok := strings.Cut(rest, place)
		if !ok {
			t.Fatalf("%q is missing or out of order", place)
		}
		rest = after
	}
}
