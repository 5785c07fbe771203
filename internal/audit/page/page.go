// Package page shows the report of an audit as one HTML page for people: what the
// set is made of, what is wrong with it, and rows to see it at. The page has no
// script and refers to nothing outside of itself.
//
// It must not know how rows are judged, nor show a secret.
package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"bbjtune/internal/audit"
	"bbjtune/internal/printable"
)

// Input is what a page shows.
type Input struct {
	Name   string // of the file of rows
	Report *audit.Report
	// File holds the rows of which excerpts are shown; nil where it can be read
	// once only.
	File io.ReaderAt
	// Examples is how many findings of a kind are shown.
	Examples int
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("audit").Funcs(template.FuncMap{
	"number": number, "visible": printable.Visible, "share": share, "bar": bar, "lengths": lengths,
}).Parse(pageText))

// Write writes the page.
func Write(w io.Writer, in Input) error {
	r := in.Report
	return page.Execute(w, view{
		Report: r, Name: printable.Visible(in.Name), Once: in.File == nil, Sums: sums(r), Kinds: kinds(in),
		Rows: rowBars(r), Forms: formBars(r), Repeats: repeatBars(r),
	})
}

type view struct {
	*audit.Report
	Name    string
	Once    bool
	Sums    []string
	Kinds   []kindView
	Rows    []barView
	Forms   []barView
	Repeats []barView
}

// barView is a bar with its name; Class is its colour.
type barView struct {
	Name  string
	Class string
	N, Of int
}

// sums are the equations by which the counts can be checked.
func sums(r *audit.Report) []string {
	var list []string
	for _, f := range forms {
		list = append(list, number(r.Forms[f])+" "+string(f))
	}
	return []string{
		fmt.Sprintf("%s = %s unreadable + %s conversations", counted(r.Rows, "row"), number(r.Unreadable()), number(r.Valid)),
		fmt.Sprintf("%s = %s", counted(r.Valid, "conversation"), strings.Join(list, " + ")),
		fmt.Sprintf("%s = %s with nothing found + %s with notes only + %s with warnings + %s with errors",
			counted(r.Rows, "row"), number(r.Worst.None), number(r.Worst.Notes), number(r.Worst.Warnings), number(r.Worst.Errors)),
	}
}

var forms = []audit.Form{audit.Fenced, audit.Text, audit.Mixed, audit.Raw}

func rowBars(r *audit.Report) []barView {
	return []barView{
		{"nothing found", "good", r.Worst.None, r.Rows}, {"notes only", string(audit.Note), r.Worst.Notes, r.Rows},
		{"warnings", string(audit.Warning), r.Worst.Warnings, r.Rows}, {"errors", string(audit.Error), r.Worst.Errors, r.Rows},
	}
}

func formBars(r *audit.Report) []barView {
	says := map[audit.Form]string{
		audit.Fenced: "all code in fences", audit.Text: "no code", audit.Mixed: "code outside of a fence", audit.Raw: "code alone, no fence",
	}
	var list []barView
	for _, f := range forms {
		list = append(list, barView{fmt.Sprintf("%s: %s", f, says[f]), "", r.Forms[f], r.Valid})
	}
	return list
}

// repeatBars count the prompts by how often they occur.
func repeatBars(r *audit.Report) []barView {
	groups := []struct {
		name string
		to   int
	}{{"once", 1}, {"twice", 2}, {"3 times", 3}, {"4 to 9 times", 9}, {"10 to 99 times", 99}, {"100 times or more", r.Rows}}
	list := make([]barView, len(groups))
	for i, g := range groups {
		list[i] = barView{Name: g.name, Of: r.Prompts.Distinct}
	}
	for _, t := range r.Prompts.Times {
		for i, g := range groups {
			if t.Times <= g.to {
				list[i].N += t.Prompts
				break
			}
		}
	}
	last := len(list)
	for last > 3 && list[last-1].N == 0 {
		last--
	}
	return list[:last]
}

// kindView is a kind of defect that occurs, with examples.
type kindView struct {
	audit.Count
	Of       int
	Examples []exampleView
	More     int
}

type exampleView struct {
	audit.Finding
	Parts []audit.Part
}

func kinds(in Input) []kindView {
	var list []kindView
	at := map[string]int{}
	for _, c := range in.Report.Kinds {
		if c.Rows > 0 {
			at[c.Code] = len(list)
			list = append(list, kindView{Count: c, Of: in.Report.Rows, More: c.Findings})
		}
	}
	for _, f := range in.Report.Found {
		k := &list[at[f.Code]]
		if len(k.Examples) >= in.Examples {
			continue
		}
		e := exampleView{Finding: f}
		if in.File != nil {
			e.Parts = f.Excerpt(in.File)
		}
		k.Examples = append(k.Examples, e)
		k.More--
	}
	return list
}

// number groups the digits of a number.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// share is a part of a whole in percent.
func share(n, of int) string {
	switch {
	case of == 0:
		return "–"
	case n > 0 && 1000*n < of:
		return "< 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}
