package dataset

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

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

// indexed is the texts of some records: their grams, and whose they are.
type indexed struct {
	*near.Border
	sets  []near.Set
	units []unit
}

// index returns the texts of the wanted records.
func (b *builder) index(ctx context.Context, wanted func(record int) bool) (*indexed, error) {
	s := &indexed{}
	err := eachUnit(ctx, b, wanted, func(g grams) near.Set { return g.set }, func(u unit, set near.Set) {
		s.sets, s.units = append(s.sets, set), append(s.units, u)
	})
	s.Border = near.NewBorder(s.sets)
	return s, err
}

// separate sets aside what resembles something on the other side of the split,
// until no two texts resemble each other over the border.
func (b *builder) separate(ctx context.Context) error {
	held, err := b.index(ctx, b.stands(Valid))
	if err != nil {
		return err
	}
	crossing, err := b.crossing(ctx, held)
	if err != nil {
		return err
	}
	gone, err := b.setAside(ctx, crossing)
	if err != nil {
		return err
	}
	if err := b.prove(ctx, held, gone); err != nil {
		return err
	}
	kept := b.set.records[:0]
	for i, r := range b.set.records {
		if !gone[i] {
			kept = append(kept, r)
		}
	}
	b.set.records = kept
	return nil
}

// stands tells the records of a side.
func (b *builder) stands(on Side) func(record int) bool {
	return func(i int) bool { return b.set.records[i].side == on }
}

// crossing marks the records that resemble something on the other side.
func (b *builder) crossing(ctx context.Context, held *indexed) ([]bool, error) {
	crossing := make([]bool, len(b.set.records))
	// Which texts of validation are met, and how many are not yet: where most texts
	// of a set resemble each other, a few show it.
	met := make([]atomic.Bool, len(held.units))
	var left atomic.Int64
	left.Store(int64(len(met)))
	err := eachUnit(ctx, b, b.stands(Train), func(g grams) bool {
		found := false
		held.Search(g.set, near.AtThreshold, 0, func(i int) bool { return !found || !met[i].Load() }, func(i int, _ near.Ratio) bool {
			found = true
			if met[i].CompareAndSwap(false, true) {
				left.Add(-1)
			}
			return left.Load() > 0
		})
		return found
	}, func(u unit, found bool) { crossing[u.record] = crossing[u.record] || found })
	for i := range met {
		if met[i].Load() {
			crossing[held.units[i].record] = true
		}
	}
	return crossing, err
}

// setAside decides which records go so that none resembles one on the other side.
// Of two it is the one that resembles more on the other side, or else more on its
// own, where what it says remains; and otherwise what they say decides.
func (b *builder) setAside(ctx context.Context, crossing []bool) (gone []bool, err error) {
	gone = make([]bool, len(crossing))
	if !slices.Contains(crossing, true) {
		return gone, nil
	}
	b.passes += 2
	alike, err := b.index(ctx, func(i int) bool { return crossing[i] })
	if err != nil {
		return nil, err
	}
	kin, err := b.kin(ctx, alike)
	if err != nil {
		return nil, err
	}
	records := b.set.records
	var order []int
	for i := range records {
		if crossing[i] {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(kin[j].across.number(), kin[i].across.number()), cmp.Compare(kin[j].along.number(), kin[i].along.number()),
			cmp.Compare(records[i].u, records[j].u), b.set.byKey(records[i], records[j]))
	})
	for i, other := range b.goFirst(order, alike) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		gone[i] = true
		b.set.proof.SetAside++
		source := b.set.source(records[other])
		reason := "near-duplicate of " + source + ", which stands on the other side of the split"
		if kin[i].along.number() > 0 {
			reason = "near to both sides of the split, on the other side to " + source
		}
		b.remove(b.set.source(records[i]), reason)
	}
	return gone, nil
}

// goFirst yields the records of an order that resemble one on the other side which
// comes later in it, with that one: of any two that resemble each other over the
// border the first goes.
func (b *builder) goFirst(order []int, all *indexed) iter.Seq2[int, int] {
	texts := map[int][]int{}
	for at, u := range all.units {
		texts[u.record] = append(texts[u.record], at)
	}
	sides := map[Side]*indexed{Train: {}, Valid: {}}
	begin := make([]int, len(order)) // the first text of a later record on the other side
	for n, i := range order {
		begin[n] = len(sides[b.set.records[i].side.other()].sets)
		mine := sides[b.set.records[i].side]
		for _, at := range texts[i] {
			mine.sets, mine.units = append(mine.sets, all.sets[at]), append(mine.units, all.units[at])
		}
	}
	for _, s := range sides {
		s.Border = near.NewBorder(s.sets)
	}
	return func(yield func(int, int) bool) {
		for n, i := range order {
			others, at := sides[b.set.records[i].side.other()], -1
			for _, mine := range texts[i] {
				if at < 0 {
					others.Search(all.sets[mine], near.AtThreshold, begin[n], anything, func(i int, _ near.Ratio) bool {
						at = i
						return false
					})
				}
			}
			if at >= 0 && !yield(i, others.units[at].record) {
				return
			}
		}
	}
}

func anything(int) bool { return true }

// other is the other side of the split.
func (s Side) other() Side {
	if s == Train {
		return Valid
	}
	return Train
}

// enough is how many of a record's kin are counted: that there are more says
// nothing more, and looking for them takes long where all resemble all.
const enough = 100

// counter counts up to enough.
type counter struct{ n atomic.Int32 }

func (c *counter) full() bool { return c.n.Load() >= enough }

// add reports whether it is the one that makes the counter full.
func (c *counter) add() bool { return c.n.Add(1) == enough }

func (c *counter) number() int32 { return min(c.n.Load(), enough) }

// kinship counts the texts that resemble a record's, across the border and on its
// own side.
type kinship struct{ across, along counter }

func (k *kinship) of(same bool) *counter {
	if same {
		return &k.along
	}
	return &k.across
}

// kin counts the kin of those records whose texts are given.
func (b *builder) kin(ctx context.Context, of *indexed) (map[int]*kinship, error) {
	kin := map[int]*kinship{}
	for _, u := range of.units {
		kin[u.record] = &kinship{}
	}
	// How many counters are not full yet, of those that texts of a side add to.
	left := map[Side]*atomic.Int64{Train: {}, Valid: {}}
	for _, n := range left {
		n.Store(int64(len(kin)))
	}
	err := eachUnit(ctx, b, anything, func(g grams) bool {
		mine := b.set.records[g.record].side
		if left[mine].Load() == 0 {
			return false
		}
		counterOf := func(at int) *counter {
			record := of.units[at].record
			return kin[record].of(b.set.records[record].side == mine)
		}
		met := map[int]bool{} // the records that this text was counted for
		of.Search(g.set, near.AtThreshold, 0, func(at int) bool {
			return of.units[at].record != g.record && !counterOf(at).full()
		}, func(at int, _ near.Ratio) bool {
			if record := of.units[at].record; !met[record] {
				met[record] = true
				if counterOf(at).add() {
					left[mine].Add(-1)
				}
			}
			return left[mine].Load() > 0
		})
		return true
	}, func(unit, bool) {})
	return kin, err
}

// leastAlike is the similarity below which no closest pair is looked for.
var leastAlike = near.Limit{Ratio: near.Ratio{Both: 3, All: 10}}

// prove finds the closest pair that is left over the border. Of several that are
// as close it is the first in the order of the records.
func (b *builder) prove(ctx context.Context, held *indexed, gone []bool) error {
	left := func(at int) bool { return !gone[held.units[at].record] }
	var best atomic.Pointer[near.Limit]
	best.Store(&leastAlike)
	train := func(i int) bool { return b.set.records[i].side == Train && !gone[i] }
	err := eachUnit(ctx, b, train, func(g grams) bool {
		limit := best.Load()
		held.Search(g.set, *limit, 0, left, func(_ int, alike near.Ratio) bool {
			for next := (&near.Limit{Ratio: alike, Above: true}); ; limit = best.Load() {
				// The first to reach the least counts as well.
				if c := alike.Compare(limit.Ratio); c < 0 || c == 0 && limit.Above || best.CompareAndSwap(limit, next) {
					return true
				}
			}
		})
		return true
	}, func(unit, bool) {})
	if err != nil {
		return err
	}
	if !best.Load().Above {
		b.set.proof.Below = leastAlike.Float()
		return nil
	}
	return b.firstPair(ctx, held, train, left, near.Limit{Ratio: best.Load().Ratio})
}

// errFound ends a search.
var errFound = errors.New("found")

// firstPair finds the first of the pairs that are as close as the closest.
func (b *builder) firstPair(ctx context.Context, held *indexed, train, left func(int) bool, closeness near.Limit) error {
	records := b.set.records
	var order []int
	for i := range records {
		if train(i) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int { return b.set.byKey(records[i], records[j]) })
	err := stream.Ordered(ctx, func(send func([]int) error) error {
		for part := range slices.Chunk(order, chunk) {
			if err := send(part); err != nil {
				return err
			}
		}
		return nil
	}, func(part []int) (*closest, error) {
		for _, i := range part {
			texts, err := b.set.units(records[i])
			if err != nil {
				return nil, err
			}
			for n, text := range texts {
				first, at := records[i].placed(n), -1
				held.Search(near.Of(text), closeness, 0, left, func(other int, _ near.Ratio) bool {
					if at < 0 || b.before(held.units[other], held.units[at]) {
						at = other
					}
					return true
				})
				if at >= 0 {
					return &closest{closeness.Float(), first, b.named(held.units[at])}, nil
				}
			}
		}
		return nil, nil
	}, func(c *closest) error {
		if b.set.closest = c; c != nil {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return nil
	}
	return err
}

// before puts units into the order of the records.
func (b *builder) before(x, y unit) bool {
	return cmp.Or(b.set.byKey(b.set.records[x.record], b.set.records[y.record]), cmp.Compare(x.text, y.text)) < 0
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

// units lists the texts of a record.
func (s *Set) units(r record) ([]string, error) {
	if r.item != nil {
		return r.item.units(), nil
	}
	row, err := s.again(r)
	return []string{said(row)}, err
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
