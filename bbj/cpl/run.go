package cpl

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"bbjtune/bbj/compile"
)

// control is the program at the end of every list. No compiler accepts it.
const control = "x=)(\n"

// run has the sources and the control program judged in one call, and returns
// the lines that are rejected in each source. If the run cannot be trusted,
// failed says why, as the end of a sentence about the compiler; the lines are
// then those that were reported all the same.
func (e *Engine) run(ctx context.Context, sources []compile.Source) (lines [][]int, failed string, err error) {
	dir, err := os.MkdirTemp("", "bbjtune-cpl-")
	if err != nil {
		return nil, "", fmt.Errorf("make a folder for the compiler: %w", err)
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.Abs(dir); err != nil { // TMPDIR may be relative, and the compiler works elsewhere
		return nil, "", err
	}
	// No source can know the word, so none can forge a report.
	word := strings.ToLower(rand.Text())
	list, err := writeSources(dir, word, sources)
	if err != nil {
		return nil, "", fmt.Errorf("write for the compiler: %w", err)
	}
	out := newReports(word, len(sources)+1)
	cmd := exec.Command(e.path, "-N", "-@"+list)
	cmd.Dir, cmd.Stderr = dir, out
	failed, err = e.wait(ctx, cmd, out, e.limit(len(sources)))
	if err != nil {
		return nil, "", err
	}
	if failed == "" {
		failed = out.lacking()
	}
	return out.lines[:len(sources)], failed, nil
}

// writeSources writes the sources, the control program and the list of them
// all, and returns the path of the list.
func writeSources(dir, word string, sources []compile.Source) (list string, err error) {
	var paths strings.Builder
	for i := range len(sources) + 1 {
		text := []byte(control)
		if i < len(sources) {
			text = sources[i].Text
		}
		path := filepath.Join(dir, fmt.Sprintf("%s-%d.bbj", word, i))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return "", err
		}
		paths.WriteString(path + "\n")
	}
	list = filepath.Join(dir, "list")
	return list, os.WriteFile(list, []byte(paths.String()), 0o600)
}

// limit is the time that a run with so many programs may take.
func (e *Engine) limit(programs int) time.Duration {
	return e.Timeout + time.Duration(max(0, programs-1))*e.Timeout/50
}

// wait carries out the command, and ends it when it takes too long or writes too
// much. It returns how the run failed, or that there was none.
func (e *Engine) wait(ctx context.Context, cmd *exec.Cmd, out *reports, limit time.Duration) (failed string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	p, err := e.start(cmd)
	if err != nil {
		return "", fmt.Errorf("run bbjcpl: %w", err)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.Done():
		return ended(p.Err())
	case <-timer.C:
		failed = fmt.Sprintf("did not end within %v", limit)
	case <-out.full:
		failed = fmt.Sprintf("wrote more than %d MB", maxOutput>>20)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err := p.Stop(0); err != nil {
		return "", err // it may still be writing
	}
	return failed, err
}

// ended says whether a signal ended the process. An exit status means nothing.
func ended(err error) (failed string, _ error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", nil
	case !errors.As(err, &exit):
		return "", fmt.Errorf("run bbjcpl: %w", err)
	case !exit.Exited():
		return "was ended (" + exit.String() + ")", nil
	}
	return "", nil
}
