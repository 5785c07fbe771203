// Package probe says what a Ray cluster offers to a training and what it lacks: at
// once by what the dashboard tells, and then by a task on every node, which sees the
// packages, the GPUs, the disks and the shared folder as a training would.
//
// It must not know what is trained, nor how the findings are shown. Names and
// messages of a cluster are foreign text.
package probe

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
)

// Need is what a training asks of a cluster.
type Need struct {
	// Workers share the training; each gets CPUs, GPUs and Memory in bytes.
	Workers int
	CPUs    float64
	GPUs    float64
	Memory  int64
	// Storage is a folder that all nodes see under this path, or "".
	Storage string
	// Packages are the versions that the worker is made for.
	Packages map[string]string
}

// Report is what was found of a cluster.
type Report struct {
	Address string `json:"address"`
	ray.Info
	Nodes []Node `json:"nodes"`
	// Storage is the shared folder that was looked for, and StorageHere whether this
	// machine sees the same one.
	Storage     string `json:"storage,omitempty"`
	StorageHere bool   `json:"storage_here,omitempty"`
}

// Node is what was found of one.
type Node struct {
	ray.Node
	// Answer is what the task on it said; nil where none was asked.
	Answer *Answer `json:"answer,omitempty"`
}

// Answer is what a task says of its node.
type Answer struct {
	Python   string            `json:"python"`
	Packages map[string]string `json:"packages"`
	// CUDA is what torch is built for, GPUs the names with memory and driver.
	CUDA string   `json:"cuda,omitempty"`
	GPUs []string `json:"gpus,omitempty"`
	// TemporaryFree is the room for temporary files, in bytes; -1 is unknown.
	TemporaryFree int64    `json:"temporary_free"`
	Storage       *Storage `json:"storage,omitempty"`
	// Ahead is by how many seconds its clock is ahead of that of the job's node.
	Ahead float64 `json:"clock_ahead"`
	// Error is set where the node did not answer.
	Error string `json:"error,omitempty"`
}

// Storage is how a node sees the shared folder.
type Storage struct {
	There    bool   `json:"there"`
	Free     int64  `json:"free"`
	OfNode   bool   `json:"of_node"`   // holds what another node wrote
	OfClient bool   `json:"of_client"` // holds what this machine wrote
	Fault    string `json:"fault,omitempty"`
}

// Look asks the dashboard alone. It takes less than a second.
func Look(ctx context.Context, c *ray.Client) (*Report, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	r := &Report{Address: c.Address, Info: c.Info}
	for _, n := range nodes {
		r.Nodes = append(r.Nodes, Node{Node: n})
	}
	return r, nil
}

// Limits are how long the job of a probe may take.
type Limits struct {
	// Start is until the job runs, Answer until all nodes have answered after that.
	Start, Answer time.Duration
}

// DefaultLimits leave room for nodes that start their first worker while they are busy.
var DefaultLimits = Limits{Start: 60 * time.Second, Answer: 60 * time.Second}

// Check looks and probes, and returns an error for the first thing without which the
// training cannot run; what the dashboard can tell is said before any job starts.
func Check(ctx context.Context, c *ray.Client, need Need, script []byte, l Limits) (*Report, error) {
	r, err := Look(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := first(r.Findings(need)); err != nil {
		return r, err
	}
	if err := Probe(ctx, c, r, need, script, l); err != nil {
		return r, err
	}
	return r, first(r.Findings(need))
}

func first(findings []Finding) error {
	for _, f := range findings {
		if f.Severity == Error {
			return f.err()
		}
	}
	return nil
}

// plan is what the script is told.
type plan struct {
	Nodes      []string `json:"nodes"`
	Packages   []string `json:"packages"`
	Storage    string   `json:"storage"`
	Nonce      string   `json:"nonce"`
	NodeFile   string   `json:"node_file"`
	ClientFile string   `json:"client_file"`
	Seconds    float64  `json:"seconds"`
}

// Probe runs a task on every node of a report and adds what they say. The job is
// removed again, whatever happens.
func Probe(ctx context.Context, c *ray.Client, r *Report, need Need, script []byte, l Limits) (err error) {
	p := newPlan(r, need, l)
	if clean := p.writeHere(); clean != nil {
		defer clean()
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	pkg, err := ray.NewPackage(map[string][]byte{"ray_probe.py": script, "plan.json": text})
	if err != nil {
		return err
	}
	if _, err := c.Upload(ctx, pkg); err != nil {
		return err
	}
	id := "bbjtune-probe-" + p.Nonce
	defer func() {
		if left := remove(ctx, c, id); err == nil {
			err = left
		}
	}()
	_, err = c.Submit(ctx, ray.Submission{ID: id, Entrypoint: r.Nodes[0].Command("ray_probe.py", "plan.json"), Env: ray.RuntimeEnv{WorkingDir: pkg.URI()}})
	if err != nil {
		return err
	}
	if err := await(ctx, c, id, l); err != nil {
		return err
	}
	logs, err := c.Logs(ctx, id)
	if err != nil {
		return err
	}
	r.Storage, r.StorageHere = need.Storage, p.ClientFile != ""
	return r.read(logs)
}

func newPlan(r *Report, need Need, l Limits) *plan {
	nonce := strings.ToLower(rand.Text())
	p := &plan{Storage: need.Storage, Nonce: nonce, NodeFile: ".bbjtune-probe-" + nonce, Seconds: l.Answer.Seconds(), Packages: sortedKeys(need.Packages)}
	for _, n := range r.Nodes {
		p.Nodes = append(p.Nodes, n.ID)
	}
	return p
}

// writeHere writes the client's own file into the shared folder, where this machine
// sees one of that name.
func (p *plan) writeHere() (clean func()) {
	if p.Storage == "" {
		return nil
	}
	name := p.NodeFile + "-client"
	path := filepath.Join(p.Storage, name)
	if err := os.WriteFile(path, []byte(p.Nonce), 0o644); err != nil {
		return nil
	}
	p.ClientFile = name
	return func() { os.Remove(path) }
}

// remove takes the job away, even when the caller gives up.
func remove(ctx context.Context, c *ray.Client, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 25*time.Second)
	defer cancel()
	if err := c.Remove(ctx, id); err != nil {
		return fault.Wrap(fmt.Errorf("remove the job of the probe: %w", err), "remove it yourself: ray job stop "+id+"; ray job delete "+id)
	}
	return nil
}

// await waits for the end of the job.
func await(ctx context.Context, c *ray.Client, id string, l Limits) error {
	ctx, cancel := context.WithTimeoutCause(ctx, l.Start+l.Answer+15*time.Second, errSlow)
	defer cancel()
	started := false
	for begin := time.Now(); ; {
		j, err := c.Job(ctx, id)
		switch {
		case errors.Is(err, errSlow):
			return slow("the tasks of the probe did not end", l.Start+l.Answer)
		case err != nil:
			return err
		case j.Status == ray.Failed:
			return broken(j)
		case j.Status.Ended():
			return nil
		case j.Status == ray.Running && !started:
			started, begin = true, time.Now()
		case !started && time.Since(begin) > l.Start:
			return slow("the job of the probe did not start", l.Start)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

var errSlow = errors.New("the probe takes too long")

func slow(what string, limit time.Duration) error {
	return ray.Lack("look at the cluster with ray status: its nodes may be busy, or cannot start workers", "%s within %v", what, limit)
}

// broken explains a job that failed. Python's last words are in its message.
func broken(j ray.Job) error {
	text := strings.TrimSpace(j.Message)
	if at := strings.LastIndexByte(text, '\n'); at >= 0 {
		text = text[at+1:]
	}
	if strings.Contains(j.Message, "No module named 'ray'") {
		return ray.Lack("the head starts jobs with the python on its PATH: start Ray from the environment that has it (bbjtune env --ray)", "the cluster's python has no Ray")
	}
	return ray.Lack("the head's logs say more: ray job logs there, or the Jobs page of the dashboard", "the job of the probe failed: %.300s", text)
}

// prefix begins a line of the script.
const prefix = "bbjtune-probe "

// read takes the nodes' answers out of the log. Whatever else is in it is passed over.
func (r *Report) read(logs string) error {
	for line := range strings.Lines(logs) {
		text, ok := strings.CutPrefix(line, prefix)
		if !ok {
			continue
		}
		var said struct {
			Node        string
			Here, Clock float64
			Answer
		}
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			return ray.Lack("try again; the log of the job is in the dashboard", "a node's answer cannot be read: %v", err)
		}
		said.Ahead = said.Clock - said.Here
		for i := range r.Nodes {
			if r.Nodes[i].ID == said.Node {
				answer := said.Answer
				r.Nodes[i].Answer = &answer
			}
		}
	}
	return nil
}
