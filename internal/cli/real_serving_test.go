package cli_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/chat"
	"bbjtune/internal/parity"
)

// verified compares the package with its adapter, by the command that
// docs/serving.md shows. A model that has learned nothing does not stop within the
// 24 tokens of its recipe; that alone fails.
func (r *real) verified(t *testing.T) {
	t.Helper()
	if !strings.Contains(read(t, "../../docs/serving.md"), "<!-- for real -->\n```sh\nbbjtune pack my-recipe.yaml\nbbjtune pack verify my-recipe.yaml\n```") {
		t.Error("docs/serving.md shows another way to verify a package")
	}
	out := r.gated("pack", "verify", "my-recipe.yaml", "--output-format", "json")
	var found struct {
		Version int
		Folder  string
		Report  parity.Report
		Gates   []parity.Gate
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || found.Version != 1 || len(found.Report.Files) == 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, g := range found.Gates {
		if !g.Passed && !strings.HasSuffix(g.Gate, "of the answers stop") {
			t.Errorf("%+v", g)
		}
	}
	for _, f := range found.Report.Files {
		if f.Cases != 2 || f.PromptsEqual != 2 || f.Modelfile != 2 || f.Tokens < 2 || f.Full() && f.Prefix < 0.95 {
			t.Errorf("%+v", f)
		}
	}
	if again := r.gated("pack", "verify", "my-recipe.yaml", "--output-format", "json"); again != out {
		t.Errorf("the second time it found\n%s\nfirst\n%s", again, out)
	}
	shown, _ := r.run("runs", "show", found.Folder)
	if !strings.Contains(shown, "model-f16.gguf 2 / 2 prompts") {
		t.Errorf("runs show:\n%s", shown)
	}
	// Without its last line, and half of the one before: what is there is not asked
	// again, and nothing else comes out.
	journal := filepath.Join(r.dir, found.Folder, "journal.jsonl")
	text := read(t, journal)
	if err := os.Remove(filepath.Join(r.dir, found.Folder, "manifest.json")); err != nil {
		t.Fatal(err)
	}
	cut := strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n")
	if err := os.WriteFile(journal, []byte(text[:cut+20]), 0o644); err != nil {
		t.Fatal(err)
	}
	if again := r.gated("pack", "verify", "my-recipe.yaml", "--output-format", "json"); again != out {
		t.Errorf("gone on with, it found\n%s\nfirst\n%s", again, out)
	}
	if resumed := read(t, journal); resumed != text {
		t.Error("gone on with, the journal is another")
	}
}

// gated runs a command whose gates may fail, and returns its standard output.
func (r *real) gated(args ...string) string {
	r.t.Helper()
	cmd := r.command(args...)
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 1 {
		return string(out)
	}
	if err != nil {
		r.t.Fatalf("bbjtune %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

var request = regexp.MustCompile("(?s)<!-- request: (\\S+) -->\n```json\n(.*?)```")

// served has the package answer the requests of docs/serving.md, and holds that
// each of the tokens that end an answer does.
func (r *real) served(t *testing.T) {
	t.Helper()
	packages, err := filepath.Glob(filepath.Join(r.dir, "runs/pack/tiny-*/Modelfile"))
	packages = slices.DeleteFunc(packages, func(path string) bool { return strings.Contains(path, "/tiny-graft-") })
	if err != nil || len(packages) == 0 {
		t.Fatalf("packages %v, %v", packages, err)
	}
	url := r.serving(t, filepath.Dir(packages[0]))
	found := request.FindAllStringSubmatch(read(t, "../../docs/serving.md"), -1)
	if len(found) != 2 {
		t.Fatalf("docs/serving.md shows %d requests", len(found))
	}
	for _, m := range found {
		var reply struct {
			Choices []struct {
				FinishReason string `json:"finish_reason"`
			}
			Usage struct {
				Tokens int `json:"completion_tokens"`
			}
		}
		post(t, url+strings.TrimPrefix(m[1], "/v1"), m[2], &reply)
		if len(reply.Choices) != 1 || reply.Usage.Tokens < 1 || reply.Usage.Tokens > 16 {
			t.Errorf("%s: %+v", m[1], reply)
		}
	}
	for _, stop := range chat.Stop() {
		stops(t, url, stop)
	}
}

// stops has the model say a token, and holds that the answer ends with it and does
// not show it.
func stops(t *testing.T, url, stop string) {
	t.Helper()
	var tokens struct{ Tokens []int }
	post(t, strings.TrimSuffix(url, "/v1")+"/tokenize", fmt.Sprintf(`{"content": %q, "parse_special": true}`, stop), &tokens)
	if len(tokens.Tokens) != 1 {
		t.Fatalf("%s is the tokens %v", stop, tokens.Tokens)
	}
	var reply struct {
		Choices []struct {
			FinishReason string `json:"finish_reason"`
			Message      struct{ Content string }
		}
	}
	post(t, url+"/chat/completions", fmt.Sprintf(`{"messages": [{"role": "user", "content": "x"}], "max_tokens": 8, "logit_bias": {"%d": 100}}`, tokens.Tokens[0]), &reply)
	if len(reply.Choices) != 1 || reply.Choices[0].FinishReason != "stop" || reply.Choices[0].Message.Content != "" {
		t.Errorf("%s: %+v", stop, reply)
	}
}

// serving starts a server for a package and returns its base URL.
func (r *real) serving(t *testing.T, dir string) string {
	t.Helper()
	cmd := r.command("serve", dir, "--context", "1024")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // the server ends with it
		cmd.Wait()
	})
	urls := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "base URL: "); ok {
				urls <- url
			}
		}
		close(urls)
	}()
	select {
	case url := <-urls:
		if url != "" {
			return url
		}
	case <-time.After(3 * time.Minute):
	}
	t.Fatal("bbjtune serve does not serve")
	return ""
}

func post(t *testing.T, url, body string, into any) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", url, resp.Status, err, text)
	}
}
