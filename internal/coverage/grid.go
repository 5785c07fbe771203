package coverage

import (
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
