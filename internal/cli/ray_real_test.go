//go:build linux

package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bbjtune/internal/ray"
	"bbjtune/internal/ray/raytest"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// realRay says that the trainings on a real cluster of two nodes are to be run, which
// take minutes; make test-ray sets it.
const realRay = "BBJTUNE_RAY"

// clustered is a training on a real cluster, and beside it on this machine.
type clustered struct {
	*real
	cluster *raytest.Cluster
	nodes   int
}

// Two workers share the two batches of each step. A node has one CPU, and a worker
// takes one: there is one on each node.
const clusterRecipe = `name: tiny
base: {model: BASE}
data:
  examples: [REPO/training-data]
  hold_out: [suite]
lora: {r: 4, alpha: 8, dropout: 0.1}
precision: fp32
gradient_checkpointing: false
stage1: {enabled: FIRST, epochs: 0.06, learning_rate: 1e-3, batch_size: 1, gradient_accumulation: 2, max_length: 512, eval_steps: 4, save_steps: 2}
stage2: {epochs: SECOND, learning_rate: 1e-3, batch_size: 4, gradient_accumulation: 2, max_length: 1024, eval_steps: 4, save_steps: 2, sample_prompts: 2, sample_tokens: 8}
evaluate: {suite: suite}
package: {name: tiny, quantize: [f16]}
`

func newClustered(t *testing.T, first, second string) *clustered {
	t.Helper()
	return newClusteredOn(t, raytest.Options{CPUs: 1}, first, second)
}

func newClusteredOn(t *testing.T, o raytest.Options, first, second string) *clustered {
	t.Helper()
	if os.Getenv(realRay) == "" {
		t.Skipf("trains on a real Ray cluster; set %s=1 to run it", realRay)
	}
	t.Setenv(require, "1")
	c := &clustered{real: newReal(t), nodes: max(o.Nodes, 2)}
	c.python(filepath.Join("..", "..", "worker", "make_tiny.py"), filepath.Join(c.dir, "base"))
	c.prepareOn(filepath.Join(c.dir, "base"))
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	c.write("recipe.yaml", strings.NewReplacer("BASE", filepath.Join(c.dir, "base"), "REPO", repo, "FIRST", first, "SECOND", second).Replace(clusterRecipe))
	// The head starts a job with the python that it finds first.
	path := filepath.Dir(raytest.Python(t)) + ":" + os.Getenv("PATH")
	o.Env = append(o.Env, "PATH="+path,
		// What Python compiles of the packages is kept, since that takes longer than a training.
		"PYTHONDONTWRITEBYTECODE=", "PYTHONPYCACHEPREFIX="+filepath.Join(os.TempDir(), "bbjtune-test-bytecode"))
	c.cluster = raytest.Start(t, o)
	c.name()
	return c
}

// name names the cluster as its user does, for the time of the test: the real cache, with
// its environments, is in use, and a command remembers there what it was named.
func (c *clustered) name() {
	c.t.Helper()
	for _, e := range c.cluster.Env() {
		name, value, _ := strings.Cut(e, "=")
		c.t.Setenv(name, value)
	}
	cache := os.Getenv("BBJTUNE_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			c.t.Fatal(err)
		}
		cache = filepath.Join(dir, "bbjtune")
	}
	c.t.Cleanup(func() {
		if err := forgetCluster(filepath.Join(cache, "ray-clusters"), c.cluster.Address); err != nil {
			c.t.Error(err)
		}
	})
}

// forgetCluster takes an address from the list of the clusters that were named, and
// leaves one without it alone.
func forgetCluster(path, address string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	all := slices.Collect(strings.Lines(string(text)))
	others := slices.DeleteFunc(slices.Clone(all), func(line string) bool { return ray.SameAddress(line, address) })
	switch len(others) {
	case len(all):
		return nil
	case 0:
		return os.Remove(path)
	}
	return os.WriteFile(path, []byte(strings.Join(others, "")), 0o600)
}

func (c *clustered) train() []string {
	return []string{"train", "recipe.yaml", "--compute", "ray", "--compute-address", c.cluster.Address, "--compute-storage", c.cluster.Shared, "--workers", "2"}
}

// losses are those of both stages, by stage, kind and step.
func (c *clustered) losses() map[string]float64 {
	c.t.Helper()
	found := map[string]float64{}
	logs, _ := filepath.Glob(filepath.Join(c.dir, "runs/train/*/stage?/training_log.jsonl"))
	for _, path := range logs {
		list, err := trainer.ReadLog(path)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, e := range list {
			at := fmt.Sprintf("%s step %d", filepath.Base(filepath.Dir(path)), e.Step)
			if _, twice := found[at]; twice && e.Loss != nil {
				c.t.Errorf("%s is there twice", at)
			}
			if e.Loss != nil {
				found[at] = *e.Loss
			}
			if e.EvalLoss != nil {
				found[at+" validation"] = *e.EvalLoss
			}
		}
	}
	if len(found) == 0 {
		c.t.Fatal("there are no losses")
	}
	return found
}

// equal holds losses against others, and returns how far apart they are at most.
func (c *clustered) equal(what string, got, want map[string]float64, most float64) {
	c.t.Helper()
	worst := 0.0
	for at, loss := range want {
		other, ok := got[at]
		if !ok {
			c.t.Errorf("%s: there is no loss of %s", what, at)
			continue
		}
		worst = math.Max(worst, math.Abs(other-loss))
	}
	if len(got) != len(want) || worst > most {
		c.t.Errorf("%s: %d losses of %d, up to %.2g apart", what, len(got), len(want), worst)
	}
	c.t.Logf("%s: %d losses, at most %.2g apart", what, len(want), worst)
}

// putAway moves the runs to another name.
func (c *clustered) putAway(name string) {
	c.t.Helper()
	if err := os.Rename(filepath.Join(c.dir, "runs"), filepath.Join(c.dir, name)); err != nil {
		c.t.Fatal(err)
	}
}

// client starts the program.
func (c *clustered) client(args ...string) *client {
	c.t.Helper()
	k := &client{cmd: c.command(args...), ended: make(chan error, 1)}
	k.cmd.Stderr, k.cmd.Stdout = &k.said, &k.said
	if err := k.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() { k.ended <- k.cmd.Wait() }()
	return k
}

// client is a running program that follows a training.
type client struct {
	cmd   *exec.Cmd
	said  spoken
	ended chan error
}

// spoken is what a program says, also while it runs.
type spoken struct {
	mu   sync.Mutex
	text []byte
}

func (s *spoken) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, b...)
	return len(b), nil
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

func (k *client) end(signal syscall.Signal) error {
	k.cmd.Process.Signal(signal)
	return <-k.ended
}

// storages are those that the nodes share, by their names here.
func (c *clustered) storages() []string {
	if !c.cluster.Namespaces {
		return []string{c.cluster.Shared}
	}
	return []string{c.cluster.Shared, c.cluster.UnseenHere}
}

// checkpoints are the complete ones on the shared storage.
func (c *clustered) checkpoints() []string {
	var list []string
	for _, storage := range c.storages() {
		found, _ := filepath.Glob(filepath.Join(storage, "runs/*/checkpoint-*/complete.json"))
		list = append(list, found...)
	}
	return list
}

// checkpoint waits for one more than there are now. It reports false when the training
// ended before.
func (c *clustered) checkpoint(k *client) bool {
	c.t.Helper()
	known := c.checkpoints()
	for deadline := time.Now().Add(8 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if slices.ContainsFunc(c.checkpoints(), func(path string) bool { return !slices.Contains(known, path) }) {
			return true
		}
		select {
		case err := <-k.ended:
			k.ended <- err
			return false
		default:
		}
	}
	c.t.Fatalf("no new checkpoint came\n%s", k.said.String())
	return false
}

// workers are the processes that train.
func (c *clustered) workers() (list []raytest.Process) {
	for node := range c.nodes {
		for _, p := range c.cluster.Processes(node) {
			if strings.Contains(p.Command, "RayTrainWorker") {
				list = append(list, p)
			}
		}
	}
	return list
}

// api is the cluster as the program reaches it.
func (c *clustered) api() *ray.Client {
	c.t.Helper()
	client, err := ray.Connect(context.Background(), c.cluster.Address, ray.NewToken(c.cluster.Token, "the test"))
	if err != nil {
		c.t.Fatal(err)
	}
	return client
}

// forget makes cluster and storage forget all trainings, so that the same one can be
// done once more.
func (c *clustered) forget() {
	c.t.Helper()
	api := c.api()
	jobs, err := api.Jobs(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, j := range jobs {
		if err := api.Remove(c.t.Context(), j.ID); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, dir := range append(c.storages(), filepath.Join(c.dir, "runs", "train")) {
		found, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

// A cluster of two nodes trains both stages with the losses of one process and of
// torchrun. A client that is interrupted leaves the job running; another one attaches
// to it; cancel ends it and leaves nothing.
func TestRealRay(t *testing.T) {
	c := newClustered(t, "true", "0.2")
	took := func(what string, do func()) {
		start := time.Now()
		do()
		t.Logf("%s took %.0f s", what, time.Since(start).Seconds())
	}
	took("one process", func() { c.run("train", "recipe.yaml") })
	one := c.losses()
	c.putAway("one")
	took("torchrun with two", func() { c.run("train", "recipe.yaml", "--compute", "torchrun", "--workers", "2") })
	c.equal("torchrun against one process", c.losses(), one, 1e-5)
	both := c.losses()
	c.putAway("torchrun")
	took("Ray with two", func() { c.run(c.train()...) })
	c.equal("Ray against one process", c.losses(), one, 1e-5)
	c.equal("Ray against torchrun", c.losses(), both, 1e-5)
	c.times()
	adapter := c.adapter()
	c.putAway("ray")
	c.forget()
	c.leftRunning()
	c.putAway("attached")
	c.forget()
	took("Ray with FSDP, whose storage is not seen here, and a lost worker", func() { c.unseen(one, adapter) })
}

// adapter is the hash of the last stage's weights.
func (c *clustered) adapter() string {
	c.t.Helper()
	sum, _, err := runs.HashFile(filepath.Join(c.folder(), "stage2", "adapter", "adapter_model.safetensors"))
	if err != nil {
		c.t.Fatal(err)
	}
	return sum
}

// unseen trains on a storage that lies elsewhere than this machine thinks: all results
// come over the cluster's address. The frozen weights are laid out over the workers, and
// one of those is killed; neither changes a loss or the adapter, which is packed like
// any other.
func (c *clustered) unseen(want map[string]float64, adapter string) {
	c.t.Helper()
	if !c.cluster.Namespaces {
		c.t.Log("without namespaces every storage is seen here")
		return
	}
	k := c.client("train", "recipe.yaml", "--compute", "ray", "--compute-address", c.cluster.Address,
		"--compute-storage", c.cluster.Unseen, "--workers", "2", "--sharding", "fsdp")
	c.checkpoint(k)
	list := c.workers()
	if len(list) == 0 || syscall.Kill(list[0].PID, syscall.SIGKILL) != nil {
		c.t.Error("there was no worker to kill")
	}
	if err := <-k.ended; err != nil {
		c.t.Fatalf("%v\n%s", err, k.said.String())
	}
	for _, said := range []string{"was lost", "resumed from checkpoint-"} {
		if !strings.Contains(k.said.String(), said) {
			c.t.Errorf("%q is not in\n%s", said, k.said.String())
		}
	}
	if _, err := os.Stat(c.cluster.Unseen); err == nil {
		c.t.Errorf("%s is seen here", c.cluster.Unseen)
	}
	c.equal("Ray with FSDP and a lost worker against one process", c.losses(), want, 1e-5)
	if c.adapter() != adapter {
		c.t.Error("the adapter is not that of a training whose weights were whole in each worker")
	}
	if text := read(c.t, filepath.Join(c.folder(), "stage2", "training_config.json")); !strings.Contains(text, `"sharding": "fsdp"`) {
		c.t.Errorf("it was trained without sharding:\n%s", text)
	}
	if _, said := c.run("pack", "recipe.yaml"); !strings.Contains(said, "model-f16.gguf") {
		c.t.Errorf("it was not packed:\n%s", said)
	}
}

// times tells where the time of a training on a cluster went: from the submission of
// a job to its first event, and from that to the last.
func (c *clustered) times() {
	c.t.Helper()
	logs, _ := filepath.Glob(filepath.Join(c.dir, "runs/train/*/stage?/ray-events.jsonl"))
	for _, path := range logs {
		record, err := os.Stat(filepath.Join(filepath.Dir(path), "ray.json"))
		if err != nil {
			c.t.Fatal(err)
		}
		at := regexp.MustCompile(`"at": ?([0-9.]+)`).FindAllStringSubmatch(read(c.t, path), -1)
		first, _ := strconv.ParseFloat(at[0][1], 64)
		last, _ := strconv.ParseFloat(at[len(at)-1][1], 64)
		c.t.Logf("%s: %.1f s from its submission to the first event, %.1f s to the last", filepath.Base(filepath.Dir(path)),
			first-float64(record.ModTime().UnixMilli())/1000, last-first)
	}
}

func (c *clustered) leftRunning() {
	k := c.client(c.train()...)
	c.checkpoint(k)
	err := k.end(os.Interrupt.(syscall.Signal))
	if err == nil || !strings.Contains(k.said.String(), "runs attach tiny-") || !strings.Contains(k.said.String(), "runs cancel tiny-") {
		c.t.Fatalf("%v\n%s", err, k.said.String())
	}
	// The one that was left running is found without its name.
	k = c.client("runs", "attach")
	time.Sleep(2 * time.Second)
	run := regexp.MustCompile(`tiny-[0-9a-f]{12}`).FindString(k.said.String() + filepath.Base(c.folder()))
	k.end(syscall.SIGKILL)
	out, _ := c.run("runs", "cancel", run)
	if !strings.Contains(out, "ended") {
		c.t.Errorf("cancel: %s", out)
	}
	for deadline := time.Now().Add(20 * time.Second); len(c.workers()) > 0; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("after the cancel there are %v", c.workers())
		}
	}
	c.run(c.train()...)
	c.equal("cancelled and begun again, against Ray", c.losses(), c.of("ray"), 0)
}

// of are the losses of runs that were put away.
func (c *clustered) of(name string) map[string]float64 {
	c.t.Helper()
	other := &clustered{real: &real{t: c.t, dir: filepath.Join(c.dir, "as-"+name)}}
	if err := os.MkdirAll(other.dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(c.dir, name), filepath.Join(other.dir, "runs")); err != nil {
		c.t.Fatal(err)
	}
	return other.losses()
}

// A worker, a node, the client and the head are killed at random points, again and again:
// the training ends with the losses of the one that nothing disturbed, and the client
// heard no event twice.
func TestRealRayKills(t *testing.T) {
	count, err := strconv.Atoi(os.Getenv(kills))
	if err != nil {
		t.Skipf("kills a training on a cluster many times; set %s=20 to run it", kills)
	}
	c := newClustered(t, "false", "0.9")
	c.run(c.train()...)
	want := c.losses()
	random := rand.New(rand.NewPCG(12, 20))
	for done := 0; done < count; {
		c.forget()
		before := done
		done = c.disturbed(random, done, min(count, done+killsEach))
		c.equal(fmt.Sprintf("killed %d times", done-before), c.losses(), want, 0)
		c.onceEach()
	}
}

// killsEach is how often one training is killed.
const killsEach = 5

// disturbed carries a training out and kills parts of it, from the done-th kill up to
// another. It returns how many there were.
func (c *clustered) disturbed(random *rand.Rand, done, upTo int) int {
	c.t.Helper()
	k := c.client(c.train()...)
	for done < upTo && c.checkpoint(k) {
		delay := time.Duration(random.Float64() * float64(time.Second))
		time.Sleep(delay)
		victim := []string{"worker", "node", "client"}[done%3]
		start := time.Now()
		next := c.kill(victim, random, k)
		if next == nil {
			break // the training was over
		}
		k = next
		done++
		again := "ended"
		if c.checkpoint(k) {
			again = fmt.Sprintf("had the next checkpoint after %.0f s", time.Since(start).Seconds())
		}
		c.t.Logf("kill %d: %s, %.0f ms after a checkpoint; the training %s", done, victim, 1000*delay.Seconds(), again)
	}
	if err := <-k.ended; err != nil {
		c.t.Fatalf("%v\n%s", err, k.said.String())
	}
	return done
}

// kill ends the victim as a power cut would, and returns the client that then follows,
// or nil where there was nothing to kill.
func (c *clustered) kill(victim string, random *rand.Rand, k *client) *client {
	c.t.Helper()
	switch victim {
	case "worker":
		list := c.workers()
		if len(list) == 0 || syscall.Kill(list[random.IntN(len(list))].PID, syscall.SIGKILL) != nil {
			return nil
		}
	case "node":
		c.cluster.KillNode(1)
		c.cluster.StartNode(1)
	case "client":
		if k.end(syscall.SIGKILL) == nil {
			k.ended <- nil
			return nil
		}
		return c.client("runs", "attach", filepath.Base(c.folder()))
	}
	return k
}

// onceEach holds the journals: every event of each job is there, once, in order.
func (c *clustered) onceEach() {
	c.t.Helper()
	logs, _ := filepath.Glob(filepath.Join(c.dir, "runs/train/*/stage?/ray-events.jsonl"))
	for _, path := range logs {
		attempt, place := "", 0
		for _, m := range regexp.MustCompile(`"attempt":\s*(\d+),\s*"event":\s*\{"n":\s*(\d+)`).FindAllStringSubmatch(read(c.t, path), -1) {
			if place++; m[1] != attempt {
				attempt, place = m[1], 1
			}
			if m[2] != strconv.Itoa(place) {
				c.t.Fatalf("%s: event %s of attempt %s stands in place %d", path, m[2], attempt, place)
			}
		}
		if place == 0 {
			c.t.Fatalf("%s: there is no event", path)
		}
	}
}
