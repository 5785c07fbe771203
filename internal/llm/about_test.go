package llm_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
)

func about(t *testing.T, tells map[string]string) llm.About {
	t.Helper()
	e := llmtest.NewEndpoint(t, "m", llmtest.Echo, tells)
	a, err := llm.NewOpenAI("m", e.URL, "m", llmtest.Secret).About(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAbout(t *testing.T) {
	const tags = `{"models":[{"name":"other:latest","digest":"00"},{"name":"m:latest","digest":"12ab","details":{"quantization_level":"Q4_K_M"}}]}`
	for name, c := range map[string]struct {
		tells map[string]string
		want  llm.About
	}{
		"vLLM": {map[string]string{"/v1/models": llmtest.Models("m", "/models/m-awq", 4096), "/version": `{"version":"0.28.0"}`},
			llm.About{Models: []string{"m"}, Root: "/models/m-awq", Context: 4096, Version: "vLLM 0.28.0"}},
		"Ollama": {map[string]string{"/v1/models": `{"data":[{"id":"m:latest"},{"id":"other:latest"}]}`, "/api/version": `{"version":"0.17.4"}`, "/api/tags": tags},
			llm.About{Models: []string{"m:latest", "other:latest"}, Quantization: "Q4_K_M", Digest: "sha256:12ab", Version: "Ollama 0.17.4"}},
		"llama.cpp": {map[string]string{"/v1/models": `{"data":[{"id":"m","meta":{"size":93,"n_params":5,"n_ctx":2048,"ftype":"Q8_0"}}]}`, "/props": `{"build_info":"b7-ab","default_generation_settings":{"n_ctx":1024}}`},
			llm.About{Models: []string{"m"}, Quantization: "Q8_0", Size: 93, Context: 2048, Version: "llama.cpp b7-ab"}},
		"nothing":  {nil, llm.About{}},
		"nonsense": {map[string]string{"/v1/models": `{"data":[{"id":"m","max_model_len":"long"}]}`, "/version": `[]`, "/api/tags": "<html>"}, llm.About{}},
	} {
		if got := about(t, c.tells); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestAboutFails(t *testing.T) {
	off := llmtest.NewEndpoint(t, "m", llmtest.Echo, nil)
	off.Kill()
	if _, err := llm.NewOpenAI("m", off.URL, "m", "").About(t.Context()); cause(err) != llm.Unreachable {
		t.Errorf("nobody there: %v", err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+llmtest.Secret {
			http.Error(w, "no", http.StatusUnauthorized)
		}
	}))
	defer s.Close()
	if _, err := llm.NewOpenAI("m", s.URL+"/v1", "m", "").About(t.Context()); cause(err) != llm.KeyRefused {
		t.Errorf("without a key: %v", err)
	}
	if _, err := llm.NewOpenAI("m", s.URL+"/v1", "m", llmtest.Secret).About(t.Context()); err != nil {
		t.Errorf("with the key: %v", err)
	}
}

func cause(err error) llm.Cause {
	var f *llm.Failure
	if errors.As(err, &f) {
		return f.Cause
	}
	return ""
}

func TestAboutDiffers(t *testing.T) {
	vllm := llm.About{Models: []string{"m"}, Root: "/models/m", Context: 4096}
	for name, c := range map[string]struct {
		a, b llm.About
		want string
	}{
		"the same":         {vllm, vllm, ""},
		"other folders":    {vllm, llm.About{Root: "/data/weights/m", Context: 4096}, ""},
		"one tells little": {vllm, llm.About{Version: "x"}, ""},
		"quantized":        {vllm, llm.About{Root: "/models/m-awq"}, "weights m and m-awq"},
		"context":          {vllm, llm.About{Root: "/models/m", Context: 8192}, "longest context 4096 and 8192"},
		"Ollama":           {llm.About{Quantization: "Q4_K_M"}, llm.About{Quantization: "Q8_0"}, "quantization Q4_K_M and Q8_0"},
		"digest":           {llm.About{Digest: "sha256:1"}, llm.About{Digest: "sha256:2"}, "digest sha256:1 and sha256:2"},
		"llama.cpp":        {llm.About{Size: 1}, llm.About{Size: 2}, "bytes of weights 1 and 2"},
	} {
		if got := c.a.Differs(c.b); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if vllm.Serves("n") || !vllm.Serves("m") || !(llm.About{}).Serves("n") || !(llm.About{Models: []string{"m:latest"}}).Serves("m") {
		t.Error("what is served")
	}
}

// Whatever an endpoint says of itself, it is told or not, and nothing breaks.
func FuzzAbout(f *testing.F) {
	f.Add(llmtest.Models("m", "/models/m", 4096))
	f.Add(`{"models":[{"name":"m","digest":"1","details":{"quantization_level":"Q8_0"}}],"version":"1"}`)
	f.Add(`{"data":[{"id":"m","meta":null},{}],"build_info":"b"}`)
	f.Add(`{"data":[`)
	f.Fuzz(func(t *testing.T, text string) {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
		s := httptest.NewServer(h)
		defer s.Close()
		a, err := llm.NewOpenAI("m", s.URL+"/v1", "m", "").About(context.Background())
		if err != nil {
			t.Skip(err)
		}
		if d := a.Differs(a); d != "" {
			t.Errorf("it differs from itself: %s", d)
		}
		if len(a.Models) > 0 && !a.Serves(strings.TrimSuffix(a.Models[0], ":latest")) && !a.Serves(a.Models[0]) {
			t.Errorf("it does not serve %q", a.Models[0])
		}
	})
}
