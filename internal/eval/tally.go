package eval

import (
	"cmp"
	"fmt"
	"slices"

	"bbjtune/bbj/diag"
	"bbjtune/internal/llm"
	"bbjtune/internal/suite"
)

// tally counts scored answers. It keeps a few numbers of each case and each kind
// of fault, and nothing of an answer.
type tally struct {
	cases   map[string]*Case
	order   []string
	faults  map[string]*Fault
	missing map[string]*Missing
	// answers counts those to cases of a topic, programs those that were to be programs.
	answers, programs map[string]int
	// faulty and missed count by what is wrong and the topic.
	faulty, missed map[string]map[string]int
	unanswered     map[llm.Cause]int
	cost           float64
}

func newTally() *tally {
	return &tally{
		cases: map[string]*Case{}, faults: map[string]*Fault{}, missing: map[string]*Missing{},
		answers: map[string]int{}, programs: map[string]int{}, faulty: map[string]map[string]int{}, missed: map[string]map[string]int{},
	}
}

func (t *tally) add(c *suite.Case, a Answer) {
	x := t.cases[c.ID]
	if x == nil {
		x = &Case{
			ID: c.ID, Title: c.Title, Generation: string(c.Generation), Type: string(c.Type), Difficulty: c.Difficulty, Topic: c.Topic,
			Prompt: c.Question(), Program: c.WantsCode(), Fact: c.Type == suite.Fact,
		}
		t.cases[c.ID] = x
		t.order = append(t.order, c.ID)
	}
	x.Samples++
	x.Compiles += one(a.Score.Compiles)
	x.Clean += one(a.Score.Clean)
	x.Task += one(a.Score.Task)
	x.NoCode += one(x.Program && !a.Score.HasCode && a.Error == nil)
	x.Unstopped += one(!a.Stopped && a.Error == nil)
	x.Tokens += a.Tokens
	x.Unanswered += one(a.Error != nil)
	t.answers[c.Topic] += one(!x.Fact)
	t.programs[c.Topic] += one(x.Program)
	t.cost += a.Cost
	if a.Error != nil {
		t.fail(a.Error.Cause)
		return // what is not there has no faults
	}
	t.addFaults(c, a)
	if !x.Fact && (a.Score.Compiles || !x.Program) {
		t.addMissing(c, a)
	}
}

func (t *tally) fail(cause llm.Cause) {
	if t.unanswered == nil {
		t.unanswered = map[llm.Cause]int{}
	}
	t.unanswered[cause]++
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (t *tally) addFaults(c *suite.Case, a Answer) {
	seen := map[string]bool{}
	for _, d := range a.Score.Diagnostics {
		if d.Severity != diag.Error || seen[d.Code] {
			continue
		}
		seen[d.Code] = true
		if t.faults[d.Code] == nil {
			t.faults[d.Code] = &Fault{Code: d.Code, Name: d.Name, Family: d.Family, Case: c.ID, Line: d.Span.Start.Line, Message: short(d.Message)}
			t.faulty[d.Code] = map[string]int{}
		}
		t.faults[d.Code].Answers++
		t.faulty[d.Code][c.Topic]++
	}
}

func (t *tally) addMissing(c *suite.Case, a Answer) {
	for _, check := range a.Missed {
		if t.missing[check] == nil {
			t.missing[check] = &Missing{Check: check}
			t.missed[check] = map[string]int{}
		}
		t.missing[check].Answers++
		t.missed[check][c.Topic]++
	}
}

// fill computes what the result says of the answers.
func (t *tally) fill(r *Result) error {
	for _, id := range t.order {
		c := t.cases[id]
		if first := t.cases[t.order[0]]; c.Samples != first.Samples {
			return fmt.Errorf("case %s has %d answers, case %s has %d", c.ID, c.Samples, first.ID, first.Samples)
		}
		r.Cases = append(r.Cases, *c)
	}
	r.Unanswered, r.Cost = t.unanswered, t.cost
	r.Metrics, r.Slices = Measure(r.Cases), slicesOf(r.Cases)
	r.Faults, r.Missing = []Fault{}, []Missing{}
	for code, f := range t.faults {
		f.Topics = topics(t.faulty[code], t.programs)
		r.Faults = append(r.Faults, *f)
	}
	slices.SortFunc(r.Faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(b.Answers, a.Answers), cmp.Compare(a.Code, b.Code))
	})
	for check, m := range t.missing {
		m.Topics = topics(t.missed[check], t.answers)
		r.Missing = append(r.Missing, *m)
	}
	slices.SortFunc(r.Missing, func(a, b Missing) int {
		return cmp.Or(cmp.Compare(b.Answers, a.Answers), cmp.Compare(a.Check, b.Check))
	})
	return nil
}

// topics ranks the topics by the number of answers.
func topics(count, of map[string]int) []TopicCount {
	list := []TopicCount{}
	for topic, n := range count {
		list = append(list, TopicCount{topic, n, of[topic]})
	}
	slices.SortFunc(list, func(a, b TopicCount) int {
		return cmp.Or(cmp.Compare(b.Answers, a.Answers), cmp.Compare(a.Topic, b.Topic))
	})
	return list
}
