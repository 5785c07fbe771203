package ray_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
	"bbjtune/internal/ray/raytest"
)

// reply is a server that says one thing to everybody.
func reply(t *testing.T, status int, kind, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Location", "https://login.example/?next=ray")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// raw is a server that takes a connection and writes a text, or nothing.
func raw(t *testing.T, text string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			io.WriteString(conn, text)
			if text != "" {
				conn.Close()
			}
		}
	}()
	return "http://" + l.Addr().String()
}

func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// Every fault of a connection is one sentence with a hint, within ten seconds, and
// without the token.
func TestConnectFaults(t *testing.T) {
	spoilt := raytest.NewFake(fakeToken)
	spoilt.Spoil = map[string]http.HandlerFunc{"/api/version": func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, "Traceback (most recent call last):\n  File \"x.py\"\nRuntimeError: bad "+r.Header.Get("Authorization"))
	}}
	s := httptest.NewServer(spoilt)
	t.Cleanup(s.Close)
	for name, c := range map[string]struct {
		address string
		kind    ray.Kind
		want    string
	}{
		"refused":     {closed(t), ray.Unreachable, "cannot be reached: connect: connection refused"},
		"silent":      {raw(t, ""), ray.Unreachable, "does not answer"},
		"no host":     {"http://no-such-host.invalid:8265", ray.Unreachable, "cannot be reached: there is no host no-such-host.invalid"},
		"no http":     {raw(t, "SSH-2.0-OpenSSH_9.2\r\n"), ray.NotRay, "is not Ray: it does not speak http"},
		"a page":      {reply(t, 200, "text/html", "<html>hello"), ray.NotRay, "is not Ray: no JSON at /api/version"},
		"other JSON":  {reply(t, 200, "application/json", `{"version":"0.17.4"}`), ray.NotRay, "is not Ray"},
		"login":       {reply(t, 302, "text/html", ""), ray.NotRay, "is not Ray: it sends elsewhere"},
		"nothing":     {reply(t, 404, "text/plain", "404 page not found"), ray.NotRay, "is not Ray"},
		"proxy":       {reply(t, 502, "text/html", "Bad Gateway"), ray.Unreachable, "is not up: status 502"},
		"denied":      {reply(t, 403, "text/plain", "Forbidden"), ray.Denied, "does not accept the token of RAY_AUTH_TOKEN"},
		"echo":        {s.URL, ray.Broken, "failed: RuntimeError: bad Bearer …"},
		"plain https": {strings.Replace(s.URL, "http://", "https://", 1), ray.NotRay, "is not Ray: it does not speak https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := ray.Connect(context.Background(), c.address, ray.NewToken(fakeToken, "RAY_AUTH_TOKEN"))
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("said after %v", took)
			}
			if !ray.Is(err, c.kind) || !strings.HasSuffix(err.Error(), c.want) || fault.Hint(err) == "" {
				t.Errorf("got %v (hint %q), want %s: …%s", err, fault.Hint(err), c.kind, c.want)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %s", err, err, fault.Hint(err)), fakeToken) {
				t.Errorf("the token is in the message: %v", err)
			}
		})
	}
}

func TestReadAddress(t *testing.T) {
	for in, want := range map[string]string{
		"head": "http://head:8265", " head:9000 ": "http://head:9000", "http://head:8265/": "http://head:8265",
		"https://ray.example": "https://ray.example", "https://ray.example/a/": "https://ray.example/a", "[::1]": "http://[::1]:8265", "10.0.0.1": "http://10.0.0.1:8265",
	} {
		if got, err := ray.ReadAddress(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "auto", "ray://head:10001", "ftp://head", "http://", "http://me:secret@head:8265", "ftp://me:secret@head", "http://me:secret%@head", "ray://me:secret@head", "http://head?token=x", "http://a b", "http://head:x"} {
		got, err := ray.ReadAddress(in)
		if err == nil || fault.Hint(err) == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestFindToken(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file, empty, home := write("token", "from-file\n"), write("empty", "\n"), write("home/.ray/auth_token", "from-home")
	homeDir := filepath.Dir(filepath.Dir(home))
	for name, c := range map[string]struct {
		env          map[string]string
		source, fail string
	}{
		"environment": {map[string]string{"RAY_AUTH_TOKEN": "a", "RAY_AUTH_TOKEN_PATH": file}, "RAY_AUTH_TOKEN", ""},
		"file":        {map[string]string{"RAY_AUTH_TOKEN_PATH": file, "HOME": homeDir}, file, ""},
		"home":        {map[string]string{"HOME": homeDir}, home, ""},
		"none":        {map[string]string{"HOME": dir}, "", ""},
		"disabled":    {map[string]string{"RAY_AUTH_TOKEN": "a", "RAY_AUTH_MODE": "disabled"}, "", ""},
		"empty":       {map[string]string{"RAY_AUTH_TOKEN_PATH": empty}, "", "is empty"},
		"missing":     {map[string]string{"RAY_AUTH_TOKEN_PATH": dir + "/none"}, "", "RAY_AUTH_TOKEN_PATH"},
		"two lines":   {map[string]string{"RAY_AUTH_TOKEN": "a\nSet-Cookie: b"}, "", "a space or a character that no token has"},
	} {
		token, err := ray.FindToken(func(name string) string { return c.env[name] })
		if c.fail == "" && (err != nil || token.Source != c.source) || c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail)) {
			t.Errorf("%s: %v, %v", name, token.Source, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %s", ray.NewToken("hidden", "x"), ray.NewToken("hidden", "x"), ray.NewToken("hidden", "x"), ray.NewToken("hidden", "x")); strings.Contains(text, "hidden") {
		t.Errorf("a token is printed: %s", text)
	}
}

func TestNewPackage(t *testing.T) {
	files := map[string][]byte{"b/c": []byte("two"), "a": []byte("one")}
	first, err := ray.NewPackage(files)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ray.NewPackage(map[string][]byte{"a": []byte("one"), "b/c": []byte("two")})
	if err != nil || second.URI() != first.URI() || !strings.HasPrefix(first.URI(), "gcs://_ray_pkg_") || !strings.HasSuffix(first.URI(), ".zip") {
		t.Errorf("%s, %s, %v", first.URI(), second.URI(), err)
	}
	for _, name := range []string{"/etc/x", "../x", "a/../../x", "a//b", ".."} {
		if _, err := ray.NewPackage(map[string][]byte{name: nil}); err == nil {
			t.Errorf("%q was packed", name)
		}
	}
}

// What the cluster says of a node it may not say, or say otherwise.
func TestNodesOfOddAnswers(t *testing.T) {
	f, c := fake(t)
	client := connect(t, c)
	for name, body := range map[string]string{
		"none alive": `{"data":{"summary":[{"raylet":{"state":"DEAD"}}]}}`,
		"no JSON":    `<html>`,
		"other form": `{"data":{"summary":"x"}}`,
	} {
		f.Spoil = map[string]http.HandlerFunc{"/nodes": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }}
		if _, err := client.Nodes(t.Context()); err == nil || fault.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.Spoil = map[string]http.HandlerFunc{"/api/cluster_status": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"data":{"clusterStatus":null}}`) }}
	nodes, err := client.Nodes(t.Context())
	if err != nil || len(nodes) != 2 || nodes[0].FreeCPUs != 2 || nodes[0].Host != "head" || nodes[0].FreeDisk != 60e9 || nodes[0].Python != "3.11" ||
		nodes[0].Command("it's.py") != `'/opt/venv/bin/python' 'it'\''s.py'` || (ray.Node{}).Command("a") != "python 'a'" {
		t.Errorf("nodes %+v, %v", nodes, err)
	}
}

// A submission whose answer is lost has started all the same.
func TestSubmitAnswerLost(t *testing.T) {
	f, c := fake(t)
	client := connect(t, c)
	f.Spoil = map[string]http.HandlerFunc{"/api/jobs/": func(w http.ResponseWriter, r *http.Request) {
		f.Spoil = nil
		f.ServeHTTP(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusBadGateway)
	}}
	if started, err := client.Submit(t.Context(), ray.Submission{ID: "lost", Entrypoint: "true"}); err != nil || !started {
		t.Errorf("submit: %v, %v", started, err)
	}
	if left := f.Left(); len(left) != 1 {
		t.Errorf("jobs: %v", left)
	}
}
