package report_test

import (
	"bytes"
	"strings"
	"testing"

	"bbjtune/internal/printable"
	"bbjtune/internal/report"
	"bbjtune/internal/review"
)

// reviewed are the results of a review of models under hostile names.
func reviewed(models ...string) *review.Results {
	r := review.Review{ID: "r", Title: "Which <is> better?", Left: []review.LeftOut{{Why: "both answers are the same", Count: 2}}}
	m := review.Mapping{Masked: []review.ModelMasked{{Model: 0, Masked: review.Masked{Kind: "a model's name", Count: 3, Answers: 2}}}}
	for _, name := range models {
		m.Models = append(m.Models, review.Model{Name: name, Key: "key of " + name})
	}
	var votes []review.Cast
	for a := range models {
		for b := a + 1; b < len(models); b++ {
			n := len(r.Items) + 1
			r.Items = append(r.Items, review.Item{Number: n, Case: "strings/one", Generation: []string{"all", "dwc"}[n%2]})
			m.Items = append(m.Items, review.Authors{X: a, Y: b})
			for who := 1; who <= 2; who++ {
				c := []review.Choice{review.Y, review.Bad}[who-1]
				votes = append(votes, review.Cast{Reviewer: who, Vote: review.Vote{Item: n, Choices: review.Choices{Quality: review.X, Idiom: review.Tie, Documentation: c, Overall: c}, Note: "<script>x\n\x1b[31m|", Seconds: 30}})
			}
		}
	}
	return review.NewResults(r, m, date, []review.Reviewer{{ID: 1, Name: "Anna <b>"}, {ID: 2, Name: "Ben"}}, votes)
}

func TestReviewInReports(t *testing.T) {
	r := testReport(t)
	if r.AddReview(reviewed("other", "third"), []string{"key of x", "key of y"}) {
		t.Error("a review of other models is taken")
	}
	if got := r.Qualitative(0); got != "–" {
		t.Errorf("%q", got)
	}
	if !r.AddReview(reviewed("untuned", "tuned | <x>"), []string{"key of untuned", "key of tuned | <x>"}) {
		t.Fatal("the review is not taken")
	}
	// One prompt, one vote won and one tie: 3/4.
	if got := r.Qualitative(1); !strings.HasPrefix(got, "preferred 75.0 % [") || !strings.HasSuffix(got, "(1 prompt, 2 reviewers)") {
		t.Errorf("%q", got)
	}
	var md, html, js bytes.Buffer
	for _, err := range []error{r.Markdown(&md), r.HTML(&html), r.JSON(&js)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "review.md", []byte(section(t, md.String(), "## What people prefer", "## How the model")))
	golden(t, "review.html", []byte(section(t, html.String(), "<h2>What people prefer", "<h2>How the model")))
	for _, bad := range []string{"<script", "Anna <b>", "<x>"} {
		if strings.Contains(html.String(), bad) {
			t.Errorf("%s is in the page", bad)
		}
	}
	if strings.ContainsFunc(md.String()+js.String()+html.String(), printable.Dangerous) {
		t.Error("a terminal might obey the report")
	}
}

func section(t *testing.T, text, from, to string) string {
	t.Helper()
	a, b := strings.Index(text, from), strings.Index(text, to)
	if a < 0 || b < a {
		t.Fatalf("there is no section from %s to %s", from, to)
	}
	return text[a:b]
}

func TestReviewOfThree(t *testing.T) {
	var md bytes.Buffer
	r := reviewed("a", "b", "c")
	if err := report.ReviewMarkdown(&md, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(md.String(), "an average one of these models") || r.Models[0].Name != "c" || !strings.HasPrefix(md.String(), "# Which &lt;is> better?\n") {
		t.Error(md.String())
	}
}
