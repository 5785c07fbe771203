package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"

	"bbjtune/internal/card"
	"bbjtune/internal/fault"
	"bbjtune/internal/licence"
	"bbjtune/internal/recipe"
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
	if err := runs.WriteWith(s.path(plotFile), t.LossSVG); err != nil {
		return nil, err
	}
	if err := runs.WriteWith(s.path(cardFile), p.card(t, b, d).Write); err != nil {
		return nil, err
	}
	names := []string{record.DataFile, plotFile, cardFile}
	// A stage that was done before an update did not leave it.
	if exists(s.path(record.EnvironmentFile)) {
		names = append(names, record.EnvironmentFile)
	}
	return names, nil
}

const cardFile = "README.md"

// card is the model card of a training, without evaluations: those come later,
// and what is finished is not written again.
func (p *pipeline) card(t *report.Training, b *base, d *record.Data) *card.Card {
	return &card.Card{
		Recipe: p.recipe, Training: t, Identity: b.identity, Date: p.Now(), Tool: Version(), Plot: plotFile, Dataset: d.ID, Counts: composition(d),
	}
}

const plotFile = "loss.svg"

// composition counts what a training's data was made of.
func composition(d *record.Data) []card.Count {
	c := dataCounts{}
	if d == nil || json.Unmarshal(d.Counts, &c) != nil {
		return nil
	}
	list := []card.Count{
		{Name: "examples", N: c.Examples}, {Name: "imported rows", N: c.Rows}, {Name: "raw source files", N: c.Raw}, {Name: "files of general code", N: c.General},
		{Name: "sources left out", N: c.Removed},
		{Name: "rows of stage 1, trained on", N: c.Stage1.Train}, {Name: "rows of stage 1, for validation", N: c.Stage1.Valid},
		{Name: "rows of stage 2, trained on", N: c.Stage2.Train}, {Name: "rows of stage 2, for validation", N: c.Stage2.Valid},
	}
	return slices.DeleteFunc(list, func(n card.Count) bool { return n.N == 0 })
}

func writeJSONFile(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return runs.WriteFile(path, append(text, '\n'))
}

// environment records what the worker runs on.
func (t *stageRun) environment(python string, e trainer.Event, again bool) {
	if again && exists(t.s.path(record.EnvironmentFile)) {
		return // who heard it first may have died before it was written
	}
	err := writeJSONFile(t.s.path(record.EnvironmentFile), record.Environment{
		Version: record.FormVersion, Tool: Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Compute: &t.p.recipe.Compute,
		Python:  python, Packages: e.Packages, Device: e.Device, DeviceName: e.DeviceName, Precision: e.Precision, Threads: e.Threads, Engine: e.Engine,
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
	if b == nil || e.Loss == nil || e.Event != "step" && e.Event != "eval" {
		return
	}
	b.keep(func() error { return b.write(e) })
}

// sampled writes how many of how many samples compiled at a step.
func (b *board) sampled(step int, found [2]int) {
	if b == nil || b.w == nil || found[1] == 0 { // an evaluation's loss came before
		return
	}
	b.keep(func() error { return b.w.Scalar("compile@1", step, float64(found[0])/float64(found[1]), b.p.Now()) })
}

// keep writes, until that fails once.
func (b *board) keep(write func() error) {
	if b.failed {
		return
	}
	if err := write(); err != nil {
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
// there are by now: of the graft, or of the tuned base model where that is nil.
func cardOf(r *record.Run, g *card.Graft) (*card.Card, error) {
	plan, err := r.Plan()
	if err != nil {
		return nil, err
	}
	c := &card.Card{Recipe: plan, Training: &r.Training, Identity: r.Base(), Date: r.Manifest.Created, Tool: r.Manifest.Tool, Counts: composition(r.Data), Graft: g}
	if r.Data != nil {
		c.Dataset = r.Data.ID
	}
	if r.Environment != nil {
		c.Packages = r.Environment.Packages
	}
	if exists(filepath.Join(r.Path, plotFile)) {
		c.Plot = plotFile
	}
	grafted := ""
	if g != nil {
		grafted = g.Onto
	}
	if len(r.Verifications) > 0 && g == nil {
		for _, f := range r.Verifications[0].Report.Files {
			c.Verified = append(c.Verified, f.String())
		}
	}
	for _, v := range r.Evaluations {
		if v.Grafted != grafted {
			continue
		}
		e := scored(v)
		for _, other := range r.Beside(v) {
			e.Beside = append(e.Beside, scored(other))
		}
		c.Evaluations = append(c.Evaluations, e)
	}
	return c, nil
}

// ofPackage makes a card that of a package: the files that are served, what made
// them, and the licence that is beside them.
func ofPackage(c *card.Card, o recipe.Package, made *packed, files []string) {
	c.Recipe.Package = o
	c.GGUF = ggufName(o.Quantize[0])
	if made.Licence != nil {
		c.Base = licence.Licence{Name: made.Licence.Base, From: made.Licence.From}
	}
	for _, d := range made.Steps {
		c.Parts = append(c.Parts, card.Part{Name: d.Output, Size: d.Size, Tool: d.Tool})
		if d.Output == adapterFile {
			c.Adapter = adapterFile
		}
	}
	if slices.Contains(files, licenceFile) {
		c.LicenseFile = licenceFile
	}
}

// packInputs are what is read back of the inputs of a package's manifest.
type packInputs struct {
	Trained string         `json:"trained"`
	Package recipe.Package `json:"package"`
}

func scored(v record.Evaluation) card.Evaluation {
	return card.Evaluation{Label: v.Label, Date: v.Manifest.Created, Suite: v.Suite, Engine: v.Engine, Metrics: v.Metrics}
}

// trainingOf returns the training that a run is, or that a package was made of,
// and the package.
func trainingOf(s *record.Store, name string) (r *record.Run, pack *runs.Entry, err error) {
	e, err := s.Find(name, "train", "pack")
	if err != nil {
		return nil, nil, err
	}
	if e.Kind == "pack" && e.State == runs.Complete {
		var in packInputs
		if err := json.Unmarshal(e.Manifest.Inputs, &in); err != nil {
			return nil, nil, fmt.Errorf("%s: inputs of manifest.json: %w", e.Path, err)
		}
		t, ok := s.ByKey("train", in.Trained)
		if !ok {
			return nil, nil, fault.Newf("copy the training back, or name another", "the training that %s was made of is not in %s", e.Path, s.Root)
		}
		made := e
		pack, e = &made, t
	}
	r, err = record.Load(e.Path)
	return r, pack, err
}

// currentCard is the card of a training, or of a package of it, as of now.
func currentCard(s *record.Store, name string) (*card.Card, error) {
	r, pack, err := trainingOf(s, name)
	if err != nil {
		return nil, err
	}
	var g *card.Graft
	if pack != nil {
		if found := record.Grafted(*pack); found != nil {
			g = &card.Graft{Onto: found.Onto, Identity: found.Identity}
		}
	}
	c, err := cardOf(r, g)
	if err != nil || pack == nil {
		return c, err
	}
	in, made := packInputs{}, packed{}
	if err := errors.Join(json.Unmarshal(pack.Manifest.Inputs, &in), json.Unmarshal(pack.Manifest.Result, &made)); err != nil || len(in.Package.Quantize) == 0 {
		return nil, fault.Newf("pack the training again", "%s was packed by an older bbjtune", pack.Path)
	}
	var files []string
	for _, f := range pack.Manifest.Files {
		files = append(files, f.Path)
	}
	ofPackage(c, in.Package, &made, files)
	return c, nil
}
