package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/bbj/check"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// evalModel evaluates the one model that the flags name.
func (a *app) evalModel(ctx context.Context, f evalFlags) error {
	r := recipe.Defaults()
	r.Data.Examples, r.Seed = []string{f.examples}, f.seed
	p := &pipeline{app: a, recipe: &r}
	defer p.close()
	sub, err := p.provider(ctx, f)
	if err != nil {
		return err
	}
	if err := p.prompt(&sub, f); err != nil {
		return err
	}
	e, err := a.evaluation(slug(sub.label), f.suite, f.cases, check.Embedded{}, f.concurrency*max(1, len(f.urls)))
	if err != nil {
		return err
	}
	if sub.foreign != nil {
		sub.foreign(e)
	}
	s, result, err := e.evaluate(ctx, sub)
	if err != nil {
		return err
	}
	return a.printResults([]*eval.Result{result}, []step{s}, nil, f)
}

// provider says who is asked.
func (p *pipeline) provider(ctx context.Context, f evalFlags) (subject, error) {
	sub := subject{
		label: f.label, slug: "endpoint", notes: f.notes, again: f.again, retryErrors: f.retryErrors,
		options: eval.Options{System: f.system, Samples: f.samples, MaxTokens: f.maxTokens, Temperature: f.temperature, Seed: f.seed, PromptForm: eval.Chat},
		care:    llm.Care{Retries: f.retries, Timeout: f.timeout, PerMinute: f.requestsPerMinute, MaxCost: f.maxCost, Seed: uint64(f.seed)},
	}
	if sub.label == "" {
		sub.label = f.model
	}
	switch {
	case f.answers != "":
		return p.recordedAnswers(sub, f)
	case f.provider == "worker":
		return p.workerModel(sub, f)
	}
	return p.endpoint(ctx, sub, f)
}

// endpoint is a model behind an API, at one address or at several.
func (p *pipeline) endpoint(ctx context.Context, sub subject, f evalFlags) (subject, error) {
	urls, keyEnv, api := f.urls, f.keyEnv, f.api()
	if len(urls) == 0 {
		urls, keyEnv = []string{api.URL}, cmp.Or(f.keyEnv, api.KeyEnv)
	}
	key, err := p.key(keyEnv)
	if err != nil {
		return subject{}, err
	}
	if sub.care.Price, err = price(f); err != nil {
		return subject{}, err
	}
	if api.Compatible() {
		return p.compatible(ctx, sub, f, urls, key)
	}
	sub.identity = urls[0] + " " + f.model
	sub.connect = func(context.Context) (llm.Model, error) {
		return api.Connect(sub.label, urls[0], f.model, key), nil
	}
	return sub, nil
}

// compatible is a model behind one OpenAI-compatible endpoint, or behind several.
func (p *pipeline) compatible(ctx context.Context, sub subject, f evalFlags, urls []string, key string) (subject, error) {
	if f.model == "" {
		var err error
		if f.model, err = onlyModel(askAbout(ctx, "", "", key, urls)); err != nil {
			return subject{}, err
		}
		sub.label = cmp.Or(sub.label, f.model)
	}
	// Answers are kept under the first address: others may join and go between two
	// starts of the same evaluation.
	sub.identity = urls[0] + " " + f.model
	if len(urls) > 1 {
		list := askAbout(ctx, sub.label, f.model, key, urls)
		if err := sameModel(list, f.model); err != nil {
			return subject{}, err
		}
		if i := slices.IndexFunc(list, func(s served) bool { return s.about.Digest != "" }); i >= 0 && key == "" {
			sub.identity += " " + list[i].about.Digest
		}
		return p.pool(sub, f, list), nil
	}
	m := llm.NewOpenAI(sub.label, urls[0], f.model, key)
	if key == "" {
		// A server of one's own: Ollama tells which weights the name stands for.
		if digest := m.Digest(ctx); digest != "" {
			sub.identity += " " + digest
		}
	}
	sub.connect = func(context.Context) (llm.Model, error) { return m, nil }
	return sub, nil
}

// key reads a key from the environment, or else from the file .env here.
func (a *app) key(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	if key := a.Env(name); key != "" {
		return key, nil
	}
	text, err := os.ReadFile(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if key := llm.ReadEnv(text, name)[name]; key != "" {
		return key, nil
	}
	return "", fault.Newf("set it, or leave --key-env out for a server without keys", "the environment variable %s is not set", name)
}

// price is what the flags say; a budget needs both.
func price(f evalFlags) (*llm.Price, error) {
	if f.maxCost > 0 && (f.pricePrompt == 0 || f.priceAnswer == 0) {
		return nil, fault.Newf("say it with --price-prompt and --price-answer, in US dollars for a million tokens", "--max-cost needs the price of %s", f.model)
	}
	if f.pricePrompt == 0 && f.priceAnswer == 0 {
		return nil, nil
	}
	return &llm.Price{Prompt: f.pricePrompt, Answer: f.priceAnswer}, nil
}

// recordedAnswers are those of a file.
func (p *pipeline) recordedAnswers(sub subject, f evalFlags) (subject, error) {
	if sub.label == "" {
		sub.label = strings.TrimSuffix(filepath.Base(f.answers), filepath.Ext(f.answers))
	}
	file, err := os.Open(f.answers)
	if err != nil {
		return subject{}, fault.Wrap(err, "name a JSONL file; suites/FORMAT.md says what it looks like")
	}
	p.logs = append(p.logs, file)
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		return subject{}, fault.Newf("name a JSONL file; suites/FORMAT.md says what it looks like", "%s is a folder", f.answers)
	}
	if err != nil {
		return subject{}, err
	}
	m, err := llm.NewRecorded(sub.label, file, info.Size())
	if err != nil {
		return subject{}, fmt.Errorf("%s: %w", f.answers, err)
	}
	sum, _, err := runs.HashFile(f.answers)
	if err != nil {
		return subject{}, err
	}
	sub.slug, sub.identity, sub.care.Retries = "recorded", "recorded sha256:"+sum, 0
	sub.connect = func(context.Context) (llm.Model, error) { return m, nil }
	sub.foreign = func(e *evaluation) {
		known := map[string]bool{}
		for _, c := range e.whole.Questions() {
			known[c.ID] = true
		}
		unknown := slices.DeleteFunc(m.Cases(), func(id string) bool { return known[id] })
		if len(unknown) > 0 {
			p.show.Say("! %s: %d of its cases are not in the suite, the first is %s", f.answers, len(unknown), progress.Printable(unknown[0]))
		}
	}
	return sub, nil
}

// workerModel is a model folder, with or without an adapter, in the training
// worker.
func (p *pipeline) workerModel(sub subject, f evalFlags) (subject, error) {
	sum, err := runs.HashTree(f.model, isModelFile)
	if err != nil {
		return subject{}, fault.Wrap(err, "name the folder of a model")
	}
	sub.slug, sub.identity = "worker", "sha256:"+sum
	if f.adapter != "" {
		if sum, err = runs.HashTree(f.adapter, isModelFile); err != nil {
			return subject{}, fault.Wrap(err, "name the folder of an adapter, for example runs/train/ID/stage2/adapter")
		}
		sub.identity += " adapter sha256:" + sum
	}
	if f.label == "" {
		sub.label = filepath.Base(f.model)
	}
	if f.promptForm == "auto" && !hasTemplate(f.model) {
		sub.options.PromptForm = eval.Completion
	}
	sub.connect = func(ctx context.Context) (llm.Model, error) {
		w, err := p.startWorker(ctx)
		if err != nil {
			return nil, err
		}
		job := trainer.Generate{BaseModel: abs(f.model), Precision: p.recipe.Precision, Device: "auto"}
		if f.adapter != "" {
			path := abs(f.adapter)
			job.Adapter = &path
		}
		dir, err := os.MkdirTemp("", "bbjtune-generate-")
		if err != nil {
			return nil, err
		}
		p.logs = append(p.logs, folder(dir))
		return trainer.NewLocal(sub.label, w, job, filepath.Join(dir, "job.json"), f.concurrency), nil
	}
	return sub, nil
}

// folder is a temporary folder, gone when closed.
type folder string

// Close implements [io.Closer].
func (f folder) Close() error { return os.RemoveAll(string(f)) }

// hasTemplate reports whether a model folder has a chat template of its own.
func hasTemplate(dir string) bool {
	if exists(filepath.Join(dir, "chat_template.jinja")) {
		return true
	}
	var config struct {
		Template json.RawMessage `json:"chat_template"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "tokenizer_config.json"))
	return err == nil && json.Unmarshal(text, &config) == nil && len(config.Template) > 0 && string(config.Template) != "null"
}

// completionShots is how many examples a completion prompt has: a base model
// takes the form of an answer from them.
const completionShots = 4

// prompt sets the form of the prompt and the examples in it.
func (p *pipeline) prompt(sub *subject, f evalFlags) error {
	if f.promptForm != "auto" {
		sub.options.PromptForm = eval.PromptForm(f.promptForm)
	}
	n := f.fewShot
	if n < 0 {
		n = 0
		if sub.options.PromptForm == eval.Completion {
			n = completionShots
		}
	}
	if n == 0 {
		return nil
	}
	shots, titles, err := p.shots(n)
	if err != nil {
		return err
	}
	sub.options.Shots, sub.shots = shots, titles
	return nil
}
