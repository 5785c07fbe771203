package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/ray"
	"bbjtune/internal/raytrain"
	"bbjtune/internal/recipe"
	"bbjtune/internal/record"
	"bbjtune/internal/runs"
)

func (a *app) runsAttachCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "attach [RUN]",
		Short: "follow a training on a cluster that was left running, and finish its folder",
		Long: `Attach goes on with a training that runs on a Ray cluster (compute.engine: ray)
where whoever followed it stopped: Ctrl-C leaves the job running, and so does a
computer that is switched off. What was shown is not shown again. When the job is
done its results are fetched and the run's folder is complete, as if nothing had
been interrupted. The data is that of the run, whatever became of its sources.
Stage 2 begins when somebody follows. A job that has failed meanwhile, or was
stopped, is told with its cause and not begun again; one that the cluster has lost,
as after a restart of its head, is.

Without RUN it is the one training that was left running. Starting the same
command again does the same where recipe and data have not changed, and also
goes on after a failure, from the newest complete checkpoint.`,
		Example: "  bbjtune runs attach tiny-0123456789ab",
		Args:    args(0, 1, "one training"),
		RunE: func(cmd *cobra.Command, list []string) error {
			e, err := a.leftBehind(list)
			if err != nil {
				return err
			}
			if e.State != runs.Complete {
				if err := a.attach(cmd.Context(), e); err != nil {
					return err
				}
			}
			if format == "json" {
				return writeJSON(a.Out, map[string]any{"version": 1, "run": e.ID, "folder": e.Path})
			}
			fmt.Fprintln(a.Out, e.Path)
			return nil
		},
	}
	outputFormat(c, &format, "text", "json")
	return c
}

func (a *app) runsCancelCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "cancel RUN",
		Short: "end the job of a training that runs on a cluster",
		Long: `Cancel ends the job of a training on a Ray cluster and waits until it has ended.
Complete checkpoints stay on the cluster's storage: the same training started
again goes on from the newest. A training that is being followed from elsewhere is
told so there.`,
		Example: "  bbjtune runs cancel tiny-0123456789ab",
		Args:    args(1, 1, "one training"),
		RunE: func(cmd *cobra.Command, list []string) error {
			e, err := a.leftBehind(list)
			if err != nil {
				return err
			}
			c, err := a.cancel(cmd.Context(), e)
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(a.Out, c)
			}
			fmt.Fprintln(a.Out, progress.Printable(c.String()))
			return nil
		},
	}
	outputFormat(c, &format, "text", "json")
	return c
}

// leftBehind is the training that is named, or the only one that was left running.
func (a *app) leftBehind(names []string) (runs.Entry, error) {
	s, err := a.store(names)
	if err != nil {
		return runs.Entry{}, err
	}
	if len(names) == 1 {
		e, err := s.Find(names[0], "train")
		if err == nil && !exists(filepath.Join(e.Path, pinsFile)) {
			err = fault.New(e.ID+" is no training on a cluster", "bbjtune runs list shows what there is; what trains on this machine ends with its command")
		}
		return e, err
	}
	return onlyLeft(s)
}

func onlyLeft(s *record.Store) (runs.Entry, error) {
	var left []runs.Entry
	var ids []string
	for _, e := range s.Entries {
		if e.Kind == "train" && e.State == runs.Unfinished && exists(filepath.Join(e.Path, pinsFile)) && !stoppedEarly(e.Path) && !cancelled(e.Path) {
			left, ids = append(left, e), append(ids, e.ID)
		}
	}
	switch len(left) {
	case 0:
		return runs.Entry{}, fault.New("no training on a cluster was left running", "bbjtune runs list shows what there is")
	case 1:
		return left[0], nil
	}
	return runs.Entry{}, fault.Newf("name one of "+strings.Join(ids, ", "), "%d trainings on a cluster were left running", len(left))
}

// pinsFile says which data a training on a cluster has, for whoever follows it later.
const pinsFile = "cluster.json"

// pins are what a training that goes on elsewhere must not lose sight of.
type pins struct {
	Version int    `json:"version"`
	Data    string `json:"data"`
	// Cancelled says that its job was ended on purpose.
	Cancelled bool `json:"cancelled,omitempty"`
}

const pinsVersion = 1

func (p *pipeline) pin(s, data step) error {
	if p.recipe.Compute.Engine != recipe.Ray {
		return nil
	}
	return writeJSONFile(s.path(pinsFile), pins{Version: pinsVersion, Data: data.dir.ID})
}

// readPins reads what a training was begun with.
func readPins(dir string) (pins, error) {
	text, err := os.ReadFile(filepath.Join(dir, pinsFile))
	if err != nil {
		return pins{}, err
	}
	var was pins
	if err := json.Unmarshal(text, &was); err != nil || was.Version != pinsVersion || filepath.Base(was.Data) != was.Data {
		return pins{}, fault.Newf("start the training again; a job that is under way is found by its name", "%s is damaged, or another version of bbjtune wrote it", filepath.Join(dir, pinsFile))
	}
	return was, nil
}

// cancelled reports whether the job of a training was ended on purpose.
func cancelled(dir string) bool {
	was, err := readPins(dir)
	return err == nil && was.Cancelled
}

// attach carries the training of a folder to its end.
func (a *app) attach(ctx context.Context, e runs.Entry) error {
	if cancelled(e.Path) {
		return fault.Newf(a.command("train", filepath.Join(e.Path, "recipe.yaml"))+" goes on from its newest complete checkpoint", "%s was cancelled", e.ID)
	}
	p, err := a.pipeline(filepath.Join(e.Path, "recipe.yaml"))
	if err != nil {
		return err
	}
	defer p.close()
	p.engine, p.only = check.Embedded{}, e.ID
	if err := p.pinned(e.Path); err != nil {
		return err
	}
	_, err = p.train(ctx)
	return err
}

// pinned takes the data that a training was begun with.
func (p *pipeline) pinned(dir string) error {
	was, err := readPins(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(filepath.Dir(filepath.Dir(dir)), "data", was.Data)
	m, err := runs.ReadManifest(path)
	if errors.Is(err, fs.ErrNotExist) || err != nil && !exists(path) {
		return fault.Newf("start the training again: it makes the data anew", "the data of this training, %s, is gone", path)
	}
	if err != nil {
		return err
	}
	counts := &dataCounts{}
	if err := json.Unmarshal(m.Result, counts); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	p.data, p.counts = &step{&runs.Dir{Path: path, Kind: "data", ID: m.ID, Key: m.Key}, m}, counts
	return nil
}

// sameTraining holds what is about to be trained against the run that was named.
func (p *pipeline) sameTraining(inputs any) error {
	if p.only == "" {
		return nil
	}
	key, err := runs.Key("train", inputs)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(p.only, "-"+key[:12]) {
		return fault.Newf("bbjtune runs cancel "+p.only+" ends its job; or use the bbjtune and the base model that it was started with",
			"%s was started with another base model or another bbjtune than are here now", p.only)
	}
	return nil
}

// cancellation is what became of a training that was to be cancelled.
type cancellation struct {
	Version int    `json:"version"`
	Run     string `json:"run"`
	// Job is the one that was ended, or is done.
	Job     string  `json:"job,omitempty"`
	Outcome outcome `json:"outcome"`
}

// outcome says whether there was something to cancel.
type outcome string

const (
	outcomeEnded   outcome = "ended"    // the job was under way, and has ended
	outcomeDone    outcome = "done"     // it had come to its end before
	outcomeNothing outcome = "none"     // none is under way
	outcomeWhole   outcome = "complete" // nor was one to come
)

func (c cancellation) String() string {
	switch c.Outcome {
	case outcomeEnded:
		return fmt.Sprintf("job %s ended", c.Job)
	case outcomeDone:
		return fmt.Sprintf("job %s is done: bbjtune runs attach %s fetches what it left", c.Job, c.Run)
	case outcomeWhole:
		return c.Run + " is complete"
	}
	return fmt.Sprintf("no job of %s is under way", c.Run)
}

// cancel ends the job of the stage that is under way.
func (a *app) cancel(ctx context.Context, e runs.Entry) (cancellation, error) {
	c := cancellation{1, e.ID, "", outcomeNothing}
	if e.State == runs.Complete {
		c.Outcome = outcomeWhole
		return c, nil
	}
	for _, stage := range []string{"stage2", "stage1"} {
		rec, err := ownRecord(filepath.Join(e.Path, stage))
		if err != nil {
			return c, err
		}
		if rec == nil {
			continue
		}
		if err := a.end(ctx, *rec, &c); err != nil {
			return c, err
		}
		if c.Outcome != outcomeNothing {
			break
		}
	}
	if c.Outcome == outcomeDone {
		return c, nil
	}
	return c, noteCancelled(e.Path)
}

// end ends a job, and says what became of it.
func (a *app) end(ctx context.Context, rec raytrain.Record, c *cancellation) error {
	cluster, err := a.connectCluster(ctx, "", rec.Address)
	if err != nil {
		return err
	}
	id, err := raytrain.Cancel(ctx, cluster, rec)
	if err != nil {
		return err
	}
	if id != "" {
		c.Job, c.Outcome = id, outcomeEnded
		return nil
	}
	id = raytrain.ID(rec.Name, rec.Attempt)
	job, err := cluster.Job(ctx, id)
	if job.Status == ray.Succeeded {
		c.Job, c.Outcome = id, outcomeDone
	}
	if ray.Is(err, ray.NotFound) {
		return nil
	}
	return err
}

// noteCancelled keeps others from taking the training for one that goes on, or from
// beginning its job again. Whoever starts the training takes the note away.
func noteCancelled(dir string) error {
	was, err := readPins(dir)
	if err != nil {
		return nil // damaged: nobody attaches to that
	}
	was.Cancelled = true
	return writeJSONFile(filepath.Join(dir, pinsFile), was)
}
