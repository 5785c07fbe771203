package runs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"bbjtune/internal/fault"
)

// State says how far the work in a folder is.
type State string

// The states of a folder.
const (
	Complete   State = "complete"
	UnderWay   State = "under way"  // a process works in it
	Unfinished State = "unfinished" // no manifest, and nobody works in it
	Broken     State = "broken"     // its manifest cannot be read, or does not hold
)

// Entry is a folder below the folder of all runs.
type Entry struct {
	Kind, ID, Path string
	State          State
	// Reason says what is broken.
	Reason string
	// Time is when the work was completed, or when the folder last changed.
	Time time.Time
	// Size is that of all files in it, in bytes.
	Size int64
	// Manifest is nil unless the work is complete.
	Manifest *Manifest
}

// Name is the ID without the hash at its end.
func (e Entry) Name() string {
	if i := strings.LastIndexByte(e.ID, '-'); i > 0 {
		return e.ID[:i]
	}
	return e.ID
}

// List returns the folders below root, newest first. What cannot be read is a
// broken entry, not an error: others are to be seen all the same.
func List(root string) ([]Entry, error) {
	kinds, err := os.ReadDir(root)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("read the runs: %w", err), "name the folder with --runs; bbjtune run RECIPE makes one")
	}
	var list []Entry
	for _, kind := range kinds {
		if !kind.IsDir() || strings.HasPrefix(kind.Name(), ".") {
			continue
		}
		folders, err := os.ReadDir(filepath.Join(root, kind.Name()))
		if err != nil {
			list = append(list, Entry{Kind: kind.Name(), Path: filepath.Join(root, kind.Name()), State: Broken, Reason: reason(err)})
			continue
		}
		for _, f := range folders {
			if f.IsDir() && !strings.HasPrefix(f.Name(), ".") {
				list = append(list, inspect(filepath.Join(root, kind.Name(), f.Name()), kind.Name()))
			}
		}
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
	})
	return list, nil
}

// Inspect says what a single folder is; its kind is the name of the folder above.
func Inspect(dir string) (Entry, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return Entry{}, err
	}
	info, err := os.Stat(full)
	switch {
	case err != nil:
		return Entry{}, err
	case !info.IsDir():
		return Entry{}, fault.Newf("name a folder below runs", "%s is no folder", dir)
	}
	e := inspect(full, filepath.Base(filepath.Dir(full)))
	e.Path = filepath.Clean(dir)
	return e, nil
}

// maxManifest is more than the manifest of any step comes to, in bytes.
const maxManifest = 64 << 20

func inspect(dir, kind string) Entry {
	e := Entry{Kind: kind, ID: filepath.Base(dir), Path: dir}
	e.Size, e.Time = measure(dir)
	info, err := os.Lstat(filepath.Join(dir, manifestName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.State = Unfinished
		if locked(dir) {
			e.State = UnderWay
		}
		return e
	case err != nil:
		return e.broken(err)
	// Reading a pipe would never end.
	case !info.Mode().IsRegular() || info.Size() > maxManifest:
		return e.broken(errors.New("manifest.json is no file of a run"))
	}
	m, err := readManifest(dir)
	if err == nil && m.Kind != kind {
		err = fmt.Errorf("the manifest is of kind %q", m.Kind)
	}
	if err == nil {
		m, err = m.present(dir)
	}
	if err != nil {
		return e.broken(err)
	}
	e.State, e.Manifest, e.Time = Complete, m, m.Created
	return e
}

func (e Entry) broken(err error) Entry {
	e.State, e.Reason = Broken, strings.TrimPrefix(reason(err), e.Path+": ")
	return e
}

// reason is the error without the path that the entry names anyway.
func reason(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, errDamaged):
		return "manifest.json is damaged, or a file that it lists is gone or was cut short"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

// measure adds the sizes of all files up, and finds the newest time of the
// folder and what lies directly in it. What cannot be read counts nothing.
func measure(dir string) (size int64, newest time.Time) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if info.Mode().IsRegular() {
			size += info.Size()
		}
		if (path == dir || filepath.Dir(path) == dir) && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	})
	return size, newest.UTC().Truncate(time.Second)
}

// locked reports whether a process works in the folder. The lock is not made
// where there is none: looking must not change a folder.
func locked(dir string) bool {
	path := filepath.Join(dir, lockName)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	l := flock.New(path, flock.SetFlag(os.O_RDONLY))
	got, err := l.TryRLock()
	if got {
		l.Unlock()
	}
	return err == nil && !got
}
