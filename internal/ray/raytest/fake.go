package raytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fake answers as the dashboard of Ray 2.60 does, without a cluster. Its fields are
// set before it is asked.
type Fake struct {
	// Token is what a request must bring; empty takes every request.
	Token string
	// Version is Ray's, and Python that of its web server.
	Version, Python string
	// Nodes are those of the cluster, the head first.
	Nodes []FakeNode
	// Run says what a job writes and how it ends; nil writes its entrypoint. It is
	// called once for each, with the files' package by its address.
	Run func(job FakeJob) (logs string, exit int)
	// Files are what a job has written by now below the log folder of its node, by name;
	// nil is nothing.
	Files func(job FakeJob) map[string]string
	// Logs, where set, says what a job has written by now, of what Run said.
	Logs func(job FakeJob, said string) string
	// Takes is how long each job runs.
	Takes time.Duration
	// Spoil answers a path otherwise, before the token is looked at.
	Spoil map[string]http.HandlerFunc

	mu       sync.Mutex
	calls    []string
	jobs     []*FakeJob
	packages map[string][]byte
}

// FakeNode is a node that a fake tells of.
type FakeNode struct {
	IP, Host             string
	CPUs, GPUs           float64
	GPUNames             []string
	FreeCPUs             float64
	Memory               int64
	StoreUsed, StoreSize int64
	FreeDisk, Disk       int64
}

// FakeJob is a job that was submitted.
type FakeJob struct {
	ID, Entrypoint string
	Metadata       map[string]string
	WorkingDir     string
	Vars           map[string]string
	// Node is the number of the one that it runs on.
	Node int
	// Package is the zip of the working directory.
	Package []byte
	// Stopped and Deleted say what was done to it.
	Stopped, Deleted bool

	logs string
	exit int
	from time.Time
}

// NewFake returns a cluster of two nodes of two CPUs.
func NewFake(token string) *Fake {
	node := FakeNode{IP: "10.0.0.1", Host: "head", CPUs: 2, FreeCPUs: 2, Memory: 8e9, StoreSize: 1e9, Disk: 100e9, FreeDisk: 60e9}
	second := node
	second.IP, second.Host = "10.0.0.2", "second"
	return &Fake{Token: token, Version: "2.60.0", Python: "3.11", Nodes: []FakeNode{node, second}, packages: map[string][]byte{}}
}

// Change changes the cluster while others may be asking it.
func (f *Fake) Change(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// Calls are the methods and paths that were asked for, in order.
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// Left are the jobs that the fake still knows.
func (f *Fake) Left() (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		if !j.Deleted {
			ids = append(ids, j.ID)
		}
	}
	return ids
}

// ServeHTTP implements [http.Handler].
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+r.URL.Path)
	w.Header().Set("Server", "Python/"+f.Python+" aiohttp/3.14.5")
	if spoil := f.Spoil[r.URL.Path]; spoil != nil {
		f.mu.Unlock() // it may take its time
		defer f.mu.Lock()
		spoil(w, r)
		return
	}
	if !f.admitted(w, r) {
		return
	}
	switch path := r.URL.Path; {
	case path == "/api/version":
		answer(w, map[string]any{"version": "4", "ray_version": f.Version, "session_name": "session_1"})
	case path == "/nodes":
		f.nodes(w)
	case path == "/api/cluster_status":
		f.status(w)
	case strings.HasPrefix(path, "/api/packages/gcs/"):
		f.pack(w, r)
	case path == "/api/jobs/" && r.Method == http.MethodPost:
		f.submit(w, r)
	case path == "/api/jobs/":
		f.list(w)
	case strings.HasPrefix(path, "/api/jobs/"):
		f.job(w, r, strings.TrimPrefix(path, "/api/jobs/"))
	case path == "/api/v0/logs/file":
		f.file(w, r.URL.Query())
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (f *Fake) admitted(w http.ResponseWriter, r *http.Request) bool {
	given := r.Header.Get("Authorization")
	switch {
	case f.Token == "" || given == "Bearer "+f.Token:
		return true
	case given == "":
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, "Unauthorized: Missing authentication token")
	default:
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "Forbidden: Invalid authentication token")
	}
	return false
}

func nodeID(i int) string { return fmt.Sprintf("%056x", i+1) }

func (f *Fake) nodes(w http.ResponseWriter) {
	var list []any
	for i, n := range f.Nodes {
		gpus := []any{}
		for _, name := range n.GPUNames {
			gpus = append(gpus, map[string]any{"name": name})
		}
		list = append(list, map[string]any{
			"hostname": n.Host, "ip": n.IP, "now": 1.7e9, "gpus": gpus, "agent": map[string]any{"pid": 10 + i},
			"cmdline": []string{"/opt/venv/lib/python" + f.Python + "/site-packages/ray/core/src/ray/raylet/raylet", "--python_worker_command=/opt/venv/bin/python setup_worker.py"},
			"disk":    map[string]any{"/": map[string]any{"total": n.Disk, "free": n.FreeDisk}},
			"raylet": map[string]any{
				"nodeId": nodeID(i), "nodeManagerAddress": n.IP, "state": "ALIVE", "isHeadNode": i == 0, "tempDir": "/tmp/ray",
				"resourcesTotal":        map[string]any{"CPU": n.CPUs, "GPU": n.GPUs, "memory": n.Memory, "objectStoreMemory": n.StoreSize},
				"objectStoreUsedMemory": n.StoreUsed, "objectStoreAvailableMemory": n.StoreSize - n.StoreUsed,
			},
		})
	}
	answer(w, map[string]any{"result": true, "data": map[string]any{"summary": list}})
}

func (f *Fake) status(w http.ResponseWriter) {
	usage := map[string]any{}
	for i, n := range f.Nodes {
		usage[nodeID(i)] = map[string]any{"CPU": []float64{n.CPUs - n.FreeCPUs, n.CPUs}, "objectStoreMemory": []float64{float64(n.StoreUsed), float64(n.StoreSize)}}
	}
	answer(w, map[string]any{"result": true, "data": map[string]any{"clusterStatus": map[string]any{"loadMetricsReport": map[string]any{"usageByNode": usage}}}})
}

func (f *Fake) pack(w http.ResponseWriter, r *http.Request) {
	uri := "gcs://" + strings.TrimPrefix(r.URL.Path, "/api/packages/gcs/")
	if r.Method == http.MethodPut {
		f.packages[uri], _ = io.ReadAll(r.Body) // a short one is found by who opens it
		return
	}
	if _, ok := f.packages[uri]; !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "Package %s does not exist", uri)
	}
}

func (f *Fake) submit(w http.ResponseWriter, r *http.Request) {
	var s struct {
		ID         string `json:"submission_id"`
		Entrypoint string
		Metadata   map[string]string
		Labels     map[string]string `json:"entrypoint_label_selector"`
		Env        struct {
			WorkingDir string            `json:"working_dir"`
			Vars       map[string]string `json:"env_vars"`
		} `json:"runtime_env"`
	}
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil || s.Entrypoint == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if f.find(s.ID) != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "Traceback (most recent call last):\nValueError: Job with submission_id %s already exists. Please use a different submission_id.", s.ID)
		return
	}
	j := &FakeJob{ID: s.ID, Entrypoint: s.Entrypoint, Metadata: s.Metadata, WorkingDir: s.Env.WorkingDir, Vars: s.Env.Vars, Package: f.packages[s.Env.WorkingDir], from: time.Now(), Node: f.labelled(s.Labels["ray.io/node-id"])}
	j.logs = "Running entrypoint for job " + s.ID + ": " + s.Entrypoint + "\n"
	if f.Run != nil {
		said, exit := f.Run(*j)
		j.logs, j.exit = j.logs+said, exit
	}
	f.jobs = append(f.jobs, j)
	answer(w, map[string]any{"job_id": s.ID, "submission_id": s.ID})
}

// labelled is the number of the node of an ID; the head's where there is none.
func (f *Fake) labelled(id string) int {
	for i := range f.Nodes {
		if nodeID(i) == id {
			return i
		}
	}
	return 0
}

func (f *Fake) find(id string) *FakeJob {
	for _, j := range f.jobs {
		if j.ID == id && !j.Deleted {
			return j
		}
	}
	return nil
}

func (f *Fake) details(j *FakeJob) map[string]any {
	d := map[string]any{"type": "SUBMISSION", "submission_id": j.ID, "status": "RUNNING", "message": "Job is currently running.", "metadata": j.Metadata,
		"driver_node_id": nodeID(j.Node), "start_time": j.from.UnixMilli(), "driver_exit_code": nil, "error_type": nil, "end_time": nil}
	if time.Since(j.from) < f.Takes && !j.Stopped {
		return d
	}
	d["end_time"], d["driver_exit_code"] = time.Now().UnixMilli(), j.exit
	switch {
	case j.Stopped:
		d["status"], d["message"] = "STOPPED", "Job was intentionally stopped."
	case j.exit == 0:
		d["status"], d["message"] = "SUCCEEDED", "Job finished successfully."
	default:
		d["status"], d["error_type"] = "FAILED", "JOB_ENTRYPOINT_COMMAND_ERROR"
		d["message"] = fmt.Sprintf("Job entrypoint command failed with exit code %d, last available logs (truncated to 20,000 chars):\n%s", j.exit, j.logs)
	}
	return d
}

func (f *Fake) list(w http.ResponseWriter) {
	list := []any{}
	for _, j := range f.jobs {
		if !j.Deleted {
			list = append(list, f.details(j))
		}
	}
	answer(w, append(list, map[string]any{"type": "DRIVER", "job_id": "01000000", "submission_id": nil, "status": "RUNNING"}))
}

// job answers what is asked of one job.
func (f *Fake) job(w http.ResponseWriter, r *http.Request, path string) {
	id, what, _ := strings.Cut(path, "/")
	id, err := url.PathUnescape(id)
	j := f.find(id)
	if j == nil || err != nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "Job %s does not exist", id)
		return
	}
	ended := f.details(j)["status"] != "RUNNING"
	switch {
	case what == "logs" && f.Logs != nil:
		answer(w, map[string]any{"logs": f.Logs(*j, j.logs)})
	case what == "logs":
		answer(w, map[string]any{"logs": j.logs})
	case what == "stop":
		j.Stopped = j.Stopped || !ended
		answer(w, map[string]any{"stopped": !ended})
	case r.Method == http.MethodDelete && !ended:
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, "RuntimeError: Attempted to delete job, but it is in a non-terminal state.")
	case r.Method == http.MethodDelete:
		j.Deleted = true
		answer(w, map[string]any{"deleted": true})
	default:
		answer(w, f.details(j))
	}
}

// file answers with the last lines of a file.
func (f *Fake) file(w http.ResponseWriter, q url.Values) {
	for _, j := range f.jobs {
		if f.Files == nil || q.Get("node_id") != nodeID(0) {
			break
		}
		text, ok := f.Files(*j)[q.Get("filename")]
		if !ok {
			continue
		}
		lines := slices.Collect(strings.Lines(text))
		if n, err := strconv.Atoi(q.Get("lines")); err == nil && n >= 0 {
			lines = lines[max(0, len(lines)-n):]
		}
		io.WriteString(w, strings.Join(lines, ""))
		return
	}
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, "Traceback (most recent call last):\nFileNotFoundError: %s not found", q.Get("filename"))
}
