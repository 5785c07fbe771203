package runs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
		if full := w.Flush(); full != nil {
			return unwritten(path, full)
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	return w.Commit()
}

// unwritten says of a file that it could not be written, by the name that it was
// to have.
func unwritten(path string, err error) error {
	var temporary *fs.PathError
	if errors.As(err, &temporary) {
		err = temporary.Err
	}
	return fmt.Errorf("write %s: %w", path, err)
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
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+temporaryMark+"*")
	if err != nil {
		return nil, unwritten(path, err)
	}
	return &Writer{bufio.NewWriterSize(f, 1<<16), path, f}, nil
}

// temporaryMark stands in the names of files under way, after a dot.
const temporaryMark = ".tmp-"

// Write adds to the content.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = unwritten(w.path, err)
	}
	return n, err
}

// Commit flushes the content to disk and gives the file its name.
func (w *Writer) Commit() error {
	if err := w.Flush(); err != nil {
		return unwritten(w.path, err)
	}
	if err := w.file.Chmod(0o644); err != nil && !chmodUnsupported {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return unwritten(w.path, err)
	}
	if err := w.file.Close(); err != nil {
		return unwritten(w.path, err)
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

// sweep takes away the files under way that a killed process left below a folder.
func sweep(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasPrefix(e.Name(), ".") || !strings.Contains(e.Name(), temporaryMark) {
			return err
		}
		return os.Remove(path)
	})
}
