package modelserver_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/modelserver"
)

// fakeOllama answers as the real one does (its server/routes.go and
// server/create.go).
type fakeOllama struct {
	mu     sync.Mutex
	calls  []string
	blobs  map[string]string
	models map[string]map[string]any // name -> create request
	spoil  map[string]string         // path -> answer instead of the right one
}

func (f *fakeOllama) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+strings.SplitN(r.URL.Path, "/sha256:", 2)[0])
	if answer, ok := f.spoil[r.URL.Path]; ok {
		fmt.Fprint(w, answer)
		return
	}
	switch digest := strings.TrimPrefix(r.URL.Path, "/api/blobs/"); {
	case r.URL.Path == "/api/version":
		fmt.Fprint(w, `{"version":"0.17.4"}`)
	case r.URL.Path == "/api/show":
		f.show(w, r)
	case r.Method == http.MethodHead && f.blobs[digest] == "":
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodHead:
	case digest != r.URL.Path:
		text, _ := io.ReadAll(r.Body)
		f.blobs[digest] = string(text)
		w.WriteHeader(http.StatusCreated)
	case r.URL.Path == "/api/create":
		f.create(w, r)
	case r.URL.Path == "/api/generate":
		fmt.Fprint(w, `{"done":true,"done_reason":"load"}`)
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeOllama) show(w http.ResponseWriter, r *http.Request) {
	var req struct{ Model string }
	json.NewDecoder(r.Body).Decode(&req)
	if f.models[req.Model] == nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":"model '%s' not found"}`, req.Model)
		return
	}
	fmt.Fprint(w, `{"license":"","details":{}}`)
}

func (f *fakeOllama) create(w http.ResponseWriter, r *http.Request) {
	var req map[string]any
	json.NewDecoder(r.Body).Decode(&req)
	for _, digest := range req["files"].(map[string]any) {
		if f.blobs[digest.(string)] == "" {
			fmt.Fprint(w, `{"error":"blob not found"}`)
			return
		}
	}
	f.models[req["model"].(string)] = req
	fmt.Fprint(w, `{"status":"parsing GGUF"}`+"\n"+`{"status":"success"}`+"\n")
}

func startOllama(t *testing.T, spoil map[string]string) (*fakeOllama, modelserver.Options, *log) {
	f := &fakeOllama{blobs: map[string]string{}, models: map[string]map[string]any{}, spoil: spoil}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	var out log
	o := options(t, modelserver.Ollama, "")
	o.OllamaHost, o.Log = strings.TrimPrefix(server.URL, "http://"), &out
	o.Template, o.Stop = "{{ .Prompt }}", []string{"<|im_end|>"}
	return f, o, &out
}

func TestOllama(t *testing.T) {
	f, o, out := startOllama(t, nil)
	s, err := modelserver.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if s.URL() != "http://"+o.OllamaHost+"/v1" || !strings.HasPrefix(s.Model(), "bbjtune-") {
		t.Errorf("%q at %q", s.Model(), s.URL())
	}
	sum := sha256.Sum256([]byte("GGUF"))
	got, _ := json.Marshal(f.models[s.Model()])
	want := fmt.Sprintf(`{"files":{"bbj-coder.gguf":"sha256:%s"},"model":"%s","name":"","parameters":{"num_ctx":4096,"stop":["\u003c|im_end|\u003e"]},"template":"{{ .Prompt }}"}`,
		hex.EncodeToString(sum[:]), s.Model())
	if string(got) != want {
		t.Errorf("created %s\nwant    %s", got, want)
	}
	if !strings.Contains(out.String(), "ollama: success\n") {
		t.Errorf("log %q", out.String())
	}
	select {
	case <-s.Done():
		t.Error("done before Close")
	default:
	}
	s.Close()
	<-s.Done()

	f.calls = nil
	again, err := modelserver.Start(t.Context(), o)
	if err != nil || again.Model() != s.Model() {
		t.Fatalf("%v, %v", again, err)
	}
	if got := strings.Join(f.calls, ", "); got != "GET /api/version, POST /api/show, POST /api/generate" {
		t.Errorf("the second time: %s", got)
	}

	o.Template = "another"
	f.calls = nil
	other, err := modelserver.Start(t.Context(), o)
	if err != nil || other.Model() == s.Model() {
		t.Errorf("another template, the same model: %v", err)
	}
	if strings.Contains(strings.Join(f.calls, ", "), "POST /api/blobs") {
		t.Errorf("the file was sent twice: %v", f.calls)
	}
}

func TestOllamaFailures(t *testing.T) {
	cases := []struct{ path, answer, message string }{
		{"/api/version", `{}`, "is not ollama"},
		{"/api/create", `{"status":"parsing GGUF"}` + "\n" + `{"error":"invalid file magic"}`, "known to ollama: invalid file magic"},
		{"/api/generate", `{"error":"model requires more system memory"}`, "in ollama: model requires more system memory"},
	}
	for _, c := range cases {
		_, o, _ := startOllama(t, map[string]string{c.path: c.answer})
		_, err := modelserver.Start(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), c.message) || fault.Hint(err) == "" {
			t.Errorf("err = %v, want %q; hint %q", err, c.message, fault.Hint(err))
		}
	}
}

func TestOllamaIsNotRunning(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	_, o, _ := startOllama(t, nil)
	o.OllamaHost = server.URL
	if _, err := modelserver.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("err = %v", err)
	}
	server.Close()
	if _, err := modelserver.Start(t.Context(), o); err == nil || !strings.Contains(fault.Hint(err), "ollama serve") {
		t.Errorf("err = %v, hint %q", err, fault.Hint(err))
	}
}

// TestOllamaLoadsTooLong keeps the request that loads the model waiting.
func TestOllamaLoadsTooLong(t *testing.T) {
	f, o, _ := startOllama(t, nil)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/generate" {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}
		f.ServeHTTP(w, r)
	}))
	defer slow.Close()
	o.OllamaHost, o.ReadyTimeout = slow.URL, 100*time.Millisecond
	if _, err := modelserver.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "not loaded within 100ms") {
		t.Errorf("err = %v", err)
	}
}
