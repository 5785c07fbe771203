package llm_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bbjtune/internal/chat"
	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
)

func TestReadEnv(t *testing.T) {
	text := "\ufeffA_KEY=one\r\n# B_KEY=no\nB_KEY=\"two words\"\nexport C_KEY=no\n A_KEY2=x\nD_KEY='$HOME'\nE_KEY\nF_KEY=\nother=1\nA_KEY=last\n"
	got := llm.ReadEnv([]byte(text), "A_KEY", "B_KEY", "C_KEY", "D_KEY", "E_KEY", "F_KEY", "")
	want := map[string]string{"A_KEY": "last", "B_KEY": "two words", "D_KEY": "$HOME", "F_KEY": ""}
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzReadEnv(f *testing.F) {
	f.Add("A=1\nB=2")
	f.Add("A='\"\nA=\"\nA=")
	f.Fuzz(func(t *testing.T, text string) {
		for name, value := range llm.ReadEnv([]byte(text), "A") {
			if name != "A" || strings.Contains(value, "\n") {
				t.Errorf("%q=%q", name, value)
			}
		}
	})
}

const answersFile = "\ufeff" + `{"case":"a/one","answer":"first"}
{"case":"a/one","answer":"second","tokens":7,"stopped":false,"model":"x"}

{"case":"a/two","sample":1,"answer":"later"}
{"messages":[{"role":"system","content":"s"},{"role":"user","content":" Print\r\nhello. "},{"role":"assistant","content":"by prompt"}]}
`

func TestRecorded(t *testing.T) {
	m, err := llm.NewRecorded("r", strings.NewReader(answersFile), int64(len(answersFile)))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(id string, repeat int, prompt string) string {
		r := llmtest.Ask(prompt)
		r.Case, r.Repeat = id, repeat
		got, err := m.Ask(t.Context(), r)
		if err != nil {
			return "error: " + err.Error()
		}
		return got.Text
	}
	const none = "error: the file has no answer to this case"
	for _, c := range []struct {
		id     string
		repeat int
		prompt string
		want   string
	}{
		{"a/one", 0, "", "first"}, {"a/one", 1, "", "second"}, {"a/one", 2, "", none},
		{"a/two", 0, "", none}, {"a/two", 1, "", "later"},
		{"b", 0, "Print\nhello.", "by prompt"}, {"b", 0, "other", none},
	} {
		if got := ask(c.id, c.repeat, c.prompt); got != c.want {
			t.Errorf("%s %d %q: %q, want %q", c.id, c.repeat, c.prompt, got, c.want)
		}
	}
	if got := strings.Join(m.Cases(), " "); got != "a/one a/two" {
		t.Errorf("cases %s", got)
	}
}

func TestRecordedRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "it holds no answer",
		"\n\n":                                  "it holds no answer",
		"{}":                                    "line 1: it has neither case and answer, nor messages that end with a question and its answer",
		"\n[1]":                                 "line 2: it is no JSON object with the keys of an answer",
		`{"case":"a","answer":"x","sample":-1}`: "line 1: sample is -1",
		`{"case":"a","sample":0,"answer":"x"}` + "\n" + `{"case":"a","answer":"y","sample":0}`: "line 2: sample 0 of that case is there already",
		`{"messages":[{"role":"assistant","content":"x"}]}`:                                    "line 1: it has neither case and answer, nor messages that end with a question and its answer",
		`{"case":"a","answer":"x"`: "line 1: it is no JSON object with the keys of an answer",
	} {
		if _, err := llm.NewRecorded("r", strings.NewReader(text), int64(len(text))); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzRecorded(f *testing.F) {
	f.Add(answersFile)
	f.Add(`{"case":"q","answer":"x","sample":3}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := llm.NewRecorded("r", strings.NewReader(text), int64(len(text)))
		if err != nil {
			return
		}
		for _, id := range append(m.Cases(), "q") {
			for repeat := range 3 {
				m.Ask(t.Context(), llm.Request{Case: id, Repeat: repeat, Messages: []chat.Message{{Role: chat.User, Content: "q"}}})
			}
		}
	})
}

// What an endpoint refuses is left out from then on, and told.
func TestRefusedSettingsAreLeftOut(t *testing.T) {
	refuse := func(q string, n int) llmtest.Act {
		switch n {
		case 0:
			return llmtest.Act{Status: 400, Body: `{"type":"error","error":{"type":"x","message":"` + "`temperature`" + ` is deprecated for this model."}}`}
		case 1:
			return llmtest.Act{Status: 400, Body: `{"type":"error","error":{"type":"x","message":"Unsupported parameter: 'stop'"}}`}
		}
		return llmtest.Echo(q, n)
	}
	for _, m := range []llm.Model{
		llm.NewOpenAI("m", llmtest.OpenAI(t, refuse), "m", ""),
		llm.NewAnthropic("m", llmtest.Anthropic(t, refuse), "m", llmtest.Secret),
	} {
		for range 2 {
			got, err := m.Ask(t.Context(), llmtest.Ask("q"))
			if err != nil || !strings.Contains(strings.Join(got.Without, " "), "stop temperature") {
				t.Errorf("without %v, err %v", got.Without, err)
			}
		}
	}
}

func TestDigest(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/tags" {
			w.Write([]byte(`{"models":[{"name":"other:latest","digest":"1"},{"name":"m:latest","digest":"abc"}]}`))
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer s.Close()
	for url, want := range map[string]string{s.URL + "/v1": "sha256:abc", s.URL + "/x/v1": "", s.URL: "", "http://127.0.0.1:1/v1": ""} {
		if got := llm.NewOpenAI("m", url, "m", "").Digest(t.Context()); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
