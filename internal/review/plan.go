package review

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"bbjtune/internal/fault"
)

// Model is one of those that are compared.
type Model struct {
	Name string `json:"name"`
	// Run is the name of the evaluation's folder, Key what it was made of.
	Run string `json:"run"`
	Key string `json:"key"`
}

// Source is a model with its answers.
type Source struct {
	Model
	// Names are more names that an answer might give itself.
	Names   []string
	Answers map[string]Given // by case
}

// Given is an answer as the model gave it.
type Given struct {
	Text string
	// Program is the program that was judged, where it is more than the answer has.
	Program string
	Stopped bool
}

// Question is a prompt that was put to the models.
type Question struct {
	Case, Title, Generation, Prompt string
}

// Mapping is what is sealed: who wrote what.
type Mapping struct {
	Models []Model `json:"models"`
	// Items has the indices of the models that wrote X and Y, item by item.
	Items []Authors `json:"items"`
	// Masked counts by model what was masked in its answers.
	Masked []ModelMasked `json:"masked,omitempty"`
}

// Authors are the indices of the models that wrote the answers of an item.
type Authors struct {
	X int `json:"x"`
	Y int `json:"y"`
}

// ModelMasked is what was masked in a model's answers.
type ModelMasked struct {
	Model int `json:"model"`
	Masked
}

// Reasons why a comparison is not made.
const (
	leftUnanswered = "a model gave no answer"
	leftIdentical  = "both answers are the same"
)

// Plan pairs the answers: pairs comparisons a prompt, or all where pairs is 0. Of
// the pairs of models that which was compared least, over all and within the
// generation, is taken first. What is drawn is drawn from random: which of two
// answers is X, and the order of the comparisons.
func Plan(questions []Question, sources []Source, pairs int, random *rand.Rand) (Review, Mapping, error) {
	p := planner{sources: sources, random: random, used: map[use]int{}}
	p.mask(questions)
	questions = slices.Clone(questions)
	slices.SortFunc(questions, func(a, b Question) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Case, b.Case))
	})
	for _, q := range questions {
		p.take(q, pairs)
	}
	if len(p.items) == 0 {
		return Review{}, Mapping{}, fault.New("there is nothing to compare", "the evaluations must share prompts to which they gave different answers")
	}
	r := Review{Version: Version, Masked: p.masked}
	m := Mapping{Masked: p.byModel}
	for _, s := range sources {
		m.Models = append(m.Models, s.Model)
	}
	for i, from := range random.Perm(len(p.items)) {
		item, by := p.items[from], p.authors[from]
		if random.IntN(2) == 1 {
			item.X, item.Y = item.Y, item.X
			by.X, by.Y = by.Y, by.X
		}
		item.Number = i + 1
		r.Items, m.Items = append(r.Items, item), append(m.Items, by)
	}
	for _, why := range []string{leftUnanswered, leftIdentical} {
		if n := p.left[why]; n > 0 {
			r.Left = append(r.Left, LeftOut{why, n})
		}
	}
	return r, m, nil
}

type use struct {
	a, b       int
	generation string
}

type planner struct {
	sources []Source
	random  *rand.Rand
	answers []map[string]Answer // by model and case
	masked  []Masked
	byModel []ModelMasked
	used    map[use]int // comparisons made, with generation "" of all
	left    map[string]int
	items   []Item
	authors []Authors
}

// mask makes the answers as they are shown. Every name is masked in the answers of
// all models: one may name another.
func (p *planner) mask(questions []Question) {
	p.left = map[string]int{}
	var names []string
	for _, s := range p.sources {
		names = append(append(names, s.Name, s.Run), s.Names...)
	}
	sums := map[string]*Masked{}
	for i, s := range p.sources {
		m := NewMasker(names)
		shown := map[string]Answer{}
		for _, q := range questions {
			given, ok := s.Answers[q.Case]
			if !ok {
				continue
			}
			a := m.Mask(given.Text)
			if a.Unstopped = !given.Stopped; given.Program != "" {
				a.Program = m.shown(given.Program).Text
			}
			shown[q.Case] = a
		}
		p.answers = append(p.answers, shown)
		for _, c := range m.Counted() {
			p.byModel = append(p.byModel, ModelMasked{i, c})
			if sums[c.Kind] == nil {
				sums[c.Kind] = &Masked{Kind: c.Kind}
				p.masked = append(p.masked, Masked{Kind: c.Kind})
			}
			sums[c.Kind].Count += c.Count
			sums[c.Kind].Answers += c.Answers
		}
	}
	for i := range p.masked {
		p.masked[i] = *sums[p.masked[i].Kind]
	}
	slices.SortFunc(p.masked, func(a, b Masked) int { return cmp.Compare(a.Kind, b.Kind) })
}

// take makes the comparisons of a prompt.
func (p *planner) take(q Question, pairs int) {
	var open []use
	for a := range p.sources {
		for b := a + 1; b < len(p.sources); b++ {
			x, okX := p.answers[a][q.Case]
			y, okY := p.answers[b][q.Case]
			switch {
			case !okX || !okY:
				p.left[leftUnanswered]++
			case x.Text == y.Text:
				p.left[leftIdentical]++
			default:
				open = append(open, use{a, b, q.Generation})
			}
		}
	}
	p.random.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	for n := 0; len(open) > 0 && (pairs == 0 || n < pairs); n++ {
		slices.SortStableFunc(open, func(u, v use) int {
			return cmp.Or(cmp.Compare(p.used[use{u.a, u.b, ""}], p.used[use{v.a, v.b, ""}]), cmp.Compare(p.used[u], p.used[v]))
		})
		u := open[0]
		open = open[1:]
		p.used[u]++
		p.used[use{u.a, u.b, ""}]++
		p.items = append(p.items, Item{Case: q.Case, Title: q.Title, Generation: q.Generation, Prompt: q.Prompt, X: p.answers[u.a][q.Case], Y: p.answers[u.b][q.Case]})
		p.authors = append(p.authors, Authors{u.a, u.b})
	}
}

// Order is the order in which a reviewer sees n items, and on which sides: every
// reviewer another one, and the same whenever it is asked for. As many have Y on the
// left as have X there. secret is the review's.
func Order(secret []byte, reviewer, n int) []Place {
	mac := hmac.New(sha256.New, secret)
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], uint64(reviewer))
	mac.Write([]byte("order"))
	mac.Write(id[:])
	r := rand.New(rand.NewChaCha8([32]byte(mac.Sum(nil))))
	places := make([]Place, n)
	sides := r.Perm(n)
	odd := n % 2 * r.IntN(2) // an odd number cannot be halved
	for i, item := range r.Perm(n) {
		places[i] = Place{Item: item + 1, Swapped: sides[i] < n/2+odd}
	}
	return places
}
