package modelserver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bbjtune/internal/fault"
	"bbjtune/internal/ollama"
)

// useOllama makes the model known to a running Ollama and loads it.
func useOllama(ctx context.Context, o Options) (*Server, error) {
	running, err := ollama.Connect(ctx, cmp.Or(o.OllamaHost, os.Getenv("OLLAMA_HOST")))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(o.Log, "ollama %s at %s\n", running.Version, running.Address)
	m, err := o.ollamaModel(ctx)
	if err != nil {
		return nil, err
	}
	if err := ensure(ctx, running, m, o.Log); err != nil {
		return nil, fault.Wrap(fmt.Errorf("make %s known to ollama: %w", o.Model, err), "ollama's own log says more; is the file a whole GGUF?")
	}
	loading, cancel := context.WithTimeoutCause(ctx, o.ReadyTimeout, errNotReady)
	defer cancel()
	if err := running.Load(loading, m.Name); err != nil {
		if errors.Is(context.Cause(loading), errNotReady) {
			err = fmt.Errorf("not loaded within %v", o.ReadyTimeout)
		}
		return nil, fault.Wrap(fmt.Errorf("load %s in ollama: %w", m.Name, err), "ollama's own log says more")
	}
	return newServer(running.Address+"/v1", m.Name, nil), nil
}

// ollamaModel describes the model under a name that is derived from all that
// makes it, so that the same model is made once and another template makes another
// model.
func (o Options) ollamaModel(ctx context.Context) (ollama.Model, error) {
	digest, err := fileDigest(ctx, o.Model)
	if err != nil {
		return ollama.Model{}, err
	}
	m := ollama.Model{
		Weights:    []ollama.Part{{Name: filepath.Base(o.Model), Path: o.Model, Digest: digest}},
		Template:   o.Template,
		Parameters: map[string]any{"num_ctx": o.Context},
	}
	if len(o.Stop) > 0 {
		m.Parameters["stop"] = o.Stop
	}
	text, err := json.Marshal([]any{digest, m.Template, m.Parameters}) // maps are written in sorted order
	if err != nil {
		return ollama.Model{}, err
	}
	sum := sha256.Sum256(text)
	m.Name = "bbjtune-" + hex.EncodeToString(sum[:6])
	return m, nil
}

// ensure creates the model unless it exists.
func ensure(ctx context.Context, running *ollama.Ollama, m ollama.Model, log io.Writer) error {
	has, err := running.Has(ctx, m.Name)
	if err != nil || has {
		return err
	}
	last := ""
	return running.Create(ctx, m, func(what string, _, total int64) {
		if what == last {
			return
		}
		last = what
		if total > 0 {
			what = fmt.Sprintf("%s, %d MB", what, cmp.Or(total/1e6, 1))
		}
		fmt.Fprintf(log, "ollama: %s\n", what)
	})
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
