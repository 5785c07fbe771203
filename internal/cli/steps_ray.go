package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"bbjtune/internal/ray"
	"bbjtune/internal/raytrain"
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
