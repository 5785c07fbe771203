// Package pyenv makes the Python environment that training and serving run in:
// pinned packages with hashes, installed by uv into a folder of the cache that
// is named after what is in it. A finished environment is never changed.
//
// It must not know what the environment is used for.
package pyenv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"bbjtune/internal/fault"
	"bbjtune/internal/proc"
	"bbjtune/internal/runs"
)

// Requirements is one pinned list of packages.
type Requirements struct {
	Name string // for example requirements-cpu.txt
	Text []byte
}

// Options say what is made and where.
type Options struct {
	// Cache is the folder that environments live in.
	Cache string
	// Python names the interpreter to build on; empty looks for one.
	Python string
	// UV is the pinned list that uv itself is installed from.
	UV Requirements
	// Lists are installed one after the other, without dependencies of
	// their own: what is needed is listed.
	Lists []Requirements
	// Log receives what the installers say.
	Log io.Writer
	// Status hears what is being done, in a few words, and how many bytes
	// of the package cache are there.
	Status func(what string, bytes int64)
}

// Env is a finished environment.
type Env struct {
	Dir string
	// Python is the environment's interpreter.
	Python string
	// Version is the interpreter's version.
	Version string
}

// marker is the file whose presence proves the environment complete.
const marker = "bbjtune-env.json"

// minMinor is the oldest Python 3 that the packages support.
const minMinor = 11

// testedMinor is the newest Python 3 that they are known to support. A newer one
// is taken where there is no other.
const testedMinor = 13

// Ensure returns the environment, made first where it is missing.
func Ensure(ctx context.Context, o Options) (*Env, error) {
	if o.Status == nil {
		o.Status = func(string, int64) {}
	}
	base, version, err := Find(ctx, o.Python)
	if err != nil {
		return nil, err
	}
	env := &Env{Dir: filepath.Join(o.Cache, "env", key(o, version)), Version: version}
	env.Python = interpreter(env.Dir)
	if env.complete() {
		return env, nil
	}
	unlock, err := o.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if env.complete() {
		return env, nil // another process made it meanwhile
	}
	if err := o.make(ctx, base, env); err != nil {
		return nil, err
	}
	return env, nil
}

// complete reports whether the environment was made to its end.
func (e *Env) complete() bool {
	_, marked := os.Stat(filepath.Join(e.Dir, marker))
	_, there := os.Stat(e.Python)
	return marked == nil && there == nil
}

// lock waits until no other process makes an environment in the cache.
func (o Options) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(o.Cache, 0o755); err != nil {
		return nil, fault.Wrap(err, "choose a folder that can be written with BBJTUNE_CACHE")
	}
	l := flock.New(filepath.Join(o.Cache, "env.lock"))
	if _, err := l.TryLockContext(ctx, time.Second); err != nil {
		return nil, fmt.Errorf("wait for another bbjtune that makes the Python environment: %w", err)
	}
	return func() { l.Unlock() }, nil
}

// key names an environment after everything that decides what is in it.
func key(o Options, version string) string {
	h := sha256.New()
	fmt.Fprintln(h, runtime.GOOS, runtime.GOARCH, version)
	for _, r := range o.Lists {
		fmt.Fprintln(h, r.Name, len(r.Text))
		h.Write(r.Text)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// make builds the environment in place and marks it complete last; what an
// interrupted attempt left is thrown away, the packages it had fetched are
// still in uv's own cache.
func (o Options) make(ctx context.Context, base string, env *Env) error {
	if err := os.MkdirAll(filepath.Dir(env.Dir), 0o755); err != nil {
		return fault.Wrap(err, "choose a folder that can be written with BBJTUNE_CACHE")
	}
	uv, err := o.uv(ctx, base)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(env.Dir); err != nil {
		return err
	}
	o.Status("making the Python environment", 0)
	if err := o.run(ctx, uv, "venv", "--no-project", "--no-config", "--python", base, env.Dir); err != nil {
		return err
	}
	for _, list := range o.Lists {
		if err := o.install(ctx, uv, env, list); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(map[string]any{"python": env.Version, "lists": names(o.Lists)}, "", "  ")
	if err != nil {
		return err
	}
	return runs.WriteFile(filepath.Join(env.Dir, marker), append(text, '\n'))
}

func names(lists []Requirements) []string {
	var n []string
	for _, l := range lists {
		n = append(n, l.Name)
	}
	return n
}

func (o Options) install(ctx context.Context, uv string, env *Env, list Requirements) error {
	file := filepath.Join(env.Dir, list.Name)
	if err := runs.WriteFile(file, list.Text); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go o.watch(ctx, uv)
	return o.run(ctx, uv, "pip", "install", "--no-config", "--no-deps", "--require-hashes", "--python", env.Python, "-r", file)
}

// watch reports the growth of uv's cache, the only sign of a long download.
func (o Options) watch(ctx context.Context, uv string) {
	out, err := exec.CommandContext(ctx, uv, "cache", "dir").Output()
	if err != nil {
		return
	}
	dir := strings.TrimSpace(string(out))
	start := size(dir)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			o.Status("installing Python packages", max(0, size(dir)-start))
		}
	}
}

// size adds up the files below dir; what vanishes meanwhile does not count.
func size(dir string) (total int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// uv returns the installer: the one on PATH, else a pinned one in a folder of
// the cache.
func (o Options) uv(ctx context.Context, base string) (string, error) {
	if found, err := exec.LookPath("uv"); err == nil {
		return found, nil
	}
	sum := sha256.Sum256(o.UV.Text)
	dir := filepath.Join(o.Cache, "uv", hex.EncodeToString(sum[:])[:16])
	uv := filepath.Join(dir, "bin", "uv"+exe())
	done := filepath.Join(dir, marker)
	if _, err := os.Stat(done); err == nil {
		return uv, nil
	}
	o.Status("fetching the package installer uv", 0)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	file := filepath.Join(o.Cache, "uv", o.UV.Name)
	if err := runs.WriteFile(file, o.UV.Text); err != nil {
		return "", err
	}
	err := o.run(ctx, base, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--target", dir, "-r", file)
	if err != nil {
		return "", fault.Wrap(err, "install pip for this Python, or uv, and try again")
	}
	return uv, runs.WriteFile(done, []byte("{}\n"))
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// interpreter is where a virtual environment keeps its Python.
func interpreter(dir string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(dir, "Scripts", "python.exe")
	}
	return filepath.Join(dir, "bin", "python")
}

// run runs an installer, its output to the log. An error carries the last
// line that the installer said.
func (o Options) run(ctx context.Context, name string, args ...string) error {
	var said bytes.Buffer
	log := io.Writer(&said)
	if o.Log != nil {
		log = io.MultiWriter(&said, o.Log)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = installerEnv(os.Environ())
	p, err := proc.Start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		if err := p.Stop(2 * time.Second); err != nil {
			return err
		}
		return context.Cause(ctx)
	}
	if p.Err() == nil {
		return nil
	}
	hint := "check the network and the proxy settings (PIP_INDEX_URL, UV_INDEX_URL, HTTPS_PROXY), then run the same command again"
	if strings.Contains(said.String(), "No space left") {
		hint = "free disk space (the environment needs about 5 GB) and run the same command again"
	}
	return fault.Newf(hint, "%s could not make the Python environment: %s", filepath.Base(name), lastLine(said.String()))
}

// installerEnv lets uv use the package index and the certificates that pip is
// set up for: uv itself ignores pip's settings.
func installerEnv(env []string) []string {
	have := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		have[name] = value
	}
	add := func(name, from string) {
		if have[name] == "" && have[from] != "" {
			env = append(env, name+"="+have[from])
		}
	}
	add("UV_INDEX_URL", "PIP_INDEX_URL")
	add("UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")
	add("SSL_CERT_FILE", "PIP_CERT")
	return env
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// Find returns the path and the version of the first usable interpreter; named
// is the only candidate unless it is empty.
func Find(ctx context.Context, named string) (path, version string, err error) {
	candidates := []string{named}
	if named == "" {
		candidates = []string{"python3", "python", "python3.13", "python3.12", "python3.11"}
	}
	var found []string
	newer, newerVersion := "", ""
	for _, c := range candidates {
		p, err := exec.LookPath(c)
		if err != nil {
			continue
		}
		full, v, minor, err := askVersion(ctx, p)
		if err != nil {
			continue
		}
		switch {
		case minor >= minMinor && (minor <= testedMinor || named != ""):
			return full, v, nil
		case minor > testedMinor && newer == "":
			newer, newerVersion = full, v
		case minor < minMinor:
			found = append(found, v)
		}
	}
	if newer != "" {
		return newer, newerVersion, nil
	}
	hint := fmt.Sprintf("install Python 3.%d or newer, or name it with BBJTUNE_PYTHON", minMinor)
	switch {
	case len(found) > 0:
		return "", "", fault.Newf(hint, "Python %s is too old", strings.Join(found, ", "))
	case named != "":
		return "", "", fault.Newf(hint, "%s is no Python interpreter", named)
	}
	return "", "", fault.New("no Python was found", hint)
}

// askVersion runs the interpreter; the path it reports is used from then on,
// since shims of version managers look at the working directory.
func askVersion(ctx context.Context, python string) (path, version string, minor int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, python, "-I", "-c",
		"import sys; print(sys.executable); print(*sys.version_info[:3], sep='.')").Output()
	if err != nil {
		return "", "", 0, err
	}
	path, version, _ = strings.Cut(strings.ReplaceAll(strings.TrimSpace(string(out)), "\r", ""), "\n")
	var major int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major != 3 {
		return "", "", 0, errors.New("not Python 3")
	}
	return path, version, minor, nil
}
