// Package publish lays files into a git repository in such a way that Git LFS
// keeps what is large: a folder a version, whole or not at all, and only when git
// itself shows that it would store no weights.
//
// It knows git and LFS. It must not know what the files are, beyond what a
// weight's name looks like, and it commits nothing.
package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
)

// File is one file of a version: its name in the version's folder (with slashes),
// and its content, or where that lies.
type File struct {
	Name, Source string
	Text         []byte
}

// Result says what was laid.
type Result struct {
	// Folder is that of the version, Attributes the file that tells LFS what to
	// catch; both from the top of the repository, with slashes.
	Folder, Attributes string
	// Changed is false where the version is there already, file by file.
	Changed bool
	Files   []runs.File
	// Stored names the files that LFS keeps.
	Stored []string
}

// Folder is where versions lie in a repository.
const Folder = "adapters"

const attributesFile = ".gitattributes"

// patterns are the names of weights, as .gitattributes has them.
var patterns = []string{"*.safetensors", "*.gguf", "*.bin", "*.pt", "*.pth", "*.onnx"}

// attributes are what a pattern is given.
const attributes = "filter=lfs diff=lfs merge=lfs -text"

// maxPlain is what git may keep of one file by itself, in bytes: hosts warn from
// 50 MB on, and every clone gets every version of it.
const maxPlain = 10 << 20

var versionName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// Lay puts the files of a version into adapters/VERSION of the repository that
// dir is in.
func Lay(ctx context.Context, dir, version string, files []File) (*Result, error) {
	if !versionName.MatchString(version) {
		return nil, fault.Newf("write letters, digits, -, _ and dots", "the version %q is no plain name of a folder", version)
	}
	g, err := open(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := g.hasLFS(ctx); err != nil {
		return nil, err
	}
	l := &laying{repository: g, version: version, files: files}
	l.final = filepath.Join(g.top, Folder, version)
	l.partial = filepath.Join(g.top, Folder, "."+version+".partial")
	return l.lay(ctx)
}

// laying is a version on its way.
type laying struct {
	*repository
	version        string
	files          []File
	final, partial string
}

func (l *laying) lay(ctx context.Context) (*Result, error) {
	if err := os.RemoveAll(l.partial); err != nil {
		return nil, err
	}
	defer os.RemoveAll(l.partial) // it has the version's name when all went well
	r := &Result{Folder: Folder + "/" + l.version, Attributes: attributesFile}
	for _, f := range l.files {
		written, err := l.write(f)
		if err != nil {
			return nil, err
		}
		r.Files = append(r.Files, written)
	}
	if _, err := os.Lstat(l.final); err == nil {
		return r, l.same(r.Files)
	}
	restore, err := l.attribute()
	if err != nil {
		return nil, err
	}
	if r.Stored, err = l.prove(ctx, r.Files); err != nil {
		return nil, errors.Join(err, restore())
	}
	r.Changed = true
	return r, os.Rename(l.partial, l.final)
}

// write puts a file into the partial folder.
func (l *laying) write(f File) (runs.File, error) {
	path := filepath.Join(l.partial, filepath.FromSlash(f.Name))
	err := runs.WriteWith(path, func(w io.Writer) error {
		if f.Source == "" {
			_, err := w.Write(f.Text)
			return err
		}
		in, err := os.Open(f.Source)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(w, in)
		return err
	})
	if err != nil {
		return runs.File{}, fault.Wrap(err, "free disk space where the disk is full, and run the same command again")
	}
	sum, size, err := runs.HashFile(path)
	return runs.File{Path: f.Name, Size: size, SHA256: sum}, err
}

// same holds that a version that is there is this one.
func (l *laying) same(files []runs.File) error {
	have := 0
	err := filepath.WalkDir(l.final, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			have++
		}
		return err
	})
	for _, f := range files {
		if sum, _, failed := runs.HashFile(filepath.Join(l.final, filepath.FromSlash(f.Path))); err == nil && (failed != nil || sum != f.SHA256) {
			err = fmt.Errorf("%s differs", f.Path)
		}
	}
	if err == nil && have != len(files) {
		err = fmt.Errorf("it holds %d files instead of %d", have, len(files))
	}
	if err != nil {
		return fault.Wrap(fmt.Errorf("%s/%s is there already, and is something else: %w", Folder, l.version, err), "choose another --version: what others have fetched is not changed")
	}
	return nil
}

// attribute adds what is missing of the rules for LFS, and returns how to undo it.
func (l *laying) attribute() (undo func() error, err error) {
	path := filepath.Join(l.top, attributesFile)
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	there := err == nil
	text := string(old)
	for _, p := range patterns {
		if rule := p + " " + attributes; !slices.Contains(strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), rule) {
			if text != "" && !strings.HasSuffix(text, "\n") {
				text += "\n"
			}
			text += rule + "\n"
		}
	}
	undo = func() error {
		if !there {
			return os.Remove(path)
		}
		return runs.WriteFile(path, old)
	}
	if text == string(old) {
		return func() error { return nil }, nil
	}
	return undo, runs.WriteFile(path, []byte(text))
}

// prove has git say what it would store of each file, and refuses weights, and
// large files, of which it is not LFS's pointer.
func (l *laying) prove(ctx context.Context, files []runs.File) (stored []string, err error) {
	for _, f := range files {
		pointer := fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", f.SHA256, f.Size)
		want, err := l.git(ctx, strings.NewReader(pointer), "hash-object", "--stdin")
		if err != nil {
			return nil, err
		}
		name := Folder + "/" + l.version + "/" + f.Path
		got, err := l.git(ctx, nil, "hash-object", "--path="+name, filepath.Join(l.partial, filepath.FromSlash(f.Path)))
		if err != nil {
			return nil, fault.Wrap(fmt.Errorf("git cannot store %s: %w", name, err), "run git lfs install in the repository")
		}
		caught := got == want
		if caught {
			stored = append(stored, f.Path)
		}
		if !caught && (isWeight(f.Path) || f.Size > maxPlain) {
			return nil, fault.Newf("git check-attr -a "+name+" shows what applies to it: a rule in another .gitattributes, or in .git/info/attributes, takes LFS away",
				"git would store %s itself, %.1f MB: Git LFS does not catch it", name, float64(f.Size)/1e6)
		}
	}
	return stored, nil
}

// isWeight reports whether a file's name is one of weights.
func isWeight(name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return strings.HasSuffix(strings.ToLower(name), p[1:]) })
}

// repository is a work tree of git.
type repository struct{ top string }

func open(ctx context.Context, dir string) (*repository, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, fault.Wrap(err, "install git")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fault.Newf("name the folder of a git repository", "there is no folder %s", dir)
	}
	top, err := (&repository{dir}).git(ctx, nil, "rev-parse", "--show-toplevel")
	if err != nil || top == "" {
		return nil, fault.Newf("git init makes one, git clone fetches one", "%s is in no work tree of git", dir)
	}
	return &repository{filepath.FromSlash(top)}, nil
}

// hasLFS holds that the filter that LFS needs is there: git itself passes over
// one that is not set up, and stores the weights.
func (g *repository) hasLFS(ctx context.Context) error {
	if _, err := g.git(ctx, nil, "lfs", "version"); err != nil {
		return fault.Newf("install git-lfs, then run git lfs install", "git-lfs is not installed: git would store the weights themselves")
	}
	if clean, err := g.git(ctx, nil, "config", "--get", "filter.lfs.clean"); err != nil || clean == "" {
		return fault.Newf("run git lfs install", "git-lfs is installed and not set up: git would store the weights themselves")
	}
	return nil
}

// git runs git in the repository and returns what it says, without the line's end.
func (g *repository) git(ctx context.Context, in io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", g.top}, args...)...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = in, &said
	out, err := cmd.Output()
	if err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, line)
	}
	return strings.TrimRight(string(out), "\r\n"), nil
}
