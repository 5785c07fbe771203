package ray

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Node is one that is alive, with what it has and what of that is free.
type Node struct {
	ID   string `json:"id"`
	IP   string `json:"ip"`
	Host string `json:"host"`
	Head bool   `json:"head"`
	// Python is its interpreter's, major and minor; empty where it is not told.
	Python string `json:"python,omitempty"`
	// Interpreter is the path there of the one that runs Ray's workers.
	Interpreter string `json:"interpreter,omitempty"`

	CPUs float64 `json:"cpus"`
	GPUs float64 `json:"gpus"`
	// Memory is what Ray gives to tasks, in bytes.
	Memory int64 `json:"memory"`
	// GPUNames are those that the node shows; there may be fewer than Ray counts.
	GPUNames []string `json:"gpu_names,omitempty"`

	FreeCPUs   float64 `json:"free_cpus"`
	FreeGPUs   float64 `json:"free_gpus"`
	FreeMemory int64   `json:"free_memory"`

	// ObjectStore is the store's size in bytes, and StoreUsed what is taken of it by
	// objects that are not on the disk as well: Ray makes room by dropping the others.
	ObjectStore int64 `json:"object_store"`
	StoreUsed   int64 `json:"object_store_used"`
	// Disk is the size of the file system that Ray's temporary files lie on, and
	// FreeDisk what is left of it; 0 where it is not told.
	Disk     int64 `json:"disk"`
	FreeDisk int64 `json:"free_disk"`
	// Now is the node's clock when it last told, in seconds of Unix time.
	Now float64 `json:"now"`
}

// summary is what the dashboard tells of a node. It writes the names of resources
// in camel case.
type summary struct {
	Hostname string
	IP       string
	Now      float64
	Cmdline  []string
	Disk     map[string]struct{ Total, Free float64 }
	GPUs     []struct{ Name string }
	Raylet   struct {
		NodeID               string
		NodeManagerAddress   string
		State                string
		IsHeadNode           bool
		ResourcesTotal       map[string]float64
		ObjectStoreUsed      float64 `json:"objectStoreUsedMemory"`
		ObjectStoreAvailable float64 `json:"objectStoreAvailableMemory"`
		TempDir              string
	}
}

// Nodes returns the nodes that are alive, the head first, then by address. The numbers
// are a few seconds old.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var reply struct{ Data struct{ Summary []summary } }
	if _, err := c.call(ctx, http.MethodGet, "/nodes?view=summary", nil, &reply); err != nil {
		return nil, err
	}
	usage, err := c.usage(ctx)
	if err != nil {
		return nil, err
	}
	var nodes []Node
	for _, s := range reply.Data.Summary {
		if s.Raylet.State == "ALIVE" {
			nodes = append(nodes, s.node(usage[s.Raylet.NodeID]))
		}
	}
	if len(nodes) == 0 {
		return nil, c.failure(Broken, "the Ray cluster at %s has no node that is alive", c.Address)
	}
	slices.SortFunc(nodes, func(a, b Node) int {
		if a.Head != b.Head {
			return map[bool]int{true: -1, false: 1}[a.Head]
		}
		return strings.Compare(a.IP+" "+a.ID, b.IP+" "+b.ID)
	})
	return nodes, nil
}

// usage is what is taken of each node's resources, by its ID.
func (c *Client) usage(ctx context.Context) (map[string]map[string][2]float64, error) {
	var reply struct {
		Data struct {
			ClusterStatus *struct {
				LoadMetricsReport struct {
					UsageByNode map[string]map[string][2]float64
				}
			}
		}
	}
	if _, err := c.call(ctx, http.MethodGet, "/api/cluster_status", nil, &reply); err != nil {
		return nil, err
	}
	if reply.Data.ClusterStatus == nil {
		return nil, nil // the head has not looked yet
	}
	return reply.Data.ClusterStatus.LoadMetricsReport.UsageByNode, nil
}

func (s summary) node(used map[string][2]float64) Node {
	total := s.Raylet.ResourcesTotal
	free := func(resource string) float64 { return max(0, total[resource]-used[resource][0]) }
	n := Node{
		ID: s.Raylet.NodeID, IP: s.Raylet.NodeManagerAddress, Host: s.Hostname, Head: s.Raylet.IsHeadNode, Python: firstMatch(sitePackages, s.Cmdline), Interpreter: firstMatch(workerCommand, s.Cmdline),
		CPUs: total["CPU"], GPUs: total["GPU"], Memory: int64(total["memory"]),
		FreeCPUs: free("CPU"), FreeGPUs: free("GPU"), FreeMemory: int64(free("memory")),
		ObjectStore: int64(total["objectStoreMemory"]), StoreUsed: int64(s.Raylet.ObjectStoreUsed), Now: s.Now,
	}
	if store, told := used["objectStoreMemory"]; told {
		n.StoreUsed = int64(store[0]) // newer, and without what is on the disk as well
	}
	for _, g := range s.GPUs {
		n.GPUNames = append(n.GPUNames, g.Name)
	}
	disk, told := s.Disk[s.Raylet.TempDir]
	if !told {
		disk = s.Disk["/"]
	}
	n.Disk, n.FreeDisk = int64(disk.Total), int64(disk.Free)
	return n
}

// sitePackages is where the raylet's own files lie: it names the Python. The command
// of its workers names the interpreter.
var (
	sitePackages  = regexp.MustCompile(`/python(3\.\d+)/(?:site|dist)-packages/`)
	workerCommand = regexp.MustCompile(`^--python_worker_command=(/\S+)`)
)

func firstMatch(pattern *regexp.Regexp, cmdline []string) string {
	for _, arg := range cmdline {
		if m := pattern.FindStringSubmatch(arg); m != nil {
			return m[1]
		}
	}
	return ""
}

// Command is a line for the shell of the node that runs a script by the interpreter of
// Ray's workers: the one on the PATH may be another, without Ray.
func (n Node) Command(args ...string) string {
	words := []string{"python"}
	if n.Interpreter != "" {
		words[0] = quoted(n.Interpreter)
	}
	for _, arg := range args {
		words = append(words, quoted(arg))
	}
	return strings.Join(words, " ")
}

func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
