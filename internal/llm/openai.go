package llm

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"golang.org/x/text/unicode/norm"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
)

// noKey is what a server without keys is sent.
const noKey = "none"

// OpenAI is a model behind an OpenAI-compatible endpoint.
type OpenAI struct {
	name, base, model, key string
	client                 openai.Client
	http                   *http.Client
	without                without
}

// NewOpenAI connects to the endpoint at baseURL (ending in /v1). key may be
// empty for a local server.
func NewOpenAI(name, baseURL, model, key string) *OpenAI {
	if key == "" {
		// The SDK would read OPENAI_API_KEY and send it to whatever
		// server the URL names.
		key = noKey
	}
	o := &OpenAI{name: name, base: strings.TrimSuffix(baseURL, "/"), model: model, key: key, http: newHTTP()}
	o.client = openai.NewClient(
		option.WithBaseURL(o.base), option.WithAPIKey(key), option.WithHTTPClient(o.http),
		option.WithMaxRetries(0), option.WithOrganization(""), option.WithProject(""),
	)
	return o
}

// Name implements [Model].
func (o *OpenAI) Name() string { return o.name }

// Ask implements [Model]. Prompts are sent in Unicode normal form C, the form
// that tokenizers were trained on; llama.cpp does not normalise.
func (o *OpenAI) Ask(ctx context.Context, r Request) (Reply, error) {
	for {
		left := o.without.names()
		reply, err := o.ask(ctx, r, left)
		var api *openai.Error
		switch {
		case err == nil:
			reply.Without = left
			return reply, nil
		case !errors.As(err, &api):
			return Reply{}, explained(ctx, err, o.key)
		case api.StatusCode == http.StatusBadRequest && o.without.learn(left, api.Param+" "+api.Message):
			continue
		}
		return Reply{}, refused(api.StatusCode, api.Message, o.key, api.Response.Header)
	}
}

func explained(ctx context.Context, err error, key string) error {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return broken(ctx, err, key)
}

func (o *OpenAI) ask(ctx context.Context, r Request, left []string) (Reply, error) {
	if r.Prompt != "" {
		return o.complete(ctx, r, left)
	}
	params := openai.ChatCompletionNewParams{Model: o.model}
	for _, m := range r.Messages {
		params.Messages = append(params.Messages, message(m))
	}
	if slices.Contains(left, "max_tokens") {
		params.MaxCompletionTokens = openai.Int(int64(r.MaxTokens))
	} else {
		params.MaxTokens = openai.Int(int64(r.MaxTokens))
	}
	if !slices.Contains(left, "temperature") {
		params.Temperature = openai.Float(r.Temperature)
	}
	if !slices.Contains(left, "seed") {
		params.Seed = openai.Int(int64(r.Seed))
	}
	if !slices.Contains(left, "stop") {
		params.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: r.Stop}
	}
	got, err := o.client.Chat.Completions.New(ctx, params)
	if err != nil {
		return Reply{}, err
	}
	if len(got.Choices) == 0 {
		return Reply{}, noChoice()
	}
	return Reply{
		Text: got.Choices[0].Message.Content, Stopped: got.Choices[0].FinishReason == "stop",
		PromptTokens: int(got.Usage.PromptTokens), Tokens: int(got.Usage.CompletionTokens),
		Model: clip(got.Model),
		//lint:ignore SA1019 other servers of this API still tell the fingerprint
		Served: served(got.Model, got.SystemFingerprint),
	}, nil
}

// complete has the prompt continued, as base models do.
func (o *OpenAI) complete(ctx context.Context, r Request, left []string) (Reply, error) {
	params := openai.CompletionNewParams{
		Model:     openai.CompletionNewParamsModel(o.model),
		Prompt:    openai.CompletionNewParamsPromptUnion{OfString: openai.String(norm.NFC.String(r.Prompt))},
		MaxTokens: openai.Int(int64(r.MaxTokens)),
	}
	if !slices.Contains(left, "temperature") {
		params.Temperature = openai.Float(r.Temperature)
	}
	if !slices.Contains(left, "seed") {
		params.Seed = openai.Int(int64(r.Seed))
	}
	if !slices.Contains(left, "stop") {
		params.Stop = openai.CompletionNewParamsStopUnion{OfStringArray: r.Stop}
	}
	got, err := o.client.Completions.New(ctx, params)
	if err != nil {
		return Reply{}, err
	}
	if len(got.Choices) == 0 {
		return Reply{}, noChoice()
	}
	return Reply{
		Text: got.Choices[0].Text, Stopped: got.Choices[0].FinishReason == "stop",
		PromptTokens: int(got.Usage.PromptTokens), Tokens: int(got.Usage.CompletionTokens),
		Model: clip(got.Model), Served: served(got.Model, got.SystemFingerprint),
	}, nil
}

func noChoice() error {
	return NewFailure(BadReply, fault.New("the endpoint answered without a choice", "check that it is an OpenAI-compatible chat endpoint"))
}

func served(model, fingerprint string) string {
	return clip(strings.TrimSpace(model + " " + fingerprint))
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
