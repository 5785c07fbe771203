package dataset

import (
	"cmp"
	"context"
	"slices"

	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/near"
	"bbjtune/internal/stream"
)

// unit is one text of a record, as it comes to stand in a file.
type unit struct {
	record int
	text   int // of the record, from 0
}

// grams is a unit with its grams.
type grams struct {
	unit
	set near.Set
}

// edges are the pairs of records that resemble each other over the border, both
// ways round.
type edges map[int][]int

func (e edges) add(a, b int) {
	if !slices.Contains(e[a], b) {
		e[a], e[b] = append(e[a], b), append(e[b], a)
	}
}

// separate sets aside what resembles something on the other side of the split,
// until no two texts resemble each other over the border.
func (b *builder) separate(ctx context.Context) error {
	border, held, err := b.index(ctx, func(i int) bool { return b.set.records[i].side == Valid })
	if err != nil {
		return err
	}
	crossing := edges{}
	onTrain := func(i int) bool { return b.set.records[i].side == Train }
	err = eachUnit(ctx, b, onTrain, func(g grams) []int { return border.Cross(g.number(), g.set) }, func(u unit, near []int) {
		for _, at := range near {
			crossing.add(u.record, held[at].record)
		}
	})
	if err != nil {
		return err
	}
	gone, err := b.setAside(ctx, crossing)
	if err != nil {
		return err
	}
	b.prove(border, held, gone)
	kept := b.set.records[:0]
	for i, r := range b.set.records {
		if !gone[i] {
			kept = append(kept, r)
		}
	}
	b.set.records = kept
	return nil
}

// number and unitOf carry a unit through an integer.
func (u unit) number() int { return u.record<<16 | u.text }

func unitOf(number int) unit { return unit{number >> 16, number & 0xffff} }

// index returns the border whose one side is the wanted records, and their units.
func (b *builder) index(ctx context.Context, wanted func(record int) bool) (*near.Border, []unit, error) {
	var sets []near.Set
	var units []unit
	err := eachUnit(ctx, b, wanted, func(g grams) near.Set { return g.set }, func(u unit, set near.Set) {
		sets, units = append(sets, set), append(units, u)
	})
	return near.NewBorder(sets), units, err
}

// setAside decides which records go so that no edge is left. Of two it is the one
// that resembles more on the other side, or else more on its own, where what it
// says remains; and otherwise what they say decides.
func (b *builder) setAside(ctx context.Context, crossing edges) (gone map[int]bool, err error) {
	gone = map[int]bool{}
	if len(crossing) == 0 {
		return gone, nil
	}
	kin, err := b.kin(ctx, crossing)
	if err != nil {
		return nil, err
	}
	order := make([]int, 0, len(crossing))
	for i := range crossing {
		order = append(order, i)
	}
	records := b.set.records
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(len(crossing[j]), len(crossing[i])), cmp.Compare(kin[j], kin[i]),
			cmp.Compare(records[i].u, records[j].u), b.set.byKey(records[i], records[j]))
	})
	for _, i := range order {
		at := slices.IndexFunc(crossing[i], func(j int) bool { return !gone[j] })
		if at < 0 {
			continue
		}
		gone[i] = true
		other := records[crossing[i][at]]
		reason := "near-duplicate of " + b.set.source(other) + ", which stands on the other side of the split"
		if kin[i] > 0 {
			reason = "near to both sides of the split, on the other side to " + b.set.source(other)
		}
		b.remove(b.set.source(records[i]), reason)
	}
	b.set.proof.SetAside = len(gone)
	return gone, nil
}

// kin counts for each record of an edge the texts that it resembles on its own
// side.
func (b *builder) kin(ctx context.Context, crossing edges) (map[int]int, error) {
	border, held, err := b.index(ctx, func(i int) bool { return crossing[i] != nil })
	if err != nil {
		return nil, err
	}
	kin := map[int]int{}
	all := func(int) bool { return true }
	err = eachUnit(ctx, b, all, func(g grams) []int { return border.Cross(g.number(), g.set) }, func(u unit, near []int) {
		for _, at := range near {
			if i := held[at].record; i != u.record && b.set.records[i].side == b.set.records[u.record].side {
				kin[i]++
			}
		}
	})
	return kin, err
}

// prove remembers the closest pair that is left over the border.
func (b *builder) prove(border *near.Border, held []unit, gone map[int]bool) {
	pairs, complete := border.Closest()
	for _, p := range pairs {
		valid, train := held[p.Held], unitOf(p.Other)
		if !gone[valid.record] && !gone[train.record] {
			b.set.closest = &closest{p.Similarity, b.named(train), b.named(valid)}
			return
		}
	}
	b.set.proof.Below = complete
}

// named is a unit by what stays when the records are put into order.
func (b *builder) named(u unit) placed { return b.set.records[u.record].placed(u.text) }

// eachUnit works on every text of the wanted records on all cores, and hands the
// results on in the order of the records.
func eachUnit[T any](ctx context.Context, b *builder, wanted func(record int) bool, work func(grams) T, take func(unit, T)) error {
	type result struct {
		unit
		out T
	}
	texts := func(i int, list []string) []result {
		var results []result
		for n, text := range list {
			u := unit{i, n}
			results = append(results, result{u, work(grams{u, near.Of(text)})})
		}
		return results
	}
	pass := func(results []result) {
		for _, r := range results {
			take(r.unit, r.out)
		}
	}
	err := stream.Ordered(ctx, func(send func(int) error) error {
		for i := range b.firstOf(0) {
			if wanted(i) {
				if err := send(i); err != nil {
					return err
				}
			}
		}
		return nil
	}, func(i int) ([]result, error) { return texts(i, b.set.records[i].item.units()), nil }, func(r []result) error {
		pass(r)
		return nil
	})
	for file := range b.in.Rows {
		if err != nil {
			break
		}
		first := b.firstOf(file)
		mine := b.set.records[first:b.firstOf(file+1)]
		err = eachLine(ctx, b, file, func(lines []stream.Line) ([]result, error) {
			var results []result
			for _, l := range lines {
				at, ok := slices.BinarySearchFunc(mine, l.Number, func(r record, line int) int { return r.line - line })
				if i := first + at; ok && wanted(i) {
					row, err := b.set.parse(b.set.records[i], l.Text)
					if err != nil {
						return nil, err
					}
					results = append(results, texts(i, []string{said(row)})...)
				}
			}
			return results, nil
		}, pass)
	}
	return err
}

// firstOf is the index of a row file's first record; those of what is in memory
// stand before the first file's.
func (b *builder) firstOf(file int) int {
	at, _ := slices.BinarySearchFunc(b.set.records, file, func(r record, file int) int {
		if r.item != nil {
			return -1
		}
		return cmp.Or(cmp.Compare(r.file, file), 1)
	})
	return at
}

// parse reads a row again.
func (s *Set) parse(r record, line []byte) (chat.Row, error) {
	messages, _, problem := audit.ParseRow(line)
	row := chat.Row{Messages: messages}
	if problem != "" || keyOf(row) != r.key {
		return row, fault.Newf("leave the file alone while it is read, and run it again", "%s has changed since it was first read", s.source(r))
	}
	return row, nil
}
