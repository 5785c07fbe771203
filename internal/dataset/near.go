package dataset

import (
	"hash/fnv"
	"strings"
	"unicode"
)

// nearThreshold is the Jaccard similarity of 5-gram sets from which two texts
// count as near-duplicates.
const nearThreshold = 0.7

// heldThreshold is the share of a held-out text's 5-grams from which a text
// that holds them counts as holding the text, whatever stands around it.
const heldThreshold = 0.7

// gramSize is the number of tokens in a shingle.
const gramSize = 5

// shingles returns the set of hashed 5-grams of the text's tokens: words, and
// every other sign for itself, without regard to case and white space. A text
// of fewer than five tokens is one shingle.
func shingles(text string) map[uint64]struct{} {
	words := tokens(text)
	set := map[uint64]struct{}{}
	add := func(gram []string) {
		h := fnv.New64a()
		for _, w := range gram {
			h.Write([]byte(w))
			h.Write([]byte{0})
		}
		set[h.Sum64()] = struct{}{}
	}
	if len(words) < gramSize {
		add(words)
		return set
	}
	for i := range len(words) - gramSize + 1 {
		add(words[i : i+gramSize])
	}
	return set
}

func tokens(text string) []string {
	var list []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			list = append(list, word.String())
			word.Reset()
		}
	}
	for _, r := range strings.ToLower(text) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_':
			word.WriteRune(r)
		default:
			flush()
			if !unicode.IsSpace(r) {
				list = append(list, string(r))
			}
		}
	}
	flush()
	return list
}

// common is the size of the intersection.
func common(a, b map[uint64]struct{}) int {
	if len(b) < len(a) {
		a, b = b, a
	}
	n := 0
	for g := range a {
		if _, ok := b[g]; ok {
			n++
		}
	}
	return n
}

// jaccard is the size of the intersection over that of the union.
func jaccard(a, b map[uint64]struct{}) float64 { return resemblance(common(a, b), a, b) }

func resemblance(both int, a, b map[uint64]struct{}) float64 {
	if union := len(a) + len(b) - both; union > 0 {
		return float64(both) / float64(union)
	}
	return 1
}

// likeHeldOut says in which way a text is like a held-out one, or "": by their
// resemblance, or by the share of the held-out one that the text contains
// (Broder, On the resemblance and containment of documents, 1997).
func likeHeldOut(text, held map[uint64]struct{}) string {
	both := common(text, held)
	switch {
	case resemblance(both, text, held) >= nearThreshold:
		return "near-duplicate of"
	case float64(both) >= heldThreshold*float64(len(held)):
		return "contains"
	}
	return ""
}

// Similarity is the Jaccard similarity of the 5-gram sets of two texts, from 0
// to 1.
//
// It says how alike they are as wholes; a text inside a much longer one is not.
func Similarity(a, b string) float64 { return jaccard(shingles(a), shingles(b)) }

// clusters joins what is a near-duplicate in one of the views, directly or
// through others, and returns for each item the index of the first member of its
// cluster. A view has a text for each item, "" where it says nothing.
func clusters(views ...[]string) []int {
	f := make(forest, len(views[0]))
	for i := range f {
		f[i] = i
	}
	for _, texts := range views {
		f.joinAlike(texts)
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

// joinAlike joins the clusters of texts that are near-duplicates. Only texts that
// share a shingle are compared.
func (f forest) joinAlike(texts []string) {
	sets := make([]map[uint64]struct{}, len(texts))
	holders := map[uint64][]int{}
	for i, text := range texts {
		if text == "" {
			continue
		}
		sets[i] = shingles(text)
		compared := map[int]bool{}
		for g := range sets[i] {
			for _, j := range holders[g] {
				if !compared[j] && jaccard(sets[i], sets[j]) >= nearThreshold {
					a, b := f.root(i), f.root(j)
					f[max(a, b)] = min(a, b)
				}
				compared[j] = true
			}
			holders[g] = append(holders[g], i)
		}
	}
}
