package ollama_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/ollama"
	"bbjtune/internal/ollama/ollamatest"
	"bbjtune/internal/pack"
)

// packaged is a Modelfile as pack writes it, and the one file that it names.
func packaged(t testing.TB) (ollama.Model, ollama.Part) {
	t.Helper()
	text, err := pack.Modelfile(pack.ModelfileOptions{From: "./m.gguf", System: "You write BBj.", License: "Apache-2.0"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, []byte("GGUF"), 0o644); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("GGUF"))
	part := ollama.Part{Name: "m.gguf", Path: path, Digest: "sha256:" + hex.EncodeToString(sum[:])}
	m, err := ollama.ReadModelfile(strings.NewReader(text), only(part))
	if err != nil {
		t.Fatal(err)
	}
	m.Name = "bbj-coder"
	return m, part
}

// only knows one file.
func only(p ollama.Part) func(string) (ollama.Part, bool) {
	return func(name string) (ollama.Part, bool) { return p, name == p.Name }
}

func start(t *testing.T) (*ollamatest.Fake, *ollama.Ollama) {
	t.Helper()
	f := ollamatest.New()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	o, err := ollama.Connect(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return f, o
}

func TestCreate(t *testing.T) {
	f, o := start(t)
	m, part := packaged(t)
	var heard []string
	hear := func(what string, done, total int64) {
		if !slices.Contains(heard, what) {
			heard = append(heard, what)
		}
	}
	if err := o.Create(t.Context(), m, hear); err != nil {
		t.Fatal(err)
	}
	digest, err := o.Check(t.Context(), m)
	if err != nil || !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("%q, %v", digest, err)
	}
	if want := []string{"sending", "parsing GGUF", "success"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	if f.Blobs[part.Digest] != "GGUF" || f.Models["bbj-coder"]["system"] != "You write BBj." || f.Models["bbj-coder"]["template"] != pack.OllamaTemplate {
		t.Errorf("%v", f.Models)
	}
	if has, err := o.Has(t.Context(), "bbj-coder"); !has || err != nil {
		t.Errorf("%v, %v", has, err)
	}
	if has, err := o.Has(t.Context(), "another"); has || err != nil {
		t.Errorf("%v, %v", has, err)
	}

	f.Calls = nil
	if err := o.Create(t.Context(), m, hear); err != nil || slices.Contains(f.Calls, "POST /api/blobs") {
		t.Errorf("%v; the second time: %v", err, f.Calls)
	}
}

// What Ollama made of a model is held against what was sent.
func TestCheck(t *testing.T) {
	for what, spoil := range map[string]func(map[string]any){
		"template":           func(m map[string]any) { m["template"] = "{{ .Prompt }}" },
		"system prompt":      func(m map[string]any) { m["system"] = "" },
		"parameter num_ctx":  func(m map[string]any) { m["parameters"].(map[string]any)["num_ctx"] = 2048 },
		"parameter stop":     func(m map[string]any) { m["parameters"].(map[string]any)["stop"] = []any{"<|im_end|>"} },
		"file for m.gguf":    func(m map[string]any) { m["files"] = map[string]any{"m.gguf": "sha256:00"} },
		"parameter top_p":    func(m map[string]any) { delete(m["parameters"].(map[string]any), "top_p") },
		"does not list it":   func(m map[string]any) { m["lost"] = true },
		"model 'bbj-coder' ": func(m map[string]any) { m["gone"] = true },
	} {
		f, o := start(t)
		m, _ := packaged(t)
		if err := o.Create(t.Context(), m, func(string, int64, int64) {}); err != nil {
			t.Fatal(err)
		}
		made := f.Models["bbj-coder"]
		spoil(made)
		if made["lost"] != nil {
			f.Spoil["/api/tags"] = `{"models":[]}`
		}
		if made["gone"] != nil {
			delete(f.Models, "bbj-coder")
		}
		if _, err := o.Check(t.Context(), m); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestFailures(t *testing.T) {
	m, part := packaged(t)
	quiet := func(string, int64, int64) {}
	f, o := start(t)
	f.Spoil["/api/create"] = `{"status":"parsing GGUF"}` + "\n" + `{"error":"no space left on device"}`
	if err := o.Create(t.Context(), m, quiet); err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(part.Path, []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, o = start(t)
	if err := o.Create(t.Context(), m, quiet); err == nil || !strings.Contains(err.Error(), "send m.gguf: digest mismatch") || !strings.Contains(fault.Hint(err), "make the package again") {
		t.Errorf("%v", err)
	}
}

func TestConnect(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	if _, err := ollama.Connect(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v", err)
	}
	s.Close()
	_, err := ollama.Connect(t.Context(), s.URL)
	if err == nil || !strings.Contains(err.Error(), "ollama does not answer at "+s.URL) || !strings.Contains(fault.Hint(err), "ollama serve") {
		t.Errorf("%v, hint %q", err, fault.Hint(err))
	}
}

func TestModelfile(t *testing.T) {
	m, part := packaged(t)
	if len(m.Weights) != 1 || m.Weights[0] != part || m.System != "You write BBj." || !slices.Equal(m.License, []string{"Apache-2.0"}) {
		t.Errorf("%+v", m)
	}
	if stop, _ := m.Parameters["stop"].([]string); !slices.Equal(stop, chat.Stop()) {
		t.Errorf("parameters %v", m.Parameters)
	}
	for text, want := range map[string]string{
		"FROM ../../etc/passwd\n":                  "no file of the package",
		"FROM /etc/passwd.gguf\n":                  "no file of the package",
		"FROM ./other.gguf\n":                      "no file of the package",
		"FROM ./m.gguf\nADAPTER ./a.gguf\n":        "no file of the package",
		"FROM ./m.gguf\nPARAMETER num_ctx many\n":  "invalid int value",
		"FROM ./m.gguf\nMESSAGE user hello\n":      "the Modelfile has message",
		"NONSENSE\n":                               "the Modelfile: ",
		"FROM ./m.gguf\nTEMPLATE \"\"\"unclosed\n": "the Modelfile: ",
	} {
		if _, err := ollama.ReadModelfile(strings.NewReader(text), only(part)); err == nil || !strings.Contains(err.Error(), want) || fault.Hint(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
	if m, err := ollama.ReadModelfile(strings.NewReader("FROM qwen2.5-coder:14b\nADAPTER ./m.gguf\n"), only(part)); err != nil || m.From != "qwen2.5-coder:14b" || len(m.Adapters) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
}

// A conversation is rendered as the chat template does it.
func TestRender(t *testing.T) {
	m, _ := packaged(t)
	for _, c := range []struct {
		messages []chat.Message
		want     string
	}{
		{[]chat.Message{{Role: chat.User, Content: "U"}}, "<|im_start|>system\nYou write BBj.<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"},
		{[]chat.Message{{Role: chat.System, Content: "S"}, {Role: chat.User, Content: "{{ .System }}"}}, "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n{{ .System }}<|im_end|>\n<|im_start|>assistant\n"},
	} {
		if got, err := m.Render(c.messages); err != nil || got != c.want {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{"bbj-coder": true, "bbj-coder:v2": true, "me/bbj": true, "": false, "a b": false, "../x": false} {
		if err := ollama.CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Whatever a Modelfile says, no file is named that the package does not have.
func FuzzReadModelfile(f *testing.F) {
	m, part := packaged(f)
	f.Add("FROM ./m.gguf\nTEMPLATE \"\"\"" + m.Template + "\"\"\"\nPARAMETER stop \"<|im_end|>\"\n")
	f.Add("FROM ../m.gguf\nADAPTER /m.gguf\n")
	f.Add("\ufeffFROM x\r\nPARAMETER num_ctx 1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ollama.ReadModelfile(strings.NewReader(text), only(part))
		if err != nil {
			return
		}
		for _, p := range slices.Concat(m.Weights, m.Adapters) {
			if p != part {
				t.Errorf("%+v", p)
			}
		}
		_, _ = m.Render([]chat.Message{{Role: chat.User, Content: "U"}})
	})
}
