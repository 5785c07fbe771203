package tokenizer

import (
	"container/heap"
	"math"
	"math/bits"
)

// merge is the place of a pair in the order of merging, and its token.
type merge struct{ rank, token int32 }

// last stands for two neighbours that become nothing.
var last = merge{math.MaxInt32, absent}

// merges is what pairs of tokens become: a table whose places are searched from
// that of the pair's hash on, at most 6 of 10 of them taken. What single bytes
// become, which every word begins with, stands in a table of its own.
type merges struct {
	places []place
	shift  int
	bytes  [1 << 16]merge
}

// place holds a pair, plus one, and what it becomes; 0 is no pair.
type place struct {
	pair uint64
	merge
}

func newMerges(n int) *merges {
	size := bits.Len(uint(max(n*10/6, 2)))
	return &merges{places: make([]place, 1<<size), shift: 64 - size}
}

// at is the place of a pair, or the free one where it would stand.
func (m *merges) at(left, right int32) *place {
	pair := uint64(uint32(left))<<32 | uint64(uint32(right)) + 1
	for i := pair * 0x9E3779B97F4A7C15 >> m.shift; ; i = (i + 1) & uint64(len(m.places)-1) {
		if p := &m.places[i]; p.pair == pair || p.pair == 0 {
			return p
		}
	}
}

func (m *merges) add(left, right int32, to merge) {
	*m.at(left, right) = place{uint64(uint32(left))<<32 | uint64(uint32(right)) + 1, to}
}

// of returns what two neighbours become, or last.
func (m *merges) of(left, right int32) merge {
	if p := m.at(left, right); p.pair != 0 {
		return p.merge
	}
	return last
}

// readBytes fills the table of single bytes.
func (m *merges) readBytes(tokens *[256]int32) {
	for left, l := range tokens {
		for right, r := range tokens {
			m.bytes[left<<8|right] = m.of(l, r)
		}
	}
}

// shortWord is the length in bytes up to which looking through all pairs for each
// merge is faster than keeping them in order.
const shortWord = 48

// merged adds the tokens of a word: its bytes, of which always the pair that was
// learned first is joined, the leftmost of equal ones (Sennrich et al.,
// arXiv 1508.07909).
func (t *Tokenizer) merged(out []int32, word string) []int32 {
	if len(word) > shortWord {
		return t.mergedInOrder(out, word)
	}
	var tokens [shortWord]int32
	var next [shortWord]merge // what each becomes with the one after it
	n, before := 0, byte(0)
	for i := range len(word) {
		b := t.bytes[word[i]]
		if b == absent {
			continue
		}
		if tokens[n] = b; n > 0 {
			next[n-1] = t.merges.bytes[int(before)<<8|int(word[i])]
		}
		n, before = n+1, word[i]
	}
	for n > 1 {
		at, rank := -1, last.rank
		for i, m := range next[:n-1] {
			if m.rank < rank {
				at, rank = i, m.rank
			}
		}
		if at < 0 {
			break
		}
		tokens[at] = next[at].token
		n--
		copy(tokens[at+1:n], tokens[at+2:n+1])
		copy(next[at:n-1], next[at+1:n])
		if at < n-1 {
			next[at] = t.merges.of(tokens[at], tokens[at+1])
		}
		if at > 0 {
			next[at-1] = t.merges.of(tokens[at-1], tokens[at])
		}
	}
	return append(out, tokens[:n]...)
}

// part is a token of a long word in the making, in a list of neighbours.
type part struct {
	token      int32
	prev, next int32 // -1 at the ends
}

// candidate is a pair that may be joined, unless one of the two has changed.
type candidate struct {
	merge
	at          int32
	left, right int32
}

type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].at < c[j].at
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// mergedInOrder is merged for long words, in a time that grows with n log n.
func (t *Tokenizer) mergedInOrder(out []int32, word string) []int32 {
	parts := make([]part, 0, len(word))
	for i := range len(word) {
		if b := t.bytes[word[i]]; b != absent {
			n := int32(len(parts))
			parts = append(parts, part{b, n - 1, n + 1})
		}
	}
	if len(parts) == 0 {
		return out
	}
	parts[len(parts)-1].next = -1
	var queue candidates
	offer := func(at int32) {
		if at < 0 || parts[at].next < 0 {
			return
		}
		left, right := parts[at].token, parts[parts[at].next].token
		if m := t.merges.of(left, right); m != last {
			heap.Push(&queue, candidate{m, at, left, right})
		}
	}
	for i := range len(parts) - 1 {
		offer(int32(i))
	}
	const gone = -1
	for len(queue) > 0 {
		c := heap.Pop(&queue).(candidate)
		p := &parts[c.at]
		if p.token != c.left || p.next < 0 || parts[p.next].token != c.right {
			continue
		}
		removed := &parts[p.next]
		p.token, p.next = c.token, removed.next
		removed.token = gone
		if p.next >= 0 {
			parts[p.next].prev = c.at
		}
		offer(p.prev)
		offer(c.at)
	}
	for i := int32(0); i >= 0; i = parts[i].next {
		out = append(out, parts[i].token)
	}
	return out
}
