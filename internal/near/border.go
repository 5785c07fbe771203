package near

import (
	"cmp"
	"sync"
)

// Ratio is a similarity as it was counted: of so many grams that two sets have
// together, so many are in both.
type Ratio struct{ Both, All int }

// Float is the similarity as a number from 0 to 1.
func (r Ratio) Float() float64 { return float64(r.Both) / float64(r.All) }

// Compare orders ratios by how alike they say two sets are, without rounding.
func (r Ratio) Compare(other Ratio) int {
	return cmp.Compare(r.Both*other.All, other.Both*r.All)
}

// Limit is what the similarity of two sets must reach, or exceed.
type Limit struct {
	Ratio
	Above bool // exceed
}

// AtThreshold is the limit of near-duplicates.
var AtThreshold = Limit{Ratio: Ratio{7, 10}}

// part is the least whole number that reaches so many parts of all.
func (l Limit) part(n, parts, all int) int {
	if l.Above {
		return n*parts/all + 1
	}
	return (n*parts + all - 1) / all
}

// shared is how many grams two sets must have in common that have so many when
// each is counted for itself.
func (l Limit) shared(grams int) int { return l.part(grams, l.Both, l.Both+l.All) }

// within is how many of a set's own grams must be in common, at least.
func (l Limit) within(grams int) int { return l.part(grams, l.Both, l.All) }

// Border holds the sets of one side of a split, and is asked for those that a set
// of the other side resembles, so that the sets of that need not be in memory. It
// is safe for concurrent use.
type Border struct {
	sets   []Set
	often  *counts
	starts []uint32 // where the sets under a slot begin in under
	under  []holder // of one slot in ascending order
	free   sync.Pool
}

// holder is a set that is held under a slot.
type holder struct {
	set  int32
	rank int32 // how many grams of the set come before its first in the slot
}

// search is the memory of one search, which is used again.
type search struct {
	sorter
	met    []int32 // the last search, by its number, that met each set
	number int32
}

// NewBorder returns the border whose one side is the sets; nil ones are like no
// other.
func NewBorder(sets []Set) *Border {
	all := make([]int, len(sets))
	for i := range all {
		all[i] = i
	}
	b := &Border{sets: sets, often: newCounts(sets, all)}
	b.free.New = func() any { return &search{sorter: sorter{often: b.often}, met: make([]int32, len(sets))} }
	b.starts = make([]uint32, len(b.often.slots)+1)
	s := sorter{often: b.often}
	each := func(set Set, hold func(slot uint32, rank int)) {
		last := -1
		for rank, g := range s.rarest(set, len(set)) {
			if slot := b.often.slot(g); int(slot) != last {
				last = int(slot)
				hold(slot, rank)
			}
		}
	}
	for _, set := range sets {
		each(set, func(slot uint32, _ int) { b.starts[slot+1]++ })
	}
	for slot := range b.often.slots {
		b.starts[slot+1] += b.starts[slot]
	}
	b.under = make([]holder, b.starts[len(b.often.slots)])
	fill := make([]uint32, len(b.often.slots))
	for i, set := range sets {
		each(set, func(slot uint32, rank int) {
			b.under[b.starts[slot]+fill[slot]] = holder{int32(i), int32(rank)}
			fill[slot]++
		})
	}
	return b
}

// Search calls found for the sets from an index on that are wanted and alike enough
// to a set, until it returns false. Those that share a rarer gram come first, and
// of those that share the same the last; each comes once, and none is missed.
//
// Two sets whose grams stand in the same order share at most what follows the first
// gram that they share (Xiao et al., Efficient similarity joins for near duplicate
// detection, 2008): most sets need not be compared to see that they differ too much.
func (b *Border) Search(set Set, limit Limit, from int, wanted func(i int) bool, found func(i int, alike Ratio) bool) {
	s := b.free.Get().(*search)
	defer b.free.Put(s)
	s.number++
	n, least := len(set), limit.within(len(set))
	left := len(b.sets) - from // that are not met
	for p, g := range s.rarest(set, n) {
		if n-p < least || left == 0 {
			return
		}
		slot := b.often.slot(g)
		list := b.under[b.starts[slot]:b.starts[slot+1]]
		for k := len(list) - 1; k >= 0 && int(list[k].set) >= from; k-- {
			h := list[k]
			if s.met[h.set] == s.number {
				continue
			}
			s.met[h.set] = s.number
			left--
			other := b.sets[h.set]
			need := limit.shared(n + len(other))
			if min(n-p, len(other)-int(h.rank)) < need || !wanted(int(h.set)) {
				continue
			}
			if both := common(set, other, need); both >= need && !found(int(h.set), Ratio{both, n + len(other) - both}) {
				return
			}
		}
	}
}
