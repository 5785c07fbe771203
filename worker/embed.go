// Package worker carries the Python side of bbjtune inside the binary: the
// training worker, the model server's starter and the pinned requirements.
package worker

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"bbjtune/internal/runs"
)

// Files holds the Python files and the requirements.
//
//go:embed worker.py jobs.py encode.py masks.py models.py packing.py ray_driver.py ray_probe.py ray_storage.py graft.py quantize.py generate.py notices.py sandbox.py train.py distributed.py ranks.py unsloth_engine.py serve.py requirements-*.txt
var Files embed.FS

// training are the patterns of the files that decide what a training yields.
var training = []string{"worker.py", "jobs.py", "encode.py", "masks.py", "models.py", "packing.py", "train.py", "distributed.py", "requirements-cpu.txt", "requirements-gpu.txt"}

// engines are what an engine has of its own, beside what all trainings share.
var engines = map[string][]string{"unsloth": {"unsloth_engine.py", "requirements-unsloth.txt"}}

// TrainingHash identifies the code and the packages that training runs on with an
// engine. A change to anything else (serving, tools, another engine) leaves
// finished trainings valid.
func TrainingHash(engine string) (string, error) {
	return hashOf(append(slices.Clone(training), engines[engine]...))
}

func hashOf(names []string) (string, error) {
	h := sha256.New()
	for _, name := range names {
		text, err := Files.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s\x00%d\x00", name, len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Unpack writes the files below dir, into a folder named after their content,
// and returns that folder.
func Unpack(dir string) (string, error) {
	names, err := fs.Glob(Files, "*")
	if err != nil {
		return "", err
	}
	hash, err := hashOf(names)
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "worker", hash[:16])
	for _, name := range names {
		text, err := Files.ReadFile(name)
		if err != nil {
			return "", err
		}
		path := filepath.Join(out, name)
		if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, text) {
			continue
		}
		if err := runs.WriteFile(path, text); err != nil {
			return "", err
		}
	}
	return out, nil
}
