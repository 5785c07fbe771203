// Package llm asks a language model: one conversation in, one answer out.
// [OpenAI] speaks to any OpenAI-compatible endpoint, [Anthropic] to Anthropic's
// API, [Recorded] answers from a file. [Careful] makes any of them wait, try
// again and stay within a budget, [Pool] makes one model of several endpoints.
// llmtest holds the contract that all of them keep.
//
// It must not know what is asked or how answers are judged.
package llm

import (
	"context"

	"bbjtune/internal/chat"
)

// Request is one question.
type Request struct {
	// Case and Repeat name the question. Only recorded answers are looked up
	// by them; they are not sent anywhere.
	Case   string
	Repeat int

	Messages []chat.Message
	// Prompt is text to continue, for a model without a chat template. It is
	// sent instead of Messages.
	Prompt string

	MaxTokens   int
	Temperature float64
	Seed        int
	Stop        []string
}

// Reply is one answer.
type Reply struct {
	Text string
	// Stopped reports that the model ended by itself, not by MaxTokens.
	Stopped bool
	// PromptTokens and Tokens are the endpoint's counts, 0 where it gives none.
	PromptTokens, Tokens int
	// Model is the name that the endpoint says answered. Served is the same with
	// a fingerprint or digest where it tells one.
	Model, Served string
	// Endpoint is the address of the one that answered, where several may.
	Endpoint string
	// Without lists the settings that the endpoint refuses and that were
	// therefore not sent.
	Without []string
	// Attempts and Cost are what [Careful] needed: tries, and US dollars.
	Attempts int
	Cost     float64
}

// Model answers requests. Implementations are safe for concurrent use. An error
// is a [Failure], or says that ctx has ended.
type Model interface {
	// Name is what reports call the model.
	Name() string
	Ask(ctx context.Context, r Request) (Reply, error)
}
