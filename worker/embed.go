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

	"bbjtune/internal/runs"
)

// Files holds the Python files and the requirements.
//
//go:embed worker.py jobs.py encode.py models.py train.py serve.py requirements-*.txt
var Files embed.FS

// Hash identifies the content of the files.
func Hash() (string, error) {
	h := sha256.New()
	names, err := fs.Glob(Files, "*")
	if err != nil {
		return "", err
	}
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
	hash, err := Hash()
	if err != nil {
		return "", err
	}
	names, err := fs.Glob(Files, "*")
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
