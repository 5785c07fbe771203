package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/generation"
	"bbjtune/internal/answer"
	"bbjtune/internal/chat"
	"bbjtune/internal/dataset"
	"bbjtune/internal/eval"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
	"bbjtune/internal/modelserver"
	"bbjtune/internal/runs"
	"bbjtune/internal/suite"
)

// subject is a model under evaluation and how it is asked.
type subject struct {
	label, slug, notes string
	identity           string
	trained            string // key of the training that made the model, if one here did
	options            eval.Options
	shots              []eval.ShotTitle
	again              bool // what was answered before is forgotten
	retryErrors        bool // what got no answer before is asked again
	care               llm.Care
	grafted            string            // what it was grafted onto
	foreign            func(*evaluation) // says what does not fit the suite
	// connect returns the model, ready to answer.
	connect func(context.Context) (llm.Model, error)
	// endpoints says who answered what is in a journal, where several were asked.
	endpoints func(journal string) ([]tookPart, error)
}

// evaluation is what all subjects of one comparison share.
type evaluation struct {
	*app
	engine      compile.Engine
	suite       *suite.Suite // what is asked
	whole       *suite.Suite // what that may be a part of
	ref         eval.SuiteRef
	prompts     string // hash of the questions
	concurrency int
	name        string // of the run folders
}

// evaluation reads the suite; of one with more than n questions a part of that size
// is asked, unless n is 0.
func (a *app) evaluation(name, dir string, n int, engine compile.Engine, concurrency int) (*evaluation, error) {
	s, err := suite.Load(dir)
	if err != nil {
		return nil, err
	}
	sum, err := runs.HashTree(dir, nil)
	if err != nil {
		return nil, err
	}
	ref := eval.SuiteRef{Name: s.Name, Version: s.Version, Hash: sum}
	asked := s.Subset(n)
	if asked != s {
		ref.Questions = n
	}
	h := sha256.New()
	for _, c := range asked.Questions() {
		fmt.Fprintf(h, "%s\x00%s\x00", c.ID, c.Question())
	}
	return &evaluation{a, engine, asked, s, ref, hex.EncodeToString(h.Sum(nil)), concurrency, name}, nil
}

// evaluate returns the scored answers of a subject. The answers and their
// scores lie in folders of their own: a change to the checks or the compiler
// scores again what was answered before, and asks nothing anew.
func (e *evaluation) evaluate(ctx context.Context, sub subject) (step, *eval.Result, error) {
	answers, err := e.ask(ctx, sub)
	if err != nil {
		return step{}, nil, err
	}
	version, err := e.engine.Version(ctx)
	if err != nil {
		return step{}, nil, err
	}
	samples, _ := answers.manifest.Lookup("samples.jsonl")
	inputs := map[string]any{
		"answers": answers.dir.Key, "samples": samples.SHA256, "suite": e.ref, "engine": e.engine.Name() + " " + version, "extractor": answer.Version, "judge": suite.JudgeVersion,
		"label": sub.label, "notes": sub.notes, "form": eval.ResultVersion,
	}
	if sub.trained != "" {
		// A finished training is not touched; its evaluations name it instead.
		inputs["trained"] = sub.trained
	}
	if sub.grafted != "" {
		inputs["grafted"] = sub.grafted
	}
	d, m, err := runs.Open(e.runs, "eval", e.name+"-"+sub.slug, Version(), inputs)
	if err != nil {
		return step{}, nil, err
	}
	s := step{d, m}
	if m != nil {
		r, err := readResult(s.path("result.json"))
		return s, r, err
	}
	defer d.Close()
	r, err := e.score(ctx, sub, answers, s.path("answers.jsonl"))
	if err != nil {
		return step{}, nil, err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return step{}, nil, err
	}
	if err := runs.WriteFile(s.path("result.json"), append(text, '\n')); err != nil {
		return step{}, nil, err
	}
	s.manifest, err = d.Finish(e.Now(), r.Metrics, "result.json", "answers.jsonl")
	return s, r, err
}

// score scores the answers and keeps each in the folder as it is scored.
func (e *evaluation) score(ctx context.Context, sub subject, answers step, path string) (*eval.Result, error) {
	file, err := os.Open(answers.path("samples.jsonl"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var r *eval.Result
	err = runs.WriteWith(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		r, err = eval.Score(ctx, e.suite, e.engine, eval.ReadSamples(file), func(a eval.Answer) error { return enc.Encode(a) })
		return err
	})
	if err != nil {
		return nil, err
	}
	r.Model, r.Notes, r.Date, r.Identity = sub.label, sub.notes, answers.manifest.Created, sub.identity
	r.Suite, r.Options, r.Examples = e.ref, sub.options, sub.shots
	return r, nil
}

// openAnswers opens the folder of a subject's answers. A finished one is never
// touched again: questions that failed are asked again in another, which takes
// everything else from it.
func (e *evaluation) openAnswers(sub subject) (*runs.Dir, *runs.Manifest, error) {
	inputs := map[string]any{"model": sub.identity, "prompts": e.prompts, "options": sub.options}
	name := e.name + "-" + sub.slug
	if sub.again {
		return runs.Anew(e.runs, "answers", name, Version(), inputs)
	}
	for {
		d, m, err := runs.Open(e.runs, "answers", name, Version(), inputs)
		if err != nil || m == nil || failedIn(m) == 0 {
			return d, m, err
		}
		inputs["after"] = m.Key
		key, err := runs.Key("answers", inputs)
		if err != nil {
			return nil, nil, err
		}
		later, err := filepath.Glob(filepath.Join(e.runs, "answers", "*-"+key[:12], "manifest.json"))
		if err != nil || len(later) == 0 && !sub.retryErrors {
			return d, m, err
		}
	}
}

// answersResult is what the manifest of a folder of answers says.
type answersResult struct {
	Samples int `json:"samples"`
	// Found were taken from other runs, Failed have no answer.
	Found  int     `json:"found"`
	Failed int     `json:"failed"`
	Cost   float64 `json:"cost,omitempty"`
	// Price is what Cost was computed with.
	Price *llm.Price `json:"price,omitempty"`
	// Endpoints are those that shared the questions.
	Endpoints []tookPart `json:"endpoints,omitempty"`
}

func failedIn(m *runs.Manifest) int {
	var r answersResult
	if err := json.Unmarshal(m.Result, &r); err != nil {
		return 0
	}
	return r.Failed
}

// earlier lists the journals of other runs, the newest first.
func (e *evaluation) earlier(own string) []string {
	found, err := filepath.Glob(filepath.Join(e.runs, "answers", "*", "journal.jsonl"))
	if err != nil {
		return nil
	}
	at := map[string]time.Time{}
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && path != own {
			at[path] = info.ModTime()
		}
	}
	return slices.SortedFunc(maps.Keys(at), func(a, b string) int { return cmp.Or(at[b].Compare(at[a]), cmp.Compare(a, b)) })
}

// ask gets the answers of a subject.
func (e *evaluation) ask(ctx context.Context, sub subject) (step, error) {
	d, m, err := e.openAnswers(sub)
	if err != nil {
		return step{}, err
	}
	if m != nil {
		e.show.Say("✓ evaluate %s: answered before, on %s", sub.label, m.Created.Format(time.DateOnly))
		return step{d, m}, nil
	}
	defer d.Close()
	task := e.show.Start("evaluate " + sub.label)
	defer task.Drop()
	journal := d.File("journal.jsonl")
	asking := eval.Asking{
		Suite: e.suite, Identity: sub.identity, Options: sub.options, Concurrency: e.concurrency,
		Journal: journal, RetryErrors: sub.retryErrors, Grace: askGrace,
	}
	if !sub.again {
		asking.Earlier = e.earlier(journal)
	}
	if sub.care.Spent, err = eval.Spent(journal); err != nil {
		return step{}, err
	}
	model, err := sub.connect(ctx)
	if err != nil {
		return step{}, err
	}
	asking.Model = llm.Carefully(model, sub.care)
	start := e.Now()
	asking.Progress = func(done, total, tokens int) {
		detail := fmt.Sprintf("%d of %d answers", done, total)
		if seconds := e.Now().Sub(start).Seconds(); seconds > 1 && tokens > 0 {
			detail += fmt.Sprintf(" · %.0f tokens/s", float64(tokens)/seconds)
		}
		task.Update(float64(done), float64(total), detail)
	}
	asked, err := asking.Run(ctx)
	if err != nil {
		return step{}, fmt.Errorf("evaluate %s: %w", sub.label, err)
	}
	var took []tookPart
	if sub.endpoints != nil {
		if took, err = sub.endpoints(journal); err != nil {
			return step{}, err
		}
	}
	if m, err = e.keep(d, asked, sub.care.Price, took); err != nil {
		return step{}, err
	}
	told := count(asked.Total-asked.Failed, "answer")
	if asked.Found > 0 {
		told += fmt.Sprintf(", %d of them from other runs", asked.Found)
	}
	if took != nil {
		told += ", by endpoint " + sharesOf(took)
	}
	task.End("%s", told)
	return step{d, m}, nil
}

// keep finishes a folder of answers.
func (e *evaluation) keep(d *runs.Dir, asked *eval.Asked, price *llm.Price, took []tookPart) (*runs.Manifest, error) {
	if err := runs.WriteWith(d.File("samples.jsonl"), asked.Write); err != nil {
		return nil, err
	}
	if err := runs.WriteWith(d.File("prompts.jsonl"), asked.WritePrompts); err != nil {
		return nil, err
	}
	spent, err := eval.Spent(d.File("journal.jsonl"))
	if err != nil {
		return nil, err
	}
	return d.Finish(e.Now(), answersResult{asked.Total, asked.Found, asked.Failed, spent, price, took}, "samples.jsonl", "prompts.jsonl", "journal.jsonl")
}

// timeout of one request: a small machine under load may take minutes for a
// long answer.
const askTimeout = 10 * time.Minute

// askRetries is how often a request that failed in passing is sent again.
const askRetries = 4

// askGrace is how long answers under way are waited for after an interruption.
const askGrace = 30 * time.Second

// server serves a GGUF file for as long as it is needed.
type server struct {
	p    *pipeline
	file string
	// alone answers one question at a time, whatever the recipe says.
	alone bool
	srv   *modelserver.Server
}

// connect starts the server on first use.
func (s *server) connect(ctx context.Context) (llm.Model, error) {
	if s.srv == nil {
		o := s.p.serverOptions(s.file)
		if s.alone {
			o.Parallel = 1
		}
		srv, err := s.p.serve(ctx, o)
		if err != nil {
			return nil, err
		}
		s.srv = srv
	}
	return llm.NewOpenAI(filepath.Base(s.file), s.srv.URL(), s.srv.Model(), ""), nil
}

// why replaces the error of a request by the reason where the server has died.
func (s *server) why(err error) error {
	if s.srv == nil {
		return err
	}
	select {
	case <-s.srv.Done():
	case <-time.After(time.Second): // its connections break before its end is noticed
	}
	return cmp.Or(s.srv.Err(), err)
}

func (s *server) close() {
	if s.srv != nil {
		s.srv.Close()
		s.srv = nil
	}
}

// serve starts the managed model server.
func (p *pipeline) serve(ctx context.Context, o modelserver.Options) (*modelserver.Server, error) {
	if err := p.ensureEnv(ctx); err != nil {
		return nil, err
	}
	log, err := p.log(filepath.Join(p.runs, "server.log"))
	if err != nil {
		return nil, err
	}
	o.Program, o.Script, o.Log = p.env.Python, filepath.Join(p.script, "serve.py"), log
	return modelserver.Start(ctx, o)
}

// serverOptions is how the recipe has a model served for its evaluation.
func (p *pipeline) serverOptions(file string) modelserver.Options {
	return modelserver.Options{Kind: modelserver.XLlamaCPP, Model: file, Context: p.recipe.Evaluate.Context, Parallel: p.recipe.Evaluate.Concurrency}
}

// evaluateAll evaluates base, few-shot control, graft and tuned model, as far as
// the recipe has them, and returns the results in that order.
func (p *pipeline) evaluateAll(ctx context.Context) ([]*eval.Result, []step, error) {
	// Read before the hours of training: a suite that is not there must not
	// be found out about afterwards.
	if p.recipe.Evaluate.Suite == "" {
		return nil, nil, fault.New("the recipe names no suite to evaluate on", "write evaluate.suite, for example suites/bbj-core")
	}
	e, err := p.evaluation(p.recipe.Name, p.recipe.Path(p.recipe.Evaluate.Suite), p.recipe.Evaluate.Cases, p.engine, p.recipe.Evaluate.Concurrency)
	if err != nil {
		return nil, nil, err
	}
	if _, _, err := p.shots(p.recipe.Evaluate.FewShot); err != nil {
		return nil, nil, err
	}
	packed, grafted, err := p.packAll(ctx)
	if err != nil {
		return nil, nil, err
	}
	b, err := p.ensureBase(ctx)
	if err != nil {
		return nil, nil, err
	}
	baseFile, err := p.baseGGUF(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	// Training is over: its memory is better used by the server.
	p.endWorker()
	graftFile := ""
	if grafted != nil {
		graftFile = grafted.path(p.served())
	}
	groups, servers, err := p.subjects(baseFile, graftFile, packed.path(p.served()), p.trained.dir.Key)
	if err != nil {
		return nil, nil, err
	}
	var results []*eval.Result
	var steps []step
	for i, group := range groups {
		for _, sub := range group {
			s, r, err := e.evaluate(ctx, sub)
			if err != nil {
				if ctx.Err() == nil {
					err = servers[i].why(err)
				}
				servers[i].close()
				return nil, nil, err
			}
			results, steps = append(results, r), append(steps, s)
		}
		servers[i].close()
	}
	return results, steps, nil
}

// subjects lists what is evaluated, grouped by the server that serves it. There is
// no graft where its file is "". The tuned model is the last: it is the one that the
// others are compared with.
func (p *pipeline) subjects(baseFile, graftFile, tunedFile, trained string) ([][]subject, []*server, error) {
	onto := p.recipe.Graft.Onto
	list := []struct {
		file string
		subject
	}{
		{baseFile, subject{label: "untuned", slug: "base", notes: strings.TrimPrefix(p.recipe.Base.Model, packaged) + " as it comes"}},
		{graftFile, subject{label: "graft", slug: "graft", notes: "recipe " + p.recipe.Name + ", grafted onto " + onto, trained: trained, grafted: onto}},
		{tunedFile, p.tuned(trained)},
	}
	var groups [][]subject
	var servers []*server
	for _, each := range list {
		if each.file == "" {
			continue
		}
		srv := &server{p: p, file: each.file}
		sub, err := p.asked(each.subject, srv)
		if err != nil {
			return nil, nil, err
		}
		groups, servers = append(groups, []subject{sub}), append(servers, srv)
	}
	if p.recipe.Base.Kind == "base" {
		// It never saw a chat template: the one in its file is ours.
		groups[0][0].options.PromptForm = eval.Completion
		groups[0][0].notes += ", asked as text to continue"
	}
	if n := p.recipe.Evaluate.FewShot; n > 0 {
		control, err := p.control(groups[0][0], n)
		if err != nil {
			return nil, nil, err
		}
		groups[0] = append(groups[0], control)
	}
	return groups, servers, nil
}

// asked has a model of the recipe asked as the recipe says.
func (p *pipeline) asked(sub subject, srv *server) (subject, error) {
	sum, _, err := runs.HashFile(srv.file)
	if err != nil {
		return subject{}, err
	}
	ev := p.recipe.Evaluate
	sub.identity = "sha256:" + sum
	sub.options = eval.Options{System: p.recipe.Data.SystemPrompts[0], Samples: ev.Samples, MaxTokens: ev.MaxTokens, Temperature: ev.Temperature, Seed: p.recipe.Seed, PromptForm: eval.Chat}
	sub.care = llm.Care{Retries: askRetries, Timeout: askTimeout, Seed: uint64(p.recipe.Seed)}
	sub.retryErrors, sub.connect = p.retryErrors, srv.connect
	return sub, nil
}

// tuned is the tuned model as a subject.
func (p *pipeline) tuned(trained string) subject {
	return subject{label: "tuned", slug: "tuned", notes: "recipe " + p.recipe.Name, trained: trained}
}

// control is the untuned model with examples in its prompt.
func (p *pipeline) control(base subject, n int) (subject, error) {
	shots, titles, err := p.shots(n)
	if err != nil {
		return subject{}, err
	}
	sub := base
	sub.label, sub.slug = fmt.Sprintf("untuned, %d examples shown", n), "few-shot"
	sub.notes = base.notes + ", with examples from the training data in its prompt"
	sub.options.Shots, sub.shots = shots, titles
	return sub, nil
}

// shots chooses the examples of the few-shot control: the shortest basic
// completions, from as many generations as there are, in a fixed order. Short
// ones leave the small model's attention for the question.
func (p *pipeline) shots(n int) ([]chat.Message, []eval.ShotTitle, error) {
	var list []*example.Example
	for _, dir := range p.recipe.Data.Examples {
		examples, _, err := example.Load(p.recipe.Path(dir))
		if err != nil {
			return nil, nil, err
		}
		for _, e := range examples {
			if e.Type == example.Completion && e.Difficulty == "basic" && len(e.Generation) == 1 {
				list = append(list, e)
			}
		}
	}
	slices.SortFunc(list, func(a, b *example.Example) int {
		return cmp.Or(cmp.Compare(len(a.Code[0].Code), len(b.Code[0].Code)), strings.Compare(a.Path, b.Path))
	})
	chosen := choose(list, n)
	if len(chosen) < n {
		return nil, nil, fault.Newf("set evaluate.few_shot lower, or add basic completion examples", "evaluate.few_shot is %d, the data has %d basic completion examples", n, len(chosen))
	}
	var shots []chat.Message
	var titles []eval.ShotTitle
	for _, e := range chosen {
		prompt, reply := dataset.Conversation(e, 0)
		shots = append(shots, chat.Message{Role: chat.User, Content: prompt}, chat.Message{Role: chat.Assistant, Content: reply})
		titles = append(titles, eval.ShotTitle{Path: e.Path, Title: e.Title})
	}
	return shots, titles, nil
}

// choose takes the first of each generation in turn until it has n.
func choose(list []*example.Example, n int) []*example.Example {
	var chosen []*example.Example
	taken := map[*example.Example]bool{}
	for len(chosen) < n {
		before := len(chosen)
		for _, g := range append(generation.Known(), generation.All) {
			i := slices.IndexFunc(list, func(e *example.Example) bool { return !taken[e] && e.Generation[0] == g })
			if i >= 0 && len(chosen) < n {
				taken[list[i]] = true
				chosen = append(chosen, list[i])
			}
		}
		if len(chosen) == before {
			break
		}
	}
	return chosen
}
