package raytest_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/ray/raytest"
)

// A cluster comes up, loses a node and gets it back, and leaves nothing.
func TestCluster(t *testing.T) {
	if os.Getenv("BBJTUNE_RAY") == "" {
		t.Skip("starts two clusters; set BBJTUNE_RAY=1 to run it")
	}
	for name, o := range map[string]raytest.Options{"namespaces": {Durable: true}, "flat": {Flat: true}} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			c := raytest.Start(t, o)
			t.Logf("up in %v, namespaces: %v", time.Since(began), c.Namespaces)
			if raylets(c, 0) != 1 || raylets(c, 1) != 1 {
				t.Errorf("processes: %v, %v", c.Processes(0), c.Processes(1))
			}
			c.KillNode(1)
			if left := c.Processes(1); len(left) > 0 {
				t.Errorf("left of the killed node: %v", left)
			}
			c.StartNode(1)
			if o.Durable {
				began = time.Now()
				c.KillHead()
				c.RestartHead()
				t.Logf("head back in %v", time.Since(began))
			}
			shared := c.Shared
			c.Stop()
			if _, err := os.Stat(shared); err == nil {
				t.Errorf("%s is left", shared)
			}
		})
	}
}

func raylets(c *raytest.Cluster, node int) (n int) {
	for _, p := range c.Processes(node) {
		if strings.Contains(p.Command, "raylet/raylet ") {
			n++
		}
	}
	return n
}
