//go:build linux

package cli_test

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bbjtune/internal/ray/raytest"
	"bbjtune/internal/raytrain"
)

// The head dies, and on another node goes on what it had started: a worker that is held
// up until the stage has been submitted anew and trains elsewhere. It does the new one no
// harm, however far it comes.
func TestRealRayOrphan(t *testing.T) {
	skipKills(t)
	c := newClusteredOn(t, raytest.Options{Nodes: 3, CPUs: 1, IdleHead: true}, "false", "0.9")
	train := append(c.train(), "--workers", "1")
	c.run(train...)
	want, adapter := c.losses(), c.adapter()
	c.forget()
	k := c.client(train...)
	c.checkpointOf(k, "stage2")
	orphan := c.workers()[0]
	node := c.nodeOf(orphan.PID)
	other := 3 - node
	killed := time.Now()
	c.cluster.KillHead()
	c.cluster.KillNode(other)
	// Else the node ends about a minute after its head, and the worker with it.
	for _, p := range c.cluster.Processes(node) {
		if p.PID == orphan.PID || strings.Contains(p.Command, "/raylet/raylet ") {
			sendTo(t, p.PID, syscall.SIGSTOP)
		}
	}
	c.cluster.RestartHead()
	c.cluster.StartNode(other)
	if !c.checkpoint(k) {
		t.Fatalf("the training ended\n%s", k.said.String())
	}
	t.Logf("the new attempt had a checkpoint %.0f s after the kill", time.Since(killed).Seconds())
	sendTo(t, orphan.PID, syscall.SIGCONT)
	c.finish(k)
	c.toldOnce(k)
	c.equal("beside an orphan", c.losses(), want, 0)
	c.onceEach()
	if c.adapter() != adapter {
		t.Error("the adapter is another one")
	}
}

// skipKills skips a test that takes minutes of killing and waiting.
func skipKills(t *testing.T) {
	t.Helper()
	if os.Getenv(kills) == "" || os.Getenv(realRay) == "" {
		t.Skipf("kills parts of a real Ray cluster and waits; set %s=1 and %s=20 to run it", realRay, kills)
	}
}

func sendTo(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// nodeOf is the node that a process runs on.
func (c *clustered) nodeOf(pid int) int {
	c.t.Helper()
	for node := range c.nodes {
		if slices.ContainsFunc(c.cluster.Processes(node), func(p raytest.Process) bool { return p.PID == pid }) {
			return node
		}
	}
	c.t.Fatalf("process %d runs on no node", pid)
	return 0
}

// A head that stays away ends the command with a sentence and a hint when its patience
// is over. The same command goes on when the cluster is there again.
func TestRealRayWithoutHead(t *testing.T) {
	skipKills(t)
	c := newClustered(t, "false", "0.9")
	k := c.client(c.train()...)
	c.checkpointOf(k, "stage2")
	c.hear(k, "stage2")
	killed := time.Now()
	c.cluster.KillHead()
	err := <-k.ended
	took := time.Since(killed)
	said := k.said.String()
	if err == nil || k.cmd.ProcessState.ExitCode() != 2 || took > raytrain.DefaultPatience+time.Minute || !strings.Contains(said, ": for 5m0s now: the Ray cluster at ") ||
		!strings.Contains(said, "hint: see whether the head is up, then start the same command again") {
		t.Errorf("%v after %v\n%s", err, took, said)
	}
	t.Logf("it gave up after %.0f s", took.Seconds())
	c.cluster.KillNode(1)
	c.cluster.RestartHead()
	c.cluster.StartNode(1)
	back := time.Now()
	c.run(c.train()...)
	c.wentOn("stage2", killed, back)
	c.onceEach()
}
