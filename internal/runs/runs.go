// Package runs knows what a finished piece of work looks like on disk: a
// folder named after the hash of everything that went in, written atomically
// file by file, with a manifest as the last one. A folder with a manifest is
// complete and never touched again; a folder without one is debris that the
// same command takes up where it stopped.
//
// It must not know what the work was: data sets, training and evaluations all
// look alike from here.
package runs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"bbjtune/internal/fault"
)

// manifestVersion is raised when the manifest's shape changes.
const manifestVersion = 1

const (
	manifestName = "manifest.json"
	lockName     = ".lock"
)

// File is one output of a run: its path inside the folder (with slashes), its
// size in bytes and the SHA-256 of its content in hexadecimal.
type File struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Manifest says what a finished folder holds and what it was made from.
type Manifest struct {
	Version int       `json:"version"`
	Kind    string    `json:"kind"`
	ID      string    `json:"id"`
	Key     string    `json:"key"`
	Created time.Time `json:"created"`
	// Tool is the version of bbjtune that did the work.
	Tool string `json:"tool"`
	// Inputs names what Key was computed from.
	Inputs json.RawMessage `json:"inputs"`
	// Result is what the step itself has to say (counts, losses, scores).
	Result json.RawMessage `json:"result,omitempty"`
	Files  []File          `json:"files"`
}

// Key hashes the inputs of a step: the SHA-256 of their JSON form in
// hexadecimal. Maps are encoded with sorted keys, so equal inputs have equal
// keys.
func Key(kind string, inputs any) (string, error) {
	text, err := json.Marshal(inputs)
	if err != nil {
		return "", fmt.Errorf("key of %s: %w", kind, err)
	}
	sum := sha256.Sum256(append([]byte(kind+"\n"), text...))
	return hex.EncodeToString(sum[:]), nil
}

// Dir is the folder of one piece of work.
type Dir struct {
	Path, Kind, ID, Key string
	inputs              json.RawMessage
	tool                string
	lock                *flock.Flock
}

// Open returns the folder root/kind/name-<key> for the inputs, made if it is
// missing, and the manifest when the work is already complete. The folder is
// locked against a second process until Close; for complete work it is not. Files
// that a killed process was writing are gone.
func Open(root, kind, name, tool string, inputs any) (*Dir, *Manifest, error) {
	d, err := folder(root, kind, name, tool, inputs)
	if err != nil {
		return nil, nil, err
	}
	switch m, err := d.complete(); {
	case m != nil:
		return d, m, nil
	case err != nil && !errors.Is(err, errDamaged):
		return nil, nil, err
	}
	if err := d.take(); err != nil {
		return nil, nil, err
	}
	// Another process may have finished while this one waited for the lock.
	m, err := d.complete()
	if errors.Is(err, errDamaged) {
		err = d.clear()
	}
	if m == nil && err == nil {
		err = sweep(d.Path)
	}
	if m != nil || err != nil {
		return d, m, errors.Join(err, d.Close())
	}
	return d, nil, nil
}

// Find returns the folder of complete work, or nil where it is missing or under
// way. Nothing is made and nothing is locked.
func Find(root, kind string, inputs any) (*Dir, *Manifest, error) {
	d, m, err := Look(root, kind, "", inputs)
	if m == nil && err == nil {
		return nil, nil, nil
	}
	return d, m, err
}

// Look is Find for work that may be under way: it names the folder, whether that is
// there or not, and returns no manifest unless the work is complete.
func Look(root, kind, name string, inputs any) (*Dir, *Manifest, error) {
	d, err := folder(root, kind, name, "", inputs)
	if err != nil {
		return nil, nil, err
	}
	m, err := d.complete()
	if errors.Is(err, errDamaged) {
		m, err = nil, nil
	}
	return d, m, err
}

// Anew is Open for work that is to be done again: the folder is emptied, whether
// the work in it is complete or under way. The manifest is always nil.
func Anew(root, kind, name, tool string, inputs any) (*Dir, *Manifest, error) {
	d, err := folder(root, kind, name, tool, inputs)
	if err != nil {
		return nil, nil, err
	}
	if err := d.take(); err != nil {
		return nil, nil, err
	}
	if err := d.clear(); err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return d, nil, nil
}

// folder names the folder for the inputs.
func folder(root, kind, name, tool string, inputs any) (*Dir, error) {
	key, err := Key(kind, inputs)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(inputs)
	if err != nil {
		return nil, err
	}
	id := name + "-" + key[:12]
	// The key decides; a folder that was made under another name is the same
	// work.
	if found, err := fs.Glob(os.DirFS(root), kind+"/*-"+key[:12]); err == nil && len(found) > 0 {
		id = path.Base(found[0])
	}
	return &Dir{Path: filepath.Join(root, kind, id), Kind: kind, ID: id, Key: key, inputs: text, tool: tool}, nil
}

// take makes the folder if it is missing, and locks it.
func (d *Dir) take() error {
	if err := os.MkdirAll(d.Path, 0o755); err != nil {
		return fault.Wrap(err, "choose a folder that can be written with --runs")
	}
	d.lock = flock.New(d.File(lockName))
	got, err := d.lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s: %w", d.Path, err)
	}
	if !got {
		return fault.Newf("wait for it to end, or stop it", "another bbjtune works in %s", d.Path)
	}
	return nil
}

// errDamaged says that a manifest does not hold any more: an output was deleted
// or cut short, so that nothing in the folder can be trusted.
var errDamaged = errors.New("the manifest does not hold")

// complete returns the manifest when the work is done and all of it is there,
// and nil for work under way. What cannot be read is not taken for damaged:
// another program version, or another user, may have made it.
func (d *Dir) complete() (*Manifest, error) {
	m, err := readManifest(d.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case m.Key != d.Key:
		return nil, errDamaged
	}
	return m.present(d.Path)
}

// clear empties the folder.
// The manifest goes last: killed before that, the folder is still one whose files
// do not fit it, and not work under way that could be gone on with.
func (d *Dir) clear() error {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockName || e.Name() == manifestName {
			continue
		}
		if err := os.RemoveAll(d.File(e.Name())); err != nil {
			return err
		}
	}
	return os.RemoveAll(d.File(manifestName))
}

// File returns the path of a file inside the folder.
func (d *Dir) File(elem ...string) string {
	return filepath.Join(append([]string{d.Path}, elem...)...)
}

// Close gives the folder free.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Unlock()
}

// Finish hashes the named files (paths inside the folder, folders are walked)
// and writes the manifest. After it the folder is complete.
func (d *Dir) Finish(now time.Time, result any, names ...string) (*Manifest, error) {
	m := &Manifest{Version: manifestVersion, Kind: d.Kind, ID: d.ID, Key: d.Key, Created: now.UTC().Truncate(time.Second), Tool: d.tool, Inputs: d.inputs}
	if result != nil {
		text, err := json.Marshal(result)
		if err != nil {
			return nil, err
		}
		m.Result = text
	}
	for _, name := range names {
		if err := m.add(d.Path, name); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return m, WriteFile(d.File(manifestName), append(text, '\n'))
}

func (m *Manifest) add(root, name string) error {
	return filepath.WalkDir(filepath.Join(root, name), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		sum, size, err := HashFile(path)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, File{filepath.ToSlash(rel), size, sum})
		return nil
	})
}

// present returns the manifest if every file of it is there in its size.
func (m *Manifest) present(dir string) (*Manifest, error) {
	for _, f := range m.Files {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f.Path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, errDamaged
		case err != nil:
			return nil, err
		case info.Size() != f.Size:
			return nil, errDamaged
		}
	}
	return m, nil
}

// Lookup returns the recorded file, for callers that need its hash.
func (m *Manifest) Lookup(path string) (File, bool) {
	i := slices.IndexFunc(m.Files, func(f File) bool { return f.Path == path })
	if i < 0 {
		return File{}, false
	}
	return m.Files[i], true
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// ReadManifest reads the manifest of a folder. A folder without one is an
// error with a hint, since only complete work may be built upon.
func ReadManifest(dir string) (*Manifest, error) {
	m, err := readManifest(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !isThere(dir):
		return nil, fault.Newf("bbjtune runs list names those that are there", "there is no folder %s", dir)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Newf("run the command that makes it again; it goes on where it stopped", "%s has no manifest.json: it is no run folder, or its work is not complete", dir)
	case errors.Is(err, errDamaged):
		return nil, fault.Newf("delete the folder and make it again", "%s: broken manifest.json", dir)
	}
	return m, err
}

func readManifest(dir string) (*Manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, err
	}
	if !json.Valid(text) {
		return nil, errDamaged
	}
	// The version first: another one may have another shape.
	var head struct{ Version json.RawMessage }
	if err := json.Unmarshal(text, &head); err != nil || string(head.Version) != strconv.Itoa(manifestVersion) {
		return nil, fault.Newf("use the bbjtune that made it, or delete the folder and make it again", "%s: the manifest has version %s, this program reads %d", dir, cmp.Or(string(head.Version), "none"), manifestVersion)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fault.Newf("delete the folder and make it again", "%s: broken manifest.json: %w", dir, err)
	}
	return &m, nil
}

// HashFile returns the SHA-256 of a file in hexadecimal and its size.
func HashFile(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

// HashTree returns one hash over the names and contents of all regular files
// below dir for which keep is true (nil keeps all). Names are compared with
// slashes, so that the hash is the same on every platform.
func HashTree(dir string, keep func(path string) bool) (string, error) {
	h := sha256.New()
	// Over a DirFS, so that a folder that is a link is followed.
	err := fs.WalkDir(os.DirFS(dir), ".", func(rel string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || keep != nil && !keep(rel) {
			return err
		}
		sum, size, err := HashFile(filepath.Join(dir, filepath.FromSlash(rel)))
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s\x00%d\x00%s\n", rel, size, sum)
		return nil
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
