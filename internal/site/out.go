package site

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/internal/fault"
)

// Files are the paths of the site's files, sorted.
func (s *Site) Files() []string { return slices.Sorted(maps.Keys(s.files)) }

// File is one file, nil where there is none of that path.
func (s *Site) File(name string) []byte { return s.files[name] }

// Write makes a folder of the site. It appears as a whole or not at all, and what is
// there already stays as it is.
func (s *Site) Write(dir string) error {
	dir = filepath.Clean(dir)
	const hint = "name a new folder, or remove what is there"
	info, err := os.Lstat(dir)
	if there := !os.IsNotExist(err); there && (err != nil || !info.IsDir() || !empty(dir)) {
		return fault.Newf(hint, "%s is there and not an empty folder", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	for _, name := range s.Files() {
		file := filepath.Join(scratch, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, s.files[name], 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(scratch, 0o755); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !os.IsNotExist(err) { // an empty folder, which may be that of the process
		return fault.Wrap(err, hint)
	}
	return os.Rename(scratch, dir)
}

func empty(dir string) bool {
	list, err := os.ReadDir(dir)
	return err == nil && len(list) == 0
}

// policy lets a page load what stands beside it, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// drawings have their own style sheet inside, and no need for anything else.
const drawings = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

// types are the kinds of files that a site holds, whatever the machine thinks of them.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json",
}

// Handler serves the site.
func (s *Site) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "the documentation is only read", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" || strings.HasSuffix(name, "/") {
			name += "index.html"
		}
		text, ok := s.files[name]
		if !ok && s.files[name+"/index.html"] != nil {
			// A fixed path of the site, relative so that it cannot lead elsewhere.
			h.Set("Location", path.Base(name)+"/")
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		if !ok {
			http.Error(w, "there is no such page", http.StatusNotFound)
			return
		}
		kind := types[path.Ext(name)]
		if kind == "" {
			kind = "text/plain; charset=utf-8"
		}
		if kind == types[".svg"] {
			h.Set("Content-Security-Policy", drawings)
		}
		h.Set("Content-Type", kind)
		h.Set("Content-Length", fmt.Sprint(len(text)))
		if r.Method == http.MethodGet {
			w.Write(text)
		}
	})
}
