package trainer

import (
	"context"
	"errors"
	"slices"
	"sync"

	"bbjtune/internal/llm"
)

// Local is a model folder, with or without an adapter, that the worker answers
// for. It implements [llm.Model].
type Local struct {
	name   string
	worker *Worker
	job    Generate
	file   string
	most   int

	turn    chan struct{} // held by whoever runs a job
	mu      sync.Mutex
	waiting []*question
}

// question waits for its answer.
type question struct {
	llm.Request
	reply llm.Reply
	err   error
	done  chan struct{}
}

// NewLocal returns the model that job names; its prompts and settings are set
// with each question. Jobs are written to file. Up to most questions that wait
// at the same time are answered together, which is faster and may change the
// last bits of a sum; with 1 the same question always has the same answer.
func NewLocal(name string, w *Worker, job Generate, file string, most int) *Local {
	job.Protocol, job.Kind = Protocol, "generate"
	return &Local{name: name, worker: w, job: job, file: file, most: most, turn: make(chan struct{}, 1)}
}

// Name implements [llm.Model].
func (l *Local) Name() string { return l.name }

// Ask implements [llm.Model]. When ctx ends while the worker answers, the worker
// is stopped.
func (l *Local) Ask(ctx context.Context, r llm.Request) (llm.Reply, error) {
	if ctx.Err() != nil {
		return llm.Reply{}, context.Cause(ctx)
	}
	q := &question{Request: r, done: make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, q)
	l.mu.Unlock()
	for {
		select {
		case <-q.done:
			return q.reply, q.err
		case <-ctx.Done():
			l.mu.Lock()
			l.waiting = slices.DeleteFunc(l.waiting, func(w *question) bool { return w == q })
			l.mu.Unlock()
			return llm.Reply{}, context.Cause(ctx)
		case l.turn <- struct{}{}:
			if batch := l.take(); len(batch) > 0 {
				l.run(ctx, batch)
			}
			<-l.turn
		}
	}
}

// take returns the questions that are answered next: those that wait and can
// share a job with the first. A drawn answer depends on its seed, and is alone.
func (l *Local) take() []*question {
	l.mu.Lock()
	defer l.mu.Unlock()
	var batch, rest []*question
	for _, q := range l.waiting {
		if len(batch) == 0 || len(batch) < l.most && together(batch[0].Request, q.Request) {
			batch = append(batch, q)
		} else {
			rest = append(rest, q)
		}
	}
	l.waiting = rest
	return batch
}

func together(a, b llm.Request) bool {
	return a.Temperature == 0 && b.Temperature == 0 && a.MaxTokens == b.MaxTokens && slices.Equal(a.Stop, b.Stop)
}

// run answers a batch.
func (l *Local) run(ctx context.Context, batch []*question) {
	job, first := l.job, batch[0]
	job.MaxTokens, job.Temperature, job.Seed, job.Stop = first.MaxTokens, first.Temperature, first.Seed, append([]string{}, first.Stop...)
	for _, q := range batch {
		p := Prompt{Messages: q.Messages}
		if q.Prompt != "" {
			p = Prompt{Prompt: &q.Prompt}
		}
		job.Prompts = append(job.Prompts, p)
		q.err = llm.NewFailure(llm.NoAnswer, errors.New("the training worker gave no answer"))
	}
	_, err := l.worker.Run(ctx, job, l.file, func(e Event) {
		if e.Event != "answer" || e.Index < 0 || e.Index >= len(batch) {
			return
		}
		q := batch[e.Index]
		q.err = nil
		if e.Error != "" {
			q.err = llm.NewFailure(llm.BadRequest, errors.New(e.Error))
			return
		}
		q.reply = llm.Reply{Text: e.Text, Stopped: e.Stopped, PromptTokens: e.PromptTokens, Tokens: e.Tokens}
	})
	for _, q := range batch {
		switch {
		case err != nil && ctx.Err() != nil:
			q.err = context.Cause(ctx)
		case err != nil:
			q.err = llm.NewFailure(llm.Unreachable, err)
		}
		close(q.done)
	}
}
