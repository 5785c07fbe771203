package probe

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bbjtune/internal/ray"
)

// Severity says how much a finding matters.
type Severity string

// An error keeps the training from running; a warning does not.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is something that a cluster lacks.
type Finding struct {
	Severity Severity `json:"severity"`
	// Node is the address of the one that it is about; empty for all of them.
	Node    string `json:"node,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

func (f Finding) err() error {
	if f.Node == "" {
		return ray.Lack(f.Hint, "%s", f.Message)
	}
	return ray.Lack(f.Hint, "node %s: %s", f.Node, f.Message)
}

// minPython is the oldest that the worker's packages run on: 3.11.
const minPython = 11

// Below lowDisk, in bytes, a node can do little: Ray starts processes there that die of
// it. A store that is fuller than fullStore is one that Ray does not get empty: from
// 0.8 it moves objects to the disk. From fullDisk, Ray's own limit, objects that the
// store has no room for fail instead.
const (
	lowDisk   = 1 << 30
	fullStore = 0.9
	fullDisk  = 0.95
	farClock  = 5.0 // seconds
)

// Findings holds what is known of the cluster against what is needed, the worst and
// most general first.
func (r *Report) Findings(need Need) (list []Finding) {
	list = append(list, r.versions()...)
	list = append(list, r.room(need)...)
	for _, n := range r.Nodes {
		list = append(list, n.full()...)
		if n.Answer != nil {
			list = append(list, n.answered(need)...)
		}
	}
	if need.Storage != "" {
		list = append(list, r.storage(need.Storage)...)
	}
	slices.SortStableFunc(list, func(a, b Finding) int { return strings.Compare(string(a.Severity), string(b.Severity)) })
	return list
}

// Usable reports whether jobs of this version can run on the cluster at all. On a node
// without room they die, or never begin.
func (r *Report) Usable() bool {
	found := r.versions()
	for _, n := range r.Nodes {
		found = append(found, n.full()...)
	}
	return first(found) == nil
}

// versions compares Ray and Python. Ray itself keeps both the same on all nodes.
func (r *Report) versions() (list []Finding) {
	if release(r.Version) != release(ray.Tested) {
		list = append(list, Finding{Error, "", fmt.Sprintf("the cluster runs Ray %s, and this bbjtune is made for Ray %s", r.Version, ray.Tested),
			"make the environment of every node with bbjtune env --ray and start Ray anew from it"})
	}
	if minor, ok := pythonMinor(r.Python); ok && minor < minPython {
		list = append(list, Finding{Error, "", fmt.Sprintf("the cluster runs Python %s, and the packages of the training need 3.%d or newer", r.Python, minPython),
			"make the environment of every node with bbjtune env --ray and start Ray anew from it"})
	}
	return list
}

// release is a version without its last number and what follows a plus sign.
func release(version string) string {
	version, _, _ = strings.Cut(version, "+")
	parts := strings.Split(version, ".")
	return strings.Join(parts[:min(2, len(parts))], ".")
}

func pythonMinor(version string) (int, bool) {
	parts := strings.Split(version, ".")
	if len(parts) < 2 || parts[0] != "3" {
		return 0, false
	}
	minor, err := strconv.Atoi(parts[1])
	return minor, err == nil
}

// resource is one kind of what workers ask for.
type resource struct {
	name  string
	each  float64
	total func(Node) float64
	free  func(Node) float64
	show  func(float64) string
	key   string
}

func (need Need) resources() []resource {
	count := func(unit string) func(float64) string {
		return func(v float64) string {
			if v == 1 {
				return "1 " + unit
			}
			return strconv.FormatFloat(v, 'f', -1, 64) + " " + unit + "s"
		}
	}
	return []resource{
		{"GPU", need.GPUs, func(n Node) float64 { return n.GPUs }, func(n Node) float64 { return n.FreeGPUs }, count("GPU"), "compute.resources.gpu"},
		{"CPU", need.CPUs, func(n Node) float64 { return n.CPUs }, func(n Node) float64 { return n.FreeCPUs }, count("CPU"), "compute.resources.cpu"},
		{"memory", float64(need.Memory), func(n Node) float64 { return float64(n.Memory) }, func(n Node) float64 { return float64(n.FreeMemory) },
			func(v float64) string { return fmt.Sprintf("%.1f GB of memory", v/1e9) }, "compute.resources.memory_gb"},
	}
}

// room compares what the workers ask for with what the nodes have, and with what of
// it is free.
func (r *Report) room(need Need) []Finding {
	workers := max(need.Workers, 1)
	for _, k := range need.resources() {
		asked, has := k.each*float64(workers), 0.0
		for _, n := range r.Nodes {
			has += k.total(n)
		}
		if k.each > 0 && asked > has {
			return []Finding{{Error, "", fmt.Sprintf("%s of %s %s for %s, and the cluster offers %s", counted(workers, "worker"), k.show(k.each), verb(workers, "ask"), k.show(asked), k.show(has)),
				"set compute.workers or " + k.key + " lower, or add nodes to the cluster"}}
		}
	}
	if fit := r.places(need, resource.whole); fit < workers {
		return []Finding{{Error, "", fmt.Sprintf("%s %s for places, and the nodes have room for %d (%s)", counted(workers, "worker"), verb(workers, "ask"), fit, r.perNode(need)),
			"a worker takes all it asks for from one node: set compute.workers or compute.resources lower, or add nodes"}}
	}
	if fit := r.places(need, resource.now); fit < workers {
		return []Finding{{Warning, "", fmt.Sprintf("%s %s a place, and %d are free now", counted(workers, "worker"), verb(workers, "need"), fit),
			"the training waits until other jobs end; ray status shows what runs"}}
	}
	return nil
}

func (k resource) whole(n Node) float64 { return k.total(n) }
func (k resource) now(n Node) float64   { return k.free(n) }

// places counts the workers that fit.
func (r *Report) places(need Need, of func(resource, Node) float64) (n int) {
	for _, node := range r.Nodes {
		n += fits(need, node, of)
	}
	return n
}

func fits(need Need, n Node, of func(resource, Node) float64) int {
	fit := max(need.Workers, 1)
	for _, k := range need.resources() {
		if k.each > 0 {
			fit = min(fit, int(of(k, n)/k.each+1e-9))
		}
	}
	return fit
}

func (r *Report) perNode(need Need) string {
	var list []string
	for _, n := range r.Nodes {
		list = append(list, fmt.Sprintf("%s %d", n.IP, fits(need, n, resource.whole)))
	}
	return strings.Join(list, ", ")
}

// full looks at the object store and the disk below it.
func (n Node) full() (list []Finding) {
	if n.ObjectStore > 0 && float64(n.StoreUsed) > fullStore*float64(n.ObjectStore) {
		list = append(list, Finding{Error, n.IP, fmt.Sprintf("the object store is full: %s of %s are taken", room(n.StoreUsed), room(n.ObjectStore)),
			"end the jobs that hold objects (ray memory names them), or start the node with a larger --object-store-memory; Ray could not move them to its disk, so look at the room there, too"})
	}
	switch {
	case n.Disk == 0: // not told
	case n.FreeDisk < lowDisk:
		list = append(list, Finding{Error, n.IP, fmt.Sprintf("the disk of Ray's temporary files is full: %s of %s are free", room(n.FreeDisk), room(n.Disk)),
			"free space there, or start the node with another --temp-dir"})
	case float64(n.FreeDisk) < (1-fullDisk)*float64(n.Disk):
		list = append(list, Finding{Warning, n.IP, fmt.Sprintf("the disk of Ray's temporary files is fuller than %.0f %%: %s of %s are free", 100*fullDisk, room(n.FreeDisk), room(n.Disk)),
			"free space there, or start the node with another --temp-dir: objects that its store has no room for fail"})
	}
	return list
}

// room is a number of bytes, as people say it.
func room(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// answered holds a node's answer against the versions.
func (n Node) answered(need Need) (list []Finding) {
	if n.Answer.Error != "" {
		return []Finding{{Error, n.IP, "the probe did not run there: " + n.Answer.Error, "look at the node with ray status and at its raylet.out"}}
	}
	const hint = "make the environment of every node with bbjtune env --ray and start Ray anew from it"
	for _, name := range sortedKeys(need.Packages) {
		want, have := need.Packages[name], n.Answer.Packages[name]
		have, _, _ = strings.Cut(have, "+") // torch says what it is built for
		switch {
		case have == "":
			list = append(list, Finding{Error, n.IP, name + " is missing", hint})
		case release(have) != release(want):
			list = append(list, Finding{Error, n.IP, fmt.Sprintf("%s is %s, and the training is made for %s", name, have, want), hint})
		case have != want:
			list = append(list, Finding{Warning, n.IP, fmt.Sprintf("%s is %s, and the training is tested with %s", name, have, want), hint})
		}
	}
	if need.GPUs > 0 && n.GPUs > 0 && n.Answer.CUDA == "" {
		list = append(list, Finding{Error, n.IP, "Ray counts GPUs there, and torch is not built for CUDA", hint})
	}
	if need.GPUs > 0 && int(n.GPUs) > len(n.Answer.GPUs) {
		list = append(list, Finding{Warning, n.IP, fmt.Sprintf("Ray counts %g GPUs there, and nvidia-smi shows %d", n.GPUs, len(n.Answer.GPUs)), "check the driver, and --num-gpus of ray start"})
	}
	if n.Answer.Ahead > farClock || n.Answer.Ahead < -farClock {
		list = append(list, Finding{Warning, n.IP, fmt.Sprintf("its clock is %.0f seconds off the head's", n.Answer.Ahead), "have the nodes keep their time by NTP"})
	}
	return list
}

// storage holds the shared folder of all nodes against each other. Before the probe
// nothing is known of it.
func (r *Report) storage(folder string) (list []Finding) {
	for _, n := range r.Nodes {
		if n.Answer == nil || n.Answer.Storage == nil {
			continue
		}
		s := *n.Answer.Storage
		hint := "mount the same folder under this path on every node"
		switch {
		case !s.There:
			list = append(list, Finding{Error, n.IP, fmt.Sprintf("there is no folder %s (compute.storage)", folder), hint})
		case s.Fault != "":
			list = append(list, Finding{Error, n.IP, fmt.Sprintf("%s (compute.storage) cannot be written: %s", folder, s.Fault), "give the user that runs Ray the right to write there, and room"})
		case !s.OfNode && r.headWrote():
			list = append(list, Finding{Error, n.IP, fmt.Sprintf("%s (compute.storage) is another folder there: what the head wrote is not in it", folder), hint})
		case !s.OfClient:
			list = append(list, Finding{Warning, n.IP, fmt.Sprintf("%s is another folder on this machine: what was written here is not in it", folder), "that is well, if only the nodes share it"})
		}
		if s.There && s.Free >= 0 && s.Free < lowDisk {
			list = append(list, Finding{Error, n.IP, fmt.Sprintf("%s (compute.storage) is full: %.0f MB are free", folder, float64(s.Free)/1e6), "free space there"})
		}
	}
	return list
}

// headWrote reports whether there was something to be seen by the others.
func (r *Report) headWrote() bool {
	a := r.Nodes[0].Answer
	return a != nil && a.Storage != nil && a.Storage.Fault == ""
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// verb goes with a number of things.
func verb(n int, plural string) string {
	if n == 1 {
		return plural + "s"
	}
	return plural
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
