// Package probe says what a Ray cluster offers to a training and what it lacks: at
// once by what the dashboard tells, and then by a job on every node, which sees the
// packages, the GPUs, the disks and the shared folder as a training would.
//
// It must not know what is trained, nor how the findings are shown. Names and
// messages of a cluster are foreign text.
package probe

import (
	"context"
	"time"

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
	// Answer is what the job on it said; nil where none was asked.
	Answer *Answer `json:"answer,omitempty"`
}

// Answer is what a job says of its node.
type Answer struct {
	Python   string            `json:"python"`
	Packages map[string]string `json:"packages"`
	// CUDA is what torch is built for, GPUs the names with memory and driver.
	CUDA string   `json:"cuda,omitempty"`
	GPUs []string `json:"gpus,omitempty"`
	// TemporaryFree is the room for temporary files, in bytes; -1 is unknown.
	TemporaryFree int64    `json:"temporary_free"`
	Storage       *Storage `json:"storage,omitempty"`
	// Ahead is by how many seconds its clock is at least ahead of the head's, as far as
	// the time that answers are on their way lets it be known.
	Ahead float64 `json:"clock_ahead"`
	// Error is set where the node did not answer.
	Error string `json:"error,omitempty"`
}

// Storage is how a node sees the shared folder.
type Storage struct {
	There    bool   `json:"there"`
	Free     int64  `json:"free"`
	OfNode   bool   `json:"of_node"`   // holds what the head wrote
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

// Limits are how long the jobs of a probe may take.
type Limits struct {
	// Start is until a node's job runs, Answer until it has answered after that.
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
