// Package pack turns a trained model into what other programs run: a Hugging
// Face folder into one GGUF file in 16 bit, and the Modelfile that describes it
// to Ollama. The mapping of names and the file format are those of Ollama's own
// packages convert and fs/ggml; what they leave out, or guess, is set here.
//
// It knows the layout of model folders, tokenizers and GGUF keys. It must not
// know how the model was trained or who serves it.
package pack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/ollama/ollama/convert"
	"github.com/ollama/ollama/fs/ggml"

	"bbjtune/internal/fault"
)

// Metadata is what a GGUF says about itself beyond the weights.
type Metadata struct {
	Name        string // general.name; required
	Description string // optional
	License     string // SPDX name, optional
}

// ToGGUF converts the model in the Hugging Face folder modelDir (config.json,
// *.safetensors in F32, F16 or BF16, tokenizer.json, tokenizer_config.json) into
// the GGUF outFile: matrices in F16, vectors in F32. The file appears under its
// name complete and flushed or not at all; until then it is outFile + ".part",
// which a later call overwrites. It takes about 75 MB of memory for the vocabulary
// of Qwen2.5 and 5 MB for each core; a Llama model needs room for some query
// matrices in F32 as well.
//
// Every error that the folder can cause carries a hint. A value that 16 bits
// cannot hold is an error too: it comes from a training that diverged.
func ToGGUF(ctx context.Context, modelDir, outFile string, meta Metadata) (Info, error) {
	m, err := openModel(modelDir)
	if err != nil {
		return Info{}, err
	}
	defer m.weights.Close()
	kv := m.keys(meta)
	tensors, err := m.tensors(ctx)
	if err != nil {
		return Info{}, err
	}
	info, err := writeWhole(outFile, func(f *os.File) error { return ggml.WriteGGUF(f, kv, tensors) })
	if err != nil {
		return Info{}, explainFull(err, tensors)
	}
	return info, nil
}

// Converter names the package that converts, with its version.
func Converter() string {
	const module = "github.com/ollama/ollama"
	version := "of an unknown version"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == module {
				version = d.Version
			}
		}
	}
	return module + "/convert " + version
}

// Check reports what ToGGUF would refuse about a model folder, as far as that is
// seen without reading its weights.
func Check(modelDir string) error {
	m, err := openModel(modelDir)
	if err != nil {
		return err
	}
	m.weights.Close()
	return nil
}

// model is an opened folder, checked as far as that is possible without reading
// its weights.
type model struct {
	dir       string
	config    config
	tokenizer tokenizer
	weights   *weights
	converter convert.ModelConverter
	vocab     *convert.Tokenizer
}

func openModel(dir string) (*model, error) {
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	m := &model{dir: dir}
	var err error
	if m.config, err = readConfig(dir); err != nil {
		return nil, err
	}
	if m.tokenizer, err = readTokenizer(dir, m.config); err != nil {
		return nil, err
	}
	if err := m.loadConverter(); err != nil {
		return nil, err
	}
	if m.weights, err = openWeights(dir); err != nil {
		return nil, err
	}
	return m, nil
}

// loadConverter has convert read the folder, then corrects what it gets wrong.
func (m *model) loadConverter() error {
	parsed, vocab, err := convert.LoadModelMetadata(os.DirFS(m.dir))
	if err != nil {
		return fmt.Errorf("read the model folder %s: %w", m.dir, err)
	}
	converter, ok := parsed.(convert.ModelConverter)
	if !ok {
		return fmt.Errorf("the model folder %s: the architecture %s cannot be converted", m.dir, m.config.architecture())
	}
	if err := json.Unmarshal(m.config.rope(), converter); err != nil {
		return fmt.Errorf("rope parameters in %s: %w", filepath.Join(m.dir, "config.json"), err)
	}
	if err := m.tokenizer.correct(vocab); err != nil {
		return fmt.Errorf("the tokenizer in %s: %w", m.dir, err)
	}
	m.converter, m.vocab = converter, vocab
	return nil
}

// keys returns the key-value half of the GGUF.
func (m *model) keys(meta Metadata) convert.KV {
	kv := m.converter.KV(m.vocab)
	kv["general.type"] = "model"
	kv["general.name"] = meta.Name
	if meta.Description != "" {
		kv["general.description"] = meta.Description
	}
	if meta.License != "" {
		kv["general.license"] = meta.License
	}
	if m.config.HeadDim > 0 {
		// convert derives this one from the width, which is not always heads × head size.
		kv[kv.Architecture()+".rope.dimension_count"] = m.config.HeadDim
	}
	m.tokenizer.setKeys(kv, m.vocab)
	return kv
}

// tensors returns the other half; they read from the folder when written.
func (m *model) tensors(ctx context.Context) ([]*ggml.Tensor, error) {
	source, err := m.weights.tensors(ctx, m.converter.Replacements())
	if err != nil {
		return nil, err
	}
	if err := m.checkTensors(source); err != nil {
		return nil, fmt.Errorf("the weights in %s: %w", m.dir, err)
	}
	out := m.converter.Tensors(source)
	for _, t := range out {
		t.Shape = slices.Clone(t.Shape)
		slices.Reverse(t.Shape) // GGUF counts dimensions from the innermost
	}
	return out, nil
}

// writeWhole writes path through a temporary name, reads it back and renames it.
func writeWhole(path string, write func(*os.File) error) (info Info, err error) {
	part := path + ".part"
	f, err := os.Create(part)
	if err != nil {
		return Info{}, fault.Wrap(fmt.Errorf("create %s: %w", part, err), "the folder must exist and be writable")
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(part)
		}
	}()
	if err := write(f); err != nil {
		return Info{}, fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return Info{}, fmt.Errorf("flush %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return Info{}, fmt.Errorf("close %s: %w", path, err)
	}
	if info, err = Inspect(part); err != nil {
		return Info{}, err
	}
	if err := os.Rename(part, path); err != nil {
		return Info{}, err
	}
	flushFolder(filepath.Dir(path))
	return info, nil
}

// flushFolder makes the rename durable where the platform can flush a folder;
// where it cannot, the rename is as durable as it gets.
func flushFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// explainFull adds to the error of a full disk how much room the file needs.
func explainFull(err error, tensors []*ggml.Tensor) error {
	if !errors.Is(err, diskFull) {
		return err
	}
	var need uint64
	for _, t := range tensors {
		need += t.Size()
	}
	return fault.Wrap(fmt.Errorf("%w; the file needs about %d MB", err, need/1e6+1), "free disk space, or write to another disk")
}
