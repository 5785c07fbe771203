package pyenv_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bbjtune/internal/fault"
	"bbjtune/internal/pyenv"
)

// stage lays a stand-in for Python and one for uv into a folder that is first
// on PATH. Both write what they are asked into a log.
func stage(t *testing.T, python, uv string) (dir, log string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-ins are shell scripts")
	}
	dir = t.TempDir()
	log = filepath.Join(dir, "log")
	for name, text := range map[string]string{"python3": python, "uv": uv} {
		script := "#!/bin/sh\necho \"" + name + " $*\" >>" + log + "\n" + strings.ReplaceAll(text, "DIR", dir)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return dir, log
}

const (
	goodPython = "echo DIR/python3; echo 3.12.4\n"
	// goodUV makes an interpreter where a virtual environment has one.
	goodUV = `for last; do :; done
case "$1" in
venv) mkdir -p "$last/bin"; touch "$last/bin/python";;
cache) echo DIR/uvcache;;
esac
`
)

func options(t *testing.T, cache string) pyenv.Options {
	t.Helper()
	return pyenv.Options{
		Cache: cache, UV: pyenv.Requirements{Name: "uv.txt", Text: []byte("uv==1")},
		Lists: []pyenv.Requirements{{Name: "a.txt", Text: []byte("a==1 --hash=sha256:0")}, {Name: "b.txt", Text: []byte("b==2 --hash=sha256:0")}},
	}
}

func TestEnsureMakesOnce(t *testing.T) {
	_, log := stage(t, goodPython, goodUV)
	o := options(t, t.TempDir())
	first, err := pyenv.Ensure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if first.Version != "3.12.4" || first.Python != filepath.Join(first.Dir, "bin", "python") {
		t.Errorf("environment %+v", first)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"a.txt", "b.txt"} {
		want := fmt.Sprintf("--no-deps --require-hashes --python %s -r %s", first.Python, filepath.Join(first.Dir, list))
		if !strings.Contains(string(text), want) {
			t.Errorf("%s was not installed with hashes:\n%s", list, text)
		}
	}
	os.Remove(log)
	second, err := pyenv.Ensure(t.Context(), o)
	if err != nil || *second != *first {
		t.Errorf("second call: %+v, %v", second, err)
	}
	if text, _ := os.ReadFile(log); bytes.Contains(text, []byte("uv ")) {
		t.Errorf("a finished environment was made again:\n%s", text)
	}
	o.Lists[0].Text = []byte("a==2 --hash=sha256:0")
	if third, err := pyenv.Ensure(t.Context(), o); err != nil || third.Dir == first.Dir {
		t.Errorf("other packages, same folder: %+v, %v", third, err)
	}
}

func TestEnsureStartsAnewAfterAFailure(t *testing.T) {
	_, log := stage(t, goodPython, goodUV+`if [ "$2" = install ] && [ ! -e DIR/fixed ]; then echo "error: no such package" >&2; exit 2; fi`+"\n")
	cache := t.TempDir()
	_, err := pyenv.Ensure(t.Context(), options(t, cache))
	if err == nil || err.Error() != "uv could not make the Python environment: error: no such package" || fault.Hint(err) == "" {
		t.Fatalf("got %v, hint %q", err, fault.Hint(err))
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(log), "fixed"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pyenv.Ensure(t.Context(), options(t, cache)); err != nil {
		t.Errorf("second try: %v", err)
	}
}

func TestFind(t *testing.T) {
	stage(t, "echo DIR/python3; echo 3.9.1\n", "")
	if _, _, err := pyenv.Find(t.Context(), "python3"); err == nil || err.Error() != "Python 3.9.1 is too old" {
		t.Errorf("an old Python: %v", err)
	}
	if _, _, err := pyenv.Find(t.Context(), "no-such-python"); err == nil || err.Error() != "no-such-python is no Python interpreter" {
		t.Errorf("no Python: %v", err)
	}
}
