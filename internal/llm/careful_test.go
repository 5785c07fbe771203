package llm_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
)

// clock is a time that passes only by sleeping.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return context.Cause(ctx)
}

func failing(times int, act llmtest.Act) *llmtest.Model {
	return &llmtest.Model{Script: func(q string, n int) llmtest.Act {
		if n < times {
			return act
		}
		return llmtest.Echo(q, n)
	}}
}

func TestCarefulTriesAgain(t *testing.T) {
	cases := []struct {
		name     string
		times    int
		act      llmtest.Act
		cause    llm.Cause // "" is an answer
		attempts int
	}{
		{"at once", 0, llmtest.Act{}, "", 1},
		{"after 429", 2, llmtest.Act{Status: 429}, "", 3},
		{"after 500", 3, llmtest.Act{Status: 500}, "", 4},
		{"after a reset", 1, llmtest.Act{Reset: true}, "", 2},
		{"after nonsense", 1, llmtest.Act{Body: "<html>"}, "", 2},
		{"never", 99, llmtest.Act{Status: 503}, llm.ServerError, 4},
		{"not after a bad request", 1, llmtest.Act{Status: 400}, llm.BadRequest, 1},
		{"not after a bad key", 1, llmtest.Act{Status: 401}, llm.KeyRefused, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := &clock{}
			got, err := llm.Carefully(failing(c.times, c.act), llm.Care{Retries: 3, Clock: k}).Ask(t.Context(), llmtest.Ask("q"))
			attempts := got.Attempts
			var f *llm.Failure
			if errors.As(err, &f) {
				attempts = f.Attempts
			}
			if (err == nil) != (c.cause == "") || f != nil && f.Cause != c.cause || attempts != c.attempts || len(k.slept) != c.attempts-1 {
				t.Errorf("reply %+v, err %v after %d tries and pauses %v, want cause %q after %d", got, err, attempts, k.slept, c.cause, c.attempts)
			}
		})
	}
}

// The pauses double, lie between half and all of their length, differ between
// questions, and are the same in every run.
func TestCarefulPauses(t *testing.T) {
	pauses := func(question string) []time.Duration {
		k := &clock{}
		llm.Carefully(failing(99, llmtest.Act{Status: 500}), llm.Care{Retries: 5, Pause: time.Second, MaxPause: 4 * time.Second, Clock: k}).Ask(t.Context(), llmtest.Ask(question))
		return k.slept
	}
	one, other, again := pauses("one"), pauses("other"), pauses("one")
	for i, full := range []time.Duration{1, 2, 4, 4, 4} {
		if full *= time.Second; one[i] < full/2 || one[i] > full {
			t.Errorf("pause %d is %v, want %v to %v", i, one[i], full/2, full)
		}
		if one[i] == other[i] || one[i] != again[i] {
			t.Errorf("pause %d: %v, another question %v, another run %v", i, one[i], other[i], again[i])
		}
	}
}

func TestCarefulHonoursRetryAfter(t *testing.T) {
	for _, c := range []struct {
		header map[string]string
		want   time.Duration
	}{
		{map[string]string{"Retry-After": "90"}, 90 * time.Second},
		{map[string]string{"Retry-After-Ms": "70000"}, 70 * time.Second},
		{map[string]string{"Date": "Mon, 02 Jan 2006 15:04:05 GMT", "Retry-After": "Mon, 02 Jan 2006 15:05:45 GMT"}, 100 * time.Second},
	} {
		k := &clock{}
		url := llmtest.OpenAI(t, func(q string, n int) llmtest.Act {
			if n == 0 {
				return llmtest.Act{Status: 429, Header: c.header}
			}
			return llmtest.Echo(q, n)
		})
		_, err := llm.Carefully(llm.NewOpenAI("m", url, "m", ""), llm.Care{Retries: 1, Clock: k}).Ask(t.Context(), llmtest.Ask("q"))
		if err != nil || len(k.slept) == 0 || k.slept[0] != c.want {
			t.Errorf("%v: slept %v, err %v", c.header, k.slept, err)
		}
	}
	k := &clock{}
	url := llmtest.OpenAI(t, func(string, int) llmtest.Act {
		return llmtest.Act{Status: 429, Header: map[string]string{"Retry-After": "86400"}}
	})
	if _, err := llm.Carefully(llm.NewOpenAI("m", url, "m", ""), llm.Care{Retries: 1, Clock: k}).Ask(t.Context(), llmtest.Ask("q")); err == nil || len(k.slept) > 0 {
		t.Errorf("a day: slept %v, err %v", k.slept, err)
	}
}

func TestCarefulSpacesRequests(t *testing.T) {
	k := &clock{}
	m := llm.Carefully(failing(1, llmtest.Act{Status: 500}), llm.Care{Retries: 1, PerMinute: 20, Pause: time.Nanosecond, Clock: k})
	for _, q := range []string{"a", "b"} { // each is sent twice
		if _, err := m.Ask(t.Context(), llmtest.Ask(q)); err != nil {
			t.Fatal(err)
		}
	}
	if got := k.now.Sub(time.Time{}).Round(time.Second); got != 9*time.Second {
		t.Errorf("four requests at 20 a minute took %v, want 9s", got)
	}
}

func TestCarefulTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		m := llm.Carefully(failing(99, llmtest.Act{Hang: true}), llm.Care{Retries: 1, Timeout: time.Minute})
		_, err := m.Ask(t.Context(), llmtest.Ask("q"))
		var f *llm.Failure
		if !errors.As(err, &f) || f.Cause != llm.TimedOut || f.Attempts != 2 || time.Since(start) > 3*time.Minute {
			t.Errorf("err %v after %v", err, time.Since(start))
		}
	})
}

// Nothing is asked that might exceed the budget, also when many ask at once, and
// what was spent before counts.
func TestCarefulStaysWithinTheBudget(t *testing.T) {
	price := &llm.Price{Prompt: 1e6, Answer: 1e6} // a dollar a token; an answer costs 7
	for _, c := range []struct {
		max, spent float64
		answers    int
	}{{200, 0, 22}, {200, 100, 8}, {40, 0, 0}, {0, 0, 50}} {
		m := llm.Carefully(failing(0, llmtest.Act{}), llm.Care{Price: price, MaxCost: c.max, Spent: c.spent})
		var all sync.WaitGroup
		var mu sync.Mutex
		answers := 0
		for i := range 50 {
			all.Go(func() {
				got, err := m.Ask(t.Context(), llmtest.Ask(strings.Repeat("q", i%2+1)))
				var f *llm.Failure
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && got.Cost == 7:
					answers++
				case !errors.As(err, &f) || f.Cause != llm.OverBudget:
					t.Errorf("reply %+v, err %v", got, err)
				}
			})
		}
		all.Wait()
		// The last question may cost up to 43: 17 or 18 + 16 of prompt, 9 of answer.
		if c.max > 0 && (m.Spent() > c.max || answers < c.answers || answers > c.answers+2) || c.max == 0 && answers != 50 {
			t.Errorf("budget %v with %v spent: %d answers, %v spent", c.max, c.spent, answers, m.Spent())
		}
	}
}

// What may have been answered and got lost is counted at its highest price.
func TestCarefulCountsLostAnswers(t *testing.T) {
	price := &llm.Price{Prompt: 1e6, Answer: 1e6}
	for _, c := range []struct {
		act  llmtest.Act
		want float64
	}{{llmtest.Act{Status: 500}, 7}, {llmtest.Act{Reset: true}, 7 + 42}} {
		got, err := llm.Carefully(failing(1, c.act), llm.Care{Retries: 1, Price: price, Clock: &clock{}}).Ask(t.Context(), llmtest.Ask("q"))
		if err != nil || got.Cost != c.want {
			t.Errorf("cost %v, err %v, want %v", got.Cost, err, c.want)
		}
	}
}
