package dataset

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// FIM says which part of the texts of stage 1 is written in the form that asks
// for the middle, so that the model can complete at a cursor (Bavarian et al.,
// Efficient training of language models to fill in the middle, arXiv 2207.14255:
// cut at two random characters, prefix first, then suffix, then middle).
type FIM struct {
	// Share is from 0, for none, to 1.
	Share float64
	// Prefix, Suffix and Middle are the base model's own tokens.
	Prefix, Suffix, Middle string
}

// tokens are those that no source may spell out.
func (f FIM) tokens() []string {
	if f.Share == 0 {
		return nil
	}
	return []string{f.Prefix, f.Suffix, f.Middle}
}

// apply returns the n-th text of a source in its form: most stay plain. The
// source and the seed decide, and not what else is in the set.
func (f FIM) apply(seed int, source string, n int, text string) string {
	random := rand.New(rand.NewPCG(hash(seed, "fim", fmt.Sprint(source, "\x00", n)), uint64(seed)))
	runes := []rune(text)
	if random.Float64() >= f.Share || len(runes) < 3 {
		return text
	}
	cuts := []int{random.IntN(len(runes) + 1), random.IntN(len(runes) + 1)}
	slices.Sort(cuts)
	prefix, middle, suffix := runes[:cuts[0]], runes[cuts[0]:cuts[1]], runes[cuts[1]:]
	return f.Prefix + string(prefix) + f.Suffix + string(suffix) + f.Middle + string(middle)
}
