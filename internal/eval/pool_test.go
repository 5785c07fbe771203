package eval_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bbjtune/internal/chat"
	"bbjtune/internal/eval"
	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
	"bbjtune/internal/runs"
)

// fleet starts endpoints of a model that answer in a time.
func fleet(t testing.TB, n int, delay time.Duration) []*llmtest.Endpoint {
	var list []*llmtest.Endpoint
	for range n {
		list = append(list, llmtest.NewEndpoint(t, "m", func(q string, _ int) llmtest.Act {
			return llmtest.Act{Text: "answer to " + q, Delay: delay}
		}, nil))
	}
	return list
}

// askFleet puts the questions to the endpoints, each of which may have perEach at
// the same time, and writes the answers to samples.jsonl.
func askFleet(t testing.TB, list []*llmtest.Endpoint, dir string, questions, perEach int, progress eval.Progress) error {
	var members []llm.Endpoint
	for _, e := range list {
		members = append(members, llm.Endpoint{Address: e.URL, Model: llm.NewOpenAI("m", e.URL, "m", "")})
	}
	return askMembers(t, members, dir, questions, perEach, progress)
}

func askMembers(t testing.TB, members []llm.Endpoint, dir string, questions, perEach int, progress eval.Progress) error {
	pool := llm.NewPool("m", members, llm.PoolOptions{
		Limit: perEach, Timeout: time.Minute, Pause: 10 * time.Millisecond, MaxPause: 50 * time.Millisecond,
		Greeting: llm.Request{Messages: []chat.Message{{Role: chat.User, Content: "hello"}}, MaxTokens: 1},
	})
	defer pool.Close()
	if err := pool.Open(t.Context()); err != nil {
		return err
	}
	asked, err := eval.Asking{
		Suite: many(questions), Model: llm.Carefully(pool, llm.Care{Retries: 4, Pause: time.Millisecond}), Identity: "m",
		Options: eval.Options{Samples: 1, MaxTokens: 9, System: "s"}, Concurrency: perEach * len(members),
		Journal: filepath.Join(dir, "journal.jsonl"), Progress: progress, Grace: time.Second,
	}.Run(t.Context())
	if err != nil {
		return err
	}
	return runs.WriteWith(filepath.Join(dir, "samples.jsonl"), asked.Write)
}

func quiet(int, int, int) {}

// once looks that every question has one line in the journal, with the right answer.
func once(t *testing.T, dir string, questions int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n != questions {
		t.Errorf("%d lines in the journal, want %d", n, questions)
	}
	list := samples(t, dir)
	if len(list) != questions {
		t.Fatalf("%d samples, want %d", len(list), questions)
	}
	for i, s := range list {
		if s.Error != nil || s.Case != fmt.Sprintf("c/%d", i) || s.Text != fmt.Sprintf("answer to question %d", i) || s.Endpoint == "" {
			t.Errorf("%+v", s)
		}
	}
}

// One of three endpoints is killed at twenty random points, for good or for a
// moment: every question is answered once, and all in the same way.
func TestKilledEndpoints(t *testing.T) {
	const questions = 90
	random := rand.New(rand.NewPCG(7, 11))
	elsewhere := 0
	for range 20 {
		list, dir := fleet(t, 3, 2*time.Millisecond), t.TempDir()
		victim, point, back := random.IntN(3), random.IntN(questions*9/10), random.IntN(2) == 0
		var kill sync.Once
		err := askFleet(t, list, dir, questions, 4, func(done, _, _ int) {
			if done < point {
				return
			}
			kill.Do(func() {
				list[victim].Kill()
				if back {
					time.AfterFunc(15*time.Millisecond, list[victim].Start)
				}
			})
		})
		if err != nil {
			t.Fatalf("endpoint %d killed at %d: %v", victim+1, point, err)
		}
		once(t, dir, questions)
		for _, s := range samples(t, dir) {
			elsewhere += s.Attempts - 1
		}
		time.Sleep(20 * time.Millisecond) // until it is back, so that its end is its test's
	}
	if elsewhere < 10 {
		t.Errorf("%d questions were asked elsewhere: the kills hit nothing", elsewhere)
	}
}

// With none left the asking ends with one error; what was answered is kept, and the
// next start asks the rest.
func TestNoEndpointLeft(t *testing.T) {
	const questions = 90
	list, dir := fleet(t, 3, 2*time.Millisecond), t.TempDir()
	var kill sync.Once
	err := askFleet(t, list, dir, questions, 4, func(done, _, _ int) {
		if done >= 40 {
			kill.Do(func() {
				for _, e := range list {
					e.Kill()
				}
			})
		}
	})
	var f *llm.Failure
	if !errors.As(err, &f) || f.Cause != llm.NoEndpoint || strings.Count(err.Error(), "endpoint ") != 3 {
		t.Fatalf("err %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "journal.jsonl"))
	if kept := bytes.Count(text, []byte("\n")); err != nil || kept < 40 || kept == questions {
		t.Fatalf("%d answers are kept, %v", kept, err)
	}
	for _, e := range list {
		e.Start()
	}
	if err := askFleet(t, list, dir, questions, 4, quiet); err != nil {
		t.Fatal(err)
	}
	once(t, dir, questions)
	count, err := eval.ByEndpoint(filepath.Join(dir, "journal.jsonl"))
	if sum := count[list[0].URL] + count[list[1].URL] + count[list[2].URL]; err != nil || sum != questions || len(count) != 3 {
		t.Errorf("%v, %v", count, err)
	}
}

// Where endpoints need time and not this machine, two are twice as fast as one. The
// time is that of a bubble, in which it passes only by sleeping.
func TestEndpointsShareTheWork(t *testing.T) {
	took := func(n int) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			var members []llm.Endpoint
			for i := range n {
				m := &llmtest.Model{Script: func(q string, _ int) llmtest.Act { return llmtest.Act{Text: q, Delay: time.Second} }}
				members = append(members, llm.Endpoint{Address: fmt.Sprint(i), Model: m})
			}
			start := time.Now()
			if err := askMembers(t, members, t.TempDir(), 96, 4, quiet); err != nil {
				t.Fatal(err)
			}
			d = time.Since(start)
		})
		return d
	}
	for n, want := range map[int]time.Duration{1: 24 * time.Second, 2: 12 * time.Second, 4: 6 * time.Second} {
		if got := took(n); got < want || got > want+3*time.Second { // the greeting, and the flush of the journal
			t.Errorf("%d endpoints took %v, want about %v", n, got, want)
		}
	}
}

// BenchmarkEndpoints is the same over connections. docs/benchmarks.md has the
// figures.
func BenchmarkEndpoints(b *testing.B) {
	const questions, perEach = 160, 4
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := fleet(b, n, 25*time.Millisecond)
			for b.Loop() {
				if err := askFleet(b, list, b.TempDir(), questions, perEach, quiet); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(questions*b.N)/b.Elapsed().Seconds(), "answers/s")
		})
	}
}
