package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
)

// rowsFile is a file of rows that is read more than once: the file itself, or a
// copy of what can be read only once, as a pipe.
type rowsFile struct {
	io.ReaderAt
	io.Closer
	path string
	size int64
	sum  string // its SHA-256, in hexadecimal
	// unchanged fails when the file is not what it was when it was opened.
	unchanged func() error
}

// openRows opens a file of rows and hashes it.
func (a *app) openRows(ctx context.Context, path string) (*rowsFile, error) {
	const hint = "name a JSONL file with a ChatML row a line"
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("nothing to clean: %w", err), hint)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fault.Newf(hint, "%s is a folder", path)
	case !info.Mode().IsRegular():
		return a.copyRows(ctx, f)
	default:
		var sum string
		if sum, err = hashed(io.NewSectionReader(f, 0, info.Size()), io.Discard); err == nil {
			return &rowsFile{f, f, path, info.Size(), sum, func() error { return sameFile(f, info) }}, nil
		}
	}
	f.Close()
	return nil, err
}

func sameFile(f *os.File, was fs.FileInfo) error {
	is, err := f.Stat()
	if err == nil && (is.Size() != was.Size() || !is.ModTime().Equal(was.ModTime())) {
		err = fault.Newf("run the command again when nothing writes to it", "%s changed while it was read", f.Name())
	}
	return err
}

// hashed copies a text and returns its SHA-256 in hexadecimal.
func hashed(from io.Reader, to io.Writer) (string, error) {
	h := sha256.New()
	_, err := io.Copy(io.MultiWriter(h, to), from)
	return hex.EncodeToString(h.Sum(nil)), err
}

// copyRows copies what can be read only once, and closes it. The copy has no name,
// so that a killed process leaves none behind.
func (a *app) copyRows(ctx context.Context, f *os.File) (*rowsFile, error) {
	scratch, err := runs.NewScratch(filepath.Join(a.runs, "clean"))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	rows := &rowsFile{ReaderAt: scratch, Closer: scratch, path: f.Name(), unchanged: func() error { return nil }}
	done := make(chan error, 1)
	go func() {
		defer f.Close()
		var err error
		rows.sum, err = hashed(f, scratch)
		done <- err
	}()
	// Nothing ends a read from a pipe that nobody writes to.
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		scratch.Close()
		return nil, err
	}
	rows.size = scratch.Size()
	return rows, nil
}
