package parity

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/text/unicode/norm"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
)

// Server is a llama.cpp server. Besides the OpenAI-compatible API that answers come
// from, it has one that shows how a conversation becomes tokens.
type Server struct {
	root, model string
	http        *http.Client
}

// NewServer returns the server whose OpenAI-compatible API is at url, ending in
// /v1.
func NewServer(url, model string) *Server {
	return &Server{strings.TrimSuffix(strings.TrimSuffix(url, "/"), "/v1"), model, &http.Client{Transport: &http.Transport{}}}
}

// choice is a token with its likelihood.
type choice struct {
	ID      *int    `json:"id"`
	LogProb float64 `json:"logprob"`
}

// Trace has the server answer a conversation, always with the likeliest token.
func (s *Server) Trace(ctx context.Context, messages []chat.Message, maxTokens int) (Trace, error) {
	messages = Normal(messages)
	var t Trace
	var rendered struct{ Prompt string }
	if err := s.post(ctx, "/apply-template", map[string]any{"messages": messages}, &rendered); err != nil {
		return t, err
	}
	var tokens struct{ Tokens []int }
	if err := s.post(ctx, "/tokenize", map[string]any{"content": rendered.Prompt, "add_special": true, "parse_special": true}, &tokens); err != nil {
		return t, err
	}
	t.Rendered, t.Prompt = rendered.Prompt, tokens.Tokens
	return t, s.answer(ctx, messages, maxTokens, &t)
}

// answer asks as any client would. What was computed for another prompt is not
// reused: it was computed in other batches, and rounds otherwise.
func (s *Server) answer(ctx context.Context, messages []chat.Message, maxTokens int, t *Trace) error {
	var got struct {
		Choices []struct {
			FinishReason string `json:"finish_reason"`
			Message      struct{ Content string }
			Logprobs     struct {
				Content []struct {
					choice
					Top []choice `json:"top_logprobs"`
				}
			}
		}
		Usage struct {
			PromptTokens int `json:"prompt_tokens"`
		}
	}
	err := s.post(ctx, "/v1/chat/completions", map[string]any{
		"model": s.model, "messages": messages, "max_tokens": maxTokens, "temperature": 0, "stop": chat.Stop(),
		"logprobs": true, "top_logprobs": 2, "cache_prompt": false,
	}, &got)
	if err != nil {
		return err
	}
	if len(got.Choices) == 0 {
		return fmt.Errorf("the model server answered without a choice")
	}
	c := got.Choices[0]
	t.Sent, t.Text, t.Stopped = got.Usage.PromptTokens, c.Message.Content, c.FinishReason == "stop"
	for _, token := range c.Logprobs.Content {
		if token.ID == nil {
			return fault.New("the model server does not say which tokens it answered with", "verify asks for what llama.cpp's server of 2025 and later tells")
		}
		t.Answer = append(t.Answer, *token.ID)
		t.Margins = append(t.Margins, margin(token.Top))
	}
	if len(t.Answer) == 0 && t.Text != "" {
		return fault.New("the model server does not say which tokens it answered with", "verify asks for what llama.cpp's server of 2025 and later tells")
	}
	return nil
}

// margin is how far the likeliest token is before the second.
func margin(top []choice) float64 {
	if len(top) < 2 {
		return 0
	}
	return top[0].LogProb - top[1].LogProb
}

// Word returns the text of a token.
func (s *Server) Word(ctx context.Context, token int) (string, error) {
	var got struct{ Content string }
	err := s.post(ctx, "/detokenize", map[string]any{"tokens": []int{token}}, &got)
	return got.Content, err
}

// maxReply bounds what is read of an answer.
const maxReply = 64 << 20

func (s *Server) post(ctx context.Context, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.root+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return refused(path, resp.StatusCode, reply)
	}
	if err := json.Unmarshal(reply, into); err != nil {
		return fmt.Errorf("the model server's answer to %s: %w", path, err)
	}
	return nil
}

func refused(path string, status int, reply []byte) error {
	var e struct{ Error struct{ Message string } }
	_ = json.Unmarshal(reply, &e) // what is no JSON says nothing
	hint := "its log says more"
	if status == http.StatusNotFound {
		hint = "verify needs llama.cpp's own server"
	}
	return fault.Newf(hint, "the model server refuses %s: %s", path, cmp.Or(e.Error.Message, http.StatusText(status)))
}

// Normal returns the messages in Unicode normal form C, which tokenizers were
// trained on and llama.cpp does not make.
func Normal(messages []chat.Message) []chat.Message {
	list := make([]chat.Message, len(messages))
	for i, m := range messages {
		list[i] = chat.Message{Role: m.Role, Content: norm.NFC.String(m.Content)}
	}
	return list
}
