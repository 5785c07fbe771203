package raytrain

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
)

// errLost says that the job is gone without its own doing.
var errLost = errors.New("the cluster lost the job")

// tailLines is how much of the events is asked for each time; where more came
// since, all of them are.
const tailLines = 200

// maxLine is the longest event in bytes, and maxEvents of all of them.
const (
	maxLine   = 16 << 20
	maxEvents = 1 << 30
)

// follow passes the events on until the job has ended. It returns the node that its
// files are on, where it ended by itself.
func (r *run) follow(ctx context.Context) (*done, string, error) {
	away := r.waiting()
	whole := true // what an earlier process missed may be long
	for silent, missing := 0, 0; ; {
		// First the state, then the events: after the end there is nothing to miss.
		job, err := r.Cluster.Job(ctx, r.id())
		if err == nil && job.Node != "" {
			whole, err = r.listen(ctx, job, whole)
			missing, err = r.unheard(ctx, job, missing, err)
		}
		switch {
		case ctx.Err() != nil:
			return nil, "", context.Cause(ctx)
		case r.done != nil || r.failed != nil:
			return r.done, job.Node, r.failed
		case err == nil:
			away.back()
			if err := ended(r.id(), job); err != nil && missing == 0 {
				// Looked at twice: the connection may have broken before its last events.
				if silent++; silent > 1 {
					return nil, job.Node, err
				}
			}
		case ray.Is(err, ray.NotFound):
			return nil, "", fmt.Errorf("%w: it knows it no more, as after a restart of its head", errLost)
		case ray.Passing(err):
			if err := away.told(err); err != nil {
				return nil, "", err
			}
		default:
			return nil, "", err
		}
		if err := sleep(ctx, r.Poll); err != nil {
			return nil, "", err
		}
	}
}

// missingFor is how often in a row the node of a driver may be missing. A head that has
// just come back tells of its nodes one by one.
const missingFor = 5

// unheard judges why the events of a job cannot be read: its driver has not begun, or
// its node is gone. A head that kept its tables over a restart says for ever that the
// jobs run which died with it. Where a job is done and its node gone, so are its results.
// missing counts how often in a row the node was gone.
func (r *run) unheard(ctx context.Context, job ray.Job, missing int, err error) (int, error) {
	if r.done != nil || r.failed != nil || !ray.Passing(err) && !ray.Is(err, ray.NotFound) {
		return 0, err
	}
	there, asked := alive(ctx, r.Cluster, job.Node)
	switch {
	case asked != nil:
		return missing, asked
	case there && ray.Passing(err):
		return 0, err
	case there, job.Status.Ended() && job.Status != ray.Succeeded:
		return 0, nil
	case missing+1 < missingFor:
		return missing + 1, nil
	}
	return 0, fmt.Errorf("%w: the node of its driver is gone, as after a restart of its head", errLost)
}

// alive reports whether a node is there.
func alive(ctx context.Context, c Cluster, node string) (bool, error) {
	nodes, err := c.Nodes(ctx)
	return slices.ContainsFunc(nodes, func(n ray.Node) bool { return n.ID == node }), err
}

// ended explains a job that has ended without saying so itself.
func ended(id string, job ray.Job) error {
	switch {
	case !job.Status.Ended():
		return nil
	case strings.HasPrefix(job.Error, "JOB_SUPERVISOR_ACTOR_"): // its node died, or never took it up
		return fmt.Errorf("%w: %s", errLost, lastWords(job.Message))
	case job.Status == ray.Stopped:
		return fault.Newf("start the same training again to go on from its newest complete checkpoint", "job %s was stopped on the cluster", id)
	}
	return fmt.Errorf("job %s ended without a result: %s", id, lastWords(job.Message))
}

func lastWords(message string) string {
	lines := strings.Split(strings.TrimSpace(message), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if last == "" {
		return "the cluster does not say why"
	}
	return fmt.Sprintf("%.300s", last)
}

// listen reads the new events of the job. It reports whether all of them are to be
// asked for next.
func (r *run) listen(ctx context.Context, job ray.Job, whole bool) (bool, error) {
	lines := tailLines
	if whole {
		lines = -1
	}
	list, err := r.events(ctx, job, lines)
	if err == nil && len(list) > 0 && !whole && list[0].N > r.last+1 {
		list, err = r.events(ctx, job, -1)
	}
	if err != nil {
		return whole, err
	}
	for _, e := range list {
		if e.N <= r.last {
			continue
		}
		if err := r.journal.Write(heard{r.Attempt, e.raw}); err != nil {
			return false, err
		}
		r.last = e.N
		r.advanced = r.advanced || e.Event.Event == "checkpoint"
		r.end(e)
		r.pass(e, false)
	}
	return false, nil
}

// events reads lines of the driver's file. One that is being written is left for the
// next time, and so is what a job of the same name has left that the cluster was made
// to forget.
func (r *run) events(ctx context.Context, job ray.Job, lines int) ([]event, error) {
	f, err := r.Cluster.File(ctx, job.Node, "bbjtune/"+r.id()+"/events.jsonl", lines)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(io.LimitReader(f, maxEvents), 64<<10)
	var list []event
	for {
		line, err := wholeLine(in)
		switch {
		case errors.Is(err, errLong):
			return nil, err
		case err != nil:
			return list, nil // the end, or the connection broke: the rest comes next time
		}
		e, err := read(bytes.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		if e.At*1000 >= float64(job.Started) {
			list = append(list, e)
		}
	}
}

var errLong = fmt.Errorf("an event of the job is longer than %d MiB", maxLine>>20)

// wholeLine reads a line, and no more of one that is too long.
func wholeLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, errLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// end keeps how the job ended, where an event says so.
func (r *run) end(e event) {
	switch e.Event.Event {
	case "done":
		r.done = &done{e.Result, e.Files}
	case "failed":
		r.failed = failure(e.Event)
	}
}

// pass passes all others on.
func (r *run) pass(e event, again bool) {
	if e.Event.Event != "done" && e.Event.Event != "failed" {
		r.on(e.Event, again)
	}
}

// patience waits for a cluster that does not answer.
type patience struct {
	r     *run
	since time.Time
}

func (r *run) waiting() *patience { return &patience{r: r} }

// told gives up after a time.
func (p *patience) told(err error) error {
	switch {
	case p.since.IsZero():
		p.since = time.Now()
		p.r.Say("  the cluster does not answer; what runs there goes on as long as it can, and this waits")
	case time.Since(p.since) > p.r.Patience:
		return fault.Newf("see whether the head is up, then start the same command again: it finds the job, or goes on from its newest complete checkpoint", "for %v now: %w", p.r.Patience, err)
	}
	return nil
}

// back says that the cluster answers again.
func (p *patience) back() {
	if !p.since.IsZero() {
		p.r.Say("  the cluster answers again")
		p.since = time.Time{}
	}
}
