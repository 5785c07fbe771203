// Package llm asks a language model: one conversation in, one answer out.
// [OpenAI] speaks to any OpenAI-compatible endpoint.
//
// It must not know what is asked or how answers are judged.
package llm

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"golang.org/x/text/unicode/norm"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
)

// Request is one question.
type Request struct {
	Messages    []chat.Message
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
}

// Model answers requests. Implementations are safe for concurrent use.
type Model interface {
	// Name is what reports call the model.
	Name() string
	Ask(ctx context.Context, r Request) (Reply, error)
}

// OpenAI is a model behind an OpenAI-compatible endpoint.
type OpenAI struct {
	name, model string
	client      openai.Client
}

// Retries is how often a request is sent again after 429, 5xx or a broken
// connection, with growing pauses.
const Retries = 4

// NewOpenAI connects to the endpoint at baseURL (ending in /v1). key may be
// empty for a local server. timeout limits one request, retries apart.
func NewOpenAI(name, baseURL, model, key string, timeout time.Duration) *OpenAI {
	if key == "" {
		// The SDK would read OPENAI_API_KEY and send it to whatever
		// server the URL names.
		key = "none"
	}
	return &OpenAI{name, model, openai.NewClient(
		option.WithBaseURL(baseURL), option.WithAPIKey(key),
		option.WithMaxRetries(Retries), option.WithRequestTimeout(timeout),
		option.WithOrganization(""), option.WithProject(""),
	)}
}

// Name implements [Model].
func (o *OpenAI) Name() string { return o.name }

// Ask implements [Model]. Prompts are sent in Unicode normal form C, the form
// that tokenizers were trained on; llama.cpp does not normalise.
func (o *OpenAI) Ask(ctx context.Context, r Request) (Reply, error) {
	params := openai.ChatCompletionNewParams{
		Model:       o.model,
		MaxTokens:   openai.Int(int64(r.MaxTokens)),
		Temperature: openai.Float(r.Temperature),
		Seed:        openai.Int(int64(r.Seed)),
		Stop:        openai.ChatCompletionNewParamsStopUnion{OfStringArray: r.Stop},
	}
	for _, m := range r.Messages {
		params.Messages = append(params.Messages, message(m))
	}
	got, err := o.client.Chat.Completions.New(ctx, params)
	if err != nil {
		return Reply{}, explain(err)
	}
	if len(got.Choices) == 0 {
		return Reply{}, fault.New("the endpoint answered without a choice", "check that it is an OpenAI-compatible chat endpoint")
	}
	choice := got.Choices[0]
	return Reply{
		Text:         choice.Message.Content,
		Stopped:      choice.FinishReason == "stop",
		PromptTokens: int(got.Usage.PromptTokens),
		Tokens:       int(got.Usage.CompletionTokens),
	}, nil
}

func message(m chat.Message) openai.ChatCompletionMessageParamUnion {
	text := norm.NFC.String(m.Content)
	switch m.Role {
	case chat.System:
		return openai.SystemMessage(text)
	case chat.Assistant:
		return openai.AssistantMessage(text)
	}
	return openai.UserMessage(text)
}

// explain turns the SDK's error into one sentence without the request's body,
// which may hold private code.
func explain(err error) error {
	var api *openai.Error
	if !errors.As(err, &api) {
		return fault.Wrap(err, "check that the server runs and the URL ends in /v1")
	}
	switch api.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.Newf("set the key in the environment", "the endpoint refused the key (status %d)", api.StatusCode)
	case http.StatusNotFound:
		return fault.New("the endpoint does not know the model or the path (status 404)", "check the model's name and that the URL ends in /v1")
	case http.StatusBadRequest:
		return fault.Newf("shorten the prompt or raise the context", "the endpoint refused the request: %s", api.Message)
	}
	return fault.Newf("run the same command again; finished answers are kept", "the endpoint failed with status %d: %s", api.StatusCode, api.Message)
}
