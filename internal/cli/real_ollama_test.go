package cli_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/recipe"
)

// ollamaBinary names the Ollama that make test-ollama has built.
const ollamaBinary = "BBJTUNE_OLLAMA"

// A package is installed in a real Ollama, which renders its prompts as they were
// trained, and answers.
func TestRealOllama(t *testing.T) {
	binary := os.Getenv(ollamaBinary)
	if binary == "" {
		t.Skip("make test-ollama builds Ollama and runs this")
	}
	r := newReal(t)
	r.prepare()
	r.run("pack", "recipe.yaml")
	packages, err := filepath.Glob(filepath.Join(r.dir, "runs/pack/tiny-*/Modelfile"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("packages %v, %v", packages, err)
	}
	url := startOllama(t, binary)
	dir := filepath.Dir(packages[0])
	out, _ := r.run("pack", "--install", dir, "--ollama", url)
	if !strings.Contains(out, "installed tiny in ollama ") {
		t.Errorf("%s", out)
	}
	if again, _ := r.run("pack", "--install", dir, "--ollama", url); again != out {
		t.Errorf("the second time it said\n%s\nfirst\n%s", again, out)
	}

	serve := r.command("serve", dir, "--server", "ollama", "--context", "512")
	serve.Env = append(serve.Env, "OLLAMA_HOST="+url)
	if out, err := serve.Output(); err != nil || !strings.Contains(string(out), "base URL: "+url+"/v1\nmodel:    bbjtune-") {
		t.Errorf("serve: %v\n%s", err, out)
	}

	var rendered struct {
		Debug struct {
			Text string `json:"rendered_template"`
		} `json:"_debug_info"`
	}
	ask := `{"model": "tiny", "stream": false, %s "messages": [{"role": "user", "content": "Print the date."}]}`
	post(t, url+"/api/chat", fmt.Sprintf(ask, `"_debug_render_only": true,`), &rendered)
	want := "<|im_start|>system\n" + recipe.Defaults().Data.SystemPrompts[0] + "<|im_end|>\n<|im_start|>user\nPrint the date.<|im_end|>\n<|im_start|>assistant\n"
	if rendered.Debug.Text != want {
		t.Errorf("rendered %q\nwant     %q", rendered.Debug.Text, want)
	}

	var reply struct {
		Message struct{ Content string }
		Done    bool
		Tokens  int `json:"eval_count"`
	}
	post(t, url+"/api/chat", fmt.Sprintf(ask, `"options": {"num_predict": 8, "num_thread": 1},`), &reply)
	if !reply.Done || reply.Tokens < 1 || strings.Contains(reply.Message.Content, "<|im_end|>") {
		t.Errorf("%+v", reply)
	}
	var choices struct {
		Choices []struct {
			FinishReason string `json:"finish_reason"`
		}
	}
	post(t, url+"/v1/chat/completions", fmt.Sprintf(ask, `"max_tokens": 8,`), &choices)
	if len(choices.Choices) != 1 {
		t.Errorf("%+v", choices)
	}
}

// startOllama starts an Ollama of its own and returns its address.
func startOllama(t *testing.T, binary string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	home := t.TempDir()
	log, err := os.Create(filepath.Join(home, "serve.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve")
	cmd.Env = append(os.Environ(), "HOME="+home, "OLLAMA_HOST="+address, "OLLAMA_MODELS="+filepath.Join(home, "models"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt) // it ends the process that holds the model
		cmd.Wait()
		log.Close()
	})
	for range 600 {
		if resp, err := http.Get("http://" + address + "/api/version"); err == nil {
			resp.Body.Close()
			return "http://" + address
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("ollama does not start:\n%s", read(t, log.Name()))
	return ""
}
