package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"bbjtune/internal/dataset"
	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
	"bbjtune/internal/sweep"
	"bbjtune/internal/trainer"
)

// rungsFile keeps what a sweep decided of a training that is under way. It goes
// when the training is complete.
const rungsFile = "rungs.json"

// climbed is that file.
type climbed struct {
	Version int `json:"version"`
	// Sweep is the key of the sweep that decided: the stops of another one do not
	// count for it.
	Sweep string `json:"sweep"`
	// Rungs were reached and gone past, or stopped at.
	Rungs   []rung      `json:"rungs"`
	Stopped *sweep.Stop `json:"stopped,omitempty"`
}

// climbedVersion is raised when that form changes.
const climbedVersion = 1

// rung is an evaluation at which a training was judged; Loss is nil where it was no
// number.
type rung struct {
	Evaluation int      `json:"evaluation"`
	Step       int      `json:"step"`
	Loss       *float64 `json:"valid_loss"`
}

func (r rung) loss() float64 {
	if r.Loss == nil {
		return math.NaN()
	}
	return *r.Loss
}

// climber has a training judged at its rungs.
type climber struct {
	rule    sweep.Rule
	halving *sweep.Halving
	sweep   string
	variant int
}

// errStopped ends the training of a variant that does not go on.
type errStopped struct {
	at  sweep.Stop
	dir string
}

func (e *errStopped) Error() string { return e.at.String() }

// load reads what this sweep decided of the training in a folder before.
func (c *climber) load(dir string) (climbed, error) {
	k := climbed{Version: climbedVersion, Sweep: c.sweep}
	path := filepath.Join(dir, rungsFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, err
	}
	var found climbed
	if err := json.Unmarshal(text, &found); err != nil {
		return k, fault.Newf("delete it: the training goes on, and is judged again", "%s is damaged: %w", path, err)
	}
	if found.Version != climbedVersion || found.Sweep != c.sweep {
		return k, nil
	}
	return found, nil
}

// stoppedEarly reports whether a sweep stopped the training in a folder.
func stoppedEarly(dir string) bool {
	var k climbed
	text, err := os.ReadFile(filepath.Join(dir, rungsFile))
	return err == nil && json.Unmarshal(text, &k) == nil && k.Stopped != nil
}

// recall tells the others what a training in a folder has reached before, and
// returns the stop that this sweep decided.
func (c *climber) recall(dir string) (*sweep.Stop, error) {
	k, err := c.load(dir)
	if err != nil {
		return nil, err
	}
	for _, r := range k.Rungs {
		c.halving.Reach(c.variant, r.Evaluation, r.loss())
	}
	return k.Stopped, nil
}

// recallLog is recall for a training that is complete, by its loss log.
func (c *climber) recallLog(path string) error {
	log, err := trainer.ReadLog(path)
	if err != nil {
		return err
	}
	var losses []float64
	for _, e := range log {
		if e.EvalLoss != nil && e.Step > 0 {
			losses = append(losses, *e.EvalLoss)
		}
	}
	for _, n := range c.rule.Rungs() {
		if n <= len(losses) {
			c.halving.Reach(c.variant, n, losses[n-1])
		}
	}
	return nil
}

// reach judges a training at a rung, writes the verdict into its folder, and returns
// errStopped where it does not go on. What was decided before holds: a training that
// goes on from a checkpoint tells of its earlier rungs again. Rungs of somebody else are
// passed over: a job that a sweep has left on a cluster tells of them to whoever follows
// it, be that a sweep with another rule or none at all.
func (c *climber) reach(dir *runs.Dir, e trainer.Event) error {
	if c == nil || !slices.Contains(c.rule.Rungs(), e.Evaluation) {
		return nil
	}
	k, err := c.load(dir.Path)
	if err != nil {
		return err
	}
	if k.Stopped != nil { // what the worker sent before it heard of that
		return &errStopped{*k.Stopped, dir.Path}
	}
	for _, r := range k.Rungs {
		if r.Evaluation == e.Evaluation {
			return nil
		}
	}
	r := rung{e.Evaluation, e.Step, e.Loss}
	v := c.halving.Reach(c.variant, r.Evaluation, r.loss())
	k.Rungs = append(k.Rungs, r)
	// What is trained to its end is not thrown away.
	if !v.GoesOn() && !e.Finished {
		k.Stopped = &sweep.Stop{Evaluation: r.Evaluation, Step: r.Step, Loss: r.Loss, Place: v.Place, Of: v.Of, Keep: v.Keep}
	}
	if err := writeJSONFile(dir.File(rungsFile), k); err != nil {
		return err
	}
	if k.Stopped != nil {
		return &errStopped{*k.Stopped, dir.Path}
	}
	return nil
}

// judgeable refuses variants whose validation losses cannot be held against each
// other at the same evaluation. What they are measured on decides that.
func (s *sweeping) judgeable(p *pipeline, data step, b *base) error {
	stages := p.stages()
	last := stages[len(stages)-1]
	job := trainer.NewTrain(p.recipe, last, trainer.Paths{})
	valid, ok := data.manifest.Lookup(dataset.Path(last, dataset.Valid))
	if !ok {
		return fmt.Errorf("%s lacks %s", data.dir.Path, dataset.Path(last, dataset.Valid))
	}
	name := fmt.Sprintf("stage%d.", last)
	measures := []measure{
		{"the last stage", last}, {"base.model", b.identity}, {"the rows for validation", valid.SHA256}, {name + "eval_steps", job.EvalSteps},
		{name + "max_length", job.MaxLength}, {name + "overlong", job.Overlong}, {name + "loss", job.Loss},
	}
	if s.measures == nil {
		s.measures = measures
	}
	for j, m := range measures {
		if m != s.measures[j] {
			return fault.Newf("leave --early-stop out, or vary what leaves the measure as it is", "--early-stop holds validation losses against each other, but %s differs from that of %s", m.what, s.variants[0])
		}
	}
	return nil
}

// measure is something that a validation loss depends on besides the training.
type measure struct {
	what  string
	value any
}

// enter takes up what this sweep decided of its variants before.
func (s *sweeping) enter() error {
	key, err := runs.Key("sweep", map[string]any{"trainings": s.trainings, "rule": s.o.rule})
	if err != nil {
		return err
	}
	halving := sweep.NewHalving(s.o.rule)
	for i := range s.variants {
		c := &climber{rule: s.o.rule, halving: halving, sweep: key, variant: i}
		s.climbers = append(s.climbers, c)
		d, m, err := runs.Look(s.runs, "train", s.plans[i].Recipe.Name, s.trainings[i])
		if err != nil {
			return err
		}
		p := s.pipeline(s.app, i)
		var stop *sweep.Stop
		if m != nil {
			err = c.recallLog(d.File(p.lastStage(), "training_log.jsonl"))
		} else if stop, err = c.recall(d.Path); stop != nil {
			s.stopped[i] = sweep.Row{Changed: s.variants[i], Run: d.Path, Reused: true, Stopped: stop}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.variants[i], err)
		}
	}
	return nil
}
