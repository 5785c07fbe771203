package llm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
)

const greeting = "are you there?"

// afterGreeting answers the greeting, and everything else by the script.
func afterGreeting(s llmtest.Script) llmtest.Script {
	return func(q string, n int) llmtest.Act {
		if q == greeting {
			return llmtest.Act{Text: "yes"}
		}
		return s(q, n)
	}
}

// pooled makes a pool of endpoints that is not open yet.
func pooled(t *testing.T, o llm.PoolOptions, list ...*llmtest.Endpoint) *llm.Pool {
	var members []llm.Endpoint
	for _, e := range list {
		members = append(members, llm.Endpoint{Address: e.URL, Model: llm.NewOpenAI("m", e.URL, "m", llmtest.Secret)})
	}
	o.Greeting = llm.Request{Messages: []chat.Message{{Role: chat.User, Content: greeting}}, MaxTokens: 1}
	p := llm.NewPool("m", members, o)
	t.Cleanup(func() { p.Close() })
	return p
}

func opened(t *testing.T, o llm.PoolOptions, list ...*llmtest.Endpoint) *llm.Pool {
	t.Helper()
	p := pooled(t, o, list...)
	if err := p.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// notices collects what a pool says.
type notices struct {
	mu   sync.Mutex
	list []string
}

func (n *notices) hear(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, text)
}

func (n *notices) heard(part string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, text := range n.list {
		if strings.Contains(text, part) {
			count++
		}
	}
	return count
}

func (n *notices) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.list, "\n")
}

// askMany asks n questions, so many at once, and returns what went wrong.
func askMany(t *testing.T, m llm.Model, name string, n, atOnce int) (failures []error) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	work := make(chan string)
	for range atOnce {
		all.Go(func() {
			for q := range work {
				got, err := m.Ask(t.Context(), llmtest.Ask(q))
				if err == nil && got.Text != "answer to "+q {
					err = fmt.Errorf("%s was answered %q", q, got.Text)
				}
				if err != nil {
					mu.Lock()
					failures = append(failures, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		work <- fmt.Sprintf("%s %d", name, i)
	}
	close(work)
	all.Wait()
	return failures
}

// in lets an endpoint answer in a time.
func in(d time.Duration) llmtest.Script {
	return afterGreeting(func(q string, _ int) llmtest.Act { return llmtest.Act{Text: "answer to " + q, Delay: d} })
}

func questions(asked map[string]int) int {
	sum := 0
	for q, n := range asked {
		if q != greeting {
			sum += n
		}
	}
	return sum
}

// scripted makes an open pool of scripted models; the test runs in a bubble, in which
// time passes only by sleeping.
func scripted(t *testing.T, o llm.PoolOptions, list ...*llmtest.Model) *llm.Pool {
	t.Helper()
	var members []llm.Endpoint
	for i, m := range list {
		members = append(members, llm.Endpoint{Address: fmt.Sprintf("http://%d", i+1), Model: m})
	}
	o.Greeting = llmtest.Ask(greeting)
	p := llm.NewPool("m", members, o)
	if err := p.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// A slow endpoint gets less, by as much as it is slower.
func TestPoolBalances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast, slow := &llmtest.Model{Script: in(10 * time.Millisecond)}, &llmtest.Model{Script: in(60 * time.Millisecond)}
		p := scripted(t, llm.PoolOptions{Limit: 4}, fast, slow)
		defer p.Close()
		start := time.Now()
		if failures := askMany(t, p, "question", 140, 8); failures != nil {
			t.Fatal(failures)
		}
		if a, b := questions(fast.Asked()), questions(slow.Asked()); a+b != 140 || b < 16 || b > 24 {
			t.Errorf("the fast one was asked %d times, the slow one %d", a, b)
		}
		if took := time.Since(start); took > 360*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// One that hangs is left out after one time-out, and what it was asked meanwhile is
// asked elsewhere at once; it comes back after a pause that grows.
func TestPoolLeavesOutWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard notices
		start := time.Now()
		hanging := &llmtest.Model{Script: func(q string, n int) llmtest.Act {
			if q == greeting && n == 0 || time.Since(start) > 4*time.Minute {
				return in(time.Second)(q, n)
			}
			return llmtest.Act{Hang: true}
		}}
		good := &llmtest.Model{Script: in(time.Second)}
		p := scripted(t, llm.PoolOptions{Limit: 4, Timeout: time.Minute, Pause: 10 * time.Second, Notice: heard.hear}, hanging, good)
		defer p.Close()
		m := llm.Carefully(p, llm.Care{})
		if failures := askMany(t, m, "question", 40, 8); failures != nil {
			t.Fatal(failures)
		}
		// 36 in 9 s at the good one, and the 4 that hung for a minute.
		if took := time.Since(start); took > 64*time.Second {
			t.Errorf("it took %v", took)
		}
		if heard.heard("endpoint 1 (http://1) is left out: no answer in time; the others are asked in its place") != 1 || heard.heard("") != 1 {
			t.Errorf("said:\n%s", &heard)
		}
		time.Sleep(10 * time.Minute)
		// Greeted after 10, 20, 40 and 80 s, each time for a minute.
		if n := hanging.Asked()[greeting]; n < 4 || n > 5 || heard.heard("endpoint 1 (http://1) answers again") != 1 || heard.heard("") != 2 {
			t.Errorf("greeted %d times, said:\n%s", n, &heard)
		}
		if failures := askMany(t, m, "later", 40, 8); failures != nil || questions(hanging.Asked()) < 15 {
			t.Errorf("%v, asked %d times", failures, questions(hanging.Asked()))
		}
	})
}

// Whatever way an endpoint fails, every question is answered, one sentence says so,
// and it takes part again when it answers again.
func TestPoolLeavesOut(t *testing.T) {
	always := func(a llmtest.Act) llmtest.Script { return func(string, int) llmtest.Act { return a } }
	for name, c := range map[string]struct {
		fail func(*llmtest.Endpoint)
		says string
	}{
		"refused":      {func(e *llmtest.Endpoint) { e.Kill() }, "connection "}, // broken, or refused
		"500":          {func(e *llmtest.Endpoint) { e.Answer(always(llmtest.Act{Status: 500})) }, "the endpoint failed with status 500"},
		"502 in HTML":  {func(e *llmtest.Endpoint) { e.Answer(always(llmtest.Act{Status: 502, Body: "<html>"})) }, "status 502"},
		"resets":       {func(e *llmtest.Endpoint) { e.Answer(always(llmtest.Act{Reset: true})) }, "the connection broke"},
		"dies within":  {func(e *llmtest.Endpoint) { e.Answer(always(llmtest.Act{Truncate: true, Text: "half of it"})) }, "the connection broke"},
		"no JSON":      {func(e *llmtest.Endpoint) { e.Answer(always(llmtest.Act{Body: "<html>"})) }, "reply cannot be read"},
		"another":      {func(e *llmtest.Endpoint) { e.Serve("other") }, "it answers as other, the others as m"},
		"lost the key": {func(e *llmtest.Endpoint) { e.Answer(always(llmtest.Act{Status: 401})) }, "refused the key"},
		"unloaded":     {func(e *llmtest.Endpoint) { e.Answer(always(llmtest.Act{Status: 404})) }, "does not know the model"},
		"far too busy": {func(e *llmtest.Endpoint) {
			e.Answer(always(llmtest.Act{Status: 429, Header: map[string]string{"Retry-After": "7200"}}))
		}, "asks for fewer requests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var heard notices
			var list []*llmtest.Endpoint
			for range 3 {
				list = append(list, llmtest.NewEndpoint(t, "m", in(2*time.Millisecond), nil))
			}
			p := opened(t, llm.PoolOptions{Limit: 3, Timeout: time.Minute, Pause: 50 * time.Millisecond, MaxPause: 50 * time.Millisecond, Notice: heard.hear}, list...)
			m := llm.Carefully(p, llm.Care{Pause: time.Millisecond})
			if failures := askMany(t, m, "before", 9, 9); failures != nil {
				t.Fatal(failures)
			}
			bad := list[1]
			c.fail(bad)
			failures := askMany(t, m, "during", 60, 9)
			if failures != nil || heard.heard("left out") != 1 || heard.heard("endpoint 2 ("+bad.URL+") is left out: ") != 1 || heard.heard(c.says) != 1 {
				t.Errorf("failures %v, said:\n%s", failures, &heard)
			}
			bad.Kill()
			bad.Answer(in(2 * time.Millisecond))
			bad.Serve("m")
			bad.Start()
			for deadline := time.Now().Add(10 * time.Second); heard.heard("endpoint 2 ("+bad.URL+") answers again") == 0; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("never again; said:\n%s", &heard)
				}
			}
			earlier := questions(bad.Asked())
			if failures := askMany(t, m, "after", 30, 9); failures != nil || questions(bad.Asked()) == earlier {
				t.Errorf("failures %v, asked %d times", failures, questions(bad.Asked())-earlier)
			}
			if text := heard.String(); strings.Contains(text, llmtest.Secret) {
				t.Errorf("the key was said: %s", text)
			}
		})
	}
}

// Questions that fail everywhere speak against themselves, not against the endpoints.
func TestPoolIsNotBlamedForAQuestion(t *testing.T) {
	for name, act := range map[string]llmtest.Act{"500": {Status: 500}, "hangs": {Hang: true}, "breaks": {Truncate: true}, "refused": {Status: 400}, "too many": {Status: 429}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				poison := func(q string, n int) llmtest.Act {
					if q == "question 3" || q == "question 17" {
						return act
					}
					return in(time.Second)(q, n)
				}
				p := scripted(t, llm.PoolOptions{Limit: 2, Timeout: time.Minute, Pause: 10 * time.Second}, &llmtest.Model{Script: poison}, &llmtest.Model{Script: poison})
				defer p.Close()
				failures := askMany(t, llm.Carefully(p, llm.Care{Retries: 2}), "question", 60, 4)
				if len(failures) != 2 {
					t.Fatalf("failures %v, want 2", failures)
				}
				for _, err := range failures {
					var f *llm.Failure
					if !errors.As(err, &f) || f.Final() {
						t.Errorf("%v ends the asking", err)
					}
				}
			})
		})
	}
}

// With none left there is one error, which names them all, and what is asked later
// does not wait.
func TestPoolWithNoneLeft(t *testing.T) {
	a, b := llmtest.NewEndpoint(t, "m", in(time.Millisecond), nil), llmtest.NewEndpoint(t, "m", in(time.Millisecond), nil)
	var heard notices
	m := llm.Carefully(opened(t, llm.PoolOptions{Limit: 2, Notice: heard.hear}, a, b), llm.Care{Retries: 4, Pause: time.Millisecond})
	a.Kill()
	b.Kill()
	for range 3 {
		_, err := m.Ask(t.Context(), llmtest.Ask("what?"))
		var f *llm.Failure
		if !errors.As(err, &f) || f.Cause != llm.NoEndpoint || !f.Final() || fault.Hint(err) == "" {
			t.Fatalf("err %v", err)
		}
		want := fmt.Sprintf("none of the 2 endpoints is left: endpoint 1 (%s): cannot reach the endpoint: connection refused; endpoint 2 (%s): cannot", a.URL, b.URL)
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
	if heard.heard("left out") != 1 { // of the second the error tells
		t.Errorf("said:\n%s", &heard)
	}
}

// The endpoints must answer as the same model, and one that is not there may come
// later.
func TestPoolOpens(t *testing.T) {
	start := func(t *testing.T, model string) *llmtest.Endpoint {
		return llmtest.NewEndpoint(t, model, in(time.Millisecond), nil)
	}
	t.Run("two models", func(t *testing.T) {
		a, b := start(t, "m"), start(t, "other")
		err := pooled(t, llm.PoolOptions{}, a, b).Open(t.Context())
		want := fmt.Sprintf("the endpoints do not serve the same model: endpoint 1 (%s) answers as m, endpoint 2 (%s) as other", a.URL, b.URL)
		if err == nil || err.Error() != want || fault.Hint(err) == "" {
			t.Errorf("err %v, want %s", err, want)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		a, b := start(t, "m"), start(t, "m")
		a.Kill()
		b.Answer(func(string, int) llmtest.Act { return llmtest.Act{Status: 503} })
		err := pooled(t, llm.PoolOptions{}, a, b).Open(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "none of the 2 endpoints is left: endpoint 1") || !strings.Contains(err.Error(), "status 503") {
			t.Errorf("err %v", err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		a := llmtest.NewEndpoint(t, "m", func(string, int) llmtest.Act { return llmtest.Act{Hang: true} }, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("Ctrl-C")
		time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
		if err := pooled(t, llm.PoolOptions{}, a).Open(ctx); !errors.Is(err, reason) {
			t.Errorf("err %v", err)
		}
	})
	t.Run("one is slow, one is off", func(t *testing.T) {
		slow := llmtest.NewEndpoint(t, "m", func(q string, n int) llmtest.Act {
			if q == greeting && n == 0 {
				return llmtest.Act{Hang: true}
			}
			return in(time.Millisecond)(q, n)
		}, nil)
		there, off := start(t, "m"), start(t, "m")
		off.Kill()
		var heard notices
		p := opened(t, llm.PoolOptions{Patience: 20 * time.Millisecond, Pause: 10 * time.Millisecond, MaxPause: 20 * time.Millisecond, Notice: heard.hear}, slow, there, off)
		if got, err := p.Ask(t.Context(), llmtest.Ask("what?")); err != nil || got.Endpoint != there.URL {
			t.Errorf("reply %+v, err %v", got, err)
		}
		if heard.heard("endpoint 1 ("+slow.URL+") is left out: it has not answered yet") != 1 || heard.heard("endpoint 3 ("+off.URL+") is left out: cannot reach") != 1 {
			t.Errorf("said:\n%s", &heard)
		}
		off.Start()
		for deadline := time.Now().Add(10 * time.Second); heard.heard("answers again") < 2; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("said:\n%s", &heard)
			}
		}
	})
}

// Who waits for his turn hears that nothing more is to be sent.
func TestPoolStopsWaiting(t *testing.T) {
	e := llmtest.NewEndpoint(t, "m", in(300*time.Millisecond), nil)
	p := opened(t, llm.PoolOptions{Limit: 1}, e)
	stop, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("Ctrl-C")
	ctx := llm.StopWaiting(t.Context(), stop)
	var all sync.WaitGroup
	results := make(chan error, 3)
	for i := range 3 {
		all.Go(func() {
			_, err := p.Ask(ctx, llmtest.Ask(fmt.Sprint("question ", i)))
			results <- err
		})
	}
	time.Sleep(50 * time.Millisecond)
	cancel(reason)
	all.Wait()
	close(results)
	answered, stopped := 0, 0
	for err := range results {
		switch {
		case err == nil:
			answered++
		case errors.Is(err, reason):
			stopped++
		}
	}
	if answered != 1 || stopped != 2 {
		t.Errorf("%d answered, %d stopped", answered, stopped)
	}
}

// A rest ends by itself, also while the others have enough to do.
func TestPoolEndsARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tired := &llmtest.Model{Script: afterGreeting(func(q string, _ int) llmtest.Act {
			if q == "first" {
				return llmtest.Act{Status: 429, Header: map[string]string{"Retry-After": "2"}}
			}
			return llmtest.Act{Text: "yes"}
		})}
		p := scripted(t, llm.PoolOptions{Limit: 1}, tired, &llmtest.Model{Script: in(time.Minute)})
		defer p.Close()
		ask := func(q string) error {
			_, err := p.Ask(t.Context(), llmtest.Ask(q))
			return err
		}
		if err := ask("first"); err == nil {
			t.Fatal("the first question was answered")
		}
		go ask("second")
		synctest.Wait()
		start := time.Now()
		if err := ask("third"); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// An endpoint that asks for a rest gets one, and the others work meanwhile.
func TestPoolLetsRest(t *testing.T) {
	busy := llmtest.NewEndpoint(t, "m", afterGreeting(func(q string, n int) llmtest.Act {
		return llmtest.Act{Status: 429, Header: map[string]string{"Retry-After": "60"}}
	}), nil)
	p := opened(t, llm.PoolOptions{Limit: 2}, busy, llmtest.NewEndpoint(t, "m", in(time.Millisecond), nil))
	start := time.Now()
	if failures := askMany(t, llm.Carefully(p, llm.Care{Retries: 1, Pause: time.Millisecond}), "question", 30, 4); failures != nil {
		t.Fatal(failures)
	}
	if n := questions(busy.Asked()); n > 2 || time.Since(start) > 20*time.Second {
		t.Errorf("asked %d times, in %v", n, time.Since(start))
	}
}
