package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
)

func (a *app) reportCommand() *cobra.Command {
	var title string
	var allowed []string
	var voted string
	var g gates
	c := &cobra.Command{
		Use:   "report RUN…",
		Short: "put evaluations side by side; the last one is compared with the others",
		Long: `Report reads the folders below runs/eval and writes report.md, report.html and
report.json: the standard table first, then what its figures are made of, the
comparison of the last evaluation with the others, what a tuned model has
forgotten as far as that was measured, and every case with every answer. All must
be of one suite and one engine, and asked alike. With --review, what
people preferred fills the column Qualitative and a section of its own.

The gates are held against the last evaluation.`,
		Args: args(1, -1, "one or more folders below runs/eval"),
		RunE: func(_ *cobra.Command, list []string) error {
			if err := checkAllowed(allowed); err != nil {
				return err
			}
			if err := g.parse(); err != nil {
				return err
			}
			results, steps, err := readEvaluations(list)
			if err != nil {
				return err
			}
			judged, err := g.judge(results[len(results)-1:], allowed)
			if err != nil {
				return err
			}
			if err := a.report(results, steps, reportOptions{title: title, name: "compare", allowed: allowed, review: voted}); err != nil {
				return err
			}
			return a.enforce(judged)
		},
	}
	c.Flags().StringVar(&title, "title", "Evaluation", "title of the report")
	c.Flags().StringVar(&voted, "review", "", "closed review of these models (bbjtune review)")
	allowDifferent(c, &allowed)
	g.flags(c, "the last evaluation")
	return c
}

// allowDifferent adds the flag for what need not be alike.
func allowDifferent(c *cobra.Command, allowed *[]string) {
	c.Flags().StringSliceVar(allowed, "allow-different", nil, "what may differ between the evaluations (suite, engine, extractor, prompt-form, system, samples, max-tokens, temperature, seed)")
}

func checkAllowed(allowed []string) error {
	return known("--allow-different", allowed, compare.Conditions())
}

// reportOptions are what a report says besides its evaluations.
type reportOptions struct {
	title, name, next string
	training          *report.Training
	allowed           []string
	// review is the file of a closed review, or "".
	review string
}

// report writes the report and shows its table. The tuned model is the last.
func (a *app) report(results []*eval.Result, steps []step, o reportOptions) error {
	main := len(results) - 1
	r, err := report.New(o.title, results[main].Date, results, main, o.allowed)
	if err != nil {
		return err
	}
	r.Training, r.Next = o.training, o.next
	if r.Retention, err = a.forgottenBy(results, steps); err != nil {
		return err
	}
	for i, s := range steps {
		if err := readAnswers(s.path("answers.jsonl"), func(x eval.Answer) { r.Show(i, x) }); err != nil {
			return err
		}
	}
	var keys []string
	for _, s := range steps {
		keys = append(keys, s.dir.Key)
	}
	if err := addReview(r, o.review, keys); err != nil {
		return err
	}
	out, err := a.writeReport(o, r, keys)
	if err != nil {
		return err
	}
	a.printTable(r)
	fmt.Fprintf(a.Out, "\nreport: %s\n        %s\n", out.path("report.html"), out.path("report.md"))
	if o.next != "" {
		fmt.Fprintf(a.Out, "try it: %s\n", o.next)
	}
	return nil
}

// addReview adds a review to the report, where one is named.
func addReview(r *report.Report, path string, keys []string) error {
	if path == "" {
		return nil
	}
	results, err := readReview(path)
	if err != nil {
		return err
	}
	if !r.AddReview(results, keys) {
		return fault.Newf("name the evaluations that the review was made of", "%s is a review of other models", path)
	}
	return nil
}

func readAnswers(path string, each func(eval.Answer)) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(err, "run the same bbjtune eval again: what was answered is scored anew, and nothing is asked twice")
	}
	defer f.Close()
	if err := eval.ReadAnswers(f, func(x eval.Answer) error { each(x); return nil }); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeReport writes the three forms of the report and returns their folder.
func (a *app) writeReport(o reportOptions, r *report.Report, keys []string) (step, error) {
	inputs := map[string]any{"evaluations": keys, "title": r.Title, "next": r.Next, "training": r.Training, "retention": r.Retention, "form": report.Version}
	if r.Review != nil {
		inputs["review"] = r.Review
	}
	d, m, err := runs.Open(a.runs, "report", o.name, Version(), inputs)
	if err != nil || m != nil {
		return step{d, m}, err
	}
	defer d.Close()
	forms := []struct {
		name  string
		write func(io.Writer) error
	}{{"report.json", r.JSON}, {"report.md", r.Markdown}, {"report.html", r.HTML}}
	var names []string
	for _, f := range forms {
		if err := runs.WriteWith(d.File(f.name), f.write); err != nil {
			return step{}, err
		}
		names = append(names, f.name)
	}
	m, err = d.Finish(a.Now(), nil, names...)
	return step{d, m}, err
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
		fmt.Fprintf(a.Out, "%s of %s against %s: %s\n", c.Metric, progress.Printable(c.Model), progress.Printable(c.Baseline), said(c))
	}
	for _, x := range r.Lost() {
		fmt.Fprintf(a.Out, "%s of %s: %s, base %s: %s, %s\n", x.Measure, progress.Printable(x.Model), x.TunedText, x.BaseText, x.Change, x.Verdict())
	}
}

// said writes a comparison in one line.
func said(c compare.Comparison) string {
	text := fmt.Sprintf("%s points, p = %s, %s", report.Points(c.Paired), report.PValue(c.Paired.P), c.Verdict)
	if c.Remark != "" {
		text += fmt.Sprintf(" (%s)", c.Remark)
	}
	return text
}

func readEvaluations(dirs []string) (results []*eval.Result, steps []step, err error) {
	for _, dir := range dirs {
		s, r, err := readEvaluation(dir)
		if err != nil {
			return nil, nil, err
		}
		results, steps = append(results, r), append(steps, s)
	}
	return results, steps, nil
}

func readEvaluation(dir string) (step, *eval.Result, error) {
	s, err := finished(dir, "eval")
	if err != nil {
		return step{}, nil, err
	}
	r, err := readResult(s.path("result.json"))
	return s, r, err
}

func readResult(path string) (*eval.Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(err, "name a folder below runs/eval")
	}
	return eval.ParseResult(path, text)
}

// finished opens a complete folder of a kind by its path.
func finished(dir, kind string) (step, error) {
	m, err := runs.ReadManifest(dir)
	if err != nil {
		return step{}, err
	}
	if m.Kind != kind {
		return step{}, fault.Newf("name a folder below runs/"+kind, "%s holds %s, not %s", dir, m.Kind, kind)
	}
	return step{&runs.Dir{Path: filepath.Clean(dir), Kind: m.Kind, ID: m.ID, Key: m.Key}, m}, nil
}
