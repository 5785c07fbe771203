package llm_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
)

// Every kind of model keeps the contract; that of the training worker is held
// to it in internal/trainer.
func TestContract(t *testing.T) {
	openai := func(t *testing.T, _ []string, s llmtest.Script) llm.Model {
		return llm.NewOpenAI("m", llmtest.OpenAI(t, s), "m", llmtest.Secret)
	}
	kinds := map[string]llmtest.Kind{
		"openai": {Server: true, Counts: true, Completes: true, New: openai},
		"anthropic": {Server: true, Counts: true, New: func(t *testing.T, _ []string, s llmtest.Script) llm.Model {
			return llm.NewAnthropic("m", llmtest.Anthropic(t, s), "m", llmtest.Secret)
		}},
		"careful": {Server: true, Counts: true, Completes: true, New: func(t *testing.T, q []string, s llmtest.Script) llm.Model {
			return llm.Carefully(openai(t, q, s), llm.Care{Pause: time.Millisecond})
		}},
		"pool": {Server: true, Counts: true, Completes: true, New: func(t *testing.T, _ []string, s llmtest.Script) llm.Model {
			return opened(t, llm.PoolOptions{Limit: 99}, llmtest.NewEndpoint(t, "m", afterGreeting(s), nil), llmtest.NewEndpoint(t, "m", afterGreeting(s), nil))
		}},
		"scripted": {Counts: true, Completes: true, New: func(t *testing.T, _ []string, s llmtest.Script) llm.Model {
			return &llmtest.Model{Script: s}
		}},
		"recorded by case": {Completes: true, New: func(t *testing.T, questions []string, _ llmtest.Script) llm.Model {
			return recorded(t, questions, func(q string, a llmtest.Act) any {
				return map[string]any{"case": q, "answer": a.Text, "stopped": !a.Length}
			})
		}},
	}
	for _, p := range llm.Providers() {
		if _, ok := kinds[p.Name]; !ok && !p.Compatible() { // that form is held to it as "openai"
			t.Errorf("%s is held to no contract", p.Name)
		}
	}
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			for _, p := range llm.Providers() {
				t.Setenv(p.KeyEnv, "of somebody else")
			}
			llmtest.Contract(t, k)
		})
	}
}

func recorded(t *testing.T, questions []string, row func(string, llmtest.Act) any) llm.Model {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for _, q := range questions {
		if err := enc.Encode(row(q, llmtest.Echo(q, 0))); err != nil {
			t.Fatal(err)
		}
	}
	m, err := llm.NewRecorded("file", strings.NewReader(b.String()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
