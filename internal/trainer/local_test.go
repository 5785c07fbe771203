package trainer_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
	"bbjtune/internal/trainer"
)

// fakeAnswers plays the worker's job generate: it echoes.
func fakeAnswers(request []byte) {
	var r struct{ Job string }
	var job trainer.Generate
	text := []byte{}
	err := json.Unmarshal(request, &r)
	if err == nil {
		text, err = os.ReadFile(r.Job)
	}
	if err == nil {
		err = json.Unmarshal(text, &job)
	}
	if err != nil {
		say(`{"event":"failed","kind":"bad_input","message":"no job"}`)
		return
	}
	for i, p := range job.Prompts {
		q := ""
		if p.Prompt != nil {
			q = *p.Prompt
		} else {
			q = p.Messages[len(p.Messages)-1].Content
		}
		if strings.Contains(q, "too long") {
			say(`{"event":"answer","index":%d,"error":"the prompt has 9 tokens, the model has room for 1"}`, i)
			continue
		}
		a := llmtest.Echo(q, 0)
		answer, _ := json.Marshal(a.Text)
		say(`{"event":"answer","index":%d,"text":%s,"stopped":%t,"prompt_tokens":5,"tokens":2}`, i, answer, !a.Length)
	}
	say(`{"event":"done","result":{}}`)
}

func local(t *testing.T, part string) *trainer.Local {
	t.Helper()
	w, err := start(t, part)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return trainer.NewLocal("m", w, trainer.Generate{BaseModel: "b"}, filepath.Join(t.TempDir(), "job.json"), 4)
}

func TestLocalKeepsTheContract(t *testing.T) {
	llmtest.Contract(t, llmtest.Kind{Counts: true, Completes: true, New: func(t *testing.T, _ []string, _ llmtest.Script) llm.Model {
		return local(t, "answers")
	}})
}

func TestLocalSaysWhy(t *testing.T) {
	cause := func(m llm.Model, question string) llm.Cause {
		_, err := m.Ask(t.Context(), llmtest.Ask(question))
		var f *llm.Failure
		if !errors.As(err, &f) {
			t.Fatalf("err %v", err)
		}
		return f.Cause
	}
	m := local(t, "answers")
	if got := cause(m, "too long"); got != llm.BadRequest {
		t.Errorf("too long: %s", got)
	}
	if got, err := m.Ask(t.Context(), llmtest.Ask("next")); err != nil || got.Text != "answer to next" {
		t.Errorf("after it: %+v, %v", got, err)
	}
	if got := cause(local(t, "dies"), "x"); got != llm.Unreachable {
		t.Errorf("a worker that dies: %s", got)
	}
}
