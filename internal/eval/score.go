package eval

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/internal/answer"
	"bbjtune/internal/fault"
	"bbjtune/internal/stats"
	"bbjtune/internal/suite"
)

// ResultVersion is the version of the result's shape.
const ResultVersion = 2

// Result is a scored evaluation of one model.
type Result struct {
	Version int `json:"version"`
	// Model is the name in reports, Notes what a reader must know of it.
	Model string    `json:"model"`
	Notes string    `json:"notes,omitempty"`
	Date  time.Time `json:"date"`
	// Identity pins the weights: the hash of the GGUF file, or an URL.
	Identity string      `json:"identity"`
	Suite    SuiteRef    `json:"suite"`
	Engine   EngineRef   `json:"engine"`
	Extract  int         `json:"extractor_version"`
	Options  Options     `json:"options"`
	Metrics  Metrics     `json:"metrics"`
	Slices   []Slice     `json:"slices"`
	Faults   []Fault     `json:"faults"`
	Answers  []Answer    `json:"answers"`
	Examples []ShotTitle `json:"shots,omitempty"`
}

// ShotTitle names an example that stands in the prompt of a few-shot run.
type ShotTitle struct {
	Path  string `json:"path"`
	Title string `json:"title"`
}

// SuiteRef pins the suite.
type SuiteRef struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Hash    string `json:"hash"`
}

// EngineRef says which compiler judged.
type EngineRef struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// ParseResult reads a result from its JSON form; name is what errors call it.
func ParseResult(name string, text []byte) (*Result, error) {
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if r.Version != ResultVersion {
		return nil, fault.Newf("evaluate again with this bbjtune", "%s has version %d, this program reads %d", name, r.Version, ResultVersion)
	}
	return &r, nil
}

// Metrics are the scores of a set of answers. compile@1 and clean@1 count the
// cases that ask for a program, task@1 and the rest all cases.
type Metrics struct {
	Compile stats.Proportion `json:"compile@1"`
	Clean   stats.Proportion `json:"clean@1"`
	Task    stats.Proportion `json:"task@1"`
	// NoCode counts the answers without a program where one was asked for.
	NoCode stats.Proportion `json:"no_code"`
	// Unstopped counts the answers that the token limit ended.
	Unstopped  stats.Proportion `json:"unstopped"`
	MeanTokens float64          `json:"mean_tokens"`
}

// Slice is the metrics of the cases that share a property.
type Slice struct {
	By      string  `json:"by"` // generation, type, difficulty or topic
	Value   string  `json:"value"`
	Metrics Metrics `json:"metrics"`
}

// Fault is a kind of diagnostic with the number of answers that have it.
type Fault struct {
	Code    string      `json:"code"`
	Name    string      `json:"name"`
	Family  diag.Family `json:"family"`
	Answers int         `json:"answers"`
}

// Answer is one scored answer.
type Answer struct {
	Sample
	// Program says that the case asks for one.
	Program bool        `json:"program"`
	Code    string      `json:"code"`
	Score   suite.Score `json:"score"`
}

// Score judges the samples of a suite. Only Metrics, Slices, Faults, Answers,
// Engine and Extract of the result are set.
func Score(ctx context.Context, s *suite.Suite, engine compile.Engine, samples []Sample) (*Result, error) {
	version, err := engine.Version(ctx)
	if err != nil {
		return nil, err
	}
	cases := map[string]*suite.Case{}
	for _, c := range s.Cases {
		cases[c.ID] = c
	}
	found := make([]answer.Answer, len(samples))
	sources := make([]compile.Source, len(samples))
	for i, sample := range samples {
		if cases[sample.Case] == nil {
			return nil, fmt.Errorf("the answers are of another suite: it has no case %q", sample.Case)
		}
		found[i] = answer.Extract(sample.Text)
		sources[i] = compile.Source{Name: sample.Case, Text: []byte(found[i].Code)}
	}
	verdicts, err := engine.Compile(ctx, sources)
	if err != nil {
		return nil, err
	}
	r := &Result{Version: ResultVersion, Engine: EngineRef{engine.Name(), version}, Extract: answer.Version}
	for i, sample := range samples {
		c := cases[sample.Case]
		r.Answers = append(r.Answers, Answer{sample, c.WantsCode(), found[i].Code, c.Judge(sample.Text, found[i], verdicts[i])})
	}
	r.Metrics = measure(r.Answers)
	r.Slices = slicesOf(cases, r.Answers)
	r.Faults = faults(r.Answers)
	return r, nil
}

func measure(answers []Answer) Metrics {
	var programs, compiles, clean, task, noCode, unstopped, tokens int
	for _, a := range answers {
		if a.Program {
			programs++
			compiles += one(a.Score.Compiles)
			clean += one(a.Score.Clean)
			noCode += one(!a.Score.HasCode)
		}
		task += one(a.Score.Task)
		unstopped += one(!a.Stopped)
		tokens += a.Tokens
	}
	return Metrics{
		Compile: stats.NewProportion(compiles, programs), Clean: stats.NewProportion(clean, programs),
		Task: stats.NewProportion(task, len(answers)), NoCode: stats.NewProportion(noCode, programs),
		Unstopped: stats.NewProportion(unstopped, len(answers)), MeanTokens: float64(tokens) / float64(max(1, len(answers))),
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func slicesOf(cases map[string]*suite.Case, answers []Answer) []Slice {
	properties := []struct {
		name string
		of   func(*suite.Case) string
	}{
		{"generation", func(c *suite.Case) string { return string(c.Generation) }},
		{"type", func(c *suite.Case) string { return string(c.Type) }},
		{"difficulty", func(c *suite.Case) string { return c.Difficulty }},
		{"topic", func(c *suite.Case) string { return c.Topic }},
	}
	var list []Slice
	for _, p := range properties {
		groups := map[string][]Answer{}
		var order []string
		for _, a := range answers {
			v := p.of(cases[a.Case])
			if groups[v] == nil {
				order = append(order, v)
			}
			groups[v] = append(groups[v], a)
		}
		slices.Sort(order)
		for _, v := range order {
			list = append(list, Slice{p.name, v, measure(groups[v])})
		}
	}
	return list
}

func faults(answers []Answer) []Fault {
	count := map[string]*Fault{}
	for _, a := range answers {
		seen := map[string]bool{}
		for _, d := range a.Score.Diagnostics {
			if d.Severity != diag.Error || seen[d.Code] {
				continue
			}
			seen[d.Code] = true
			if count[d.Code] == nil {
				count[d.Code] = &Fault{Code: d.Code, Name: d.Name, Family: d.Family}
			}
			count[d.Code].Answers++
		}
	}
	list := []Fault{}
	for _, f := range count {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(b.Answers, a.Answers), cmp.Compare(a.Code, b.Code))
	})
	return list
}

// Metric names an outcome that two evaluations can be compared by.
type Metric string

// The metrics of Compare.
const (
	CompileAt1 Metric = "compile@1"
	TaskAt1    Metric = "task@1"
)

// Compare pairs the answers of a and b on the same cases. compile@1 looks at
// the cases that ask for a program.
func Compare(a, b *Result, m Metric) stats.Paired {
	other := map[key]suite.Score{}
	for _, x := range b.Answers {
		other[key{x.Case, x.Repeat}] = x.Score
	}
	var left, right []bool
	for _, x := range a.Answers {
		y, ok := other[key{x.Case, x.Repeat}]
		if !ok || m == CompileAt1 && !x.Program {
			continue
		}
		left, right = append(left, m.of(x.Score)), append(right, m.of(y))
	}
	return stats.ComparePaired(left, right)
}

func (m Metric) of(s suite.Score) bool {
	if m == CompileAt1 {
		return s.Compiles
	}
	return s.Task
}
