package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"bbjtune/internal/printable"
	"bbjtune/internal/review"
	"bbjtune/internal/stats"
)

// AddReview fills the column Qualitative and adds the section on what people
// preferred. keys are those of the evaluations, in the order of the models. It
// reports false where the review is of none of them.
func (r *Report) AddReview(results *review.Results, keys []string) bool {
	r.verdicts = make([]*review.Verdict, len(r.Models))
	found := false
	for i, k := range keys {
		r.verdicts[i] = results.Of(k)
		found = found || r.verdicts[i] != nil
	}
	r.Review = results
	return found
}

// Verdict is what a review says of the model with that index, or nil.
func (r *Report) Verdict(model int) *review.Verdict {
	if r.verdicts == nil {
		return nil
	}
	return r.verdicts[model]
}

// Qualitative is the cell of the standard table for the model with that index.
func (r *Report) Qualitative(model int) string {
	v := r.Verdict(model)
	if v == nil || v.Prompts == 0 {
		return "–"
	}
	return fmt.Sprintf("preferred %s (%s, %s)", v.Score, count(v.Prompts, "prompt"), count(v.Reviewers, "reviewer"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ReviewCounts says how much a review rests on.
func ReviewCounts(r *review.Results) string {
	voted := 0
	for _, w := range r.Reviewers {
		if w.Votes > 0 {
			voted++
		}
	}
	return fmt.Sprintf("%s of %s, %s of %s, closed %s", count(r.Items, "comparison"), count(r.Prompts, "prompt"), count(r.Votes, "vote"), count(voted, "reviewer"), r.Closed.Format(time.DateOnly))
}

// ReviewNote says how to read the rates.
func ReviewNote(r *review.Results) string {
	const tail = " A tie counts one half; brackets hold 95 % intervals that count prompts, not votes."
	if len(r.Models) > 2 {
		return "How probable it is that the answer is preferred to that of an average one of these models (Bradley and Terry)." + tail
	}
	return "How often the answer was preferred to the other model's." + tail
}

// ReviewAgreement writes an agreement in a few words.
func ReviewAgreement(a review.Agreement) string {
	switch {
	case a.Units == 0:
		return "not known, since no comparison was judged by two reviewers"
	case !a.Known:
		return fmt.Sprintf("all votes are the same on %s that two or more judged", count(a.Units, "comparison"))
	}
	return fmt.Sprintf("Krippendorff's alpha %.2f on %s that two or more judged", a.Alpha, count(a.Units, "comparison"))
}

// reviewDimensions are the dimensions in the order in which tables show them.
var reviewDimensions = []struct {
	Dimension review.Dimension
	Title     string
}{
	{review.Overall, "overall"}, {review.Quality, "code quality"}, {review.Idiom, "idiomatic"}, {review.Documentation, "documentation"},
}

// ReviewMarkdown writes the results of a review for itself.
func ReviewMarkdown(w io.Writer, r *review.Results) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", Cell(r.Title))
	markdownReview(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) markdownReview(b *strings.Builder) {
	if r.Review == nil {
		return
	}
	b.WriteString("\n## What people prefer\n\n")
	markdownReview(b, r.Review)
}

func markdownReview(b *strings.Builder, r *review.Results) {
	fmt.Fprintf(b, "A blinded review: %s. %s\n\n| Model | Generation |", ReviewCounts(r), ReviewNote(r))
	for _, d := range reviewDimensions {
		fmt.Fprintf(b, " %s |", d.Title)
	}
	b.WriteString(" won/tied/lost | both bad |\n| --- | --- |" + strings.Repeat(" --- |", len(reviewDimensions)+2) + "\n")
	for _, row := range ReviewRows(r) {
		fmt.Fprintf(b, "| %s | %s |", Cell(row.Model), row.GenerationTitle())
		for _, s := range row.Scores {
			fmt.Fprintf(b, " %s |", s)
		}
		s := row.Scores[0]
		fmt.Fprintf(b, " %d/%d/%d | %d |\n", s.Wins, s.Ties, s.Losses, s.Bad)
	}
	b.WriteString("\n")
	for i, a := range r.Agreement {
		fmt.Fprintf(b, "- Agreement, %s: %s.\n", reviewTitle(r.Agreement[i].Dimension), ReviewAgreement(a))
	}
	fmt.Fprintf(b, "- The answer on the left was preferred: %s.\n", Percent(r.Position))
	for _, w := range r.Reviewers {
		fmt.Fprintf(b, "- %s: %s, %.0f s each (median), %.0f min in all.\n", Cell(w.Name), count(w.Votes, "vote"), w.Median, w.Total/60)
	}
	for _, m := range r.Masked {
		fmt.Fprintf(b, "- Masked in answers of %s: %s, %d times in %s.\n", Cell(m.Model), m.Kind, m.Count, count(m.Answers, "answer"))
	}
	for _, l := range r.Left {
		fmt.Fprintf(b, "- Left out: %s, since %s.\n", count(l.Count, "comparison"), l.Why)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(b, "- **Warning**: %s.\n", Cell(w))
	}
	if len(r.Notes) == 0 {
		return
	}
	b.WriteString("\n| Case | Reviewer | Left | Right | Preferred | Note |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, n := range r.Notes {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", Cell(n.Case), Cell(n.Reviewer), Cell(n.Left), Cell(n.Right), Cell(n.Overall), Cell(n.Text))
	}
}

func reviewTitle(d review.Dimension) string {
	for _, x := range reviewDimensions {
		if x.Dimension == d {
			return x.Title
		}
	}
	return string(d)
}

// ReviewRow is a model in all generations, or in one.
type ReviewRow struct {
	Model, Generation string
	Scores            []review.Score // by the dimensions of the table
}

// GenerationTitle is the generation for readers.
func (r ReviewRow) GenerationTitle() string {
	if r.Generation == "" {
		return "–"
	}
	return r.Generation
}

// ReviewRows are the rows of the table: each model, then by generation.
func ReviewRows(r *review.Results) []ReviewRow {
	var rows []ReviewRow
	for _, g := range r.Generations() {
		for i, m := range r.Models {
			row := ReviewRow{Model: m.Name, Generation: g}
			for _, d := range reviewDimensions {
				row.Scores = append(row.Scores, r.Table(d.Dimension, g).Scores[i])
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// estimate is a score as a proportion that can be drawn.
func estimate(s review.Score) stats.Proportion {
	rate, low, high := s.Estimate()
	return stats.Proportion{N: s.Prompts, Rate: rate, Low: low, High: high}
}

// reviewNotes are the notes, as far as a page shows them.
func reviewNotes(r *review.Results) []review.Note { return r.Notes[:min(len(r.Notes), 200)] }

// plain makes control characters of a note visible, and one line of it.
func plain(s string) string { return strings.ReplaceAll(printable.Visible(s), "\n", " ") }
