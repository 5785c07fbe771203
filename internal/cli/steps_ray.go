package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
	"bbjtune/internal/raytrain"
	"bbjtune/internal/trainer"
	"bbjtune/worker"
)

// onCluster carries the stage out on a Ray cluster. Events that an earlier process
// has heard are marked as such.
func (t *stageRun) onCluster(ctx context.Context, job trainer.Train, on func(e trainer.Event, again bool)) (json.RawMessage, error) {
	c := t.p.recipe.Compute
	cluster, err := t.p.cluster(c.Address)
	if err != nil {
		return nil, err
	}
	dir := abs(t.s.path(t.name()))
	raw, err := raytrain.Run(ctx, raytrain.Options{
		Cluster: cluster, Address: c.Address, Name: raytrain.NameOf(dir), Dir: dir, Code: worker.Files,
		Base: t.clusterBase(job.BaseModel), Workers: c.Workers, Resources: c.Resources.Ray(), Storage: c.Storage, Say: t.p.show.Say,
	}, job, on)
	var detached *raytrain.Detached
	var stop *errStopped
	switch {
	case errors.As(err, &stop):
		return nil, t.endJob(ctx, cluster, dir, stop)
	case errors.As(err, &detached):
		return nil, &leftRunning{run: t.s.dir.ID, cause: err}
	}
	return raw, err
}

// endJob ends the job of a training that does not go on past a rung. It would train
// on without anyone who follows it.
func (t *stageRun) endJob(ctx context.Context, c raytrain.Cluster, dir string, stop *errStopped) error {
	rec, err := raytrain.ReadRecord(dir)
	if err == nil && rec != nil {
		_, err = raytrain.Cancel(context.WithoutCancel(ctx), c, *rec)
	}
	if err != nil {
		return fmt.Errorf("end the job of a variant that was stopped early: %w", err)
	}
	return stop
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
func (p *pipeline) cluster(address string) (raytrain.Cluster, error) {
	if address == "" {
		return nil, fault.New("compute.engine is ray, and compute.address is not set", "set it to the address of the cluster's dashboard, such as http://head:8265")
	}
	return &rayCluster{address: address, token: p.Env("RAY_AUTH_TOKEN")}, nil
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
