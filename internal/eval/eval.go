// Package eval puts the cases of a suite to a model, keeps every answer in a
// journal so that nothing is asked twice, and scores the answers.
//
// It must not know how a model is served or how a report looks.
package eval

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
	"bbjtune/internal/runs"
	"bbjtune/internal/suite"
)

// Sample is one answer, or the reason why there is none.
type Sample struct {
	Case         string `json:"case"`
	Repeat       int    `json:"repeat"`
	Text         string `json:"text"`
	Stopped      bool   `json:"stopped"`
	PromptTokens int    `json:"prompt_tokens"`
	Tokens       int    `json:"tokens"`
	// Error says why there is no answer, after all tries.
	Error *Unanswered `json:"error,omitempty"`
	// Attempts is how many tries it took, Cost what they cost in US dollars.
	// An answer that another run has paid for costs nothing.
	Attempts int     `json:"attempts,omitempty"`
	Cost     float64 `json:"cost,omitempty"`
	// Served is what the endpoint says answered; Without are the settings that
	// it refuses.
	Served  string   `json:"served,omitempty"`
	Without []string `json:"without,omitempty"`
	// Endpoint is the address that answered, where several were asked.
	Endpoint string `json:"endpoint,omitempty"`
}

// Unanswered is why a question has no answer.
type Unanswered struct {
	Cause   llm.Cause `json:"cause"`
	Message string    `json:"message"`
}

// Progress hears of every answer, of the failed ones among them, and of all
// tokens generated so far.
type Progress func(done, total, tokens int)

// Asking is a suite to be put to a model.
type Asking struct {
	Suite *suite.Suite
	Model llm.Model
	// Identity says which model it is. An answer of another run is taken when
	// identity, question, options and repeat are the same.
	Identity    string
	Options     Options
	Concurrency int
	// Journal is the file that keeps the answers, Earlier are those of other
	// runs, the newest first.
	Journal string
	Earlier []string
	// RetryErrors asks again what an interrupted run failed to get.
	RetryErrors bool
	// Grace is how long questions under way may still be answered when ctx
	// ends: they are paid for.
	Grace    time.Duration
	Progress Progress
}

// Asked is what came of it. The answers themselves are in the journal.
type Asked struct {
	// Total counts the questions, Found those that another run had answers to,
	// Failed those without an answer.
	Total, Found, Failed int

	asking Asking
}

// Run puts every case and fact to the model Options.Samples times, at most Concurrency at
// once. What the journal holds, or another run's, is not asked again. A question
// that fails is kept as failed; when no other would fare better, or ctx ends, no
// further one is put, what is under way gets its Grace, and what was answered
// stays in the journal.
func (a Asking) Run(ctx context.Context) (*Asked, error) {
	r := &asker{Asking: a, have: map[key]bool{}, total: len(a.Suite.Questions()) * a.Options.Samples}
	j, err := runs.OpenJournal(a.Journal, r.replay)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	r.journal = j
	r.forget()
	found, err := r.takeEarlier()
	if err != nil {
		return nil, err
	}
	if err := r.askAll(ctx); err != nil {
		return nil, err
	}
	out := &Asked{Total: r.total, Found: found, asking: a}
	for _, failed := range r.have {
		if failed {
			out.Failed++
		}
	}
	if out.Failed == out.Total {
		return nil, fault.Wrap(fmt.Errorf("no question was answered: %s", r.lastFailure), "see to the cause and run the same command again")
	}
	return out, nil
}

// key names a sample.
type key struct {
	id     string
	repeat int
}

// entry is a line of the journal.
type entry struct {
	// Key is the hash of all that decides the answer.
	Key string `json:"key"`
	Sample
}

type asker struct {
	Asking
	journal *runs.Journal
	total   int

	have        map[key]bool // true for those that failed
	tokens      int
	lastFailure string
}

// forget drops the failures of an interrupted run that are to be asked again:
// when it is wished, and when nothing but failures is there.
func (r *asker) forget() {
	all := true
	for _, failed := range r.have {
		all = all && failed
	}
	if !r.RetryErrors && !all {
		return
	}
	for k, failed := range r.have {
		if failed {
			delete(r.have, k)
		}
	}
}

type task struct {
	c      *suite.Case
	repeat int
}

// askAll runs the workers and the one writer of the journal.
func (r *asker) askAll(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Questions under way outlive the end of ctx by their grace.
	asking, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(r.Grace, func() { cut(context.Cause(ctx)) })
	})()
	asking = llm.StopWaiting(asking, ctx)

	work, answers := make(chan task), make(chan entry, 4*r.Concurrency)
	var workers, writer sync.WaitGroup
	writer.Go(func() {
		if err := r.write(answers); err != nil {
			stop(err)
			cut(err)
			for range answers { // so that no worker waits for it
			}
		}
	})
	todo := r.todo()
	for range r.Concurrency {
		workers.Go(func() {
			for t := range work {
				if err := r.ask(asking, t, answers); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	feed(ctx, todo, work)
	close(work)
	workers.Wait()
	close(answers)
	writer.Wait()
	return context.Cause(ctx)
}

// todo lists what is not in the journal yet.
func (r *asker) todo() []task {
	var list []task
	for repeat := range r.Options.Samples {
		for _, c := range r.Suite.Questions() {
			if _, done := r.have[key{c.ID, repeat}]; !done {
				list = append(list, task{c, repeat})
			}
		}
	}
	return list
}

func feed(ctx context.Context, list []task, work chan<- task) {
	for _, t := range list {
		select {
		case work <- t:
		case <-ctx.Done():
			return
		}
	}
}

// ask gets one answer. An error says that asking on is useless.
func (r *asker) ask(ctx context.Context, t task, answers chan<- entry) error {
	q := r.Options.request(t.c, t.repeat)
	reply, err := r.Model.Ask(ctx, q)
	s := Sample{
		Case: t.c.ID, Repeat: t.repeat, Text: reply.Text, Stopped: reply.Stopped, PromptTokens: reply.PromptTokens, Tokens: reply.Tokens,
		Attempts: reply.Attempts, Cost: reply.Cost, Served: reply.Served, Without: reply.Without, Endpoint: reply.Endpoint,
	}
	if err != nil {
		var f *llm.Failure
		if !errors.As(err, &f) || f.Final() {
			return fmt.Errorf("case %s: %w", t.c.ID, err)
		}
		s.Error, s.Attempts, s.Cost = &Unanswered{f.Cause, f.Error()}, f.Attempts, f.Cost
	}
	answers <- entry{r.Options.key(r.Identity, q), s}
	return nil
}

// flushEvery is how long an answer may wait for the disk. It is written at once, so
// that the end of the process loses none; this is what a power cut may lose. A
// flush for each answer would slow down the asking itself.
const flushEvery = 100 * time.Millisecond

// write keeps the answers.
func (r *asker) write(answers <-chan entry) error {
	r.Progress(len(r.have), r.total, 0)
	var flush <-chan time.Time
	for {
		select {
		case first, ok := <-answers:
			if !ok {
				return r.journal.Sync()
			}
			if err := r.keep(first, answers); err != nil {
				return err
			}
			if flush == nil {
				flush = time.After(flushEvery)
			}
		case <-flush:
			flush = nil
			if err := r.journal.Sync(); err != nil {
				return err
			}
		}
	}
}

// keep writes an answer and those that came with it.
func (r *asker) keep(first entry, answers <-chan entry) error {
	batch := []entry{first}
	for more := true; more && len(batch) < cap(answers); {
		select {
		case e, ok := <-answers:
			if more = ok; ok {
				batch = append(batch, e)
			}
		default:
			more = false
		}
	}
	lines := make([]any, len(batch))
	for i, e := range batch {
		lines[i] = e
	}
	if err := r.journal.Write(lines...); err != nil {
		return err
	}
	for _, e := range batch {
		r.count(e.Sample)
	}
	r.Progress(len(r.have), r.total, r.tokens)
	return nil
}

func (r *asker) count(s Sample) {
	r.have[key{s.Case, s.Repeat}] = s.Error != nil
	if s.Error != nil {
		r.lastFailure = s.Error.Message
		return
	}
	r.tokens += s.Tokens
}
