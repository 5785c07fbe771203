package cli_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	sound  = "print \"hello\"\n"
	broken = "// no remark\nprint 1\n"
)

// shop is a repository with a program called bbjtune: this test.
type shop struct {
	t   *testing.T
	dir string
	env []string
}

func newShop(t *testing.T) shop {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil || runtime.GOOS == "windows" {
		t.Skip("needs git and a Unix shell")
	}
	dir, home := t.TempDir(), t.TempDir()
	// testscript.Main put a program of this name on PATH.
	program, err := exec.LookPath("bbjtune")
	if err != nil {
		t.Fatal(err)
	}
	s := shop{t, dir, append(os.Environ(), "HOME="+home, "GIT_CONFIG_NOSYSTEM=1", "BBJTUNE="+program, "BBJTUNE_CACHE="+home,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org")}
	s.run(0, "git", "init", "-q")
	return s
}

func (s shop) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// run carries out a command and returns all that it said.
func (s shop) run(status int, name string, args ...string) string {
	s.t.Helper()
	c := exec.CommandContext(s.t.Context(), name, args...)
	c.Dir, c.Env = s.dir, s.env
	out, err := c.CombinedOutput()
	if c.ProcessState == nil || c.ProcessState.ExitCode() != status {
		s.t.Fatalf("%s %v: %v, want status %d\n%s", name, args, err, status, out)
	}
	return string(out)
}

// The hook looks at what is staged, and at nothing else.
func TestContribPreCommitHook(t *testing.T) {
	s := newShop(t)
	hook, err := os.ReadFile("../../contrib/pre-commit")
	if err != nil {
		t.Fatal(err)
	}
	s.write(".git/hooks/pre-commit", string(hook))
	if err := os.Chmod(filepath.Join(s.dir, ".git/hooks/pre-commit"), 0o755); err != nil {
		t.Fatal(err)
	}

	s.write("notes.txt", "// nothing to check")
	s.write("left.bbj", broken)
	s.run(0, "git", "add", "notes.txt")
	s.run(0, "git", "commit", "-qm", "nothing to check")

	s.write("src/a b.bbj", broken)
	s.run(0, "git", "add", "src")
	if said := s.run(1, "git", "commit", "-qm", "broken"); !strings.Contains(said, "src/a b.bbj:1:1: ") || strings.Contains(said, "left.bbj") {
		t.Errorf("the hook said %s", said)
	}
	s.write("src/a b.bbj", sound) // mended, and not yet staged
	s.run(1, "git", "commit", "-qm", "still broken")
	s.run(0, "git", "add", "src")
	s.write("src/a b.bbj", broken) // broken again after it was staged
	s.run(0, "git", "commit", "-qm", "sound")
	s.run(0, "git", "rm", "-qf", "src/a b.bbj")
	s.run(0, "git", "commit", "-qm", "gone")

	s.write("README.md", "# Ours\n")
	s.write("training-data/gui/x.md", "---\ntitle: x\n---\n")
	s.run(0, "git", "add", "README.md", "training-data")
	if said := s.run(1, "git", "commit", "-qm", "an example without a type"); !strings.Contains(said, "training-data/gui/x.md:") || strings.Contains(said, "README.md:") {
		t.Errorf("the hook said %s", said)
	}
}

// The steps of the recipe for GitHub, as its runner would carry them out.
func TestContribGitHubCheck(t *testing.T) {
	text, err := os.ReadFile("../../contrib/github-check.yml")
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Env  map[string]string
		Jobs map[string]struct {
			Steps []struct{ Uses, Run string }
		}
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&workflow); err != nil {
		t.Fatal(err)
	}
	s := newShop(t)
	for name, value := range workflow.Env {
		s.env = append(s.env, name+"="+value)
	}
	s.env = append(s.env, "RUNNER_TEMP="+t.TempDir())
	s.write("bbjtune-v1-linux-amd64/bbjtune", "#!/bin/sh\nexec \"$BBJTUNE\" \"$@\"\n")
	if err := os.Chmod(filepath.Join(s.dir, "bbjtune-v1-linux-amd64/bbjtune"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.write("tools/x", "")
	s.run(0, "tar", "-czf", workflow.Env["ARCHIVE"], "bbjtune-v1-linux-amd64")
	var said string
	all := func(status int) {
		for _, step := range workflow.Jobs["check"].Steps {
			want := 0
			if strings.Contains(step.Run, " check ") {
				want = status
			}
			if step.Run != "" {
				said = s.run(want, "bash", "-e", "-c", step.Run)
			}
		}
	}
	s.write("src/a.bbj", sound)
	all(0)
	s.write("src/b.bbj", broken)
	all(1)
	if !strings.Contains(said, "::error file=src/b.bbj,line=1,col=1,title=BBJ1008 ") {
		t.Errorf("the check said %s", said)
	}
}

// The hook for the pre-commit framework: the command runs, on the files that it means.
func TestContribPreCommitFramework(t *testing.T) {
	text, err := os.ReadFile("../../.pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var hooks []struct{ ID, Entry, Language, Files, Exclude string }
	if err := yaml.Unmarshal(text, &hooks); err != nil || len(hooks) != 1 {
		t.Fatal(err, hooks)
	}
	takes := func(name string) bool {
		return regexp.MustCompile(hooks[0].Files).MatchString(name) && !regexp.MustCompile(hooks[0].Exclude).MatchString(name)
	}
	for name, want := range map[string]bool{
		"a.bbj": true, "src/A.BBJ": true, "src/b.src": true, "training-data/gui/x.md": true,
		"README.md": false, "training-data/FORMAT.md": false, "training-data/gui/README.md": false, "a.bbjx": false, "docs/x.md": false,
	} {
		if takes(name) != want {
			t.Errorf("%s is taken: %v", name, !want)
		}
	}
	s := newShop(t)
	s.write("a.bbj", sound)
	s.write("b.bbj", broken)
	words := strings.Fields(hooks[0].Entry)
	s.run(0, words[0], append(words[1:], "a.bbj")...)
	s.run(1, words[0], append(words[1:], "a.bbj", "b.bbj")...)
}
