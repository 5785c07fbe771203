package modelserver

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bbjtune/internal/fault"
)

// answerTime is how long a running Ollama may take to say its version.
const answerTime = 10 * time.Second

// ollama is a running Ollama. Its interface is described at
// https://docs.ollama.com/api.
type ollama struct {
	host string // as "http://127.0.0.1:11434"
	log  io.Writer
}

// useOllama makes the model known to a running Ollama and loads it.
func useOllama(ctx context.Context, o Options) (*Server, error) {
	api := ollama{host: ollamaHost(cmp.Or(o.OllamaHost, os.Getenv("OLLAMA_HOST"))), log: o.Log}
	if err := api.check(ctx); err != nil {
		return nil, err
	}
	digest, err := fileDigest(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	create := createRequest{
		Files:      map[string]string{filepath.Base(o.Model): digest},
		Template:   o.Template,
		Parameters: map[string]any{"num_ctx": o.Context},
	}
	if len(o.Stop) > 0 {
		create.Parameters["stop"] = o.Stop
	}
	create.Model = create.name()
	if err := api.ensure(ctx, o.Model, digest, create); err != nil {
		return nil, fault.Wrap(fmt.Errorf("make %s known to ollama: %w", o.Model, err), "ollama's own log says more; is the file a whole GGUF?")
	}
	loading, cancel := context.WithTimeoutCause(ctx, o.ReadyTimeout, errNotReady)
	defer cancel()
	// A request without a prompt loads the model, or says why it cannot.
	if err := api.post(loading, "/api/generate", map[string]any{"model": create.Model}, nil); err != nil {
		if errors.Is(context.Cause(loading), errNotReady) {
			err = fmt.Errorf("not loaded within %v", o.ReadyTimeout)
		}
		return nil, fault.Wrap(fmt.Errorf("load %s in ollama: %w", create.Model, err), "ollama's own log says more")
	}
	return newServer(api.host+"/v1", create.Model, nil), nil
}

// ollamaHost reads an address as Ollama's own client reads OLLAMA_HOST. An
// address to listen on becomes one to connect to.
func ollamaHost(s string) string {
	scheme, rest, found := strings.Cut(strings.TrimSpace(s), "://")
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	if !found {
		scheme, rest, port = "http", scheme, "11434"
	}
	rest, _, _ = strings.Cut(rest, "/")
	host := strings.Trim(rest, "[]")
	if h, p, err := net.SplitHostPort(rest); err == nil {
		host, port = h, p
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = loopback
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// fileDigest returns "sha256:" and the hash of the file.
func fileDigest(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return f.Read(p)
	})); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// createRequest is the body of /api/create.
type createRequest struct {
	Model      string            `json:"model"`
	Files      map[string]string `json:"files"` // name -> digest
	Template   string            `json:"template,omitempty"`
	Parameters map[string]any    `json:"parameters"`
}

// name derives the model's name from all that makes it, so that the same model
// is made once and another template makes another model.
func (r createRequest) name() string {
	r.Model = ""
	text, _ := json.Marshal(r) // maps are written in sorted order
	sum := sha256.Sum256(text)
	return "bbjtune-" + hex.EncodeToString(sum[:6])
}

// check reports an Ollama that does not run.
func (a ollama) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var version struct {
		Version string `json:"version"`
	}
	resp, err := a.request(ctx, http.MethodGet, "/api/version", nil, 0)
	if err != nil {
		return fault.Wrap(fmt.Errorf("ollama does not answer at %s: %w", a.host, err), "start it with: ollama serve; or set OLLAMA_HOST")
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&version); err != nil || version.Version == "" {
		return fault.New(fmt.Sprintf("what answers at %s is not ollama", a.host), "set OLLAMA_HOST to where it runs")
	}
	fmt.Fprintf(a.log, "ollama %s at %s\n", version.Version, a.host)
	return nil
}

// ensure creates the model unless it exists.
func (a ollama) ensure(ctx context.Context, path, digest string, create createRequest) error {
	err := a.post(ctx, "/api/show", map[string]any{"model": create.Model}, nil)
	if err == nil {
		return nil
	}
	if status := new(statusError); !errors.As(err, &status) || status.code != http.StatusNotFound {
		return err
	}
	if err := a.upload(ctx, path, digest); err != nil {
		return err
	}
	return a.post(ctx, "/api/create", create, func(status string) { fmt.Fprintf(a.log, "ollama: %s\n", status) })
}

// upload sends the file unless Ollama has it.
func (a ollama) upload(ctx context.Context, path, digest string) error {
	if resp, err := a.request(ctx, http.MethodHead, "/api/blobs/"+digest, nil, 0); err == nil {
		return resp.Body.Close()
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.log, "ollama: sending %d MB\n", stat.Size()/1e6)
	resp, err := a.request(ctx, http.MethodPost, "/api/blobs/"+digest, f, stat.Size())
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// post sends body as JSON and reads the answer, one JSON object a line, to its
// end. An error in any of the lines is returned; each gets their status.
func (a ollama) post(ctx context.Context, path string, body any, each func(status string)) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := a.request(ctx, http.MethodPost, path, bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if each == nil {
		each = func(string) {}
	}
	return readStatus(resp.Body, each)
}

// readStatus reads lines of progress; an error may come after any number of
// them, with the HTTP status long since sent.
func readStatus(r io.Reader, each func(string)) error {
	lines := bufio.NewReader(r)
	for {
		text, err := lines.ReadBytes('\n')
		var line struct{ Status, Error string }
		if json.Unmarshal(text, &line) == nil && line.Error != "" {
			return errors.New(line.Error)
		}
		if line.Status != "" {
			each(line.Status)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// statusError is an answer that is none.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return fmt.Sprintf("%s (HTTP status %d)", e.text, e.code) }

// request sends one request; an HTTP status of 400 or more is a *statusError.
func (a ollama) request(ctx context.Context, method, path string, body io.Reader, length int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.host+path, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp, nil
	}
	defer resp.Body.Close()
	var answer struct{ Error string }
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if json.Unmarshal(text, &answer) != nil || answer.Error == "" {
		answer.Error = strings.TrimSpace(string(text))
	}
	return nil, &statusError{resp.StatusCode, cmp.Or(answer.Error, http.StatusText(resp.StatusCode))}
}
