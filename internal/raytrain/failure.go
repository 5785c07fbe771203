package raytrain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/printable"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// logFile gets the end of the log of a job that failed, with the tracebacks of its
// workers.
const logFile = "ray-job.log"

// The lines of that log that are asked for, the bytes that are taken and those that are
// kept of them, and how long they may take to come: they are worth no more waiting.
const (
	logLines = 1000
	maxTaken = 16 << 20
	maxKept  = 1 << 20
	logTime  = 20 * time.Second
)

// failure is the error that a failed event of a job tells of. Its text is foreign, and
// becomes one line. Where the worker had no advice, none is given here.
func failure(e trainer.Event) error {
	e.Message, e.Hint = oneLine(e.Message), oneLine(e.Hint)
	switch {
	case e.Kind == "internal":
		return fmt.Errorf("the training failed on the cluster: %s", e.Message)
	case e.Hint == "":
		return errors.New(e.Message)
	}
	return fault.New(e.Message, e.Hint)
}

func oneLine(text string) string {
	return fmt.Sprintf("%.1000s", strings.Join(strings.Fields(text), " "))
}

// withLog keeps the end of the log of a job that failed by itself, and says where it
// lies unless the failure came with better advice.
func (r *run) withLog(ctx context.Context, node string, failed error) error {
	if ctx.Err() != nil || errors.Is(failed, errLost) {
		return failed
	}
	hint := "ray job logs " + r.id() + " says more"
	if path := filepath.Join(r.Dir, logFile); node != "" && r.keepLog(ctx, node, path) == nil {
		hint = path + " has the end of the job's log, ray job logs " + r.id() + " all of it"
	}
	return fault.Wrap(failed, hint)
}

// keepLog fetches the end of the job's log, with nothing in it that a terminal obeys.
func (r *run) keepLog(ctx context.Context, node, path string) error {
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	in, err := r.Cluster.File(ctx, node, "job-driver-"+r.id()+".log", logLines)
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxTaken))
	if err != nil {
		return err
	}
	text = text[max(0, len(text)-maxKept):]
	return runs.WriteFile(path, []byte(printable.Visible(string(text))))
}
