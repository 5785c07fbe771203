// Package near finds texts that resemble each other: near-duplicates by the
// Jaccard similarity of their 5-grams, and texts that contain another. It finds
// every pair, not most of them.
//
// It must not know what the texts are.
package near

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
)

// Threshold is the Jaccard similarity of 5-gram sets from which two texts
// count as near-duplicates.
const Threshold = 0.7

// heldThreshold is the share of a held-out text's 5-grams from which a text
// that holds them counts as holding the text, whatever stands around it.
const heldThreshold = 0.7

// gramSize is the number of tokens in a shingle.
const gramSize = 5

// grams is a set of hashed 5-grams, in ascending order.
type grams []uint64

// shingles returns the 5-grams of the text's tokens: words, and every other sign
// for itself, without regard to case and white space. A text of fewer than five
// tokens is one shingle.
func shingles(text string) grams {
	words := tokens(text)
	hashed := func(gram []string) uint64 {
		h := fnv.New64a()
		for _, w := range gram {
			h.Write([]byte(w))
			h.Write([]byte{0})
		}
		return h.Sum64()
	}
	if len(words) < gramSize {
		return grams{hashed(words)}
	}
	set := make(grams, 0, len(words)-gramSize+1)
	for i := range len(words) - gramSize + 1 {
		set = append(set, hashed(words[i:i+gramSize]))
	}
	slices.Sort(set)
	return slices.Compact(set)
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
func common(a, b grams) int {
	n := 0
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			n++
			a, b = a[1:], b[1:]
		}
	}
	return n
}

// jaccard is the size of the intersection over that of the union.
func jaccard(a, b grams) float64 { return resemblance(common(a, b), a, b) }

func resemblance(both int, a, b grams) float64 {
	if union := len(a) + len(b) - both; union > 0 {
		return float64(both) / float64(union)
	}
	return 1
}

// Similarity is the Jaccard similarity of the 5-gram sets of two texts, from 0
// to 1.
//
// It says how alike they are as wholes; a text inside a much longer one is not.
func Similarity(a, b string) float64 { return jaccard(shingles(a), shingles(b)) }

// Index holds texts with which others are compared, such as held-out ones. It is
// safe for concurrent use.
type Index struct {
	sets    []grams
	holders map[uint64][]int32
}

// NewIndex returns the index of the texts.
func NewIndex(texts []string) *Index {
	x := &Index{holders: map[uint64][]int32{}}
	for i, text := range texts {
		x.sets = append(x.sets, shingles(text))
		for _, g := range x.sets[i] {
			x.holders[g] = append(x.holders[g], int32(i))
		}
	}
	return x
}

// Kinship is how a text is related to one of an index.
type Kinship string

// The kinds of kinship.
const (
	None      Kinship = ""
	Duplicate Kinship = "near-duplicate of"
	Container Kinship = "contains"
)

// Find returns the first text of the index that the text resembles or contains,
// and which of the two it does (Broder, On the resemblance and containment of
// documents, 1997).
func (x *Index) Find(text string) (i int, how Kinship) {
	mine := shingles(text)
	shared := map[int32]int{}
	for _, g := range mine {
		for _, i := range x.holders[g] {
			shared[i]++
		}
	}
	for _, i := range slices.Sorted(maps.Keys(shared)) {
		held := x.sets[i]
		switch both := shared[i]; {
		case resemblance(both, mine, held) >= Threshold:
			return int(i), Duplicate
		case float64(both) >= heldThreshold*float64(len(held)):
			return int(i), Container
		}
	}
	return 0, None
}

// Clusters joins texts that are near-duplicates, directly or through others, and
// those that have a key in common, and returns for each the index of the first
// member of its cluster. An empty text is like no other, an empty key says nothing.
func Clusters(texts []string, keys ...[]string) []int {
	f := make(forest, len(texts))
	for i := range f {
		f[i] = i
	}
	f.joinAlike(texts)
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

// joinAlike joins the clusters of texts that are near-duplicates. It finds every
// pair: two sets as alike as that share one of their rarest grams, so that only
// texts which do are compared (prefix filtering; Chaudhuri et al. 2006, Xiao et
// al., Efficient similarity joins for near duplicate detection, 2008).
func (f forest) joinAlike(texts []string) {
	sets, firsts := f.joinEqual(texts)
	often := map[uint64]int32{}
	for _, i := range firsts {
		for _, g := range sets[i] {
			often[g]++
		}
	}
	holders := map[uint64][]int32{}
	met := make([]int32, len(texts)) // the last text, plus one, that each was compared with
	for _, i := range firsts {
		for _, g := range rarest(sets[i], often) {
			for _, j := range holders[g] {
				if met[j] != int32(i)+1 && likelySize(sets[i], sets[j]) && f.root(i) != f.root(int(j)) && jaccard(sets[i], sets[j]) >= Threshold {
					f.join(i, int(j))
				}
				met[j] = int32(i) + 1
			}
			holders[g] = append(holders[g], int32(i))
		}
	}
}

// joinEqual joins texts of equal sets, and returns the sets and the first text of
// each: a thousand copies of one are compared with the rest once.
func (f forest) joinEqual(texts []string) (sets []grams, firsts []int) {
	sets = make([]grams, len(texts))
	seen := map[[sha256.Size]byte]int{}
	for i, text := range texts {
		if text == "" {
			continue
		}
		sets[i] = shingles(text)
		var bytes []byte
		for _, g := range sets[i] {
			bytes = binary.LittleEndian.AppendUint64(bytes, g)
		}
		sum := sha256.Sum256(bytes)
		if first, ok := seen[sum]; ok {
			f.join(first, i)
			continue
		}
		seen[sum] = i
		firsts = append(firsts, i)
	}
	return sets, firsts
}

// likelySize reports whether two sets are near enough in size to be alike.
func likelySize(a, b grams) bool {
	small, large := min(len(a), len(b)), max(len(a), len(b))
	return float64(small) >= Threshold*float64(large)
}

// rarest returns those grams of which a near-duplicate must hold one: so many
// that what is left is too few to be alike by.
func rarest(set grams, often map[uint64]int32) grams {
	n := len(set) - int(math.Ceil(Threshold*float64(len(set))-1e-9)) + 1 // less than the error of the arithmetic
	sorted := slices.Clone(set)
	slices.SortFunc(sorted, func(a, b uint64) int { return cmp.Or(cmp.Compare(often[a], often[b]), cmp.Compare(a, b)) })
	return sorted[:n]
}
