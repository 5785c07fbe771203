package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
	"bbjtune/internal/ray/probe"
	"bbjtune/internal/raytrain"
	"bbjtune/internal/recipe"
	"bbjtune/internal/trainer"
	"bbjtune/worker"
)

// onCluster carries the stage out on a Ray cluster. Events that an earlier process
// has heard are marked as such.
func (t *stageRun) onCluster(ctx context.Context, job trainer.Train, on func(e trainer.Event, again bool)) (json.RawMessage, error) {
	c := t.p.recipe.Compute
	dir := abs(t.s.path(t.name()))
	address, err := t.address(dir)
	if err != nil {
		return nil, err
	}
	cluster, err := t.p.connectCluster(ctx, t.p.where.address, address)
	if err != nil {
		return nil, err
	}
	raw, err := raytrain.Run(ctx, raytrain.Options{
		Cluster: cluster, Address: cluster.Address, Name: raytrain.NameOf(dir), Dir: dir, Code: worker.Files,
		Base: t.clusterBase(job.BaseModel), Workers: c.Workers, Resources: c.Resources.Ray(), Storage: c.Storage, Say: t.p.show.Say, NoRetry: t.p.only != "",
	}, job, on)
	var detached *raytrain.Detached
	var stop *errStopped
	switch {
	case err != nil && errors.As(context.Cause(ctx), &stop):
		return nil, t.endJob(ctx, cluster, dir, stop)
	case errors.As(err, &detached):
		return nil, &leftRunning{run: t.s.dir.ID, more: t.n < len(t.p.stages()), cause: err}
	}
	return raw, err
}

// address is that of the cluster: the recipe's, or where an attached job was submitted.
// Neither is left to the environment, which may be another one by now.
func (t *stageRun) address(dir string) (string, error) {
	address := t.p.recipe.Compute.Address
	if t.p.only == "" || address != "" {
		return address, nil
	}
	rec, err := raytrain.ReadRecord(dir)
	if err != nil || rec == nil {
		return "", err
	}
	return rec.Address, nil
}

// endJob ends the job of a training that does not go on past a rung. It would train
// on without anyone who follows it.
func (t *stageRun) endJob(ctx context.Context, c raytrain.Cluster, dir string, stop *errStopped) error {
	rec, err := raytrain.ReadRecord(dir)
	if err == nil && rec != nil {
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer done()
		_, err = raytrain.Cancel(ctx, c, *rec)
	}
	if err != nil {
		return fmt.Errorf("end the job of a variant that was stopped early: %w", err)
	}
	return stop
}

// endTime is how long a job may take to end.
const endTime = 2 * time.Minute

// clusterBase is where the nodes find the model: a model of the hub is fetched by
// them, unless the stage starts from one that was merged here.
func (t *stageRun) clusterBase(folder string) raytrain.Base {
	if name, ok := strings.CutPrefix(t.base.identity, "hub:"); ok && folder == absModel(t.base.model) {
		return raytrain.Base{Hub: name}
	}
	return raytrain.Base{Folder: folder}
}

// needCluster finds out, before anything is prepared, whether a cluster can do the
// training. What was trained before needs none, and what is under way there has its
// place: both are known for certain only when the folder is.
func (p *pipeline) needCluster(ctx context.Context) error {
	if p.trainedBefore() || p.submittedBefore() {
		return nil
	}
	return p.clusterFits(ctx)
}

// clusterFits finds out, once, whether a cluster can do what is to be trained. What is
// only followed runs there.
func (p *pipeline) clusterFits(ctx context.Context) error {
	c := p.recipe.Compute
	if c.Engine != recipe.Ray || p.only != "" {
		return nil
	}
	// Asked once more when the base model is there, whose shape is known then.
	if err := refuse(p.unfit(1)); err != nil || p.probed {
		return err
	}
	client, err := p.connectCluster(ctx, p.where.address, c.Address)
	if err != nil {
		return err
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return err
	}
	if err := refuse(p.unfit(len(nodes))); err != nil {
		return err
	}
	return p.probe(ctx, client)
}

// refuse is the first of what is lacking.
func refuse(findings []probe.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	return fault.New(findings[0].Message, findings[0].Hint)
}

// probeLimits leave room for a cluster that is busy with other work.
var probeLimits = probe.Limits{Start: 3 * time.Minute, Answer: 2 * time.Minute}

// probe has every node say whether it can take part.
func (p *pipeline) probe(ctx context.Context, client *ray.Client) error {
	need, err := clusterNeed(p.recipe.Compute)
	if err != nil {
		return err
	}
	script, err := worker.Files.ReadFile("ray_probe.py")
	if err != nil {
		return err
	}
	task := p.show.Start("probe of the cluster")
	defer task.Drop()
	report, err := probe.Check(ctx, client, need, script, probeLimits)
	if err != nil {
		return err
	}
	task.End("%s ready", counted(len(report.Nodes), "node"))
	p.probed = true
	for _, f := range report.Findings(need) { // warnings, or Check had failed
		p.show.Say("  %s: %s", f.Severity, f.Message)
	}
	return nil
}

// leftRunning is how a command ends that was interrupted while a cluster trains.
type leftRunning struct {
	run string
	// more says that another stage comes after the one that goes on.
	more  bool
	cause error
}

func (l *leftRunning) Error() string {
	if l.more {
		return l.cause.Error() + "; stage 2 begins when somebody follows it again"
	}
	return l.cause.Error()
}

func (l *leftRunning) Unwrap() error { return l.cause }

func (l *leftRunning) hint(program string) string {
	return fmt.Sprintf("%[1]s runs attach %[2]s follows it again, %[1]s runs cancel %[2]s ends it", filepath.Base(program), l.run)
}
