package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	date  = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	files = []file{{"bbjtune", []byte("program"), true}, {"man/man1/bbjtune.1", []byte("page"), false}}
)

// unpacked lists what an archive holds, by the readers of the standard library.
func unpacked(t *testing.T, archive []byte) []string {
	t.Helper()
	var list []string
	add := func(name string, mode os.FileMode, at time.Time, r io.Reader) {
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %v %s %s", name, mode, at.UTC().Format(time.RFC3339), text))
	}
	if z, err := gzip.NewReader(bytes.NewReader(archive)); err == nil {
		for r := tar.NewReader(z); ; {
			h, err := r.Next()
			if err == io.EOF {
				return list
			} else if err != nil {
				t.Fatal(err)
			}
			add(h.Name, h.FileInfo().Mode(), h.ModTime, r)
		}
	}
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		add(f.Name, 0, f.Modified, r)
	}
	return list
}

func TestArchives(t *testing.T) {
	for _, tt := range []struct {
		name string
		pack func(string, []file, time.Time) ([]byte, error)
		want []string
	}{
		{"tar.gz", tarball, []string{"b/bbjtune -rwxr-xr-x 2026-01-02T03:04:06Z program", "b/man/man1/bbjtune.1 -rw-r--r-- 2026-01-02T03:04:06Z page"}},
		{"zip", zipped, []string{"b/bbjtune ---------- 2026-01-02T03:04:06Z program", "b/man/man1/bbjtune.1 ---------- 2026-01-02T03:04:06Z page"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one, err := tt.pack("b", files, date)
			if err != nil {
				t.Fatal(err)
			}
			// The zone of the machine is in none of it.
			two, err := tt.pack("b", files, date.In(time.FixedZone("", 3600)).UTC())
			if err != nil || !bytes.Equal(one, two) {
				t.Error("not the same bytes", err)
			}
			if got := unpacked(t, one); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestChecksums(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.zip", "a.tar.gz"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := checksums(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	want := fmt.Sprintf("%x  a.tar.gz\n%x  b.zip\n", sha256.Sum256([]byte("a.tar.gz")), sha256.Sum256([]byte("b.zip")))
	if err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
}

// Only a release is replaced: the folder that -out names might be any.
func TestReplaceable(t *testing.T) {
	dir := t.TempDir()
	r := release{out: filepath.Join(dir, "dist")}
	if err := r.replaceable(); err != nil {
		t.Error(err)
	}
	if err := os.MkdirAll(filepath.Join(r.out, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.replaceable(); err == nil || !strings.Contains(err.Error(), "is no release") {
		t.Error(err)
	}
	if err := checksums(r.out); err == nil {
		t.Error("checksums of a folder within")
	}
	if err := os.Remove(filepath.Join(r.out, "mine")); err != nil {
		t.Fatal(err)
	}
	if err := checksums(r.out); err != nil {
		t.Fatal(err)
	}
	if err := r.replaceable(); err != nil {
		t.Error(err)
	}
}

// What git does not know would be in the program, and in no commit.
func TestCommitted(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	t.Chdir(t.TempDir())
	git := func(args ...string) {
		t.Helper()
		c := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "core.autocrlf=false"}, args...)...)
		if said, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	write := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"README.md", "docs/é x.md", "contrib/pre-commit", "internal/x/README.md", "main.go"} {
		write(name)
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "one")
	list, err := release{version: "v1"}.committed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []file{{"README.md", []byte("README.md"), false}, {"contrib/pre-commit", []byte("contrib/pre-commit"), true}, {"docs/é x.md", []byte("docs/é x.md"), false}}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("%v", list)
	}
	write("docs/draft.md")
	if _, err := (release{version: "v1"}).committed(t.Context()); err == nil || !strings.Contains(err.Error(), "?? docs/draft.md") {
		t.Error(err)
	}
	if list, err := (release{version: "v1-dirty"}).committed(t.Context()); err != nil || len(list) != 3 {
		t.Error(list, err)
	}
}
