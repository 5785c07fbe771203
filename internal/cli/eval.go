package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
)

// evalFlags are the flags of eval for a model behind an endpoint.
type evalFlags struct {
	suite, url, model, keyEnv, label, notes, system string
	maxTokens, samples, concurrency, seed, cases    int
	temperature                                     float64
	again                                           bool
	format                                          string
	gates                                           gates
}

func (a *app) evalCommand() *cobra.Command {
	d := recipe.Defaults()
	f := evalFlags{}
	c := &cobra.Command{
		Use:   "eval [RECIPE]",
		Short: "put the held-out suite to models and score the answers",
		Long: `Eval with a recipe evaluates its untuned model, the few-shot control and the
tuned model; whatever is missing before that is made first. With --url it
evaluates one model behind an OpenAI-compatible endpoint (Ollama, vLLM,
llama.cpp, hosted). The key is read from the environment variable that
--key-env names. Answers are kept by the address and the model's name, and no
question is put twice; --again asks anew, as is right when another model is
served under the same name.

The gates are held against the model behind --url, or the recipe's tuned model.`,
		Args: args(0, 1, "one recipe, or --url"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if err := f.gates.parse(); err != nil {
				return err
			}
			switch {
			case len(list) == 1 && f.url != "":
				return fault.New("eval takes a recipe or --url, not both", "leave one of them out")
			case len(list) == 1:
				if err := onlyWithURL(cmd); err != nil {
					return err
				}
				return a.evalRecipe(cmd.Context(), list[0], f)
			case f.url == "" || f.model == "":
				return fault.New("eval needs a recipe, or --url and --model", "for example: bbjtune eval recipes/demo-cpu.yaml")
			}
			if err := f.validate(); err != nil {
				return err
			}
			return a.evalEndpoint(cmd.Context(), f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.url, "url", "", "base URL of an OpenAI-compatible endpoint, ending in /v1")
	fl.StringVar(&f.model, "model", "", "name of the model there")
	fl.StringVar(&f.keyEnv, "key-env", "", "environment variable that holds the key")
	fl.StringVar(&f.label, "label", "", "name in reports (default: the model's)")
	fl.StringVar(&f.notes, "notes", "", "what the report says beside it")
	fl.StringVar(&f.suite, "suite", "suites/bbj-core", "suite to evaluate on")
	fl.StringVar(&f.system, "system", d.Data.SystemPrompts[0], "system prompt")
	fl.IntVar(&f.cases, "cases", 0, "ask a fixed part of the suite with so many questions (0: all)")
	fl.IntVar(&f.maxTokens, "max-tokens", d.Evaluate.MaxTokens, "longest answer in tokens")
	fl.IntVar(&f.samples, "samples", 1, "answers a case")
	fl.IntVar(&f.concurrency, "concurrency", d.Evaluate.Concurrency, "questions at the same time")
	fl.IntVar(&f.seed, "seed", d.Seed, "seed of the sampling")
	fl.Float64Var(&f.temperature, "temperature", 0, "0 always takes the likeliest token")
	fl.BoolVar(&f.again, "again", false, "forget the answers of an earlier run and ask anew")
	f.gates.flags(c, "the model")
	outputFormat(c, &f.format, "text", "json")
	return c
}

// onlyWithURL refuses the flags that a recipe has keys for.
func onlyWithURL(cmd *cobra.Command) error {
	for _, name := range []string{"model", "key-env", "label", "notes", "suite", "cases", "system", "max-tokens", "samples", "concurrency", "seed", "temperature", "again"} {
		if cmd.Flags().Changed(name) {
			return fault.Newf("set it in the recipe", "--%s goes with --url, not with a recipe", name)
		}
	}
	return nil
}

func (f evalFlags) validate() error {
	switch u, err := url.Parse(f.url); {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fault.New("--url is no http address", "for example http://127.0.0.1:11434/v1")
	case u.User != nil || u.RawQuery != "":
		return fault.New("--url holds a user name, a password or a query, which would be written into the results", "put the key into an environment variable and name it with --key-env")
	case f.samples < 1 || f.maxTokens < 1 || f.concurrency < 1 || f.temperature < 0 || f.cases < 0:
		return fault.New("--samples, --max-tokens and --concurrency must be 1 or more, --temperature and --cases 0 or more", "see bbjtune eval --help")
	case f.samples > 1 && f.temperature == 0:
		return fault.New("several samples at temperature 0 are the same answer several times", "raise --temperature or leave --samples at 1")
	}
	return nil
}

func (a *app) evalRecipe(ctx context.Context, path string, f evalFlags) error {
	p, err := a.pipeline(path)
	if err != nil {
		return err
	}
	defer p.close()
	results, steps, err := p.evaluateAll(ctx)
	if err != nil {
		return err
	}
	return a.printResults(results, steps, f)
}

func (a *app) evalEndpoint(ctx context.Context, f evalFlags) error {
	key := ""
	if f.keyEnv != "" {
		if key = a.Env(f.keyEnv); key == "" {
			return fault.Newf("set it, or leave --key-env out for a server without keys", "the environment variable %s is not set", f.keyEnv)
		}
	}
	label := f.label
	if label == "" {
		label = f.model
	}
	e, err := a.evaluation(slug(label), f.suite, f.cases, check.Embedded{}, f.concurrency)
	if err != nil {
		return err
	}
	endpoint := strings.TrimSuffix(f.url, "/")
	s, r, err := e.evaluate(ctx, subject{
		label: label, slug: "endpoint", notes: f.notes, identity: endpoint + " " + f.model, again: f.again,
		options: eval.Options{System: f.system, Samples: f.samples, MaxTokens: f.maxTokens, Temperature: f.temperature, Seed: f.seed},
		connect: func(context.Context) (llm.Model, error) {
			return llm.NewOpenAI(label, endpoint, f.model, key, askTimeout), nil
		},
	})
	if err != nil {
		return err
	}
	return a.printResults([]*eval.Result{r}, []step{s}, f)
}

// slug makes a folder name of a label.
func slug(label string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(label))
	return strings.Trim(clean[:min(len(clean), 40)], "-")
}

// printResults shows the evaluations and holds the last against the gates.
func (a *app) printResults(results []*eval.Result, steps []step, f evalFlags) error {
	judged, err := f.gates.judge(results[len(results)-1:], nil)
	if err != nil {
		return err
	}
	if f.format == "json" {
		type entry struct {
			Folder  string       `json:"folder"`
			Model   string       `json:"model"`
			Metrics eval.Metrics `json:"metrics"`
		}
		var list []entry
		for i, r := range results {
			list = append(list, entry{steps[i].dir.Path, r.Model, r.Metrics})
		}
		if err := writeJSON(a.Out, map[string]any{"version": 1, "evaluations": list, "gates": judged}); err != nil {
			return err
		}
		return a.enforce(judged)
	}
	for i, r := range results {
		facts := ""
		if r.Metrics.Facts.N > 0 {
			facts = ", facts " + report.Percent(r.Metrics.Facts)
		}
		fmt.Fprintf(a.Out, "%s: compile@1 %s, task@1 %s%s\n", progress.Printable(r.Model), report.Percent(r.Metrics.Compile), report.Percent(r.Metrics.Task), facts)
		for i, at := range r.Metrics.CompileAtK {
			fmt.Fprintf(a.Out, "  the best of %d answers: compile@%d %s, task@%d %s\n", at.K, at.K, report.AtK(at), at.K, report.AtK(r.Metrics.TaskAtK[i]))
		}
		fmt.Fprintf(a.Out, "  %s\n", steps[i].dir.Path)
	}
	return a.enforce(judged)
}
