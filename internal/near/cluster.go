package near

import (
	"cmp"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Clusters joins texts that are near-duplicates, directly or through others, and
// those that have a key in common, and returns for each the index of the first
// member of its cluster. An empty text is like no other, an empty key says nothing.
func Clusters(texts []string, keys ...[]string) []int { return ClustersOf(Sets(texts), keys...) }

// Sets returns the grams of many texts, made on all cores.
func Sets(texts []string) []Set {
	sets := make([]Set, len(texts))
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(texts) {
					return
				}
				sets[i] = Of(texts[i])
			}
		})
	}
	all.Wait()
	return sets
}

// ClustersOf is Clusters for the grams of texts; a nil set is like no other.
func ClustersOf(sets []Set, keys ...[]string) []int {
	f := make(forest, len(sets))
	for i := range f {
		f[i] = i
	}
	firsts := f.joinEqual(sets)
	alike(sets, firsts, func(i, j int) bool { return f.root(i) != f.root(j) }, func(i, j int) { f.join(i, j) })
	for _, list := range keys {
		first := map[string]int{}
		for i, key := range list {
			if at, ok := first[key]; ok && key != "" {
				f.join(at, i)
			} else {
				first[key] = i
			}
		}
	}
	for i := range f {
		f[i] = f.root(i)
	}
	return f
}

// forest holds for each item one that stands before it in its cluster, or itself.
type forest []int

func (f forest) root(i int) int {
	for f[i] != i {
		f[i] = f[f[i]]
		i = f[i]
	}
	return i
}

func (f forest) join(i, j int) {
	a, b := f.root(i), f.root(j)
	f[max(a, b)] = min(a, b)
}

// joinEqual joins equal sets, and returns the first of each: a thousand copies of
// one are compared with the rest once.
func (f forest) joinEqual(sets []Set) (firsts []int) {
	seen := map[uint64]int{}
	for i, set := range sets {
		if set == nil {
			continue
		}
		var sum uint64
		for _, g := range set {
			sum = bits.RotateLeft64(sum^uint64(g), 31) * 0x9E3779B97F4A7C15
		}
		first, ok := seen[sum]
		switch {
		case !ok:
			seen[sum] = i
		case slices.Equal(sets[first], set):
			f.join(first, i)
			continue
		}
		firsts = append(firsts, i)
	}
	return firsts
}

// alike calls found for every pair of near-duplicates among the chosen sets that
// wanted asks for. It misses none: two sets as alike as that share one of their
// rarest grams, so that only those which do are compared (prefix filtering;
// Chaudhuri et al. 2006; Xiao et al., Efficient similarity joins for near
// duplicate detection, 2008). The smaller sets come first, and are held under
// fewer of their grams than the larger ones look for.
func alike(sets []Set, chosen []int, wanted func(i, j int) bool, found func(i, j int)) {
	order := slices.Clone(chosen)
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(len(sets[i]), len(sets[j])) })
	often := newCounts(sets, order)
	held := newPostings(sets, order, often)
	met := make([]int32, len(sets)) // the last set, plus one, that each was compared with
	sorter := sorter{often: often}
	for before, i := range order {
		set := sets[i]
		rare := sorter.rarest(set, prefix(len(set), Threshold))
		left := before // that are not met
		for p, g := range rare {
			if left == 0 {
				break
			}
			for at := held.heads[often.slot(g)]; at != 0; at = held.entries[at].next {
				entry := held.entries[at]
				j := int(entry.set)
				if met[j] == int32(i)+1 {
					continue
				}
				met[j] = int32(i) + 1
				left--
				// What they share comes after the first gram that they share.
				most, need := min(len(set)-p, len(sets[j])-int(entry.rank)), AtThreshold.shared(len(set)+len(sets[j]))
				if most >= need && wanted(i, j) && common(set, sets[j], need) >= need {
					found(i, j)
				}
			}
		}
		held.add(rare[:min(len(rare), prefix(len(set), 2*Threshold/(1+Threshold)))], i)
	}
}

// slack is more than the error of the arithmetic, and less than a gram.
const slack = 1e-6

// prefix is how many grams of a set of n a text must share at least one of to hold
// the given part of all.
func prefix(n int, part float64) int { return n - int(math.Ceil(part*float64(n)-slack)) + 1 }

// counts says how often grams occur, in slots that several grams may share: the
// order of grams by it is the same for all sets, and that is what matters.
type counts struct {
	slots []uint32
	shift int
}

func newCounts(sets []Set, chosen []int) *counts {
	total := 0
	for _, i := range chosen {
		total += len(sets[i])
	}
	size := min(max(bits.Len(uint(total)), 8), 25)
	c := &counts{make([]uint32, 1<<size), 32 - size}
	for _, i := range chosen {
		for _, g := range sets[i] {
			c.slots[c.slot(g)]++
		}
	}
	return c
}

func (c *counts) slot(gram uint32) uint32 { return gram >> c.shift }

// postings lists, slot by slot, the sets that are held under a gram.
type postings struct {
	often   *counts
	heads   []int32
	entries []posting // the first one is none
}

// posting is a set, with how many of its grams come before its first in the slot.
type posting struct{ next, set, rank int32 }

func newPostings(sets []Set, chosen []int, often *counts) *postings {
	most := 1
	for _, i := range chosen {
		most += prefix(len(sets[i]), 2*Threshold/(1+Threshold))
	}
	return &postings{often, make([]int32, len(often.slots)), make([]posting, 1, most)}
}

// add holds a set under those of its rarest grams that another may have.
func (p *postings) add(rarest []uint32, set int) {
	last := -1
	for rank, gram := range rarest {
		slot := p.often.slot(gram)
		if p.often.slots[slot] < 2 || int(slot) == last {
			continue
		}
		last = int(slot)
		p.entries = append(p.entries, posting{p.heads[slot], int32(set), int32(rank)})
		p.heads[slot] = int32(len(p.entries) - 1)
	}
}

// sorter puts grams into the order of their rarity. Its memory is used again.
type sorter struct {
	often *counts
	keys  []uint64
	grams []uint32
}

// rarest returns the n rarest grams of a set, the rarest first; they are good
// until the next call.
func (s *sorter) rarest(set Set, n int) []uint32 {
	s.keys = s.keys[:0]
	for _, g := range set {
		s.keys = append(s.keys, uint64(s.often.slots[s.often.slot(g)])<<32|uint64(g))
	}
	slices.Sort(s.keys)
	s.grams = s.grams[:0]
	for _, k := range s.keys[:min(n, len(s.keys))] {
		s.grams = append(s.grams, uint32(k))
	}
	return s.grams
}
