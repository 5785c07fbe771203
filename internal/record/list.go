package record

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"bbjtune/internal/parity"
	"bbjtune/internal/progress"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
	"bbjtune/internal/stats"
)

// ListVersion is the version of the JSON form.
const ListVersion = 1

// List is what there is in a folder of runs.
type List struct {
	Version int    `json:"version"`
	Runs    []Line `json:"runs"`
}

// Line is a run in the list.
type Line struct {
	Kind    string     `json:"kind"`
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Path    string     `json:"path"`
	State   runs.State `json:"state"`
	Reason  string     `json:"reason,omitempty"`
	Created time.Time  `json:"created"`
	Bytes   int64      `json:"bytes"`
	// Valid are the last validation losses of a training's stages.
	Valid []float64 `json:"valid_losses,omitempty"`
	// Compile is of an evaluation, or of the newest one of a training.
	Compile *stats.Proportion `json:"compile@1,omitempty"`
	// Grafted names the model that a package or an evaluation's model was made of
	// besides the trained one.
	Grafted string `json:"grafted_onto,omitempty"`
	// Rows are those of a data folder to train on and for validation.
	Rows *[2]int `json:"rows,omitempty"`
	// Verified are the files of a package that was verified.
	Verified []string `json:"verified,omitempty"`
}

// List lists the runs of a kind, newest first; "" is every kind.
func (s *Store) List(kind string) *List {
	l := &List{ListVersion, []Line{}}
	for _, e := range s.Entries {
		if kind == "" || e.Kind == kind {
			l.Runs = append(l.Runs, s.line(e))
		}
	}
	return l
}

func (s *Store) line(e runs.Entry) Line {
	l := Line{Kind: e.Kind, ID: e.ID, Name: e.Name(), Path: e.Path, State: e.State, Reason: e.Reason, Created: e.Time, Bytes: e.Size}
	if e.State != runs.Complete {
		return l
	}
	switch e.Kind {
	case "train":
		var t report.Training
		if err := json.Unmarshal(e.Manifest.Result, &t); err != nil {
			l.State, l.Reason = runs.Broken, "its result cannot be read"
			return l
		}
		for _, stage := range t.Stages {
			l.Valid = append(l.Valid, stage.ValidLast)
		}
		for _, v := range s.evaluations(e.Manifest.Key) {
			if v.Grafted == "" {
				l.Compile = &v.Metrics.Compile
				break
			}
		}
	case "eval":
		v, ok := evaluation(e)
		if !ok {
			l.State, l.Reason = runs.Broken, "its result cannot be read"
			return l
		}
		l.Compile, l.Grafted = &v.Metrics.Compile, v.Grafted
	case "pack":
		if g := Grafted(e); g != nil {
			l.Grafted = g.Onto
		}
	case "verify":
		r, ok := verified(e)
		if !ok {
			l.State, l.Reason = runs.Broken, "its result cannot be read"
			return l
		}
		l.Verified = files(r)
	case "data":
		var c struct {
			Stage1, Stage2 struct{ Train, Valid int }
		}
		if json.Unmarshal(e.Manifest.Result, &c) == nil {
			l.Rows = &[2]int{c.Stage1.Train + c.Stage2.Train, c.Stage1.Valid + c.Stage2.Valid}
		}
	}
	return l
}

// files says of each file of a package what verifying it found.
func files(r parity.Report) []string {
	var list []string
	for _, f := range r.Files {
		list = append(list, f.String())
	}
	return list
}

// what says of a run what its kind has to say.
func (l Line) what() string {
	var parts []string
	if len(l.Valid) > 0 {
		var losses []string
		for _, v := range l.Valid {
			losses = append(losses, fmt.Sprintf("%.3f", v))
		}
		parts = append(parts, "valid "+strings.Join(losses, ", "))
	}
	if l.Compile != nil {
		parts = append(parts, "compile@1 "+report.Percent(*l.Compile))
	}
	if l.Grafted != "" {
		parts = append(parts, "grafted onto "+l.Grafted)
	}
	if l.Rows != nil {
		parts = append(parts, fmt.Sprintf("%d + %d rows", l.Rows[0], l.Rows[1]))
	}
	parts = append(parts, l.Verified...)
	if l.Reason != "" {
		parts = append(parts, l.Reason)
	}
	return strings.Join(parts, " · ")
}

// stamp is how a time is written.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// Text writes the list as a table.
func (l *List) Text(w io.Writer) error {
	rows := [][]string{{"kind", "run", "state", "created", "size", "result"}}
	for _, r := range l.Runs {
		rows = append(rows, []string{r.Kind, r.ID, string(r.State), stamp(r.Created), progress.Bytes(r.Bytes), r.what()})
	}
	return table(w, "", rows)
}

// table writes rows in columns as wide as they need to be; the last one is not
// padded. Cells hold foreign text.
func table(w io.Writer, indent string, rows [][]string) error {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := indent
		for i, cell := range row {
			if i < len(row)-1 {
				cell += strings.Repeat(" ", width[i]-len([]rune(cell))+2)
			}
			line += oneLine(cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// oneLine makes foreign text safe to show within a line.
func oneLine(s string) string {
	return progress.Printable(strings.NewReplacer("\n", " ", "\t", " ").Replace(s))
}
