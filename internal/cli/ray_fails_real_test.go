//go:build linux

package cli_test

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bbjtune/internal/ray"
	"bbjtune/internal/ray/raytest"
)

// A job that cannot do its work ends with one sentence and status 2, leaves nothing
// running and no finished training, and the same command tries again: a model whose
// losses are infinite, and workers that are killed whenever they start. The last try
// finds the cluster busy, says so and waits for its place.
func TestRealRayFails(t *testing.T) {
	c := newClustered(t, "false", "0.2")
	c.run("train", "recipe.yaml")
	want := c.losses()
	c.putAway("one")

	c.python("-c", infinite, filepath.Join(c.dir, "base"), filepath.Join(c.dir, "base-infinite"))
	text := read(t, filepath.Join(c.dir, "recipe.yaml"))
	c.write("infinite.yaml", strings.Replace(text, filepath.Join(c.dir, "base"), filepath.Join(c.dir, "base-infinite"), 1))
	k := c.client(slices.Replace(c.train(), 1, 2, "infinite.yaml")...)
	c.fails(k, <-k.ended, "at step 1, before any checkpoint\nhint: lower learning_rate")

	k = c.client(c.train()...)
	c.fails(k, c.killedAtStart(k), "the workers failed 3 times in a row without a step between")

	c.occupy("busy")
	k = c.client(c.train()...)
	c.says(k, "waiting for 2 workers with 1 CPU each; the cluster has 1 CPU of 2 free")
	if err := c.api().Stop(t.Context(), "busy"); err != nil {
		t.Fatal(err)
	}
	if err := <-k.ended; err != nil {
		t.Fatalf("%v\n%s", err, k.said.String())
	}
	c.equal("after all that, against one process", c.losses(), want, 1e-5)
}

// infinite makes of a model another one, whose losses are infinite.
const infinite = `
import shutil, sys
from safetensors.torch import load_file, save_file

shutil.copytree(sys.argv[1], sys.argv[2])
path = sys.argv[2] + "/model.safetensors"
weights = load_file(path)
weights["model.norm.weight"] *= 1e38
save_file(weights, path, metadata={"format": "pt"})
`

// fails holds how a program ended: with a sentence and status 2, and nothing that it
// began goes on.
func (c *clustered) fails(k *client, err error, want string) {
	c.t.Helper()
	if err == nil || k.cmd.ProcessState.ExitCode() != 2 || !strings.Contains(k.said.String(), want) {
		c.t.Errorf("%v, and %q is looked for in\n%s", err, want, k.said.String())
	}
	if found := c.manifests(); len(found) > 0 {
		c.t.Errorf("there are finished trainings: %v", found)
	}
	c.idle()
}

// idle waits until nothing runs on the cluster: a job says how it ended a moment before
// it ends. It returns the jobs.
func (c *clustered) idle() []ray.Job {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		jobs, err := c.api().Jobs(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		if !slices.ContainsFunc(jobs, func(j ray.Job) bool { return !j.Status.Ended() }) && len(c.workers()) == 0 {
			return jobs
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("there are still %v and %v", jobs, c.workers())
		}
	}
}

// killedAtStart kills each worker as soon as it is there, until the program ends.
func (c *clustered) killedAtStart(k *client) error {
	c.t.Helper()
	for deadline := time.Now().Add(8 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, w := range c.workers() {
			if syscall.Kill(w.PID, syscall.SIGKILL) == nil {
				c.t.Logf("killed %s", w.Command)
			}
		}
		select {
		case err := <-k.ended:
			return err
		default:
		}
	}
	c.t.Fatalf("it did not end\n%s", k.said.String())
	return nil
}

// occupy has a job take one of the cluster's CPUs.
func (c *clustered) occupy(id string) {
	c.t.Helper()
	if _, err := c.api().Submit(c.t.Context(), ray.Submission{ID: id, Entrypoint: "sleep 1000", CPUs: 1}); err != nil {
		c.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if job, err := c.api().Job(c.t.Context(), id); err == nil && job.Status == ray.Running {
			return
		}
	}
	c.t.Fatalf("job %s does not run", id)
}

// says waits until a program has said something.
func (c *clustered) says(k *client, what string) {
	c.t.Helper()
	for deadline := time.Now().Add(8 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if strings.Contains(k.said.String(), what) {
			return
		}
		select {
		case err := <-k.ended:
			c.t.Fatalf("%v without a word of %q\n%s", err, what, k.said.String())
		default:
		}
	}
	c.t.Fatalf("no word of %q\n%s", what, k.said.String())
}

// Where no namespaces are allowed the nodes are raylets of one host: the same losses.
func TestRealRayFlat(t *testing.T) {
	c := newClusteredOn(t, raytest.Options{CPUs: 1, Flat: true}, "false", "0.2")
	c.run("train", "recipe.yaml")
	want := c.losses()
	c.putAway("one")
	c.run(c.train()...)
	c.equal("Ray on one host against one process", c.losses(), want, 1e-5)
}
