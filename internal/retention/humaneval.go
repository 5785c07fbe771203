package retention

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"bbjtune/internal/fault"
)

// Task is a task of HumanEval.
type Task struct {
	ID         string `json:"task_id"`
	Prompt     string `json:"prompt"`
	EntryPoint string `json:"entry_point"`
	Test       string `json:"test"`
}

// Stop are the texts at which the function that a task asks for has ended.
func Stop() []string { return []string{"\nclass ", "\ndef ", "\n#", "\nif ", "\nprint(", "\n```"} }

// largestLine is more than a task takes.
const largestLine = 1 << 20

// ReadTasks reads the file of tasks as it is published, gzipped JSONL.
func ReadTasks(in io.Reader) ([]Task, error) {
	unpacked, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("tasks of HumanEval: %w", err)
	}
	var list []Task
	lines := bufio.NewScanner(unpacked)
	lines.Buffer(nil, largestLine)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var t Task
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil || t.ID == "" || t.Prompt == "" || t.EntryPoint == "" || t.Test == "" {
			return nil, fmt.Errorf("tasks of HumanEval: line %d is no task", len(list)+1)
		}
		list = append(list, t)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("tasks of HumanEval: %w", err)
	}
	if len(list) == 0 {
		return nil, errors.New("tasks of HumanEval: there are none")
	}
	return list, nil
}

// Program is the task with its answer and the test behind it.
func (t Task) Program(answer string) string {
	return t.Prompt + answer + "\n\n" + t.Test + "\n\ncheck(" + t.EntryPoint + ")\n"
}

// Sandbox runs programs that a model wrote, each in a process of its own: with
// an empty environment, in an empty folder, without a network, without children,
// and with limits of time, memory and files. worker/sandbox.py sets them.
type Sandbox struct {
	Python, Script string
	// CPU and Wall limit the time, Memory the bytes of the process.
	CPU, Wall time.Duration
	Memory    int64
}

// DefaultSandbox has the limits that HumanEval needs.
func DefaultSandbox(python, script string) Sandbox {
	return Sandbox{Python: python, Script: script, CPU: 5 * time.Second, Wall: 20 * time.Second, Memory: 512 << 20}
}

// statusOpen is the exit status of the script where it could not shut the process
// off.
const statusOpen = 77

// Run runs a program and reports whether it came to its end. An error says that
// it was not run.
func (s Sandbox) Run(ctx context.Context, program string) (bool, error) {
	dir, err := os.MkdirTemp("", "bbjtune-sandbox-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	// A program that ends the process itself has not passed: only the script
	// behind it can repeat this word.
	word := rand.Text()
	request, err := json.Marshal(map[string]any{
		"program": program, "word": word, "cpu_seconds": int(s.CPU.Seconds()), "memory_bytes": s.Memory,
	})
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.Wall, errSlow)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Python, "-I", "-S", "-B", s.Script)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, []string{"PATH="}, bytes.NewReader(request)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errSlow):
		return false, context.Cause(ctx)
	case errors.As(err, &exit) && exit.ExitCode() == statusOpen:
		return false, fault.Newf("leave HumanEval out; the perplexity of general code executes nothing",
			"programs cannot be shut off on this system: %s", strings.TrimSpace(string(exit.Stderr)))
	}
	told, ready := strings.CutPrefix(string(out), "ready\n")
	if !ready && ctx.Err() == nil {
		return false, fault.Wrap(fmt.Errorf("the isolated Python did not start: %w", cmp.Or(err, errSilent)), "run bbjtune doctor")
	}
	return err == nil && told == word, nil
}

var (
	errSlow   = errors.New("the program took too long")
	errSilent = errors.New("it said nothing")
)
