package runs_test

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := runs.WriteFile(path, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestWriteWithLeavesNothingBehindOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.txt")
	boom := errors.New("boom")
	err := runs.WriteWith(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("err = %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Fatalf("left behind: %v %v", entries, err)
	}
}

func TestOpenFinishOpen(t *testing.T) {
	root := t.TempDir()
	inputs := map[string]any{"recipe": "demo", "seed": 1}
	d, m, err := runs.Open(root, "data", "demo", "test", inputs)
	if err != nil || m != nil {
		t.Fatalf("first open: %v %v", m, err)
	}
	write(t, d.File("a", "x.txt"), "hello")
	if _, err := d.Finish(now, map[string]int{"rows": 3}, "a"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	d, m, err = runs.Open(root, "data", "demo", "test", inputs)
	if err != nil || m == nil {
		t.Fatalf("second open: %v %v", m, err)
	}
	f, ok := m.Lookup("a/x.txt")
	if !ok || f.Size != 5 || string(m.Result) == "" {
		t.Errorf("manifest %+v", m)
	}

	t.Run("other inputs, other folder", func(t *testing.T) {
		e, m, err := runs.Open(root, "data", "demo", "test", map[string]any{"recipe": "demo", "seed": 2})
		if err != nil || m != nil || e.Path == d.Path {
			t.Fatalf("%v %v %v", e, m, err)
		}
		e.Close()
	})
	t.Run("a missing output voids the manifest", func(t *testing.T) {
		if err := os.Remove(d.File("a", "x.txt")); err != nil {
			t.Fatal(err)
		}
		e, m, err := runs.Open(root, "data", "demo", "test", inputs)
		if err != nil || m != nil {
			t.Fatalf("%v %v", m, err)
		}
		defer e.Close()
		if _, err := runs.ReadManifest(e.Path); fault.Hint(err) == "" {
			t.Errorf("stale manifest still there: %v", err)
		}
	})
}

// What a killed process was writing is gone; what it had written stays.
func TestOpenTakesAwayFilesUnderWay(t *testing.T) {
	root := t.TempDir()
	d, _, err := runs.Open(root, "data", "demo", "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	kept := []string{"rows.jsonl", ".hidden", "a/b.tmp-1"}
	gone := []string{".rows.jsonl.tmp-123", "a/.b.jsonl.tmp-4"}
	for _, name := range append(gone, kept...) {
		write(t, d.File(name), "x")
	}
	d.Close()
	if d, _, err = runs.Open(root, "data", "demo", "test", 1); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, name := range gone {
		if _, err := os.Stat(d.File(name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range kept {
		if _, err := os.Stat(d.File(name)); err != nil {
			t.Error(err)
		}
	}
}

func TestScratch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	s, err := runs.NewScratch(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"hello ", "world"} {
		if _, err := io.WriteString(s, part); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 5)
	if _, err := s.ReadAt(got, 6); err != nil || string(got) != "world" {
		t.Errorf("%q, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Write(got); err == nil || !strings.HasPrefix(err.Error(), "write a temporary file in "+dir+": ") {
		t.Errorf("written after its end: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// Work that this program cannot judge is nobody's debris.
func TestOpenKeepsWhatItCannotRead(t *testing.T) {
	for name, c := range map[string]struct {
		manifest string
		kept     bool
	}{
		"another version": {`{"version":2}`, true},
		"another shape":   {`{"version":2,"files":{"a":1}}`, true},
		"a text version":  {`{"version":"2.0"}`, true},
		"no version":      {`[]`, true},
		"broken":          {`{"version":`, false},
		"other inputs":    {`{"version":1,"key":"x"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			d, _, err := runs.Open(root, "train", "demo", "test", 1)
			if err != nil {
				t.Fatal(err)
			}
			write(t, d.File("adapter"), "hours of work")
			write(t, d.File("manifest.json"), c.manifest)
			d.Close()
			e, m, err := runs.Open(root, "train", "demo", "test", 1)
			if m != nil || c.kept != (err != nil) || c.kept != (fault.Hint(err) != "") {
				t.Errorf("opened: %v, %v", m, err)
			}
			if e != nil {
				e.Close()
			}
			if _, err := os.Stat(d.File("adapter")); c.kept != (err == nil) {
				t.Errorf("the work: %v", err)
			}
		})
	}
}

func TestAnewForgets(t *testing.T) {
	for name, finish := range map[string]bool{"complete": true, "under way": false} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			d, _, err := runs.Open(root, "answers", "m", "test", 1)
			if err != nil {
				t.Fatal(err)
			}
			write(t, d.File("journal.jsonl"), "{}\n")
			if finish {
				if _, err := d.Finish(time.Now(), nil, "journal.jsonl"); err != nil {
					t.Fatal(err)
				}
			}
			d.Close()
			e, m, err := runs.Anew(root, "answers", "m", "test", 1)
			if err != nil || m != nil || e.Path != d.Path {
				t.Fatalf("%v %v %v", e, m, err)
			}
			defer e.Close()
			if _, err := os.Stat(d.File("journal.jsonl")); err == nil {
				t.Error("the answers of before are still there")
			}
		})
	}
}

func TestOpenIsExclusive(t *testing.T) {
	root := t.TempDir()
	d, _, err := runs.Open(root, "data", "demo", "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, _, err = runs.Open(root, "data", "demo", "test", 1)
	if err == nil || fault.Hint(err) == "" {
		t.Fatalf("second open of unfinished work: %v", err)
	}
}

func TestHashTreeIgnoresOrderAndSeesContent(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	write(t, filepath.Join(a, "1"), "x")
	write(t, filepath.Join(a, "d", "2"), "y")
	write(t, filepath.Join(b, "d", "2"), "y")
	write(t, filepath.Join(b, "1"), "x")
	hash := func(dir string) string {
		h, err := runs.HashTree(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if hash(a) != hash(b) {
		t.Error("same trees, different hashes")
	}
	write(t, filepath.Join(b, "1"), "z")
	if hash(a) == hash(b) {
		t.Error("different trees, same hash")
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.jsonl")
	open := func() (lines []string, j *runs.Journal, err error) {
		j, err = runs.OpenJournal(path, func(l []byte) error { lines = append(lines, string(l)); return nil })
		return
	}
	_, j, err := open()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []int{1, 2} {
		if err := j.Append(v); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()

	// A crash in the middle of a write leaves a torn line.
	for _, torn := range []string{`{"a":`, "{\"a\":\n"} {
		text, _ := os.ReadFile(path)
		os.WriteFile(path, append(text, torn...), 0o644)
		lines, j, err := open()
		if err != nil || strings.Join(lines, " ") != "1 2" {
			t.Fatalf("after torn %q: %v %v", torn, lines, err)
		}
		j.Close()
	}
	_, j, _ = open()
	j.Append(3)
	// What was written is there for whoever reads the file, flushed or not.
	if err := j.Write(4, 5); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "1\n2\n3\n4\n5\n" {
		t.Errorf("journal = %q", text)
	}
	if err := j.Sync(); err != nil {
		t.Error(err)
	}
	// After a failure nothing is written any more.
	j.Close()
	if err := j.Write(6); err == nil {
		t.Error("a closed journal is written to")
	}
	if err := j.Sync(); err == nil {
		t.Error("a failed journal says that all is on disk")
	}

	os.WriteFile(path, []byte("1\nnot json\n2\n"), 0o644)
	if _, _, err := open(); err == nil {
		t.Error("damage in the middle went unnoticed")
	}
}

func TestListTellsStatesApart(t *testing.T) {
	root := t.TempDir()
	finished := func(name string) *runs.Dir {
		d, _, err := runs.Open(root, "data", name, "test", name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, d.File("x.txt"), "hello")
		if _, err := d.Finish(now, nil, "x.txt"); err != nil {
			t.Fatal(err)
		}
		d.Close()
		return d
	}
	finished("whole")
	write(t, finished("cut").File("x.txt"), "hell")
	write(t, filepath.Join(root, "data", "half-1", "x.txt"), "")
	if err := os.MkdirAll(filepath.Join(root, "data", "folder-1", "manifest.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "data", "other-1", "manifest.json"), `{"version":1,"kind":"train"}`)
	write(t, filepath.Join(root, "data", "stray.txt"), "")
	list, err := runs.List(root)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]runs.State{}
	for _, e := range list {
		got[e.Name()] = e.State
		if (e.State == runs.Complete) != (e.Manifest != nil) || (e.State == runs.Broken) != (e.Reason != "") || strings.Contains(e.Reason, root) {
			t.Errorf("%+v", e)
		}
	}
	want := map[string]runs.State{"whole": runs.Complete, "cut": runs.Broken, "half": runs.Unfinished, "folder": runs.Broken, "other": runs.Broken}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if last := list[len(list)-1]; !last.Time.Equal(now) || last.Size < 5 {
		t.Errorf("the oldest is %+v", last)
	}
	if _, err := runs.List(filepath.Join(root, "absent")); fault.Hint(err) == "" {
		t.Errorf("no folder: %v", err)
	}
	if _, err := runs.Inspect(filepath.Join(root, "data", "stray.txt")); fault.Hint(err) == "" {
		t.Errorf("a file: %v", err)
	}
}
