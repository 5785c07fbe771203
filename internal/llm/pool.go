package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bbjtune/internal/fault"
)

// Endpoint is one of several places that answer for the same model.
type Endpoint struct {
	// Address names it in sentences and in what is recorded.
	Address string
	Model   Model
}

// PoolOptions say how several endpoints are asked.
type PoolOptions struct {
	// Limit is how many questions each may have under way.
	Limit int
	// Timeout limits one try, from when it is sent; 0 does not.
	Timeout time.Duration
	// Greeting is a short question that an endpoint must answer before it takes
	// part, at the start and after it was left out.
	Greeting Request
	// Patience is how long the start waits for endpoints that have not answered
	// the greeting while another has; Pause the wait before one that was left out
	// is greeted again. The pause doubles up to MaxPause.
	Patience, Pause, MaxPause time.Duration
	// Notice hears who is left out and who is back, a sentence each.
	Notice func(string)
	Clock  Clock
}

func (o PoolOptions) withDefaults() PoolOptions {
	o.Limit = cmp.Or(o.Limit, 1)
	o.Patience = cmp.Or(o.Patience, 30*time.Second)
	o.Pause = cmp.Or(o.Pause, 10*time.Second)
	o.MaxPause = cmp.Or(o.MaxPause, 5*time.Minute)
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.Clock == nil {
		o.Clock = wall{}
	}
	return o
}

// mostStrikes is how many questions in a row an endpoint may fail; after so many
// answers as steadyAgain says, what it failed earlier does not count any more.
const (
	mostStrikes = 3
	steadyAgain = 20
)

// Pool is one model behind several endpoints. A question goes to the one with the
// fewest under way, so a slow one gets less. One that fails is left out until it
// answers a greeting again; what it was asked is asked elsewhere.
//
// One call of Ask is one try: whoever asks tries again where a [Failure] says
// Elsewhere, as [Careful] does, without a timeout of its own, since a try may wait
// for its turn.
type Pool struct {
	name string
	o    PoolOptions

	ctx    context.Context // of the greetings
	cancel context.CancelFunc
	greets sync.WaitGroup

	mu      sync.Mutex
	members []*member
	model   string // what all answer as, "" where they do not say
	failed  map[questionKey]map[*member]Cause
	changed chan struct{} // closed when somebody may have become free
}

// questionKey names a question across its tries.
type questionKey struct {
	id     string
	repeat int
}

// member is an endpoint with what is going on there.
type member struct {
	Endpoint
	number int

	out     error // why it is left out, nil while it takes part
	asking  int
	asked   int
	strikes map[questionKey]bool // that failed since the last answer
	rest    time.Time            // it asked for no questions before
	pause   time.Duration        // before the next greeting
	steady  int                  // answers since it takes part

	ctx context.Context // of what it is asked, until it is left out
	cut context.CancelFunc
}

// errGreeting is why an endpoint does not take part yet.
var errGreeting = errors.New("it has not answered yet")

// errCut ends what an endpoint is asked when it is left out.
var errCut = errors.New("the endpoint is left out")

// NewPool makes one model of several endpoints. It takes no questions before Open.
func NewPool(name string, list []Endpoint, o PoolOptions) *Pool {
	p := &Pool{name: name, o: o.withDefaults(), failed: map[questionKey]map[*member]Cause{}, changed: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for i, e := range list {
		p.members = append(p.members, &member{Endpoint: e, number: i + 1, out: errGreeting, strikes: map[questionKey]bool{}, pause: p.o.Pause})
	}
	return p
}

// Name implements [Model].
func (p *Pool) Name() string { return p.name }

// Close ends the greetings.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.cancel()
	p.mu.Unlock()
	p.greets.Wait()
	return nil
}

// String names the endpoint in sentences.
func (m *member) String() string { return fmt.Sprintf("endpoint %d (%s)", m.number, m.Address) }

// Ask implements [Model].
func (p *Pool) Ask(ctx context.Context, r Request) (Reply, error) {
	q := questionKey{r.Case, r.Repeat}
	m, part, err := p.take(ctx, q)
	if err != nil {
		return Reply{}, err
	}
	reply, err := p.ask(ctx, part, m, r)
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.wake()
	m.asking--
	var f *Failure
	switch {
	case err == nil:
		p.answered(m, q)
		reply.Endpoint = m.Address
		return reply, nil
	case errors.Is(err, errCut):
		return Reply{}, p.cutOff()
	case !errors.As(err, &f):
		return Reply{}, err
	}
	return Reply{}, p.failure(m, q, f)
}

// ask puts the question to one endpoint, within the time for a try and for as long
// as the endpoint takes part.
func (p *Pool) ask(ctx, part context.Context, m *member, r Request) (Reply, error) {
	try, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(part, func() { cancel(errCut) })()
	if p.o.Timeout > 0 {
		limited, stop := context.WithTimeout(try, p.o.Timeout)
		defer stop()
		try = limited
	}
	reply, err := m.Model.Ask(try, r)
	if err != nil {
		return Reply{}, err
	}
	if other := p.otherModel(reply); other != nil {
		return Reply{}, other
	}
	return reply, nil
}

// answered settles what an answer says of its endpoint.
func (p *Pool) answered(m *member, q questionKey) {
	clear(m.strikes)
	delete(p.failed, q)
	if m.steady++; m.steady == steadyAgain {
		m.pause = p.o.Pause
	}
}

// cutOff is the failure of a question whose endpoint was left out before it
// answered. That says nothing of the question.
func (p *Pool) cutOff() error {
	if len(p.candidates(questionKey{})) == 0 {
		return p.noneLeft()
	}
	f := NewFailure(Broken, fault.New("the endpoint was left out before it answered", "run the same command again; finished answers are kept"))
	f.Elsewhere = true
	return f
}

// otherModel is the failure of an endpoint that answers under another name than
// the rest.
func (p *Pool) otherModel(reply Reply) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.model == "" || reply.Model == "" || reply.Model == p.model {
		return nil
	}
	return NewFailure(WrongModel, fault.Newf("serve the same model everywhere", "it answers as %s, the others as %s", reply.Model, p.model))
}

// take finds an endpoint for a question and counts it as asked; with it comes the
// context that ends when the endpoint is left out. It waits while all that may be
// asked have enough to do.
func (p *Pool) take(ctx context.Context, q questionKey) (*member, context.Context, error) {
	stop := waiting(ctx)
	for {
		for _, c := range []context.Context{ctx, stop, p.ctx} {
			if c.Err() != nil {
				return nil, nil, context.Cause(c)
			}
		}
		p.mu.Lock()
		list := p.candidates(q)
		if len(list) == 0 {
			defer p.mu.Unlock()
			return nil, nil, p.noneLeft()
		}
		if m := p.leastBusy(list); m != nil {
			defer p.mu.Unlock()
			m.asking++
			m.asked++
			return m, m.ctx, nil
		}
		changed := p.changed
		var rested <-chan time.Time
		if idle := slices.DeleteFunc(list, func(m *member) bool { return m.asking >= p.o.Limit }); len(idle) > 0 {
			rested = time.After(p.busy(idle))
		}
		p.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-stop.Done():
		case <-p.ctx.Done():
		case <-changed:
		case <-rested:
		}
	}
}

// leastBusy is the endpoint with the fewest questions under way, nil where each has
// enough or wants a rest.
func (p *Pool) leastBusy(list []*member) *member {
	now := p.o.Clock.Now()
	free := slices.DeleteFunc(slices.Clone(list), func(m *member) bool { return m.asking >= p.o.Limit || m.rest.After(now) })
	if len(free) == 0 {
		return nil
	}
	return slices.MinFunc(free, func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.asking, b.asking), cmp.Compare(a.asked, b.asked), cmp.Compare(a.number, b.number))
	})
}

// candidates are the endpoints that take part and have not failed the question, or
// all that take part where each has.
func (p *Pool) candidates(q questionKey) []*member {
	var all, fresh []*member
	for _, m := range p.members {
		if m.out != nil {
			continue
		}
		all = append(all, m)
		if _, failed := p.failed[q][m]; !failed {
			fresh = append(fresh, m)
		}
	}
	if len(fresh) > 0 {
		return fresh
	}
	return all
}

// wake lets those who wait look again.
func (p *Pool) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// failure settles what a failed try says of its endpoint, and whether the question
// may be asked elsewhere at once.
func (p *Pool) failure(m *member, q questionKey, f *Failure) error {
	switch f.Cause {
	case Unreachable, KeyRefused, NotFound, WrongModel:
		p.leaveOut(m, f)
	case TimedOut, ServerError, Broken, BadReply:
		p.strike(m, q, f)
	case RateLimited:
		if f.RetryAfter > longestRetryAfter {
			p.leaveOut(m, f)
		}
	default:
		return f // the question's own fault
	}
	if f.RetryAfter <= longestRetryAfter {
		m.rest = p.o.Clock.Now().Add(f.RetryAfter)
	}
	if p.failed[q] == nil {
		p.failed[q] = map[*member]Cause{}
	}
	p.failed[q][m] = f.Cause
	left := p.candidates(q)
	if len(left) == 0 {
		return p.noneLeft()
	}
	_, everywhere := p.failed[q][left[0]]
	if f.Elsewhere = !everywhere || !f.Passing(); !f.Elsewhere {
		f.RetryAfter = p.busy(left)
	}
	return f
}

// busy is how long it takes until one of the endpoints has had the rest that it
// asked for.
func (p *Pool) busy(list []*member) time.Duration {
	now := p.o.Clock.Now()
	least := slices.MinFunc(list, func(a, b *member) int { return a.rest.Compare(b.rest) })
	return max(0, least.rest.Sub(now))
}

// strike counts a failure that may be the question's own fault: the endpoint is
// left out after several questions in a row. One that hangs has wasted much time
// already, and is left out at once where another can take over. A question that
// has failed elsewhere in the same way says nothing of an endpoint.
func (p *Pool) strike(m *member, q questionKey, f *Failure) {
	for other, cause := range p.failed[q] {
		if other != m && cause == f.Cause {
			return
		}
	}
	m.strikes[q] = true
	alone := !slices.ContainsFunc(p.members, func(o *member) bool { return o != m && o.out == nil })
	if len(m.strikes) >= mostStrikes || f.Cause == TimedOut && !alone {
		p.leaveOut(m, f)
	}
}

// leaveOut takes an endpoint out until it answers a greeting. What it is still
// asked is cut off and asked elsewhere.
func (p *Pool) leaveOut(m *member, why error) {
	if m.out != nil {
		return
	}
	m.cut()
	p.without(m, why)
}

// without says why an endpoint does not take part, and goes on greeting it.
func (p *Pool) without(m *member, why error) {
	m.out = why
	if len(p.candidates(questionKey{})) > 0 { // else an error says it
		p.o.Notice(fmt.Sprintf("%s is left out: %s; the others are asked in its place", m, why))
	}
	if p.ctx.Err() == nil {
		p.greets.Go(func() { p.readmit(m) })
	}
}

// noneLeft is the error of a pool without endpoints.
func (p *Pool) noneLeft() error {
	var reasons []string
	for _, m := range p.members {
		reasons = append(reasons, fmt.Sprintf("%s: %s", m, m.out))
	}
	return NewFailure(NoEndpoint, fault.Newf("see to one of them and run the same command again; finished answers are kept",
		"none of the %d endpoints is left: %s", len(p.members), strings.Join(reasons, "; ")))
}
