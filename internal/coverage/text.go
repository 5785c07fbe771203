package coverage

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Text writes the report for a terminal of 100 columns: the table, and the first
// lines of each list, or all of them.
func (r *Report) Text(w io.Writer, all bool) error {
	var b strings.Builder
	b.WriteString(r.Heading() + "\n\n")
	b.WriteString("Basic/intermediate/advanced by type, generation and topic; · none, - cannot be, ? unknown difficulty\n\n")
	r.writeTable(&b)
	limit := func(n int) int {
		if all {
			return int(^uint(0) >> 1)
		}
		return n
	}
	r.writeGroups(&b, limit(10))
	r.writeAPI(&b)
	r.writeNames(&b, limit(20))
	r.writeShown(&b, all)
	_, err := io.WriteString(w, b.String())
	return err
}

// Heading says what was measured.
func (r *Report) Heading() string {
	what := plural(r.Examples, "example")
	switch {
	case r.Examples == 0:
		what = plural(r.Rows, "row")
	case r.Rows > 0:
		what += " and " + plural(r.Rows, "row")
	}
	return what + " with " + plural(r.Programs, "program")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func (r *Report) writeTable(b *strings.Builder) {
	g := r.Grid()
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "type\tgeneration\t%s\n", strings.Join(g.Topics, "\t"))
	for _, t := range g.Types {
		for i, row := range t.Rows {
			name := t.Name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(table, "%s\t%s", name, row.Name)
			for _, box := range row.Boxes {
				fmt.Fprintf(table, "\t%s", box)
			}
			fmt.Fprintln(table)
		}
	}
	table.Flush()
}

func (r *Report) writeGroups(b *strings.Builder, limit int) {
	if len(r.Next.Cells) == 0 {
		return
	}
	empty, few := r.Thin()
	fmt.Fprintf(b, "\nWrite next: kinds of examples (%d have none, %d fewer than %d). Lacking is what a set of\n"+
		"this size would have besides, if half of it were like\n%s and half were even.\n\n", empty, few, Enough, r.Against)
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  lacking\thave\ttype\tgeneration\ttopic\tdifficulty")
	groups := r.Groups()
	for i, g := range groups {
		if i == limit {
			break
		}
		fmt.Fprintf(table, "  %.1f\t%s\t%s\t%s\t%s\t%s\n", g.Lack, g.Have, g.Type, g.Generation, g.Topic, strings.Join(g.Difficulties, ", "))
	}
	table.Flush()
	rest(b, len(groups)-limit)
}

// Thin counts the cells that have nothing and those that have too little.
func (r *Report) Thin() (empty, few int) {
	for _, c := range r.Next.Cells {
		if c.likely() == 0 {
			empty++
		} else {
			few++
		}
	}
	return empty, few
}

func rest(b *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(b, "  and %d more (--all)\n", n)
	}
}

func (r *Report) writeAPI(b *strings.Builder) {
	fmt.Fprintf(b, "\nThe API in the code of the data. Missing is never shown, and used in\n%s.\n\n", r.Against)
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tknown\tshown\tperhaps\tnever\tmissing\t")
	for _, k := range r.API {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t\n", Plural(string(k.Kind)), k.Known, k.Shown, k.Perhaps, k.Never, k.Missing)
	}
	table.Flush()
}

// Plural is the word for several of a kind.
func Plural(kind string) string {
	if kind == "class" {
		return "classes"
	}
	return kind + "s"
}

// String names the code that decides.
func (a Against) String() string {
	if a.Repositories == 1 {
		return plural(a.Programs, "program") + " of your own"
	}
	return fmt.Sprintf("%s of %d public repositories", plural(a.Programs, "program"), a.Repositories)
}

func (r *Report) writeNames(b *strings.Builder, limit int) {
	if len(r.Next.Names) == 0 {
		return
	}
	b.WriteString("\nWrite next: what no example shows, the most used first\n\n")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for i, s := range r.Next.Names {
		if i == limit {
			break
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", s.Kind, s.Name, r.used(s.Used))
	}
	table.Flush()
	rest(b, len(r.Next.Names)-limit)
}

// used says how often code in use has a name.
func (r *Report) used(u Usage) string {
	if r.Against.Repositories == 1 {
		return plural(u.Programs, "program")
	}
	if u.Repositories == 1 {
		return "1 repository, " + plural(u.Programs, "program")
	}
	return fmt.Sprintf("%d repositories, %s", u.Repositories, plural(u.Programs, "program"))
}

// columns is the width of a terminal that lines fit into.
const columns = 96

// writeShown lists what the data shows most, as far as it fits into a line.
func (r *Report) writeShown(b *strings.Builder, all bool) {
	b.WriteString("\nShown most, with the number of uses\n\n")
	for _, k := range kinds {
		line := "  " + Plural(string(k)) + ":"
		for i, s := range r.Most(string(k)) {
			entry := fmt.Sprintf(" %s %d,", s.Name, s.Shown)
			if !all && (i == 5 || len(line)+len(entry) > columns) {
				break
			}
			line += entry
		}
		if strings.HasSuffix(line, ",") {
			b.WriteString(strings.TrimSuffix(line, ",") + "\n")
		}
	}
}

// Most returns the names of a kind that the data shows, the most shown first.
func (r *Report) Most(kind string) []Showing {
	var list []Showing
	for _, s := range r.Names {
		if string(s.Kind) == kind && s.Shown > 0 {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b Showing) int { return b.Shown - a.Shown })
	return list
}
