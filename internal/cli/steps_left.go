package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
	"bbjtune/internal/ray/probe"
	"bbjtune/internal/raytrain"
	"bbjtune/internal/recipe"
)

// leftJob is one that an earlier start left on a cluster, for a stage that is not done.
type leftJob struct {
	cluster *ray.Client
	rec     raytrain.Record
	ray.Job
}

// ownRecord is the record of a stage that is not done, or nil. What came with a stage 1
// of another training is of that.
func ownRecord(dir string) (*raytrain.Record, error) {
	rec, err := raytrain.ReadRecord(dir)
	if err != nil || rec == nil || rec.Name != raytrain.NameOf(dir) || exists(filepath.Join(dir, stageFile)) {
		return nil, err
	}
	return rec, nil
}

// leftIn is the job that is under way for the stage of a folder, or done and not yet
// fetched; nil where there is none. Where neither a flag nor the recipe names a cluster,
// it is looked for on the one that it was submitted to, if that is asked for, else on
// the one that Ray's variables name by now.
func (p *pipeline) leftIn(ctx context.Context, dir string, whereSubmitted bool) (*leftJob, error) {
	rec, err := ownRecord(dir)
	if err != nil || rec == nil {
		return nil, err
	}
	address := p.recipe.Compute.Address
	if whereSubmitted {
		address = cmp.Or(address, rec.Address)
	}
	c, err := p.connectCluster(ctx, p.where.address, address)
	if err != nil {
		return nil, err
	}
	job, err := c.Job(ctx, raytrain.ID(rec.Name, rec.Attempt))
	switch {
	case ray.Is(err, ray.NotFound), job.Status == ray.Failed, job.Status == ray.Stopped:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &leftJob{c, *rec, job}, nil
}

// submittedBefore reports whether some training of that name was begun on a cluster and
// is not complete: perhaps this one.
func (p *pipeline) submittedBefore() bool {
	found, err := fs.Glob(os.DirFS(p.runs), "train/"+p.recipe.Name+"-*/stage?/"+raytrain.RecordFile)
	if err != nil {
		return false
	}
	for _, path := range found {
		if rec, err := ownRecord(filepath.Join(p.runs, filepath.Dir(filepath.FromSlash(path)))); rec != nil || err != nil {
			return true
		}
	}
	return false
}

// follows reports whether a job of the training is under way where its stages would be
// carried out. It is followed whatever the cluster lacks by now, which is said: a node
// that is gone may come back, and Ray waits for it.
func (p *pipeline) follows(ctx context.Context, s step) (bool, error) {
	if p.recipe.Compute.Engine != recipe.Ray || p.only != "" {
		return false, nil
	}
	for _, n := range p.stages() {
		left, err := p.leftIn(ctx, s.path(fmt.Sprintf("stage%d", n)), false)
		if err != nil {
			return false, err
		}
		if left != nil {
			return true, p.lacking(ctx, left)
		}
	}
	return false, nil
}

// lacking says what a cluster lacks for a job that is under way.
func (p *pipeline) lacking(ctx context.Context, left *leftJob) error {
	need, err := clusterNeed(p.recipe.Compute)
	if err != nil {
		return err
	}
	report, err := probe.Look(ctx, left.cluster)
	if err != nil {
		return err
	}
	for _, f := range report.Findings(need) {
		if f.Severity == probe.Error && !left.Status.Ended() {
			p.show.Say("  warning: %s; job %s is under way all the same", f.Message, left.ID)
		}
	}
	return nil
}

// endOwn ends the stage's own job where another training has come to the same. It would
// train on without anyone who follows it. Nor is it told any more where its results lie.
func (t *stageRun) endOwn(ctx context.Context) error {
	dir := t.s.path(t.name())
	left, err := t.p.leftIn(ctx, dir, true)
	if err == nil && left != nil {
		_, err = raytrain.Cancel(ctx, left.cluster, left.rec)
	}
	switch {
	case err == nil:
		return forget(dir)
	case ctx.Err() == nil && t.p.recipe.Compute.Engine != recipe.Ray: // it may be gone for good
		t.p.show.Say("  warning: the job of %s that is not needed any more may be under way: %v", t.name(), err)
		return forget(dir)
	}
	return fmt.Errorf("end the job of %s that is not needed any more: %w", t.name(), err)
}

// forget takes the record of a job away: nodes would look where it points to for what
// has come from elsewhere.
func forget(dir string) error {
	err := os.Remove(filepath.Join(dir, raytrain.RecordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// notElsewhere refuses to train here what a cluster trains already.
func (t *stageRun) notElsewhere(ctx context.Context) error {
	if t.p.recipe.Compute.Engine == recipe.Ray {
		return nil
	}
	left, err := t.p.leftIn(ctx, t.s.path(t.name()), true)
	switch id := t.s.dir.ID; {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		t.p.show.Say("  warning: %s was begun on a cluster, and whether its job is under way is not known: %v", t.name(), err)
	case left != nil && !left.Status.Ended():
		return fault.Newf(fmt.Sprintf("bbjtune runs attach %[1]s follows it, bbjtune runs cancel %[1]s ends it", id),
			"%s of %s is under way on the cluster at %s, as job %s", t.name(), id, left.cluster.Address, left.ID)
	}
	return nil
}
