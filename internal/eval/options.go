package eval

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"bbjtune/internal/chat"
	"bbjtune/internal/llm"
	"bbjtune/internal/suite"
)

// Options are the conditions under which a model is asked. They are part of
// an evaluation's identity.
type Options struct {
	System      string  `json:"system"`
	Samples     int     `json:"samples"`
	MaxTokens   int     `json:"max_tokens"`
	Temperature float64 `json:"temperature"`
	Seed        int     `json:"seed"`
	// Shots are examples put before the question, as turns of a
	// conversation.
	Shots []chat.Message `json:"shots,omitempty"`
	// PromptForm is how a question is put; empty means Chat.
	PromptForm PromptForm `json:"prompt_form,omitempty"`
}

// PromptForm is how a question is put to a model.
type PromptForm string

// The forms.
const (
	// Chat is a conversation, which the server renders with the model's chat
	// template.
	Chat PromptForm = "chat"
	// Completion is a text to continue, for a base model without a template:
	// examples and the question under headings, the last answer left open.
	Completion PromptForm = "completion"
)

// Form is how the questions are put.
func (o Options) Form() PromptForm { return cmp.Or(o.PromptForm, Chat) }

// The headings of a completion prompt. The first also ends an answer: a base
// model goes on with a question of its own.
const (
	questionHeading = "### Question"
	answerHeading   = "### Answer"
)

// Conversation returns what the model is shown for a case: system prompt,
// shots, question.
func (o Options) Conversation(c *suite.Case) []chat.Message {
	list := []chat.Message{{Role: chat.System, Content: o.System}}
	list = append(list, o.Shots...)
	return append(list, chat.Message{Role: chat.User, Content: c.Question()})
}

// Prompt returns the same as a text to continue.
func (o Options) Prompt(c *suite.Case) string {
	var b strings.Builder
	for _, m := range o.Conversation(c) {
		switch m.Role {
		case chat.User:
			b.WriteString(questionHeading + "\n\n")
		case chat.Assistant:
			b.WriteString(answerHeading + "\n\n")
		}
		b.WriteString(strings.TrimSpace(m.Content) + "\n\n")
	}
	return b.String() + answerHeading + "\n\n"
}

// request is the question of a case.
func (o Options) request(c *suite.Case, repeat int) llm.Request {
	r := llm.Request{Case: c.ID, Repeat: repeat, MaxTokens: o.MaxTokens, Temperature: o.Temperature, Seed: o.Seed + repeat, Stop: chat.Stop()}
	if o.PromptForm == Completion {
		r.Prompt = o.Prompt(c)
		r.Stop = append(r.Stop, "\n"+questionHeading)
		return r
	}
	r.Messages = o.Conversation(c)
	return r
}

// key hashes all that decides an answer: the model, what it is shown, how it
// answers, and which repeat it is. The name of the case is not among them.
func (o Options) key(identity string, r llm.Request) string {
	text, err := json.Marshal(struct {
		Model       string
		Messages    []chat.Message
		Prompt      string
		MaxTokens   int
		Temperature float64
		Seed        int
		Stop        []string
		Repeat      int
	}{identity, r.Messages, r.Prompt, r.MaxTokens, r.Temperature, r.Seed, r.Stop, r.Repeat})
	if err != nil {
		panic(err) // strings and numbers are always JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
