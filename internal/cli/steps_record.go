package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"

	"bbjtune/internal/card"
	"bbjtune/internal/record"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
	"bbjtune/internal/tensorboard"
	"bbjtune/internal/trainer"
)

// writeRecord writes what is to be known of a training once its folder is
// complete, and returns the names of the files.
func (p *pipeline) writeRecord(s, data step, b *base, t *report.Training) ([]string, error) {
	d, err := record.NewData(data.dir.Path, data.manifest)
	if err != nil {
		return nil, err
	}
	if err := writeJSONFile(s.path(record.DataFile), d); err != nil {
		return nil, err
	}
	if err := runs.WriteWith(s.path("loss.svg"), t.LossSVG); err != nil {
		return nil, err
	}
	if err := runs.WriteWith(s.path(cardFile), p.card(t, b, "").Write); err != nil {
		return nil, err
	}
	names := []string{record.DataFile, "loss.svg", cardFile}
	// A stage that was done before an update did not leave it.
	if exists(s.path(record.EnvironmentFile)) {
		names = append(names, record.EnvironmentFile)
	}
	return names, nil
}

const cardFile = "README.md"

// card is the model card of a training, without evaluations: those come later,
// and what is finished is not written again. A name of a GGUF file makes it that
// file's card.
func (p *pipeline) card(t *report.Training, b *base, gguf string) *card.Card {
	return &card.Card{Recipe: p.recipe, Training: t, Identity: b.identity, Date: p.Now(), Tool: Version(), GGUF: gguf}
}

func writeJSONFile(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return runs.WriteFile(path, append(text, '\n'))
}

// environment records what the worker runs on.
func (t *stageRun) environment(python string, e trainer.Event) {
	err := writeJSONFile(t.s.path(record.EnvironmentFile), record.Environment{
		Version: record.FormVersion, Tool: Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Python: python, Packages: e.Packages, Device: e.Device, DeviceName: e.DeviceName, Precision: e.Precision, Threads: e.Threads,
	})
	if err != nil {
		t.p.show.Say("  warning: the environment is not recorded: %v", err)
	}
}

// board passes the losses of a stage on to TensorBoard's files. Failing to do so
// ends no training.
type board struct {
	p      *pipeline
	dir    string
	w      *tensorboard.Writer
	failed bool
}

// board returns that of a stage, or nil where the recipe does not ask for it.
func (t *stageRun) board() *board {
	if !slices.Contains(t.p.recipe.Tracking, "tensorboard") {
		return nil
	}
	return &board{p: t.p, dir: t.s.path(t.name(), boardFolder)}
}

const boardFolder = "tensorboard"

// event writes the figures of an event. The file begins with the first: an
// attempt that went no further leaves none.
func (b *board) event(e trainer.Event) {
	if b == nil || b.failed || e.Loss == nil || e.Event != "step" && e.Event != "eval" {
		return
	}
	if err := b.write(e); err != nil {
		b.failed = true
		b.p.show.Say("  warning: no more files for TensorBoard: %v", err)
	}
}

func (b *board) write(e trainer.Event) error {
	now := b.p.Now()
	if b.w == nil {
		w, err := tensorboard.Create(b.dir, now)
		if err != nil {
			return err
		}
		b.w = w
		if err := w.Start(e.Step, now); err != nil {
			return err
		}
	}
	if e.Event == "eval" {
		return b.w.Scalar("loss/validation", e.Step, *e.Loss, now)
	}
	if err := b.w.Scalar("learning rate", e.Step, e.LearningRate, now); err != nil {
		return err
	}
	return b.w.Scalar("loss/training", e.Step, *e.Loss, now)
}

func (b *board) close() {
	if b != nil && b.w != nil {
		b.w.Close()
	}
}

// cardOf is the model card of a finished training with the evaluations that
// there are by now, or of the GGUF file that was made of it.
func cardOf(r *record.Run, gguf bool) (*card.Card, error) {
	plan, err := r.Plan()
	if err != nil {
		return nil, err
	}
	c := &card.Card{Recipe: plan, Training: &r.Training, Identity: r.Base(), Date: r.Manifest.Created, Tool: r.Manifest.Tool}
	if gguf {
		c.GGUF = ggufName(plan.Package.Quantize[0])
	}
	for _, v := range r.Evaluations {
		e := scored(v)
		for _, other := range r.Beside(v) {
			e.Beside = append(e.Beside, scored(other))
		}
		c.Evaluations = append(c.Evaluations, e)
	}
	return c, nil
}

func scored(v record.Evaluation) card.Evaluation {
	return card.Evaluation{Label: v.Label, Date: v.Manifest.Created, Suite: v.Suite, Engine: v.Engine, Metrics: v.Metrics}
}

// trainingOf returns the training that a run is, or that a package was made of.
func trainingOf(s *record.Store, name string) (r *record.Run, gguf bool, err error) {
	e, err := s.Find(name, "train")
	if err != nil {
		return nil, false, err
	}
	if e.Kind == "pack" && e.State == runs.Complete {
		var in struct {
			Trained string `json:"trained"`
		}
		if err := json.Unmarshal(e.Manifest.Inputs, &in); err != nil {
			return nil, false, fmt.Errorf("%s: inputs of manifest.json: %w", e.Path, err)
		}
		if t, ok := s.ByKey("train", in.Trained); ok {
			e, gguf = t, true
		}
	}
	r, err = record.Load(e.Path)
	return r, gguf, err
}
