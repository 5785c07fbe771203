//go:build linux

package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/ray"
	"bbjtune/internal/ray/raytest"
)

// faulty is a real cluster that lacks something.
type faulty struct {
	*clustered
}

// newFaulty starts a cluster in an interpreter, or in that of the other tests.
func newFaulty(t *testing.T, python string, o raytest.Options) *faulty {
	t.Helper()
	if os.Getenv(realRay) == "" {
		t.Skipf("starts a real Ray cluster; set %s=1 to run it", realRay)
	}
	t.Setenv(require, "1")
	if python != "" {
		t.Setenv("BBJTUNE_RAY_PYTHON", python)
	}
	f := &faulty{&clustered{real: newReal(t)}}
	f.write("recipe.yaml", strings.NewReplacer("BASE", "org/tiny", "REPO", f.dir, "FIRST", "false", "SECOND", "1", "accumulation: 2", "accumulation: 4").Replace(clusterRecipe))
	o.CPUs = 1
	f.cluster = raytest.Start(t, o)
	f.name()
	return f
}

// refused holds what a training is refused with: one sentence, one hint, exit status 2,
// and nothing that runs on the cluster but the jobs named.
func (f *faulty) refused(t *testing.T, want string, running []string, more ...string) {
	t.Helper()
	cmd := f.command(append(f.train(), more...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	_, sentence, _ := strings.Cut(said.String(), "probe of the cluster …\n")
	t.Logf("said in %.1f s:\n%s", took.Seconds(), sentence)
	var status *exec.ExitError
	if !errors.As(err, &status) || status.ExitCode() != 2 {
		t.Errorf("ended with %v", err)
	}
	if text := said.String(); !strings.Contains(text, want) || strings.Count(text, "error: ") != 1 || strings.Count(text, "hint: ") != 1 {
		t.Errorf("said %q, want %q and a hint", text, want)
	}
	if took > 2*time.Minute {
		t.Errorf("it took %v", took)
	}
	jobs, err := f.api().Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if !j.Status.Ended() && !slices.Contains(running, j.ID) {
			t.Errorf("job %s is %s", j.ID, j.Status)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(f.cluster.Shared, ".bbjtune*")); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

// TestRealRayFaults has a real cluster lack what a training needs, one thing after the
// other.
func TestRealRayFaults(t *testing.T) {
	f := newFaulty(t, "", raytest.Options{Disk: 1_300_000_000, Env: []string{"PYTHONPATH=$PRIVATE"}})
	t.Run("resources", func(t *testing.T) {
		f.refused(t, "4 workers of 1 CPU ask for 4 CPUs, and the cluster offers 2 CPUs", nil, "--workers", "4")
	})
	t.Run("token", func(t *testing.T) {
		t.Setenv("RAY_AUTH_TOKEN", strings.Repeat("0", 32))
		f.refused(t, "does not accept the token of RAY_AUTH_TOKEN", nil)
	})
	t.Run("port", func(t *testing.T) {
		f.refused(t, "cannot be reached", nil, "--compute-address", strings.TrimSuffix(f.cluster.Address, "8265")+"8266")
	})
	if !f.cluster.Namespaces {
		t.Skip("the nodes share this machine's files")
	}
	t.Run("host", func(t *testing.T) {
		f.refused(t, "http://"+f.cluster.Node(98)+":8265", nil, "--compute-address", "http://"+f.cluster.Node(98)+":8265")
	})
	t.Run("folder", func(t *testing.T) {
		f.refused(t, "node "+f.cluster.Node(1)+": "+f.cluster.Private+" (compute.storage) is another folder there", nil, "--compute-storage", f.cluster.Private)
	})
	t.Run("no folder", func(t *testing.T) {
		f.refused(t, "node "+f.cluster.Node(0)+": there is no folder /none (compute.storage)", nil, "--compute-storage", "/none")
	})
	t.Run("package", func(t *testing.T) {
		// What lies on the Python path is found before what is installed.
		dir := filepath.Join(filepath.Dir(f.cluster.Private), "private-1", "peft-0.1.0.dist-info")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "METADATA"), []byte("Metadata-Version: 2.1\nName: peft\nVersion: 0.1.0\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		f.refused(t, "node "+f.cluster.Node(1)+": peft is 0.1.0, and the training is made for ", nil)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("disk", func(t *testing.T) {
		job := f.fill(t, fmt.Sprintf("head -c 400000000 /dev/zero >%s/fill; sleep 1000", f.temporary(1)), func(n ray.Node) bool { return n.FreeDisk < 1<<30 })
		f.refused(t, "node "+f.cluster.Node(1)+": the disk of Ray's temporary files is full: ", []string{job})
		if err := f.api().Remove(t.Context(), job); err != nil {
			t.Error(err)
		}
	})
	t.Run("object store", func(t *testing.T) {
		script := strings.ReplaceAll(strings.ReplaceAll(fillStore, "FILL", f.temporary(1)+"/fill"), "\n", "\\n")
		job := f.fill(t, fmt.Sprintf(`printf '%s' >%s/fill.py; exec %s %[2]s/fill.py`, script, f.temporary(1), f.cluster.Python), func(n ray.Node) bool {
			return float64(n.StoreUsed) > 0.9*float64(n.ObjectStore)
		})
		f.refused(t, "node "+f.cluster.Node(1)+": the object store is full: ", []string{job})
	})
}

// fillStore fills the disk that Ray would move objects to, and then the store.
const fillStore = `import ray, time
ray.init()
try:
    with open("FILL", "ab", buffering=0) as disk:
        while True:
            disk.write(bytes(1 << 20))
except OSError:
    pass
held = []
try:
    while True:
        held.append(ray.put(bytes(1 << 20)))
finally:
    time.sleep(1000)
`

// temporary is the folder of a node's temporary files.
func (f *faulty) temporary(node int) string {
	return filepath.Join(filepath.Dir(f.cluster.Private), strconv.Itoa(node))
}

// fill runs a job on the second node until the dashboard shows what it did.
func (f *faulty) fill(t *testing.T, line string, full func(ray.Node) bool) string {
	t.Helper()
	nodes, err := f.api().Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := "fill-" + filepath.Base(t.Name())
	if _, err := f.api().Submit(t.Context(), ray.Submission{ID: id, Entrypoint: line, Labels: ray.OnNode(nodes[1].ID)}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
		if nodes, err = f.api().Nodes(t.Context()); err != nil {
			t.Fatal(err)
		}
		if full(nodes[1]) {
			return id
		}
	}
	logs, err := f.api().Logs(t.Context(), id)
	t.Fatalf("the node is %+v; the job says %s, %v", nodes[1], logs, err)
	return ""
}

// TestRealRayFaultsOfVersions asks clusters of another Ray and of an old Python.
func TestRealRayFaultsOfVersions(t *testing.T) {
	if os.Getenv(realRay) == "" {
		t.Skipf("starts real Ray clusters; set %s=1 to run it", realRay)
	}
	for name, c := range map[string]struct{ python, ray, want string }{
		"ray":    {"3.11", "2.55.0", "the cluster runs Ray 2.55.0, and this bbjtune is made for Ray " + ray.Tested},
		"python": {"3.10", ray.Tested, "the cluster runs Python 3.10, and the packages of the training need 3.11 or newer"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaulty(t, environment(t, c.python, c.ray), raytest.Options{Nodes: 1})
			f.refused(t, c.want, nil)
		})
	}
}

// environment makes one of a Python and a Ray, without what a training needs.
func environment(t *testing.T, python, version string) string {
	t.Helper()
	base, err := exec.LookPath("python" + python)
	if found, _ := filepath.Glob(filepath.Join(os.Getenv("HOME"), ".pyenv/versions", python+".*/bin/python")); len(found) > 0 {
		base, err = found[0], nil
	}
	if err != nil {
		t.Skipf("there is no Python %s on this machine", python)
	}
	raytest.Python(t) // with uv, unless that is on the PATH
	uv, err := exec.LookPath("uv")
	if cache, _ := os.UserCacheDir(); err != nil {
		found, _ := filepath.Glob(filepath.Join(cache, "bbjtune", "uv", "*", "bin", "uv"))
		if len(found) == 0 {
			t.Fatal("there is no uv")
		}
		uv = found[0]
	}
	dir := t.TempDir()
	for _, args := range [][]string{
		{"venv", "--no-project", "--no-config", "--python", base, dir},
		{"pip", "install", "--no-config", "--python", filepath.Join(dir, "bin", "python"), "ray[default]==" + version},
	} {
		cmd := exec.Command(uv, args...)
		if cmd.Env = os.Environ(); os.Getenv("SSL_CERT_FILE") == "" && os.Getenv("PIP_CERT") != "" {
			cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+os.Getenv("PIP_CERT"))
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("uv %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return filepath.Join(dir, "bin", "python")
}
