package llm

import (
	"context"
	"sync"
	"time"
)

// rate spaces requests evenly.
type rate struct {
	every time.Duration

	mu   sync.Mutex
	next time.Time
}

// wait returns when it is the caller's turn.
func (r *rate) wait(ctx context.Context, clock Clock) error {
	r.mu.Lock()
	now := clock.Now()
	turn := r.next
	if turn.Before(now) {
		turn = now
	}
	r.next = turn.Add(r.every)
	r.mu.Unlock()
	if turn.After(now) {
		return clock.Sleep(ctx, turn.Sub(now))
	}
	return nil
}

// hold lets nobody ask before t.
func (r *rate) hold(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next.Before(t) {
		r.next = t
	}
}

// budget lets nobody ask whose answer might cost more than is left. What is
// under way counts at its highest possible price.
type budget struct {
	max float64

	mu              sync.Mutex
	spent, reserved float64
	changed         chan struct{} // closed when something was settled
}

// tiny is less than any token costs: sums of floats are not exact.
const tiny = 1e-12

func (b *budget) reserve(ctx context.Context, cost float64) error {
	for {
		b.mu.Lock()
		if b.max == 0 || b.spent+b.reserved+cost <= b.max+tiny {
			b.reserved += cost
			b.mu.Unlock()
			return nil
		}
		if b.reserved <= tiny {
			defer b.mu.Unlock()
			return overBudget(b.max, b.spent, cost)
		}
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *budget) settle(reserved, cost float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved -= reserved
	b.spent += cost
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

func (b *budget) total() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spent
}
