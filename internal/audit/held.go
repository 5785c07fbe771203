package audit

import (
	"bbjtune/internal/answer"
	"bbjtune/internal/near"
)

// HeldOut is a text of an evaluation case, which must not be trained on.
type HeldOut struct{ Name, Text string }

// Held finds rows that resemble a held-out text or contain one.
type Held struct {
	names []string
	index *near.Index
}

// NewHeld returns the finder for the texts.
func NewHeld(list []HeldOut) *Held {
	h := &Held{}
	texts := make([]string, len(list))
	for i, one := range list {
		h.names, texts[i] = append(h.names, one.Name), one.Text
	}
	h.index = near.NewIndex(texts)
	return h
}

// Find says how a row is related to an evaluation case, by its prompt, its answer
// or the code in that, or "".
func (h *Held) Find(prompt, said string) string {
	if len(h.names) == 0 {
		return ""
	}
	for _, part := range append([]string{prompt, said}, answer.Marked(said)...) {
		if i, how := h.index.Find(part); how != near.None {
			return string(how) + " the evaluation case " + h.names[i]
		}
	}
	return ""
}
