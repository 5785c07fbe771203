package coverage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Grid is the table as it is shown: a block for each type, in it a row for each
// generation, in that a box for each topic, in that the difficulties.
type Grid struct {
	Topics, Difficulties []string
	Types                []Block
	Top                  int // the largest number of one difficulty in a box
}

// Block is the part of one type.
type Block struct {
	Name string
	Have int
	Rows []GridRow
}

// GridRow is the part of one generation.
type GridRow struct {
	Name  string
	Boxes []Box
}

// Box is the part of one topic.
type Box struct {
	Possible bool
	Cells    []Cell // in the order of the difficulties
	Other    int    // of no known difficulty
}

// Have counts what is in the box.
func (b Box) Have() int {
	n := b.Other
	for _, c := range b.Cells {
		n += c.Have
	}
	return n
}

// String writes the difficulties in a row: 3/1/0.
func (b Box) String() string {
	switch {
	case b.Have() == 0 && !b.Possible:
		return "-"
	case b.Have() == 0:
		return "·"
	}
	var parts []string
	for _, c := range b.Cells {
		parts = append(parts, fmt.Sprint(c.Have))
	}
	text := strings.Join(parts, "/")
	if b.Other == 0 {
		return text
	}
	if b.Other == b.Have() {
		return fmt.Sprintf("?%d", b.Other)
	}
	return fmt.Sprintf("%s?%d", text, b.Other)
}

// Grid arranges the cells. What is unknown has a row or a column only where there
// is something in it.
func (r *Report) Grid() Grid {
	types, generations, difficulties, topics := axes()
	for _, c := range r.Cells {
		for _, axis := range []struct {
			values *[]string
			value  string
		}{{&types, c.Type}, {&generations, c.Generation}, {&topics, c.Topic}} {
			if !slices.Contains(*axis.values, axis.value) {
				*axis.values = append(*axis.values, axis.value)
			}
		}
	}
	g := Grid{Topics: topics, Difficulties: difficulties}
	at := map[Cell]Cell{}
	for _, c := range r.Cells {
		at[Cell{Type: c.Type, Generation: c.Generation, Difficulty: c.Difficulty, Topic: c.Topic}] = c
		if c.Difficulty != Unknown {
			g.Top = max(g.Top, c.Have)
		}
	}
	for _, t := range types {
		block := Block{Name: t}
		for _, gen := range generations {
			row := GridRow{Name: gen}
			for _, topic := range topics {
				key := Cell{Type: t, Generation: gen, Topic: topic}
				box := Box{Possible: Possible(t, gen, topic)}
				for _, d := range difficulties {
					key.Difficulty = d
					c := at[key]
					c.Type, c.Generation, c.Difficulty, c.Topic = t, gen, d, topic
					box.Cells = append(box.Cells, c)
				}
				key.Difficulty = Unknown
				box.Other = at[key].Have
				block.Have += box.Have()
				row.Boxes = append(row.Boxes, box)
			}
			if t != Unknown && gen != Unknown || slices.ContainsFunc(row.Boxes, func(b Box) bool { return b.Have() > 0 }) {
				block.Rows = append(block.Rows, row)
			}
		}
		g.Types = append(g.Types, block)
	}
	return g
}

// Group are the thin cells of one type, generation and topic, which people think
// of together.
type Group struct {
	Type, Generation, Topic string
	Difficulties            []string // of the thin cells
	Have                    string   // by difficulty, as a box is written
	Lack                    float64  // examples that are wanted and not there
}

// Groups ranks the kinds of examples to write next, the most lacking first.
func (r *Report) Groups() []Group {
	var list []Group
	at := map[Cell]int{}
	for _, c := range r.Next.Cells {
		key := Cell{Type: c.Type, Generation: c.Generation, Topic: c.Topic}
		i, ok := at[key]
		if !ok {
			i = len(list)
			at[key] = i
			list = append(list, Group{Type: c.Type, Generation: c.Generation, Topic: c.Topic})
		}
		list[i].Difficulties = append(list[i].Difficulties, c.Difficulty)
		list[i].Lack += max(0, c.Want-c.likely())
	}
	_, _, difficulties, _ := axes()
	for _, block := range r.Grid().Types {
		for _, row := range block.Rows {
			for _, box := range row.Boxes {
				c := box.Cells[0]
				if i, ok := at[Cell{Type: c.Type, Generation: c.Generation, Topic: c.Topic}]; ok {
					list[i].Have = box.String()
				}
			}
		}
	}
	for _, g := range list {
		slices.SortFunc(g.Difficulties, func(a, b string) int { return slices.Index(difficulties, a) - slices.Index(difficulties, b) })
	}
	slices.SortStableFunc(list, func(a, b Group) int { return cmp.Compare(b.Lack, a.Lack) })
	return list
}
