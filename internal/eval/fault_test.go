package eval_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/chat"
	"bbjtune/internal/eval"
	"bbjtune/internal/llm"
	"bbjtune/internal/llm/llmtest"
	"bbjtune/internal/runs"
	"bbjtune/internal/suite"
)

// The test binary plays the evaluation that is killed when ASK_URL is set.
func TestMain(m *testing.M) {
	if url := os.Getenv("ASK_URL"); url != "" {
		if err := askEndpoint(context.Background(), url, os.Getenv("ASK_DIR"), nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// many is a suite of n questions.
func many(n int) *suite.Suite {
	s := &suite.Suite{}
	for i := range n {
		s.Cases = append(s.Cases, &suite.Case{ID: fmt.Sprintf("c/%d", i), Prompt: fmt.Sprintf("question %d", i)})
	}
	return s
}

const manyCases = 300

// faulty fails as often as a bad day: 10 % 429, 5 % 500, 2 % resets, 1 % hanging,
// and truncated and other bodies that are no answer. Which question fails when
// is decided by hashing; what it is answered is not.
func faulty(q string, n int) llmtest.Act {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", q, n))
	switch x := binary.LittleEndian.Uint32(sum[:]) % 100; {
	case x < 10:
		return llmtest.Act{Status: 429, Header: map[string]string{"Retry-After-Ms": "1"}}
	case x < 15:
		return llmtest.Act{Status: 500}
	case x < 17:
		return llmtest.Act{Reset: true}
	case x < 18:
		return llmtest.Act{Hang: true}
	case x < 20:
		return llmtest.Act{Truncate: true, Text: strings.Repeat("lost ", 99)}
	case x < 22:
		return llmtest.Act{Body: "<html>busy</html>"}
	case x < 23:
		return llmtest.Act{Body: `{"choices":`}
	}
	return llmtest.Act{Text: "answer to " + q, Delay: time.Millisecond}
}

// askEndpoint asks all questions of the suite and writes the answers to samples.jsonl.
func askEndpoint(ctx context.Context, url, dir string, progress eval.Progress) error {
	if progress == nil {
		progress = func(int, int, int) {}
	}
	care := llm.Care{Retries: 8, Pause: time.Millisecond, MaxPause: 4 * time.Millisecond, Timeout: 500 * time.Millisecond}
	asked, err := eval.Asking{
		Suite: many(manyCases), Model: llm.Carefully(llm.NewOpenAI("m", url, "m", ""), care), Identity: "m",
		Options: eval.Options{Samples: 1, MaxTokens: 9, System: "s"}, Concurrency: 8,
		Journal: filepath.Join(dir, "journal.jsonl"), Progress: progress, Grace: time.Second,
	}.Run(ctx)
	if err != nil {
		return err
	}
	return runs.WriteWith(filepath.Join(dir, "samples.jsonl"), asked.Write)
}

func samples(t *testing.T, dir string) []eval.Sample {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "samples.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var list []eval.Sample
	for line := range bytes.Lines(text) {
		var s eval.Sample
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// On a bad day every question is answered, or reported as failed with its cause.
func TestEveryQuestionEnds(t *testing.T) {
	dir := t.TempDir()
	doomed := func(q string, n int) llmtest.Act {
		switch q { // these never recover
		case "question 3":
			return llmtest.Act{Status: 500}
		case "question 5":
			return llmtest.Act{Hang: true}
		case "question 7":
			return llmtest.Act{Truncate: true, Text: strings.Repeat("x", 99)}
		case "question 11":
			return llmtest.Act{Body: "no JSON"}
		case "question 13":
			return llmtest.Act{Reset: true}
		case "question 17":
			return llmtest.Act{Status: 400}
		}
		return faulty(q, n)
	}
	if err := askEndpoint(t.Context(), llmtest.OpenAI(t, doomed), dir, nil); err != nil {
		t.Fatal(err)
	}
	list := samples(t, dir)
	if len(list) != manyCases {
		t.Fatalf("%d samples, want %d", len(list), manyCases)
	}
	want := map[string]llm.Cause{"c/3": llm.ServerError, "c/5": llm.TimedOut, "c/7": llm.Broken, "c/11": llm.BadReply, "c/13": llm.Broken, "c/17": llm.BadRequest}
	tries := 0
	for i, s := range list {
		tries += s.Attempts
		switch cause, doomed := want[s.Case]; {
		case doomed && (s.Error == nil || s.Error.Cause != cause || s.Error.Message == ""):
			t.Errorf("%s: %+v, want cause %s", s.Case, s.Error, cause)
		case !doomed && (s.Error != nil || s.Text != fmt.Sprintf("answer to question %d", i)):
			t.Errorf("%s: %q, %+v", s.Case, s.Text, s.Error)
		}
	}
	if tries < manyCases*11/10 {
		t.Errorf("%d tries for %d questions: the server hardly failed", tries, manyCases)
	}
}

// Killed at twenty points and started again each time, the answers are those of
// an uninterrupted run, and what was in the journal was not asked again.
func TestKilledAndResumed(t *testing.T) {
	whole, killed := t.TempDir(), t.TempDir()
	if err := askEndpoint(t.Context(), llmtest.OpenAI(t, faulty), whole, nil); err != nil {
		t.Fatal(err)
	}
	server := &counting{}
	url := llmtest.OpenAI(t, server.act)
	random := rand.New(rand.NewPCG(1, 2))
	journal := filepath.Join(killed, "journal.jsonl")
	points := make([]int, 20)
	for i := range points {
		points[i] = random.IntN(manyCases * 9 / 10)
	}
	slices.Sort(points)
	kills := 0
	for _, point := range points {
		if killAt(t, url, killed, journal, point) {
			kills++
		}
	}
	cmd := asking(url, killed)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if kills < 15 {
		t.Errorf("only %d kills hit a running evaluation", kills)
	}
	a, b := samples(t, whole), samples(t, killed)
	for i := range a {
		a[i].Attempts, b[i].Attempts = 0, 0 // the server of the second counted further
		if fmt.Sprint(a[i]) != fmt.Sprint(b[i]) {
			t.Errorf("%s differs: %+v, uninterrupted %+v", b[i].Case, b[i], a[i])
		}
	}
	// Only what was under way when the process was killed is answered twice.
	if twice := server.twice(); twice > kills*8*2 {
		t.Errorf("%d answers were given twice by %d kills at concurrency 8", twice, kills)
	}
}

// counting is the faulty server that remembers what it answered.
type counting struct{ model llmtest.Model }

func (c *counting) act(q string, n int) llmtest.Act {
	a := faulty(q, n)
	if a.Text == "answer to "+q {
		c.model.Count(q)
	}
	return a
}

func (c *counting) twice() int {
	n := 0
	for _, times := range c.model.Asked() {
		n += times - 1
	}
	return n
}

func asking(url, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=none")
	cmd.Env = append(os.Environ(), "ASK_URL="+url, "ASK_DIR="+dir)
	return cmd
}

// killAt starts the evaluation and kills it when its journal has more than so
// many lines. It reports whether there was something to kill.
func killAt(t *testing.T, url, dir, journal string, lines int) bool {
	t.Helper()
	cmd := asking(url, dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(journal)
		if err == nil && bytes.Count(text, []byte("\n")) > lines {
			break
		}
	}
	cmd.Process.Kill()
	return cmd.Wait() != nil
}

// An interruption lets the questions under way be answered: they are paid for.
func TestInterruptionWastesNothing(t *testing.T) {
	m := &llmtest.Model{Script: func(q string, _ int) llmtest.Act {
		return llmtest.Act{Text: "answer to " + q, Delay: 20 * time.Millisecond}
	}}
	journal := filepath.Join(t.TempDir(), "j")
	ask := func(ctx context.Context, progress eval.Progress) error {
		_, err := eval.Asking{
			Suite: many(40), Model: m, Identity: "m", Options: eval.Options{Samples: 1}, Concurrency: 8, Journal: journal, Grace: 10 * time.Second, Progress: progress,
		}.Run(ctx)
		return err
	}
	reason := errors.New("Ctrl-C")
	for _, at := range []int{1, 9, 17, 30} {
		ctx, stop := context.WithCancelCause(t.Context())
		err := ask(ctx, func(done, _, _ int) {
			if done >= at {
				stop(reason)
			}
		})
		if !errors.Is(err, reason) {
			t.Fatalf("err %v", err)
		}
	}
	if err := ask(t.Context(), func(int, int, int) {}); err != nil {
		t.Fatal(err)
	}
	for q, n := range m.Asked() {
		if n != 1 {
			t.Errorf("%s was asked %d times", q, n)
		}
	}
}

// What another run was answered is taken, whatever the case is called; not what
// failed, and not from another model.
func TestEarlierAnswersAreTaken(t *testing.T) {
	dir := t.TempDir()
	m := &llmtest.Model{Script: func(q string, n int) llmtest.Act {
		if q == "question 2" && n == 0 {
			return llmtest.Act{Status: 400}
		}
		return llmtest.Echo(q, n)
	}}
	s := many(5)
	ask := func(identity, journal string, o eval.Options) *eval.Asked {
		o.Samples = 1
		asked, err := eval.Asking{
			Suite: s, Model: m, Identity: identity, Options: o, Concurrency: 2, Progress: func(int, int, int) {},
			Journal: filepath.Join(dir, journal), Earlier: []string{filepath.Join(dir, "absent"), filepath.Join(dir, "one")},
		}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return asked
	}
	if got := ask("m", "one", eval.Options{}); got.Failed != 1 || got.Found != 0 {
		t.Errorf("first: %+v", got)
	}
	for _, c := range s.Cases {
		c.ID = "renamed/" + c.ID
	}
	for _, c := range []struct {
		identity, journal string
		options           eval.Options
		found             int
	}{
		{"m", "two", eval.Options{}, 4},
		{"other", "three", eval.Options{}, 0},
		{"m", "four", eval.Options{System: "s"}, 0},
		{"m", "five", eval.Options{Seed: 1}, 0},
		{"m", "six", eval.Options{MaxTokens: 1}, 0},
		{"m", "seven", eval.Options{PromptForm: eval.Completion}, 0},
	} {
		if got := ask(c.identity, c.journal, c.options); got.Found != c.found || got.Failed != 0 {
			t.Errorf("%s: %d found, %d failed, want %d and 0", c.journal, got.Found, got.Failed, c.found)
		}
	}
}

func TestRetryErrors(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "j")
	text := `{"key":"","case":"c/0","text":"kept"}` + "\n" + `{"key":"","case":"c/1","error":{"cause":"timeout","message":"late"}}` + "\n"
	for retry, want := range map[bool]string{false: "kept,late,answer to question 2", true: "kept,answer to question 1,answer to question 2"} {
		if err := os.WriteFile(journal, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		list, err := run(t, eval.Asking{
			Suite: many(3), Model: &llmtest.Model{Script: llmtest.Echo}, Options: eval.Options{Samples: 1}, Concurrency: 1, Journal: journal, RetryErrors: retry,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list {
			if s.Error != nil {
				s.Text = s.Error.Message
			}
			got = append(got, s.Text)
		}
		if strings.Join(got, ",") != want {
			t.Errorf("retry %v: %q, want %s", retry, got, want)
		}
	}
}

func TestCompletionPrompt(t *testing.T) {
	o := eval.Options{System: "You write BBj.", Shots: []chat.Message{{Role: chat.User, Content: "q"}, {Role: chat.Assistant, Content: "a\n"}}}
	want := "You write BBj.\n\n### Question\n\nq\n\n### Answer\n\na\n\n### Question\n\nquestion 0\n\n### Answer\n\n"
	if got := o.Prompt(many(1).Cases[0]); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The texts of the answers are on disk, not in memory.
func TestMemoryDoesNotGrowWithAnswers(t *testing.T) {
	const n, size = 1500, 40_000
	m := &llmtest.Model{Script: func(q string, _ int) llmtest.Act { return llmtest.Act{Text: q + strings.Repeat("x", size)} }}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	asked, err := eval.Asking{
		Suite: many(n), Model: m, Options: eval.Options{Samples: 1}, Concurrency: 4, Journal: filepath.Join(t.TempDir(), "j"), Progress: func(int, int, int) {},
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var written counter
	if err := asked.Write(&written); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); written < n*size || grown > int64(written)/10 {
		t.Errorf("%d bytes of answers made the memory grow by %d", written, grown)
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
