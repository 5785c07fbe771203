package eval

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bbjtune/internal/stats"
)

// Measure computes the scores of cases that have the same number of answers.
func Measure(cases []Case) Metrics {
	var compiles, clean, task, facts, noCode, unstopped []int
	tokens, samples := 0, 1
	for _, c := range cases {
		samples = c.Samples
		if c.Program {
			compiles, clean, noCode = append(compiles, c.Compiles), append(clean, c.Clean), append(noCode, c.NoCode)
		}
		if c.Fact {
			facts = append(facts, c.Task)
		} else {
			task = append(task, c.Task)
		}
		unstopped = append(unstopped, c.Unstopped)
		tokens += c.Tokens
	}
	of := func(right []int) stats.Proportion { return stats.NewRepeated(right, samples) }
	return Metrics{
		Compile: of(compiles), Clean: of(clean), Task: of(task), Facts: of(facts), NoCode: of(noCode), Unstopped: of(unstopped),
		CompileAtK: atK(compiles, samples), TaskAtK: atK(task, samples),
		MeanTokens: float64(tokens) / float64(max(1, samples*len(cases))),
	}
}

// atK estimates for the usual numbers of answers, and for all that there are.
func atK(right []int, samples int) []stats.AtK {
	list := []stats.AtK{}
	for _, k := range []int{2, 5, 10, 20, 50, 100} {
		if k < samples {
			list = append(list, stats.NewAtK(right, samples, k))
		}
	}
	if samples > 1 {
		list = append(list, stats.NewAtK(right, samples, samples))
	}
	return list
}

// Properties are what cases are grouped by.
func Properties() []string { return []string{"generation", "type", "difficulty", "topic"} }

// Property returns what the case has of one of the Properties.
func (c Case) Property(name string) string {
	switch name {
	case "generation":
		return c.Generation
	case "type":
		return c.Type
	case "difficulty":
		return c.Difficulty
	}
	return c.Topic
}

// Groups lists the values that the cases have of a property, in order, with the
// cases of each. Questions of fact stand in none.
func Groups(cases []Case, property string) (values []string, groups map[string][]Case) {
	groups = map[string][]Case{}
	for _, c := range cases {
		if c.Fact {
			continue
		}
		v := c.Property(property)
		if groups[v] == nil {
			values = append(values, v)
		}
		groups[v] = append(groups[v], c)
	}
	slices.Sort(values)
	return values, groups
}

func slicesOf(cases []Case) []Slice {
	list := []Slice{}
	for _, p := range Properties() {
		values, groups := Groups(cases, p)
		for _, v := range values {
			list = append(list, Slice{p, v, Measure(groups[v])})
		}
	}
	return list
}

// Metric names an outcome by which evaluations are compared and gates are set:
// compile@K, clean@K, task@K or facts.
type Metric string

// The metrics that every comparison shows.
const (
	CompileAt1 Metric = "compile@1"
	CleanAt1   Metric = "clean@1"
	TaskAt1    Metric = "task@1"
	Facts      Metric = "facts"
)

// ParseMetric reads the name of a metric.
func ParseMetric(name string) (Metric, error) {
	m := Metric(name)
	what, k := m.parts()
	if m == Facts || k > 0 && (what == "compile" || what == "clean" || what == "task") {
		return m, nil
	}
	return "", fmt.Errorf("%q is no metric (compile@1, clean@1, task@1, facts; with several answers a case also compile@5 and the like)", name)
}

// parts splits compile@5 into compile and 5.
func (m Metric) parts() (what string, k int) {
	what, number, _ := strings.Cut(string(m), "@")
	k, err := strconv.Atoi(number)
	if err != nil || strconv.Itoa(k) != number {
		return what, 0
	}
	return what, k
}

// K is how many answers have a try.
func (m Metric) K() int {
	_, k := m.parts()
	return max(1, k)
}

// Right returns how many answers of the case are right, and whether the case
// counts for the metric at all.
func (m Metric) Right(c Case) (right int, counts bool) {
	switch what, _ := m.parts(); what {
	case "compile":
		return c.Compiles, c.Program
	case "clean":
		return c.Clean, c.Program
	case "task":
		return c.Task, !c.Fact
	}
	return c.Task, c.Fact
}

// Rate estimates the metric of an evaluation, with N = 0 where no case counts
// for it, and fails where the cases have fewer answers than K.
func (r *Result) Rate(m Metric) (stats.AtK, error) {
	var list []int
	samples := 1
	for _, c := range r.Cases {
		if right, counts := m.Right(c); counts {
			list, samples = append(list, right), c.Samples
		}
	}
	if m.K() > samples {
		return stats.AtK{}, fmt.Errorf("%s asks for %d answers a case, %s has %d", m, m.K(), r.Model, samples)
	}
	if m.K() > 1 {
		return stats.NewAtK(list, samples, m.K()), nil
	}
	p := stats.NewRepeated(list, samples)
	return stats.AtK{K: 1, Cases: len(list), Rate: p.Rate, Low: p.Low, High: p.High}, nil
}

// AtK names the metric of the best of k answers; what is compile, clean or task.
func AtK(what string, k int) Metric { return Metric(fmt.Sprintf("%s@%d", what, k)) }
