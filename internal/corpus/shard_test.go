package corpus_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/corpus"
)

// However many parts there are, and in whatever order they come, they give what
// the whole gives. Files travel as JSON, as they do between machines.
func TestShardsGiveTheWhole(t *testing.T) {
	files := map[string]string{}
	for name, text := range everyRule {
		files[name], files["copy/"+name] = text, text
	}
	for n := range 40 { // some resemble those before them
		files[fmt.Sprintf("src/many/%d.bbj", n)] = "rem Copyright 2020 Example\n" + program(100+n/2) + fmt.Sprintf("print %d\n", n)
	}
	tree(t, files)
	l := list(t, "src", "copy")
	hash, err := l.Hash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o := corpus.Options{IncludeBroken: true, MaxCharacters: 200}
	whole, err := corpus.Build(t.Context(), check.Embedded{}, l.Files, o)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(whole)
	for _, n := range []int{1, 2, 4, 100} {
		var examined []corpus.Examined
		for i := n; i >= 1; i-- {
			part := l.Shard(i, n)
			if n == 2 && (len(part.Files) < 20 || len(part.Files) > len(l.Files)-20) {
				t.Errorf("part %d of 2 has %d of %d files", i, len(part.Files), len(l.Files))
			}
			err := corpus.Examine(t.Context(), check.Embedded{}, part, o, func(e corpus.Examined) error {
				line, err := json.Marshal(e)
				if err != nil {
					return err
				}
				examined = append(examined, corpus.Examined{})
				return json.Unmarshal(line, &examined[len(examined)-1])
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := corpus.HashExamined(examined); got != hash {
			t.Errorf("%d parts: the hash of the files is %s, of the whole %s", n, got, hash)
		}
		joined, err := corpus.Join(t.Context(), examined, o.MaxCharacters)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(joined); string(got) != string(want) {
			t.Errorf("%d parts give\n%s\nthe whole gives\n%s", n, got, want)
		}
	}
}

func TestReadShardRefusesOthers(t *testing.T) {
	dir := t.TempDir()
	if _, err := corpus.ReadShard(dir); err == nil {
		t.Error("a folder without a manifest was read")
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(`{"version":1,"kind":"corpus","files":[]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := corpus.ReadShard(dir); err == nil {
		t.Error("a corpus was read as a part of one")
	}
}
