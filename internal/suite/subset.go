package suite

import (
	"cmp"
	"crypto/sha256"
	"slices"
)

// Subset is a part of the suite with n questions, or the suite itself where that has
// no more. Every type and generation, and the facts among them, keep their share
// (largest remainders); within one of these groups the hashes of the names decide,
// so that the same n takes the same questions of the same suite whatever their order.
func (s *Suite) Subset(n int) *Suite {
	all := s.Questions()
	if n <= 0 || n >= len(all) {
		return s
	}
	groups := map[string][]*Case{}
	for _, c := range all {
		name := string(c.Type)
		if c.Type != Fact {
			name += " " + string(c.Generation)
		}
		groups[name] = append(groups[name], c)
	}
	taken := map[*Case]bool{}
	for name, share := range shares(groups, n, len(all)) {
		group := slices.Clone(groups[name])
		slices.SortFunc(group, func(a, b *Case) int { return cmp.Compare(hash(a.ID), hash(b.ID)) })
		for _, c := range group[:share] {
			taken[c] = true
		}
	}
	part := &Suite{Head: s.Head}
	part.Cases = slices.DeleteFunc(slices.Clone(s.Cases), func(c *Case) bool { return !taken[c] })
	part.Facts = slices.DeleteFunc(slices.Clone(s.Facts), func(c *Case) bool { return !taken[c] })
	return part
}

// shares says how many of n each group gets: the whole part of its share, and the
// groups with the largest remainders one more.
func shares(groups map[string][]*Case, n, all int) map[string]int {
	type rest struct {
		name string
		part int
	}
	list := map[string]int{}
	var rests []rest
	left := n
	for name, group := range groups {
		list[name] = len(group) * n / all
		left -= list[name]
		rests = append(rests, rest{name, len(group) * n % all})
	}
	slices.SortFunc(rests, func(a, b rest) int {
		return cmp.Or(cmp.Compare(b.part, a.part), cmp.Compare(hash(a.name), hash(b.name)))
	})
	for _, r := range rests[:left] {
		list[r.name]++
	}
	return list
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return string(sum[:])
}
