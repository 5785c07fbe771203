//go:build linux

package cli_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"bbjtune/internal/ray"
	"bbjtune/internal/ray/raytest"
)

// rayCorpusRun is contrib/ray_corpus.py on a cluster.
type rayCorpusRun struct {
	t              *testing.T
	python         string
	address, token string
	dir            string // with erp, the source, and bbjtune, the program
}

// newRayCorpus makes a source tree in which each file is there twice: which of two
// stays is decided between parts.
func newRayCorpus(t *testing.T, python, address, token, dir string) rayCorpusRun {
	t.Helper()
	program, err := exec.LookPath("bbjtune")
	if err == nil {
		err = os.Symlink(program, filepath.Join(dir, "bbjtune"))
	}
	for _, copied := range []string{"erp/new", "erp/old"} {
		if err == nil {
			err = os.CopyFS(filepath.Join(dir, copied), os.DirFS("../../bbj/testdata/valid"))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return rayCorpusRun{t, python, address, token, dir}
}

func (r rayCorpusRun) command(program string, flags ...string) *exec.Cmd {
	c := exec.CommandContext(r.t.Context(), r.python, append([]string{"../../contrib/ray_corpus.py", "--address", r.address, "--shards", "4",
		"--program", program, "--runs", filepath.Join(r.dir, "parts"), filepath.Join(r.dir, "erp")}, flags...)...)
	c.Env = append(os.Environ(), "RAY_AUTH_TOKEN="+r.token)
	return c
}

// whole makes the corpus in parts and in one piece, and holds one against the other.
// It returns what the script told.
func (r rayCorpusRun) whole() string {
	r.t.Helper()
	var told bytes.Buffer
	parts := r.command(filepath.Join(r.dir, "bbjtune"), "--", "--max-characters", "2000")
	parts.Stderr = &told
	said, err := parts.Output()
	var merged struct{ Folder string }
	if err != nil || json.Unmarshal(said, &merged) != nil || merged.Folder == "" {
		r.t.Fatalf("%v\n%s\n%s", err, said, told.String())
	}
	one := exec.CommandContext(r.t.Context(), filepath.Join(r.dir, "bbjtune"), "--runs", filepath.Join(r.dir, "one"), "corpus", "build", filepath.Join(r.dir, "erp"), "--max-characters", "2000")
	if out, err := one.CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	got, want := r.files(merged.Folder), r.files(filepath.Join(r.dir, "one/corpus", filepath.Base(merged.Folder)))
	for name, text := range want {
		if got[name] != text {
			r.t.Errorf("%s is another one than in one piece", name)
		}
	}
	if len(got) != len(want) || !strings.Contains(want["removed.jsonl"], `"duplicates"`) {
		r.t.Errorf("%d files, want %d; duplicates must be among them", len(got), len(want))
	}
	return told.String()
}

// files are those of a folder, without the time of its making.
func (r rayCorpusRun) files(dir string) map[string]string {
	r.t.Helper()
	files := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join(dir, "*")) // the pattern is well formed
	for _, path := range paths {
		files[filepath.Base(path)] = regexp.MustCompile(`"created": "[^"]*"`).ReplaceAllString(read(r.t, path), "")
	}
	return files
}

// unasked is a program that no job comes to run.
const unasked = "/bin/false"

// fails runs the script to a failure, and holds the two lines at its end.
func (r rayCorpusRun) fails(program, sentence, hint string) {
	r.t.Helper()
	start := time.Now()
	c := r.command(program)
	out, _ := c.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	last := strings.Join(lines[max(0, len(lines)-2):], "\n")
	if c.ProcessState.ExitCode() != 2 || !strings.Contains(last, "error: ") || !strings.Contains(last, sentence) || !strings.Contains(last, "\nhint: "+hint) {
		r.t.Errorf("status %d, want 2 with %q and the hint %q:\n%s", c.ProcessState.ExitCode(), sentence, hint, out)
	}
	if took := time.Since(start); took > 10*time.Second && program == unasked {
		r.t.Errorf("the refusal took %v", took)
	}
}

// interrupted runs a program that does not end, presses Ctrl-C, and sees that no job
// is left running.
func (r rayCorpusRun) interrupted(program string) {
	r.t.Helper()
	var told bytes.Buffer
	c := r.command(program)
	c.Stdout, c.Stderr = &told, &told
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.until("four jobs, one of them at work", func(count map[ray.Status]int) bool {
		return count[ray.Running] > 0 && count[ray.Running]+count[ray.Pending] == 4
	})
	c.Process.Signal(syscall.SIGINT)
	c.Wait()
	if c.ProcessState.ExitCode() != 2 || !strings.Contains(told.String(), "error: interrupted\nhint: the same command goes on") {
		r.t.Errorf("status %d:\n%s", c.ProcessState.ExitCode(), told.String())
	}
	r.ended()
}

// lost kills a node whose part is at work: another job makes it.
func (r rayCorpusRun) lost(cluster *raytest.Cluster) {
	r.t.Helper()
	var told bytes.Buffer
	c := r.command(r.script("slow", "sleep 10; exec "+filepath.Join(r.dir, "bbjtune")+` "$@"`))
	c.Stderr = &told
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.until("two parts at work", func(count map[ray.Status]int) bool { return count[ray.Running] == 2 })
	cluster.KillNode(1)
	cluster.StartNode(1)
	if err := c.Wait(); err != nil || !strings.Contains(told.String(), " is submitted again: ") {
		r.t.Errorf("%v\n%s", err, told.String())
	}
	r.t.Log(told.String())
}

// ended waits until no job runs or waits.
func (r rayCorpusRun) ended() {
	r.t.Helper()
	r.until("the end of all jobs", func(count map[ray.Status]int) bool { return count[ray.Running]+count[ray.Pending] == 0 })
}

func (r rayCorpusRun) until(what string, reached func(map[ray.Status]int) bool) {
	r.t.Helper()
	api, err := ray.Connect(r.t.Context(), r.address, ray.NewToken(r.token, "the test"))
	if err != nil {
		r.t.Fatal(err)
	}
	var count map[ray.Status]int
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		jobs, err := api.Jobs(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		count = map[ray.Status]int{}
		for _, j := range jobs {
			count[j.Status]++
		}
		if reached(count) {
			return
		}
	}
	r.t.Fatalf("%s did not come: %v", what, count)
}

// script writes a program that the nodes see.
func (r rayCorpusRun) script(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// endless is what never ends by itself.
const endless = "exec sleep 600"

// The script against a stand-in for a cluster that carries its jobs out at once.
func TestContribRayCorpus(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	fake := raytest.NewFake("opensesame")
	fake.Spoil = map[string]http.HandlerFunc{}
	fake.Run = func(j raytest.FakeJob) (string, int) {
		c := exec.Command("sh", "-c", j.Entrypoint)
		out, _ := c.CombinedOutput()
		return string(out), c.ProcessState.ExitCode()
	}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	r := newRayCorpus(t, python, server.URL, "opensesame", t.TempDir())
	r.whole()

	r.fails(filepath.Join(r.dir, "none"), "not found", "program, source and --runs must lie")
	r.ended()
	broken := r.script("broken", "echo >&2 'error: \033[31mthe disk is full'; echo >&2 'hint: make room'; exit 2")
	r.fails(broken, "failed: [31mthe disk is full", "make room")

	fake.Change(func() { fake.Nodes[0].CPUs, fake.Nodes[1].CPUs = 0.5, 0 })
	r.fails(unasked, "no node has 1 CPUs, the largest has 0.5", "ask for fewer")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { t.Error("the script followed a redirection") }))
	t.Cleanup(elsewhere.Close)
	spoil := func(h http.HandlerFunc) { fake.Change(func() { fake.Spoil["/nodes"] = h }) }
	spoil(func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, elsewhere.URL, http.StatusFound) })
	r.fails(unasked, "with status 302", "name the dashboard")
	for _, page := range []string{"<html>", "{}", "[1]"} {
		spoil(func(w http.ResponseWriter, q *http.Request) { w.Write([]byte(page)) })
		r.fails(unasked, "is not Ray", "name the dashboard")
	}
	spoil(nil)
	r.token = "guessed"
	r.fails(unasked, "does not accept the token", "set RAY_AUTH_TOKEN")
	server.Close()
	r.fails(unasked, "cannot be reached", "name the dashboard")

	fake = raytest.NewFake("opensesame")
	fake.Takes = time.Hour
	server = httptest.NewServer(fake)
	t.Cleanup(server.Close)
	r.address, r.token = server.URL, "opensesame"
	r.interrupted(r.script("endless", endless))
}

// Parts that are made on the two nodes of a real cluster are one corpus, byte for byte.
// Ctrl-C and a failure leave nothing running.
func TestRealRayCorpus(t *testing.T) {
	if os.Getenv(realRay) == "" {
		t.Skipf("runs jobs on a real Ray cluster; set %s=1 to run it", realRay)
	}
	cluster := raytest.Start(t, raytest.Options{CPUs: 1})
	r := newRayCorpus(t, cluster.Python, cluster.Address, cluster.Token, cluster.Shared)
	start := time.Now()
	told := r.whole()
	t.Logf("four parts and the merge, and all in one piece, took %.0f s\n%s", time.Since(start).Seconds(), told)
	if places := regexp.MustCompile(`part \d/4 on (\S+),`).FindAllStringSubmatch(told, -1); cluster.Namespaces {
		used := map[string]bool{}
		for _, place := range places {
			used[place[1]] = true
		}
		if len(places) != 4 || !used[cluster.Node(0)] || !used[cluster.Node(1)] {
			t.Errorf("four parts were to be made on both nodes:\n%s", told)
		}
	}
	r.fails(filepath.Join(r.dir, "none"), "not found", "program, source and --runs must lie")
	r.ended()
	r.interrupted(r.script("endless", endless))
	for node := range 2 {
		for _, p := range cluster.Processes(node) {
			if strings.Contains(p.Command, "sleep 600") {
				t.Errorf("%v runs on node %d after Ctrl-C", p, node)
			}
		}
	}
	r.lost(cluster)
	r.token = "0123456789abcdef0123456789abcdef"
	r.fails(unasked, "does not accept the token", "set RAY_AUTH_TOKEN")
}
