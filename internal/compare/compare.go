// Package compare puts two evaluations against each other, case by case: whether
// they may be compared at all, how far apart they are, and what may be said of it
// in words.
//
// It must not know how answers were judged, nor how a comparison is shown.
package compare

import (
	"bbjtune/internal/eval"
	"bbjtune/internal/stats"
)

// Comparison is the paired difference of a model and a baseline by one metric.
type Comparison struct {
	Metric   eval.Metric `json:"metric"`
	Model    string      `json:"model"`
	Baseline string      `json:"baseline"`
	// ModelRate and BaselineRate are those of the cases that both have.
	ModelRate    float64      `json:"model_rate"`
	BaselineRate float64      `json:"baseline_rate"`
	Method       Method       `json:"method"`
	Paired       stats.Paired `json:"paired"`
	Verdict      Verdict      `json:"verdict"`
	// Remark says what the verdict alone would hide, if anything.
	Remark Remark  `json:"remark,omitempty"`
	Slices []Slice `json:"slices,omitempty"`
}

// Remark is what a reader of a tie must know.
type Remark string

// The remarks. Where both rates lie within Margin of an end, a tie says more of the
// cases than of the models.
const (
	TooHard Remark = "hardly a case is solved by either: too hard to tell them apart"
	TooEasy Remark = "hardly a case is missed by either: too easy to tell them apart"
)

func remark(v Verdict, model, baseline float64) Remark {
	switch {
	case v != Tied:
		return ""
	case max(model, baseline) < Margin:
		return TooHard
	case min(model, baseline) > 1-Margin:
		return TooEasy
	}
	return ""
}

// Slice is the same for the cases that share a property.
type Slice struct {
	By     string       `json:"by"`
	Value  string       `json:"value"`
	Paired stats.Paired `json:"paired"`
	// Holm is P corrected for the number of slices of the comparison; the verdict
	// goes by it.
	Holm    float64 `json:"p_holm"`
	Verdict Verdict `json:"verdict"`
}

// Method says how a comparison was computed.
type Method string

// The methods.
const (
	McNemar Method = "exact McNemar test"
	ByCase  Method = "bootstrap and sign changes by case, seeded"
)

// seed of everything that is drawn: the same evaluations give the same figures.
const seed = 20260801

// Verdict is a comparison in words.
type Verdict string

// The verdicts. Better and Worse: a difference like this one has a probability
// below 5 % if both are equally good. Tied: not so, and the 95 % interval of the
// difference lies within Margin to either side. TooFew: neither can be said; the
// difference may be larger than Margin, and more cases would tell.
const (
	Better Verdict = "better"
	Worse  Verdict = "worse"
	Tied   Verdict = "tied"
	TooFew Verdict = "too few cases"
)

// Margin is the difference up to which two models count as tied.
const Margin = 0.10

func verdict(p stats.Paired, probability float64) Verdict {
	switch {
	case probability < 0.05 && p.Difference > 0:
		return Better
	case probability < 0.05:
		return Worse
	case p.Low >= -Margin && p.High <= Margin:
		return Tied
	}
	return TooFew
}

// Metrics are those by which two evaluations are compared unless somebody asks
// for others: the three of the first answer, facts where both were asked for
// some, and the best of all answers where there are several.
func Metrics(model, baseline *eval.Result) []eval.Metric {
	list := []eval.Metric{eval.CompileAt1, eval.CleanAt1, eval.TaskAt1}
	if model.Metrics.Facts.N > 0 && baseline.Metrics.Facts.N > 0 {
		list = append(list, eval.Facts)
	}
	if k := min(model.Options.Samples, baseline.Options.Samples); k > 1 {
		list = append(list, eval.AtK("compile", k), eval.AtK("task", k))
	}
	return list
}

// Pair compares by each metric, and by each metric within the cases of each value
// of the properties. Holm's correction takes all slices of a metric as one
// family.
func Pair(model, baseline *eval.Result, metrics []eval.Metric, by []string) []Comparison {
	other := map[string]eval.Case{}
	for _, c := range baseline.Cases {
		other[c.ID] = c
	}
	list := []Comparison{}
	for _, m := range metrics {
		var common []eval.Case
		for _, c := range model.Cases {
			b, both := other[c.ID]
			_, counts := m.Right(c)
			if _, too := m.Right(b); both && counts && too {
				common = append(common, c)
			}
		}
		c := Comparison{Metric: m, Model: model.Model, Baseline: baseline.Model}
		c.Paired, c.Method, c.ModelRate, c.BaselineRate = pair(m, common, other)
		c.Verdict = verdict(c.Paired, c.Paired.P)
		c.Remark = remark(c.Verdict, c.ModelRate, c.BaselineRate)
		c.Slices = inSlices(m, common, other, by)
		list = append(list, c)
	}
	return list
}

// pair compares the cases with those of the same name.
func pair(m eval.Metric, cases []eval.Case, other map[string]eval.Case) (p stats.Paired, method Method, model, baseline float64) {
	a, b := make([]float64, len(cases)), make([]float64, len(cases))
	right, otherRight := make([]bool, len(cases)), make([]bool, len(cases))
	single := true
	for i, c := range cases {
		a[i], right[i] = rate(m, c)
		b[i], otherRight[i] = rate(m, other[c.ID])
		model, baseline = model+a[i], baseline+b[i]
		single = single && c.Samples == 1 && other[c.ID].Samples == 1
	}
	if len(cases) > 0 {
		model, baseline = model/float64(len(cases)), baseline/float64(len(cases))
	}
	if single {
		return stats.ComparePaired(right, otherRight), McNemar, model, baseline
	}
	return stats.CompareCases(a, b, seed), ByCase, model, baseline
}

// rate is what the case contributes to the metric, and whether all its answers
// are right.
func rate(m eval.Metric, c eval.Case) (rate float64, all bool) {
	right, _ := m.Right(c)
	return stats.PassAtK(c.Samples, right, m.K()), right == c.Samples
}

func inSlices(m eval.Metric, cases []eval.Case, other map[string]eval.Case, by []string) []Slice {
	var list []Slice
	var probabilities []float64
	for _, property := range by {
		values, groups := eval.Groups(cases, property)
		for _, v := range values {
			p, _, _, _ := pair(m, groups[v], other)
			list = append(list, Slice{By: property, Value: v, Paired: p})
			probabilities = append(probabilities, p.P)
		}
	}
	for i, p := range stats.Holm(probabilities) {
		list[i].Holm, list[i].Verdict = p, verdict(list[i].Paired, p)
	}
	return list
}
