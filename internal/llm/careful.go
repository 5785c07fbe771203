package llm

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"bbjtune/internal/fault"
)

// Clock is the time that waiting is measured in; tests have one of their own.
type Clock interface {
	Now() time.Time
	// Sleep waits for d, or returns the reason why ctx ended.
	Sleep(ctx context.Context, d time.Duration) error
}

// Care says how a model is asked that fails, limits or costs.
type Care struct {
	// Retries is how often a question is put again after 429, 5xx, a time
	// out, a broken connection or a broken reply.
	Retries int
	// Pause is the wait before the first retry; it doubles up to MaxPause.
	// What the endpoint asks for (Retry-After) is waited for in any case.
	Pause, MaxPause time.Duration
	// Timeout limits one try; 0 does not.
	Timeout time.Duration
	// PerMinute limits the requests of a minute, retries included; 0 does not.
	PerMinute int
	// Price is what tokens cost, nil nothing.
	Price *Price
	// MaxCost in US dollars ends the asking before it is exceeded; 0 does
	// not. Spent was spent before.
	MaxCost, Spent float64
	// Seed decides the jitter of the pauses.
	Seed  uint64
	Clock Clock
}

// WithDefaults fills in the pauses and the clock of the machine.
func (c Care) WithDefaults() Care {
	if c.Pause == 0 {
		c.Pause = 500 * time.Millisecond
	}
	if c.MaxPause == 0 {
		c.MaxPause = 30 * time.Second
	}
	if c.Clock == nil {
		c.Clock = wall{}
	}
	return c
}

// longestRetryAfter is how long an endpoint may ask to wait. What asks for more
// is not worth waiting for.
const longestRetryAfter = 10 * time.Minute

// stopKey is the key of a context's value.
type stopKey struct{}

// StopWaiting returns ctx with another context, stop, for the time in which
// nothing is sent: when stop ends, nobody waits for a retry, a turn or the budget
// any more, while what was sent is still answered.
func StopWaiting(ctx, stop context.Context) context.Context {
	return context.WithValue(ctx, stopKey{}, stop)
}

func waiting(ctx context.Context) context.Context {
	if stop, ok := ctx.Value(stopKey{}).(context.Context); ok {
		return stop
	}
	return ctx
}

// Careful is a model that is asked with care.
type Careful struct {
	model  Model
	care   Care
	rate   rate
	budget budget
}

// Carefully returns m, asked with care.
func Carefully(m Model, c Care) *Careful {
	c = c.WithDefaults()
	out := &Careful{model: m, care: c, budget: budget{max: c.MaxCost, spent: c.Spent}}
	if c.PerMinute > 0 {
		out.rate.every = time.Minute / time.Duration(c.PerMinute)
	}
	return out
}

// Name implements [Model].
func (c *Careful) Name() string { return c.model.Name() }

// Ask implements [Model]. The reply, or the failure, says how many tries it took
// and what they cost.
func (c *Careful) Ask(ctx context.Context, r Request) (Reply, error) {
	var cost float64
	moved := 0
	for attempt := 1; ; attempt++ {
		reply, price, err := c.try(ctx, r)
		cost += price
		if err == nil {
			reply.Attempts, reply.Cost = attempt, cost
			return reply, nil
		}
		var f *Failure
		if !errors.As(err, &f) {
			return Reply{}, err
		}
		// Others may hold the same failure: it can be why all of them stop.
		own := *f
		f = &own
		f.Attempts, f.Cost = attempt, cost
		if f.Elsewhere {
			moved++
			continue
		}
		if !f.Passing() || attempt-moved > c.care.Retries {
			return Reply{}, f
		}
		if f.RetryAfter > longestRetryAfter {
			return Reply{}, f
		}
		// Whoever else is about to ask would be sent away as well.
		c.rate.hold(c.care.Clock.Now().Add(f.RetryAfter))
		if err := c.care.Clock.Sleep(waiting(ctx), max(f.RetryAfter, c.pause(r, attempt-moved))); err != nil {
			return Reply{}, err
		}
	}
}

// try asks once, in its turn and within the budget, and returns what it cost.
func (c *Careful) try(ctx context.Context, r Request) (Reply, float64, error) {
	worst := c.care.Price.worst(r)
	if err := c.budget.reserve(waiting(ctx), worst); err != nil {
		return Reply{}, 0, err
	}
	cost := worst
	defer func() { c.budget.settle(worst, cost) }()
	if err := c.rate.wait(waiting(ctx), c.care.Clock); err != nil {
		cost = 0
		return Reply{}, 0, err
	}
	if c.care.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, c.care.Timeout)
		defer cancel()
		ctx = limited
	}
	reply, err := c.model.Ask(ctx, r)
	var f *Failure
	switch {
	case err == nil && reply.Tokens+reply.PromptTokens > 0:
		cost = c.care.Price.of(reply.PromptTokens, reply.Tokens)
	case errors.As(err, &f) && !f.paid():
		cost = 0
	}
	return reply, cost, err
}

// pause grows with every try, and differs from question to question, so that
// those that failed together do not come back together. The same question
// waits equally long in every run.
func (c *Careful) pause(r Request, attempt int) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(r.Case + "\x00" + strconv.Itoa(r.Repeat) + "\x00" + strconv.Itoa(attempt)))
	full := min(c.care.Pause<<min(attempt-1, 20), c.care.MaxPause)
	return full/2 + time.Duration(rand.New(rand.NewPCG(c.care.Seed, h.Sum64())).Int64N(int64(full/2)+1))
}

// Spent is what all questions cost so far, in US dollars.
func (c *Careful) Spent() float64 { return c.budget.total() }

// wall is the clock of the machine.
type wall struct{}

// Now implements [Clock].
func (wall) Now() time.Time { return time.Now() }

// Sleep implements [Clock].
func (wall) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// overBudget ends the asking.
func overBudget(maximum, spent, next float64) error {
	return NewFailure(OverBudget, fault.Newf("raise --max-cost and run the same command again; finished answers are kept",
		"the budget of $%.2f does not suffice: $%.4f are spent, and the next answer may cost up to $%.4f", maximum, spent, next))
}
