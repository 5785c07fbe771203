// Package nearest finds the name that somebody probably meant.
//
// It must not know what the names stand for.
package nearest

// longest is the length of the longest name that is compared. Longer ones are
// not mistyped names but something else, which may be of any size.
const longest = 63

// Name returns the candidate nearest to name by edit distance without regard
// to the case of ASCII letters, or "" when none is near enough to be a slip of
// the fingers: at most one edit, and one more for every four letters of the
// name. Of equally near candidates the first wins.
func Name(name string, candidates []string) string {
	if len(name) < 2 || len(name) > longest {
		return ""
	}
	best, bestDistance := "", 2+len(name)/4
	for _, c := range candidates {
		if d := distance(name, c, bestDistance); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is Levenshtein's, with a swap of neighbours counted as one edit
// (optimal string alignment). It may give up with limit once that is reached.
func distance(a, b string, limit int) int {
	if max(len(a)-len(b), len(b)-len(a)) >= limit || len(b) > longest {
		return limit
	}
	var rows [3][longest + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if lower(a[i-1]) == lower(b[j-1]) {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && lower(a[i-1]) == lower(b[j-2]) && lower(a[i-2]) == lower(b[j-1]) {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		// The row above had nothing below limit-1, so that no swap can win either.
		if least >= limit {
			return limit
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
