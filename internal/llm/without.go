package llm

import (
	"regexp"
	"slices"
	"sync"
)

// without remembers which settings an endpoint refuses. Newer models take no
// temperature or seed, and name the limit of tokens otherwise; that shows only
// when they are asked.
type without struct {
	mu   sync.Mutex
	list []string
}

func (w *without) names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}

// settings are what can be left out, and still the question is the same.
var settings = []string{"max_tokens", "temperature", "seed", "stop"}

var settingWord = regexp.MustCompile(`[a-z_]+`)

// learn reads a refusal and reports whether it names a setting that was sent and
// can be left out from now on.
func (w *without) learn(sent []string, message string) bool {
	words := settingWord.FindAllString(message, -1)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range settings {
		if slices.Contains(words, s) && !slices.Contains(sent, s) {
			if !slices.Contains(w.list, s) {
				w.list = append(w.list, s)
				slices.Sort(w.list)
			}
			return true
		}
	}
	return false
}
