package coverage

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

//go:embed coverage.html
var pageText string

var page = template.Must(template.New("coverage").Funcs(template.FuncMap{
	"heat": heat, "join": strings.Join, "plural": Plural, "share": func(n, of int) string { return fmt.Sprintf("%.1f", 100*float64(n)/float64(max(of, 1))) },
}).Parse(pageText))

// HTML writes the page: no script, no reference to anything outside.
func (r *Report) HTML(w io.Writer) error {
	view := struct {
		*Report
		Grid    Grid
		Lists   []nameList
		Enough  int
		Empty   int
		Few     int
		First   []Group
		Others  []Group
		UsedBy  func(Usage) string
		Missing int
	}{Report: r, Grid: r.Grid(), Enough: Enough, UsedBy: r.used, Missing: len(r.Next.Names)}
	view.Empty, view.Few = r.Thin()
	groups := r.Groups()
	n := min(firstShown, len(groups))
	view.First, view.Others = groups[:n], groups[n:]
	for _, k := range r.API {
		view.Lists = append(view.Lists, r.list(k))
	}
	return page.Execute(w, view)
}

// firstShown is how many lines of a list the page shows unfolded.
const firstShown = 15

// nameList is what the page says of one kind of names.
type nameList struct {
	Kinds
	First, Others []Showing // never shown and used, the most used first
	Unused        []Showing // never shown, and used nowhere
	Perhapses     []Showing
	Most          []Showing
}

func (r *Report) list(k Kinds) nameList {
	l := nameList{Kinds: k, Most: r.Most(string(k.Kind))}
	for _, s := range r.Next.Names {
		if s.Kind != k.Kind {
			continue
		}
		if len(l.First) < firstShown {
			l.First = append(l.First, s)
		} else {
			l.Others = append(l.Others, s)
		}
	}
	for _, s := range r.Names {
		switch {
		case s.Kind != k.Kind || s.Shown > 0:
		case s.Perhaps > 0:
			l.Perhapses = append(l.Perhapses, s)
		case s.Used.Programs == 0:
			l.Unused = append(l.Unused, s)
		}
	}
	slices.SortStableFunc(l.Perhapses, func(a, b Showing) int { return b.Perhaps - a.Perhaps })
	return l
}

// heat is the class of a cell by what it has.
func heat(c Cell, possible bool) string {
	switch {
	case c.Have == 0 && !possible:
		return "no"
	case c.Have == 0 && (c.Perhaps > 0 || slices.Contains([]string{c.Type, c.Generation, c.Topic}, Unknown)):
		return "maybe"
	case c.Have == 0:
		return "h0"
	case c.Have < Enough:
		return "h1"
	case c.Have < 2*Enough:
		return "h2"
	case c.Have < 4*Enough:
		return "h3"
	}
	return "h4"
}
