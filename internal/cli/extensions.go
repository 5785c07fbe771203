package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bbjtune/internal/progress"
)

const extensionsUsage = "ends of the names of source files; . stands for names without one"

// plainExtensions brings the ends of names that somebody wrote into one form: lower
// case, with a dot, "" for names without one; sorted, each once.
func plainExtensions(written []string) []string {
	var list []string
	for _, e := range written {
		e = "." + strings.TrimLeft(strings.ToLower(e), ".")
		list = append(list, strings.TrimSuffix(e, "."))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// fewExtensions are so many as help to find the one that was forgotten.
const fewExtensions = 3

// mostOf says which extensions are the commonest: .aon 150, no extension 16, .txt 3.
func mostOf(counts map[string]int) string {
	byCount := func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) }
	var said []string
	for _, e := range slices.SortedFunc(maps.Keys(counts), byCount) {
		if len(said) == fewExtensions {
			return strings.Join(said, ", ") + ", …"
		}
		said = append(said, fmt.Sprintf("%s %d", cmp.Or(progress.Printable(e), "no extension"), counts[e]))
	}
	return strings.Join(said, ", ")
}

// total is the number of files with any of the extensions.
func total(counts map[string]int) int {
	n := 0
	for _, k := range counts {
		n += k
	}
	return n
}
