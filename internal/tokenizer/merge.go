package tokenizer

import "container/heap"

// shortWord is the length in bytes up to which looking at all pairs for each
// merge is faster than keeping them in order.
const shortWord = 48

// merged adds the tokens of a word: its bytes, of which always the pair that was
// learned first is joined, the leftmost of equal ones (Sennrich et al.,
// arXiv 1508.07909).
func (t *Tokenizer) merged(out []int32, word string) []int32 {
	if len(word) > shortWord {
		return t.mergedInOrder(out, word)
	}
	var buffer [shortWord]int32
	parts := buffer[:0]
	for i := range len(word) {
		if b := t.bytes[word[i]]; b != absent {
			parts = append(parts, b)
		}
	}
	for len(parts) > 1 {
		at, best := -1, merge{}
		for i := range len(parts) - 1 {
			if m, ok := t.merges[pair{parts[i], parts[i+1]}]; ok && (at < 0 || m.rank < best.rank) {
				at, best = i, m
			}
		}
		if at < 0 {
			break
		}
		parts[at] = best.token
		parts = append(parts[:at+1], parts[at+2:]...)
	}
	return append(out, parts...)
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
		if m, ok := t.merges[pair{left, right}]; ok {
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
