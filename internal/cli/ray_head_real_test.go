//go:build linux

package cli_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bbjtune/internal/ray/raytest"
)

// The head is killed in the middle of a training and comes back: the client submits the
// stage anew, which ends with the losses of the one that nothing disturbed. A head that
// keeps its tables in memory has forgotten the jobs, and the other nodes must be started
// again; one that keeps them on disk has the nodes back, and says that the job runs.
func TestRealRayHead(t *testing.T) {
	if os.Getenv(realRay) == "" {
		t.Skipf("kills the head of a real Ray cluster; set %s=1 to run it", realRay)
	}
	var want map[string]float64
	t.Run("memory", func(t *testing.T) {
		c := newClustered(t, "true", "0.9")
		c.run(c.train()...)
		want = c.losses()
		c.forget()
		c.followed("stage2", want, false)
		c.forget()
		c.unfollowed("stage1", want)
	})
	t.Run("disk", func(t *testing.T) {
		c := newClusteredOn(t, raytest.Options{CPUs: 1, Durable: true}, "true", "0.9")
		c.followed("stage1", want, true)
	})
}

// followed kills the head while a client follows the stage.
func (c *clustered) followed(stage string, want map[string]float64, durable bool) {
	c.t.Helper()
	k := c.client(c.train()...)
	c.checkpointOf(k, stage)
	c.hear(k, stage)
	killed := time.Now()
	c.cluster.KillHead()
	time.Sleep(5 * time.Second)
	c.cluster.RestartHead()
	back := time.Now()
	c.t.Logf("the head is back %.0f s after it was killed", back.Sub(killed).Seconds())
	if !durable {
		back = c.rejoin(killed)
	}
	c.finish(k)
	c.toldOnce(k)
	c.wentOn(stage, killed, back)
	c.equal("the head was killed in "+stage, c.losses(), want, 0)
	c.onceEach()
}

// rejoin waits for the end of the other node, which the new head does not know, and
// starts it again.
func (c *clustered) rejoin(killed time.Time) time.Time {
	c.t.Helper()
	for !c.cluster.Ended(1) {
		if time.Since(killed) > 2*time.Minute {
			c.t.Fatalf("the other node lives, and the head does not know it")
		}
		time.Sleep(200 * time.Millisecond)
	}
	c.t.Logf("the other node has ended %.0f s after the head", time.Since(killed).Seconds())
	c.cluster.StartNode(1)
	c.t.Logf("the other node is back %.0f s after the head was killed", time.Since(killed).Seconds())
	return time.Now()
}

// unfollowed kills the head while no client follows the stage. Another one attaches
// when all nodes have been started again.
func (c *clustered) unfollowed(stage string, want map[string]float64) {
	c.t.Helper()
	k := c.client(c.train()...)
	c.checkpointOf(k, stage)
	c.hear(k, stage)
	k.end(syscall.SIGKILL)
	killed := time.Now()
	c.cluster.KillHead()
	out, err := c.command("runs", "attach").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "hint: ") || time.Since(killed) > 15*time.Second {
		c.t.Errorf("without a head: %v\n%s", err, out)
	}
	c.cluster.KillNode(1)
	c.cluster.RestartHead()
	c.cluster.StartNode(1)
	back := time.Now()
	k = c.client("runs", "attach")
	c.finish(k)
	c.wentOn(stage, killed, back)
	c.equal("the head was killed without a client in "+stage, c.losses(), want, 0)
	c.onceEach()
}

// finish waits for the end of a client that follows to the end. On a machine that is
// overloaded Ray takes a node for dead: as a person would, it is started again.
func (c *clustered) finish(k *client) {
	c.t.Helper()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); {
		select {
		case err := <-k.ended:
			if err != nil {
				c.t.Fatalf("%v\n%s", err, k.said.String())
			}
			return
		case <-look.C:
		}
		for node := 1; node < c.nodes; node++ {
			if c.cluster.Ended(node) {
				c.t.Logf("node %d ended by itself and is started again", node)
				c.cluster.StartNode(node)
			}
		}
	}
	c.t.Fatalf("the training does not end\n%s", k.said.String())
}

// checkpointOf waits for a new checkpoint of a stage.
func (c *clustered) checkpointOf(k *client, stage string) {
	c.t.Helper()
	for c.checkpoint(k) {
		if slices.ContainsFunc(c.checkpoints(), func(path string) bool { return strings.Contains(path, "-"+stage+"/") }) {
			return
		}
	}
	c.t.Fatalf("the training ended before %s had a checkpoint\n%s", stage, k.said.String())
}

// hear waits until the client has heard of a step of the stage.
func (c *clustered) hear(k *client, stage string) {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if steps := c.heardSteps(stage); len(steps) > 0 && len(steps[len(steps)-1]) > 0 {
			return
		}
	}
	c.t.Fatalf("nothing was heard of %s\n%s", stage, k.said.String())
}

// toldOnce holds what the client said of the loss.
func (c *clustered) toldOnce(k *client) {
	c.t.Helper()
	var lines []string
	for line := range strings.Lines(k.said.String()) {
		if strings.Contains(line, "lost the job") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "it is submitted again and goes on from the newest complete checkpoint") {
		c.t.Errorf("it said %q of\n%s", lines, k.said.String())
		return
	}
	c.t.Log(lines[0])
}

// wentOn holds the journal of a stage that was submitted twice: each attempt has each of
// its steps once, the second begins after a checkpoint of the first, and repeats steps
// with the same losses. It tells how long that took.
func (c *clustered) wentOn(stage string, killed, back time.Time) {
	c.t.Helper()
	steps := c.heardSteps(stage)
	if len(steps) != 2 || len(steps[0]) == 0 || len(steps[1]) == 0 {
		c.t.Fatalf("%s was heard in %d attempts: %v", stage, len(steps), steps)
	}
	for _, attempt := range steps {
		for i, s := range attempt {
			if s.Step != attempt[0].Step+i {
				c.t.Errorf("%s: step %d follows step %d", stage, s.Step, attempt[i-1].Step)
			}
		}
	}
	first, second := steps[0], steps[1]
	last, next := first[len(first)-1].Step, second[0]
	if first[0].Step != 1 || next.Step < 2 {
		c.t.Errorf("%s began with step %d and went on with step %d", stage, first[0].Step, next.Step)
	}
	for _, s := range second {
		if s.Step <= last && s.Loss != first[s.Step-1].Loss {
			c.t.Errorf("%s: the loss of step %d was %v, and then %v", stage, s.Step, first[s.Step-1].Loss, s.Loss)
		}
	}
	at := time.UnixMilli(int64(next.At * 1000))
	c.t.Logf("%s: heard up to step %d, went on with step %d, %.0f s after the kill and %.0f s after the nodes were back", stage, last, next.Step,
		at.Sub(killed).Seconds(), at.Sub(back).Seconds())
}

// heardStep is a step as the journal has it.
type heardStep struct {
	At   float64
	Step int
	Loss float64
}

// heardSteps are the steps of each attempt at a stage.
func (c *clustered) heardSteps(stage string) (attempts [][]heardStep) {
	c.t.Helper()
	file, err := os.Open(filepath.Join(c.folder(), stage, "ray-events.jsonl"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer file.Close()
	for in := bufio.NewScanner(file); in.Scan(); {
		var line struct {
			Attempt int
			Event   struct {
				Event string
				heardStep
			}
		}
		if json.Unmarshal(in.Bytes(), &line) != nil {
			break // it is being written
		}
		for len(attempts) < line.Attempt {
			attempts = append(attempts, nil)
		}
		if line.Event.Event == "step" {
			attempts[line.Attempt-1] = append(attempts[line.Attempt-1], line.Event.heardStep)
		}
	}
	return attempts
}
