package eval_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bbjtune/internal/chat"
	"bbjtune/internal/eval"
	"bbjtune/internal/llm"
	"bbjtune/internal/suite"
)

// scripted answers by the question's last word and counts what it is asked.
type scripted struct {
	mu     sync.Mutex
	asked  map[string]int
	answer func(question string) (llm.Reply, error)
}

func (s *scripted) Name() string { return "scripted" }

func (s *scripted) Ask(_ context.Context, r llm.Request) (llm.Reply, error) {
	question := r.Messages[len(r.Messages)-1].Content
	s.mu.Lock()
	s.asked[question]++
	s.mu.Unlock()
	return s.answer(question)
}

func model(answer func(string) (llm.Reply, error)) *scripted {
	return &scripted{asked: map[string]int{}, answer: answer}
}

// cases makes a suite of n program cases that ask for PRINT, and one of prose.
func cases(t *testing.T, n int) *suite.Suite {
	t.Helper()
	s := &suite.Suite{}
	add := func(id, kind, check, reference, wrong string) {
		text := "---\ntitle: x\ntype: " + kind + "\ngeneration: all\ndifficulty: basic\nchecks: [" + check + "]\n---\n\n## Prompt\n\n" + id +
			"\n\n## Reference\n\n" + reference + "\n\n## Wrong\n\nfails: " + wrong + "\n"
		c, err := suite.ParseCase("strings/"+id+".md", id, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s.Cases = append(s.Cases, c)
	}
	for i := range n {
		add(fmt.Sprintf("case%d", i), "completion", "{verb: PRINT}", "```bbj\nprint 1\n```", "compile: no\n\n```bbj\n}\n```")
	}
	add("prose", "comprehension", "{prose: seven}", "It says seven.", "check 1: no\n\nIt says eight.")
	return s
}

func reply(text string) (llm.Reply, error) {
	return llm.Reply{Text: text, Stopped: true, Tokens: 10}, nil
}

func ask(t *testing.T, s *suite.Suite, m llm.Model, journal string) ([]eval.Sample, error) {
	t.Helper()
	return run(t, eval.Asking{Suite: s, Model: m, Options: eval.Options{Samples: 1, MaxTokens: 50, System: "sys"}, Concurrency: 3, Journal: journal})
}

// run asks and reads what was answered.
func run(t *testing.T, a eval.Asking) ([]eval.Sample, error) {
	t.Helper()
	if a.Progress == nil {
		a.Progress = func(int, int, int) {}
	}
	asked, err := a.Run(t.Context())
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := asked.Write(&text); err != nil {
		t.Fatal(err)
	}
	var list []eval.Sample
	for line := range bytes.Lines(text.Bytes()) {
		var s eval.Sample
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list, nil
}

func TestAskKeepsTheOrderAndAsksOnce(t *testing.T) {
	s := cases(t, 20)
	m := model(func(q string) (llm.Reply, error) { return reply("about " + q) })
	journal := filepath.Join(t.TempDir(), "j.jsonl")
	for range 2 {
		samples, err := ask(t, s, m, journal)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range s.Cases {
			if samples[i].Case != c.ID || samples[i].Text != "about "+c.Prompt {
				t.Errorf("answer %d is %+v", i, samples[i])
			}
		}
	}
	for q, n := range m.asked {
		if n != 1 {
			t.Errorf("%s was asked %d times", q, n)
		}
	}
}

func TestAskResumesAfterAFailure(t *testing.T) {
	s := cases(t, 20)
	journal := filepath.Join(t.TempDir(), "j.jsonl")
	down := errors.New("server is down")
	calls := 0
	var mu sync.Mutex
	failing := model(func(q string) (llm.Reply, error) {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls > 8 {
			return llm.Reply{}, down
		}
		return reply("first " + q)
	})
	if _, err := ask(t, s, failing, journal); !errors.Is(err, down) {
		t.Fatalf("err = %v", err)
	}
	// A crash tore the line that was being written.
	f, err := os.OpenFile(journal, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"case":"strings/ca`)
	f.Close()

	second := model(func(q string) (llm.Reply, error) { return reply("second " + q) })
	samples, err := ask(t, s, second, journal)
	if err != nil || len(samples) != 21 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	if len(second.asked) != 21-8 {
		t.Errorf("%d questions were put again, 8 were answered before", len(second.asked))
	}
}

func TestAskStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := model(func(q string) (llm.Reply, error) { cancel(); return reply(q) })
	_, err := eval.Asking{
		Suite: cases(t, 50), Model: m, Options: eval.Options{Samples: 1}, Concurrency: 2, Journal: filepath.Join(t.TempDir(), "j"), Progress: func(int, int, int) {},
	}.Run(ctx)
	if !errors.Is(err, context.Canceled) || len(m.asked) > 5 {
		t.Errorf("err %v after %d questions", err, len(m.asked))
	}
}

func TestConversationOrder(t *testing.T) {
	s := cases(t, 1)
	o := eval.Options{System: "sys", Shots: []chat.Message{{Role: chat.User, Content: "q"}, {Role: chat.Assistant, Content: "a"}}}
	got := fmt.Sprint(o.Conversation(s.Cases[0]))
	if want := "[{system sys} {user q} {assistant a} {user case0}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A case with a gap is asked with its program, and the answer is judged inside it;
// a question of fact counts for itself alone.
func TestGapsAndFacts(t *testing.T) {
	gap, err := suite.ParseCase("strings/gap.md", "gap", []byte("---\ntitle: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [{order: [{verb: FOR}, {verb: PRINT}, {verb: NEXT}]}]\n---\n\n## Prompt\n\nFill it.\n\n"+
		"## Prefix\n\n```bbj\nfor i=1 to 3\n```\n\n## Suffix\n\n```bbj\nnext i\n```\n\n## Reference\n\n```bbj\nprint i\n```\n\n## Wrong\n\nfails: check 1: no\n\n```bbj\nx=i\n```\n"))
	if err != nil {
		t.Fatal(err)
	}
	facts, err := suite.ParseFacts("strings.yaml", "facts", []byte("facts:\n- {id: a, question: 'How many?', generation: all, difficulty: basic, accept: '\\b7\\b', right: '7', wrong: '8', source: x}\n"+
		"- {id: b, question: 'And then?', generation: all, difficulty: basic, accept: '\\b8\\b', right: '8', wrong: '7', source: x}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := &suite.Suite{Cases: []*suite.Case{gap}, Facts: facts}
	var shown sync.Map
	m := model(func(q string) (llm.Reply, error) {
		shown.Store(q, true)
		if strings.Contains(q, suite.Gap) {
			return reply("```bbj\nfor i = 1 to 3\n  print i\n```")
		}
		return reply("It is 7.")
	})
	samples, err := ask(t, s, m, filepath.Join(t.TempDir(), "j"))
	if err != nil || len(samples) != 3 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	if _, ok := shown.Load(gap.Question()); !ok {
		t.Error("the program with the gap was not shown")
	}
	r, answers := scored(t, s, samples)
	if got := answers[0].Code; got != "for i=1 to 3\n  print i\nnext i" {
		t.Errorf("judged was %q", got)
	}
	if x := r.Metrics; x.Compile.K != 1 || x.Compile.N != 1 || x.Task.K != 1 || x.Task.N != 1 || x.Facts.K != 1 || x.Facts.N != 2 || x.MeanTokens != 10 {
		t.Errorf("metrics %+v", x)
	}
	for _, sl := range r.Slices {
		if sl.Metrics.Task.N != 1 || sl.Metrics.Facts.N != 0 {
			t.Errorf("slice %s %s counts facts: %+v", sl.By, sl.Value, sl.Metrics)
		}
	}
	if c := r.Cases; c[0].Prompt != gap.Question() || c[0].Fact || !c[1].Fact || c[1].Program {
		t.Errorf("cases %+v", c)
	}
	if p, err := r.Rate(eval.TaskAt1); err != nil || p.Cases != 1 {
		t.Errorf("%d cases do a task, facts do none: %v", p.Cases, err)
	}
}
