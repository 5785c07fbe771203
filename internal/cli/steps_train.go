package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bbjtune/internal/chat"
	"bbjtune/internal/dataset"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
	"bbjtune/worker"
)

// train runs the stages that the recipe switches on; each continues the
// adapter of the one before, or starts from that merged into the base model.
func (p *pipeline) train(ctx context.Context) (step, error) {
	if p.trained == nil {
		s, err := p.trainOnce(ctx)
		if err != nil {
			return step{}, err
		}
		p.trained = &s
	}
	return *p.trained, nil
}

// needRows fails early where a stage would find nothing to train on or to
// validate with.
func needRows(c *dataCounts, stages []int) error {
	for _, n := range stages {
		rows := c.of(n)
		if rows.Train == 0 {
			return fault.Newf("add data for it, or switch it off with enabled: false", "stage %d has no rows to train on", n)
		}
		if rows.Valid == 0 {
			return fault.Newf("raise data.valid_share, or add data: without validation overfitting cannot be seen", "stage %d has no rows for validation", n)
		}
	}
	return nil
}

func (p *pipeline) trainOnce(ctx context.Context) (step, error) {
	if err := p.admit(ctx); err != nil {
		return step{}, err
	}
	if err := p.needCluster(ctx); err != nil {
		return step{}, err
	}
	data, counts, err := p.buildData(ctx)
	if err != nil {
		return step{}, err
	}
	if err := needRows(counts, p.stages()); err != nil {
		return step{}, err
	}
	if err := p.needGPU(); err != nil {
		return step{}, err
	}
	b, err := p.ensureBase(ctx)
	if err != nil {
		return step{}, err
	}
	inputs, err := p.trainInputs(data, b)
	if err != nil {
		return step{}, err
	}
	if err := p.sameTraining(inputs); err != nil {
		return step{}, err
	}
	s, done, err := p.open(p.runs, "train", p.recipe.Name, inputs)
	if err != nil {
		return step{}, err
	}
	if done {
		p.before("training")
		return s, nil
	}
	defer s.dir.Close()
	follows, err := p.follows(ctx, s)
	if err == nil && !follows {
		err = p.clusterFits(ctx) // another training of that name was done or begun before
	}
	if err != nil {
		return step{}, err
	}
	p.advise(ctx)
	resolved, err := p.recipe.YAML()
	if err != nil {
		return step{}, err
	}
	if err := runs.WriteFile(s.path("recipe.yaml"), resolved); err != nil {
		return step{}, err
	}
	if err := p.pin(s, data); err != nil {
		return step{}, err
	}
	summary := &report.Training{Recipe: p.recipe.Name, Base: p.recipe.Base.Model, Data: describe(counts)}
	outputs := []string{"recipe.yaml"}
	adapter := ""
	if err := p.gate(ctx, s, b, data); err != nil {
		return step{}, err
	}
	for _, n := range p.stages() {
		t := &stageRun{p: p, s: s, n: n, adapterIn: adapter, base: b, data: data}
		done, err := t.run(ctx)
		if err != nil {
			return step{}, err
		}
		if n == 1 && p.firstDone != nil {
			p.firstDone()
		}
		summary.Stages = append(summary.Stages, *done)
		adapter = s.path(t.name(), "adapter")
		outputs = append(outputs, t.outputs()...)
		if exists(s.path(t.name(), boardFolder)) {
			outputs = append(outputs, t.name()+"/"+boardFolder)
		}
	}
	files, err := p.writeRecord(s, data, b, summary)
	if err != nil {
		return step{}, err
	}
	outputs = append(outputs, files...)
	if err := os.RemoveAll(s.path(rungsFile)); err != nil {
		return step{}, err
	}
	return s, p.finish(&s, summary, outputs...)
}

// needGPU fails before gigabytes are fetched for a training that cannot run here.
// What was trained elsewhere and copied here is not trained again.
func (p *pipeline) needGPU() error {
	if hasGPU() || p.recipe.Compute.Engine == recipe.Ray || p.trainedBefore() {
		return nil
	}
	switch {
	case p.recipe.Engine == recipe.Unsloth:
		return fault.New("engine unsloth needs an NVIDIA GPU, and this machine shows none", "train on a machine that has one, or set engine: trl")
	case p.recipe.Quantization == "nf4":
		return fault.New("quantization nf4 needs an NVIDIA GPU, and this machine shows none", "train on a machine that has one, or set quantization: none for a small model")
	}
	return nil
}

// trainedBefore reports whether some training of that name is complete: perhaps
// this one, which is known for certain only when the base model is there.
func (p *pipeline) trainedBefore() bool {
	done, err := fs.Glob(os.DirFS(p.runs), "train/"+p.recipe.Name+"-*/manifest.json")
	return err == nil && len(done) > 0
}

func (p *pipeline) stages() []int {
	var list []int
	if p.recipe.Stage1.Enabled {
		list = append(list, 1)
	}
	if p.recipe.Stage2.Enabled {
		list = append(list, 2)
	}
	return list
}

// trainInputs names everything that decides what training yields: the data's
// content, the base weights, the settings, the worker's own code.
func (p *pipeline) trainInputs(data step, b *base) (map[string]any, error) {
	files := map[string]string{}
	for _, n := range []int{1, 2} {
		for _, side := range []dataset.Side{dataset.Train, dataset.Valid} {
			f, ok := data.manifest.Lookup(dataset.Path(n, side))
			if !ok {
				return nil, fmt.Errorf("%s lacks %s", data.dir.Path, dataset.Path(n, side))
			}
			files[f.Path] = f.SHA256
		}
	}
	code, err := worker.TrainingHash(p.recipe.Engine)
	if err != nil {
		return nil, err
	}
	r := *p.recipe
	// What the training does not depend on must not make it start anew.
	r.Name, r.Description, r.Evaluate, r.Package, r.Data, r.Tracking = "", "", recipe.Evaluate{}, recipe.Package{}, recipe.Data{}, nil
	r.Graft, r.Allow, r.Record, r.Compute = recipe.Graft{}, nil, recipe.Record{}, recipe.Compute{}
	if r.Stage2.Start != "merged" {
		r.Stage2.Start = "" // as it was before there was a choice
	}
	r.Stage2.SamplePrompts, r.Stage2.SampleEvery, r.Stage2.SampleTokens = 0, 0, 0
	return map[string]any{"data": files, "base": b.identity, "recipe": r, "worker": code, "template": chat.Template}, nil
}

func describe(c *dataCounts) string {
	text := count(c.Examples, "example")
	for _, also := range []struct {
		n     int
		thing string
	}{{c.Rows, "imported row"}, {c.Raw, "raw source document"}, {c.General, "general-code file"}} {
		if also.n > 0 {
			text += ", " + count(also.n, also.thing)
		}
	}
	text += fmt.Sprintf("; %s to train on and %d for validation in stage 1, %d and %d in stage 2",
		count(c.Stage1.Train, "row"), c.Stage1.Valid, c.Stage2.Train, c.Stage2.Valid)
	if c.Removed > 0 {
		text += "; " + count(c.Removed, "source") + " left out"
	}
	return text + "."
}

// stageRun is one stage under way.
type stageRun struct {
	p         *pipeline
	s         step
	n         int
	adapterIn string
	base      *base
	data      step
}

func (t *stageRun) name() string { return fmt.Sprintf("stage%d", t.n) }

// stageFile is what a finished stage was. It is written last.
const stageFile = "stage.json"

// run trains the stage, unless it is done already or another training did the same.
func (t *stageRun) run(ctx context.Context) (*report.Stage, error) {
	if text, err := os.ReadFile(t.s.path(t.name(), stageFile)); err == nil && exists(t.s.path(t.name(), "adapter")) {
		var st report.Stage
		if json.Unmarshal(text, &st) == nil {
			t.p.show.Say("✓ %s: done before", title(t.n))
			if exists(t.s.path(t.name(), sharedFile)) {
				return &st, nil
			}
			return &st, t.share() // it ended before it had said so
		}
	}
	if st, err := t.takeShared(ctx); st != nil || err != nil {
		return st, err
	}
	if err := t.notElsewhere(ctx); err != nil {
		return nil, err
	}
	return t.train(ctx)
}

// train has the worker train the stage.
func (t *stageRun) train(ctx context.Context) (*report.Stage, error) {
	t.p.worked = true
	out := t.s.path(t.name())
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	paths, err := t.start(ctx)
	if err != nil {
		return nil, err
	}
	paths.Output = out
	job := absolute(trainer.NewTrain(t.p.recipe, t.n, paths))
	samples, err := t.samples()
	if err != nil {
		return nil, err
	}
	board := t.board()
	defer board.close()
	watch := &watcher{
		task: t.p.show.Start(title(t.n)), show: t.p.show,
		judge: func(e trainer.Event) (string, error) {
			n, err := samples.add(ctx, t.p.engine, e)
			board.sampled(e.Step, n)
			return fmt.Sprintf("%d/%d", n[0], n[1]), err
		},
	}
	defer watch.task.Drop()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	judged := t.p.climber != nil && t.name() == t.p.lastStage()
	if judged {
		job.Rungs = t.p.climber.rule.Rungs()
	}
	raw, err := t.carryOut(ctx, job, func(python string, e trainer.Event, again bool) {
		// A job that a sweep began tells of its rungs also where no sweep follows it.
		if e.Event == "rung" && judged {
			if err := t.p.climber.reach(t.s.dir, e); err != nil {
				stop(err)
			}
		}
		if e.Event == "environment" {
			t.environment(python, e, again)
		}
		if again {
			watch.again(e)
			return
		}
		board.event(e)
		watch.event(e)
	})
	var stopped *errStopped
	switch {
	case err == nil && errors.As(context.Cause(ctx), &stopped):
		err = stopped // it came to its end before it heard of that
	case err == nil:
		err = watch.err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", title(t.n), err)
	}
	if err := samples.annotate(t.s.path(t.name(), "training_log.jsonl")); err != nil {
		return nil, err
	}
	st, err := t.summary(raw, watch)
	if err != nil {
		return nil, err
	}
	kept := st.KeptText()
	if kept != "" {
		kept = "; " + kept
	}
	watch.task.End("validation loss %.3f → %.3f, %d steps, %d tokens%s", st.ValidFirst, st.ValidLast, st.Steps, st.Tokens, kept)
	if err := writeJSONFile(t.s.path(t.name(), stageFile), st); err != nil {
		return nil, err
	}
	return st, t.share()
}

// carryOut runs the stage's job where the recipe says.
func (t *stageRun) carryOut(ctx context.Context, job trainer.Train, on func(python string, e trainer.Event, again bool)) (json.RawMessage, error) {
	if t.p.recipe.Compute.Engine == recipe.Ray {
		return t.onCluster(ctx, job, func(e trainer.Event, again bool) { on(e.Python, e, again) })
	}
	w, release, err := t.p.trainingWorker(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	raw, err := w.Run(ctx, job, t.s.path(t.name(), "job.json"), func(e trainer.Event) { on(w.Python(), e, false) })
	if err == nil {
		err = forget(t.s.path(t.name()))
	}
	return raw, err
}

// start is what the stage trains on: the base model with the adapter of the stage
// before, or with that merged in.
func (t *stageRun) start(ctx context.Context) (trainer.Paths, error) {
	if !t.p.recipe.Merges(t.n) {
		paths := stagePaths(t.n, t.base, t.data)
		paths.AdapterIn = t.adapterIn
		return paths, nil
	}
	merged, err := t.p.mergedBase(ctx, t.base, t.adapterIn)
	if err != nil {
		return trainer.Paths{}, err
	}
	return stagePaths(t.n, merged, t.data), nil
}

// outputs are the stage's part of the manifest.
func (t *stageRun) outputs() []string {
	list := []string{"adapter", "training_log.jsonl", "training_config.json", inspectFile}
	for _, also := range []string{samplesFile, sharedFile} {
		if exists(t.s.path(t.name(), also)) {
			list = append(list, also)
		}
	}
	for i := range list {
		list[i] = t.name() + "/" + list[i]
	}
	return list
}

// stagePaths are the files that a stage reads.
func stagePaths(n int, b *base, data step) trainer.Paths {
	return trainer.Paths{
		BaseModel: b.model,
		Train:     data.path(filepath.FromSlash(dataset.Path(n, dataset.Train))),
		Valid:     data.path(filepath.FromSlash(dataset.Path(n, dataset.Valid))),
	}
}

func title(stage int) string {
	if stage == 1 {
		return "stage 1, continued pretraining"
	}
	return "stage 2, instruction tuning"
}

// absolute makes the job's paths independent of the worker's folder.
func absolute(job trainer.Train) trainer.Train {
	job.Output, job.Train, job.Valid = abs(job.Output), abs(job.Train), abs(job.Valid)
	if job.AdapterIn != nil {
		full := abs(*job.AdapterIn)
		job.AdapterIn = &full
	}
	job.BaseModel = absModel(job.BaseModel)
	return job
}

// absModel leaves the name of a model of the hub as it is.
func absModel(name string) string {
	if exists(name) {
		return abs(name)
	}
	return name
}

// summary joins the worker's result with its loss log.
func (t *stageRun) summary(raw json.RawMessage, watch *watcher) (*report.Stage, error) {
	var r trainer.TrainResult
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("the worker's result of %s: %w", t.name(), err)
	}
	st := &report.Stage{
		Name: title(t.n), Rows: watch.rows, Steps: r.Steps, Tokens: r.Tokens, TrainedTokens: r.TrainedTokens,
		Seconds: r.Seconds, ValidFirst: r.EvalLossFirst, ValidLast: r.EvalLossLast,
		Kept: &report.Point{Step: r.AdapterStep, Loss: r.BestEvalLoss},
	}
	log, err := trainer.ReadLog(t.s.path(t.name(), "training_log.jsonl"))
	if err != nil {
		return nil, err
	}
	for _, e := range log {
		if len(e.Compile1) == 2 {
			st.Samples = append(st.Samples, report.Samples{Step: e.Step, Compile: e.Compile1[0], Of: e.Compile1[1]})
		}
		if e.Loss != nil {
			st.Train = append(st.Train, report.Point{Step: e.Step, Loss: *e.Loss})
		}
		if e.EvalLoss != nil {
			st.Valid = append(st.Valid, report.Point{Step: e.Step, Loss: *e.EvalLoss})
		}
	}
	return st, nil
}

// watcher shows a stage's events.
type watcher struct {
	task    *progress.Task
	show    *progress.Display
	judge   func(trainer.Event) (string, error)
	rows    int
	valid   string
	samples string
	err     error // what came of an event
}

// again takes in what an earlier process has shown. Answers are judged once more: it
// may have died before it kept the verdict.
func (w *watcher) again(e trainer.Event) {
	switch e.Event {
	case "data":
		if e.Split == "train" {
			w.rows = e.Rows
		}
	case "samples", "eval":
		w.event(e)
	}
}

func (w *watcher) event(e trainer.Event) {
	switch e.Event {
	case "samples":
		found, err := w.judge(e)
		w.err = errors.Join(w.err, err)
		w.samples = " · compile@1 " + found
	case "data":
		if e.Split == "train" {
			w.rows = e.Rows
		}
		if dropped := e.DroppedOverlong + e.DroppedNoAnswer; dropped > 0 {
			w.show.Say("  %s: %s left out (%d longer than max_length, %d without an answer)", e.Split, count(dropped, "row"), e.DroppedOverlong, e.DroppedNoAnswer)
		}
	case "param":
		// Takes minutes on a CPU, and nothing else is said meanwhile.
		if e.Name == "steps" {
			w.task.Update(0, 0, "validation before the first step")
		}
	case "step":
		detail := fmt.Sprintf("%.0f tokens/s", e.TokensPerS)
		if e.Loss != nil {
			detail = fmt.Sprintf("loss %.3f", *e.Loss) + w.valid + w.samples + " · " + detail
		}
		w.task.Update(float64(e.Step), float64(e.Steps), detail)
	case "eval":
		if e.Loss != nil {
			w.valid = fmt.Sprintf(" · valid %.3f", *e.Loss)
		}
	case "log":
		switch e.Level {
		case "warning", "error":
			w.show.Say("  %s: %s", e.Level, e.Message)
		case "info":
			w.show.Say("  %s", e.Message)
		}
	}
}

// pack merges the tuned adapter with its base and converts the result.
func (p *pipeline) pack(ctx context.Context) (step, error) {
	if p.packed == nil {
		s, err := p.packOnce(ctx)
		if err != nil {
			return step{}, err
		}
		p.packed = &s
	}
	return *p.packed, nil
}

// lastStage is the folder of the last stage within that of a training.
func (p *pipeline) lastStage() string {
	stages := p.stages()
	return fmt.Sprintf("stage%d", stages[len(stages)-1])
}

// lastAdapter is the adapter of the last stage.
func (p *pipeline) lastAdapter(trained step) string { return trained.path(p.lastStage(), "adapter") }

// adapters are those that make the tuned model of the base model, one after the other.
func (p *pipeline) adapters(trained step) []string {
	list := []string{p.lastAdapter(trained)}
	if p.recipe.Merges(2) {
		list = append([]string{trained.path("stage1", "adapter")}, list...)
	}
	return list
}

// lastBase is the model that the last adapter was trained on.
func (p *pipeline) lastBase(ctx context.Context, trained step, b *base) (*base, error) {
	if !p.recipe.Merges(2) {
		return b, nil
	}
	return p.mergedBase(ctx, b, trained.path("stage1", "adapter"))
}

// mergedBase is the base model with the adapter of stage 1 merged in, in the
// precision that the base model is kept in. It lies in the cache like any model that
// is trained on, and is made again where it was deleted.
func (p *pipeline) mergedBase(ctx context.Context, b *base, adapter string) (*base, error) {
	sum, err := runs.HashTree(adapter, func(path string) bool { return path == "adapter_model.safetensors" })
	if err != nil {
		return nil, err
	}
	inputs := baseInputs(b.identity, b.dtype)
	inputs["adapter"], inputs["lora"] = sum, p.recipe.Lora
	s, done, err := p.open(p.cache, "base", p.recipe.Name+"-stage1", inputs)
	if err != nil {
		return nil, err
	}
	merged := &base{model: s.path("merged"), identity: b.identity + " with adapter sha256:" + sum, dtype: b.dtype}
	if done {
		return merged, nil
	}
	defer s.dir.Close()
	task := p.show.Start("merge stage 1")
	defer task.Drop()
	if !exists(merged.model) {
		if _, err := p.merge(ctx, s, b, adapter); err != nil {
			return nil, err
		}
	}
	if err := p.finish(&s, nil, "merged"); err != nil {
		return nil, err
	}
	task.End("%s", merged.model)
	return merged, nil
}
