package raytrain

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bbjtune/internal/ray"
	"bbjtune/internal/trainer"
)

// A head that keeps its tables says after a restart that the job runs, which died with
// the node that it was.
func TestRunAfterTheHeadWasRestartedWithItsTables(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob { return script(6) })
	restart := func(e trainer.Event, again bool) {
		tr.steps = append(tr.steps, e.Step)
		if e.Step == 3 && len(tr.submitted) == 1 {
			tr.head = "n2"
		}
	}
	if _, err := Run(t.Context(), tr.Options, tr.job, restart); err != nil {
		t.Fatal(err)
	}
	if want := []int{1, 2, 3, 1, 2, 3, 4, 5, 6}; !slices.Equal(tr.steps, want) || len(tr.submitted) != 2 {
		t.Errorf("heard %v of %d jobs", tr.steps, len(tr.submitted))
	}
	if said := strings.Join(tr.said, "\n"); strings.Count(said, "the node of its driver is gone") != 1 {
		t.Error(said)
	}
	// What it left went with the node, and is made anew from the newest checkpoint.
	tr.head = "n3"
	tr.steps = nil
	if _, err := Run(t.Context(), tr.Options, tr.job, restart); err != nil || len(tr.submitted) != 3 {
		t.Errorf("%v of %d jobs", err, len(tr.submitted))
	}
}

// So it is where nobody had heard yet that it was done.
func TestRunAfterTheNodeOfADoneJobIsGone(t *testing.T) {
	tr := newTraining(t, func(string) *fakeJob { return script(2) })
	done := script(2)
	done.Node, done.Status, done.told = "n0", ray.Succeeded, len(done.events)
	tr.jobs[ID(tr.Name, 1)] = done
	tr.wants(2)
	if len(tr.submitted) != 1 || tr.submitted[0].ID != ID(tr.Name, 2) {
		t.Errorf("%+v", tr.submitted)
	}
}

// deaf is a cluster that stops nothing, as where the job died with its node.
type deaf struct{ *fakeCluster }

func (deaf) Stop(context.Context, string) error { return nil }

func TestCancelAfterTheHeadWasRestartedWithItsTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, done := context.WithTimeout(t.Context(), time.Minute)
		defer done()
		job := script(2)
		job.Node, job.Status = "n0", ray.Running
		c := deaf{&fakeCluster{jobs: map[string]*fakeJob{ID("x", 1): job}, head: "n1"}}
		if id, err := Cancel(ctx, c, Record{Name: "x", Attempt: 1}); id != ID("x", 1) || err != nil {
			t.Error(id, err)
		}
		c.head = "n0"
		if _, err := Cancel(ctx, c, Record{Name: "x", Attempt: 1}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("a job that runs is taken for one that has ended:", err)
		}
	})
}

// A training of days may lose its cluster more often than one that gets nowhere.
func TestRunGoesOnAsLongAsItAdvances(t *testing.T) {
	lost := 0
	tr := newTraining(t, func(string) *fakeJob {
		j := script(2)
		if lost++; lost <= 2*restarts {
			j.events = append(j.events[:1], `{"n":2,"event":"checkpoint","step":1}`+"\n")
			j.ends, j.lost = ray.Failed, true
		}
		return j
	})
	tr.wants(2)
	if len(tr.submitted) != 2*restarts+1 {
		t.Errorf("%d jobs", len(tr.submitted))
	}
}
