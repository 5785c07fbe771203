package sweep

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"bbjtune/internal/stats"
)

// TableVersion is the version of the JSON form.
const TableVersion = 1

// Table is what became of the variants, in their order.
type Table struct {
	Version int    `json:"version"`
	Recipe  string `json:"recipe"`
	Rows    []Row  `json:"rows"`
}

// Row is what became of one variant.
type Row struct {
	Changed Variant `json:"changed"` // against the recipe
	// Run is the folder of the training, Reused that nothing of it had to be
	// trained.
	Run    string `json:"run,omitempty"`
	Reused bool   `json:"reused,omitempty"`
	// Loss is the validation loss of the last stage, in nats a token.
	Loss *float64 `json:"valid_loss,omitempty"`
	// Scores are rates of the evaluation, none where it was left out.
	Scores []Score `json:"scores,omitempty"`
	// Stopped says what a variant had that was not trained to its end. It has neither
	// loss nor scores.
	Stopped *Stop `json:"stopped,omitempty"`
	// Failed says why there is nothing else.
	Failed string `json:"failed,omitempty"`
}

// Score is a rate with its 95 % interval.
type Score struct {
	Metric string `json:"metric"`
	stats.Proportion
}

// Failed counts the variants without a result.
func (t *Table) Failed() int {
	n := 0
	for _, r := range t.Rows {
		if r.Failed != "" {
			n++
		}
	}
	return n
}

// Stopped counts the variants that were not trained to their end.
func (t *Table) Stopped() int {
	n := 0
	for _, r := range t.Rows {
		if r.Stopped != nil {
			n++
		}
	}
	return n
}

// metrics lists what any of the rows has, in the order of the first that has it.
func (t *Table) metrics() []string {
	var list []string
	seen := map[string]bool{}
	for _, r := range t.Rows {
		for _, s := range r.Scores {
			if !seen[s.Metric] {
				seen[s.Metric] = true
				list = append(list, s.Metric)
			}
		}
	}
	return list
}

// cells are the columns of a row behind the name.
func (r Row) cells(metrics []string) []string {
	loss, at := r.Loss, ""
	if r.Stopped != nil {
		loss, at = r.Stopped.Loss, fmt.Sprintf(" at step %d", r.Stopped.Step)
	}
	cells := []string{"-"}
	if loss != nil {
		cells[0] = fmt.Sprintf("%.4f%s", *loss, at)
	}
	for _, m := range metrics {
		cell := "-"
		for _, s := range r.Scores {
			if s.Metric == m {
				cell = fmt.Sprintf("%.1f %% (%.1f to %.1f, n %d)", 100*s.Rate, 100*s.Low, 100*s.High, s.N)
			}
		}
		cells = append(cells, cell)
	}
	if r.Failed != "" {
		return append(cells, "failed: "+strings.Join(strings.Fields(r.Failed), " "))
	}
	if r.Stopped != nil {
		return append(cells, r.Run+" "+r.Stopped.String())
	}
	return append(cells, r.Run)
}

// Text writes the table for a terminal.
func (t *Table) Text(w io.Writer) error {
	metrics := t.metrics()
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(append(append([]string{"changed", "valid loss"}, metrics...), "run"), "\t"))
	for _, r := range t.Rows {
		fmt.Fprintln(table, strings.Join(append([]string{r.Changed.String()}, r.cells(metrics)...), "\t"))
	}
	return table.Flush()
}

// Markdown writes the table for a report or a pull request.
func (t *Table) Markdown(w io.Writer) error {
	metrics := t.metrics()
	head := append(append([]string{"changed", "valid loss"}, metrics...), "run")
	lines := [][]string{head, slices.Repeat([]string{"---"}, len(head))}
	for _, r := range t.Rows {
		lines = append(lines, append([]string{r.Changed.String()}, r.cells(metrics)...))
	}
	for _, cells := range lines {
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")); err != nil {
			return err
		}
	}
	return nil
}
