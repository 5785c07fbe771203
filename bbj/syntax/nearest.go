package syntax

import "bbjtune/internal/nearest"

var verbNames = func() (list []string) {
	for w := NoWord + 1; w < numWords; w++ {
		if w.IsVerb() {
			list = append(list, words[w].name)
		}
	}
	return list
}()

// nearestVerb is silent about words that are nearly every short verb.
func nearestVerb(word string) string {
	if len(word) < 3 {
		return ""
	}
	return nearest.Name(word, verbNames)
}
