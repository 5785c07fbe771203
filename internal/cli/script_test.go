package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bbjtune/bbj/cpl/cpltest"
	"bbjtune/internal/cli"
	"bbjtune/internal/llm/llmtest"
	"bbjtune/internal/ollama/ollamatest"
	"bbjtune/internal/ray/raytest"
)

var update = flag.Bool("update", false, "write what the scripts compare with anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bbjtune": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			status := cli.Main(ctx, cli.Process())
			stop()
			os.Exit(status)
		},
		"standin-cpl": cpltest.Main,
		"fake-worker": fakeWorker,
	})
}

// endpoint is an OpenAI-compatible server that gives every question the same
// program, and refuses the key "wrong".
func endpoint(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Messages []struct{ Role, Content string }
		}
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(text, &body)
		}
		if err != nil || r.URL.Path != "/v1/chat/completions" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if r.Header.Get("Authorization") == "Bearer wrong" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{
			"choices": []any{map[string]any{"finish_reason": "stop", "message": map[string]string{"role": "assistant", "content": "```bbj\nprint \"hello\"\n```"}}},
			"usage":   map[string]int{"prompt_tokens": 20, "completion_tokens": 10},
		})
	}))
	t.Cleanup(s.Close)
	return s
}

// fleet is servers of a model, two of them alike, as environment variables name them.
func fleet(t *testing.T, script llmtest.Script) map[string]*llmtest.Endpoint {
	vllm := func(id, root string, context int) map[string]string {
		return map[string]string{"/v1/models": llmtest.Models(id, root, context), "/version": `{"version":"0.28.0"}`}
	}
	hello := func(q string, n int) llmtest.Act {
		if q == "Say yes." {
			return llmtest.Act{Text: "yes"}
		}
		return llmtest.Act{Status: 500}
	}
	off := llmtest.NewEndpoint(t, "bbj", script, nil)
	off.Kill()
	return map[string]*llmtest.Endpoint{
		"TWIN":      llmtest.NewEndpoint(t, "bbj", script, vllm("bbj", "/models/bbj", 4096)),
		"OTHERTWIN": llmtest.NewEndpoint(t, "bbj", script, vllm("bbj", "/data/bbj", 4096)),
		"SHORT":     llmtest.NewEndpoint(t, "bbj", script, vllm("bbj", "/models/bbj", 2048)),
		"QUANTIZED": llmtest.NewEndpoint(t, "bbj", script, vllm("bbj", "/models/bbj-awq", 4096)),
		"FOREIGN":   llmtest.NewEndpoint(t, "qwen", script, vllm("qwen", "/models/qwen", 4096)),
		"LIAR":      llmtest.NewEndpoint(t, "qwen", script, vllm("bbj", "/models/bbj", 4096)),
		"SEVERAL":   llmtest.NewEndpoint(t, "bbj", script, map[string]string{"/v1/models": `{"data":[{"id":"bbj"},{"id":"qwen"}]}`}),
		"SICK":      llmtest.NewEndpoint(t, "bbj", hello, vllm("bbj", "/models/bbj", 4096)),
		"OFF":       off,
	}
}

// status runs a command and checks its exit status: status N COMMAND ARG…
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%s: exit status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// oneJob is a Ray cluster on which one training runs.
func oneJob(t *testing.T) http.Handler {
	f := raytest.NewFake("opensesame")
	f.Takes = time.Hour
	r := httptest.NewRequest(http.MethodPost, "/api/jobs/", strings.NewReader(`{"submission_id": "bbjtune-there-0123456789ab-stage1-1", "entrypoint": "python ray_driver.py"}`))
	r.Header.Set("Authorization", "Bearer opensesame")
	w := httptest.NewRecorder()
	if f.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Fatal(w.Body)
	}
	return f
}

// rayCluster is the address of a stand-in for a Ray cluster of up to two nodes, which
// asks for the token "opensesame". The second has an old peft and a name that a
// terminal might obey.
func rayCluster(t *testing.T, version string, nodes int) string {
	f := raytest.NewFake("opensesame")
	f.Version = version
	f.Nodes[1].Host, f.Nodes[1].FreeCPUs = "sec\x1b[31mond", 1
	f.Nodes = f.Nodes[:nodes]
	f.Run = func(j raytest.FakeJob) (string, int) {
		text, err := json.Marshal(map[string]any{
			"clock": float64(time.Now().UnixMilli()) / 1e3, "python": "3.11.7", "temporary_free": 5e9,
			"packages": map[string]string{"ray": "2.60.0", "torch": "2.15.0+cpu", "transformers": "5.23.0", "trl": "1.16.0", "peft": []string{"0.21.2", "0.18.0"}[j.Node], "accelerate": "1.15.0", "datasets": "5.2.0"},
			"storage":  map[string]any{"there": true, "free": 5e9},
		})
		if err != nil {
			t.Error(err)
		}
		return fmt.Sprintf("bbjtune-probe %s\nbbjtune-probe {\"looks\": 1, \"missing\": []}\n", text), 0
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	t.Cleanup(func() {
		if left := f.Left(); len(left) > 0 {
			t.Errorf("jobs left on the cluster: %v", left)
		}
	})
	return s.URL
}

// anyHost is a cluster of one node that answers under any name, as a proxy does, but
// that of a stranger, to whom nothing may be sent.
func anyHost(t *testing.T) http.Handler {
	f := raytest.NewFake("opensesame")
	f.Nodes = f.Nodes[:1]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "evil.example") {
			t.Errorf("%s is asked for %s", r.Host, r.URL.Path)
		}
		f.ServeHTTP(w, r)
	})
}

func TestScripts(t *testing.T) {
	server := endpoint(t)
	program := func(string, int) llmtest.Act { return llmtest.Act{Text: "```bbj\nprint \"hello\"\n```"} }
	anthropic := llmtest.Anthropic(t, program)
	// One question fails twice for good, and another passes by.
	flaky := llmtest.OpenAI(t, func(q string, n int) llmtest.Act {
		if strings.HasPrefix(q, "Ask") && n < 2 {
			return llmtest.Act{Status: 400, Body: `{"error":{"message":"no \u001b[31mred"}}`}
		}
		if n == 0 {
			return llmtest.Act{Status: 429, Header: map[string]string{"Retry-After-Ms": "1"}}
		}
		return program(q, n)
	})
	ollama := httptest.NewServer(ollamatest.New())
	t.Cleanup(ollama.Close)
	another := httptest.NewServer(ollamatest.New())
	t.Cleanup(another.Close)
	fleet := fleet(t, program)
	training := httptest.NewServer(oneJob(t))
	t.Cleanup(training.Close)
	busy := httptest.NewServer(oneJob(t))
	t.Cleanup(busy.Close)
	cluster, oldCluster, oneNode := rayCluster(t, "2.60.0", 2), rayCluster(t, "2.9.3", 2), rayCluster(t, "2.60.0", 1)
	proxied := httptest.NewServer(anyHost(t))
	t.Cleanup(proxied.Close)
	repository, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status},
		Setup: func(e *testscript.Env) error {
			e.Setenv("ENDPOINT", server.URL+"/v1")
			e.Setenv("ANTHROPIC", anthropic)
			e.Setenv("FLAKY", flaky)
			e.Setenv("OLLAMA", ollama.URL)
			e.Setenv("OTHER_OLLAMA", another.URL)
			for name, endpoint := range fleet {
				e.Setenv(name, endpoint.URL)
			}
			e.Setenv("RAY_TRAINING", training.URL)
			e.Setenv("BUSY_CLUSTER", busy.URL)
			e.Setenv("RAY_CLUSTER", cluster)
			e.Setenv("OLD_RAY_CLUSTER", oldCluster)
			e.Setenv("ONE_NODE", oneNode)
			e.Setenv("ANY_HOST", proxied.URL)
			e.Setenv("REPO", repository+"/../..")
			e.Setenv("BBJTUNE_CACHE", e.WorkDir+"/cache")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else a second for each command
			return nil
		},
	})
}
