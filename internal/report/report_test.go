package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/bbj/check"
	"bbjtune/internal/eval"
	"bbjtune/internal/report"
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

func result(t *testing.T, s *suite.Suite, model string, answers ...string) *eval.Result {
	t.Helper()
	var samples []eval.Sample
	for i, text := range answers {
		samples = append(samples, eval.Sample{Case: s.Cases[i].ID, Text: text, Stopped: i > 0, Tokens: 10})
	}
	r, err := eval.Score(context.Background(), s, check.Embedded{}, samples)
	if err != nil {
		t.Fatal(err)
	}
	r.Model, r.Notes, r.Date, r.Identity = model, "notes on "+model, date, "sha256:"+model
	r.Suite = eval.SuiteRef{Name: "tiny", Version: 2, Hash: "0123456789abcdef"}
	r.Options = eval.Options{Samples: 1, MaxTokens: 100, Seed: 42}
	r.Engine.Version = "fixed"
	return r
}

const hostile = "```bbj\nprint \"<script>alert(1)</script>\" // <img src=x onerror=alert(2)>\n\x1b[31mred\u202e\n```"

func testReport(t *testing.T) *report.Report {
	t.Helper()
	s := testSuite(t)
	base := result(t, s, "untuned", hostile, "Sorry <iframe>", "eight")
	tuned := result(t, s, "tuned | <x>", "```bbj\nprint 1\n```", "```bbj\nprint 2\n```", "seven")
	r, err := report.New("A & B", date, s, []*eval.Result{base, tuned}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Next = "bbjtune serve <model>"
	r.Training = &report.Training{Recipe: "demo", Base: "some/base", Data: "3 examples.", Stages: []report.Stage{{
		Name: "stage 1", Steps: 2, Tokens: 100, TrainedTokens: 100, Seconds: 4, ValidFirst: 3, ValidLast: 2,
		Train: []report.Point{{Step: 1, Loss: 3}, {Step: 2, Loss: 2}}, Valid: []report.Point{{Step: 0, Loss: 3}, {Step: 2, Loss: 2}},
	}}}
	return r
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
	if err := json.Unmarshal(js.Bytes(), &back); err != nil || back.Version != report.Version || len(back.Models) != 2 || len(back.Comparisons) != 2 {
		t.Errorf("the JSON form does not read back: %v %+v", err, back)
	}
	if !strings.HasPrefix(md.String(), "# A & B\n\n| Model | compile@1 | Qualitative | Date | Notes |\n") {
		t.Error("the Markdown does not start with the standard table")
	}
}

func TestLosses(t *testing.T) {
	training := testReport(t).Training
	second := training.Stages[0]
	second.Name = "stage 2 <b>\x1b[31m"
	second.Train, second.Valid = nil, []report.Point{{Step: 0, Loss: 1}, {Step: 8, Loss: 0.5}}
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

func TestHugeAnswersAreCut(t *testing.T) {
	s := testSuite(t)
	r, err := report.New("x", date, s, []*eval.Result{result(t, s, "m", strings.Repeat("print 1\n", 1<<20))}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil || b.Len() > 1<<20 {
		t.Errorf("page of %d bytes, %v", b.Len(), err)
	}
}

func TestNewRefusesWhatCannotBeCompared(t *testing.T) {
	s := testSuite(t)
	a, b := result(t, s, "a", "x"), result(t, s, "b", "x")
	b.Suite.Hash = "other"
	if _, err := report.New("x", date, s, []*eval.Result{a, b}, 1); err == nil {
		t.Error("two suites were compared")
	}
	b.Suite.Hash, b.Engine.Name = a.Suite.Hash, "bbjcpl"
	if _, err := report.New("x", date, s, []*eval.Result{a, b}, 1); err == nil {
		t.Error("two engines were compared")
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
