package suite

import (
	"strings"

	"bbjtune/internal/answer"
	"bbjtune/internal/near"
)

// HeldVersion is raised when the same suite holds out other texts.
const HeldVersion = 3

// fewGrams is how many 5-grams a program must have to be held out for itself:
// shorter ones stand in half of all programs.
const fewGrams = 20

// HeldOut are the texts of a case that must not be trained on: first the question,
// then the whole program or text that answers it, then the programs in the question
// and the right answers and around a gap, which may stand somewhere without the
// words around them. A fact's answers are too short to be told from other text.
func (c *Case) HeldOut() []string {
	if c.Type == Fact {
		return []string{c.Prompt}
	}
	texts := []string{c.Prompt, c.Program(Bare(c.Reference))}
	programs := []string{c.Prefix, c.Suffix}
	for _, text := range append([]string{c.Prompt, c.Reference}, c.Right...) {
		programs = append(programs, strings.Join(answer.Marked(text), ""))
	}
	for _, program := range programs {
		if len(near.Of(program)) >= fewGrams {
			texts = append(texts, program)
		}
	}
	return texts
}
