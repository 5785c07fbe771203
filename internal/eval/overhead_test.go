package eval_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bbjtune/internal/eval"
	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
)

// The harness beside a loop that does nothing but ask: the same client, the same
// server that answers in 50 ms, the same concurrency. docs/benchmarks.md has the
// figures.
const (
	overheadQuestions   = 480
	overheadConcurrency = 16
)

func fiftyMilliseconds(q string, _ int) llmtest.Act {
	return llmtest.Act{Text: "answer to " + q, Delay: 50 * time.Millisecond}
}

// bare asks with the client alone.
func bare(t testing.TB, m llm.Model) time.Duration {
	start := time.Now()
	var all sync.WaitGroup
	work := make(chan string)
	for range overheadConcurrency {
		all.Go(func() {
			for q := range work {
				if _, err := m.Ask(context.Background(), llmtest.Ask(q)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range overheadQuestions {
		work <- fmt.Sprintf("question %d", i)
	}
	close(work)
	all.Wait()
	return time.Since(start)
}

// harness asks with journal, retries, limits and progress.
func harness(t testing.TB, m llm.Model, dir string) time.Duration {
	start := time.Now()
	price := &llm.Price{Prompt: 1, Answer: 1}
	asked, err := eval.Asking{
		Suite: many(overheadQuestions), Model: llm.Carefully(m, llm.Care{Retries: 4, Timeout: time.Minute, Price: price, MaxCost: 100}), Identity: "m",
		Options: eval.Options{Samples: 1, MaxTokens: 9, System: "s"}, Concurrency: overheadConcurrency,
		Journal: filepath.Join(dir, "journal.jsonl"), Progress: func(int, int, int) {}, Grace: time.Second,
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "samples.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := asked.Write(f); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

// The two are compared side by side, turn by turn, so that a busy machine slows
// both, and by the second best of five turns, since a single one may be lucky. The
// bar is 2 %; the test allows what a machine with other work adds.
func TestOverhead(t *testing.T) {
	if testing.Short() {
		t.Skip("asks for half a minute")
	}
	var alone, with []time.Duration
	m := llm.NewOpenAI("m", llmtest.OpenAI(t, fiftyMilliseconds), "m", "")
	bare(t, m) // opens the connections
	for range 5 {
		with = append(with, harness(t, m, t.TempDir()))
		alone = append(alone, bare(t, m))
	}
	slices.Sort(alone)
	slices.Sort(with)
	ratio := float64(with[1]) / float64(alone[1])
	t.Logf("%d questions at concurrency %d: client alone %v, harness %v, ratio %.3f", overheadQuestions, overheadConcurrency, alone[1], with[1], ratio)
	if ratio > 1.10 {
		t.Errorf("the harness takes %.1f %% longer than its client alone", 100*(ratio-1))
	}
}

// BenchmarkHarness is the time that the harness itself needs for an answer.
func BenchmarkHarness(b *testing.B) {
	m := &llmtest.Model{Script: llmtest.Echo}
	b.ReportAllocs()
	for b.Loop() {
		harness(b, m, b.TempDir())
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*overheadQuestions), "µs/answer")
}
