// Package cpl is the real compiler, BASIS's bbjcpl, as a [compile.Engine]. It
// knows how the program is found, called and read:
//
//   - `bbjcpl -N -@list` checks the syntax of every file in the list and writes
//     nothing but a line on standard error for each line that it rejects:
//     `<path>: error at line <N> (<P>):     <source line>`. P is the physical
//     line; N is ten times P or the program's own line number. There is no
//     reason and no code.
//   - Its exit status is always 0. So every list ends with a control program
//     that no compiler accepts: only a run that reports it has judged what
//     stands above it in the list. A compiler that cannot read the list, ends
//     early or is no compiler at all is found out by its silence.
//
// A run counts only as a whole. One that does not end in time, that a signal
// ends, that does not report the control program, or that writes what cannot be
// attributed to a file is a failed run, and silence in it means nothing. Then
// the control program goes alone: if that fails as well, nothing is wrong with
// the sources, and the call fails. Otherwise the list is split until the program
// that makes the compiler fail is alone. It gets a verdict that says so
// ([compile.NoVerdict]); all others get theirs.
//
// It must not know the language beyond what a METHOD, its METHODEND and a
// continued line look like, nor the rules of the embedded engine, Markdown, or
// how a verdict is printed. Sources and the names of sources are hostile: the
// compiler sees file names of our own in a folder of our own, and of what it
// writes only numbers are used.
package cpl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"bbjtune/bbj/compile"
)

// Process is a running compiler.
type Process interface {
	// Done is closed when it has ended and its output has been passed on.
	Done() <-chan struct{}
	// Err says how it ended; an *exec.ExitError for a status or a signal.
	Err() error
	// Stop ends it and its children, at once for a grace of zero.
	Stop(grace time.Duration) error
}

// Starter starts a command. Whatever the process starts must end with it: the
// compiler is often a script around a Java machine.
type Starter func(*exec.Cmd) (Process, error)

// Options say how the compiler is called. A zero value stands for the default.
type Options struct {
	// Timeout is the time limit of a run with one program, 30 seconds by
	// default. Each further one adds a fiftieth of it.
	Timeout time.Duration
	// Batch is how many programs go into one run at most, 100 by default.
	Batch int
	// Parallel is how many runs go on at the same time, by default one a core
	// but no more than four: each is a Java machine.
	Parallel int
}

const (
	defaultTimeout  = 30 * time.Second
	defaultBatch    = 100
	defaultParallel = 4
	// fanOut is how many parts a failed run is split into. With eight, a program
	// that hangs in a full batch costs four time limits.
	fanOut = 8
)

// Engine is bbjcpl.
type Engine struct {
	path  string
	start Starter
	Options
}

var _ compile.Engine = (*Engine)(nil)

// New returns the engine for the compiler at the path, an absolute one as Find
// returns it.
func New(path string, start Starter, o Options) *Engine {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Batch <= 0 {
		o.Batch = defaultBatch
	}
	if o.Parallel <= 0 {
		o.Parallel = min(runtime.GOMAXPROCS(0), defaultParallel)
	}
	return &Engine{path, start, o}
}

// Path returns where the compiler is.
func (e *Engine) Path() string { return e.path }

// Name implements [compile.Engine].
func (e *Engine) Name() string { return "bbjcpl" }

// Version implements [compile.Engine]. The compiler does not say which one it
// is, so this names the file: its hash, size, time and path. The time is part of
// it because the file is often a script that stays the same from one release to
// the next.
func (e *Engine) Version(context.Context) (string, error) {
	f, err := os.Open(e.path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256:%s, %d bytes, %s, %s", hex.EncodeToString(h.Sum(nil))[:16], info.Size(),
		info.ModTime().UTC().Format(time.RFC3339), e.path), nil
}

// Compile implements [compile.Engine]. The error says that the compiler does not
// work here, or that ctx ended.
func (e *Engine) Compile(ctx context.Context, sources []compile.Source) ([]compile.Verdict, error) {
	verdicts := make([]compile.Verdict, len(sources))
	batches := (len(sources) + e.Batch - 1) / e.Batch
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(e.Parallel, batches) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < batches && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				from, to := i*e.Batch, min((i+1)*e.Batch, len(sources))
				if err := e.judge(ctx, sources[from:to], verdicts[from:to]); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return verdicts, nil
}

// judge fills in the verdicts of one batch, and splits it where its run fails.
func (e *Engine) judge(ctx context.Context, sources []compile.Source, verdicts []compile.Verdict) error {
	lines, failed, err := e.run(ctx, sources)
	if err != nil {
		return err
	}
	// A line that the compiler rejects stays rejected, however the run ends.
	if failed == "" || len(sources) == 1 && len(lines[0]) > 0 {
		for i, s := range sources {
			verdicts[i] = verdict(s, lines[i])
		}
		return nil
	}
	if err := e.works(ctx); err != nil {
		return err
	}
	if len(sources) == 1 {
		verdicts[0] = noVerdict(sources[0], failed)
		return nil
	}
	part := (len(sources) + fanOut - 1) / fanOut
	for from := 0; from < len(sources); from += part {
		to := min(from+part, len(sources))
		if err := e.judge(ctx, sources[from:to], verdicts[from:to]); err != nil {
			return err
		}
	}
	return nil
}

// works returns an error if a run fails that no source can be blamed for.
func (e *Engine) works(ctx context.Context) error {
	_, failed, err := e.run(ctx, nil)
	if failed != "" {
		return fmt.Errorf("bbjcpl at %s does not work: with a control program alone it %s", e.path, failed)
	}
	return err
}
