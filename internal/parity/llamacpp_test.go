package parity_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/parity"
)

// llama answers as llama.cpp's server does; what is in spoil it answers otherwise.
func llama(t *testing.T, spoil map[string]string) (*parity.Server, *[]string) {
	t.Helper()
	var bodies []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		text, _ := json.Marshal(body)
		bodies = append(bodies, r.URL.Path+" "+string(text))
		if answer, ok := spoil[r.URL.Path]; ok {
			fmt.Fprint(w, answer)
			return
		}
		switch r.URL.Path {
		case "/apply-template":
			fmt.Fprint(w, `{"prompt":"<|im_start|>…"}`)
		case "/tokenize":
			fmt.Fprint(w, `{"tokens":[1,2,3]}`)
		case "/v1/chat/completions":
			fmt.Fprint(w, `{"choices":[{"finish_reason":"stop","message":{"content":"A"},"logprobs":{"content":[
				{"id":7,"token":"A","logprob":-0.1,"top_logprobs":[{"id":7,"logprob":-0.1},{"id":8,"logprob":-2.6}]},
				{"id":2,"token":"","logprob":0,"top_logprobs":[{"id":2,"logprob":0}]}]}}],"usage":{"prompt_tokens":3}}`)
		case "/detokenize":
			fmt.Fprint(w, `{"content":"A"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":{"message":"File Not Found"}}`)
		}
	}))
	t.Cleanup(s.Close)
	return parity.NewServer(s.URL+"/v1", "m"), &bodies
}

func TestTrace(t *testing.T) {
	s, bodies := llama(t, nil)
	// An e with an accent of its own: what is sent is in normal form C.
	got, err := s.Trace(t.Context(), []chat.Message{{Role: chat.User, Content: "cafe\u0301"}}, 9)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Prompt, []int{1, 2, 3}) || got.Sent != 3 || !slices.Equal(got.Answer, []int{7, 2}) || !slices.Equal(got.Margins, []float64{2.5, 0}) ||
		got.Text != "A" || !got.Stopped || got.Rendered != "<|im_start|>…" {
		t.Errorf("%+v", got)
	}
	want := []string{
		`/apply-template {"messages":[{"content":"café","role":"user"}]}`,
		`/tokenize {"add_special":true,"content":"\u003c|im_start|\u003e…","parse_special":true}`,
		`/v1/chat/completions {"cache_prompt":false,"logprobs":true,"max_tokens":9,"messages":[{"content":"café","role":"user"}],"model":"m","stop":["\u003c|im_end|\u003e","\u003c|endoftext|\u003e"],"temperature":0,"top_logprobs":2}`,
	}
	if !slices.Equal(*bodies, want) {
		t.Errorf("got  %q\nwant %q", *bodies, want)
	}
	if word, err := s.Word(t.Context(), 7); word != "A" || err != nil {
		t.Errorf("%q, %v", word, err)
	}
}

func TestTraceFailures(t *testing.T) {
	for answer, want := range map[string]string{
		`{"choices":[]}`: "answered without a choice",
		`{"choices":[{"message":{"content":"A"}}]}`:                                         "does not say which tokens",
		`{"choices":[{"message":{"content":"A"},"logprobs":{"content":[{"logprob":-1}]}}]}`: "does not say which tokens",
		`no JSON`: "the model server's answer to /v1/chat/completions: invalid",
	} {
		s, _ := llama(t, map[string]string{"/v1/chat/completions": answer})
		if _, err := s.Trace(t.Context(), []chat.Message{{Role: chat.User, Content: "x"}}, 9); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", answer, err)
		}
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	_, err := parity.NewServer(other.URL+"/v1", "m").Trace(t.Context(), nil, 9)
	if err == nil || !strings.Contains(err.Error(), "refuses /apply-template: Not Found") || !strings.Contains(fault.Hint(err), "llama.cpp") {
		t.Errorf("%v, hint %q", err, fault.Hint(err))
	}
}

// Whatever a server answers, the tokens and their margins are as many.
func FuzzTrace(f *testing.F) {
	f.Add(`{"choices":[{"finish_reason":"stop","message":{"content":"A"},"logprobs":{"content":[{"id":7,"logprob":-0.1,"top_logprobs":[{"logprob":1}]}]}}]}`)
	f.Add(`{"choices":[{"logprobs":null}],"usage":null}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, answer string) {
		s, _ := llama(t, map[string]string{"/v1/chat/completions": answer})
		got, err := s.Trace(t.Context(), nil, 9)
		if err == nil && len(got.Answer) != len(got.Margins) {
			t.Errorf("%+v", got)
		}
		parity.Compare("x", got, trace(1, true, 5))
	})
}
