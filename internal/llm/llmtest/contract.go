package llmtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
)

// Kind is a kind of model under the contract.
type Kind struct {
	// New makes a model that answers the questions as [Echo] does, or as the
	// script where the kind has a server.
	New func(t *testing.T, questions []string, script Script) llm.Model
	// Server says that it talks to a server, which may fail.
	Server bool
	// Counts says that it tells numbers of tokens.
	Counts bool
	// Completes says that it continues text.
	Completes bool
}

// Secret is the key that a model with a server is to be made with.
const Secret = "sk-secret-of-the-test"

// Contract holds a kind to what all models promise.
func Contract(t *testing.T, k Kind) {
	t.Run("answers", k.answers)
	t.Run("tells a cut answer", k.cut)
	t.Run("many at once", k.concurrent)
	t.Run("ends with its context", k.cancelled)
	if k.Completes {
		t.Run("continues text", k.completes)
	}
	if k.Server {
		t.Run("names the cause", k.causes)
		t.Run("sends normal form C", k.normal)
	}
}

func (k Kind) answers(t *testing.T) {
	m := k.New(t, []string{"what?"}, Echo)
	if m.Name() == "" {
		t.Error("it has no name")
	}
	got, err := m.Ask(t.Context(), Ask("what?"))
	if err != nil || got.Text != "answer to what?" || !got.Stopped {
		t.Errorf("reply %+v, err %v", got, err)
	}
	if k.Counts && (got.PromptTokens != 5 || got.Tokens != 2) {
		t.Errorf("tokens %d and %d, want 5 and 2", got.PromptTokens, got.Tokens)
	}
}

func (k Kind) cut(t *testing.T) {
	got, err := k.New(t, []string{LongQuestion}, Echo).Ask(t.Context(), Ask(LongQuestion))
	if err != nil || got.Stopped {
		t.Errorf("reply %+v, err %v", got, err)
	}
}

func (k Kind) concurrent(t *testing.T) {
	var questions []string
	for i := range 24 {
		questions = append(questions, fmt.Sprintf("question %d", i))
	}
	m := k.New(t, questions, Echo)
	var all sync.WaitGroup
	for _, q := range questions {
		all.Go(func() {
			if got, err := m.Ask(t.Context(), Ask(q)); err != nil || got.Text != "answer to "+q {
				t.Errorf("%s: reply %+v, err %v", q, got, err)
			}
		})
	}
	all.Wait()
}

func (k Kind) cancelled(t *testing.T) {
	m := k.New(t, []string{"what?"}, func(string, int) Act { return Act{Hang: true} })
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	if _, err := m.Ask(ctx, Ask("what?")); !errors.Is(err, reason) {
		t.Errorf("err %v, want the reason of the context", err)
	}
	if !k.Server {
		return
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	defer time.AfterFunc(50*time.Millisecond, func() { cancel(reason) }).Stop()
	if _, err := m.Ask(ctx, Ask("what?")); !errors.Is(err, reason) {
		t.Errorf("in the middle: err %v, want the reason of the context", err)
	}
}

func (k Kind) completes(t *testing.T) {
	m := k.New(t, []string{"once upon"}, Echo)
	got, err := m.Ask(t.Context(), llm.Request{Case: "once upon", Prompt: "once upon", MaxTokens: 9})
	if err != nil || got.Text != "answer to once upon" {
		t.Errorf("reply %+v, err %v", got, err)
	}
}

// Every way in which a server fails has its cause and a hint, and no error holds
// the key, even when the server repeats it.
func (k Kind) causes(t *testing.T) {
	echo := `{"type":"error","error":{"type":"x","message":"no: ` + Secret + `"}}`
	cases := []struct {
		name  string
		act   Act
		cause llm.Cause
	}{
		{"too many", Act{Status: 429, Body: echo, Header: map[string]string{"Retry-After": "7"}}, llm.RateLimited},
		{"500", Act{Status: 500, Body: echo}, llm.ServerError},
		{"502 in HTML", Act{Status: 502, Body: "<html>bad gateway</html>"}, llm.ServerError},
		{"529", Act{Status: 529, Body: echo}, llm.ServerError},
		{"401", Act{Status: 401, Body: echo}, llm.KeyRefused},
		{"403", Act{Status: 403, Body: echo}, llm.KeyRefused},
		{"404", Act{Status: 404, Body: echo}, llm.NotFound},
		{"400", Act{Status: 400, Body: echo}, llm.BadRequest},
		{"redirect", Act{Status: 302, Body: echo, Header: map[string]string{"Location": "/elsewhere"}}, llm.BadReply},
		{"reset", Act{Reset: true}, llm.Broken},
		{"truncated", Act{Truncate: true, Text: strings.Repeat("x", 500)}, llm.Broken},
		{"half JSON", Act{Body: `{"choices":[{"mess`}, llm.BadReply},
		{"HTML", Act{Body: "<html>welcome</html>"}, llm.BadReply},
		{"empty object", Act{Body: "{}"}, llm.BadReply},
		{"a list", Act{Body: "[1,2]"}, llm.BadReply},
		{"hanging", Act{Hang: true}, llm.TimedOut},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if c.act.Hang {
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			}
			defer cancel()
			reply, err := k.New(t, nil, func(string, int) Act { return c.act }).Ask(ctx, Ask("what?"))
			var f *llm.Failure
			if !errors.As(err, &f) || f.Cause != c.cause {
				t.Fatalf("reply %+v, err %v (%+v), want cause %s", reply, err, f, c.cause)
			}
			if fault.Hint(err) == "" {
				t.Errorf("no hint: %v", err)
			}
			if strings.Contains(err.Error()+fault.Hint(err), Secret) {
				t.Errorf("the key is in the error: %v", err)
			}
			if c.act.Status == 429 && f.RetryAfter != 7*time.Second {
				t.Errorf("retry after %v, want 7s", f.RetryAfter)
			}
		})
	}
}

func (k Kind) normal(t *testing.T) {
	got, err := k.New(t, nil, Echo).Ask(t.Context(), Ask("u\u0308"))
	if err != nil || got.Text != "answer to \u00fc" {
		t.Errorf("reply %+q, err %v", got.Text, err)
	}
}
