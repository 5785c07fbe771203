package llm_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"bbjtune/internal/chat"
	"bbjtune/internal/llm"
)

func ask(t *testing.T, h http.HandlerFunc) (llm.Reply, error) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	m := llm.NewOpenAI("tiny", s.URL+"/v1", "m", "")
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
	if want := (llm.Reply{Text: "hi", Stopped: true, PromptTokens: 5, Tokens: 2}); !reflect.DeepEqual(reply, want) {
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
