package corpus_test

import (
	"os"
	"path/filepath"
	"testing"

	"bbjtune/internal/corpus"
	"bbjtune/internal/fault"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.bbj":          "\xef\xbb\xbfrem one\r\nprint 1\r\n",
		"sub/B.BBJ":      "rem two",
		"latin.src":      "rem gr\xfc\xdfe",
		"token.bbj":      "<<bbj>>\x01\x02",
		"nul.bbj":        "rem \x00",
		"empty.bbj":      " \n",
		"notes.txt":      "not BBj",
		"sub/deep/c.bbl": "rem three",
	} {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, skipped, err := corpus.Load(dir, []string{".BBJ", ".bbl", ".src"})
	if err != nil {
		t.Fatal(err)
	}
	want := []corpus.File{{"a.bbj", "rem one\nprint 1\n"}, {"latin.src", "rem grüße"}, {"sub/B.BBJ", "rem two"}, {"sub/deep/c.bbl", "rem three"}}
	if len(files) != len(want) {
		t.Fatalf("files %v", files)
	}
	for i := range want {
		if files[i] != want[i] {
			t.Errorf("file %d is %q, want %q", i, files[i], want[i])
		}
	}
	wantSkipped := []corpus.Skipped{{"empty.bbj", "empty"}, {"nul.bbj", "holds NUL bytes"}, {"token.bbj", "tokenised program"}}
	for i, s := range skipped {
		if i >= len(wantSkipped) || s != wantSkipped[i] {
			t.Errorf("skipped %d is %v", i, s)
		}
	}
	if _, _, err := corpus.Load(filepath.Join(dir, "absent"), nil); err == nil || fault.Hint(err) == "" {
		t.Errorf("a missing folder: %v", err)
	}
}
