package runs

import "os"

// Scratch is a file without a name, for what is needed only while work is under
// way. Where the system has no such files it has a temporary name.
type Scratch struct {
	file *os.File
	dir  string
	size int64
}

// NewScratch makes an empty scratch file on the disk of the folder.
func NewScratch(dir string) (*Scratch, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, ".scratch"+temporaryMark+"*")
	if err != nil {
		return nil, unwritten("a temporary file in "+dir, err)
	}
	// So that it is gone whatever happens; Windows does not allow it.
	os.Remove(f.Name())
	return &Scratch{file: f, dir: dir}, nil
}

// Write adds to the content.
func (s *Scratch) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		err = unwritten("a temporary file in "+s.dir, err)
	}
	return n, err
}

// Size is how many bytes were written.
func (s *Scratch) Size() int64 { return s.size }

// ReadAt reads what was written.
func (s *Scratch) ReadAt(p []byte, offset int64) (int, error) { return s.file.ReadAt(p, offset) }

// Close takes the file away.
func (s *Scratch) Close() error {
	err := s.file.Close()
	os.Remove(s.file.Name())
	return err
}
