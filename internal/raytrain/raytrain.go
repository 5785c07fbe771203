// Package raytrain carries out the train jobs of the worker on a Ray cluster: it
// packs code and rows, submits, follows the events by their numbers, and fetches
// what the stage leaves. Whoever follows may die: what was heard is in a journal
// in the stage's folder, and the next one goes on from there.
//
// It knows jobs and events as internal/trainer does, and a cluster by internal/ray. It must not know recipes, nor
// show progress itself.
package raytrain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
	"bbjtune/internal/trainer"
)

// Options say where and how a job runs.
type Options struct {
	Cluster Cluster
	// Name tells the work from any other on the cluster: the training's folder and
	// the stage. The same name is the same work.
	Name string
	// Dir is the stage's folder. It gets the record of the job, the journal of its
	// events, and in the end its results.
	Dir string
	// Code holds the worker's files.
	Code fs.FS
	// Base says where the nodes find the base model.
	Base Base
	// Workers share each optimizer step; each gets Resources, by Ray's names.
	Workers   int
	Resources map[string]float64
	// Address is that of the cluster, for the record.
	Address string
	// Storage is a folder that all nodes see, or "" where there is one node alone.
	Storage string
	// NoRetry says that a job which failed, or was stopped, is told as it ended and not
	// begun again.
	NoRetry bool
	// Say tells the user what is no event.
	Say func(format string, args ...any)
	// Poll is how often the cluster is asked for events, and Patience how long it
	// may not answer. Zero means the defaults.
	Poll, Patience time.Duration
}

// The defaults. A head that is restarted is back well within the patience.
const (
	DefaultPoll     = 2 * time.Second
	DefaultPatience = 5 * time.Minute
)

// Cluster is what a job needs of a cluster; [ray.Client] is one.
type Cluster interface {
	Nodes(ctx context.Context) ([]ray.Node, error)
	Upload(ctx context.Context, p *ray.Package) (sent bool, err error)
	Submit(ctx context.Context, s ray.Submission) (started bool, err error)
	Job(ctx context.Context, id string) (ray.Job, error)
	Stop(ctx context.Context, id string) error
	File(ctx context.Context, node, name string, lines int) (io.ReadCloser, error)
}

// Detached is the error of Run when its context ended: the job goes on.
type Detached struct {
	ID    string
	cause error
}

func (d *Detached) Error() string { return "the training goes on as job " + d.ID + " of the cluster" }
func (d *Detached) Unwrap() error { return d.cause }

// restarts is how often in a row a job is submitted again that the cluster lost before
// it left a checkpoint.
const restarts = 3

// Run carries out a job and returns its result. A job of that name which is under
// way, or done, is followed and not started again. Each event goes to on once; again
// marks those that an earlier call has passed on. The results are in the stage's
// folder then.
func Run(ctx context.Context, o Options, job trainer.Train, on func(e trainer.Event, again bool)) (json.RawMessage, error) {
	if o.Poll == 0 {
		o.Poll = DefaultPoll
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	r, err := open(o, job, on)
	if err != nil {
		return nil, err
	}
	defer r.close()
	for lost := 0; ; lost++ {
		done, err := r.once(ctx)
		if r.advanced {
			lost = 0
		}
		switch {
		case err == nil:
			return done.Result, nil
		case ctx.Err() != nil && r.submitted:
			return nil, &Detached{r.id(), context.Cause(ctx)}
		case !errors.Is(err, errLost):
			return nil, err
		case lost == restarts:
			return nil, fault.Newf("look at the cluster; the same command goes on from the newest complete checkpoint", "%d times now %w", lost+1, err)
		}
		o.Say("  %v; it is submitted again and goes on from the newest complete checkpoint", err)
		r.next()
	}
}

// once finds or submits the job, follows it to its end and fetches what it leaves.
func (r *run) once(ctx context.Context) (*done, error) {
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	r.submitted = true
	d, node, err := r.follow(ctx)
	if err != nil {
		return nil, r.withLog(ctx, node, err)
	}
	return d, r.fetch(ctx, d, node)
}

// start finds or submits the job.
func (r *run) start(ctx context.Context) error {
	return r.patiently(ctx, func() error {
		found, err := r.find(ctx)
		if err == nil && !found {
			err = r.submit(ctx)
		}
		return err
	})
}

// patiently does something again as long as a cluster that has answered before may
// answer again.
func (r *run) patiently(ctx context.Context, do func() error) error {
	for away := r.waiting(); ; {
		err := do()
		if !ray.Passing(err) {
			if err == nil {
				away.back()
			}
			return err
		}
		if err := away.told(err); err != nil {
			return err
		}
		if err := sleep(ctx, r.Poll); err != nil {
			return err
		}
	}
}

// find looks for a job of that name that is under way or done. What failed or was
// stopped is passed over, unless it is to be told: the next attempt goes on from its
// checkpoints.
func (r *run) find(ctx context.Context) (bool, error) {
	for ; ; r.next() {
		job, err := r.Cluster.Job(ctx, r.id())
		switch {
		case ray.Is(err, ray.NotFound) && r.last > 0:
			// Its numbers would begin anew under the same name.
			r.Say("  the cluster knows the job no more, as after a restart of its head; it is submitted again")
			continue
		case ray.Is(err, ray.NotFound):
			return false, nil
		case err != nil:
			return false, err
		case r.NoRetry:
		case r.failed != nil: // the job is about to end, if it has not
			r.Say("  job %s failed: %s; it is begun again, from the newest complete checkpoint", r.id(), r.failed)
			continue
		case job.Status == ray.Failed:
			r.Say("  job %s failed: %s; it is begun again, from the newest complete checkpoint", r.id(), lastWords(job.Message))
			continue
		case job.Status == ray.Stopped:
			r.Say("  job %s was stopped; it is begun again, from the newest complete checkpoint", r.id())
			continue
		}
		if job.Status.Ended() {
			r.Say("  job %s has ended", r.id())
		} else {
			r.Say("  job %s is under way", r.id())
		}
		return true, r.record()
	}
}

func (r *run) submit(ctx context.Context) error {
	files, err := r.files()
	if err != nil {
		return err
	}
	parcel, err := ray.NewPackage(files)
	if err != nil {
		return err
	}
	if _, err := r.Cluster.Upload(ctx, parcel); err != nil {
		return err
	}
	nodes, err := r.Cluster.Nodes(ctx)
	if err != nil {
		return err
	}
	// Recorded first: killed right after it was started, it is found again.
	if err := r.record(); err != nil {
		return err
	}
	r.submitted = true // as far as one knows who is interrupted in between
	_, err = r.Cluster.Submit(ctx, ray.Submission{
		ID: r.id(), Entrypoint: nodes[0].Command("ray_driver.py"), Env: ray.RuntimeEnv{WorkingDir: parcel.URI(), Vars: environment(r.id(), r.Client)},
		Metadata: map[string]string{"bbjtune": r.Options.Name},
	})
	if err == nil {
		r.Say("  job %s is submitted", r.id())
	}
	return err
}

// environment is what the libraries read when they are loaded, on every node: the
// same as the local worker sets.
func environment(id, client string) map[string]string {
	return map[string]string{
		"BBJTUNE_SUBMISSION": id,
		// Whose earlier attempts it may follow at once.
		"BBJTUNE_CLIENT": client,
		// The workers stay in the folder of the package.
		"RAY_CHDIR_TO_TRIAL_DIR": "0",
		"OMP_WAIT_POLICY":        "PASSIVE", "GOMP_SPINCOUNT": "20000",
		"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "DO_NOT_TRACK": "1",
		"TRANSFORMERS_NO_ADVISORY_WARNINGS": "1", "TOKENIZERS_PARALLELISM": "false",
	}
}

// ID is that of a job on the cluster.
func ID(name string, attempt int) string { return fmt.Sprintf("bbjtune-%s-%d", name, attempt) }

// Cancel ends the job that a stage's folder records, and waits until it has ended.
// It returns the job's ID, or "" where none was under way. A job whose node is gone has
// ended, though a head that was restarted with its tables says for ever that it runs.
func Cancel(ctx context.Context, c Cluster, rec Record) (string, error) {
	id := ID(rec.Name, rec.Attempt)
	job, err := c.Job(ctx, id)
	if ray.Is(err, ray.NotFound) || err == nil && job.Status.Ended() {
		return "", nil
	}
	if err == nil {
		err = c.Stop(ctx, id)
	}
	for missing := 0; err == nil; {
		job, err = c.Job(ctx, id)
		if ray.Is(err, ray.NotFound) || err == nil && (job.Status.Ended() || missing == missingFor) {
			return id, nil
		}
		if missing++; err == nil {
			var there bool
			if there, err = alive(ctx, c, job.Node); there || job.Node == "" {
				missing = 0
			}
		}
		if err == nil {
			err = sleep(ctx, time.Second)
		}
	}
	return "", err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// NameOf is the name of a stage's work: its folder and the one above.
func NameOf(dir string) string {
	return strings.Join([]string{filepath.Base(filepath.Dir(dir)), filepath.Base(dir)}, "-")
}
