package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
)

// gates are conditions under which a command that ran well ends with status 1.
type gates struct {
	under     []string
	worseThan string
	floors    []floor
}

// floor is the least that a metric must reach.
type floor struct {
	metric eval.Metric
	least  float64
}

func (g *gates) flags(c *cobra.Command, whose string) {
	c.Flags().StringArrayVar(&g.under, "fail-under", nil, "exit with 1 if a rate of "+whose+" is lower, for example task@1=0.5; repeatable")
	c.Flags().StringVar(&g.worseThan, "fail-if-worse-than", "", "exit with 1 if "+whose+" is worse than this RUN by compile@1, clean@1, task@1 or facts")
}

// any reports whether there is a gate.
func (g *gates) any() bool { return len(g.under) > 0 || g.worseThan != "" }

// parse reads the flags, before any work is done.
func (g *gates) parse() error {
	for _, text := range g.under {
		name, value, _ := strings.Cut(text, "=")
		m, err := eval.ParseMetric(name)
		if err != nil {
			return fault.Wrap(fmt.Errorf("--fail-under: %w", err), "for example --fail-under task@1=0.5")
		}
		least, err := strconv.ParseFloat(value, 64)
		if err != nil || !(least >= 0 && least <= 1) {
			return fault.Newf("write a rate from 0 to 1, for example --fail-under task@1=0.5", "--fail-under %s is no metric with a rate", text)
		}
		g.floors = append(g.floors, floor{m, least})
	}
	return nil
}

// gateResult is what a gate says of a model.
type gateResult struct {
	Gate   string `json:"gate"`
	Model  string `json:"model"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}

// judge holds evaluations against the gates. A gate that cannot be judged is an
// error.
func (g *gates) judge(models []*eval.Result, allowed []string) ([]gateResult, error) {
	list := []gateResult{}
	for _, m := range models {
		for _, f := range g.floors {
			at, err := m.Rate(f.metric)
			if err == nil && at.Cases == 0 {
				err = fmt.Errorf("%s has no case that counts for %s", m.Model, f.metric)
			}
			if err != nil {
				return nil, fault.Wrap(fmt.Errorf("--fail-under: %w", err), "evaluate on cases for it, or leave this gate out")
			}
			list = append(list, gateResult{fmt.Sprintf("%s at least %.1f %%", f.metric, 100*f.least), m.Model, at.Rate >= f.least,
				fmt.Sprintf("%.1f %% [%.1f, %.1f] of %d cases", 100*at.Rate, 100*at.Low, 100*at.High, at.Cases)})
		}
		if g.worseThan != "" {
			more, err := g.notWorse(m, allowed)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
	}
	return list, nil
}

func (g *gates) notWorse(m *eval.Result, allowed []string) ([]gateResult, error) {
	_, baseline, err := readEvaluation(g.worseThan)
	if err != nil {
		return nil, err
	}
	if err := compare.Comparable(m, baseline, allowed); err != nil {
		return nil, err
	}
	metrics := []eval.Metric{eval.CompileAt1, eval.CleanAt1, eval.TaskAt1}
	if m.Metrics.Facts.N > 0 && baseline.Metrics.Facts.N > 0 {
		metrics = append(metrics, eval.Facts)
	}
	var list []gateResult
	for _, c := range compare.Pair(m, baseline, metrics, nil) {
		list = append(list, gateResult{fmt.Sprintf("%s not worse than %s", c.Metric, baseline.Model), m.Model, c.Verdict != compare.Worse, said(c)})
	}
	return list, nil
}

// enforce prints the gates on standard error, and ends the command with status 1
// if one of them failed.
func (a *app) enforce(list []gateResult) error {
	failed := 0
	for _, r := range list {
		word := "passed"
		if !r.Passed {
			word = "failed"
			failed++
		}
		fmt.Fprintf(a.Err, "gate %s: %s: %s: %s\n", word, progress.Printable(r.Model), progress.Printable(r.Gate), progress.Printable(r.Detail))
	}
	if failed > 0 {
		return errFindings
	}
	return nil
}
