package eval_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/eval"
	"bbjtune/internal/llm"
	"bbjtune/internal/suite"
)

// all yields the samples without an error.
func all(samples []eval.Sample) iter.Seq2[eval.Sample, error] {
	return func(yield func(eval.Sample, error) bool) {
		for _, s := range samples {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func scored(t *testing.T, s *suite.Suite, samples []eval.Sample) (*eval.Result, []eval.Answer) {
	t.Helper()
	var answers []eval.Answer
	r, err := eval.Score(t.Context(), s, check.Embedded{}, all(samples), func(a eval.Answer) error {
		answers = append(answers, a)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, answers
}

// score scores an answer to each case.
func score(t *testing.T, s *suite.Suite, texts ...string) (*eval.Result, []eval.Answer) {
	t.Helper()
	var samples []eval.Sample
	for i, text := range texts {
		samples = append(samples, eval.Sample{Case: s.Cases[i].ID, Text: text, Stopped: i != 2, Tokens: 10 * i})
	}
	return scored(t, s, samples)
}

const (
	good   = "```bbj\nprint 1\n```"
	broken = "```bbj\nx++\n```"
)

// Right, compiling but wrong, broken, without code, right prose.
func TestScore(t *testing.T) {
	s := cases(t, 4)
	r, answers := score(t, s, good, "```bbj\nx=1\n```", broken, "I cannot.", "It says Seven.")
	m := r.Metrics
	if m.Compile.K != 2 || m.Compile.N != 4 || m.Task.K != 2 || m.Task.N != 5 || m.NoCode.K != 1 || m.Unstopped.K != 1 || m.MeanTokens != 20 || len(m.CompileAtK) != 0 {
		t.Errorf("metrics %+v", m)
	}
	if len(r.Faults) != 1 || r.Faults[0].Answers != 1 || r.Faults[0].Case != "strings/case2" || r.Faults[0].Line != 1 ||
		!slices.Equal(r.Faults[0].Topics, []eval.TopicCount{{Topic: "strings", Answers: 1, Of: 4}}) {
		t.Errorf("faults %+v", r.Faults)
	}
	// What does not compile is counted by its faults, and not again by its checks.
	if len(r.Missing) != 1 || r.Missing[0].Check != "verb PRINT" || r.Missing[0].Answers != 1 {
		t.Errorf("missing %+v", r.Missing)
	}
	for _, sl := range r.Slices {
		if sl.By == "type" && sl.Value == "comprehension" && (sl.Metrics.Compile.N != 0 || sl.Metrics.Task.K != 1) {
			t.Errorf("prose slice %+v", sl.Metrics)
		}
	}
	if c := r.Cases[2]; c.ID != "strings/case2" || c.Samples != 1 || c.Compiles != 0 || c.Unstopped != 1 || c.Prompt != "case2" || !c.Program {
		t.Errorf("case %+v", c)
	}
	if len(answers) != 5 || answers[1].Code != "x=1" || !slices.Equal(answers[1].Missed, []string{"verb PRINT"}) {
		t.Errorf("answers %+v", answers)
	}
}

func TestScoreOfSeveralAnswers(t *testing.T) {
	s := cases(t, 2)
	var samples []eval.Sample
	for i, texts := range [][]string{{good, broken, broken, broken, broken}, {good, good, broken, broken, broken}, {"7", "seven", "7", "7", "7"}} {
		for repeat, text := range texts {
			samples = append(samples, eval.Sample{Case: s.Cases[i].ID, Repeat: repeat, Text: text, Stopped: true})
		}
	}
	r, _ := scored(t, s, samples)
	if p := r.Metrics.Compile; p.K != 3 || p.N != 10 || p.Rate != 0.3 {
		t.Errorf("compile@1 %+v", p)
	}
	// One of two: 1 - C(4,2)/C(5,2) = 0.4 and 1 - C(3,2)/C(5,2) = 0.7.
	if at := r.Metrics.CompileAtK; len(at) != 2 || at[0].K != 2 || at[0].Rate < 0.5499 || at[0].Rate > 0.5501 || at[1].K != 5 || at[1].Rate != 1 {
		t.Errorf("compile@k %+v", at)
	}
	if got, err := r.Rate("compile@2"); err != nil || got != r.Metrics.CompileAtK[0] {
		t.Errorf("Rate gives %+v, %v", got, err)
	}
	if _, err := r.Rate("compile@6"); err == nil {
		t.Error("the best of six of five answers")
	}
	if got, err := r.Rate("facts"); err != nil || got.Cases != 0 {
		t.Errorf("no facts: %+v, %v", got, err)
	}
	if _, err := eval.Score(t.Context(), s, check.Embedded{}, all(samples[:7]), func(eval.Answer) error { return nil }); err == nil || !strings.Contains(err.Error(), "has 2 answers") {
		t.Errorf("cases with unlike numbers of answers: %v", err)
	}
}

func TestScoreRefuses(t *testing.T) {
	s := cases(t, 1)
	keep := func(eval.Answer) error { return nil }
	if _, err := eval.Score(t.Context(), s, check.Embedded{}, all([]eval.Sample{{Case: "other/suite"}}), keep); err == nil {
		t.Error("answers of another suite were scored")
	}
	down := errors.New("torn")
	failing := func(yield func(eval.Sample, error) bool) { yield(eval.Sample{}, down) }
	if _, err := eval.Score(t.Context(), s, check.Embedded{}, failing, keep); !errors.Is(err, down) {
		t.Errorf("a failing reader: %v", err)
	}
	full := errors.New("disk full")
	if _, err := eval.Score(t.Context(), s, check.Embedded{}, all([]eval.Sample{{Case: "strings/case0"}}), func(eval.Answer) error { return full }); !errors.Is(err, full) {
		t.Errorf("a failing writer: %v", err)
	}
}

// Facts count for their own score and for nothing else.
func TestFactsCountForThemselves(t *testing.T) {
	list := []eval.Case{
		{ID: "a", Topic: "gui", Program: true, Samples: 1, Compiles: 1, Clean: 1, Task: 1},
		{ID: "f", Topic: "facts", Fact: true, Samples: 1, Task: 1},
		{ID: "g", Topic: "facts", Fact: true, Samples: 1},
	}
	m := eval.Measure(list)
	if m.Task.N != 1 || m.Compile.N != 1 || m.Facts.K != 1 || m.Facts.N != 2 || m.Unstopped.N != 3 {
		t.Errorf("%+v", m)
	}
	if values, _ := eval.Groups(list, "topic"); !slices.Equal(values, []string{"gui"}) {
		t.Errorf("slices %v", values)
	}
	r := &eval.Result{Cases: list}
	if got, err := r.Rate(eval.Facts); err != nil || got.Cases != 2 || got.Rate != 0.5 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A question without an answer is wrong, even where silence would pass, and its
// cause is kept; of the model it says nothing else.
func TestFailedQuestionsCountAsWrong(t *testing.T) {
	s := cases(t, 2)
	prose := s.Cases[2]
	prose.Checks = nil // which anything passes
	failed := func(c *suite.Case, cause llm.Cause) eval.Sample {
		return eval.Sample{Case: c.ID, Error: &eval.Unanswered{Cause: cause, Message: "no"}, Cost: 0.5}
	}
	r, answers := scored(t, s, []eval.Sample{{Case: s.Cases[0].ID, Text: good, Stopped: true, Cost: 0.25}, failed(s.Cases[1], llm.BadRequest), failed(prose, llm.NoAnswer)})
	m := r.Metrics
	if m.Compile.K != 1 || m.Compile.N != 2 || m.Task.K != 1 || m.Task.N != 3 || m.NoCode.K+m.Unstopped.K != 0 || len(r.Faults)+len(r.Missing) != 0 {
		t.Errorf("metrics %+v, faults %+v, missing %+v", m, r.Faults, r.Missing)
	}
	if r.Failed() != 2 || r.Unanswered[llm.BadRequest] != 1 || r.Unanswered[llm.NoAnswer] != 1 || r.Cost != 1.25 {
		t.Errorf("unanswered %v, cost %v", r.Unanswered, r.Cost)
	}
	if a := answers[2]; a.Error == nil || a.Error.Message != "no" || a.Score.Task {
		t.Errorf("%+v", a)
	}
}

func TestParseMetric(t *testing.T) {
	for name, k := range map[string]int{"compile@1": 1, "clean@1": 1, "task@10": 10, "facts": 1} {
		if m, err := eval.ParseMetric(name); err != nil || m.K() != k {
			t.Errorf("%s: %q, %v", name, m, err)
		}
	}
	for _, name := range []string{"", "compile", "compile@", "compile@0", "compile@-1", "compile@01", "compile@1x", "no_code", "facts@2", "Compile@1"} {
		if m, err := eval.ParseMetric(name); err == nil {
			t.Errorf("%q is taken for %q", name, m)
		}
	}
}

func TestResultReadsBack(t *testing.T) {
	r, answers := score(t, cases(t, 4), good, "```bbj\nx=1\n```", broken, "I cannot.", "It says Seven.")
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := eval.ParseResult("x", text); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%v: got %+v, want %+v", err, back, r)
	}
	for _, other := range []string{`{"version":1,"cases":"of another shape"}`, `{"version":NEXT}`, `{}`, `[]`, ``, `{"version":NOW,"cases":7}`,
		`{"version":NOW,"cases":[{"id":"a"}]}`, `{"version":NOW,"cases":[{"id":"a","samples":1,"task":2}]}`, `{"version":NOW,"cases":[{"id":"a","samples":1,"task":-1}]}`,
		`{"version":NOW,"cases":[{"id":"a","samples":1},{"id":"b","samples":2}]}`} {
		other = strings.NewReplacer("NOW", strconv.Itoa(eval.ResultVersion), "NEXT", strconv.Itoa(eval.ResultVersion+1)).Replace(other)
		if _, err := eval.ParseResult("x", []byte(other)); err == nil {
			t.Errorf("%s was read", other)
		}
	}
	var file bytes.Buffer
	enc := json.NewEncoder(&file)
	for _, a := range answers {
		if err := enc.Encode(a); err != nil {
			t.Fatal(err)
		}
	}
	var back []eval.Answer
	if err := eval.ReadAnswers(&file, func(a eval.Answer) error { back = append(back, a); return nil }); err != nil || !reflect.DeepEqual(back, answers) {
		t.Errorf("%v: answers %+v, want %+v", err, back, answers)
	}
}

func FuzzParseResult(f *testing.F) {
	f.Add(fmt.Appendf(nil, `{"version":%d,"model":"m","cases":[{"id":"a","samples":1}]}`, eval.ResultVersion))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := eval.ParseResult("x", text)
		if err != nil {
			return
		}
		for _, m := range []eval.Metric{eval.CompileAt1, eval.TaskAt1, eval.Facts} {
			if at, err := r.Rate(m); err != nil || !(at.Low >= 0 && at.Low <= at.Rate && at.Rate <= at.High && at.High <= 1) {
				t.Fatalf("%s: %+v, %v", m, at, err)
			}
		}
		eval.ReadAnswers(bytes.NewReader(text), func(eval.Answer) error { return nil })
	})
}

// An answer full of faults leaves a bounded record, and one of 10 MB is not judged.
func TestScoreOfHugeAnswers(t *testing.T) {
	_, answers := score(t, cases(t, 2), "```bbj\n"+strings.Repeat("x++\n", 1000)+"```", "```bbj\n"+strings.Repeat("print 1\n", 10<<20/8)+"```")
	if a := answers[0]; len(a.Score.Diagnostics) != 50 || a.Left < 900 {
		t.Errorf("%d diagnostics are kept, %d left out", len(a.Score.Diagnostics), a.Left)
	}
	if a := answers[1]; a.Score.Compiles || !a.Score.HasCode || a.Score.Diagnostics[0].Name != "no-verdict" || len(a.Code) > 1<<20 {
		t.Errorf("10 MB of program: %+v", a.Score)
	}
}

// A name of 500 kB does not reach a message in full.
func TestMessagesAreBounded(t *testing.T) {
	r, answers := score(t, cases(t, 1), "```bbj\n"+strings.Repeat("foo", 500<<10/3)+"(1)\n```")
	if len(answers[0].Score.Diagnostics) == 0 || len(r.Faults[0].Message) > 310 || len(answers[0].Score.Diagnostics[0].Message) > 310 {
		t.Errorf("%d diagnostics, a message of %d bytes", len(answers[0].Score.Diagnostics), len(r.Faults[0].Message))
	}
}

// recorded yields n answers to the cases in turn: references, wrong answers and
// what models say besides.
func recorded(s *suite.Suite, n int) iter.Seq2[eval.Sample, error] {
	return func(yield func(eval.Sample, error) bool) {
		for _, c := range s.Cases {
			for repeat := range n / len(s.Cases) {
				text := c.Reference
				switch repeat % 4 {
				case 1:
					text = c.Wrong[repeat/4%len(c.Wrong)].Answer
				case 2:
					text = "Here is the program:\n\n" + c.Reference + "\n\nIt does what you asked for."
				case 3:
					text = "<think>hm</think>" + c.Wrong[0].Answer + "<|im_end|>"
				}
				if !yield(eval.Sample{Case: c.ID, Repeat: repeat, Text: text, Stopped: true, Tokens: len(text) / 4}, nil) {
					return
				}
			}
		}
	}
}

// Memory does not grow with the number of answers.
func TestScoreIsFlatInMemory(t *testing.T) {
	s, err := suite.Load("../../suites/bbj-core")
	if err != nil {
		t.Fatal(err)
	}
	peak := func(n int) uint64 {
		var most uint64
		seen := 0
		if _, err := eval.Score(t.Context(), s, check.Embedded{}, recorded(s, n), func(eval.Answer) error {
			if seen++; seen%500 == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return most
	}
	few, many := peak(640), peak(6400)
	t.Logf("%.1f MB for 640 answers, %.1f MB for 6400", float64(few)/1e6, float64(many)/1e6)
	if many > few+few/4+(1<<20) {
		t.Errorf("%d bytes for 640 answers, %d for 6400", few, many)
	}
}

// BenchmarkScore scores 10,000 recorded answers and writes them down.
func BenchmarkScore(b *testing.B) {
	s, err := suite.Load("../../suites/bbj-core")
	if err != nil {
		b.Fatal(err)
	}
	n := 10000 / len(s.Cases) * len(s.Cases)
	b.ReportAllocs()
	for b.Loop() {
		size := 0
		if _, err := eval.Score(b.Context(), s, check.Embedded{}, recorded(s, n), func(a eval.Answer) error {
			text, err := json.Marshal(a)
			size += len(text)
			return err
		}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n), "answers/op")
		b.ReportMetric(float64(size)/1e6, "MB-written/op")
	}
	if n < 9900 {
		b.Fatal(fmt.Sprint(n, " answers"))
	}
}
