// Package trainer drives the Python worker that trains and merges models: it
// starts the process, speaks its protocol, notices when it hangs or dies, and
// turns its events into values. worker/README.md describes the protocol.
//
// It must not know what is trained, nor show progress itself.
package trainer

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/proc"
	"bbjtune/internal/runs"
)

// Protocol is the version that this driver speaks.
const Protocol = 1

// Event is one message of the worker. Which fields are set depends on Event.
type Event struct {
	Event string `json:"event"`

	// hello
	Protocol int    `json:"protocol"`
	Python   string `json:"python"`

	// environment
	Packages   map[string]string `json:"packages"`
	Device     string            `json:"device"`
	DeviceName string            `json:"device_name"`
	Precision  string            `json:"precision"`
	Threads    int               `json:"threads"`
	Engine     string            `json:"engine"`

	// param
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`

	// data
	Split           string `json:"split"`
	Rows            int    `json:"rows"`
	TrainedTokens   int    `json:"trained_tokens"`
	DroppedOverlong int    `json:"dropped_overlong"`
	DroppedNoAnswer int    `json:"dropped_no_answer"`

	// step and eval; Loss is nil when it was no finite number
	Step         int      `json:"step"`
	Steps        int      `json:"steps"`
	Epoch        float64  `json:"epoch"`
	Loss         *float64 `json:"loss"`
	LearningRate float64  `json:"learning_rate"`
	Tokens       int      `json:"tokens"`
	TokensPerS   float64  `json:"tokens_per_s"`

	// samples: answers to validation prompts, at Step
	Answers []Sample `json:"answers"`

	// answer and text
	Index        int    `json:"index"`
	Text         string `json:"text"`
	Stopped      bool   `json:"stopped"`
	PromptTokens int    `json:"prompt_tokens"`
	Error        string `json:"error"`
	// Tokens of a prompt and of its answer, and how far each of the latter was
	// before the second likeliest; greedy answers alone have margins.
	PromptIDs []int     `json:"prompt_ids"`
	IDs       []int     `json:"ids"`
	Margins   []float64 `json:"margins"`
	Bytes     int       `json:"bytes"`
	NLL       float64   `json:"nll"`

	// checkpoint
	Path string `json:"path"`

	// log and failed
	Level   string `json:"level"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint"`

	// done
	Result json.RawMessage `json:"result"`
}

// Sample is what the model in training answered to a validation prompt.
type Sample struct {
	// Line is the prompt's in the validation file.
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Tokens  int    `json:"tokens"`
	Stopped bool   `json:"stopped"`
}

// Options say how the worker is started.
type Options struct {
	// Python is the interpreter, Script the worker's file.
	Python, Script string
	// Log receives the worker's standard error.
	Log io.Writer
	// Silence is how long the worker may say nothing, heartbeats included,
	// before it counts as hung. Zero means DefaultSilence.
	Silence time.Duration
	// Grace is how long the worker may take to end by itself. Zero means
	// DefaultGrace.
	Grace time.Duration
	// Bytecode is the folder where Python keeps what it made of the sources of
	// its packages: without it each start takes twice as long.
	Bytecode string
	// Env is added to the worker's environment.
	Env []string
}

// DefaultSilence is generous: a busy machine may starve even the heartbeats.
const DefaultSilence = 2 * time.Minute

// DefaultGrace is long enough to leave a CUDA context in order.
const DefaultGrace = 5 * time.Second

// Worker is a started worker. It carries out one job at a time.
type Worker struct {
	options Options
	process *proc.Process
	stdin   io.WriteCloser
	events  chan Event
	tail    *tail

	python string // its version

	mu      sync.Mutex // guards readErr, which is looked at before the stream has ended, too
	readErr error
}

// Start starts the worker and waits for its handshake.
func Start(ctx context.Context, o Options) (*Worker, error) {
	if o.Silence == 0 {
		o.Silence = DefaultSilence
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	w := &Worker{options: o, events: make(chan Event), tail: &tail{}}
	out, in := io.Pipe()
	cmd := exec.Command(o.Python, o.Script)
	cmd.Env = append(cmd.Environ(), append(o.bytecode(), o.Env...)...)
	cmd.Env = append(cmd.Env, "PYTHONUNBUFFERED=1", "PYTHONIOENCODING=utf-8")
	cmd.Stdout, cmd.Stderr = in, io.MultiWriter(w.tail, lossy{o.Log})
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	w.stdin = stdin
	if w.process, err = proc.Start(cmd); err != nil {
		return nil, fault.Wrap(err, "run bbjtune doctor; it makes the Python environment anew where it is broken")
	}
	go func() {
		<-w.process.Done()
		in.Close()
	}()
	go w.read(out)
	hello, err := w.next(ctx)
	if err == nil && (hello.Event != "hello" || hello.Protocol != Protocol) {
		err = fault.Newf("use the worker that came with this program", "the training worker speaks protocol %d, this program %d", hello.Protocol, Protocol)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	w.python = hello.Python
	return w, nil
}

// bytecode has Python write what it compiles into a folder of its own, never
// beside the sources.
func (o Options) bytecode() []string {
	if o.Bytecode == "" {
		return []string{"PYTHONDONTWRITEBYTECODE=1"}
	}
	return []string{"PYTHONDONTWRITEBYTECODE=", "PYTHONPYCACHEPREFIX=" + o.Bytecode}
}

// Python returns the version of the interpreter.
func (w *Worker) Python() string { return w.python }

// maxLine is the longest event in bytes.
const maxLine = 16 << 20

// read turns lines into events until the worker ends.
func (w *Worker) read(out *io.PipeReader) {
	defer close(w.events)
	// Whoever stops reading must not make the worker block on a full pipe.
	defer func() { go io.Copy(io.Discard, out) }()
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Event == "" {
			w.unreadable(fault.Newf("its log says more; this is a defect of the worker", "the training worker wrote something that is no event: %.80q", lines.Text()))
			return
		}
		w.events <- e
	}
	w.unreadable(lines.Err())
}

// unreadable keeps why the event stream could not be read further.
func (w *Worker) unreadable(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.readErr = err
}

// next waits for an event, the end of the worker, silence, or ctx.
func (w *Worker) next(ctx context.Context) (Event, error) {
	timer := time.NewTimer(w.options.Silence)
	defer timer.Stop()
	select {
	case e, ok := <-w.events:
		if !ok {
			return Event{}, w.died()
		}
		return e, nil
	case <-timer.C:
		return Event{}, fault.Newf("run the same command again; training goes on from the newest complete checkpoint",
			"the training worker said nothing for %v and was stopped", w.options.Silence)
	case <-ctx.Done():
		return Event{}, context.Cause(ctx)
	}
}

// died explains the end of the event stream.
func (w *Worker) died() error {
	w.mu.Lock()
	unread := w.readErr
	w.mu.Unlock()
	if unread != nil {
		return unread
	}
	select {
	case <-w.process.Done():
	case <-time.After(w.options.Grace):
	}
	hint := "run the same command again; training goes on from the newest complete checkpoint"
	how := "ended"
	if err := w.process.Err(); err != nil {
		how = "died: " + err.Error()
		if err.Error() == "signal: killed" {
			hint += "; where the system killed it because memory ran out, close other programs, or lower batch_size (and raise gradient_accumulation by the same factor) or max_length"
		}
	}
	if last := w.tail.String(); last != "" {
		return fault.Newf(hint, "the training worker %s; its last words: %s", how, last)
	}
	return fault.Newf(hint, "the training worker %s", how)
}

// Run carries out a job: job is written to jobFile as JSON, and every event but
// heartbeats goes to on. It returns the job's result. When ctx ends the worker
// is stopped; it cannot be used afterwards.
func (w *Worker) Run(ctx context.Context, job any, jobFile string, on func(Event)) (json.RawMessage, error) {
	text, err := json.MarshalIndent(job, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := runs.WriteFile(jobFile, append(text, '\n')); err != nil {
		return nil, err
	}
	request, err := json.Marshal(map[string]string{"job": jobFile})
	if err != nil {
		return nil, err
	}
	if _, err := w.stdin.Write(append(request, '\n')); err != nil {
		return nil, w.died()
	}
	for {
		e, err := w.next(ctx)
		if err != nil {
			w.Close()
			return nil, err
		}
		switch e.Event {
		case "heartbeat":
		case "done":
			return e.Result, nil
		case "failed":
			return nil, Failure(e)
		default:
			on(e)
		}
	}
}

// Failure is the error that a failed event tells of.
func Failure(e Event) error {
	if e.Kind == "internal" {
		return fault.Newf("its log says more; please report it", "the training worker failed: %s", e.Message)
	}
	if e.Hint == "" {
		return fmt.Errorf("%s", e.Message)
	}
	return fault.New(e.Message, e.Hint)
}

// Close ends the worker: first by closing its standard input, which it obeys
// at once, then by force.
func (w *Worker) Close() error {
	w.stdin.Close()
	go func() {
		for range w.events {
		}
	}()
	select {
	case <-w.process.Done():
		return nil
	case <-time.After(w.options.Grace):
		return w.process.Stop(0)
	}
}

// lossy drops what cannot be written. A log on a full disk must not take the
// worker's standard error away, and with it the reason why it fails.
type lossy struct{ w io.Writer }

// Write implements [io.Writer].
func (l lossy) Write(p []byte) (int, error) {
	l.w.Write(p)
	return len(p), nil
}

// tail keeps the last line that is worth telling.
type tail struct {
	mu   sync.Mutex
	last string
	part strings.Builder
}

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range p {
		if b != '\n' {
			if t.part.Len() < 400 {
				t.part.WriteByte(b)
			}
			continue
		}
		if line := strings.TrimSpace(t.part.String()); line != "" {
			t.last = line
		}
		t.part.Reset()
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
