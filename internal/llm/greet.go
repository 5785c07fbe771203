package llm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bbjtune/internal/fault"
)

// Open greets every endpoint and returns when it is known who takes part: when all
// have answered or failed, or one has answered and the others have had enough time.
// It is an error that none answers, and that two answer under different names.
func (p *Pool) Open(ctx context.Context) error {
	type greeted struct {
		m     *member
		reply Reply
		err   error
	}
	came := make(chan greeted, len(p.members))
	for _, m := range p.members {
		p.greets.Go(func() {
			reply, err := p.greet(m)
			came <- greeted{m, reply, err}
		})
	}
	var late <-chan time.Time
	named := map[*member]string{}
	for waitingFor := len(p.members); waitingFor > 0; {
		select {
		case g := <-came:
			waitingFor--
			if g.err != nil {
				g.m.out = g.err
				continue
			}
			named[g.m] = g.reply.Model
			if late == nil {
				late = time.After(p.o.Patience)
			}
		case <-late:
			waitingFor = 0
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return p.begin(named)
}

// begin lets those take part that have answered, and goes on greeting the others.
func (p *Pool) begin(named map[*member]string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(named) == 0 {
		return p.noneLeft()
	}
	var first *member
	for _, m := range p.members {
		name, ok := named[m]
		switch {
		case !ok || name == "":
			continue
		case first == nil:
			first, p.model = m, name
		case name != p.model:
			return fault.Newf("serve the same model everywhere, or name only those that do", "the endpoints do not serve the same model: %s answers as %s, %s as %s", first, p.model, m, name)
		}
	}
	for m := range named {
		p.admit(m)
	}
	for _, m := range p.members {
		if m.out != nil {
			p.without(m, m.out)
		}
	}
	return nil
}

// greet asks one endpoint the greeting.
func (p *Pool) greet(m *member) (Reply, error) {
	ctx := p.ctx
	if p.o.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, p.o.Timeout)
		defer cancel()
		ctx = limited
	}
	reply, err := m.Model.Ask(ctx, p.o.Greeting)
	var f *Failure
	if errors.As(err, &f) && (f.Cause == BadRequest || f.Cause == RateLimited && f.RetryAfter <= longestRetryAfter) {
		err = nil // it is there, and knows what it does not want
	}
	if other := p.otherModel(reply); err == nil && other != nil {
		err = other
	}
	return reply, err
}

// readmit greets an endpoint that is left out until it answers. The pauses grow,
// also from one time to the next.
func (p *Pool) readmit(m *member) {
	for {
		p.mu.Lock()
		pause := m.pause
		m.pause = min(2*m.pause, p.o.MaxPause)
		p.mu.Unlock()
		if p.o.Clock.Sleep(p.ctx, pause) != nil {
			return
		}
		_, err := p.greet(m)
		if p.ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		if err == nil {
			p.admit(m)
			p.o.Notice(fmt.Sprintf("%s answers again", m))
			p.mu.Unlock()
			return
		}
		m.out = err
		p.mu.Unlock()
	}
}

// admit lets an endpoint take part.
func (p *Pool) admit(m *member) {
	m.out, m.steady = nil, 0
	clear(m.strikes)
	m.ctx, m.cut = context.WithCancel(p.ctx)
	p.wake()
}
