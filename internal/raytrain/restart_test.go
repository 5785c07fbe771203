package raytrain

import (
	"slices"
	"strings"
	"testing"

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
