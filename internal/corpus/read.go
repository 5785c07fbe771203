package corpus

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
)

// The kind of a corpus among the run folders, and the file with its documents.
const (
	Kind          = "corpus"
	DocumentsFile = "documents.jsonl"
)

// Read returns the documents of a folder that a build has finished, in their order.
func Read(dir string) ([]Document, error) {
	return readLines[Document](dir, Kind, DocumentsFile, "name a folder that bbjtune corpus build has made")
}

// readLines reads the values in a file of a finished folder of a kind.
func readLines[T any](dir, kind, name, hint string) ([]T, error) {
	m, err := runs.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	recorded, ok := m.Lookup(name)
	if m.Kind != kind || !ok {
		return nil, fault.Newf(hint, "%s is no %s, but of kind %s", dir, strings.ReplaceAll(kind, "-", " "), m.Kind)
	}
	path := filepath.Join(dir, name)
	switch sum, _, err := runs.HashFile(path); {
	case err != nil:
		return nil, err
	case sum != recorded.SHA256:
		return nil, fault.Newf("delete the folder and build it again", "%s is not what was built: its hash differs", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []T
	for dec := json.NewDecoder(bufio.NewReader(f)); ; {
		var v T
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fault.Wrap(fmt.Errorf("%s: line %d: %w", path, len(list)+1, err), hint)
		}
		list = append(list, v)
	}
}
