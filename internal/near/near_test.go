package near

import (
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

// What a search finds is what comparing with all gives, from many goroutines, with
// any limit and beginning.
func TestBorderMissesNoPair(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	limits := []Limit{AtThreshold, {Ratio{7, 10}, true}, {Ratio{3, 10}, false}, {Ratio{1, 2}, false}, {Ratio{1, 2}, true}, {Ratio{1, 1}, false}}
	for round := range 3 {
		sets := append(Sets(alikeTexts(600, random)), nil)
		held, others := sets[:200], sets[200:]
		held[7] = nil
		b := NewBorder(held)
		var all sync.WaitGroup
		for l, limit := range limits {
			all.Go(func() {
				met := 0
				for j, other := range others {
					from := 10 * (j % 3)
					wanted := func(i int) bool { return i%5 != 0 }
					var want, got []int
					for i, h := range held {
						s := Ratio{common(h, other, 0), len(h) + len(other) - common(h, other, 0)}
						c := s.Compare(limit.Ratio)
						if i >= from && wanted(i) && s.Both > 0 && (c > 0 || c == 0 && !limit.Above) {
							want = append(want, i)
						}
					}
					b.Search(other, limit, from, wanted, func(i int, alike Ratio) bool {
						if alike.Float() != Jaccard(held[i], other) {
							t.Errorf("round %d: %d and %d are %v alike", round, i, j, alike)
						}
						got = append(got, i)
						return true
					})
					slices.Sort(got)
					if met += len(got); !slices.Equal(got, want) {
						t.Errorf("round %d, limit %d: text %d: %d, want %d", round, l, j, got, want)
					}
				}
				if met == 0 {
					t.Errorf("limit %d: nothing was found", l)
				}
			})
		}
		all.Wait()
	}
}

// Texts that share most of what they say, and yet too little, are not compared one
// by one, but for some whose grams fall into one slot.
func TestTextsOfOneFormAreNotCompared(t *testing.T) {
	var texts []string
	for i := range 400 {
		var words []string
		for w := range 80 {
			if w >= 60 {
				w += 100 * (i + 1)
			}
			words = append(words, fmt.Sprintf("w%d", w))
		}
		texts = append(texts, strings.Join(words, " "))
	}
	sets, asked := Sets(texts), 0
	alike(sets, seq(len(sets)), func(int, int) bool { asked++; return true }, func(i, j int) { t.Errorf("%d and %d", i, j) })
	border := NewBorder(sets[:200])
	for _, set := range sets[200:] {
		border.Search(set, Limit{Ratio: Ratio{6, 10}}, 0, func(int) bool { asked++; return true }, func(int, Ratio) bool { return true })
	}
	if s := Jaccard(sets[0], sets[1]); s < 0.5 || s > 0.6 {
		t.Errorf("the texts are %v alike", s)
	}
	if all := 400*399/2 + 200*200; asked > all/20 {
		t.Errorf("%d pairs of %d were compared", asked, all)
	}
}

func seq(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func TestAlikeMissesNoPair(t *testing.T) {
	sets := Sets(alikeTexts(500, rand.New(rand.NewPCG(8, 8))))
	got := map[[2]int]int{}
	all := make([]int, len(sets))
	for i := range all {
		all[i] = i
	}
	alike(sets, all, func(int, int) bool { return true }, func(i, j int) { got[[2]int{min(i, j), max(i, j)}]++ })
	n := 0
	for i := range sets {
		for j := range i {
			if near := Jaccard(sets[i], sets[j]) >= Threshold; near != (got[[2]int{j, i}] == 1) {
				t.Errorf("%d and %d: found %d times, near: %v", j, i, got[[2]int{j, i}], near)
			} else if near {
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
