package llm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"golang.org/x/text/unicode/norm"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
)

// Anthropic is a model behind Anthropic's API.
type Anthropic struct {
	name, model, key string
	client           anthropic.Client
	without          without
}

// NewAnthropic connects to the API at baseURL. Nothing but the key that is given
// is sent: the SDK's own search for keys, profiles and headers is off, and so is
// its tracing.
func NewAnthropic(name, baseURL, model, key string) *Anthropic {
	a := &Anthropic{name: name, model: model, key: key}
	a.client = anthropic.NewClient(
		option.WithoutEnvironmentDefaults(), option.WithoutOpenTelemetry(),
		option.WithBaseURL(baseURL), option.WithAPIKey(key), option.WithHTTPClient(newHTTP()), option.WithMaxRetries(0),
	)
	return a
}

// Name implements [Model].
func (a *Anthropic) Name() string { return a.name }

// Ask implements [Model]. The API knows no seed.
func (a *Anthropic) Ask(ctx context.Context, r Request) (Reply, error) {
	if r.Prompt != "" {
		return Reply{}, NewFailure(BadRequest, fault.New("Anthropic's API takes conversations, not text to continue", "leave --prompt-form at chat"))
	}
	for {
		left := a.without.names()
		got, err := a.client.Messages.New(ctx, a.params(r, left))
		var api *anthropic.Error
		switch {
		case err == nil && got.Type != "message":
			return Reply{}, NewFailure(BadReply, fault.New("the endpoint answered with something that is no message", "check the URL"))
		case err == nil:
			reply := answerOf(got)
			reply.Without = slices.Compact(slices.Sorted(slices.Values(append(left, "seed"))))
			return reply, nil
		case !errors.As(err, &api):
			return Reply{}, explained(ctx, err, a.key)
		case api.StatusCode == http.StatusBadRequest && a.without.learn(append(left, "max_tokens", "seed"), api.RawJSON()):
			continue
		}
		return Reply{}, refused(api.StatusCode, says(api), a.key, api.Response.Header)
	}
}

// says is the message of an error without the request that caused it.
func says(api *anthropic.Error) string {
	var body struct {
		Error struct{ Message string }
	}
	if err := json.Unmarshal([]byte(api.RawJSON()), &body); err != nil {
		return "no reason given"
	}
	return body.Error.Message
}

func (a *Anthropic) params(r Request, left []string) anthropic.MessageNewParams {
	p := anthropic.MessageNewParams{Model: anthropic.Model(a.model), MaxTokens: int64(r.MaxTokens)}
	if !slices.Contains(left, "temperature") {
		p.Temperature = anthropic.Float(r.Temperature)
	}
	if !slices.Contains(left, "stop") {
		p.StopSequences = r.Stop
	}
	for _, m := range r.Messages {
		text := norm.NFC.String(m.Content)
		switch m.Role {
		case chat.System:
			p.System = append(p.System, anthropic.TextBlockParam{Text: text})
		case chat.Assistant:
			p.Messages = append(p.Messages, anthropic.NewAssistantMessage(anthropic.NewTextBlock(text)))
		default:
			p.Messages = append(p.Messages, anthropic.NewUserMessage(anthropic.NewTextBlock(text)))
		}
	}
	return p
}

func answerOf(m *anthropic.Message) Reply {
	var text strings.Builder
	for _, block := range m.Content {
		if block.Type == "text" {
			text.WriteString(block.Text)
		}
	}
	u := m.Usage
	return Reply{
		Text: text.String(), Stopped: m.StopReason == "end_turn" || m.StopReason == "stop_sequence",
		PromptTokens: int(u.InputTokens + u.CacheCreationInputTokens + u.CacheReadInputTokens), Tokens: int(u.OutputTokens),
		Model: clip(fmt.Sprint(m.Model)), Served: served(fmt.Sprint(m.Model), ""),
	}
}
