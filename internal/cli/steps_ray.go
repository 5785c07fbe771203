package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
	"bbjtune/internal/raytrain"
	"bbjtune/internal/recipe"
	"bbjtune/internal/trainer"
	"bbjtune/worker"
)

// onCluster carries the stage out on a Ray cluster. Events that an earlier process
// has heard are marked as such.
func (t *stageRun) onCluster(ctx context.Context, job trainer.Train, on func(e trainer.Event, again bool)) (json.RawMessage, error) {
	c := t.p.recipe.Compute
	cluster, err := t.p.cluster(ctx, c.Address)
	if err != nil {
		return nil, err
	}
	dir := abs(t.s.path(t.name()))
	raw, err := raytrain.Run(ctx, raytrain.Options{
		Cluster: cluster, Address: c.Address, Name: raytrain.NameOf(dir), Dir: dir, Code: worker.Files,
		Base: t.clusterBase(job.BaseModel), Workers: c.Workers, Resources: c.Resources.Ray(), Storage: c.Storage, Say: t.p.show.Say,
	}, job, on)
	var detached *raytrain.Detached
	if errors.As(err, &detached) {
		return nil, &leftRunning{run: t.s.dir.ID, cause: err}
	}
	return raw, err
}

// clusterBase is where the nodes find the model: a model of the hub is fetched by
// them, unless the stage starts from one that was merged here.
func (t *stageRun) clusterBase(folder string) raytrain.Base {
	if name, ok := strings.CutPrefix(t.base.identity, "hub:"); ok && folder == absModel(t.base.model) {
		return raytrain.Base{Hub: name}
	}
	return raytrain.Base{Folder: folder}
}

// cluster is the one at an address.
func (a *app) cluster(ctx context.Context, address string) (*ray.Client, error) {
	token, err := ray.FindToken(a.Env)
	if err != nil {
		return nil, err
	}
	return ray.Connect(ctx, address, token)
}

// needCluster finds out at once whether the cluster can be reached. What was trained
// before needs none.
func (p *pipeline) needCluster(ctx context.Context) error {
	c := p.recipe.Compute
	if c.Engine != recipe.Ray || p.trainedBefore() {
		return nil
	}
	cluster, err := p.cluster(ctx, c.Address)
	if err != nil {
		return err
	}
	nodes, err := cluster.Nodes(ctx)
	if err != nil {
		return err
	}
	if len(nodes) > 1 && c.Storage == "" {
		return fault.Newf("set compute.storage to a folder that all nodes see under the same path", "the cluster has %d nodes, and compute.storage is not set: a training could not go on where one of them dies", len(nodes))
	}
	return p.fits(nodes)
}

// fits refuses what the cluster could never give: what is taken now may come free.
func (p *pipeline) fits(nodes []ray.Node) error {
	c, want := p.recipe.Compute, p.recipe.Compute.Resources.Ray()
	places := 0
	for _, n := range nodes {
		fit := int(n.CPUs / want["CPU"])
		if want["GPU"] > 0 {
			fit = min(fit, int(n.GPUs/want["GPU"]))
		}
		if want["memory"] > 0 {
			fit = min(fit, int(float64(n.Memory)/want["memory"]))
		}
		places += fit
	}
	if places < c.Workers {
		return ray.Lack("lower compute.workers or compute.resources, or add nodes", "the cluster has room for %d of %d workers with %s each", places, c.Workers, c.Resources)
	}
	return nil
}

// leftRunning is how a command ends that was interrupted while a cluster trains.
type leftRunning struct {
	run   string
	cause error
}

func (l *leftRunning) Error() string { return l.cause.Error() }
func (l *leftRunning) Unwrap() error { return l.cause }

func (l *leftRunning) hint(program string) string {
	return fmt.Sprintf("%[1]s runs attach %[2]s follows it again, %[1]s runs cancel %[2]s ends it", filepath.Base(program), l.run)
}
