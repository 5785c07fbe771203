//go:build linux

package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bbjtune/internal/sweep"
)

// Six variants run on a real cluster of two nodes, two at a time, and hopeless ones
// are stopped. The client is killed in the middle: the same command follows what is
// under way, and nothing is trained twice.
func TestRealRaySweep(t *testing.T) {
	c := newClustered(t, "false", "0.4")
	c.write("sweep.yaml", "version: 1\nextends: recipe.yaml\nname: sweep\nstage2: {eval_steps: 2, sample_prompts: 0}\n")
	args := []string{"sweep", "sweep.yaml", "--set", "stage2.learning_rate=1e-2,1e-5,3e-3,1e-4,1e-3,3e-5", "--slots", "2", "--train-only",
		"--early-stop", "asha", "--grace", "1", "--eta", "2", "--output-format", "json",
		"--compute", "ray", "--compute-address", c.cluster.Address, "--compute-storage", c.cluster.Shared}

	start := time.Now()
	k := c.client(args...)
	c.manifest(k)
	k.end(syscall.SIGKILL)
	before := c.manifests()
	out, said := c.run(args...)
	t.Logf("six variants took %.0f s\n%s", time.Since(start).Seconds(), said)

	var got struct{ Table sweep.Table }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	for path, text := range before {
		if read(t, path) != text {
			t.Errorf("%s was trained again", path)
		}
	}
	c.judged(&got.Table)
	c.onceEach()
	c.trainedOnce(6)
	if again, _ := c.run(args...); !sameRows(t, again, out) {
		t.Errorf("done again\n%s\nfirst\n%s", again, out)
	}
	ended := finished(&got.Table)
	diff, _ := c.run("runs", "diff", filepath.Base(ended[0].Run), filepath.Base(ended[len(ended)-1].Run))
	if len(ended) > 1 && !strings.Contains(diff, "stage2.learning_rate") {
		t.Errorf("runs diff does not name what changed:\n%s", diff)
	}
	c.wide()
}

// wide has each variant take the whole cluster, two at a time: one waits for its place
// until the other has ended, and is then judged like any other.
func (c *clustered) wide() {
	c.t.Helper()
	start := time.Now()
	out, said := c.run("sweep", "sweep.yaml", "--set", "stage2.learning_rate=2e-2,2e-5,6e-3", "--slots", "2", "--train-only",
		"--early-stop", "asha", "--grace", "1", "--eta", "2", "--output-format", "json",
		"--compute", "ray", "--compute-address", c.cluster.Address, "--compute-storage", c.cluster.Shared, "--workers", "2")
	c.t.Logf("three variants of two workers took %.0f s\n%s", time.Since(start).Seconds(), said)
	var got struct{ Table sweep.Table }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		c.t.Fatal(err)
	}
	c.judged(&got.Table)
	c.trainedOnce(6 + 3)
}

// trainedOnce holds that so many variants were trained, each by one job that has ended.
func (c *clustered) trainedOnce(variants int) {
	c.t.Helper()
	trained := 0
	for _, j := range c.idle() {
		if strings.HasPrefix(j.ID, "bbjtune-probe-") {
			continue
		}
		if trained++; !strings.HasSuffix(j.ID, "-1") {
			c.t.Errorf("a variant was trained by a second job, %s", j.ID)
		}
	}
	if trained != variants {
		c.t.Errorf("%d jobs trained %d variants", trained, variants)
	}
}

// manifest waits until a training is complete.
func (c *clustered) manifest(k *client) {
	c.t.Helper()
	for deadline := time.Now().Add(8 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if len(c.manifests()) > 0 {
			return
		}
		select {
		case err := <-k.ended:
			c.t.Fatalf("%v\n%s", err, k.said.String())
		default:
		}
	}
	c.t.Fatalf("no training was completed\n%s", k.said.String())
}

func (c *clustered) manifests() map[string]string {
	c.t.Helper()
	found, err := filepath.Glob(filepath.Join(c.dir, "runs/train/*/manifest.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	texts := map[string]string{}
	for _, path := range found {
		texts[path] = read(c.t, path)
	}
	return texts
}

func finished(table *sweep.Table) (list []sweep.Row) {
	for _, r := range table.Rows {
		if r.Loss != nil {
			list = append(list, r)
		}
	}
	return list
}

// judged holds a table against the folders: what was stopped is no finished training.
func (c *clustered) judged(table *sweep.Table) {
	c.t.Helper()
	if table.Failed() > 0 || table.Stopped() == 0 || table.Stopped() == len(table.Rows) {
		c.t.Fatalf("%d of %d failed, %d were stopped", table.Failed(), len(table.Rows), table.Stopped())
	}
	for _, r := range table.Rows {
		_, err := os.Stat(filepath.Join(c.dir, r.Run, "manifest.json"))
		if (err == nil) != (r.Stopped == nil) || (r.Loss == nil) != (r.Stopped != nil) {
			c.t.Errorf("%s: %+v, manifest: %v", r.Changed, r, err)
		}
		if r.Stopped != nil {
			c.t.Logf("%s: loss %.4f, %s", r.Changed, *r.Stopped.Loss, r.Stopped)
		} else {
			c.t.Logf("%s: loss %.4f", r.Changed, *r.Loss)
		}
	}
}

func sameRows(t *testing.T, a, b string) bool {
	t.Helper()
	var rows [2]struct{ Table sweep.Table }
	for i, text := range []string{a, b} {
		if err := json.Unmarshal([]byte(text), &rows[i]); err != nil {
			t.Fatal(err)
		}
		for j := range rows[i].Table.Rows {
			rows[i].Table.Rows[j].Reused = false
		}
	}
	one, _ := json.Marshal(rows[0])
	other, _ := json.Marshal(rows[1])
	return string(one) == string(other)
}
