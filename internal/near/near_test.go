package near

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
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
		mine := Of(text)
		for i, h := range held {
			other := Of(h)
			both := common(mine, other, 0)
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

// The pairs over a border, and the closest ones below the threshold, are those
// that comparing all gives.
func TestBorderMissesNoPair(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for round := range 10 {
		sets := Sets(alikeTexts(600, random))
		held, others := sets[:200], sets[200:]
		var want, below []Pair
		for i, h := range held {
			for j, o := range others {
				switch s := Jaccard(h, o); {
				case s >= Threshold:
					want = append(want, Pair{i, j, 0})
				case s >= leastAlike:
					below = append(below, Pair{i, j, s})
				}
			}
		}
		b := NewBorder(held)
		got := make([][]int, len(others))
		var all sync.WaitGroup
		for _, half := range [][2]int{{0, 200}, {200, 400}} {
			all.Go(func() {
				for j := half[0]; j < half[1]; j++ {
					got[j] = b.Cross(j, others[j])
				}
			})
		}
		all.Wait()
		var pairs []Pair
		for j, list := range got {
			for _, i := range list {
				pairs = append(pairs, Pair{i, j, 0})
			}
		}
		order := func(x, y Pair) int { return cmp.Or(x.Held-y.Held, x.Other-y.Other) }
		slices.SortFunc(pairs, order)
		if !slices.Equal(pairs, want) || len(want) == 0 {
			t.Fatalf("round %d: %d pairs, want %d", round, len(pairs), len(want))
		}
		slices.SortFunc(below, byAlikeness)
		closest, complete := b.Closest()
		n := min(len(below), keptPairs)
		if len(closest) < n || !slices.Equal(closest[:n], below[:n]) || complete > below[n-1].Similarity {
			t.Fatalf("round %d: the closest pairs differ: %v, want %v", round, closest[:3], below[:3])
		}
	}
}

func TestPairsMissesNone(t *testing.T) {
	sets := Sets(alikeTexts(500, rand.New(rand.NewPCG(8, 8))))
	got := map[[2]int]int{}
	Pairs(sets, func(i, j int) { got[[2]int{min(i, j), max(i, j)}]++ })
	n := 0
	for i := range sets {
		for j := range i {
			if alike := Jaccard(sets[i], sets[j]) >= Threshold; alike != (got[[2]int{j, i}] == 1) {
				t.Errorf("%d and %d: found %d times, alike: %v", j, i, got[[2]int{j, i}], alike)
			} else if alike {
				n++
			}
		}
	}
	if n != len(got) || n < 100 {
		t.Errorf("%d pairs, %d found", n, len(got))
	}
}

// Sets of hashes are as alike as the 5-grams themselves.
func TestSetsAreThoseOfTheGrams(t *testing.T) {
	texts := append(alikeTexts(100, rand.New(rand.NewPCG(5, 5))), "", " \n", "A", "a", "Ä ß_1", "ä SS", "x=1;y$=\"a,b\"", "X = 1 ; Y$ = \"A , B\"", "\xff\xfe a b c d")
	for i := range texts {
		for j := range i {
			if got, want := Similarity(texts[i], texts[j]), plainSimilarity(texts[i], texts[j]); got != want {
				t.Errorf("%q and %q: %v, want %v", texts[i], texts[j], got, want)
			}
		}
	}
}

// plainSimilarity is the definition, without hashes.
func plainSimilarity(a, b string) float64 {
	x, y := plainGrams(a), plainGrams(b)
	both := 0
	for g := range x {
		if y[g] {
			both++
		}
	}
	if len(x)+len(y) == 0 {
		return 1
	}
	return float64(both) / float64(len(x)+len(y)-both)
}

func plainGrams(text string) map[string]bool {
	var words []string
	word := ""
	for _, r := range text + " " {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' {
			word += string(unicode.ToLower(r))
			continue
		}
		if word != "" {
			words, word = append(words, word), ""
		}
		if !unicode.IsSpace(r) {
			words = append(words, string(r))
		}
	}
	set := map[string]bool{}
	for i := range max(len(words)-4, min(len(words), 1)) {
		set[strings.Join(words[i:min(i+5, len(words))], "\x00")] = true
	}
	return set
}

func BenchmarkClusters(b *testing.B) {
	texts := alikeTexts(10000, rand.New(rand.NewPCG(1, 1)))
	for b.Loop() {
		Clusters(texts)
	}
}
