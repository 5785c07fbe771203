package corpus

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
	m, err := runs.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	const hint = "name a folder that bbjtune corpus build has made"
	recorded, ok := m.Lookup(DocumentsFile)
	if m.Kind != Kind || !ok {
		return nil, fault.Newf(hint, "%s is no corpus, but of kind %s", dir, m.Kind)
	}
	path := filepath.Join(dir, DocumentsFile)
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
	var list []Document
	for dec := json.NewDecoder(bufio.NewReader(f)); ; {
		var d Document
		if err := dec.Decode(&d); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fault.Wrap(fmt.Errorf("%s: document %d: %w", path, len(list)+1, err), hint)
		}
		list = append(list, d)
	}
}
