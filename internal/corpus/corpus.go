// Package corpus collects raw BBj source from folders for continued
// pretraining, and says of every file it leaves out why. [Load] reads a folder as
// it is; [Build] makes documents of whole trees by named rules, and [Read] reads
// what became of that.
//
// It must not know what becomes of the text.
package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/internal/fault"
)

// File is one source text, as UTF-8 with LF line ends.
type File struct {
	Path string // below the folder, with slashes
	Text string
}

// Skipped is a file that was left out.
type Skipped struct {
	Path, Reason string
}

// maxSize is the largest file that is read, in bytes: larger ones are data.
const maxSize = 4 << 20

// Load reads every file below dir whose name ends in one of the extensions
// (with dots, compared without regard to case), in the order of the paths.
// Folders whose name starts with a dot are not looked into.
func Load(dir string, extensions []string) ([]File, []Skipped, error) {
	var files []File
	var skipped []Skipped
	wanted := make([]string, len(extensions))
	for i, e := range extensions {
		wanted[i] = strings.ToLower(e)
	}
	// Over a DirFS, so that a folder that is a link is followed.
	err := fs.WalkDir(os.DirFS(dir), ".", func(rel string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && rel != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir // of version control, editors and the like
		}
		if err != nil || !d.Type().IsRegular() || !slices.Contains(wanted, strings.ToLower(filepath.Ext(rel))) {
			return err
		}
		text, reason, err := read(filepath.Join(dir, filepath.FromSlash(rel)), d)
		switch {
		case err != nil:
			return err
		case reason != "":
			skipped = append(skipped, Skipped{rel, reason})
		default:
			files = append(files, File{rel, text})
		}
		return nil
	})
	if err != nil {
		return nil, nil, fault.Wrap(fmt.Errorf("read BBj source in %s: %w", dir, err), "name a folder of BBj source")
	}
	return files, skipped, nil
}

// Hash returns one hash over the names and texts of the files, in hexadecimal.
func Hash(files []File) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%s\x00%d\x00%s\n", f.Path, len(f.Text), f.Text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func read(path string, d fs.DirEntry) (text, reason string, err error) {
	info, err := d.Info()
	if err != nil {
		return "", "", err
	}
	if info.Size() > maxSize {
		return "", fmt.Sprintf("larger than %d MB", maxSize>>20), nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	t := decode(raw)
	return t.text, t.unfit().reason, nil
}
