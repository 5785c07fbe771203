package cli

import (
	"fmt"
	"os"

	"bbjtune/internal/gpumem"
	"bbjtune/internal/progress"
	"bbjtune/internal/ray/probe"
	"bbjtune/internal/raytrain"
)

// unfit is what a recipe itself lacks for a cluster of so many nodes.
func (p *pipeline) unfit(nodes int) (list []probe.Finding) {
	c := p.recipe.Compute
	if c.Resources.GPU == 0 && p.recipe.Quantization == "nf4" {
		list = append(list, probe.Finding{Severity: probe.Error, Message: "quantization nf4 needs NVIDIA GPUs, and compute.resources.gpu is 0",
			Hint: "set compute.resources.gpu to 1, or quantization to none for a small model"})
	}
	if nodes > 1 && c.Storage == "" {
		list = append(list, probe.Finding{Severity: probe.Error, Message: fmt.Sprintf("the cluster has %d nodes, and compute.storage is not set: a training could not go on where one of them dies", nodes),
			Hint: "set compute.storage to a folder that all nodes see under the same path"})
	}
	shape, err := p.shape("")
	if err != nil || !p.recipe.Stage1.Enabled || !p.recipe.Stage2.Enabled {
		return list
	}
	if p.recipe.Merges(2) {
		return append(list, p.unfitMerged(shape)...)
	}
	if size := shape.AdapterFile(p.recipe.Lora); c.Storage == "" && nodes == 1 && size > raytrain.MaxPackage {
		list = append(list, probe.Finding{Severity: probe.Error, Message: fmt.Sprintf("the adapter of stage 1 will have %s, and stage 2 could not start from it: a job takes %s along, and compute.storage is not set",
			progress.Bytes(size), progress.Bytes(raytrain.MaxPackage)), Hint: "set compute.storage to a folder that all nodes see, where the adapter stays; on a cluster of one node to any of it, such as /var/tmp/bbjtune"})
	}
	return list
}

// unfitMerged looks whether the model that stage 1 is merged into can come to the nodes.
// It is merged here, in 16 bit or more.
func (p *pipeline) unfitMerged(shape gpumem.Shape) []probe.Finding {
	storage, size := p.recipe.Compute.Storage, 2*shape.Parameters()
	info, err := os.Stat(storage)
	if size <= raytrain.MaxPackage || err == nil && info.IsDir() {
		return nil
	}
	why := storage + " (compute.storage) is not seen by this machine, which merges it"
	if storage == "" {
		why = "compute.storage is not set"
	}
	return []probe.Finding{{Severity: probe.Error, Message: fmt.Sprintf("stage2.start is merged, and stage 2 could not start from the merged model of %s: a job takes %s along, and %s",
		progress.Bytes(size), progress.Bytes(raytrain.MaxPackage), why), Hint: "set compute.storage to a folder that this machine and all nodes see, or stage2.start to adapter"}}
}
