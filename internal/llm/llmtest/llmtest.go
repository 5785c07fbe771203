// Package llmtest is the contract that every kind of model keeps, and what
// tests need to hold it: a scripted model, and scripted servers that fail in
// all the ways that servers do.
//
// It must not be imported by the program.
package llmtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bbjtune/internal/chat"
	"bbjtune/internal/llm"
)

// Act is what becomes of a question.
type Act struct {
	Text   string
	Length bool // the limit of tokens ended the answer

	// One of these happens instead.
	Status   int    // with Header and Body
	Body     string // sent as it is, with status 200 where there is none
	Hang     bool   // until the client gives up
	Reset    bool   // the connection breaks before the reply
	Truncate bool   // the connection breaks in the reply

	Header map[string]string
	Delay  time.Duration
}

// Script says what becomes of a question when it is asked for the n-th time,
// from 0.
type Script func(question string, n int) Act

// Echo answers every question; LongQuestion without an end.
func Echo(question string, _ int) Act {
	return Act{Text: "answer to " + question, Length: question == LongQuestion}
}

// LongQuestion is the question whose answer does not end.
const LongQuestion = "long"

// counter numbers the times that a question was asked.
type counter struct {
	mu    sync.Mutex
	asked map[string]int
}

func (c *counter) next(question string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[string]int{}
	}
	n := c.asked[question]
	c.asked[question]++
	return n
}

// Model is the scripted model.
type Model struct {
	Script Script
	counter
}

// Name implements [llm.Model].
func (m *Model) Name() string { return "scripted" }

// Asked returns how often each question was asked.
func (m *Model) Asked() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	copied := map[string]int{}
	for q, n := range m.asked {
		copied[q] = n
	}
	return copied
}

// Count counts a question that something else has answered.
func (m *Model) Count(question string) { m.next(question) }

// Ask implements [llm.Model].
func (m *Model) Ask(ctx context.Context, r llm.Request) (llm.Reply, error) {
	q := r.Prompt
	if len(r.Messages) > 0 {
		q = r.Messages[len(r.Messages)-1].Content
	}
	a := m.Script(q, m.next(q))
	if a.Delay > 0 {
		select {
		case <-time.After(a.Delay):
		case <-ctx.Done():
		}
	}
	if a.Hang {
		<-ctx.Done()
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return llm.Reply{}, llm.NewFailure(llm.TimedOut, errors.New("no answer in time"))
	case ctx.Err() != nil:
		return llm.Reply{}, context.Cause(ctx)
	case a.Reset || a.Truncate:
		return llm.Reply{}, llm.NewFailure(llm.Broken, errors.New("the connection broke"))
	case a.Body != "":
		return llm.Reply{}, llm.NewFailure(llm.BadReply, errors.New("no reply that can be read"))
	case a.Status >= 500:
		return llm.Reply{}, llm.NewFailure(llm.ServerError, errors.New("the server failed"))
	case a.Status == http.StatusTooManyRequests:
		f := llm.NewFailure(llm.RateLimited, errors.New("too many requests"))
		if seconds, err := strconv.Atoi(a.Header["Retry-After"]); err == nil {
			f.RetryAfter = time.Duration(seconds) * time.Second
		}
		return llm.Reply{}, f
	case a.Status == http.StatusUnauthorized:
		return llm.Reply{}, llm.NewFailure(llm.KeyRefused, errors.New("the key is refused"))
	case a.Status >= 400:
		return llm.Reply{}, llm.NewFailure(llm.BadRequest, errors.New("the request is refused"))
	}
	return llm.Reply{Text: a.Text, Stopped: !a.Length, PromptTokens: 5, Tokens: 2}, nil
}

// OpenAI starts a scripted OpenAI-compatible server and returns its base URL.
func OpenAI(t testing.TB, script Script) string {
	return serve(t, script, func(a Act, path string) any { return completion(a, path, "m-1") }) + "/v1"
}

// completion is the reply of an OpenAI-compatible server whose model has a name.
func completion(a Act, path, model string) any {
	reason := "stop"
	if a.Length {
		reason = "length"
	}
	choice := map[string]any{"finish_reason": reason}
	if strings.HasSuffix(path, "/chat/completions") {
		choice["message"] = map[string]string{"role": "assistant", "content": a.Text}
	} else {
		choice["text"] = a.Text
	}
	return map[string]any{"model": model, "choices": []any{choice}, "usage": map[string]int{"prompt_tokens": 5, "completion_tokens": 2}}
}

// Anthropic starts a scripted server of Anthropic's API and returns its base URL.
func Anthropic(t testing.TB, script Script) string {
	return serve(t, script, func(a Act, _ string) any {
		reason := "end_turn"
		if a.Length {
			reason = "max_tokens"
		}
		return map[string]any{
			"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "stop_reason": reason, "stop_sequence": nil,
			"content": []any{map[string]string{"type": "text", "text": a.Text}},
			"usage":   map[string]int{"input_tokens": 5, "output_tokens": 2},
		}
	})
}

func serve(t testing.TB, script Script, reply func(Act, string) any) string {
	var asked counter
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := lastQuestion(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		perform(w, r, script(q, asked.next(q)), stop, reply)
	}))
	t.Cleanup(func() { close(stop); s.CloseClientConnections(); s.Close() })
	return s.URL
}

// perform does to a request what is to become of it.
func perform(w http.ResponseWriter, r *http.Request, a Act, stop <-chan struct{}, reply func(Act, string) any) {
	time.Sleep(a.Delay)
	for k, v := range a.Header {
		w.Header().Set(k, v)
	}
	switch {
	case a.Hang:
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	case a.Reset:
		breakOff(w, "")
	case a.Status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.Status)
		io.WriteString(w, a.Body)
	case a.Body != "":
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, a.Body)
	case a.Truncate:
		text, _ := json.Marshal(reply(a, r.URL.Path))
		breakOff(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), text[:len(text)/2]))
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(reply(a, r.URL.Path))
	}
}

// lastQuestion reads what both APIs have in common: the text of the last message,
// or the prompt.
func lastQuestion(in io.Reader) (string, error) {
	var body struct {
		Prompt   string
		Messages []struct{ Content json.RawMessage }
	}
	if err := json.NewDecoder(in).Decode(&body); err != nil {
		return "", err
	}
	if body.Prompt != "" || len(body.Messages) == 0 {
		return body.Prompt, nil
	}
	content := body.Messages[len(body.Messages)-1].Content
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text, nil
	}
	var blocks []struct{ Text string }
	if err := json.Unmarshal(content, &blocks); err != nil || len(blocks) == 0 {
		return "", fmt.Errorf("no text in %s", content)
	}
	return blocks[0].Text, nil
}

// breakOff writes raw bytes and breaks the connection.
func breakOff(w http.ResponseWriter, text string) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	out := bufio.NewWriter(buf)
	io.WriteString(out, text)
	out.Flush()
	buf.Flush()
	if tcp, ok := conn.(*net.TCPConn); ok && text == "" {
		tcp.SetLinger(0) // a reset, not an end
	}
}

// Ask makes a request of a question.
func Ask(question string) llm.Request {
	return llm.Request{Case: question, Messages: []chat.Message{{Role: chat.User, Content: question}}, MaxTokens: 9, Stop: chat.Stop()}
}
