// Package eval puts the cases of a suite to a model, keeps every answer in a
// journal so that nothing is asked twice, and scores the answers.
//
// It must not know how a model is served or how a report looks.
package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"bbjtune/internal/chat"
	"bbjtune/internal/llm"
	"bbjtune/internal/runs"
	"bbjtune/internal/suite"
)

// Options are the conditions under which a model is asked. They are part of
// an evaluation's identity.
type Options struct {
	System      string  `json:"system"`
	Samples     int     `json:"samples"`
	MaxTokens   int     `json:"max_tokens"`
	Temperature float64 `json:"temperature"`
	Seed        int     `json:"seed"`
	// Shots are examples put before the question, as turns of a
	// conversation.
	Shots []chat.Message `json:"shots,omitempty"`
}

// Sample is one answer, as the journal keeps it.
type Sample struct {
	Case         string `json:"case"`
	Repeat       int    `json:"repeat"`
	Text         string `json:"text"`
	Stopped      bool   `json:"stopped"`
	PromptTokens int    `json:"prompt_tokens"`
	Tokens       int    `json:"tokens"`
}

// Progress hears of every answer.
type Progress func(done, total, tokens int)

// Ask puts every case and fact to the model Samples times, at most concurrency at once,
// and returns the answers in the order of the suite. Answers already in the
// journal are not asked for again. After the first error no further question
// is put; what was answered stays in the journal.
func Ask(ctx context.Context, s *suite.Suite, m llm.Model, o Options, concurrency int, journal string, progress Progress) ([]Sample, error) {
	a := &asker{model: m, options: o, progress: progress, have: map[key]Sample{}}
	j, err := runs.OpenJournal(journal, a.replay)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	a.journal = j
	a.total = len(s.Questions()) * o.Samples
	if err := a.askAll(ctx, s, concurrency); err != nil {
		return nil, err
	}
	return a.inOrder(s), nil
}

type key struct {
	id     string
	repeat int
}

type asker struct {
	model    llm.Model
	options  Options
	progress Progress
	journal  *runs.Journal
	total    int

	mu     sync.Mutex
	have   map[key]Sample
	tokens int
}

func (a *asker) replay(line []byte) error {
	var s Sample
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	a.have[key{s.Case, s.Repeat}] = s
	return nil
}

func (a *asker) askAll(ctx context.Context, s *suite.Suite, concurrency int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan task)
	var workers sync.WaitGroup
	for range max(1, concurrency) {
		workers.Go(func() {
			for t := range work {
				if err := a.ask(ctx, t); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	a.progress(len(a.have), a.total, 0)
	a.feed(ctx, s, work)
	close(work)
	workers.Wait()
	return context.Cause(ctx)
}

type task struct {
	c      *suite.Case
	repeat int
}

// feed hands out what is not in the journal yet.
func (a *asker) feed(ctx context.Context, s *suite.Suite, work chan<- task) {
	for repeat := range a.options.Samples {
		for _, c := range s.Questions() {
			a.mu.Lock()
			_, done := a.have[key{c.ID, repeat}]
			a.mu.Unlock()
			if done {
				continue
			}
			select {
			case work <- task{c, repeat}:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (a *asker) ask(ctx context.Context, t task) error {
	reply, err := a.model.Ask(ctx, llm.Request{
		Messages: a.options.Conversation(t.c), MaxTokens: a.options.MaxTokens,
		Temperature: a.options.Temperature, Seed: a.options.Seed + t.repeat, Stop: chat.Stop(),
	})
	if err != nil {
		return fmt.Errorf("case %s: %w", t.c.ID, err)
	}
	sample := Sample{t.c.ID, t.repeat, reply.Text, reply.Stopped, reply.PromptTokens, reply.Tokens}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.journal.Append(sample); err != nil {
		return err
	}
	a.have[key{t.c.ID, t.repeat}] = sample
	a.tokens += reply.Tokens
	a.progress(len(a.have), a.total, a.tokens)
	return nil
}

// Conversation returns what the model is shown for a case: system prompt,
// shots, question.
func (o Options) Conversation(c *suite.Case) []chat.Message {
	list := []chat.Message{{Role: chat.System, Content: o.System}}
	list = append(list, o.Shots...)
	return append(list, chat.Message{Role: chat.User, Content: c.Question()})
}

func (a *asker) inOrder(s *suite.Suite) []Sample {
	list := make([]Sample, 0, a.total)
	for _, c := range s.Questions() {
		for repeat := range a.options.Samples {
			list = append(list, a.have[key{c.ID, repeat}])
		}
	}
	return list
}
