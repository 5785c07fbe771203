package review

import (
	"slices"

	"bbjtune/internal/stats"
)

// counter counts the votes of a review.
type counter struct {
	review  Review
	mapping Mapping
	votes   []Cast
}

// table scores all models in a dimension, in a generation or, with "", in all. The
// prompt is what the intervals count, however many voted on it.
func (c counter) table(d Dimension, generation string) Table {
	n := len(c.mapping.Models)
	t := Table{Dimension: d, Generation: generation, Scores: make([]Score, n)}
	splits := make([]map[string]*stats.Split, n)
	for i, m := range c.mapping.Models {
		t.Scores[i].Model, splits[i] = m.Name, map[string]*stats.Split{}
	}
	items := map[int]*stats.Split{} // wins are X's
	for _, v := range c.votes {
		item := c.review.Items[v.Item-1]
		if generation != "" && item.Generation != generation {
			continue
		}
		by := c.mapping.Items[v.Item-1]
		choice := v.Choices.Of(d)
		if items[v.Item] == nil {
			items[v.Item] = &stats.Split{}
		}
		count(items[v.Item], choice, X)
		for _, side := range []struct {
			model int
			is    Choice
		}{{by.X, X}, {by.Y, Y}} {
			s := splits[side.model]
			if s[item.Case] == nil {
				s[item.Case] = &stats.Split{}
			}
			count(s[item.Case], choice, side.is)
			if choice == Bad {
				t.Scores[side.model].Bad++
			}
		}
	}
	for i := range t.Scores {
		var list []stats.Split
		for _, s := range splits[i] {
			list = append(list, *s)
		}
		t.Scores[i].Preference = stats.NewPreference(sorted(list))
	}
	if n > 2 {
		c.strengths(t.Scores, items)
	}
	return t
}

// sorted puts splits into an order, so that sums of them are always the same.
func sorted(list []stats.Split) []stats.Split {
	slices.SortFunc(list, func(a, b stats.Split) int {
		return slices.Compare([]int{a.Wins, a.Ties, a.Losses}, []int{b.Wins, b.Ties, b.Losses})
	})
	return list
}

// count adds a choice as the side sees it.
func count(s *stats.Split, choice, side Choice) {
	switch choice {
	case side:
		s.Wins++
	case Tie, Bad:
		s.Ties++
	default:
		s.Losses++
	}
}

// strengths fits the model of Bradley and Terry. An item weighs one, however many
// voted on it.
func (c counter) strengths(scores []Score, items map[int]*stats.Split) {
	n := len(scores)
	wins := make([][]float64, n)
	for i := range wins {
		wins[i] = make([]float64, n)
	}
	for number := 1; number <= len(c.review.Items); number++ {
		s := items[number]
		if s == nil {
			continue
		}
		by := c.mapping.Items[number-1]
		all := float64(s.Wins + s.Ties + s.Losses)
		share := (float64(s.Wins) + float64(s.Ties)/2) / all
		wins[by.X][by.Y] += share
		wins[by.Y][by.X] += 1 - share
	}
	list, ok := stats.BradleyTerry(wins, priorGames)
	if !ok {
		return
	}
	for i := range scores {
		scores[i].Strength = &list[i]
	}
}

// agreement is that of all who voted on an item.
func (c counter) agreement(d Dimension) Agreement {
	values := make([][]string, len(c.review.Items))
	for _, v := range c.votes {
		values[v.Item-1] = append(values[v.Item-1], string(v.Choices.Of(d)))
	}
	return Agreement{d, stats.NominalAlpha(values)}
}

// position is how often the answer on the left was preferred, where one was, by a
// reviewer or, with 0, by all.
func (c counter) position(reviewer int) stats.Proportion {
	left, of := 0, 0
	for _, v := range c.votes {
		if reviewer != 0 && v.Reviewer != reviewer {
			continue
		}
		switch (Place{Item: v.Item, Swapped: v.Swapped}).Seen(v.Choices).Overall {
		case Left:
			left, of = left+1, of+1
		case Right:
			of++
		}
	}
	return stats.NewProportion(left, of)
}

func (c counter) reviewer(who Reviewer) ReviewerResult {
	r := ReviewerResult{Name: who.Name, Left: c.position(who.ID)}
	var times []float64
	for _, v := range c.votes {
		if v.Reviewer == who.ID {
			times = append(times, v.Seconds)
			r.Total += v.Seconds
		}
	}
	r.Votes = len(times)
	if len(times) > 0 {
		slices.Sort(times)
		r.Median = (times[(len(times)-1)/2] + times[len(times)/2]) / 2
	}
	return r
}

func (c counter) notes(reviewers []Reviewer) []Note {
	names := map[int]string{}
	for _, r := range reviewers {
		names[r.ID] = r.Name
	}
	var list []Note
	for _, v := range c.votes {
		if v.Note == "" {
			continue
		}
		by := c.mapping.Items[v.Item-1]
		x, y := c.mapping.Models[by.X].Name, c.mapping.Models[by.Y].Name
		n := Note{Case: c.review.Items[v.Item-1].Case, Reviewer: names[v.Reviewer], Left: x, Right: y, Text: v.Note}
		if v.Swapped {
			n.Left, n.Right = y, x
		}
		switch o := v.Choices.Overall; o {
		case X:
			n.Overall = x
		case Y:
			n.Overall = y
		default:
			n.Overall = string(o)
		}
		list = append(list, n)
	}
	return list
}
