package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/report"
	"bbjtune/internal/review"
	"bbjtune/internal/review/store"
)

func (a *app) reviewCloseCommand() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use:   "close REVIEW",
		Short: "end the voting and open the seal on who wrote what",
		Long: `Close ends a review for good: no vote is taken after it, nor is one changed. It
opens the seal with the key that create wrote beside the review. A review that was
changed since does not open.`,
		Args: args(1, 1, "one review"),
		RunE: func(_ *cobra.Command, list []string) error { return a.reviewClose(list[0], key) },
	}
	c.Flags().StringVar(&key, "key", "", "file of the key (default: beside the review)")
	return c
}

func (a *app) reviewClose(path, keyFile string) error {
	s, err := openReview(path)
	if err != nil {
		return err
	}
	defer s.Close()
	votes, err := s.All()
	if err != nil {
		return err
	}
	if len(votes) == 0 {
		return fault.New("the review has no votes yet", "let reviewers vote first: bbjtune review serve, or bbjtune review export")
	}
	if keyFile == "" {
		keyFile = strings.TrimSuffix(path, filepath.Ext(path)) + ".key"
	}
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return fault.Wrap(fmt.Errorf("read the key: %w", err), "name it with --key; review create wrote it beside the review")
	}
	key, err := review.ParseKey(keyFile, text)
	if err != nil {
		return err
	}
	sealed, err := s.Sealed()
	if err != nil {
		return err
	}
	mapping, err := review.Unseal(*s.Review(), sealed, key)
	if err != nil {
		return err
	}
	if err := s.CloseReview(mapping, a.Now()); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "closed with %d votes\nsee: %s\n", len(votes), a.command("review", "results", path))
	return nil
}

func (a *app) reviewResultsCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "results REVIEW",
		Short: "what the votes of a closed review show",
		Long: `Results says how often each model was preferred, by dimension and generation, with
95 % intervals. A tie counts one half, and the interval counts prompts, not votes:
several votes on one prompt resemble each other. With more than two models it is the
probability to be preferred to an average one of them (Bradley and Terry), since not
all met the same opponents. Beside it stand how far the reviewers agree
(Krippendorff's alpha), whether the side decided, and the time that was spent.

bbjtune report --review puts the same into a report.`,
		Args: args(1, 1, "one closed review"),
		RunE: func(_ *cobra.Command, list []string) error { return a.reviewResults(list[0], format) },
	}
	outputFormat(c, &format, "text", "json", "markdown")
	return c
}

// readReview reads the results of a closed review.
func readReview(path string) (*review.Results, error) {
	s, err := store.Open(path)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	at, closed, err := s.Closed()
	if err != nil {
		return nil, err
	}
	if !closed {
		return nil, fault.Newf("close it with bbjtune review close when all have voted; until then nobody knows who wrote what", "%s is not closed", path)
	}
	mapping, err := s.Mapping()
	if err != nil {
		return nil, err
	}
	who, err := s.Reviewers()
	if err != nil {
		return nil, err
	}
	votes, err := s.All()
	if err != nil {
		return nil, err
	}
	return review.NewResults(*s.Review(), mapping, at, who, votes), nil
}

func (a *app) reviewResults(path, format string) error {
	r, err := readReview(path)
	if err != nil {
		return err
	}
	switch format {
	case "json":
		return writeJSON(a.Out, r)
	case "markdown":
		return report.ReviewMarkdown(a.Out, r)
	}
	var b strings.Builder
	if err := writeReviewText(&b, r); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(a.Out, strings.TrimRight(progress.Printable(strings.TrimSuffix(line, "\n")), " "))
	}
	for _, w := range r.Warnings {
		a.show.Say("warning: %s", progress.Printable(w))
	}
	return nil
}

func writeReviewText(b *strings.Builder, r *review.Results) error {
	fmt.Fprintf(b, "%s\n%s\n\n%s\n\n", r.Title, report.ReviewCounts(r), report.ReviewNote(r))
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(table, strings.Join(cells, "\t")) }
	row("model", "generation", "overall", "code quality", "idiomatic", "documentation", "won/tied/lost")
	for i, m := range r.Models {
		for _, g := range r.Generations() {
			var cells []string
			for _, d := range []review.Dimension{review.Overall, review.Quality, review.Idiom, review.Documentation} {
				cells = append(cells, r.Table(d, g).Scores[i].String())
			}
			s := r.Table(review.Overall, g).Scores[i]
			name, generation := m.Name, g
			if g == "" {
				generation = "–"
			}
			row(append(append([]string{name, generation}, cells...), fmt.Sprintf("%d/%d/%d", s.Wins, s.Ties, s.Losses))...)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(b)
	for _, a := range r.Agreement {
		fmt.Fprintf(b, "agreement, %s: %s\n", a.Dimension, report.ReviewAgreement(a))
	}
	fmt.Fprintf(b, "left preferred: %s\n\n", report.Percent(r.Position))
	table = tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	row("reviewer", "votes", "median", "in all", "left preferred")
	for _, w := range r.Reviewers {
		row(w.Name, fmt.Sprint(w.Votes), spentTime(w.Median), spentTime(w.Total), report.Percent(w.Left))
	}
	return table.Flush()
}

// spentTime writes seconds as people read them.
func spentTime(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}
