package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
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

func TestMaterials(t *testing.T) {
	sum := sha256.Sum256([]byte("x"))
	info := &debug.BuildInfo{GoVersion: "go1.26.4 X:none", Deps: []*debug.Module{
		{Path: "example.org/a", Version: "v1.2.3+incompatible", Sum: "h1:" + base64.StdEncoding.EncodeToString(sum[:])},
		{Path: "example.org/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/c", Version: "v2.0.0", Sum: "h1:" + base64.StdEncoding.EncodeToString(sum[:])}},
	}}
	text, err := materials(info, "v1", date)
	if err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range b.Components {
		got = append(got, c.PURL)
	}
	want := []string{"pkg:golang/std@1.26.4", "pkg:golang/example.org/a@v1.2.3%2Bincompatible", "pkg:golang/example.org/c@v2.0.0"}
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(b.Dependencies[0].On, want) || b.Components[1].Hashes[0].Content != fmt.Sprintf("%x", sum) {
		t.Errorf("%s", text)
	}
	if b.Format != "CycloneDX" || b.Metadata.Timestamp != "2026-01-02T03:04:06Z" || b.Metadata.Component.Version != "v1" {
		t.Errorf("%s", text)
	}
	info.Deps[0].Sum = ""
	if _, err := materials(info, "v1", date); err == nil || !strings.Contains(err.Error(), "example.org/a has no hash") {
		t.Error(err)
	}
}
