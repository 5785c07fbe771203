package runs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteFile writes data under path so that a reader, or a machine that loses
// power, sees the whole file or none of it.
func WriteFile(path string, data []byte) error {
	return WriteWith(path, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
}

// WriteWith is WriteFile for content that is produced piece by piece: when write
// fails, nothing stays behind.
func WriteWith(path string, write func(io.Writer) error) error {
	w, err := Create(path)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := write(w); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return w.Commit()
}

// Writer is a file under way: it has its name only after Commit.
type Writer struct {
	*bufio.Writer
	path string
	file *os.File
}

// Create begins a file that is to have the path. The content goes to a temporary
// name in the same folder.
func Create(path string) (*Writer, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return nil, err
	}
	return &Writer{bufio.NewWriterSize(f, 1<<16), path, f}, nil
}

// Commit flushes the content to disk and gives the file its name.
func (w *Writer) Commit() error {
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	if err := w.file.Chmod(0o644); err != nil && !chmodUnsupported {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(w.file.Name(), w.path); err != nil {
		return err
	}
	w.file = nil
	return syncDir(filepath.Dir(w.path))
}

// Abort takes away what was written, unless it was committed.
func (w *Writer) Abort() {
	if w.file == nil {
		return
	}
	w.file.Close()
	os.Remove(w.file.Name())
	w.file = nil
}
