package coverage

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"bbjtune/bbj/check"
	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/answer"
	"bbjtune/internal/audit"
	"bbjtune/internal/backport"
	"bbjtune/internal/example"
)

// Unknown stands for what a row does not say.
const Unknown = "unknown"

// Item is an example or a row as far as its place in the table is known.
type Item struct {
	Type, Difficulty, Topic string
	Generations             []string
	Code                    []string
	Row                     bool
}

// OfExample takes an example in.
func OfExample(e *example.Example) Item {
	it := Item{Type: string(e.Type), Difficulty: cmp.Or(e.Difficulty, Unknown), Topic: e.Topic, Generations: names(e.Generation)}
	for _, f := range e.Fences() {
		it.Code = append(it.Code, string(f.Code))
	}
	return it
}

// OfRow takes a line of ChatML in, as far as it says what it is. The problem
// says why the line is no row.
func OfRow(line []byte) (it Item, problem string) {
	messages, kind, problem := audit.ParseRow(line)
	if problem != "" {
		return it, kind.Title + ": " + problem
	}
	it = Item{Type: Unknown, Difficulty: Unknown, Topic: Unknown, Generations: []string{Unknown}, Row: true}
	prompt, said := backport.Turns(messages)
	r, reason := backport.Read(prompt, said)
	if reason != "" {
		it.Code = append(answer.Marked(prompt), answer.Marked(said)...)
		return it, ""
	}
	it.Type, it.Generations = string(r.Type), names(r.Generation)
	if r.TopicCertain {
		it.Topic = r.Topic
	}
	for _, f := range r.Fences() {
		it.Code = append(it.Code, string(f.Code))
	}
	return it, ""
}

func names(list example.Generations) []string {
	out := make([]string, len(list))
	for i, g := range list {
		out[i] = string(g)
	}
	return out
}

// Report is what a set shows. It does not depend on the order of the items.
type Report struct {
	Version  int       `json:"version"`
	Examples int       `json:"examples"`
	Rows     int       `json:"rows"`
	Programs int       `json:"programs"`
	Against  Against   `json:"against"`
	Cells    []Cell    `json:"cells"`
	API      []Kinds   `json:"api"`
	Next     Next      `json:"next"`
	Names    []Showing `json:"names"`
}

// Against says what code decides about importance.
type Against struct {
	Repositories int `json:"repositories"`
	Programs     int `json:"programs"`
}

// Cell is a place of the table.
type Cell struct {
	Type       string `json:"type"`
	Generation string `json:"generation"`
	Difficulty string `json:"difficulty"`
	Topic      string `json:"topic"`
	// Have is the number of examples and rows. One of two generations counts in
	// both.
	Have int `json:"have"`
	// Perhaps counts rows of which all is known but the difficulty: a third of
	// them is taken to be here.
	Perhaps int `json:"perhaps,omitempty"`
	// Want is how many a set of this size would have, see weights; 0 where there
	// can be none.
	Want float64 `json:"want"`
}

// Thin reports whether there are too few examples in a place where there can be
// some.
func (c Cell) Thin() bool { return c.Want > 0 && c.likely() < Enough }

// likely is how many examples the cell has, as far as can be told.
func (c Cell) likely() float64 { return float64(c.Have) + float64(c.Perhaps)/3 }

// Enough is how many examples a cell needs not to be called thin.
const Enough = 3

// Showing says how often the data and the code in use have a name.
type Showing struct {
	Name
	// Shown counts its uses, and Items the examples and rows with one.
	Shown int `json:"shown"`
	Items int `json:"items"`
	// Perhaps counts the calls of a method of that name on objects of which the
	// class is not certain: any class with such a method may be meant.
	Perhaps int   `json:"perhaps"`
	Used    Usage `json:"used"`
}

// Kinds sums up the names of one kind.
type Kinds struct {
	Kind    check.UseKind `json:"kind"`
	Known   int           `json:"known"`
	Shown   int           `json:"shown"`
	Perhaps int           `json:"perhaps"` // not shown for certain
	Never   int           `json:"never"`
	Missing int           `json:"missing"` // never shown, and used in the code that decides
}

// Next is what to write next, the most important first.
type Next struct {
	Cells []Cell    `json:"cells"`
	Names []Showing `json:"names"`
}

// Measure looks at the items. The evidence decides what is important.
func Measure(items []Item, e *Evidence) *Report {
	r := &Report{Version: 1, Against: Against{len(e.Repositories), e.Programs}}
	c := counter{cells: map[Cell]int{}, shown: map[Name]int{}, items: map[Name]int{}, perhaps: map[string]int{}}
	for _, it := range items {
		if it.Row {
			r.Rows++
		} else {
			r.Examples++
		}
		r.Programs += len(it.Code)
		c.add(it)
	}
	r.Cells = c.table(len(items), e)
	r.Names = c.names(e)
	r.API = summed(r.Names)
	r.Next = next(r)
	return r
}

type counter struct {
	cells   map[Cell]int // those without counts are the keys
	shown   map[Name]int
	items   map[Name]int
	perhaps map[string]int
}

func (c *counter) add(it Item) {
	for _, g := range it.Generations {
		c.cells[Cell{Type: it.Type, Generation: g, Difficulty: it.Difficulty, Topic: it.Topic}]++
	}
	programs := make([]*syntax.Program, len(it.Code))
	for i, text := range it.Code {
		programs[i] = syntax.Parse([]byte(text))
	}
	t := tallyOf(programs)
	for n, uses := range t.certain {
		c.shown[n] += uses
		c.items[n]++
	}
	for n, uses := range t.perhaps {
		c.perhaps[n] += uses
	}
}

// The values of the table, in its order.
func axes() (types, generations, difficulties, topics []string) {
	for _, t := range example.Types() {
		types = append(types, string(t))
	}
	generations = append(generations, string(generation.All))
	for _, g := range generation.Known() {
		generations = append(generations, string(g))
	}
	return types, generations, example.Difficulties(), example.Topics()
}

// table lists all cells that there can be, and those besides that have
// something.
func (c *counter) table(total int, e *Evidence) []Cell {
	types, generations, difficulties, topics := axes()
	weight := weights(e)
	var list []Cell
	for _, t := range types {
		for _, g := range generations {
			for _, d := range difficulties {
				for _, topic := range topics {
					cell := Cell{Type: t, Generation: g, Difficulty: d, Topic: topic}
					have, perhaps := c.cells[cell], c.cells[Cell{Type: t, Generation: g, Difficulty: Unknown, Topic: topic}]
					delete(c.cells, cell)
					want := weight(t, g, topic) / float64(len(difficulties)) * float64(total)
					if cell.Have, cell.Perhaps, cell.Want = have, perhaps, math.Round(1e4*want)/1e4; have > 0 || Possible(t, g, topic) {
						list = append(list, cell)
					}
				}
			}
		}
	}
	var rest []Cell // of rows that do not say all
	for cell, have := range c.cells {
		cell.Have = have
		rest = append(rest, cell)
	}
	slices.SortFunc(rest, func(a, b Cell) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Generation, b.Generation), strings.Compare(a.Difficulty, b.Difficulty), strings.Compare(a.Topic, b.Topic))
	})
	return append(list, rest...)
}

// Possible reports whether there can be an example of that type, generation and
// topic.
func Possible(typ, gen, topic string) bool {
	switch g := generation.Generation(gen); {
	case typ == string(example.Migration) && (g == generation.All || g == generation.Character):
		return false // a migration leads to one generation, and not to the oldest
	case topic == "dwc":
		return g == generation.DWC
	case topic == "gui":
		return g != generation.All && g != generation.Character // no windows
	case topic == "oop":
		return g != generation.VPRO5 // no classes
	}
	return true
}

// weights are the shares of a set that follow the evidence for one half and are
// even for the other: code that is public is not all that is written. Types and
// difficulties are even, since no source says otherwise.
func weights(e *Evidence) func(typ, gen, topic string) float64 {
	types, generations, _, topics := axes()
	seen, possible := 0, 0
	for _, g := range generations {
		for _, t := range topics {
			if Possible(string(example.Completion), g, t) {
				seen += e.Kinds[Kind{g, t}]
				possible++
			}
		}
	}
	share := func(gen, topic string) float64 {
		even := 1 / float64(possible)
		if seen == 0 {
			return even
		}
		return (float64(e.Kinds[Kind{gen, topic}])/float64(seen) + even) / 2
	}
	return func(typ, gen, topic string) float64 {
		if !slices.Contains(types, typ) || !Possible(typ, gen, topic) {
			return 0
		}
		return share(gen, topic) / float64(len(types))
	}
}

// names says of every name of the API how often it is shown.
func (c *counter) names(e *Evidence) []Showing {
	all := Names()
	list := make([]Showing, len(all))
	for i, n := range all {
		list[i] = Showing{Name: n, Shown: c.shown[n], Items: c.items[n], Used: e.Names[n]}
		if n.Kind == check.UseMethod {
			list[i].Perhaps = c.perhaps[strings.ToLower(n.Name)]
		}
	}
	return list
}

// opens are the verbs that begin what another one ends: the second is nothing to
// write an example of where the first is.
var opens = map[string]string{"WEND": "WHILE", "NEXT": "FOR", "UNTIL": "REPEAT", "SWEND": "SWITCH", "CLASSEND": "CLASS",
	"METHODEND": "METHOD", "INTERFACEEND": "INTERFACE", "ENDTRACE": "SETTRACE", "ESCOFF": "ESCON", "UNLOCK": "LOCK"}

// missing returns the names that are never shown and that code in use has.
func missing(list []Showing) []Showing {
	var out []Showing
	verbs := map[string]bool{}
	for _, s := range list {
		if s.Shown == 0 && s.Perhaps == 0 && s.Used.Programs > 0 {
			out = append(out, s)
			verbs[s.Name.Name] = verbs[s.Name.Name] || s.Kind == check.UseVerb
		}
	}
	return slices.DeleteFunc(out, func(s Showing) bool { return s.Kind == check.UseVerb && verbs[opens[s.Name.Name]] })
}

func summed(list []Showing) []Kinds {
	out := make([]Kinds, len(kinds))
	for i, k := range kinds {
		out[i].Kind = k
	}
	for _, s := range list {
		k := &out[slices.Index(kinds, s.Kind)]
		k.Known++
		switch {
		case s.Shown > 0:
			k.Shown++
		case s.Perhaps > 0:
			k.Perhaps++
		default:
			k.Never++
		}
	}
	for _, s := range missing(list) {
		out[slices.Index(kinds, s.Kind)].Missing++
	}
	return out
}

// next ranks thin cells by how many examples they lack, and names that are never
// shown by how many repositories and programs use them.
func next(r *Report) Next {
	n := Next{Cells: []Cell{}, Names: []Showing{}}
	for _, c := range r.Cells {
		if c.Thin() {
			n.Cells = append(n.Cells, c)
		}
	}
	slices.SortStableFunc(n.Cells, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(b.Want-b.likely(), a.Want-a.likely()), cmp.Compare(a.Have, b.Have))
	})
	n.Names = append(n.Names, missing(r.Names)...)
	slices.SortStableFunc(n.Names, func(a, b Showing) int {
		return cmp.Or(cmp.Compare(b.Used.Repositories, a.Used.Repositories), cmp.Compare(b.Used.Programs, a.Used.Programs), cmp.Compare(b.Used.Uses, a.Used.Uses))
	})
	return n
}
