package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/bbj/check"
	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/printable"
	"bbjtune/internal/report"
	"bbjtune/internal/retention"
	"bbjtune/internal/suite"
)

var update = flag.Bool("update", false, "write the golden files anew")

var date = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

func caseOf(t *testing.T, id, kind, check string) *suite.Case {
	t.Helper()
	text := "---\ntitle: Title of " + id + "\ntype: " + kind + "\ngeneration: all\ndifficulty: basic\nchecks: [" + check + "]\n---\n\n## Prompt\n\nDo <b>" + id +
		"</b>.\n\n## Reference\n\nx\n\n## Wrong\n\nfails: check 1: no\n\ny\n"
	c, err := suite.ParseCase("strings/"+id+".md", id, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func testSuite(t *testing.T) *suite.Suite {
	return &suite.Suite{Head: suite.Head{Name: "tiny", Version: 2}, Cases: []*suite.Case{
		caseOf(t, "one", "completion", "{verb: PRINT}"), caseOf(t, "two", "completion", "{verb: INPUT}"), caseOf(t, "three", "comprehension", "{prose: seven}"),
	}}
}

// scored is an evaluation with its answers.
type scored struct {
	*eval.Result
	answers []eval.Answer
}

func result(t *testing.T, s *suite.Suite, model string, answers ...string) scored {
	t.Helper()
	return repeated(t, s, model, 1, answers...)
}

// repeated takes n answers to the first case, then n to the next.
func repeated(t *testing.T, s *suite.Suite, model string, n int, answers ...string) scored {
	t.Helper()
	samples := func(yield func(eval.Sample, error) bool) {
		for i, text := range answers {
			if !yield(eval.Sample{Case: s.Cases[i/n].ID, Repeat: i % n, Text: text, Stopped: i > 0, Tokens: 10}, nil) {
				return
			}
		}
	}
	var kept []eval.Answer
	r, err := eval.Score(context.Background(), s, check.Embedded{}, samples, func(a eval.Answer) error {
		kept = append(kept, a)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Model, r.Notes, r.Date, r.Identity = model, "notes on "+model, date, "sha256:"+model
	r.Suite = eval.SuiteRef{Name: "tiny", Version: 2, Hash: "0123456789abcdef"}
	r.Options = eval.Options{Samples: n, MaxTokens: 100, Seed: 42}
	r.Engine.Version = "fixed"
	return scored{r, kept}
}

// reported puts evaluations side by side, with their answers.
func reported(t *testing.T, title string, main int, list ...scored) *report.Report {
	t.Helper()
	var models []*eval.Result
	for _, m := range list {
		models = append(models, m.Result)
	}
	r, err := report.New(title, date, models, main, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range list {
		for _, a := range m.answers {
			r.Show(i, a)
		}
	}
	return r
}

const hostile = "```bbj\nprint \"<script>alert(1)</script>\" // <img src=x onerror=alert(2)>\n\x1b[31mred\u202e\n```"

func testReport(t *testing.T) *report.Report {
	t.Helper()
	s := testSuite(t)
	base := result(t, s, "untuned", hostile, "Sorry <iframe>", "eight")
	tuned := result(t, s, "tuned | <x>", "```bbj\nprint 1\n```", "```bbj\nprint 2\n```", "seven")
	r := reported(t, "A & B", 1, base, tuned)
	r.Next = "bbjtune serve <model>"
	r.Training = &report.Training{Recipe: "demo", Base: "some/base", Data: "3 examples.", Stages: []report.Stage{{
		Name: "stage 1", Steps: 2, Tokens: 100, TrainedTokens: 100, Seconds: 4, ValidFirst: 3, ValidLast: 2,
		Train: []report.Point{{Step: 1, Loss: 3}, {Step: 2, Loss: 2}}, Valid: []report.Point{{Step: 0, Loss: 3}, {Step: 2, Loss: 2}},
	}}}
	// The newest measurement has no HumanEval; an older one has.
	r.Retention = []report.Retention{
		{Model: "tuned | <x>", Measured: measured(nil)},
		{Model: "tuned | <x>", Measured: measured(&retention.HumanEval{Tasks: 164, Base: 20, Tuned: 12})},
	}
	return r
}

func measured(he *retention.HumanEval) *retention.Report {
	base, tuned := retention.Loss{Texts: 30, Bytes: 900, Tokens: 300, NLL: 300}, retention.Loss{Texts: 30, Bytes: 900, Tokens: 300, NLL: 303}
	return retention.New(base, tuned, he, 0.05)
}

func TestForms(t *testing.T) {
	r := testReport(t)
	var md, html, js bytes.Buffer
	for _, err := range []error{r.Markdown(&md), r.HTML(&html), r.JSON(&js)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "report.md", md.Bytes())
	golden(t, "report.html", html.Bytes())
	var back report.Report
	if err := json.Unmarshal(js.Bytes(), &back); err != nil || back.Version != report.Version || len(back.Models) != 2 || len(back.Comparisons) != 3 || len(back.Cases) != 3 || back.Cases[0].Outcomes[1].Answers[0].Text != "print 1" {
		t.Errorf("the JSON form does not read back: %v %+v", err, back)
	}
	if strings.ContainsFunc(js.String()+md.String(), printable.Dangerous) {
		t.Error("a terminal might obey the JSON or the Markdown")
	}
	if !strings.HasPrefix(md.String(), "# A & B\n\n| Model | compile@1 | Qualitative | Date | Notes |\n") {
		t.Error("the Markdown does not start with the standard table")
	}
}

func TestLosses(t *testing.T) {
	training := testReport(t).Training
	second := training.Stages[0]
	second.Name = "stage 2 <b>\x1b[31m"
	second.Train, second.Valid = nil, []report.Point{{Step: 0, Loss: 1}, {Step: 4, Loss: 0.4}, {Step: 8, Loss: 0.5}}
	second.Steps, second.Kept = 8, &report.Point{Step: 4, Loss: 0.4}
	second.Samples = []report.Samples{{Step: 0, Of: 4}, {Step: 4, Compile: 3, Of: 4}, {Step: 8, Compile: 5, Of: 4}, {Step: 9, Of: 4}, {Step: -1, Of: 4}, {Step: 8}}
	training.Stages = append(training.Stages, second)
	var b bytes.Buffer
	if err := training.LossSVG(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "loss.svg", b.Bytes())
	for _, bad := range []string{"<b>", "\x1b", "href", "url("} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the picture contains %q", bad)
		}
	}
	if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
		t.Errorf("the picture is no XML: %v", err)
	}
	golden(t, "loss.txt", []byte(training.Stages[0].LossText()+second.LossText()))
	if got := second.SampledText(); got != "compile@1 of samples: 0/4 at step 0, 3/4 at step 4" {
		t.Error(got)
	}
	if got := second.KeptText(); got != "the adapter is that of step 4, where it was 0.400" {
		t.Error(got)
	}
	if got := training.Stages[0].SampledText() + training.Stages[0].KeptText(); got != "" {
		t.Error(got)
	}
}

func TestLossesThatCannotBe(t *testing.T) {
	for _, points := range [][]report.Point{nil, {{Step: -1, Loss: 1}}, {{Step: 1, Loss: -1}}, {{Step: 1, Loss: 1e300}}, {{Step: math.MaxInt, Loss: 0}}} {
		s := report.Stage{Name: "x", Train: points}
		var b bytes.Buffer
		if err := (&report.Training{Stages: []report.Stage{s}}).LossSVG(&b); err != nil || strings.Contains(b.String(), "polyline class") || s.LossText() != "" {
			t.Errorf("%v was drawn: %v %s", points, err, s.LossText())
		}
	}
	if s := (report.Stage{Train: []report.Point{{Step: math.MaxInt, Loss: 1}}}); !strings.Contains(s.LossText(), "·") {
		t.Error("a late step is not drawn")
	}
}

func TestHTMLIsInert(t *testing.T) {
	var b bytes.Buffer
	if err := testReport(t).HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script", "<img", "<iframe", "<b>one", "\x1b", "\u202e", "http://", "https://", "<x>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if !strings.Contains(page, "default-src 'none'") {
		t.Error("the page has no content security policy")
	}
}

func pageOf(t *testing.T, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A finding is underlined where it stands, to the byte, and never through a
// character.
func TestFindingsAreUnderlined(t *testing.T) {
	s := testSuite(t)
	page := pageOf(t, reported(t, "x", 0, result(t, s, "m", "```bbj\nw! = BBjAPI().openSysGui(\"X0\").addWindow(1,2,3,4,\"ä\")\nw!.fly(\"<ü>\")\n```")))
	if want := `<i>2</i>w!.<u>fly</u>(&#34;&lt;ü&gt;&#34;)<em class="error">BBJ3001 `; !strings.Contains(page, want) {
		t.Errorf("no %s in\n%s", want, page[strings.Index(page, "<pre>"):])
	}
}

func TestSeveralAnswers(t *testing.T) {
	s := testSuite(t)
	good, bad := "```bbj\nprint 1\n```", "```bbj\n}\n```"
	a := repeated(t, s, "a", 5, good, bad, bad, bad, bad, good, good, good, good, good)
	b := repeated(t, s, "b", 5, bad, bad, bad, bad, bad, good, bad, bad, bad, bad)
	r := reported(t, "x", 1, a, b)
	page := pageOf(t, r)
	for _, want := range []string{"answered 5 times", "1 of 5 compile, 1 do the task", "2 more answers of a are not shown", "bootstrap", "The best of several answers"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	var md bytes.Buffer
	if err := r.Markdown(&md); err != nil || !strings.Contains(md.String(), "| a | 5 | 100.0 % [") {
		t.Errorf("%v\n%s", err, md.String())
	}
}

// A question without an answer is shown as such, with its cause, and not as an
// answer that is cut off or holds no program.
func TestUnansweredIsShown(t *testing.T) {
	s := testSuite(t)
	m := result(t, s, "m", "```bbj\nprint 1\n```")
	samples := func(yield func(eval.Sample, error) bool) {
		yield(eval.Sample{Case: s.Cases[0].ID, Error: &eval.Unanswered{Cause: "time_out", Message: "<b>no</b> \x1b[31manswer"}}, nil)
	}
	var err error
	m.answers = nil
	m.Result, err = eval.Score(t.Context(), s, check.Embedded{}, samples, func(a eval.Answer) error { m.answers = append(m.answers, a); return nil })
	if err != nil {
		t.Fatal(err)
	}
	m.Model = "m"
	r := reported(t, "x", 0, m)
	page := pageOf(t, r)
	for _, want := range []string{"m: no answer", "time_out: &lt;b&gt;no&lt;/b&gt;", "gave no answer to 1 of its questions"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, not := range []string{"cut off at the token limit", ">no program</span>", "m: does not compile", "\x1b"} {
		if strings.Contains(page, not) {
			t.Errorf("the page says %q", not)
		}
	}
	var md bytes.Buffer
	if err := r.Markdown(&md); err != nil || !strings.Contains(md.String(), "gave no answer to 1 of its questions") {
		t.Errorf("%v\n%s", err, md.String())
	}
}

// Whatever models say, the page stays small: an answer shows at most 16 KiB, 400
// lines and 40 findings, and all answers together 8 MiB.
func TestHugeAnswersAreCut(t *testing.T) {
	s := testSuite(t)
	for _, piece := range []string{"x++\n", "<", "\n;", "\u202e"} {
		page := pageOf(t, reported(t, "x", 0, result(t, s, "m", "```bbj\nprint 1\n"+strings.Repeat(piece, 10<<20/len(piece))+"\n```")))
		if len(page) > 200<<10 || !strings.Contains(page, "more bytes are not shown") {
			t.Errorf("%q: page of %d bytes", piece, len(page))
		}
	}
}

func TestManyAnswersAreCut(t *testing.T) {
	s := &suite.Suite{Head: suite.Head{Name: "large", Version: 1}}
	answers := make([]string, 800)
	for i := range answers {
		s.Cases = append(s.Cases, caseOf(t, fmt.Sprintf("c%d", i), "completion", "{verb: PRINT}"))
		answers[i] = "```bbj\n" + strings.Repeat("print \"0123456789012345678901234567890123456789\"\n", 500) + "```"
	}
	m := result(t, s, "m", answers...)
	page := pageOf(t, reported(t, "x", 0, m))
	if len(page) > 40<<20 {
		t.Errorf("page of %d bytes", len(page))
	}
	if !strings.Contains(page, "Title of c799") {
		t.Error("the last case is missing")
	}
}

func TestNewRefusesWhatCannotBeCompared(t *testing.T) {
	s := testSuite(t)
	a, b := result(t, s, "a", "x"), result(t, s, "b", "x")
	b.Suite.Hash = "other"
	models := []*eval.Result{a.Result, b.Result}
	if _, err := report.New("x", date, models, 1, nil); err == nil {
		t.Error("two suites were compared")
	}
	r, err := report.New("x", date, models, 1, []string{"suite"})
	if err != nil {
		t.Fatal(err)
	}
	if page := pageOf(t, r); !strings.Contains(page, "not alike</span> a: suite is") {
		t.Error("the page does not say what differs")
	}
}

// What was forgotten stands in all three forms: each measure of a model once, the
// newest, with an alert where too much was lost.
func TestRetentionIsShown(t *testing.T) {
	r := testReport(t)
	var md, js bytes.Buffer
	if err := errors.Join(r.Markdown(&md), r.JSON(&js)); err != nil {
		t.Fatal(err)
	}
	page := pageOf(t, r)
	for _, want := range []string{
		"| general code, 30 programs | perplexity 2.72 | perplexity 2.75 | -1.0 % | -5.0 % | kept |",
		"| HumanEval pass@1 | 12.2 % [8.0, 18.1] (20/164) | 7.3 % [4.2, 12.4] (12/164) | -40.0 % | -5.0 % | alert |",
	} {
		if strings.Count(md.String(), want) != 1 {
			t.Errorf("not once: %s", want)
		}
	}
	for _, want := range []string{`<span class="tag bad">alert</span>`, `<span class="tag good">kept</span>`, "perplexity 2.75"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
	if !strings.Contains(js.String(), `"humaneval": {`) {
		t.Error("the JSON does not hold it")
	}
	r.Retention = nil
	if page := pageOf(t, r); !strings.Contains(page, "This was not measured") {
		t.Error("the page does not say that nothing was measured")
	}
	r.Training = nil
	if page := pageOf(t, r); strings.Contains(page, "What was forgotten") {
		t.Error("a page without a training speaks of forgetting")
	}
}

// The form of the prompt is named, and two forms are put side by side only where
// that is allowed.
func TestPromptForms(t *testing.T) {
	s := testSuite(t)
	a, b := result(t, s, "base", "x"), result(t, s, "tuned", "x")
	a.Options.PromptForm = eval.Completion
	a.Examples = []eval.ShotTitle{{Path: "strings/a.md", Title: "An example"}}
	models := []*eval.Result{a.Result, b.Result}
	if _, err := report.New("x", date, models, 1, nil); err == nil || !strings.Contains(err.Error(), "they differ in prompt-form (chat; completion)") {
		t.Errorf("err %v", err)
	}
	r, err := report.New("x", date, models, 1, []string{"prompt-form"})
	if err != nil {
		t.Fatal(err)
	}
	var md bytes.Buffer
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{pageOf(t, r), md.String()} {
		for _, want := range []string{"asked with a text to continue, as a base model is, with 1 example in the prompt", "asked in its chat template", "prompt-form is completion, not chat"} {
			if !strings.Contains(form, want) {
				t.Errorf("not named: %s", want)
			}
		}
	}
}

// A tie of two that solve hardly anything is called one for want of easier cases.
func TestRemarksAreShown(t *testing.T) {
	s := &suite.Suite{Head: suite.Head{Name: "hard", Version: 1}}
	answers := make([]string, 60)
	for i := range answers {
		s.Cases = append(s.Cases, caseOf(t, fmt.Sprintf("c%d", i), "completion", "{verb: INPUT}"))
		answers[i] = "```bbj\nprint 1\n```"
	}
	r := reported(t, "x", 1, result(t, s, "a", answers...), result(t, s, "b", answers...))
	var md bytes.Buffer
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{pageOf(t, r), md.String()} {
		if !strings.Contains(form, "tied by task@1 (") || !strings.Contains(form, string(compare.TooHard)) || !strings.Contains(form, string(compare.TooEasy)) {
			t.Error("the tie has no remark")
		}
	}
}

func TestPValue(t *testing.T) {
	for p, want := range map[float64]string{1: "1.000", 0.0421: "0.042", 0.00042: "4.2 × 10⁻⁴", 9.5e-7: "9.5 × 10⁻⁷"} {
		if got := report.PValue(p); got != want {
			t.Errorf("PValue(%g) = %s, want %s", p, got, want)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error(firstDifference(got, want))
	}
}

func firstDifference(got, want []byte) string {
	a, b := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}
