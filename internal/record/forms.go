package record

import (
	"fmt"
	"io"
	"strings"

	"bbjtune/internal/report"
)

// Text writes the comparison for a terminal.
func (d *Diff) Text(w io.Writer) error {
	p := &page{}
	for _, s := range []struct {
		name string
		side Side
	}{{"A", d.A}, {"B", d.B}} {
		p.line("%s  %s, %s UTC", s.name, s.side.ID, stamp(s.side.Created))
	}
	p.line("\n%s%s", map[bool]string{true: "", false: "warning: "}[d.One()], d.Verdict)
	group := Group("")
	for _, v := range d.Variables {
		if v.Group != group {
			group = v.Group
			p.line("\n%s", group)
		}
		p.line("  %s%s", v.Name, v.values())
		for _, detail := range v.Details {
			p.line("    %s", detail)
		}
	}
	if len(d.Notes) > 0 {
		p.line("\nalso")
	}
	for _, n := range d.Notes {
		p.line("  %s", n)
	}
	if len(d.Effect.Losses) > 0 {
		p.line("")
		table(p, "", d.Effect.lossTable())
	}
	p.line("")
	if len(d.Effect.Scores) > 0 {
		table(p, "", d.Effect.scoreTable())
	}
	for _, text := range d.Effect.Unpaired {
		p.line("not compared: %s", text)
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// values writes old and new, if there is anything to write.
func (v Variable) values() string {
	if v.Old == "" && v.New == "" {
		return ""
	}
	return fmt.Sprintf(": %s → %s", v.Old, v.New)
}

func (e *Effect) lossTable() [][]string {
	rows := [][]string{{"validation loss", "A", "B", "B - A", ""}}
	for _, l := range e.Losses {
		row := []string{l.Stage, notThere, notThere, notThere, ""}
		if l.A != nil {
			row[1] = fmt.Sprintf("%.3f", l.A.Last)
		}
		if l.B != nil {
			row[2] = fmt.Sprintf("%.3f", l.B.Last)
		}
		switch {
		case l.A == nil || l.B == nil:
		case l.SameRows:
			row[3] = fmt.Sprintf("%+.3f", l.B.Last-l.A.Last)
		default:
			row[4] = "not comparable: the rows for validation differ"
		}
		rows = append(rows, row)
	}
	return rows
}

func (e *Effect) scoreTable() [][]string {
	rows := [][]string{{"metric", "A", "B", "B - A, points", "p", "B is", "suite"}}
	for _, s := range e.Scores {
		metric := string(s.Metric)
		if s.Grafted != "" {
			metric += " of the graft"
		}
		rows = append(rows, []string{
			metric, report.Percent(s.A), report.Percent(s.B), report.Points(s.Paired), report.PValue(s.Paired.P), string(s.Verdict),
			fmt.Sprintf("%s, by %s %s", s.Suite, s.Engine.Name, s.Engine.Version),
		})
	}
	return rows
}

// Markdown writes the comparison for a report or a pull request.
func (d *Diff) Markdown(w io.Writer) error {
	p := &page{}
	p.line("# %s → %s", cell(d.A.ID), cell(d.B.ID))
	p.line("\n%s%s.", map[bool]string{true: "", false: "**Warning:** "}[d.One()], cell(d.Verdict))
	if len(d.Variables) > 0 {
		rows := [][]string{{"group", "variable", "A", "B", "more"}}
		for _, v := range d.Variables {
			rows = append(rows, []string{string(v.Group), v.Name, v.Old, v.New, strings.Join(v.Details, "; ")})
		}
		p.markdown("What changed", rows)
	}
	if len(d.Notes) > 0 {
		p.line("")
	}
	for _, n := range d.Notes {
		p.line("- %s", cell(n))
	}
	if len(d.Effect.Losses) > 0 {
		p.markdown("Validation loss", d.Effect.lossTable())
	}
	if len(d.Effect.Scores) > 0 {
		p.markdown("Evaluation, case by case", d.Effect.scoreTable())
	}
	if len(d.Effect.Unpaired) > 0 {
		p.line("")
	}
	for _, text := range d.Effect.Unpaired {
		p.line("Not compared: %s.", cell(text))
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// markdown writes a section with a table; the first row is its head.
func (p *page) markdown(title string, rows [][]string) {
	p.WriteString("\n## " + title + "\n\n")
	for i, row := range rows {
		line := "|"
		for _, c := range row {
			line += " " + cell(c) + " |"
		}
		p.line("%s", line)
		if i == 0 {
			p.line("|%s", strings.Repeat(" --- |", len(row)))
		}
	}
}

// cell keeps foreign text from being more than text in Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "`", `\`+"`", "*", `\*`, "](", `]\(`).Replace(s)
}
