package near

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

func TestSimilarity(t *testing.T) {
	a := "print \"a\",b$; for i=1 to 10; next i"
	if s := Similarity(a, strings.ToUpper(strings.ReplaceAll(a, " ", "  "))); s != 1 {
		t.Errorf("case and white space count: %v", s)
	}
	if s := Similarity(a, "something else entirely, with other words in it"); s != 0 {
		t.Errorf("unrelated texts: %v", s)
	}
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
				if texts[i] != "" && texts[j] != "" && Similarity(texts[i], texts[j]) >= Threshold {
					want.join(i, j)
				}
			}
		}
		for i := range want {
			want[i] = want.root(i)
		}
		if got := Clusters(texts); !slices.Equal(got, want) {
			t.Fatalf("round %d: %v, want %v", round, got, want)
		}
	}
}

// The text that is found is the first that comparing all gives.
func TestIndexMissesNone(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 2))
	texts := alikeTexts(400, random)
	held, found := texts[:60], 0
	index := NewIndex(held)
	for _, text := range texts[60:] {
		at, want := 0, None
		mine := shingles(text)
		for i, h := range held {
			other := shingles(h)
			both := common(mine, other)
			if want == None && resemblance(both, mine, other) >= Threshold {
				at, want = i, Duplicate
			} else if want == None && both > 0 && float64(both) >= heldThreshold*float64(len(other)) {
				at, want = i, Container
			}
		}
		if i, how := index.Find(text); i != at || how != want {
			t.Fatalf("%q: %s %d, want %s %d", text, how, i, want, at)
		}
		if want != None {
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
		Clusters(texts)
	}
}
