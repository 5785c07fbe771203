package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/printable"
	"bbjtune/internal/progress"
	"bbjtune/internal/report"
)

// demoRecipe is the recipe of the demo, seen from a clone of the repository.
const demoRecipe = "recipes/demo-cpu.yaml"

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "train and measure a small model on this machine, without a GPU",
		Long: `Demo carries out the whole path on this machine: it makes the Python
environment, takes the small base model from its package, builds the data set
from training-data/, trains in two stages, evaluates untuned and tuned model on
held-out cases and writes a report. Run it in a clone of the repository.
Interrupted and started again, it goes on where it was.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(demoRecipe); err != nil {
				return fault.Wrap(fmt.Errorf("the demo needs %s: %w", demoRecipe, err), "run bbjtune demo in a clone of the repository")
			}
			return a.runRecipe(cmd.Context(), demoRecipe)
		},
	}
}

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run RECIPE",
		Short: "carry out a recipe from data to report",
		Long: `Run carries out data build, train, pack, eval and report of a recipe, and skips
what is already done: every step's folder is named after the hash of all that
goes into it. Interrupted and started again, it goes on where it was.`,
		Args: args(1, 1, "one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			return a.runRecipe(cmd.Context(), list[0])
		},
	}
}

// runRecipe is the whole path.
func (a *app) runRecipe(ctx context.Context, path string) error {
	p, err := a.pipeline(path)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.admit(ctx); err != nil {
		return err
	}
	e, results, steps, err := p.evaluateAll(ctx)
	if err != nil {
		return err
	}
	trained, err := p.train(ctx)
	if err != nil {
		return err
	}
	packed, err := p.pack(ctx)
	if err != nil {
		return err
	}
	training := &report.Training{}
	if err := json.Unmarshal(trained.manifest.Result, training); err != nil {
		return err
	}
	return a.report(e, results, steps, "What "+p.recipe.Name+" learned", p.recipe.Name, training, a.command("serve", packed.path(p.served())))
}

// command writes a call of this program as a shell reads it.
func (a *app) command(args ...string) string {
	program := a.Program
	if program == "" {
		program = "bbjtune"
	}
	words := append([]string{program}, args...)
	for i, w := range words {
		switch {
		case !strings.ContainsFunc(w, func(r rune) bool { return !strings.ContainsRune(plainInShell, r) }):
		case runtime.GOOS == "windows":
			words[i] = `"` + w + `"`
		default:
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// plainInShell are the characters that no shell makes something else of.
const plainInShell = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:"

// report writes the report and shows its table. The tuned model is the last.
func (a *app) report(e *evaluation, results []*eval.Result, steps []step, title, name string, training *report.Training, next string) error {
	main := len(results) - 1
	r, err := report.New(title, results[main].Date, e.suite, results, main)
	if err != nil {
		return fault.Wrap(err, "compare evaluations of one suite by one engine")
	}
	r.Training, r.Next = training, next
	var keys []string
	for _, s := range steps {
		keys = append(keys, s.dir.Key)
	}
	out, err := a.writeReport(name, r, keys)
	if err != nil {
		return err
	}
	a.printTable(r)
	fmt.Fprintf(a.Out, "\nreport: %s\n        %s\n", out.path("report.html"), out.path("report.md"))
	if next != "" {
		fmt.Fprintf(a.Out, "try it: %s\n", next)
	}
	return nil
}

// printTable shows the main figures on standard output.
func (a *app) printTable(r *report.Report) {
	width := len("model")
	for _, m := range r.Models {
		width = max(width, len(m.Model))
	}
	fmt.Fprintf(a.Out, "\n%-*s  %-34s  %s\n", width, "model", "compile@1 [95 % interval]", "task@1 [95 % interval]")
	for _, m := range r.Models {
		fmt.Fprintf(a.Out, "%-*s  %-34s  %s\n", width, progress.Printable(m.Model), report.Percent(m.Metrics.Compile), report.Percent(m.Metrics.Task))
	}
	fmt.Fprintln(a.Out)
	for _, c := range r.Comparisons {
		fmt.Fprintf(a.Out, "%s of %s against %s: %s points, p = %s, %s\n", c.Metric, progress.Printable(c.Better), progress.Printable(c.Than), c.Points(), report.PValue(c.Paired.P), c.Verdict())
	}
}

func (a *app) dataCommand() *cobra.Command {
	data := &cobra.Command{Use: "data", Short: "look at training data, and make it", Args: args(0, 0, "a subcommand: audit, build, clean, coverage or export"), RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	var format string
	build := &cobra.Command{
		Use:   "build RECIPE",
		Short: "build the training files of a recipe: examples and source in, leak-free split out",
		Args:  args(1, 1, "one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			p, err := a.pipeline(list[0])
			if err != nil {
				return err
			}
			defer p.close()
			s, counts, err := p.buildData(cmd.Context())
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(a.Out, map[string]any{"version": 1, "folder": s.dir.Path, "counts": counts})
			}
			fmt.Fprintf(a.Out, "%s\n%s\n", s.dir.Path, describe(counts))
			return nil
		},
	}
	outputFormat(build, &format, "text", "json")
	data.AddCommand(a.auditCommand(), build, a.cleanCommand(), a.coverageCommand(), a.exportCommand())
	return data
}

func (a *app) trainCommand() *cobra.Command {
	var ask bool
	o := inspection{}
	c := &cobra.Command{
		Use:   "train RECIPE",
		Short: "train the stages of a recipe, or show what they would be trained on; builds the data first where that is missing",
		Long: `Train carries out the stages of a recipe. It does not start on a row that
teaches nothing, nor on one of whose prompt a token would be trained on.

With --inspect nothing is trained. The mask report shows, for the real data and
the base model's tokenizer, what of each stage's rows would be: tokens that are
trained on and tokens that are masked, rows that are cut, left out or without
either, how full packed sequences and batches are, and any row token by token.
Status 1 then says that training would not start.`,
		Args: args(1, 1, "one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if err := o.check(ask, cmd.Flags().Changed("stage")); err != nil {
				return err
			}
			if ask {
				return a.inspect(cmd.Context(), list[0], o)
			}
			p, err := a.pipeline(list[0])
			if err != nil {
				return err
			}
			defer p.close()
			s, err := p.train(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Out, s.dir.Path)
			return nil
		},
	}
	f := c.Flags()
	f.BoolVar(&ask, "inspect", false, "show what of the rows would be trained on, and train nothing")
	f.IntVar(&o.stage, "stage", 0, "with --inspect: this stage alone, 1 or 2")
	f.IntSliceVar(&o.rows, "row", nil, "with --inspect: show this row token by token, named by its line in the stage's training file; may be repeated")
	f.StringVar(&o.html, "html", "", "with --inspect: write the report as a page to this file")
	outputFormat(c, &o.format, "text", "json")
	return c
}

func (a *app) packCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pack RECIPE",
		Short: "merge the trained adapter with its base and convert the model to GGUF",
		Args:  args(1, 1, "one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			p, err := a.pipeline(list[0])
			if err != nil {
				return err
			}
			defer p.close()
			s, err := p.pack(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Out, s.dir.Path)
			return nil
		},
	}
}

func (a *app) reportCommand() *cobra.Command {
	var suiteDir, title string
	c := &cobra.Command{
		Use:   "report RUN…",
		Short: "put evaluations side by side; the last one is compared with the others",
		Long: `Report reads the folders below runs/eval and writes report.md, report.html and
report.json. All must be of one suite and one engine.`,
		Args: args(1, -1, "one or more folders below runs/eval"),
		RunE: func(_ *cobra.Command, list []string) error {
			e, err := a.evaluation("report", suiteDir, nil, 1)
			if err != nil {
				return err
			}
			results, steps, err := readEvaluations(list)
			if err != nil {
				return err
			}
			if got := results[0].Suite; got.Hash != e.ref.Hash {
				return fault.Newf("name the suite with --suite; if it has changed since, evaluate again: no answer is asked for twice", "%s was evaluated on %s version %d, which is not what is in %s", list[0], got.Name, got.Version, suiteDir)
			}
			return a.report(e, results, steps, title, "compare", nil, "")
		},
	}
	c.Flags().StringVar(&suiteDir, "suite", "suites/bbj-core", "the suite that was evaluated")
	c.Flags().StringVar(&title, "title", "Evaluation", "title of the report")
	return c
}

func readEvaluations(dirs []string) (results []*eval.Result, steps []step, err error) {
	for _, dir := range dirs {
		s, err := finished(dir, "eval")
		if err != nil {
			return nil, nil, err
		}
		r, err := readResult(s.path("result.json"))
		if err != nil {
			return nil, nil, err
		}
		results, steps = append(results, r), append(steps, s)
	}
	return results, steps, nil
}

func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	// Foreign text stands in strings alone, where an escape says the same.
	var safe strings.Builder
	for _, r := range b.String() {
		if printable.Dangerous(r) {
			fmt.Fprintf(&safe, `\u%04x`, r)
		} else {
			safe.WriteRune(r)
		}
	}
	_, err := io.WriteString(w, safe.String())
	return err
}

// outputFormat adds the flag --output-format, checked before the command runs.
func outputFormat(c *cobra.Command, value *string, formats ...string) {
	c.Flags().StringVar(value, "output-format", formats[0], "one of "+strings.Join(formats, ", "))
	c.PreRunE = func(*cobra.Command, []string) error {
		for _, f := range formats {
			if f == *value {
				return nil
			}
		}
		return fault.Newf("write one of "+strings.Join(formats, ", "), "--output-format is %q", *value)
	}
}

// abs makes a path readable from anywhere.
func abs(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
