package ray

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// Status is how far a job is.
type Status string

// The states of a job.
const (
	Pending   Status = "PENDING"
	Running   Status = "RUNNING"
	Stopped   Status = "STOPPED"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
)

// Ended reports whether the job runs no more.
func (s Status) Ended() bool { return s == Stopped || s == Succeeded || s == Failed }

// Job is a job as the cluster knows it. All text in it is foreign.
type Job struct {
	ID       string            `json:"submission_id"`
	Status   Status            `json:"status"`
	Message  string            `json:"message"`
	Error    string            `json:"error_type"`
	Metadata map[string]string `json:"metadata"`
	// Started and Ended are in milliseconds of Unix time; 0 is not yet.
	Started int64 `json:"start_time"`
	Ended   int64 `json:"end_time"`
	// Node is where its driver runs.
	Node string `json:"driver_node_id"`
	// ExitCode is its driver's; nil while it runs.
	ExitCode *int `json:"driver_exit_code"`
}

// Submission is a job to be run.
type Submission struct {
	// ID is chosen by the caller from what goes into the job: the same work has
	// the same name, so that sending it twice runs it once.
	ID string `json:"submission_id"`
	// Entrypoint is a line for the shell of the head.
	Entrypoint string            `json:"entrypoint"`
	Env        RuntimeEnv        `json:"runtime_env"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	// CPUs that the driver itself takes up; 0 leaves it on the head beside others.
	CPUs float64 `json:"entrypoint_num_cpus,omitempty"`
	// Labels are those of the node that it runs on; none is the head (see [OnNode]).
	Labels map[string]string `json:"entrypoint_label_selector,omitempty"`
}

// RuntimeEnv is what Ray prepares for a job.
type RuntimeEnv struct {
	// WorkingDir is the address of a package (see [Package.URI]).
	WorkingDir string            `json:"working_dir,omitempty"`
	Vars       map[string]string `json:"env_vars,omitempty"`
}

// OnNode are the labels of one node alone, by its ID.
func OnNode(id string) map[string]string { return map[string]string{"ray.io/node-id": id} }

// Submit starts a job unless there is one of that name already, whatever became of
// it; started reports which. An answer that is lost on the way is looked for.
func (c *Client) Submit(ctx context.Context, s Submission) (started bool, err error) {
	_, err = c.Job(ctx, s.ID)
	if err == nil {
		return false, nil
	}
	if !Is(err, NotFound) {
		return false, err
	}
	var reply struct {
		ID string `json:"submission_id"`
	}
	_, err = c.call(ctx, http.MethodPost, "/api/jobs/", s, &reply)
	if err == nil {
		return true, nil
	}
	if ctx.Err() != nil {
		return false, err
	}
	if _, again := c.Job(ctx, s.ID); again == nil {
		return true, nil
	}
	return false, err
}

func jobPath(id string) string { return "/api/jobs/" + url.PathEscape(id) }

// Job returns a job; one that is not there is [NotFound].
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var j Job
	_, err := c.call(ctx, http.MethodGet, jobPath(id), nil, &j)
	return j, err
}

// Jobs lists the jobs that were submitted, by whomever.
func (c *Client) Jobs(ctx context.Context) ([]Job, error) {
	var all []Job
	if _, err := c.call(ctx, http.MethodGet, "/api/jobs/", nil, &all); err != nil {
		return nil, err
	}
	var list []Job
	for _, j := range all {
		if j.ID != "" { // drivers that connected by themselves have none
			list = append(list, j)
		}
	}
	return list, nil
}

// Stop asks a job to end (SIGTERM, then SIGKILL after three seconds). One that has
// ended, or is not there, is left alone.
func (c *Client) Stop(ctx context.Context, id string) error {
	_, err := c.call(ctx, http.MethodPost, jobPath(id)+"/stop", nil, nil)
	if Is(err, NotFound) {
		return nil
	}
	return err
}

// Delete makes the cluster forget a job that has ended. One that is not there is
// forgotten.
func (c *Client) Delete(ctx context.Context, id string) error {
	_, err := c.call(ctx, http.MethodDelete, jobPath(id), nil, nil)
	if Is(err, NotFound) {
		return nil
	}
	return err
}

// Remove stops a job, waits until it has ended, and makes the cluster forget it. Ray
// itself looks once a second what became of a job, and writes down as failed what is
// gone by then: so it is given the time to see the end, and looked at again.
func (c *Client) Remove(ctx context.Context, id string) error {
	err := c.Stop(ctx, id)
	if err == nil {
		_, err = c.Wait(ctx, id)
	}
	for err == nil {
		if err = sleep(ctx, c.Settle); err == nil {
			err = c.Delete(ctx, id)
		}
		if err == nil {
			err = sleep(ctx, c.Settle)
		}
		if err == nil {
			_, err = c.Job(ctx, id)
		}
	}
	if Is(err, NotFound) {
		return nil
	}
	return err
}

// settleTime is the default of [Client.Settle].
const settleTime = 1500 * time.Millisecond

// pollTime is how often a job is asked for.
const pollTime = 300 * time.Millisecond

// Wait waits until a job has ended.
func (c *Client) Wait(ctx context.Context, id string) (Job, error) {
	for {
		j, err := c.Job(ctx, id)
		if err != nil || j.Status.Ended() {
			return j, err
		}
		if err := sleep(ctx, pollTime); err != nil {
			return j, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// Logs returns all that a job's driver has written, both streams in one.
func (c *Client) Logs(ctx context.Context, id string) (string, error) {
	var reply struct {
		Logs string `json:"logs"`
	}
	_, err := c.call(ctx, http.MethodGet, jobPath(id)+"/logs", nil, &reply)
	return reply.Logs, err
}

// File opens a file below the log folder of a node: its last lines, or all of it
// where lines is negative. One that is not there is [NotFound].
func (c *Client) File(ctx context.Context, node, name string, lines int) (io.ReadCloser, error) {
	return c.open(ctx, url.Values{"node_id": {node}, "filename": {name}, "lines": {strconv.Itoa(lines)}, "timeout": {"3600"}})
}

// missing is how a cluster says that a file is not there, or the node that has it.
var missing = regexp.MustCompile(`(?i)not found|Agent for node id: \w+ doesn't exist`)

// open asks for a log. Its beginning must come in time; the rest takes what it takes.
func (c *Client) open(ctx context.Context, q url.Values) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	slow := time.AfterFunc(requestTime, func() { cancel(errSlow) })
	resp, err := c.send(ctx, http.MethodGet, "/api/v0/logs/file?"+q.Encode(), "", nil)
	switch {
	case err != nil:
		cancel(nil)
		if Is(err, Broken) && missing.MatchString(err.Error()) {
			return nil, c.failure(NotFound, "%s", err.Error())
		}
		return nil, err
	case !slow.Stop():
		resp.Body.Close()
		return nil, c.broken(ctx, errSlow)
	}
	return &opened{resp.Body, cancel}, nil
}

// opened is a body whose request ends with it.
type opened struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (o *opened) Close() error {
	defer o.cancel(nil)
	return o.ReadCloser.Close()
}
