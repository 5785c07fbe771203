//go:build linux

package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// One job writes the checkpoints of a training. Where Ray knows that it died, the next
// one of whomever gets in at once; one of another cluster is believed while it gives
// signs of life, and some seconds longer.
func TestRealRayWriter(t *testing.T) {
	c := newClustered(t, "false", "0.3")
	k := c.client(c.train()...)
	if !c.checkpoint(k) {
		t.Fatalf("it ended at once\n%s", k.said.String())
	}
	k.end(syscall.SIGKILL)
	c.killDriver()
	_, said := c.run(append(c.train(), "--runs", "other")...)
	if !strings.Contains(said, "resumed from checkpoint") || strings.Contains(said, "waiting to see") {
		t.Errorf("after the death of the job\n%s", said)
	}

	output, _ := filepath.Glob(filepath.Join(c.cluster.Shared, "runs", "tiny-*"))
	if len(output) != 1 {
		t.Fatalf("%v", output)
	}
	c.forget()
	stop := alive(t, output[0])
	cmd := c.command(c.train()...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(text), ": job elsewhere-1 of the Ray session_elsewhere is training into "+output[0]) {
		t.Errorf("beside another one: %v\n%s", err, text)
	}
	stop()
	if _, said = c.run(c.train()...); !strings.Contains(said, "waiting to see whether it still writes") {
		t.Errorf("after another one that fell silent\n%s", said)
	}
}

// killDriver ends the process of the job that is under way.
func (c *clustered) killDriver() {
	c.t.Helper()
	for _, p := range c.cluster.Processes(0) {
		if strings.Contains(p.Command, "ray_driver.py") && !strings.Contains(p.Command, "sh -c") {
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
				c.t.Fatal(err)
			}
			return
		}
	}
	c.t.Fatal("no driver is there")
}

// alive gives the signs of life of a job of another cluster, until it is stopped.
func alive(t *testing.T, output string) (stop func()) {
	if err := os.MkdirAll(output, 0o755); err != nil {
		t.Fatal(err)
	}
	ended, left := make(chan bool), make(chan bool)
	beat := func(n int) {
		text := fmt.Sprintf(`{"job": "elsewhere-1", "attempt": "1", "cluster": "session_elsewhere", "token": "0", "state": "alive", "count": "%012d"}`, n)
		if err := os.WriteFile(filepath.Join(output, "writer.json"), []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
	beat(0)
	go func() {
		defer close(left)
		for n := 1; ; n++ {
			select {
			case <-ended:
				return
			case <-time.After(time.Second):
				beat(n)
			}
		}
	}()
	return func() { close(ended); <-left }
}
