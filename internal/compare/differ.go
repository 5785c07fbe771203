package compare

import (
	"fmt"
	"slices"
	"strings"

	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
)

// Difference is a condition in which two evaluations are not alike.
type Difference struct {
	What     string `json:"what"` // one of Conditions
	Model    string `json:"model"`
	Baseline string `json:"baseline"`
}

// Conditions are what two evaluations must have in common, unless it is allowed
// to differ.
func Conditions() []string {
	return []string{"suite", "engine", "extractor", "prompt-form", "system", "samples", "max-tokens", "temperature", "seed"}
}

// Differences lists the conditions in which two evaluations differ. Examples in
// the prompt may: they are what a few-shot control is about, and a report names
// them.
func Differences(model, baseline *eval.Result) []Difference {
	list := []Difference{}
	for _, what := range Conditions() {
		if a, b := condition(model, what), condition(baseline, what); a != b {
			list = append(list, Difference{what, a, b})
		}
	}
	return list
}

func condition(r *eval.Result, what string) string {
	switch what {
	case "suite":
		return fmt.Sprintf("%s, sha256 %.12s", r.Suite, r.Suite.Hash)
	case "engine":
		return r.Engine.Name + " " + r.Engine.Version
	case "extractor":
		return fmt.Sprintf("version %d", r.Extract)
	case "prompt-form":
		return string(r.Options.Form())
	case "system":
		return fmt.Sprintf("%q", r.Options.System)
	case "samples":
		return fmt.Sprint(r.Options.Samples)
	case "max-tokens":
		return fmt.Sprint(r.Options.MaxTokens)
	case "temperature":
		return fmt.Sprint(r.Options.Temperature)
	}
	return fmt.Sprint(r.Options.Seed)
}

// Comparable returns an error unless both were asked the same in the same way and
// judged alike, but for what is allowed to differ. It names all that differs.
func Comparable(model, baseline *eval.Result, allowed []string) error {
	for _, r := range []*eval.Result{model, baseline} {
		if len(r.Cases) == 0 {
			return fmt.Errorf("%s has no answers", r.Model)
		}
	}
	var what, said []string
	for _, d := range Differences(model, baseline) {
		if !slices.Contains(allowed, d.What) {
			what = append(what, d.What)
			said = append(said, fmt.Sprintf("%s (%s; %s)", d.What, d.Model, d.Baseline))
		}
	}
	if len(what) > 0 {
		return fault.Newf("evaluate both alike (no answer is asked for twice), or allow it with --allow-different "+strings.Join(what, ","),
			"%s and %s are not comparable: they differ in %s", model.Model, baseline.Model, strings.Join(said, ", "))
	}
	if !slices.ContainsFunc(model.Cases, func(c eval.Case) bool {
		return slices.ContainsFunc(baseline.Cases, func(b eval.Case) bool { return b.ID == c.ID })
	}) {
		return fmt.Errorf("%s and %s have no case in common", model.Model, baseline.Model)
	}
	return nil
}
