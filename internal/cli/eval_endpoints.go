package cli

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"bbjtune/internal/chat"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
)

// baseURL checks and completes an address of --url. That of an OpenAI-compatible
// endpoint without a path gets the usual one.
func baseURL(text string, api llm.Provider) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fault.New("--url is no http address", "for example http://127.0.0.1:11434/v1")
	case u.User != nil || u.RawQuery != "":
		return "", fault.New("--url holds a user name, a password or a query, which would be written into the results", "put the key into an environment variable and name it with --key-env")
	}
	base := strings.TrimRight(text, "/")
	if api.Compatible() && strings.Trim(u.Path, "/") == "" {
		base += "/v1"
	}
	return base, nil
}

// evalServed evaluates the tuned model of a recipe where it is served already. The
// questions are put as the recipe says, and the training is made first where it is
// missing.
func (a *app) evalServed(ctx context.Context, path string, f evalFlags, limited bool) error {
	p, err := a.pipeline(path)
	if err != nil {
		return err
	}
	defer p.close()
	r := p.recipe
	if r.Evaluate.Suite == "" {
		return fault.New("the recipe names no suite to evaluate on", "write evaluate.suite, for example suites/bbj-core")
	}
	if !limited {
		f.concurrency = r.Evaluate.Concurrency
	}
	f.system, f.samples, f.maxTokens, f.temperature, f.seed = r.Data.SystemPrompts[0], r.Evaluate.Samples, r.Evaluate.MaxTokens, r.Evaluate.Temperature, r.Seed
	f.label, f.notes = "tuned", "recipe "+r.Name+", served elsewhere"
	// As for one model, which may be asked without its name.
	if err := f.validate(); err != nil {
		return err
	}
	return p.evalTunedAt(ctx, f)
}

func (p *pipeline) evalTunedAt(ctx context.Context, f evalFlags) error {
	e, err := p.evaluation(p.recipe.Name, p.recipe.Path(p.recipe.Evaluate.Suite), p.recipe.Evaluate.Cases, p.engine, f.concurrency*len(f.urls))
	if err != nil {
		return err
	}
	trained, err := p.train(ctx)
	if err != nil {
		return err
	}
	sub, err := p.provider(ctx, f)
	if err != nil {
		return err
	}
	// The next training may be served under the same name.
	sub.slug, sub.trained, sub.identity = "tuned", trained.dir.Key, sub.identity+" training "+trained.dir.Key
	s, result, err := e.evaluate(ctx, sub)
	if err != nil {
		return err
	}
	return p.printResults([]*eval.Result{result}, []step{s}, nil, f)
}

// served is an endpoint with what it says of itself, or why it says nothing.
type served struct {
	url   string
	model *llm.OpenAI
	about llm.About
	err   error
}

// askAbout asks all endpoints at once what they serve.
func askAbout(ctx context.Context, label, model, key string, urls []string) []served {
	list := make([]served, len(urls))
	var all sync.WaitGroup
	for i, base := range urls {
		all.Go(func() {
			m := llm.NewOpenAI(label, base, model, key)
			about, err := m.About(ctx)
			list[i] = served{base, m, about, err}
		})
	}
	all.Wait()
	return list
}

// onlyModel is the model of endpoints that serve no other.
func onlyModel(list []served) (string, error) {
	model := ""
	var reason error
	for _, s := range list {
		switch n := len(s.about.Models); {
		case s.err != nil:
			reason = fmt.Errorf("%s: %w", s.url, s.err)
		case n == 0:
			return "", fault.Newf("name it with --model", "%s does not list its models", s.url)
		case n > 1:
			return "", fault.Newf("name one with --model", "%s serves several models: %s", s.url, some(s.about.Models))
		case model == "":
			model = s.about.Models[0]
		}
	}
	if model == "" {
		return "", fmt.Errorf("ask which model is served: %w", reason)
	}
	return model, nil
}

// some names models, not all of a long list.
func some(list []string) string {
	const most = 6
	text := strings.Join(list[:min(len(list), most)], ", ")
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf(" and %d others", more)
	}
	return text
}

// sameModel refuses endpoints that do not serve one model, as far as they tell.
func sameModel(list []served, model string) error {
	var first *served
	for i, s := range list {
		switch {
		case s.err != nil:
			continue
		case !s.about.Serves(model):
			return fault.Newf("start it there, or leave that endpoint out", "%s does not serve %s; it serves %s", s.url, model, some(s.about.Models))
		case first == nil:
			first = &list[i]
			continue
		}
		if d := first.about.Differs(s.about); d != "" {
			return fault.Newf("serve the same model in the same way everywhere, or name only the endpoints that do", "the endpoints do not serve the same model: %s and %s differ (%s)", first.url, s.url, d)
		}
	}
	return nil
}

// pool makes one model of several endpoints.
func (p *pipeline) pool(sub subject, f evalFlags, list []served) subject {
	greeting := llm.Request{MaxTokens: 1, Seed: f.seed, Stop: chat.Stop(), Messages: []chat.Message{{Role: chat.User, Content: "Say yes."}}}
	if f.promptForm == string(eval.Completion) {
		greeting.Messages, greeting.Prompt = nil, "One, two,"
	}
	sub.connect = func(ctx context.Context) (llm.Model, error) {
		var members []llm.Endpoint
		for _, s := range list {
			members = append(members, llm.Endpoint{Address: s.url, Model: s.model})
		}
		pool := llm.NewPool(sub.label, members, llm.PoolOptions{
			Limit: f.concurrency, Timeout: f.timeout, Greeting: greeting, Notice: func(text string) { p.show.Say("! %s", text) },
		})
		p.logs = append(p.logs, pool)
		return pool, pool.Open(ctx)
	}
	sub.care.Timeout = 0 // each try has its own, once it is sent
	sub.endpoints = func(journal string) ([]tookPart, error) {
		answers, err := eval.ByEndpoint(journal)
		if err != nil {
			return nil, err
		}
		var took []tookPart
		for _, s := range list {
			took = append(took, tookPart{s.url, f.model, s.about.Version, s.about.Context, s.about.Quantization, answers[s.url]})
			delete(answers, s.url)
		}
		for _, gone := range slices.Sorted(maps.Keys(answers)) {
			took = append(took, tookPart{URL: gone, Model: f.model, Answers: answers[gone]})
		}
		return took, nil
	}
	return sub
}

// tookPart is what the record of an evaluation says of one of its endpoints; of one
// that only an earlier start asked, nothing but its answers.
type tookPart struct {
	URL          string `json:"url"`
	Model        string `json:"model"`
	Version      string `json:"server,omitempty"`
	Context      int    `json:"context,omitempty"`
	Quantization string `json:"quantization,omitempty"`
	Answers      int    `json:"answers"`
}

// sharesOf says how many answers came from each.
func sharesOf(list []tookPart) string {
	var each []string
	for _, t := range list {
		each = append(each, fmt.Sprint(t.Answers))
	}
	return strings.Join(each, " + ")
}
