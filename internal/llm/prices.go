package llm

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

// Price is what a million tokens cost, in US dollars.
type Price struct {
	Prompt float64 `json:"prompt"`
	Answer float64 `json:"answer"`
	// From says where the price was read and when.
	From string `json:"from"`
}

//go:embed prices.tsv
var prices string

// dated is the date that names of models may end with.
var dated = regexp.MustCompile(`-\d{4}-?\d{2}-?\d{2}$`)

// PriceOf looks a model up in the table of prices that comes with the program.
// Prices change: what the caller knows better it should use.
func PriceOf(model string) (Price, bool) {
	name := dated.ReplaceAllString(model, "")
	for line := range strings.Lines(prices) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 5 || f[0] != name {
			continue
		}
		p := Price{From: f[4] + ", " + f[3]}
		if _, err := fmt.Sscan(f[1]+" "+f[2], &p.Prompt, &p.Answer); err != nil {
			return Price{}, false
		}
		return p, true
	}
	return Price{}, false
}

const million = 1e6

func (p *Price) of(prompt, answer int) float64 {
	if p == nil {
		return 0
	}
	return (float64(prompt)*p.Prompt + float64(answer)*p.Answer) / million
}

// roleTokens is more than a message takes beside its text.
const roleTokens = 16

// worst is the most that a question can cost: no tokenizer makes more tokens
// than there are bytes.
func (p *Price) worst(r Request) float64 {
	n := len(r.Prompt) + roleTokens
	for _, m := range r.Messages {
		n += len(m.Content) + roleTokens
	}
	return p.of(n, r.MaxTokens)
}
