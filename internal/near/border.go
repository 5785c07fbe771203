package near

import (
	"cmp"
	"math"
	"slices"
	"sync"
)

// Border finds the near-duplicates that stand on two sides of a split: it holds
// the sets of one side, and is asked about those of the other one by one, so that
// these need not be in memory. It is safe for concurrent use.
type Border struct {
	sets   []Set
	often  *counts
	starts []int32 // where the sets under a slot begin in under
	under  []int32

	mu      sync.Mutex
	closest []Pair // pairs less alike than near-duplicates, the most alike ones
}

// Pair is two sets and how alike they are.
type Pair struct {
	Held, Other int
	Similarity  float64
}

// keptPairs is how many pairs below the threshold are remembered: more than one,
// since either text of a pair may be set aside.
const keptPairs = 256

// leastAlike is the similarity below which no pair is looked for.
const leastAlike = 0.3

// NewBorder returns the border whose one side is the sets; nil ones are like no
// other.
func NewBorder(sets []Set) *Border {
	all := make([]int, len(sets))
	for i := range all {
		all[i] = i
	}
	b := &Border{sets: sets, often: newCounts(sets, all)}
	b.starts = make([]int32, len(b.often.slots)+1)
	for slot, n := range b.often.slots {
		b.starts[slot+1] = b.starts[slot] + int32(n)
	}
	b.under = make([]int32, b.starts[len(b.often.slots)])
	fill := slices.Clone(b.starts)
	for i, set := range sets {
		for _, g := range set {
			slot := b.often.slot(g)
			b.under[fill[slot]] = int32(i)
			fill[slot]++
		}
	}
	return b
}

// Cross returns the sets of the border that are near-duplicates of the text, in
// ascending order. Other is the number under which the text is remembered for
// Closest.
func (b *Border) Cross(other int, set Set) []int {
	var crossing []int
	limit := min(Threshold, b.limit())
	n := len(set)
	s := sorter{often: b.often}
	met := map[int32]bool{}
	for p, g := range s.rarest(set, n) {
		// What is met from here on shares at most the grams from here on.
		if float64(n-p) < limit*float64(n)-slack {
			break
		}
		slot := b.often.slot(g)
		for _, i := range b.under[b.starts[slot]:b.starts[slot+1]] {
			if met[i] {
				continue
			}
			met[i] = true
			switch alike := similarity(set, b.sets[i], limit); {
			case alike >= Threshold:
				crossing = append(crossing, int(i))
			case alike >= limit:
				limit = min(Threshold, b.remember(Pair{int(i), other, alike}))
			}
		}
	}
	slices.Sort(crossing)
	return crossing
}

// similarity is the Jaccard similarity of two sets, or 0 where it does not reach
// the limit.
func similarity(a, b Set, limit float64) float64 {
	need := int(math.Ceil(limit/(1+limit)*float64(len(a)+len(b)) - slack))
	if need > min(len(a), len(b)) {
		return 0
	}
	both := common(a, b, need)
	if both < need {
		return 0
	}
	return resemblance(both, a, b)
}

// limit is the similarity below which a pair is not remembered.
func (b *Border) limit() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.least()
}

func (b *Border) least() float64 {
	if len(b.closest) < keptPairs {
		return leastAlike
	}
	return b.closest[keptPairs-1].Similarity
}

func (b *Border) remember(p Pair) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, _ := slices.BinarySearchFunc(b.closest, p, byAlikeness)
	b.closest = slices.Insert(b.closest, at, p)
	// Pairs as alike as the last one stay: which of them come first must not
	// depend on the order in which they were found.
	for len(b.closest) > keptPairs && b.closest[len(b.closest)-1].Similarity < b.closest[keptPairs-1].Similarity {
		b.closest = b.closest[:len(b.closest)-1]
	}
	return b.least()
}

func byAlikeness(x, y Pair) int {
	return cmp.Or(cmp.Compare(y.Similarity, x.Similarity), cmp.Compare(x.Held, y.Held), cmp.Compare(x.Other, y.Other))
}

// Closest returns pairs over the border that are not near-duplicates, the most
// alike first, and the similarity above which no pair is missing among them.
func (b *Border) Closest() (pairs []Pair, complete float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.closest), b.least()
}
