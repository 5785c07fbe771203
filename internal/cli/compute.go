package cli

import (
	"cmp"

	"github.com/spf13/cobra"

	"bbjtune/internal/recipe"
)

// computeFlags say where a training runs, instead of the recipe.
type computeFlags struct {
	engine, address, storage, sharding string
	workers                            int
}

func (o *computeFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.engine, "compute", "", "where the training runs, instead of the recipe's compute.engine: local, torchrun or ray")
	f.IntVar(&o.workers, "workers", 0, "how many processes share a training, instead of the recipe's compute.workers")
	f.StringVar(&o.address, "compute-address", "", "the cluster, instead of the recipe's compute.address")
	f.StringVar(&o.storage, "compute-storage", "", "a folder that all nodes see, instead of the recipe's compute.storage")
	f.StringVar(&o.sharding, "sharding", "", "none or fsdp, instead of the recipe's compute.sharding")
}

// apply puts what was asked for in the place of what the recipe says.
func (o *computeFlags) apply(r *recipe.Recipe) error {
	c := r.Compute
	c.Engine = cmp.Or(o.engine, c.Engine)
	c.Address = cmp.Or(o.address, c.Address)
	c.Storage = cmp.Or(o.storage, c.Storage)
	c.Sharding = cmp.Or(o.sharding, c.Sharding)
	c.Workers = cmp.Or(o.workers, c.Workers)
	return r.SetCompute(c)
}

// apply is that of the flags on the pipeline's recipe.
func (p *pipeline) apply(where computeFlags) error {
	p.where = where
	return where.apply(p.recipe)
}
