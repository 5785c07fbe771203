package compare_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/stats"
)

// result is an evaluation whose cases have so many right answers of samples, both
// as to compiling and to their task. Generations alternate.
func result(model string, samples int, right ...int) *eval.Result {
	r := &eval.Result{
		Model: model, Suite: eval.SuiteRef{Name: "s", Version: 1, Hash: "0123456789abcdef"}, Engine: eval.EngineRef{Name: "embedded", Version: "5"},
		Extract: 2, Options: eval.Options{System: "sys", Samples: samples, MaxTokens: 100, Seed: 1},
	}
	for i, n := range right {
		r.Cases = append(r.Cases, eval.Case{
			ID: fmt.Sprintf("c%d", i), Generation: []string{"dwc", "vpro5"}[i%2], Type: "completion", Program: true,
			Samples: samples, Compiles: n, Clean: n, Task: n,
		})
	}
	r.Metrics = eval.Measure(r.Cases)
	return r
}

// outcomes are both right in so many cases, then only the first, only the other,
// and none.
func outcomes(both, onlyA, onlyB, none int) (a, b []int) {
	return slices.Concat(slices.Repeat([]int{1}, both+onlyA), slices.Repeat([]int{0}, onlyB+none)),
		slices.Concat(slices.Repeat([]int{1}, both), slices.Repeat([]int{0}, onlyA), slices.Repeat([]int{1}, onlyB), slices.Repeat([]int{0}, none))
}

func TestVerdicts(t *testing.T) {
	cases := []struct {
		both, onlyA, onlyB, none int
		want                     compare.Verdict
	}{
		{10, 9, 1, 10, compare.Better}, // p = 0.021
		{10, 1, 9, 10, compare.Worse},
		{0, 5, 0, 0, compare.TooFew},       // five to none cannot reach 5 %
		{0, 6, 0, 0, compare.Better},       // six to none do: p = 0.031
		{5, 0, 0, 5, compare.TooFew},       // ten cases alike prove little
		{0, 0, 0, 25, compare.TooFew},      // nor do 25 that both fail
		{100, 0, 0, 100, compare.Tied},     // 200 do
		{80, 20, 20, 80, compare.Tied},     // the interval is ±6.3 points
		{20, 12, 12, 20, compare.TooFew},   // ±15 points
		{80, 21, 11, 88, compare.TooFew},   // p = 0.11, and up to 10.7 points may be there
		{900, 30, 20, 50, compare.Tied},    // p = 0.20, at most 2.4 points
		{400, 60, 30, 510, compare.Better}, // significant, and within the margin
	}
	for _, c := range cases {
		a, b := outcomes(c.both, c.onlyA, c.onlyB, c.none)
		got := compare.Pair(result("a", 1, a...), result("b", 1, b...), []eval.Metric{eval.TaskAt1}, nil)[0]
		if got.Verdict != c.want || got.Method != compare.McNemar || got.Paired != stats.NewPaired(c.onlyA, c.onlyB, len(a)) {
			t.Errorf("%d, %d, %d, %d: %+v, want %s", c.both, c.onlyA, c.onlyB, c.none, got, c.want)
		}
		if want := float64(c.both+c.onlyA) / float64(len(a)); math.Abs(got.ModelRate-want) > 1e-9 {
			t.Errorf("rate %g, want %g", got.ModelRate, want)
		}
	}
}

// A tie of two that solve hardly anything is no praise of either.
func TestTiesAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		both, onlyA, onlyB, none int
		want                     compare.Remark
	}{
		{0, 1, 0, 99, compare.TooHard},
		{98, 0, 1, 1, compare.TooEasy},
		{50, 0, 0, 50, ""},
		{0, 0, 0, 20, ""}, // too few
		{0, 9, 0, 91, ""}, // better
	} {
		a, b := outcomes(c.both, c.onlyA, c.onlyB, c.none)
		if got := compare.Pair(result("a", 1, a...), result("b", 1, b...), []eval.Metric{eval.TaskAt1}, nil)[0]; got.Remark != c.want {
			t.Errorf("%+v: %s, %q", c, got.Verdict, got.Remark)
		}
	}
}

// Of the slices, dwc has all the gain. Three slices: its p counts three times.
func TestSlicesAreCorrected(t *testing.T) {
	var a, b []int
	for i := range 40 {
		a, b = append(a, 1), append(b, 1)
		if i%2 == 0 && i < 14 {
			b[i] = 0
		}
	}
	got := compare.Pair(result("a", 1, a...), result("b", 1, b...), []eval.Metric{eval.CompileAt1}, []string{"generation", "type"})[0].Slices
	if len(got) != 3 || got[0].Value != "dwc" || got[1].Value != "vpro5" || got[2].By != "type" {
		t.Fatalf("%+v", got)
	}
	if d := got[0]; d.Paired.OnlyA != 7 || d.Paired.N != 20 || math.Abs(d.Paired.P-2.0/128) > 1e-12 || math.Abs(d.Holm-6.0/128) > 1e-12 || d.Verdict != compare.Better {
		t.Errorf("dwc %+v", d)
	}
	if v := got[1]; v.Holm != 1 || v.Verdict != compare.TooFew {
		t.Errorf("vpro5 %+v", v)
	}
}

func TestSeveralAnswersAreComparedByCase(t *testing.T) {
	var a, b []int
	for i := range 40 {
		a, b = append(a, 2+i%4), append(b, 1+i%3)
	}
	x, y := result("a", 5, a...), result("b", 5, b...)
	metrics := compare.Metrics(x, y)
	if want := []eval.Metric{"compile@1", "clean@1", "task@1", "compile@5", "task@5"}; !slices.Equal(metrics, want) {
		t.Fatalf("metrics %v", metrics)
	}
	got := compare.Pair(x, y, metrics, nil)
	if got[0].Method != compare.ByCase || got[0].Verdict != compare.Better || math.Abs(got[0].Paired.Difference-(3.5-1.975)/5) > 1e-9 {
		t.Errorf("compile@1 %+v", got[0])
	}
	if got[3].ModelRate != 1 || got[3].Paired.Low > -0.04 || got[3].Paired.Difference != 0 {
		t.Errorf("compile@5 %+v", got[3])
	}
	if again := compare.Pair(x, y, metrics, nil); again[0].Paired != got[0].Paired {
		t.Error("another run, other figures")
	}
}

func TestOnlyCommonCasesCount(t *testing.T) {
	a, b := result("a", 1, 1, 1, 1, 0), result("b", 1, 0, 1)
	b.Cases = append(b.Cases, eval.Case{ID: "c3", Samples: 1, Task: 1}) // no program there
	got := compare.Pair(a, b, []eval.Metric{eval.CompileAt1, eval.TaskAt1}, nil)
	if got[0].Paired.N != 2 || got[1].Paired.N != 3 || got[1].Paired.OnlyB != 1 {
		t.Errorf("%+v", got)
	}
}

func TestComparable(t *testing.T) {
	a := result("tuned", 1, 1)
	for what, change := range map[string]func(*eval.Result){
		"suite":       func(r *eval.Result) { r.Suite.Hash = "fedcba9876543210" },
		"engine":      func(r *eval.Result) { r.Engine.Name = "bbjcpl" },
		"extractor":   func(r *eval.Result) { r.Extract = 1 },
		"prompt-form": func(r *eval.Result) { r.Options.PromptForm = eval.Completion },
		"system":      func(r *eval.Result) { r.Options.System = "other" },
		"samples":     func(r *eval.Result) { r.Options.Samples = 5 },
		"max-tokens":  func(r *eval.Result) { r.Options.MaxTokens = 5 },
		"temperature": func(r *eval.Result) { r.Options.Temperature = 1 },
		"seed":        func(r *eval.Result) { r.Options.Seed = 5 },
	} {
		b := result("untuned", 1, 1)
		if err := compare.Comparable(a, b, nil); err != nil {
			t.Fatal(err)
		}
		change(b)
		err := compare.Comparable(a, b, nil)
		if err == nil || !strings.Contains(err.Error(), "they differ in "+what) || !strings.Contains(fault.Hint(err), "--allow-different "+what) {
			t.Errorf("%s: %v", what, err)
		}
		if err := compare.Comparable(a, b, []string{what}); err != nil {
			t.Errorf("%s is allowed: %v", what, err)
		}
		if d := compare.Differences(a, b); len(d) != 1 || d[0].What != what || d[0].Model == d[0].Baseline {
			t.Errorf("%s: %+v", what, d)
		}
	}
	part := result("part", 1, 1)
	part.Suite.Questions = 9
	if err := compare.Comparable(a, part, nil); err == nil || !strings.Contains(err.Error(), "(9 of its questions)") {
		t.Errorf("a part of the suite: %v", err)
	}
	if err := compare.Comparable(a, result("none", 1), nil); err == nil || err.Error() != "none has no answers" {
		t.Errorf("no answers: %v", err)
	}
	other := result("other", 1, 1)
	other.Cases[0].ID = "else"
	if err := compare.Comparable(a, other, compare.Conditions()); err == nil {
		t.Error("no case in common")
	}
}
