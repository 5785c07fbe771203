package llm_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
)

func ask(t *testing.T, h http.HandlerFunc) (llm.Reply, error) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	m := llm.NewOpenAI("tiny", s.URL+"/v1", "m", "", 5*time.Second)
	return m.Ask(context.Background(), llm.Request{
		Messages:  []chat.Message{{Role: chat.System, Content: "s"}, {Role: chat.User, Content: "u\u0308"}},
		MaxTokens: 7, Seed: 3, Stop: chat.Stop(),
	})
}

const good = `{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}`

func TestAskSendsEverything(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "secret-of-somebody-else")
	var body map[string]any
	reply, err := ask(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); strings.Contains(got, "secret") {
			t.Errorf("a key from the environment was sent: %s", got)
		}
		text, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(text, &body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, good)
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (llm.Reply{Text: "hi", Stopped: true, PromptTokens: 5, Tokens: 2}); reply != want {
		t.Errorf("reply %+v, want %+v", reply, want)
	}
	if body["max_tokens"] != 7.0 || body["seed"] != 3.0 || body["temperature"] != 0.0 || len(body["stop"].([]any)) != 2 {
		t.Errorf("body %v", body)
	}
	last := body["messages"].([]any)[1].(map[string]any)
	if last["role"] != "user" || last["content"] != "\u00fc" {
		t.Errorf("message %v is not in normal form C", last)
	}
}

func TestAskTriesAgainAfterServerErrors(t *testing.T) {
	var calls atomic.Int32
	reply, err := ask(t, func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 1:
			w.Header().Set("Retry-After-Ms", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.Header().Set("Retry-After-Ms", "1")
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, good)
		}
	})
	if err != nil || reply.Text != "hi" || calls.Load() != 3 {
		t.Errorf("reply %+v, err %v after %d calls", reply, err, calls.Load())
	}
}

func TestAskExplainsErrors(t *testing.T) {
	cases := []struct {
		status int
		want   string
	}{
		{401, "the endpoint refused the key (status 401)"},
		{404, "the endpoint does not know the model or the path (status 404)"},
		{400, "the endpoint refused the request: too long"},
	}
	for _, c := range cases {
		_, err := ask(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			io.WriteString(w, `{"error":{"message":"too long"}}`)
		})
		if err == nil || err.Error() != c.want || fault.Hint(err) == "" {
			t.Errorf("status %d: %v, hint %q", c.status, err, fault.Hint(err))
		}
	}
}
