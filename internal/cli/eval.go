package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
	"bbjtune/internal/retention"
)

// evalFlags are the flags of eval for one model.
type evalFlags struct {
	provider, model, adapter, answers              string
	urls                                           []string
	suite, keyEnv, label, notes, system            string
	promptForm, examples                           string
	maxTokens, samples, concurrency, seed, cases   int
	fewShot, requestsPerMinute, retries            int
	temperature, maxCost, pricePrompt, priceAnswer float64
	timeout                                        time.Duration
	retention, humanEval, allowExecution           bool
	again, retryErrors                             bool
	format                                         string
	gates                                          gates
	allowed                                        []string
}

func (a *app) evalCommand() *cobra.Command {
	d := recipe.Defaults()
	f := evalFlags{}
	c := &cobra.Command{
		Use:   "eval [RECIPE]",
		Short: "put the held-out suite to models and score the answers",
		Long: `Eval with a recipe evaluates its untuned model, the few-shot control, the graft
where it has one, and the tuned model; whatever is missing before that is made
first. With --url as well, the tuned model is served there already (on a cluster,
for example): it alone is evaluated, as the recipe says. That it is this model is
yours to see to. Without a recipe eval evaluates a single model:

  --url URL --model NAME                 an OpenAI-compatible endpoint (Ollama,
                                         vLLM, llama.cpp, hosted); without --model
                                         the only one that it serves
` + namedAPIs() + `  --provider worker --model DIR          a model folder, with --adapter or
                                         without, in the training worker
  --answers FILE --label NAME            answers that were recorded

A key is read from the environment, or from a file .env here: from the variable
above, or what --key-env names. It is never written anywhere. An endpoint that
--url names gets a key only with --key-env.

Several endpoints of the same model share the questions: --url http://a:8000/v1
--url http://b:8000/v1, or both with a comma between them (--model-server is the
same flag). Each gets as many at the same time as --concurrency says. One that
fails is left out until it answers again, and what it was asked is asked
elsewhere. Those that say of themselves that they serve different models are
refused. Answers are kept under the first address; others may join and go.

Answers are kept, and no question is put twice to the same model in the same
way, whatever the suite: run the same command again after an interruption.
Ctrl-C lets the questions under way be answered, a second one does not. What
fails for good is reported with its cause and counts as a wrong answer;
--retry-errors asks these questions again, and --again all of them, as is right
when another model is served under the same name.

What a tuned model has forgotten is measured with --retention: it predicts
general code in other languages, beside its base model. A loss of more than 5 %
is an alert.

The gates are held against the one model, or the recipe's tuned model. A question
without an answer, an alert and a gate that fails each make the exit status 1.`,
		Args: args(0, 1, "one recipe, or none"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if err := f.gates.parse(); err != nil {
				return err
			}
			if err := checkAllowed(f.allowed); err != nil {
				return err
			}
			if len(list) == 1 {
				if err := onlyWithoutRecipe(cmd, len(f.urls) > 0); err != nil {
					return err
				}
				if len(f.urls) > 0 {
					return a.evalServed(cmd.Context(), list[0], f, cmd.Flags().Changed("concurrency"))
				}
				if f.humanEval && !f.allowExecution {
					return fault.New("--humaneval runs programs that a model wrote", "say --allow-code-execution, on a machine where that may be; --retention alone runs nothing")
				}
				if (f.retention || f.humanEval) && f.gates.any() {
					return fault.New("--retention and --humaneval evaluate nothing that --fail-under and --fail-if-worse-than could be held against", "leave one of them out; with evaluate.retention.general in the recipe, an evaluation measures both")
				}
				return a.evalRecipe(cmd.Context(), list[0], f)
			}
			if err := f.validate(); err != nil {
				return err
			}
			return a.evalModel(cmd.Context(), f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.provider, "provider", "", providerNames()+" (default: "+llm.Providers()[0].Name+")")
	fl.StringSliceVar(&f.urls, "url", nil, "base URL of the endpoint, or of several with the same model; for an OpenAI-compatible one it ends in /v1")
	fl.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "model-server" {
			name = "url"
		}
		return pflag.NormalizedName(name)
	})
	fl.StringVar(&f.model, "model", "", "name of the model there (default: the only one), or its folder")
	fl.StringVar(&f.adapter, "adapter", "", "folder of an adapter for --provider worker")
	fl.StringVar(&f.answers, "answers", "", "JSONL file of recorded answers (suites/FORMAT.md)")
	fl.StringVar(&f.keyEnv, "key-env", "", "environment variable that holds the key")
	fl.StringVar(&f.label, "label", "", "name in reports (default: the model's)")
	fl.StringVar(&f.notes, "notes", "", "what the report says beside it")
	fl.StringVar(&f.suite, "suite", "suites/bbj-core", "suite to evaluate on")
	fl.StringVar(&f.system, "system", d.Data.SystemPrompts[0], "system prompt")
	fl.IntVar(&f.cases, "cases", 0, "ask a fixed part of the suite with so many questions (0: all)")
	fl.StringVar(&f.promptForm, "prompt-form", "auto", "chat, completion for a base model without a chat template, or auto: completion for a folder without one")
	fl.IntVar(&f.fewShot, "few-shot", -1, "examples in the prompt (default: 4 in a completion prompt, else none)")
	fl.StringVar(&f.examples, "examples", "training-data", "folder that they are taken from")
	fl.IntVar(&f.maxTokens, "max-tokens", d.Evaluate.MaxTokens, "longest answer in tokens")
	fl.IntVar(&f.samples, "samples", 1, "answers a case")
	fl.IntVar(&f.concurrency, "concurrency", d.Evaluate.Concurrency, "questions at the same time, for each endpoint")
	fl.IntVar(&f.seed, "seed", d.Seed, "seed of the sampling")
	fl.Float64Var(&f.temperature, "temperature", 0, "0 always takes the likeliest token")
	fl.DurationVar(&f.timeout, "timeout", askTimeout, "longest wait for one answer")
	fl.IntVar(&f.retries, "retries", askRetries, "tries after the first, where a request fails in passing")
	fl.IntVar(&f.requestsPerMinute, "requests-per-minute", 0, "at most so many requests a minute (default: no limit)")
	fl.Float64Var(&f.maxCost, "max-cost", 0, "US dollars that are not exceeded (default: no limit)")
	fl.Float64Var(&f.pricePrompt, "price-prompt", 0, "US dollars for a million tokens of prompts, as the provider lists them")
	fl.Float64Var(&f.priceAnswer, "price-answer", 0, "US dollars for a million tokens of answers")
	fl.BoolVar(&f.again, "again", false, "forget the answers of an earlier run and ask anew")
	fl.BoolVar(&f.retryErrors, "retry-errors", false, "ask again what an earlier run got no answer to")
	fl.BoolVar(&f.retention, "retention", false, "only measure what the recipe's model has forgotten: the perplexity of general code")
	fl.BoolVar(&f.humanEval, "humaneval", false, "the same and HumanEval; needs --allow-code-execution")
	fl.BoolVar(&f.allowExecution, "allow-code-execution", false, "programs that a model wrote may be run, isolated")
	f.gates.flags(c, "the model")
	allowDifferent(c, &f.allowed)
	outputFormat(c, &f.format, "text", "json")
	return c
}

// withServed are the flags that go with a recipe whose tuned model is served elsewhere.
var withServed = []string{"url", "model", "key-env", "concurrency", "timeout", "retries", "requests-per-minute", "again"}

// onlyWithoutRecipe refuses the flags that a recipe has keys for.
func onlyWithoutRecipe(cmd *cobra.Command, served bool) error {
	var err error
	cmd.LocalNonPersistentFlags().VisitAll(func(fl *pflag.Flag) {
		switch fl.Name {
		case "output-format", "fail-under", "fail-if-worse-than", "allow-different", "retry-errors", "help":
			return
		case "retention", "humaneval", "allow-code-execution":
			if !served {
				return
			}
		}
		if served && slices.Contains(withServed, fl.Name) {
			return
		}
		if fl.Changed && err == nil {
			err = fault.Newf("set it in the recipe, or leave the recipe out", "--%s goes with one model, not with a recipe", fl.Name)
		}
	})
	return err
}

// api is the one that --provider names; the training worker has none.
func (f *evalFlags) api() llm.Provider {
	api, _ := llm.FindProvider(f.provider)
	return api
}

// namedAPIs are the lines of help for those that are asked by name.
func namedAPIs() string {
	var b strings.Builder
	for _, p := range llm.Providers() {
		fmt.Fprintf(&b, "  %-36s   %s, key %s\n", "--provider "+p.Name+" --model NAME", p.API, p.KeyEnv)
	}
	return b.String()
}

// providerNames lists what --provider takes.
func providerNames() string {
	var names []string
	for _, p := range llm.Providers() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ") + " or worker"
}

func (f *evalFlags) validate() error {
	_, known := llm.FindProvider(f.provider)
	switch {
	case f.retention || f.humanEval || f.allowExecution:
		return fault.New("--retention, --humaneval and --allow-code-execution go with a recipe", "name one: both its models are measured")
	case f.answers == "" && f.model == "" && (len(f.urls) == 0 || !f.api().Compatible() || f.provider == "worker"):
		return fault.New("eval needs a recipe, --model, --url or --answers", "for example: bbjtune eval recipes/demo-cpu.yaml")
	case f.answers != "" && (f.model != "" || len(f.urls) > 0 || f.provider != ""):
		return fault.New("--answers goes without --model, --url and --provider", "name what answered with --label")
	case f.answers == "" && len(f.urls) == 0 && f.provider == "":
		return fault.New("eval does not know where the model is", "say it with --url, or with --provider "+providerNames())
	case !known && f.provider != "worker":
		return fault.Newf("write "+providerNames(), "--provider is %q", f.provider)
	case f.adapter != "" && f.provider != "worker":
		return fault.New("--adapter goes with --provider worker", "merge it into the model for any other")
	case !slices.Contains([]string{"auto", string(eval.Chat), string(eval.Completion)}, f.promptForm):
		return fault.Newf("write auto, chat or completion", "--prompt-form is %q", f.promptForm)
	case f.samples < 1 || f.maxTokens < 1 || f.concurrency < 1 || f.concurrency > 1024 || f.temperature < 0 || f.cases < 0:
		return fault.New("--samples, --max-tokens and --concurrency must be 1 or more (--concurrency at most 1024), --temperature and --cases 0 or more", "see bbjtune eval --help")
	case f.timeout <= 0 || f.retries < 0 || f.requestsPerMinute < 0 || f.maxCost < 0 || f.pricePrompt < 0 || f.priceAnswer < 0:
		return fault.New("--timeout must be above 0; --retries, --requests-per-minute, --max-cost and the prices 0 or more", "see bbjtune eval --help")
	case f.samples > 1 && f.temperature == 0 && f.answers == "":
		return fault.New("several samples at temperature 0 are the same answer several times", "raise --temperature or leave --samples at 1")
	case len(f.urls) > 0 && f.provider == "worker":
		return fault.New("--url goes with an endpoint, not with --provider worker", "leave one of them out")
	case len(f.urls) > 1 && !f.api().Compatible():
		return fault.New("several endpoints can share the questions only if they are OpenAI-compatible", "name one --url")
	case f.concurrency*max(1, len(f.urls)) > 1024:
		return fault.Newf("lower --concurrency, which counts for each endpoint", "%d endpoints with %d questions each are more than 1024 at the same time", len(f.urls), f.concurrency)
	}
	return f.completeURLs()
}

// completeURLs checks the addresses.
func (f *evalFlags) completeURLs() error {
	for i, text := range f.urls {
		base, err := baseURL(strings.TrimSpace(text), f.api())
		if err != nil {
			return err
		}
		if slices.Contains(f.urls[:i], base) {
			return fault.Newf("name each endpoint once", "--url names %s twice", base)
		}
		f.urls[i] = base
	}
	return nil
}

// evalRecipe evaluates the models of a recipe, and what was forgotten where the
// recipe says so or it is wished.
func (a *app) evalRecipe(ctx context.Context, path string, f evalFlags) error {
	p, err := a.pipeline(path)
	if err != nil {
		return err
	}
	defer p.close()
	p.retryErrors = f.retryErrors
	if f.retention || f.humanEval {
		return p.evalRetention(ctx, f)
	}
	results, steps, err := p.evaluateAll(ctx)
	if err != nil {
		return err
	}
	lost, err := p.forgotten(ctx)
	if err != nil {
		return err
	}
	return a.printResults(results, steps, lost, f)
}

// forgotten measures what was forgotten where the recipe says so.
func (p *pipeline) forgotten(ctx context.Context) (*forgotten, error) {
	if len(p.recipe.Evaluate.Retention.General) == 0 {
		return nil, nil
	}
	r, s, err := p.retention(ctx, false)
	if err != nil {
		return nil, err
	}
	return &forgotten{r, s}, nil
}

// evalRetention says what was forgotten, and nothing else.
func (p *pipeline) evalRetention(ctx context.Context, f evalFlags) error {
	r, s, err := p.retention(ctx, f.humanEval)
	if err != nil {
		return err
	}
	return p.printResults(nil, nil, &forgotten{r, s}, f)
}

// forgotten is a measurement of what was forgotten, and its folder.
type forgotten struct {
	report *retention.Report
	step   step
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

// printResults says how the models did, and holds the last against the gates.
// Questions without an answer are findings, and so is too much that was lost.
func (a *app) printResults(results []*eval.Result, steps []step, lost *forgotten, f evalFlags) error {
	judged := []gateResult{}
	if len(results) > 0 {
		var err error
		if judged, err = f.gates.judge(results[len(results)-1:], f.allowed); err != nil {
			return err
		}
	}
	if f.format == "json" {
		if err := a.printResultsJSON(results, steps, lost, judged); err != nil {
			return err
		}
	} else {
		a.printResultsText(results, steps, lost)
	}
	findings := a.tellUnanswered(results)
	if lost != nil {
		a.alert(lost.report)
		findings = findings || len(lost.report.Alerts()) > 0
	}
	if err := a.enforce(judged); err != nil {
		return err
	}
	if findings {
		return errFindings
	}
	return nil
}

func (a *app) printResultsJSON(results []*eval.Result, steps []step, lost *forgotten, judged []gateResult) error {
	type entry struct {
		Folder     string          `json:"folder"`
		Model      string          `json:"model"`
		PromptForm eval.PromptForm `json:"prompt_form"`
		Metrics    eval.Metrics    `json:"metrics"`
		Unanswered int             `json:"unanswered"`
		Cost       float64         `json:"cost"`
	}
	list := []entry{}
	for i, r := range results {
		list = append(list, entry{steps[i].dir.Path, r.Model, r.Options.Form(), r.Metrics, r.Failed(), r.Cost})
	}
	out := map[string]any{"version": 1, "evaluations": list, "gates": judged}
	if lost != nil {
		out["retention"] = lost.report
	}
	return writeJSON(a.Out, out)
}

func (a *app) printResultsText(results []*eval.Result, steps []step, lost *forgotten) {
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
		if r.Cost > 0 {
			fmt.Fprintf(a.Out, "  cost $%.4f\n", r.Cost)
		}
	}
	if lost != nil {
		a.printRetention(lost.report, lost.step)
	}
}

// tellUnanswered says which models left questions without an answer, and why, and
// reports whether there are any.
func (a *app) tellUnanswered(results []*eval.Result) bool {
	any := false
	for _, r := range results {
		n, total := r.Failed(), 0
		if n == 0 {
			continue
		}
		any = true
		for _, c := range r.Cases {
			total += c.Samples
		}
		var causes []string
		for _, c := range slices.Sorted(maps.Keys(r.Unanswered)) {
			causes = append(causes, fmt.Sprintf("%s %d", c, r.Unanswered[c]))
		}
		next := "--retry-errors asks them again"
		if r.Unanswered[llm.NotRecorded] == n {
			next = "the file of answers holds none for them"
		}
		a.show.Say("! %s: %d of %d questions got no answer (%s); %s", progress.Printable(r.Model), n, total, strings.Join(causes, ", "), next)
	}
	return any
}
