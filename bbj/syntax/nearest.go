package syntax

import "strings"

// Nearest returns the candidate that differs least from the name, ignoring
// case, or "" if none is near enough to be what was meant.
func Nearest(name string, candidates []string) string {
	limit := 1 + len(name)/4
	if len(name) < 3 {
		return ""
	}
	best := ""
	for _, c := range candidates {
		if d := distance(name, c, limit); d <= limit && !(d == limit && best != "") {
			if d < limit || best == "" {
				best, limit = c, d
			}
		}
	}
	return best
}

func nearestVerb(word string) string {
	list := make([]string, 0, numWords)
	for w := NoWord + 1; w < numWords; w++ {
		if w.IsVerb() {
			list = append(list, words[w].name)
		}
	}
	return Nearest(word, list)
}

// distance returns how many letters must be changed, added, left out or swapped
// with their neighbour to make b of a, or more than limit.
func distance(a, b string, limit int) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
