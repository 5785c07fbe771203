package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/pyenv"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
	"bbjtune/internal/sweep"
)

// sweepOptions are the flags of sweep.
type sweepOptions struct {
	set       []string
	slots     int
	trainOnly bool
	earlyStop string
	rule      sweep.Rule
	where     computeFlags
	format    string
}

func (a *app) sweepCommand() *cobra.Command {
	var o sweepOptions
	c := &cobra.Command{
		Use:   "sweep RECIPE --set KEY=VALUE,VALUE…",
		Short: "carry out a recipe with several values of its keys, side by side, into one table",
		Long: `Sweep trains every combination of the values, and evaluates the tuned model of
each. Variants run side by side in --slots; each is a training like any other:
"runs list", "show" and "diff" know it, and one that is complete is not trained
again. Interrupted and started again, it goes on where it was.

Variants that differ in stage 2 alone share their stage 1: one trains it, and the
others wait for it and take it.

With --early-stop asha a variant is judged at some of its evaluations of the last
stage, the --grace-th, --eta times that, and so on: it goes on only if its
validation loss is among the best of those that have come so far, one of --eta of
them. It waits for nobody. A variant that is stopped is no failure and no finished
training: the table says where it was stopped, and "bbjtune train
runs/train/ID/recipe.yaml" goes on with it.

The table names what each variant changed, its validation loss and, with a 95 %
interval, the rates of its evaluation. One that fails is named with its cause and
does not stop the others; status 1 then. The recipe's own values are among the
variants only where --set names them.

With several slots on a machine without a GPU each training gets its part of the
cores; with GPUs each slot takes the GPU of its number. On a Ray cluster
(compute.engine: ray) each variant is a job of its own, --slots of them at a time;
those that the cluster has no room for wait there. Interrupted, the jobs that are
under way go on, and the same command follows them again; meanwhile nobody stops
hopeless ones, and none is begun.`,
		Example: "  bbjtune sweep recipes/demo-cpu.yaml --set stage2.learning_rate=5e-4,1e-3,2e-3 --set lora.r=16,32 --slots 2",
		Args:    args(1, 1, "one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if o.earlyStop == "none" && (cmd.Flags().Changed("grace") || cmd.Flags().Changed("eta")) {
				return fault.New("--grace and --eta say when --early-stop stops a variant", "add --early-stop asha, or leave them out")
			}
			return a.sweep(cmd.Context(), list[0], o)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.set, "set", nil, "a key of the recipe and its values, with commas between them; may be repeated")
	f.IntVar(&o.slots, "slots", 1, "how many trainings run side by side")
	f.BoolVar(&o.trainOnly, "train-only", false, "do not pack and evaluate")
	f.StringVar(&o.earlyStop, "early-stop", "none", "stop hopeless variants: none, or asha (asynchronous successive halving)")
	f.IntVar(&o.rule.Grace, "grace", 2, "with --early-stop, the first evaluation at which a variant may be stopped")
	f.IntVar(&o.rule.Eta, "eta", 3, "with --early-stop, of how many variants one goes on")
	o.where.add(c)
	outputFormat(c, &o.format, "text", "json", "markdown")
	return c
}

func (a *app) sweep(ctx context.Context, path string, o sweepOptions) error {
	if o.slots < 1 {
		return fault.Newf("write a number from 1", "--slots is %d", o.slots)
	}
	if err := o.checkStop(); err != nil {
		return err
	}
	s, err := a.planSweep(path, o)
	if err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	table, err := s.run(ctx)
	if err != nil {
		return err
	}
	folder, err := s.keep(table)
	if err != nil {
		return err
	}
	switch o.format {
	case "json":
		err = writeJSON(a.Out, map[string]any{"version": sweep.TableVersion, "folder": folder, "table": table})
	case "markdown":
		err = table.Markdown(a.Out)
	default:
		fmt.Fprintln(a.Out, folder)
		err = table.Text(a.Out)
	}
	if err == nil && table.Failed() > 0 {
		err = errFindings
	}
	return err
}

// checkStop refuses a rule that is none.
func (o sweepOptions) checkStop() error {
	if o.earlyStop != "none" && o.earlyStop != "asha" {
		return fault.Newf("write none or asha", "--early-stop is %s", o.earlyStop)
	}
	return o.rule.Check()
}

// sweeping is a sweep under way.
type sweeping struct {
	*app
	o        sweepOptions
	name     string
	variants []sweep.Variant
	plans    []*recipe.Plan

	// prepared are the environments that were made, by their lists of packages.
	prepared map[string]workplace
	// probed are the clusters that were found ready, by what is asked of them.
	probed map[string]bool
	// trainings are the inputs of each variant's training, firsts the key of what
	// decides its stage 1, "" where it has none that others could take.
	trainings []map[string]any
	firsts    []string

	// climbers judge the variants, none where nobody is stopped early. stopped are
	// the rows of those that this sweep has stopped before.
	climbers []*climber
	stopped  map[int]sweep.Row
	measures []measure
}

// workplace is a Python environment with the worker's files.
type workplace struct {
	env    *pyenv.Env
	script string
}

// planSweep reads the recipe of every variant, so that a key that is misspelt or a
// value that is none is found before anything is made.
func (a *app) planSweep(path string, o sweepOptions) (*sweeping, error) {
	base, err := recipe.Read(path)
	if err != nil {
		return nil, err
	}
	var settings []sweep.Setting
	for _, text := range o.set {
		setting, err := sweep.ParseSetting(text)
		if err != nil {
			return nil, err
		}
		settings = append(settings, setting)
	}
	variants, err := sweep.Grid(settings)
	if err != nil {
		return nil, err
	}
	s := &sweeping{app: a, o: o, name: base.Name, variants: variants, prepared: map[string]workplace{}, probed: map[string]bool{}, stopped: map[int]sweep.Row{}}
	seen := map[string]sweep.Variant{}
	for _, v := range variants {
		text, err := v.Recipe(base.Name, path)
		if err != nil {
			return nil, err
		}
		plan, err := recipe.ReadText(v.String(), text)
		if err != nil {
			return nil, err
		}
		if err := o.where.apply(plan.Recipe); err != nil {
			return nil, err
		}
		resolved, err := plan.YAML()
		if err != nil {
			return nil, err
		}
		if same, ok := seen[string(resolved)]; ok {
			return nil, fault.Newf("name each value once", "%s and %s are the same recipe", same, v)
		}
		seen[string(resolved)] = v
		s.plans = append(s.plans, plan)
	}
	return s, nil
}

// pipeline is that of one variant.
func (s *sweeping) pipeline(a *app, i int) *pipeline {
	p := &pipeline{app: a, plan: s.plans[i], recipe: s.plans[i].Recipe, engine: check.Embedded{}, where: s.o.where}
	p.probed = s.probed[fmt.Sprint(p.recipe.Compute)]
	if w, ok := s.prepared[strings.Join(p.envLists(), " ")]; ok {
		p.env, p.script = w.env, w.script
	}
	return p
}

// prepare makes what variants share, which only one of them may make at a time: the
// environment, the data, the base model. It also refuses what must not be trained.
func (s *sweeping) prepare(ctx context.Context) error {
	told := *s.app
	for i, v := range s.variants {
		if err := s.prepareOne(ctx, &told, i); err != nil {
			return fault.Wrap(fmt.Errorf("%s: %w", v, err), fault.Hint(err))
		}
		// What is said of the first holds for all.
		told.show = progress.New(io.Discard, progress.Options{Now: s.Now})
	}
	if s.o.earlyStop == "none" {
		return nil
	}
	return s.enter()
}

func (s *sweeping) prepareOne(ctx context.Context, told *app, i int) error {
	p := s.pipeline(told, i)
	defer p.close()
	if err := p.admit(ctx); err != nil {
		return err
	}
	if err := p.needCluster(ctx); err != nil {
		return err
	}
	s.probed[fmt.Sprint(p.recipe.Compute)] = p.probed
	data, counts, err := p.buildData(ctx)
	if err != nil {
		return err
	}
	if err := needRows(counts, p.stages()); err != nil {
		return err
	}
	if err := p.needGPU(); err != nil {
		return err
	}
	if err := p.ensureEnv(ctx); err != nil {
		return err
	}
	s.prepared[strings.Join(p.envLists(), " ")] = workplace{p.env, p.script}
	b, err := p.ensureBase(ctx)
	if err != nil {
		return err
	}
	inputs, err := p.trainInputs(data, b)
	if err != nil {
		return err
	}
	first := ""
	if len(p.stages()) == 2 {
		if first, err = p.stage1Key(b, data); err != nil {
			return err
		}
	}
	s.trainings, s.firsts = append(s.trainings, inputs), append(s.firsts, first)
	if s.o.earlyStop == "none" {
		return nil
	}
	return s.judgeable(p, data, b)
}

// run carries the variants out, as many side by side as there are slots.
func (s *sweeping) run(ctx context.Context) (*sweep.Table, error) {
	log, err := s.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	view := &sweepView{task: s.show.Start("sweep"), of: len(s.variants), now: map[int]string{}, log: log, clock: s.Now}
	defer view.task.Drop()
	table := &sweep.Table{Version: sweep.TableVersion, Recipe: s.name, Rows: make([]sweep.Row, len(s.variants))}
	q := newQueue(s.firsts)
	defer context.AfterFunc(ctx, q.end)()
	var wg sync.WaitGroup
	for slot := range min(s.o.slots, len(s.variants)) {
		wg.Go(func() {
			for i, ok := q.take(); ok; i, ok = q.take() {
				view.begins(slot, s.variants[i].String())
				table.Rows[i] = s.carryOut(ctx, view, slot, i, q)
				q.leave(i)
				view.ends(slot, s.variants[i].String())
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	early := ""
	if n := table.Stopped(); n > 0 {
		early = fmt.Sprintf(", %d of them stopped early", n)
	}
	view.task.End("%d of %d variants%s", len(table.Rows)-table.Failed(), len(table.Rows), early)
	return table, nil
}

func (s *sweeping) openLog() (*os.File, error) {
	if err := os.MkdirAll(s.runs, 0o755); err != nil {
		return nil, fault.Wrap(err, "choose a folder that can be written with --runs")
	}
	return os.OpenFile(filepath.Join(s.runs, "sweep.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

// carryOut trains and evaluates one variant.
func (s *sweeping) carryOut(ctx context.Context, view *sweepView, slot, i int, q *queue) sweep.Row {
	if row, ok := s.stopped[i]; ok {
		return row
	}
	row := sweep.Row{Changed: s.variants[i]}
	own := *s.app
	own.show = progress.New(view.writer(slot, s.variants[i].String()), progress.Options{Now: s.Now})
	p := s.pipeline(&own, i)
	p.workerEnv = slotEnv(slot, s.o.slots, p.recipe.Compute)
	p.firstDone = func() { q.first(i) }
	if s.climbers != nil {
		p.climber = s.climbers[i]
	}
	defer p.close()
	err := s.fill(ctx, p, &row)
	if row.Run != "" {
		q.first(i)
	}
	var stop *errStopped
	switch {
	case errors.As(err, &stop):
		row.Run, row.Stopped = stop.dir, &stop.at
		view.say(s.show, fmt.Sprintf("  %s: %s", s.variants[i], stop))
	case ctx.Err() != nil:
		var left *leftRunning
		if errors.As(err, &left) {
			view.say(s.show, fmt.Sprintf("  %s: %v", s.variants[i], left))
		}
	case err != nil:
		row.Failed = err.Error()
		view.say(s.show, fmt.Sprintf("✗ %s: %v", s.variants[i], err))
	}
	return row
}

func (s *sweeping) fill(ctx context.Context, p *pipeline, row *sweep.Row) error {
	t, err := p.train(ctx)
	if err != nil {
		return err
	}
	row.Run, row.Reused = t.dir.Path, !p.worked
	training := &report.Training{}
	if err := json.Unmarshal(t.manifest.Result, training); err != nil {
		return err
	}
	if n := len(training.Stages); n > 0 {
		row.Loss = &training.Stages[n-1].ValidLast
	}
	if s.o.trainOnly || p.recipe.Evaluate.Suite == "" {
		return nil
	}
	r, err := p.evaluateTuned(ctx)
	if err != nil {
		return err
	}
	row.Scores = []sweep.Score{{Metric: string(eval.CompileAt1), Proportion: r.Metrics.Compile}, {Metric: string(eval.TaskAt1), Proportion: r.Metrics.Task}}
	return nil
}

// keep writes the table into a folder of its own, which names the trainings.
func (s *sweeping) keep(table *sweep.Table) (string, error) {
	written := *table
	written.Rows = slices.Clone(table.Rows)
	for i := range written.Rows {
		written.Rows[i].Reused = false // says something of this call, not of the sweep
	}
	d, m, err := runs.Open(s.runs, "sweep", s.name, Version(), written)
	if err != nil {
		return "", err
	}
	if m != nil {
		return d.Path, nil
	}
	defer d.Close()
	if err := writeJSONFile(d.File("table.json"), written); err != nil {
		return "", err
	}
	if err := runs.WriteWith(d.File("table.md"), written.Markdown); err != nil {
		return "", err
	}
	_, err = d.Finish(s.Now(), nil, "table.json", "table.md")
	return d.Path, err
}

// slotEnv gives a slot its part of the machine.
func slotEnv(slot, slots int, c recipe.Compute) []string {
	each := 1
	if c.Engine == recipe.Torchrun {
		each = c.Workers
	}
	if gpus := countGPUs(); gpus > 0 {
		var list []string
		for n := range min(each, gpus) {
			list = append(list, strconv.Itoa((slot*each+n)%gpus))
		}
		return []string{"CUDA_VISIBLE_DEVICES=" + strings.Join(list, ",")}
	}
	if slots == 1 {
		return nil
	}
	return []string{fmt.Sprintf("OMP_NUM_THREADS=%d", max(1, runtime.NumCPU()/(slots*each)))}
}

// countGPUs counts the device files of NVIDIA's driver on Linux; elsewhere it finds
// none, and every slot takes what the worker chooses.
func countGPUs() int {
	found, err := filepath.Glob("/dev/nvidia[0-9]*")
	if err != nil {
		return 0
	}
	return len(found)
}

// sweepView shows the slots together, and keeps what each said in the log.
type sweepView struct {
	mu   sync.Mutex
	task *progress.Task
	done int
	of   int
	now  map[int]string // what each slot is at
	log  io.Writer
	// clock is that of the lines in the log.
	clock func() time.Time
}

// writer takes what a slot's display says.
func (v *sweepView) writer(slot int, variant string) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		line := strings.TrimSpace(string(b))
		v.now[slot] = variant + ": " + strings.TrimSuffix(line, " …")
		v.draw()
		v.write(slot, variant, line)
		return len(b), nil
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// write adds a line to the log. That is for people who look at a sweep that is
// under way; nothing is read from it, and nothing lost where it cannot be written.
func (v *sweepView) write(slot int, variant, line string) {
	fmt.Fprintf(v.log, "%s slot %d, %s: %s\n", v.clock().UTC().Format(time.RFC3339Nano), slot+1, variant, line)
}

func (v *sweepView) begins(slot int, variant string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.write(slot, variant, "begins")
}

func (v *sweepView) ends(slot int, variant string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.write(slot, variant, "ends")
	v.done++
	delete(v.now, slot)
	v.draw()
}

func (v *sweepView) say(d *progress.Display, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	d.Say("%s", text)
}

func (v *sweepView) draw() {
	parts := []string{fmt.Sprintf("%d of %d", v.done, v.of)}
	for slot := range v.of {
		if at := v.now[slot]; at != "" {
			parts = append(parts, at)
		}
	}
	v.task.Update(float64(v.done), float64(v.of), strings.Join(parts, " · "))
}

// evaluateTuned evaluates the tuned model alone.
func (p *pipeline) evaluateTuned(ctx context.Context) (*eval.Result, error) {
	e, err := p.evaluation(p.recipe.Name, p.recipe.Path(p.recipe.Evaluate.Suite), p.recipe.Evaluate.Cases, p.engine, p.recipe.Evaluate.Concurrency)
	if err != nil {
		return nil, err
	}
	packed, err := p.pack(ctx)
	if err != nil {
		return nil, err
	}
	p.endWorker()
	srv := &server{p: p, file: packed.path(p.served())}
	defer srv.close()
	sub, err := p.asked(p.tuned(p.trained.dir.Key), srv)
	if err != nil {
		return nil, err
	}
	_, r, err := e.evaluate(ctx, sub)
	if err != nil && ctx.Err() == nil {
		err = srv.why(err)
	}
	return r, err
}
