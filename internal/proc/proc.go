// Package proc starts child processes that cannot outlive their parent's wish:
// each gets a process group (on Windows a job) of its own, so that stopping it
// takes its own children along, and so that Ctrl-C on the terminal reaches the
// parent alone, which then decides.
//
// It must not know what the child does. It does not read the child's output
// either: that belongs to the writers set in the exec.Cmd.
package proc

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// drainTime is how long output is still read after the child has ended, in case
// one of its own children holds the other end of the pipe.
const drainTime = 2 * time.Second

// killTime is how long a killed child may take to disappear.
const killTime = 10 * time.Second

// Process is a started child. Its methods may be called from any goroutine.
type Process struct {
	cmd  *exec.Cmd
	tree *tree
	done chan struct{}
	err  error // valid once done is closed
}

// Start starts cmd. Its output must go to cmd.Stdout and cmd.Stderr: the pipes
// of cmd.StdoutPipe would be closed before their reader has read everything.
// cmd.StdinPipe is fine; a child that ends when its standard input does also
// ends when its parent is killed, on every platform. On Linux the child gets
// SIGTERM in that case, on Windows it is ended; on macOS nothing else does it.
func Start(cmd *exec.Cmd) (*Process, error) {
	prepare(cmd)
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = drainTime
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	return p, nil
}

// run starts the child, waits for it and clears away what it leaves. It keeps
// its thread all the while: Linux counts a parent as dead when the thread that
// started the child ends.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	var err error
	if p.tree, err = adopt(p.cmd.Process); err != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		started <- err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
	if errors.Is(p.err, exec.ErrWaitDelay) {
		p.err = nil // the child itself ended well
	}
	p.tree.kill()
	p.tree.release()
	close(p.done)
}

// Pid returns the process id of the child.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended, its output has been passed on, and
// what was left of its group has been killed.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the child ended: nil for exit status 0, an *exec.ExitError for
// another one or a signal. Before Done it returns nil.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Stop asks the child and its children to end (SIGTERM, on Windows Ctrl-Break),
// kills them all when the child has not ended within grace, and returns when it
// is gone. With a grace of zero it kills at once. It fails only for a child that
// cannot be killed. Stopping one that has ended does nothing.
func (p *Process) Stop(grace time.Duration) error {
	if grace > 0 && p.tree.ask() == nil && p.endsWithin(grace) {
		return nil
	}
	p.tree.kill()
	if !p.endsWithin(killTime) {
		return fmt.Errorf("process %d (%s) is still there %v after it was killed", p.Pid(), filepath.Base(p.cmd.Path), killTime)
	}
	return nil
}

// endsWithin waits for the end of the child, but no longer than limit.
func (p *Process) endsWithin(limit time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(limit):
		return false
	}
}
