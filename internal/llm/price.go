package llm

// Price is what a million tokens cost, in US dollars. Nothing here knows prices:
// they change, and who asks has the list.
type Price struct {
	Prompt float64 `json:"prompt"`
	Answer float64 `json:"answer"`
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
