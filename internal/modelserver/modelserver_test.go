package modelserver_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/modelserver"
)

// options returns those for a fake server of the kind.
func options(t *testing.T, kind modelserver.Kind, as string) modelserver.Options {
	t.Helper()
	t.Setenv(role, as)
	model := filepath.Join(t.TempDir(), "bbj-coder.gguf")
	if err := os.WriteFile(model, []byte("GGUF"), 0o644); err != nil {
		t.Fatal(err)
	}
	return modelserver.Options{Kind: kind, Model: model, Program: os.Args[0], Script: "serve.py", ReadyTimeout: patience}
}

// log is a writer for several goroutines.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestServes(t *testing.T) {
	cases := []struct {
		kind modelserver.Kind
		as   string
		args string
	}{
		{modelserver.XLlamaCPP, "ready", "serve.py --port 0 --ctx 2048 --threads 0 --model MODEL --host 127.0.0.1 --alias bbj-coder --parallel 2"},
		{modelserver.XLlamaCPP, "slow", ""},
		{modelserver.XLlamaCPP, "garbage", "nonsense"},
		{modelserver.LlamaServer, "ready", "-c 4096 --model MODEL --host 127.0.0.1 --alias bbj-coder --parallel 2"},
		{modelserver.LlamaServer, "slow", ""},
	}
	for _, c := range cases {
		t.Run(string(c.kind)+" "+c.as, func(t *testing.T) {
			var out log
			o := options(t, c.kind, c.as)
			o.Context, o.Parallel, o.Log = 2048, 2, &out
			s, err := modelserver.Start(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if s.Model() != "bbj-coder" || !strings.HasPrefix(s.URL(), "http://127.0.0.1:") || !strings.HasSuffix(s.URL(), "/v1") {
				t.Errorf("model %q at %q", s.Model(), s.URL())
			}
			if s.Err() != nil {
				t.Error(s.Err())
			}
			wantAnswer(t, s.URL())
			for range 2 {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			<-s.Done()
			if s.Err() != nil {
				t.Errorf("after Close: %v", s.Err())
			}
			if want := strings.Replace(c.args, "MODEL", o.Model, 1); !strings.Contains(out.String(), want) {
				t.Errorf("log %q, want %q", out.String(), want)
			}
			if _, err := http.Get(s.URL() + "/models"); err == nil {
				t.Error("it still answers")
			}
		})
	}
}

func wantAnswer(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Get(url + "/models")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %s", resp.Status)
	}
}

func TestFailures(t *testing.T) {
	const short = 300 * time.Millisecond
	cases := []struct {
		kind    modelserver.Kind
		as      string
		limit   time.Duration
		message string
	}{
		{modelserver.XLlamaCPP, "dies", patience, "ended before it answered (exit status 3); its last words:"},
		{modelserver.XLlamaCPP, "dies", patience, "loading\n  out of memory"},
		{modelserver.LlamaServer, "dies", patience, "loading\n  out of memory"},
		{modelserver.LlamaServer, "wordless", patience, "ended before it answered (exit status 0)"},
		{modelserver.XLlamaCPP, "fails", patience, "the model server xllamacpp: no such model file: x"},
		{modelserver.XLlamaCPP, "silent", short, "did not answer within 300ms"},
		{modelserver.LlamaServer, "silent", short, "did not answer within 300ms"},
		{modelserver.XLlamaCPP, "mute", short, "did not answer within 300ms"},
		{modelserver.LlamaServer, "stranger", short, "did not answer within 300ms"},
	}
	for _, c := range cases {
		t.Run(string(c.kind)+" "+c.as, func(t *testing.T) {
			o := options(t, c.kind, c.as)
			o.ReadyTimeout = c.limit
			_, err := modelserver.Start(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.message) || fault.Hint(err) == "" {
				t.Errorf("err = %v, want %q; hint %q", err, c.message, fault.Hint(err))
			}
		})
	}
}

func TestOnlyLoopback(t *testing.T) {
	_, err := modelserver.Start(t.Context(), options(t, modelserver.XLlamaCPP, "elsewhere"))
	if err == nil || !strings.Contains(err.Error(), `listens at "http://192.0.2.1:80/v1"`) {
		t.Errorf("err = %v", err)
	}
}

func TestCrashIsReported(t *testing.T) {
	s, err := modelserver.Start(t.Context(), options(t, modelserver.XLlamaCPP, "crashes"))
	if err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "ended while it was needed (exit status 139)") ||
		!strings.Contains(err.Error(), "segmentation fault") {
		t.Errorf("err = %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestContextEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := modelserver.Start(ctx, options(t, modelserver.XLlamaCPP, "ready"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-s.Done()
	if s.Err() != nil {
		t.Error(s.Err())
	}

	o := options(t, modelserver.LlamaServer, "silent")
	started := time.AfterFunc(50*time.Millisecond, cancel)
	defer started.Stop()
	if _, err := modelserver.Start(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	good := options(t, modelserver.XLlamaCPP, "ready")
	cases := []struct {
		message string
		change  func(*modelserver.Options)
	}{
		{"no such model file", func(o *modelserver.Options) { o.Model = filepath.Join(t.TempDir(), "absent.gguf") }},
		{"is a folder", func(o *modelserver.Options) { o.Model = t.TempDir() }},
		{`unknown model server "vllm"`, func(o *modelserver.Options) { o.Kind = "vllm" }},
		{"start absent", func(o *modelserver.Options) { o.Program = filepath.Join(t.TempDir(), "absent") }},
		{"start absent", func(o *modelserver.Options) {
			o.Kind, o.Program = modelserver.LlamaServer, filepath.Join(t.TempDir(), "absent")
		}},
	}
	for _, c := range cases {
		o := good
		c.change(&o)
		_, err := modelserver.Start(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), c.message) || fault.Hint(err) == "" {
			t.Errorf("err = %v, want %q; hint %q", err, c.message, fault.Hint(err))
		}
	}
}

// TestKilledParent kills a parent whose server ignores every polite signal: the
// end of its standard input ends it.
func TestKilledParent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url = strings.TrimSpace(url)
	wantAnswer(t, url)
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(url + "/models")
		if err != nil {
			return
		}
		resp.Body.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server outlived its parent")
		}
	}
}
