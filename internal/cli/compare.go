package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/report"
)

type compareFlags struct {
	baseline             string
	by, metrics, allowed []string
	gates                gates
	format               string
}

func (a *app) compareCommand() *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare RUN RUN…",
		Short: "compare evaluations with a baseline, case by case, and say what it shows",
		Long: `Compare reads folders below runs/eval and compares each with the baseline, the
first of them unless --baseline names another: the difference on the same cases
with its 95 % interval, the probability of such a difference if both were equally
good, and a verdict.

better, worse  that probability is below 5 %
tied           it is not, and the interval lies within 10 points to either side
too few cases  neither can be said; more cases would tell

With one answer a case the test is McNemar's exact one. With several, the cases
are drawn anew for the interval (bootstrap), and the signs of their differences
for the probability; the seed is fixed. Within the slices of --by, the
probabilities are corrected for their number (Holm).

What was asked or judged in another way is refused, unless --allow-different
names it. The gates are held against every evaluation but the baseline.`,
		Args: args(1, -1, "two or more folders below runs/eval, or one and --baseline"),
		RunE: func(_ *cobra.Command, list []string) error { return a.compare(list, f) },
	}
	fl := c.Flags()
	fl.StringVar(&f.baseline, "baseline", "", "the evaluation that the others are compared with (default: the first)")
	fl.StringSliceVar(&f.by, "by", []string{"generation", "type"}, "slices to compare (generation, type, difficulty, topic; none: no slices)")
	fl.StringSliceVar(&f.metrics, "metric", nil, "metrics to compare by (default: compile@1, clean@1, task@1 and what else both have)")
	allowDifferent(c, &f.allowed)
	f.gates.flags(c, "an evaluation")
	outputFormat(c, &f.format, "text", "json", "markdown")
	return c
}

// compared is a model against the baseline.
type compared struct {
	Folder      string               `json:"folder"`
	Model       string               `json:"model"`
	Unlike      []compare.Difference `json:"unlike"`
	Comparisons []compare.Comparison `json:"comparisons"`
}

func (a *app) compare(list []string, f compareFlags) error {
	metrics, err := f.check()
	if err != nil {
		return err
	}
	if err := f.gates.parse(); err != nil {
		return err
	}
	if f.baseline == "" {
		f.baseline, list = list[0], list[1:]
	} else {
		list = slices.DeleteFunc(list, func(dir string) bool { return filepath.Clean(dir) == filepath.Clean(f.baseline) })
	}
	if len(list) == 0 {
		return fault.New("there is nothing to compare the baseline with", "name two or more folders below runs/eval")
	}
	_, baseline, err := readEvaluation(f.baseline)
	if err != nil {
		return err
	}
	models, _, err := readEvaluations(list)
	if err != nil {
		return err
	}
	var all []compared
	for i, m := range models {
		if err := compare.Comparable(m, baseline, f.allowed); err != nil {
			return err
		}
		wanted := metrics
		if wanted == nil {
			wanted = compare.Metrics(m, baseline)
		}
		for _, metric := range wanted {
			for _, r := range []*eval.Result{m, baseline} {
				if _, err := r.Rate(metric); err != nil {
					return err
				}
			}
		}
		all = append(all, compared{list[i], m.Model, compare.Differences(m, baseline), compare.Pair(m, baseline, wanted, f.by)})
	}
	judged, err := f.gates.judge(models, f.allowed)
	if err != nil {
		return err
	}
	if err := a.printComparisons(f, baseline, all, judged); err != nil {
		return err
	}
	return a.enforce(judged)
}

// check reads the lists of words.
func (f *compareFlags) check() ([]eval.Metric, error) {
	if slices.Equal(f.by, []string{"none"}) {
		f.by = nil
	}
	if err := known("--by", f.by, eval.Properties()); err != nil {
		return nil, err
	}
	if err := checkAllowed(f.allowed); err != nil {
		return nil, err
	}
	var list []eval.Metric
	for _, name := range f.metrics {
		m, err := eval.ParseMetric(name)
		if err != nil {
			return nil, fault.Wrap(fmt.Errorf("--metric: %w", err), "for example --metric compile@1,task@1")
		}
		list = append(list, m)
	}
	return list, nil
}

// known returns an error unless all words of a flag are among the names.
func known(flag string, words, names []string) error {
	for _, w := range words {
		if !slices.Contains(names, w) {
			return fault.Newf("write some of "+strings.Join(names, ", "), "%s does not know %q", flag, w)
		}
	}
	return nil
}

func (a *app) printComparisons(f compareFlags, baseline *eval.Result, all []compared, judged []gateResult) error {
	if f.format == "json" {
		return writeJSON(a.Out, map[string]any{
			"version": 1, "baseline": map[string]string{"folder": f.baseline, "model": baseline.Model}, "suite": baseline.Suite, "models": all, "gates": judged,
		})
	}
	for i, c := range all {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		if f.format == "markdown" {
			writeComparisonMarkdown(a.Out, baseline, c)
		} else if err := writeComparisonText(a.Out, baseline, c); err != nil {
			return err
		}
	}
	return nil
}

// rows are the lines of a comparison: each metric, and behind it its slices.
func (c compared) rows() (list [][]string) {
	row := func(what, n, rates, points, split, p string, v compare.Verdict) {
		list = append(list, []string{what, n, rates, points, split, p, string(v)})
	}
	for _, x := range c.Comparisons {
		row(string(x.Metric), fmt.Sprint(x.Paired.N), fmt.Sprintf("%.1f / %.1f %%", 100*x.ModelRate, 100*x.BaselineRate), report.Points(x.Paired),
			fmt.Sprintf("%d / %d", x.Paired.OnlyA, x.Paired.OnlyB), report.PValue(x.Paired.P), x.Verdict)
	}
	for _, x := range c.Comparisons {
		for _, s := range x.Slices {
			row(fmt.Sprintf("%s, %s %s", x.Metric, s.By, s.Value), fmt.Sprint(s.Paired.N), "", report.Points(s.Paired),
				fmt.Sprintf("%d / %d", s.Paired.OnlyA, s.Paired.OnlyB), report.PValue(s.Holm), s.Verdict)
		}
	}
	return list
}

var comparisonHead = []string{"metric", "cases", "rates", "difference, points", "only one", "p", "verdict"}

// notes say how the rows came about.
func (c compared) notes() []string {
	var list []string
	for _, d := range c.Unlike {
		list = append(list, fmt.Sprintf("not alike: %s (%s; %s)", d.What, d.Model, d.Baseline))
	}
	method := "method: " + string(c.Comparisons[0].Method)
	if len(c.Comparisons[0].Slices) > 0 {
		method += "; p of the slices is corrected for their number (Holm), their intervals are not"
	}
	for _, x := range c.Comparisons {
		if x.Remark != "" {
			list = append(list, fmt.Sprintf("%s: %s", x.Metric, x.Remark))
		}
	}
	return append(list, method)
}

func writeComparisonText(w io.Writer, baseline *eval.Result, c compared) error {
	fmt.Fprintf(w, "%s against %s, suite %s\n\n", progress.Printable(c.Model), progress.Printable(baseline.Model), progress.Printable(baseline.Suite.String()))
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(comparisonHead, "\t"))
	for i, row := range c.rows() {
		if i == len(c.Comparisons) {
			fmt.Fprintln(table, strings.Repeat("\t", len(row)-1))
		}
		fmt.Fprintln(table, progress.Printable(strings.Join(row, "\t")))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
	fmt.Fprintln(w)
	for _, n := range c.notes() {
		fmt.Fprintln(w, progress.Printable(n))
	}
	return nil
}

func writeComparisonMarkdown(w io.Writer, baseline *eval.Result, c compared) {
	fmt.Fprintf(w, "## %s against %s\n\n| %s |\n|%s\n", report.Cell(c.Model), report.Cell(baseline.Model), strings.Join(comparisonHead, " | "), strings.Repeat(" --- |", len(comparisonHead)))
	for _, row := range c.rows() {
		row[0] = report.Cell(row[0])
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(w)
	for _, n := range c.notes() {
		fmt.Fprintf(w, "- %s\n", report.Cell(n))
	}
}
