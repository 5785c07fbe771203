package runs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Journal is an append-only file of one JSON value a line. A line outlives the
// process when Write returns, and the machine when Append or the next Sync does; a
// torn last line, left by a crash, is cut off when the journal is opened again. All
// may be called from several goroutines.
type Journal struct {
	f *os.File

	mu     sync.Mutex
	failed error // of the first write that failed: nothing may follow a torn line
}

// OpenJournal opens or makes the journal and calls each for every whole line
// already in it.
func OpenJournal(path string, each func(line []byte) error) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	end, err := replay(f, each)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return &Journal{f: f}, nil
}

// replay reads whole lines and returns the offset behind the last one.
func replay(r io.Reader, each func([]byte) error) (int64, error) {
	var end int64
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return end, err
		}
		text := bytes.TrimRight(line, "\r\n")
		if !json.Valid(text) {
			if _, err := br.Peek(1); errors.Is(err, io.EOF) {
				return end, nil
			}
			return end, fmt.Errorf("the line at byte %d is no JSON", end)
		}
		if err := each(text); err != nil {
			return end, err
		}
		end += int64(len(line))
	}
}

// Append writes each value as one line and flushes them to disk together.
func (j *Journal) Append(values ...any) error {
	if err := j.Write(values...); err != nil {
		return err
	}
	return j.Sync()
}

// Write writes each value as one line. Once it or Sync has failed both always do.
func (j *Journal) Write(values ...any) error {
	var text bytes.Buffer
	for _, v := range values {
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	return j.carefully(func() error {
		_, err := j.f.Write(text.Bytes())
		return err
	})
}

// Sync flushes to disk what was written.
func (j *Journal) Sync() error { return j.carefully(j.f.Sync) }

func (j *Journal) carefully(do func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		j.failed = do()
	}
	return j.failed
}

// Close closes the file.
func (j *Journal) Close() error { return j.f.Close() }
