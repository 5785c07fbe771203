package publish_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/fault"
	"bbjtune/internal/publish"
)

// Called by the name of git-lfs, the test binary is one, as far as git needs it
// here: it says its version and turns files into pointers.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "git-lfs" {
		os.Exit(m.Run())
	}
	if len(os.Args) > 1 && os.Args[1] == "clean" {
		data, err := io.ReadAll(os.Stdin)
		if err != nil {
			os.Exit(1)
		}
		fmt.Printf("version https://git-lfs.github.com/spec/v1\noid sha256:%x\nsize %d\n", sha256.Sum256(data), len(data))
		return
	}
	fmt.Println("git-lfs/0 (stand-in)")
}

const setUp = "[filter \"lfs\"]\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n\trequired = true\n"

// world is a repository with a git that finds the LFS that it is given, and no
// settings but these.
func world(t *testing.T, lfs, config string) string {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal("the tests need git")
	}
	bin := t.TempDir()
	links := map[string]string{"git": git}
	if lfs != "" {
		links["git-lfs"] = lfs
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Setenv("HOME", bin)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(bin, "config"))
	write(t, filepath.Join(bin, "config"), config)
	dir := t.TempDir()
	run(t, dir, "init", "-q")
	return dir
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T) []publish.File {
	t.Helper()
	weights := filepath.Join(t.TempDir(), "w")
	write(t, weights, "weights\r\n\x00")
	return []publish.File{{Name: "README.md", Text: []byte("# card\n")}, {Name: "adapter_model.safetensors", Source: weights}, {Name: "evaluation/a.json", Text: []byte("{}\n")}}
}

func standIn(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func TestLay(t *testing.T) {
	real, err := exec.LookPath("git-lfs")
	for _, c := range []struct{ name, lfs string }{{"a stand-in", standIn(t)}, {"git-lfs itself", real}} {
		t.Run(c.name, func(t *testing.T) {
			if c.lfs == "" {
				t.Skip(err)
			}
			dir := world(t, c.lfs, setUp)
			list := files(t)
			write(t, filepath.Join(dir, ".gitattributes"), "*.txt text")
			write(t, filepath.Join(dir, "adapters", ".v1.partial", "debris"), "of a killed attempt")
			inside := filepath.Join(dir, "docs")
			write(t, filepath.Join(inside, "x"), "")
			r, err := publish.Lay(t.Context(), inside, "v1", list)
			if err != nil || !r.Changed || r.Folder != "adapters/v1" || !slices.Equal(r.Stored, []string{"adapter_model.safetensors"}) || len(r.Files) != 3 {
				t.Fatalf("%+v, %v (hint: %s)", r, err, fault.Hint(err))
			}
			run(t, dir, "add", r.Attributes, r.Folder)
			if text := run(t, dir, "show", ":adapters/v1/adapter_model.safetensors"); !strings.HasPrefix(text, "version https://git-lfs.github.com/spec/v1\noid sha256:") {
				t.Errorf("git stores %q", text)
			}
			if text := run(t, dir, "show", ":.gitattributes"); !strings.HasPrefix(text, "*.txt text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n") {
				t.Errorf(".gitattributes:\n%s", text)
			}
			if text := run(t, dir, "ls-files"); text != ".gitattributes\nadapters/v1/README.md\nadapters/v1/adapter_model.safetensors\nadapters/v1/evaluation/a.json\n" {
				t.Errorf("files:\n%s", text)
			}
			if r, err := publish.Lay(t.Context(), dir, "v1", list); err != nil || r.Changed {
				t.Errorf("again: %+v, %v", r, err)
			}
			if r, err := publish.Lay(t.Context(), dir, "v2", list); err != nil || !r.Changed || run(t, dir, "diff", "--name-only") != "" {
				t.Errorf("the next version: %+v, %v", r, err)
			}
			list[0].Text = []byte("# another card\n")
			if _, err := publish.Lay(t.Context(), dir, "v1", list); err == nil || !strings.Contains(err.Error(), "README.md differs") || fault.Hint(err) == "" {
				t.Errorf("err = %v", err)
			}
			if _, err := publish.Lay(t.Context(), dir, "v2", list[1:]); err == nil || !strings.Contains(err.Error(), "holds 3 files instead of 2") {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// What LFS would not catch is refused, and the repository is as it was.
func TestRefuses(t *testing.T) {
	for _, c := range []struct {
		name, lfs, config string
		spoil             func(t *testing.T, dir string, list *[]publish.File)
		message           string
	}{
		{name: "no git-lfs", message: "git-lfs is not installed"},
		{name: "not set up", lfs: standIn(t), message: "git-lfs is installed and not set up"},
		{name: "a rule that takes LFS away", lfs: standIn(t), config: setUp, message: "git would store adapters/v1/adapter_model.safetensors itself",
			spoil: func(t *testing.T, dir string, _ *[]publish.File) {
				write(t, filepath.Join(dir, ".git", "info", "attributes"), "*.safetensors -filter\n")
			}},
		{name: "a filter that does something else", lfs: standIn(t), config: "[filter \"lfs\"]\n\tclean = git-lfs version\n", message: "itself"},
		{name: "a filter that fails", lfs: standIn(t), config: "[filter \"lfs\"]\n\tclean = absent\n\trequired = true\n", message: "git cannot store adapters/v1/adapter_model.safetensors"},
		{name: "a large file of another kind", lfs: standIn(t), config: setUp, message: "git would store adapters/v1/log.jsonl itself, 11.5 MB",
			spoil: func(_ *testing.T, _ string, list *[]publish.File) {
				*list = append(*list, publish.File{Name: "log.jsonl", Text: bytes.Repeat([]byte("x"), 11<<20)})
			}},
		{name: "a file that is gone", lfs: standIn(t), config: setUp, message: "absent",
			spoil: func(_ *testing.T, _ string, list *[]publish.File) {
				*list = append(*list, publish.File{Name: "x", Source: "absent"})
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, list := world(t, c.lfs, c.config), files(t)
			if c.spoil != nil {
				c.spoil(t, dir, &list)
			}
			_, err := publish.Lay(t.Context(), dir, "v1", list)
			if err == nil || !strings.Contains(err.Error(), c.message) || fault.Hint(err) == "" {
				t.Errorf("err = %v, want %q\nhint: %q", err, c.message, fault.Hint(err))
			}
			for _, left := range []string{"adapters/v1", "adapters/.v1.partial", ".gitattributes"} {
				if _, err := os.Lstat(filepath.Join(dir, left)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is there: %v", left, err)
				}
			}
		})
	}
}

func TestNoRepository(t *testing.T) {
	dir := world(t, standIn(t), setUp)
	file := filepath.Join(dir, "file")
	write(t, file, "")
	for _, c := range []struct{ dir, version, message string }{
		{t.TempDir(), "v1", "is in no work tree of git"},
		{filepath.Join(dir, "absent"), "v1", "there is no folder"},
		{file, "v1", "there is no folder"},
		{filepath.Join(dir, ".git"), "v1", "is in no work tree of git"},
		{dir, "../v1", "is no plain name"},
		{dir, "", "is no plain name"},
	} {
		if _, err := publish.Lay(t.Context(), c.dir, c.version, files(t)); err == nil || !strings.Contains(err.Error(), c.message) || fault.Hint(err) == "" {
			t.Errorf("%s: err = %v", c.dir, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := publish.Lay(t.Context(), dir, "v1", files(t)); err == nil || fault.Hint(err) != "install git" {
		t.Errorf("err = %v", err)
	}
}
