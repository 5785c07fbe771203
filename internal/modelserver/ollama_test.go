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
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/modelserver"
	"bbjtune/internal/ollama/ollamatest"
)

func startOllama(t *testing.T, spoil map[string]string) (*ollamatest.Fake, modelserver.Options, *log) {
	f := ollamatest.New()
	f.Spoil = spoil
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
	got, _ := json.Marshal(f.Models[s.Model()])
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

	f.Calls = nil
	again, err := modelserver.Start(t.Context(), o)
	if err != nil || again.Model() != s.Model() {
		t.Fatalf("%v, %v", again, err)
	}
	if got := strings.Join(f.Calls, ", "); got != "GET /api/version, POST /api/show, POST /api/generate" {
		t.Errorf("the second time: %s", got)
	}

	o.Template = "another"
	f.Calls = nil
	other, err := modelserver.Start(t.Context(), o)
	if err != nil || other.Model() == s.Model() {
		t.Errorf("another template, the same model: %v", err)
	}
	if strings.Contains(strings.Join(f.Calls, ", "), "POST /api/blobs") {
		t.Errorf("the file was sent twice: %v", f.Calls)
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
