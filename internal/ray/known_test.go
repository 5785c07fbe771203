package ray_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/internal/ray"
)

func TestKnown(t *testing.T) {
	k := ray.Known{Path: filepath.Join(t.TempDir(), "cache", "clusters")}
	has := func(address string, want bool) {
		t.Helper()
		if got, err := k.Has(address); err != nil || got != want {
			t.Errorf("%s: %v, %v", address, got, err)
		}
	}
	has("http://head:8265", false)
	if err := k.Add("http://head:8265"); err != nil {
		t.Fatal(err)
	}
	if err := k.Add("https://ray.example/a"); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"http://head:8265": true, "HEAD": true, "http://Head:8265/": true, "https://ray.example/a": true,
		"https://head:8265": false, "http://head:8266": false, "http://head.evil:8265": false, "http://ray.example/a": false, "https://ray.example": false, "": false,
	} {
		has(address, want)
	}
	if err := os.WriteFile(k.Path, []byte("# mine\r\n\r\nhead:9000\r\nhttp://me:secret@other\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	has("http://head:9000", true)
	has("http://other:8265", false)
	if _, err := (ray.Known{Path: t.TempDir()}).Has("head"); err == nil {
		t.Error("a folder was read")
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"http://localhost:8265": true, "http://127.0.0.1:8265": true, "http://127.8.0.1:1": true, "http://[::1]:8265": true,
		"http://localhost.evil:8265": false, "http://127.0.0.1.evil:8265": false, "http://10.0.0.1:8265": false, "http://0.0.0.0:8265": false, "http://[::ffff:10.0.0.1]:1": false,
	} {
		if got := ray.Loopback(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func FuzzReadAddress(f *testing.F) {
	for _, in := range []string{"head", "http://head:8265/", "[::1]", "HTTPS://Ray.Example/a", "http://head@evil", "http://head\\@evil", "http://127.0.0.1#@evil", "http://head:8265/\x1b[2J"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := ray.ReadAddress(in)
		if err != nil {
			return
		}
		if again, err := ray.ReadAddress(got); err != nil || again != got || strings.ContainsAny(got, "@\n\r ") {
			t.Errorf("%q is %q, and that %q, %v", in, got, again, err)
		}
	})
}
