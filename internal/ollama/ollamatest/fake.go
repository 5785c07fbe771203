// Package ollamatest is a stand-in for Ollama that answers as its server does
// (server/routes.go and server/create.go of its module), without any model.
package ollamatest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Fake is the handler of the API. Calls, Blobs and Models say what was asked of it.
type Fake struct {
	mu sync.Mutex
	// Calls are the methods and paths, in order, without digests.
	Calls []string
	// Blobs are files by digest, Models the bodies of create requests by name.
	Blobs  map[string]string
	Models map[string]map[string]any
	// Spoil answers a path otherwise.
	Spoil map[string]string
}

// New returns one that knows no model.
func New() *Fake {
	return &Fake{Blobs: map[string]string{}, Models: map[string]map[string]any{}, Spoil: map[string]string{}}
}

// ServeHTTP implements [http.Handler].
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Calls = append(f.Calls, r.Method+" "+strings.SplitN(r.URL.Path, "/sha256:", 2)[0])
	if answer, ok := f.Spoil[r.URL.Path]; ok {
		fmt.Fprint(w, answer)
		return
	}
	switch digest := strings.TrimPrefix(r.URL.Path, "/api/blobs/"); {
	case r.URL.Path == "/api/version":
		fmt.Fprint(w, `{"version":"0.17.4"}`)
	case r.URL.Path == "/api/show":
		f.show(w, r)
	case r.URL.Path == "/api/tags":
		f.tags(w)
	case r.Method == http.MethodHead && f.Blobs[digest] == "":
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodHead:
	case digest != r.URL.Path:
		f.blob(w, r, digest)
	case r.URL.Path == "/api/create":
		f.create(w, r)
	case r.URL.Path == "/api/generate":
		fmt.Fprint(w, `{"done":true,"done_reason":"load"}`)
	default:
		http.NotFound(w, r)
	}
}

func (f *Fake) blob(w http.ResponseWriter, r *http.Request, digest string) {
	text, err := io.ReadAll(r.Body)
	sum := sha256.Sum256(text)
	if got := "sha256:" + hex.EncodeToString(sum[:]); err != nil || got != digest {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"digest mismatch, expected \"%s\", got \"%s\""}`, digest, got)
		return
	}
	f.Blobs[digest] = string(text)
	w.WriteHeader(http.StatusCreated)
}

func (f *Fake) show(w http.ResponseWriter, r *http.Request) {
	var req struct{ Model string }
	_ = json.NewDecoder(r.Body).Decode(&req) // no name, no model
	m := f.Models[req.Model]
	if m == nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":"model '%s' not found"}`, req.Model)
		return
	}
	var parameters, file strings.Builder
	values, _ := m["parameters"].(map[string]any)
	for name, v := range values {
		list, several := v.([]any)
		if !several {
			list = []any{v}
		}
		for _, each := range list {
			if text, ok := each.(string); ok {
				each = fmt.Sprintf("%q", text)
			}
			fmt.Fprintf(&parameters, "%-30s %v\n", name, each)
		}
	}
	for _, key := range []string{"files", "adapters"} {
		parts, _ := m[key].(map[string]any)
		for _, digest := range parts {
			fmt.Fprintf(&file, "FROM /models/blobs/%s\n", strings.Replace(digest.(string), ":", "-", 1))
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"template": m["template"], "system": m["system"], "parameters": parameters.String(), "modelfile": file.String()})
}

// tags lists the models with made-up digests.
func (f *Fake) tags(w http.ResponseWriter) {
	list := []map[string]string{}
	for name := range f.Models {
		if !strings.Contains(name, ":") {
			name += ":latest"
		}
		sum := sha256.Sum256([]byte(name))
		list = append(list, map[string]string{"name": name, "digest": hex.EncodeToString(sum[:])})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"models": list})
}

func (f *Fake) create(w http.ResponseWriter, r *http.Request) {
	var req map[string]any
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, `{"error":"no JSON"}`, http.StatusBadRequest)
		return
	}
	files, _ := req["files"].(map[string]any)
	for _, digest := range files {
		if f.Blobs[digest.(string)] == "" {
			fmt.Fprint(w, `{"error":"blob not found"}`)
			return
		}
	}
	f.Models[req["model"].(string)] = req
	fmt.Fprint(w, `{"status":"parsing GGUF"}`+"\n"+`{"status":"success"}`+"\n")
}
