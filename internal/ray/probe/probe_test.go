package probe_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
	"bbjtune/internal/ray/probe"
	"bbjtune/internal/ray/raytest"
	"bbjtune/worker"
)

var pins = map[string]string{"ray": "2.60.0", "torch": "2.15.0", "trl": "1.16.0"}

// said is what a healthy node answers.
func said() map[string]any {
	return map[string]any{
		"clock": float64(time.Now().UnixMilli()) / 1e3, "python": "3.11.7", "packages": map[string]string{"ray": "2.60.0", "torch": "2.15.0+cu130", "trl": "1.16.0"},
		"cuda": "13.0", "gpus": []string{}, "temporary_free": 5e9,
		"storage": map[string]any{"there": true, "free": 5e9, "fault": ""},
	}
}

// missing are endings of the files that a node does not see; it is no part of what it says.
const missing = "missing"

// unseen has a node not see some of the files of the storage.
func unseen(a map[string]any, suffixes ...string) { a[missing] = suffixes }

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		need   probe.Need
		change func(f *raytest.Fake)
		answer func(i int, a map[string]any)
		want   string // "" is fine
		asked  bool   // a job was started for it
	}{
		"fine":       {need: probe.Need{Workers: 4, CPUs: 1}, asked: true},
		"old ray":    {change: func(f *raytest.Fake) { f.Version = "2.9.3" }, want: "the cluster runs Ray 2.9.3, and this bbjtune is made for Ray 2.60.0"},
		"new ray":    {change: func(f *raytest.Fake) { f.Version = "3.0.0" }, want: "the cluster runs Ray 3.0.0, and this bbjtune is made for Ray 2.60.0"},
		"a patch":    {change: func(f *raytest.Fake) { f.Version = "2.60.1" }, asked: true},
		"old python": {change: func(f *raytest.Fake) { f.Python = "3.9" }, want: "the cluster runs Python 3.9, and the packages of the training need 3.11 or newer"},
		"CPUs":       {need: probe.Need{Workers: 3, CPUs: 2}, want: "3 workers of 2 CPUs ask for 6 CPUs, and the cluster offers 4 CPUs"},
		"GPUs":       {need: probe.Need{Workers: 1, CPUs: 1, GPUs: 1}, want: "1 worker of 1 GPU asks for 1 GPU, and the cluster offers 0 GPUs"},
		"memory":     {need: probe.Need{Workers: 1, CPUs: 1, Memory: 64e9}, want: "1 worker of 64.0 GB of memory asks for 64.0 GB of memory, and the cluster offers 16.0 GB of memory"},
		"places":     {need: probe.Need{Workers: 1, CPUs: 3}, want: "1 worker asks for places, and the nodes have room for 0 (10.0.0.1 0, 10.0.0.2 0)"},
		"busy":       {need: probe.Need{Workers: 4, CPUs: 1}, change: func(f *raytest.Fake) { f.Nodes[1].FreeCPUs = 0 }, asked: true},
		"full store": {change: func(f *raytest.Fake) { f.Nodes[1].StoreUsed = 990e6 }, want: "node 10.0.0.2: the object store is full: 990 MB of 1.0 GB are taken"},
		"full disk":  {change: func(f *raytest.Fake) { f.Nodes[1].FreeDisk = 2e6 }, want: "node 10.0.0.2: the disk of Ray's temporary files is full: 2 MB of 100.0 GB are free"},
		"missing": {answer: func(i int, a map[string]any) { a["packages"] = map[string]string{"ray": "2.60.0", "torch": "2.15.0"} },
			want: "node 10.0.0.1: trl is missing", asked: true},
		"other torch": {answer: func(i int, a map[string]any) {
			if i == 1 {
				a["packages"].(map[string]string)["torch"] = "2.10.0"
			}
		}, want: "node 10.0.0.2: torch is 2.10.0, and the training is made for 2.15.0", asked: true},
		"no storage on the head": {need: probe.Need{Storage: "/none"}, answer: func(i int, a map[string]any) {
			if i == 0 {
				a["storage"] = map[string]any{"there": false, "fault": "No such file or directory", "free": -1}
				return
			}
			unseen(a, "-0")
		},
			want: "node 10.0.0.1: there is no folder /none (compute.storage)", asked: true},
		"no CUDA": {need: probe.Need{Workers: 1, GPUs: 1}, change: func(f *raytest.Fake) { f.Nodes[0].GPUs = 1 }, answer: func(i int, a map[string]any) { a["cuda"] = "" },
			want: "node 10.0.0.1: Ray counts GPUs there, and torch is not built for CUDA", asked: true},
		"no storage": {need: probe.Need{Storage: "/none"}, answer: func(i int, a map[string]any) {
			if i == 1 {
				a["storage"] = map[string]any{"there": false, "fault": "No such file or directory", "free": -1}
			}
		},
			want: "node 10.0.0.2: there is no folder /none (compute.storage)", asked: true},
		"other storage": {need: probe.Need{Storage: "/none"}, answer: func(i int, a map[string]any) { unseen(a, "-0") },
			want: "node 10.0.0.2: /none (compute.storage) is another folder there: what the head wrote is not in it", asked: true},
		"read-only storage": {need: probe.Need{Storage: "/none"}, answer: func(i int, a map[string]any) { a["storage"].(map[string]any)["fault"] = "Read-only file system" },
			want: "node 10.0.0.1: /none (compute.storage) cannot be written: Read-only file system", asked: true},
		"full storage": {need: probe.Need{Storage: "/none"}, answer: func(i int, a map[string]any) { a["storage"].(map[string]any)["free"] = 1e6 },
			want: "node 10.0.0.1: /none (compute.storage) is full: 1 MB are free", asked: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := raytest.NewFake("token")
			f.Run = func(j raytest.FakeJob) (string, int) { return answer(t, j, c.answer), 0 }
			if c.change != nil {
				c.change(f)
			}
			client := serve(t, f)
			c.need.Packages = pins
			_, err := probe.Check(t.Context(), client, c.need, nil, probe.DefaultLimits)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want || err != nil && (fault.Hint(err) == "" || !ray.Is(err, ray.Lacking)) {
				t.Errorf("got %q (hint %q), want %q", got, fault.Hint(err), c.want)
			}
			asked := strings.Contains(strings.Join(f.Calls(), " "), "POST /api/jobs/ ")
			if left := f.Left(); len(left) > 0 || asked != c.asked {
				t.Errorf("jobs left: %v; a job was started: %v", left, asked)
			}
		})
	}
}

// answer is the log of a node's job, with lines of others among it.
func answer(t *testing.T, j raytest.FakeJob, change func(int, map[string]any)) string {
	a := said()
	if change != nil {
		change(j.Node, a)
	}
	_, text, _ := strings.Cut(j.Entrypoint, " 'ray_probe.py' '")
	var told struct{ Others []string }
	if err := json.Unmarshal([]byte(strings.TrimSuffix(text, "'")), &told); err != nil {
		t.Errorf("the node was told %q: %v", text, err)
	}
	hidden, _ := a[missing].([]string)
	delete(a, missing)
	unseen := []string{}
	for _, name := range told.Others {
		if slices.ContainsFunc(hidden, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			unseen = append(unseen, name)
		}
	}
	return "\x1b[31mWARNING\x1b[0m something else\nbbjtune-probe\n" + line(t, a) + line(t, map[string]any{"looks": 1, "missing": told.Others}) + line(t, map[string]any{"looks": 2, "missing": unseen})
}

func line(t *testing.T, v map[string]any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	return "bbjtune-probe " + string(text) + "\n"
}

func serve(t *testing.T, f *raytest.Fake) *ray.Client {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	client, err := ray.Connect(t.Context(), s.URL, ray.NewToken(f.Token, "the test"))
	if err != nil {
		t.Fatal(err)
	}
	client.Settle = 0 // the stand-in does not look again
	return client
}

// A job that fails, or says nothing, is one sentence about its node, and is gone
// afterwards.
func TestProbeThatFails(t *testing.T) {
	limits := probe.Limits{Start: time.Minute, Answer: 300 * time.Millisecond}
	for name, c := range map[string]struct {
		logs  string
		exit  int
		takes time.Duration
		want  string
	}{
		"no python": {"/bin/sh: 1: python: not found\n", 127, 0, "/bin/sh: 1: python: not found"},
		"fails":     {"Traceback\nOSError: \x1b]0;title\x07 out of luck\n", 1, 0, "OSError: \x1b]0;title\x07 out of luck"},
		"torn":      {"bbjtune-probe {\"python\": ", 0, 0, "its answer cannot be read: unexpected end of JSON input"},
		"silent":    {"", 0, 0, "it ended without an answer"},
		"slow":      {"bbjtune-probe {\"python\": ", 0, time.Hour, "no answer within 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			f := raytest.NewFake("")
			f.Takes = c.takes
			f.Run = func(j raytest.FakeJob) (string, int) {
				if j.Node == 0 {
					return answer(t, j, nil), 0
				}
				return c.logs, c.exit
			}
			client := serve(t, f)
			_, err := probe.Check(t.Context(), client, probe.Need{Packages: pins}, nil, limits)
			if want := "node 10.0.0.2: the probe did not run there: " + c.want; err == nil || err.Error() != want || fault.Hint(err) == "" {
				t.Errorf("got %v, want %s", err, want)
			}
			if left := f.Left(); len(left) > 0 {
				t.Errorf("jobs left: %v", left)
			}
		})
	}
}

// A node that leaves while it is asked is no node of the cluster any more: what counts is
// whether the others do.
func TestProbeOfANodeThatLeaves(t *testing.T) {
	for workers, want := range map[int]string{
		2: "",
		3: "3 workers of 1 CPU ask for 3 CPUs, and the cluster offers 2 CPUs",
	} {
		f := raytest.NewFake("")
		f.Run = func(j raytest.FakeJob) (string, int) {
			if j.Node == 0 {
				return answer(t, j, nil), 0
			}
			f.Nodes = f.Nodes[:1] // the fake's lock is held
			return "the node doesn't exist any more\n", 1
		}
		_, err := probe.Check(t.Context(), serve(t, f), probe.Need{Workers: workers, CPUs: 1, Packages: pins}, nil, probe.DefaultLimits)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%d workers: got %q, want %q", workers, got, want)
		}
		if left := f.Left(); len(left) > 0 {
			t.Errorf("jobs left: %v", left)
		}
	}
}

// A node is found not to share the folder while its job goes on, and the jobs end then.
func TestProbeEnds(t *testing.T) {
	f := raytest.NewFake("")
	f.Takes = time.Hour
	var looks atomic.Int32
	f.Run = func(j raytest.FakeJob) (string, int) {
		return answer(t, j, func(_ int, a map[string]any) { unseen(a, "-0") }), 0
	}
	f.Logs = func(j raytest.FakeJob, said string) string {
		if j.Node == 0 {
			return said
		}
		told := regexp.MustCompile(`\.bbjtune-probe-\w+-0`).FindAllString(j.Entrypoint, 1)
		return said + line(t, map[string]any{"looks": 2 + looks.Add(1), "missing": told})
	}
	_, err := probe.Check(t.Context(), serve(t, f), probe.Need{Storage: "/none", Packages: pins}, nil, probe.DefaultLimits)
	if want := "node 10.0.0.2: /none (compute.storage) is another folder there: what the head wrote is not in it"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if n := looks.Load(); n < 5 {
		t.Errorf("decided after %d looks", n)
	}
	if left := f.Left(); len(left) > 0 {
		t.Errorf("jobs left: %v", left)
	}
}

// A node that hangs in the storage, and cannot be ended by its clock, is not waited for.
func TestProbeOfANodeThatHangs(t *testing.T) {
	f := raytest.NewFake("")
	f.Takes = time.Hour
	f.Run = func(j raytest.FakeJob) (string, int) {
		text := answer(t, j, nil)
		if j.Node == 1 {
			text, _, _ = strings.Cut(text, `bbjtune-probe {"looks"`)
		}
		return text, 0
	}
	limits := probe.Limits{Start: 200 * time.Millisecond, Answer: 300 * time.Millisecond}
	_, err := probe.Check(t.Context(), serve(t, f), probe.Need{Storage: "/none", Packages: pins}, nil, limits)
	if want := "node 10.0.0.2: the probe did not run there: it did not come to look into /none within 500ms"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Where the head cannot write, the others look for what this machine wrote all the same.
func TestProbeLooksForTheClientWithoutTheHead(t *testing.T) {
	f := raytest.NewFake("")
	f.Takes = time.Hour
	f.Run = func(j raytest.FakeJob) (string, int) {
		return answer(t, j, func(i int, a map[string]any) {
			if i == 0 {
				a["storage"].(map[string]any)["fault"] = "Read-only file system"
			}
		}), 0
	}
	var asked atomic.Int32
	f.Logs = func(j raytest.FakeJob, said string) string {
		if j.Node == 1 && asked.Add(1) == 1 {
			said, _, _ = strings.Cut(said, `bbjtune-probe {"looks"`)
		}
		return said
	}
	r, err := probe.Check(t.Context(), serve(t, f), probe.Need{Storage: t.TempDir(), Packages: pins}, nil, probe.DefaultLimits)
	if err == nil || !r.Nodes[1].Answer.Storage.OfClient {
		t.Errorf("%v: the second node has not looked", err)
	}
}

func TestWarnings(t *testing.T) {
	f := raytest.NewFake("")
	f.Nodes[0].FreeCPUs = 0
	f.Nodes[1].FreeDisk = 4e9
	f.Run = func(j raytest.FakeJob) (string, int) {
		return answer(t, j, func(i int, a map[string]any) {
			a["clock"] = a["clock"].(float64) + 20*float64(i)
			a["packages"].(map[string]string)["trl"] = "1.16.1"
			unseen(a, "-client")
		}), 0
	}
	need := probe.Need{Workers: 3, CPUs: 1, Storage: t.TempDir(), Packages: pins}
	r, err := probe.Check(t.Context(), serve(t, f), need, nil, probe.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Findings(need) {
		if f.Severity != probe.Warning || f.Hint == "" {
			t.Errorf("finding %+v", f)
		}
		got = append(got, strings.ReplaceAll(strings.TrimSpace(f.Node+" "+f.Message), need.Storage, "FOLDER"))
	}
	want := []string{
		"3 workers need a place, and 2 are free now",
		"10.0.0.1 trl is 1.16.1, and the training is tested with 1.16.0",
		"10.0.0.2 the disk of Ray's temporary files is fuller than 95 %: 4.0 GB of 100.0 GB are free",
		"10.0.0.2 trl is 1.16.1, and the training is tested with 1.16.0",
		"10.0.0.2 its clock is 20 seconds off the head's",
		"10.0.0.1 FOLDER is another folder on this machine: what was written here is not in it",
		"10.0.0.2 FOLDER is another folder on this machine: what was written here is not in it",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if left, _ := filepath.Glob(filepath.Join(need.Storage, ".*")); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

// TestProbeReal asks a real cluster of two nodes, with a folder that they share and
// one that they do not.
func TestProbeReal(t *testing.T) {
	c := raytest.Start(t, raytest.Options{})
	client, err := ray.Connect(t.Context(), c.Address, ray.NewToken(c.Token, "the test"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := worker.Files.ReadFile("ray_probe.py")
	if err != nil {
		t.Fatal(err)
	}
	need := probe.Need{Workers: 2, CPUs: 1, Storage: c.Shared, Packages: pins}
	limits := probe.Limits{Start: 3 * time.Minute, Answer: 3 * time.Minute}
	began := time.Now()
	r, err := probe.Check(t.Context(), client, need, script, limits)
	t.Logf("probed in %v", time.Since(began))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range r.Nodes {
		s := n.Answer.Storage
		if n.Answer.Packages["trl"] != "1.16.0" || n.Answer.Python == "" || !s.OfNode || !s.OfClient || s.Free <= 0 || n.Answer.Ahead > 2 || n.Answer.Ahead < -2 {
			t.Errorf("node %s: %+v, storage %+v", n.IP, n.Answer, s)
		}
	}
	if left, err := os.ReadDir(c.Shared); err != nil || len(left) > 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
	if c.Namespaces {
		need.Storage = c.Private
		_, err = probe.Check(t.Context(), client, need, script, limits)
		if want := fmt.Sprintf("node %s: %s (compute.storage) is another folder there", c.Node(1), c.Private); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if jobs, err := client.Jobs(t.Context()); err != nil || len(jobs) > 0 {
		t.Errorf("jobs left: %v, %v", jobs, err)
	}
}
