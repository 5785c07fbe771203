package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"bbjtune/internal/fault"
	"bbjtune/internal/ollama"
	"bbjtune/internal/progress"
)

// installFlags say where a package is to be installed, and under which name.
type installFlags struct{ url, name string }

// installed is what a package became in Ollama.
type installed struct {
	Version int    `json:"version"`
	Package string `json:"package"`
	Name    string `json:"name"`
	Digest  string `json:"digest"`
	Ollama  string `json:"ollama"`
	URL     string `json:"url"`
}

// install makes a finished package known to a running Ollama.
func (a *app) install(ctx context.Context, s step, running *ollama.Ollama, name, format string) error {
	m, err := ollamaModel(s, name)
	if err != nil {
		return err
	}
	task := a.show.Start("install in Ollama")
	defer task.Drop()
	err = running.Create(ctx, m, func(what string, done, total int64) {
		if total > 0 {
			what += ", " + progress.Bytes(done) + " of " + progress.Bytes(total)
		}
		task.Update(float64(done), float64(max(total, 1)), what)
	})
	if err != nil {
		err = fmt.Errorf("install %s in ollama at %s: %w", m.Name, running.Address, err)
		if fault.Hint(err) != "" {
			return err
		}
		return fault.Wrap(err, "ollama's own log says more; it needs room for a copy of the model")
	}
	digest, err := running.Check(ctx, m)
	if err != nil {
		return err
	}
	task.End("%s, %s", m.Name, digest[:min(len(digest), 19)])
	out := installed{1, s.dir.Path, m.Name, digest, running.Version, running.Address}
	if format == "json" {
		return writeJSON(a.Out, out)
	}
	fmt.Fprintf(a.Out, "installed %s in ollama %s at %s\ndigest    %s\nask it:   ollama run %s\n", out.Name, progress.Printable(out.Ollama), out.URL, progress.Printable(out.Digest), out.Name)
	return nil
}

// ollamaModel reads what a package says to Ollama. The files that it may name are
// those of its manifest.
func ollamaModel(s step, name string) (ollama.Model, error) {
	var in struct {
		Package struct{ Name string }
	}
	if err := json.Unmarshal(s.manifest.Inputs, &in); err != nil {
		return ollama.Model{}, fmt.Errorf("%s: inputs of manifest.json: %w", s.dir.Path, err)
	}
	file, err := os.Open(s.path("Modelfile"))
	if err != nil {
		return ollama.Model{}, fault.Wrap(err, "name the package of a tuned model, a folder below runs/pack")
	}
	defer file.Close()
	m, err := ollama.ReadModelfile(file, func(path string) (ollama.Part, bool) {
		f, ok := s.manifest.Lookup(path)
		return ollama.Part{Name: filepath.Base(path), Path: s.path(filepath.FromSlash(path)), Digest: "sha256:" + f.SHA256}, ok
	})
	if err != nil {
		return ollama.Model{}, fmt.Errorf("%s: %w", s.dir.Path, err)
	}
	m.Name = cmp.Or(name, in.Package.Name)
	return m, ollama.CheckName(m.Name)
}

// packageOf opens a finished package by its folder, or makes that of a training or
// a recipe.
func (a *app) packageOf(ctx context.Context, name string, f packFlags) (step, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		if _, err := finished(name, "train"); err != nil {
			return finished(name, "pack")
		}
	}
	p, err := a.packPipeline(name, f)
	if err != nil {
		return step{}, err
	}
	defer p.close()
	return p.pack(ctx)
}

// packAndInstall asks for Ollama first: it should not be found missing after the
// hours of a training.
func (a *app) packAndInstall(ctx context.Context, name string, f packFlags) error {
	if f.ollama.name != "" {
		if err := ollama.CheckName(f.ollama.name); err != nil {
			return err
		}
	}
	running, err := ollama.Connect(ctx, cmp.Or(f.ollama.url, a.Env("OLLAMA_HOST")))
	if err != nil {
		return err
	}
	s, err := a.packageOf(ctx, name, f)
	if err != nil {
		return err
	}
	if err := whole(s); err != nil {
		return err
	}
	return a.install(ctx, s, running, f.ollama.name, f.format)
}

// whole reports a file of the folder that is missing or cut short.
func whole(s step) error {
	for _, f := range s.manifest.Files {
		info, err := os.Stat(s.path(filepath.FromSlash(f.Path)))
		if err != nil || info.Size() != f.Size {
			return fault.Newf("make the package again: bbjtune pack RECIPE", "%s is not whole: %s is missing or cut short", s.dir.Path, f.Path)
		}
	}
	return nil
}
