package recipe

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The engines that a training runs on.
const (
	Local    = "local"
	Torchrun = "torchrun"
	Ray      = "ray"
)

// Compute says where a training runs and on how much. It decides nothing of the
// outcome: the batches of an optimizer step are dealt to the workers, and their
// gradients added up.
type Compute struct {
	// Engine is local, torchrun or ray.
	Engine string `yaml:"engine" json:"engine"`
	// Address is that of a Ray cluster's dashboard.
	Address string `yaml:"address" json:"address,omitempty"`
	// Workers is the number of processes.
	Workers int `yaml:"workers" json:"workers"`
	// Resources is what one worker gets.
	Resources Resources `yaml:"resources" json:"resources,omitzero"`
	// Storage is a folder that all nodes of a cluster see.
	Storage string `yaml:"storage" json:"storage,omitempty"`
	// Sharding is none, or fsdp for a model that does not fit one GPU.
	Sharding string `yaml:"sharding" json:"sharding,omitempty"`
}

// Resources is what one worker gets.
type Resources struct {
	CPU      int     `yaml:"cpu" json:"cpu,omitempty"`
	GPU      int     `yaml:"gpu" json:"gpu,omitempty"`
	MemoryGB float64 `yaml:"memory_gb" json:"memory_gb,omitempty"`
}

// String says it in a few words.
func (c Compute) String() string {
	if c.Engine == "" || c.Engine == Local { // records from before there was a choice have none
		return Local
	}
	text := fmt.Sprintf("%s, %d workers", c.Engine, c.Workers)
	if c.Workers == 1 {
		text = c.Engine + ", 1 worker"
	}
	if c.Sharding == "fsdp" {
		text += ", fsdp"
	}
	return text
}

// SetCompute says where the training runs, as if the recipe had said so.
func (r *Recipe) SetCompute(c Compute) error {
	r.Compute = c
	if err := r.checkValues(); err != nil {
		return err
	}
	return r.checkCompute()
}

// checkCompute holds the keys of compute against each other and the stages.
func (r *Recipe) checkCompute() error {
	c := r.Compute
	switch {
	case c.Engine != Ray && c.Address != "":
		return wrong("compute.address", "set compute.engine to ray, or leave the address out", "compute.address is set, and compute.engine is %s", c.Engine)
	case c.Engine != Ray && c.Storage != "":
		return wrong("compute.storage", "set compute.engine to ray, or leave the storage out", "compute.storage is set, and compute.engine is %s", c.Engine)
	case c.Storage != "" && !path.IsAbs(c.Storage):
		return wrong("compute.storage", "write the whole path, such as /shared", "compute.storage is %q, which each job would look for in a folder of its own", c.Storage)
	case c.Engine != Ray && (c.Resources.GPU > 0 || c.Resources.MemoryGB > 0):
		return wrong("compute.resources", "set compute.engine to ray, or leave gpu and memory_gb out", "compute.resources claims GPUs or memory of a cluster, and compute.engine is %s", c.Engine)
	case c.Engine == Local && c.Workers > 1:
		return wrong("compute.workers", "set compute.engine to torchrun for several processes on this machine", "compute.workers is %d, and compute.engine is local, which is one process", c.Workers)
	case c.Engine == Local && c.Resources.CPU > 0:
		return wrong("compute.resources.cpu", "leave it out: one process takes all cores", "compute.resources.cpu is %d, and compute.engine is local", c.Resources.CPU)
	case c.Sharding == "fsdp" && c.Workers == 1:
		return wrong("compute.sharding", "raise compute.workers, or set compute.sharding to none", "compute.sharding is fsdp, and there is one worker to lay the weights out over")
	case c.Workers > 1 && r.Engine == Unsloth:
		return wrong("compute.workers", "set engine to trl", "engine unsloth trains in one process, and compute.workers is %d", c.Workers)
	}
	for _, stage := range []struct {
		name string
		Stage
	}{{"stage1", r.Stage1}, {"stage2", r.Stage2}} {
		if stage.Enabled && stage.GradientAccumulation%c.Workers != 0 {
			return wrong("compute.workers", fewer(stage.name, stage.GradientAccumulation, c.Workers),
				"%d workers cannot share the %d batches of a step of %s evenly", c.Workers, stage.GradientAccumulation, stage.name)
		}
	}
	return nil
}

// fewer says which numbers would do.
func fewer(stage string, batches, workers int) string {
	var fit []string
	for n := 1; n <= min(batches, 64); n++ {
		if batches%n == 0 {
			fit = append(fit, strconv.Itoa(n))
		}
	}
	slices.Reverse(fit)
	more := (batches + workers - 1) / workers * workers
	return fmt.Sprintf("set compute.workers to one of %s, or %s.gradient_accumulation to %d", strings.Join(fit, ", "), stage, more)
}

// Ray is what one worker gets, by Ray's names.
func (r Resources) Ray() map[string]float64 {
	list := map[string]float64{"CPU": float64(max(r.CPU, 1))}
	if r.GPU > 0 {
		list["GPU"] = float64(r.GPU)
	}
	if r.MemoryGB > 0 {
		list["memory"] = r.MemoryGB * 1e9
	}
	return list
}
