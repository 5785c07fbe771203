package corpus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"bbjtune/internal/fault"
)

// Listing is what lies in some folders.
type Listing struct {
	Files []Entry // in the order of their sources
	// Others counts the files with other extensions, by the extension in lower case.
	Others map[string]int
	Links  int // which are not followed
}

// Entry is a file of source. Source is the folder, as it was named, and the path
// below it, with slashes.
type Entry struct {
	Source string
	path   string
	size   int64
}

// List finds the files below the folders whose names end in one of the extensions
// (with dots, compared without regard to case; "" stands for names without one).
// It does not look into folders whose name starts with a dot and follows no link
// but a folder that is named itself. A file that is reached twice is listed once;
// the order of the folders does not matter.
func List(dirs, extensions []string) (Listing, error) {
	l := lister{Listing: Listing{Others: map[string]int{}}, extensions: extensions, seen: map[string]bool{}}
	roots := make([]string, len(dirs))
	for i, dir := range dirs {
		roots[i] = filepath.Clean(dir)
	}
	slices.Sort(roots)
	for _, root := range slices.Compact(roots) {
		if err := l.folder(root); err != nil {
			return Listing{}, fault.Wrap(fmt.Errorf("read BBj source in %s: %w", root, err), "name folders of BBj source that can be read")
		}
	}
	slices.SortFunc(l.Files, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.path, b.path)) // old names may read alike
	})
	return l.Listing, nil
}

type lister struct {
	Listing
	extensions []string
	seen       map[string]bool // by the full path without links
}

func (l *lister) folder(root string) error {
	full, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	if full, err = filepath.Abs(full); err != nil {
		return err
	}
	if info, err := os.Stat(full); err != nil || !info.IsDir() {
		return errors.Join(err, errors.New("it is no folder"))
	}
	return filepath.WalkDir(full, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != full && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir // of version control, editors and the like
		case d.IsDir() || l.seen[file]:
			return nil
		}
		l.seen[file] = true
		rel, err := filepath.Rel(full, file)
		if err != nil {
			return err
		}
		return l.file(path.Join(filepath.ToSlash(root), filepath.ToSlash(rel)), file, d)
	})
}

func (l *lister) file(source, file string, d fs.DirEntry) error {
	hasExtension := func(e string) bool { return strings.EqualFold(e, filepath.Ext(source)) }
	switch {
	case d.Type()&fs.ModeSymlink != 0:
		l.Links++
		return nil
	case !d.Type().IsRegular() || !slices.ContainsFunc(l.extensions, hasExtension):
		l.Others[strings.ToLower(filepath.Ext(source))]++
		return nil
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	if !utf8.ValidString(source) { // a name as old as its text
		source, _ = decode8([]byte(source))
	}
	l.Files = append(l.Files, Entry{source, file, info.Size()})
	return nil
}

// Hash returns one hash over the sources and contents of the files, in
// hexadecimal. It reads them all, so that it also finds those that cannot be read.
func (l Listing) Hash(ctx context.Context) (string, error) {
	contents, err := l.contents(ctx)
	if err != nil {
		return "", err
	}
	return hashContents(contents), nil
}

// content is what a file holds: its size and the SHA-256 of so much as is read.
type content struct {
	Source string `json:"source"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func (l Listing) contents(ctx context.Context) ([]content, error) {
	list := make([]content, len(l.Files))
	err := each(ctx, len(l.Files), func(i int) error {
		f := l.Files[i]
		sum, err := f.sum()
		list[i] = content{f.Source, f.size, hex.EncodeToString(sum[:])}
		return err
	})
	return list, err
}

// hashContents returns one hash over files in the order of their sources.
func hashContents(list []content) string {
	h := sha256.New()
	for _, c := range list {
		fmt.Fprintf(h, "%s\x00%d\x00%s\n", c.Source, c.Size, c.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sum hashes the content, so much of it as is read.
func (e Entry) sum() (sum [sha256.Size]byte, err error) {
	f, err := os.Open(e.path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxSize+1)); err != nil {
		return sum, fmt.Errorf("read %s: %w", e.path, err)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// each calls do for 0 to n-1 on all cores, and returns the error of the lowest
// number that failed.
func each(ctx context.Context, n int, do func(int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for ctx.Err() == nil && !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = do(i); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
