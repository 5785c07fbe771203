// Package chat is the shape of a conversation: messages with roles, and the
// ChatML rows of a JSONL file.
//
// It must not know where rows come from or which model reads them.
package chat

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Role says who speaks.
type Role string

// The roles.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one turn.
type Message struct {
	Role    Role   `json:"role"`
	Content string `json:"content"`
}

// Row is one training conversation.
type Row struct {
	Messages []Message `json:"messages"`
}

// Text is one row of raw text for continued pretraining.
type Text struct {
	Text string `json:"text"`
}

// Template is the ChatML chat template, in Jinja, that training, merging and
// serving share: no default system prompt, so that what is sent is what the
// model was trained on.
const Template = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// Stop are the strings that end an answer: Qwen2.5's base models never
// trained <|im_end|> and end with <|endoftext|> instead.
func Stop() []string { return []string{"<|im_end|>", "<|endoftext|>"} }

// ControlToken returns the first token of the template, or end token of a model,
// that the text spells out, or "". Such a text would forge a turn.
func ControlToken(text string) string {
	for _, token := range append([]string{"<|im_start|>"}, Stop()...) {
		if strings.Contains(text, token) {
			return token
		}
	}
	return ""
}

// Validate reports what keeps the row from being trained on.
func (r Row) Validate() error {
	answers := 0
	for i, m := range r.Messages {
		switch m.Role {
		case System:
			if i != 0 {
				return fmt.Errorf("message %d: a system message must come first", i+1)
			}
		case User:
		case Assistant:
			answers++
		default:
			return fmt.Errorf("message %d: unknown role %q", i+1, m.Role)
		}
		if m.Content == "" {
			return fmt.Errorf("message %d: empty content", i+1)
		}
		if i > 0 && m.Role == r.Messages[i-1].Role {
			return fmt.Errorf("message %d: role %q twice in a row", i+1, m.Role)
		}
	}
	if answers == 0 {
		return fmt.Errorf("no assistant message")
	}
	return nil
}

// WriteJSONL writes values one a line, without escaping <, > and &: code is
// full of them, and people read these files.
func WriteJSONL[T any](w io.Writer, values []T) error {
	enc := NewEncoder(w)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

// NewEncoder returns an encoder for such lines.
func NewEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}
