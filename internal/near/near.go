// Package near finds texts that resemble each other: near-duplicates by the
// Jaccard similarity of their 5-grams, and texts that contain another. It finds
// every pair, not most of them.
//
// It must not know what the texts are.
package near

import (
	"maps"
	"math"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Threshold is the Jaccard similarity of 5-gram sets from which two texts
// count as near-duplicates.
const Threshold = 0.7

// heldThreshold is the share of a held-out text's 5-grams from which a text
// that holds them counts as holding the text, whatever stands around it.
const heldThreshold = 0.7

// gramSize is the number of tokens in a shingle.
const gramSize = 5

// Set is the set of a text's 5-grams, hashed to 32 bits and in ascending order:
// small enough to keep a million. Two different grams fall together once in four
// thousand million, so that two unrelated texts of 1000 grams hold one gram in
// common by mistake once in 4000 comparisons, which moves their similarity by a
// thousandth.
type Set []uint32

// Of returns the 5-grams of a text's tokens: words, and every other sign for
// itself, without regard to case and white space. A text of fewer than five
// tokens is one gram, one without any is nil.
func Of(text string) Set {
	words := tokens(text)
	switch {
	case len(words) == 0:
		return nil
	case len(words) < gramSize:
		return Set{gram(words)}
	}
	set := make(Set, 0, len(words)-gramSize+1)
	for i := range len(words) - gramSize + 1 {
		set = append(set, gram(words[i:i+gramSize]))
	}
	slices.Sort(set)
	return slices.Clip(slices.Compact(set))
}

// gram hashes the hashes of words.
func gram(words []uint64) uint32 {
	var h uint64 = 14695981039346656037
	for _, w := range words {
		h = bits.RotateLeft64(h^w, 29) * 0x9E3779B97F4A7C15
	}
	return uint32((h ^ h>>29) * 0xBF58476D1CE4E5B9 >> 32)
}

// wordSigns are the ASCII characters that words are made of, small where they are
// letters.
var wordSigns = func() (table [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		if r := rune(c); unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' {
			table[c] = byte(unicode.ToLower(r))
		}
	}
	return table
}()

// tokens returns the hash (FNV-1a) of every token.
func tokens(text string) []uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	list := make([]uint64, 0, len(text)/4+1)
	var word uint64 = offset
	flush := func() {
		if word != offset {
			list = append(list, word)
			word = offset
		}
	}
	add := func(r rune) {
		for shift := 0; shift < 32; shift += 8 {
			word = (word ^ uint64(r>>shift&0xff)) * prime
		}
	}
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			i++
			switch small := wordSigns[c]; {
			case small != 0:
				word = (word ^ uint64(small)) * prime
			default:
				flush()
				if !unicode.IsSpace(rune(c)) {
					list = append(list, (offset^uint64(c))*prime)
				}
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			if small := unicode.ToLower(r); small < utf8.RuneSelf {
				word = (word ^ uint64(small)) * prime
			} else {
				add(small)
			}
			continue
		}
		flush()
		if !unicode.IsSpace(r) {
			add(r)
			flush()
		}
	}
	flush()
	return list
}

// Sketch is a number that two sets share with a probability of their similarity to
// the power of n (MinHash with n permutations; Broder 1997).
func (s Set) Sketch(n int) uint64 {
	var sketch uint64
	for i := range uint64(n) {
		least := uint64(math.MaxUint64)
		for _, g := range s {
			least = min(least, mix(uint64(g)|(i+1)<<32))
		}
		sketch = mix(sketch ^ least)
	}
	return sketch
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// common is the size of the intersection, or less than need once it cannot reach
// that.
func common(a, b Set, need int) int {
	n, i, j := 0, 0, 0
	for i < len(a) && j < len(b) {
		switch x, y := a[i], b[j]; {
		case x < y:
			i++
			if n+len(a)-i < need {
				return n
			}
		case x > y:
			j++
			if n+len(b)-j < need {
				return n
			}
		default:
			n, i, j = n+1, i+1, j+1
		}
	}
	return n
}

// Jaccard is the size of the intersection over that of the union, from 0 to 1.
func Jaccard(a, b Set) float64 { return resemblance(common(a, b, 0), a, b) }

func resemblance(both int, a, b Set) float64 {
	if union := len(a) + len(b) - both; union > 0 {
		return float64(both) / float64(union)
	}
	return 1
}

// Similarity is the Jaccard similarity of the 5-gram sets of two texts, from 0
// to 1.
//
// It says how alike they are as wholes; a text inside a much longer one is not.
func Similarity(a, b string) float64 { return Jaccard(Of(a), Of(b)) }

// Index holds texts with which others are compared, such as held-out ones. It is
// safe for concurrent use.
type Index struct {
	sets    []Set
	holders map[uint32][]int32
}

// NewIndex returns the index of the texts.
func NewIndex(texts []string) *Index {
	x := &Index{holders: map[uint32][]int32{}}
	for i, text := range texts {
		x.sets = append(x.sets, Of(text))
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
func (x *Index) Find(text string) (i int, how Kinship) { return x.FindSet(Of(text)) }

// FindSet is Find for the grams of a text.
func (x *Index) FindSet(mine Set) (i int, how Kinship) {
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
