package dataset

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// alikeTexts makes texts of which many resemble others more or less.
func alikeTexts(n int, random *rand.Rand) []string {
	texts := make([]string, n)
	for i := range texts {
		words := make([]string, 4+random.IntN(40))
		for w := range words {
			words[w] = fmt.Sprintf("w%d", random.IntN(400))
		}
		if i > 0 && random.IntN(3) > 0 {
			words = strings.Fields(texts[random.IntN(i)])
			for range random.IntN(4) {
				words[random.IntN(len(words))] = fmt.Sprintf("x%d", random.IntN(1000))
			}
			if random.IntN(4) == 0 {
				words = append(words, "and", "so", "on")
			}
		}
		texts[i] = strings.Join(words, " ")
	}
	return texts
}

// The clusters are those that comparing every pair gives.
func TestClustersMissNoPair(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 9))
	for round := range 20 {
		texts := alikeTexts(150, random)
		texts[random.IntN(150)], texts[random.IntN(150)] = "", ""
		want := make(forest, len(texts))
		for i := range want {
			want[i] = i
		}
		for i := range texts {
			for j := range i {
				if texts[i] != "" && texts[j] != "" && Similarity(texts[i], texts[j]) >= nearThreshold {
					want.join(i, j)
				}
			}
		}
		for i := range want {
			want[i] = want.root(i)
		}
		if got := clusters(texts); !slices.Equal(got, want) {
			t.Fatalf("round %d: %v, want %v", round, got, want)
		}
	}
}

// The held-out text that is found is the first that comparing all gives.
func TestHeldOutIndexMissesNone(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 2))
	texts := alikeTexts(400, random)
	var held []HeldOut
	for i, text := range texts[:60] {
		held = append(held, HeldOut{Name: fmt.Sprint(i), Text: text})
	}
	index, found := indexed(held), 0
	for _, text := range texts[60:] {
		want := ""
		mine := shingles(text)
		for _, h := range held {
			other := shingles(h.Text)
			both := common(mine, other)
			if want == "" && resemblance(both, mine, other) >= nearThreshold {
				want = "near-duplicate of the evaluation case " + h.Name
			} else if want == "" && both > 0 && float64(both) >= heldThreshold*float64(len(other)) {
				want = "contains the evaluation case " + h.Name
			}
		}
		if got := index.like(text); got != want {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
		if want != "" {
			found++
		}
	}
	if found < 20 {
		t.Errorf("%d found", found)
	}
}

func BenchmarkClusters(b *testing.B) {
	texts := alikeTexts(10000, rand.New(rand.NewPCG(1, 1)))
	for b.Loop() {
		clusters(texts)
	}
}
