// Package raytest starts a real Ray on this machine for tests: nodes that are
// process trees of their own, joined by a network that they share with nobody,
// so that traffic between them crosses a network and a killed node is gone at
// once with all that it started. Where the machine does not allow that, the nodes
// are raylets side by side on one host.
//
// It knows Ray's command line, and nothing of what the cluster is used for.
package raytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/pyenv"
	"bbjtune/worker"
)

// Options say what a cluster is made of. The zero value is two nodes of two CPUs.
type Options struct {
	// Nodes is their number, the head's included; 0 means 2.
	Nodes int
	// CPUs of each node, as Ray counts them; 0 means 2.
	CPUs int
	// IdleHead gives the head no CPUs: what takes one runs on the other nodes.
	IdleHead bool
	// GPUs of each node, told to Ray whether or not they are there.
	GPUs int
	// ObjectStore is the size of each node's store in bytes; 0 means 100 MB.
	ObjectStore int64
	// Disk is the size in bytes of a file system of its own for each node's
	// temporary files; 0 leaves them on the machine's disk. It needs namespaces.
	Disk int64
	// Durable has the head keep its tables on disk, so that RestartHead finds them.
	Durable bool
	// Open leaves the token out: everybody may use the cluster.
	Open bool
	// Flat keeps to one host even where namespaces could be made.
	Flat bool
	// Env is added to the environment of every node. $PRIVATE in it is [Cluster.Private].
	Env []string
}

// Cluster is a running Ray.
type Cluster struct {
	// Address is where the dashboard and the Jobs API answer: http://host:port.
	Address string
	// Token is what the cluster asks for; empty for an open one.
	Token string
	// Python is the interpreter that Ray runs in.
	Python string
	// Shared is a folder that every node and the test see under this name.
	Shared string
	// Private is a folder that every node sees under this name, each another one.
	// Without namespaces it is empty.
	Private string
	// Unseen is a folder that every node sees under this name, the same one, and the test
	// under another: UnseenHere. Without namespaces both are empty.
	Unseen, UnseenHere string
	// Namespaces reports whether the nodes have a network and files of their own.
	Namespaces bool

	t       testing.TB
	o       Options
	dir     string
	gcs     string // host:port of the head's tables
	network *network
	nodes   []*node
	known   []string // nodes that were there, as Ray names them
	marker  string   // in the environment of every process of the cluster
}

// patience is how long nodes may take to come up on a busy machine, and attempts how
// often they may try: a raylet whose agent does not come up within 15 seconds gives
// up, and its head waits for it for ever. Where Ray was not asked for by name, a
// machine that it does not come up on should not hold the other tests up.
var patience, attempts = limits()

func limits() (time.Duration, int) {
	if asked() {
		return 4 * time.Minute, 4
	}
	return time.Minute, 2
}

// asked reports whether tests on a real Ray were asked for by name.
func asked() bool { return os.Getenv("BBJTUNE_RAY") != "" }

// Start starts a cluster and waits until every node can run jobs. The cluster ends
// with the test. It skips the test where neither BBJTUNE_REQUIRE nor BBJTUNE_RAY
// is set: a cluster takes ten seconds and 2 GB. Where only BBJTUNE_REQUIRE is set, a
// machine that Ray itself does not come up on (its memory, its network) is no
// failure of this repository, and the test is skipped with what Ray said.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if os.Getenv("BBJTUNE_REQUIRE") == "" && !asked() {
		t.Skip("starts a real Ray; set BBJTUNE_RAY=1 to run it")
	}
	if runtime.GOOS != "linux" {
		t.Skip("clusters for tests are made on Linux")
	}
	c := &Cluster{t: t, o: o.filled(), Python: Python(t)}
	if err := c.start(); err != nil {
		if !asked() {
			t.Skipf("Ray does not start on this machine: %v%s", err, c.lastWords())
		}
		t.Fatalf("start Ray: %v%s", err, c.lastWords())
	}
	return c
}

func (o Options) filled() Options {
	if o.Nodes == 0 {
		o.Nodes = 2
	}
	if o.CPUs == 0 {
		o.CPUs = 2
	}
	if o.ObjectStore == 0 {
		o.ObjectStore = 100_000_000
	}
	return o
}

// Python returns the interpreter of the environment of a cluster's node, made
// first where it is missing.
func Python(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("BBJTUNE_RAY_PYTHON"); p != "" {
		return p
	}
	o := pyenv.Options{Cache: os.Getenv("BBJTUNE_CACHE"), Python: os.Getenv("BBJTUNE_PYTHON")}
	if o.Cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		o.Cache = filepath.Join(user, "bbjtune")
	}
	for _, name := range []string{"requirements-uv.txt", "requirements-cpu.txt", "requirements-ray.txt"} {
		text, err := worker.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		o.Lists = append(o.Lists, pyenv.Requirements{Name: name, Text: text})
	}
	o.UV, o.Lists = o.Lists[0], o.Lists[1:]
	env, err := pyenv.Ensure(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return env.Python
}

// start lays the folders, joins the network and brings the nodes up.
func (c *Cluster) start() error {
	// Not t.TempDir: the paths of Ray's sockets may have 107 characters.
	dir, err := os.MkdirTemp("/tmp", "rt")
	if err != nil {
		return err
	}
	c.dir, c.Shared, c.marker = dir, filepath.Join(dir, "shared"), "BBJTUNE_RAYTEST="+filepath.Base(dir)
	c.t.Cleanup(c.Stop)
	if !c.o.Flat {
		if c.network, err = join(); err != nil {
			c.t.Logf("Ray runs on one host: %v", err)
		}
	}
	c.Namespaces = c.network != nil
	if !c.o.Open {
		c.Token = strings.Repeat("0123456789abcdef", 2) + filepath.Base(dir)
	}
	for i := range c.o.Nodes {
		n := &node{name: fmt.Sprintf("node%d", i), dir: filepath.Join(dir, strconv.Itoa(i)), private: filepath.Join(dir, fmt.Sprintf("private-%d", i))}
		c.nodes = append(c.nodes, n)
		for _, d := range []string{n.dir, n.private, c.Shared, filepath.Join(dir, "private"), filepath.Join(dir, "tables")} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
	}
	if err := c.addresses(); err != nil {
		return err
	}
	return c.up()
}

// addresses decides where the head listens.
func (c *Cluster) addresses() error {
	if c.Namespaces {
		c.gcs, c.Address = c.network.address(0)+":26379", "http://"+c.network.address(0)+":8265"
		c.Private = filepath.Join(c.dir, "private")
		c.Unseen, c.UnseenHere = filepath.Join(c.dir, "unseen", "storage"), filepath.Join(c.dir, "seen", "storage")
		for _, d := range []string{filepath.Dir(c.Unseen), c.UnseenHere} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		var hosts strings.Builder
		fmt.Fprintln(&hosts, "127.0.0.1 localhost")
		for i, n := range c.nodes {
			fmt.Fprintln(&hosts, c.network.address(i), n.name)
		}
		return os.WriteFile(filepath.Join(c.dir, "hosts"), []byte(hosts.String()), 0o644)
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	c.gcs, c.Address = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	return nil
}

// freePorts finds ports that nobody listens on; they lie above those that Ray
// gives its workers.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all are held until all are found
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// up brings all nodes up.
func (c *Cluster) up() (err error) {
	for range attempts {
		if err = c.upOnce(); err == nil {
			return nil
		}
		for _, n := range c.nodes {
			n.kill(c)
		}
	}
	return err
}

// upOnce starts the nodes, the others as soon as the head's tables answer, and waits
// until all are there.
func (c *Cluster) upOnce() error {
	if err := c.startNode(0); err != nil {
		return err
	}
	if err := c.wait("the head's tables", c.nodes[:1], func() bool { return answers(c.gcs) }); err != nil {
		return err
	}
	for i := 1; i < len(c.nodes); i++ {
		if err := c.startNode(i); err != nil {
			return err
		}
	}
	return c.wait("all nodes", c.nodes, func() bool {
		c.known = c.ids()
		return len(c.known) == len(c.nodes)
	})
}

func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// wait waits for something that comes with time, or for the end of a node that it is
// to come from.
func (c *Cluster) wait(what string, from []*node, there func() bool) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		if there() {
			return nil
		}
		for _, n := range from {
			if n.ended() && !n.killed || c.gaveUp(n) {
				return fmt.Errorf("%s ended while waiting for %s", n.name, what)
			}
		}
	}
	return fmt.Errorf("%s did not come within %v", what, patience)
}

// gaveUp reports whether a node's raylet was there and is gone.
func (c *Cluster) gaveUp(n *node) bool {
	if n.cmd == nil || n.killed {
		return false
	}
	up := slices.ContainsFunc(c.Processes(slices.Index(c.nodes, n)), func(p Process) bool { return strings.Contains(p.Command, "/raylet/raylet ") })
	gone := n.raylet && !up
	n.raylet = up
	return gone
}

// ids are the names that Ray gave to the nodes that run and have an agent, without
// which no job starts. A killed node is among them until Ray misses it.
func (c *Cluster) ids() (ids []string) {
	var reply struct {
		Data struct {
			Summary []struct {
				Agent  struct{ Pid int }
				Raylet struct{ NodeID, State string }
			}
		}
	}
	if err := c.get("/nodes?view=summary", &reply); err != nil {
		return nil
	}
	for _, s := range reply.Data.Summary {
		if s.Raylet.State == "ALIVE" && s.Agent.Pid != 0 {
			ids = append(ids, s.Raylet.NodeID)
		}
	}
	return ids
}

func (c *Cluster) get(path string, into any) error {
	req, err := http.NewRequest(http.MethodGet, c.Address+path, nil)
	if err != nil {
		return err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// Node returns the address of a node, as Ray names it.
func (c *Cluster) Node(i int) string {
	if c.Namespaces {
		return c.network.address(i)
	}
	return "127.0.0.1"
}

// Env is the environment with which a client reaches the cluster.
func (c *Cluster) Env() []string {
	env := []string{"RAY_API_SERVER_ADDRESS=" + c.Address}
	if c.Token != "" {
		env = append(env, "RAY_AUTH_MODE=token", "RAY_AUTH_TOKEN="+c.Token)
	}
	return env
}

// KillNode ends a node as a power cut would: everything that runs on it, at once.
func (c *Cluster) KillNode(i int) { c.nodes[i].kill(c) }

// KillHead ends the head's node.
func (c *Cluster) KillHead() { c.KillNode(0) }

// StartNode brings a killed node back, empty, under its old address, and waits
// until the cluster counts it.
func (c *Cluster) StartNode(i int) {
	c.t.Helper()
	var err error
	for range attempts {
		if err = c.startNode(i); err == nil {
			err = c.wait("a node like it", c.nodes[i:i+1], c.grown)
		}
		if err == nil {
			return
		}
		c.nodes[i].kill(c)
	}
	c.t.Fatalf("%v%s", err, c.lastWords())
}

// grown reports whether there is a node that was not there before.
func (c *Cluster) grown() bool {
	for _, id := range c.ids() {
		if !slices.Contains(c.known, id) {
			c.known = append(c.known, id)
			return true
		}
	}
	return false
}

// Ended reports whether a node's Ray has ended by itself, as it does where it misses
// its head for long. StartNode brings it back.
func (c *Cluster) Ended(i int) bool { return c.nodes[i].ended() && !c.nodes[i].killed }

// RestartHead brings a killed head back. Only a Durable one remembers its jobs.
func (c *Cluster) RestartHead() {
	c.t.Helper()
	c.StartNode(0)
}

// Processes lists what runs on a node, drivers and workers of jobs included.
func (c *Cluster) Processes(i int) []Process { return marked(c.mark(i)) }

func (c *Cluster) mark(i int) string { return fmt.Sprintf("%s-%d", c.marker, i) }

// Stop ends the cluster with everything that it started and removes its files.
func (c *Cluster) Stop() {
	for i := len(c.nodes) - 1; i >= 0; i-- {
		c.nodes[i].kill(c)
	}
	c.nodes = nil
	if c.network != nil {
		c.network.close()
		c.network = nil
	}
	if err := os.RemoveAll(c.dir); err != nil {
		c.t.Errorf("remove what Ray left: %v", err)
	}
}

// lastWords are the ends of the nodes' logs.
func (c *Cluster) lastWords() string {
	var b strings.Builder
	for _, n := range c.nodes {
		text, err := os.ReadFile(n.dir + ".log")
		if err == nil {
			fmt.Fprintf(&b, "\n%s: %s", n.name, text[max(0, len(text)-2000):])
		}
	}
	return b.String()
}

// node is one of a cluster.
type node struct {
	name, dir, private string
	killed             bool // by the test
	raylet             bool // was there
	cmd                *exec.Cmd
	stdin              io.Closer
	done               chan struct{}
}

func (n *node) ended() bool {
	if n.cmd == nil {
		return false // not started yet
	}
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// kill ends the node's first process, with which its namespace dies, and whatever
// carries its mark, where there is no namespace.
func (n *node) kill(c *Cluster) {
	if n.cmd == nil {
		return
	}
	n.killed = true
	n.stdin.Close()
	n.cmd.Process.Kill()
	<-n.done
	i := slices.Index(c.nodes, n)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		left := c.Processes(i)
		if len(left) == 0 {
			return
		}
		for _, p := range left {
			if process, err := os.FindProcess(p.PID); err == nil {
				process.Kill()
			}
		}
	}
	c.t.Errorf("%s did not end: %v", n.name, c.Processes(i))
}

// outside runs a node's command, and kills its session when standard input ends: when
// the test is killed, the node ends too.
const outside = `exec 3<&0
{ cat <&3 >/dev/null; kill -9 0; } &
"$@" </dev/null`

// inside is the first process of a node with namespaces of its own. It waits until
// the network is joined, and mends what a fresh namespace lacks. Ray gives its own
// processes 15 seconds to come up, so the session goes before whatever else keeps the
// machine busy, where the kernel has priorities of sessions.
const inside = `set -e
test $$ = 1 # what is killed below is this namespace
read -r _
mount --make-rprivate /
mount -t proc proc /proc
hostname "$NODE_NAME"
mount --bind "$NODE_HOSTS" /etc/hosts
mount --bind "$NODE_PRIVATE" "$PRIVATE"
mount --bind "$SEEN" "$UNSEEN"
if [ -n "$NODE_DISK" ]; then mount -t tmpfs -o "size=$NODE_DISK" tmpfs "$NODE_DIR"; fi
ip link set lo up
ip addr add "$NODE_ADDRESS/24" dev eth0
ip link set eth0 up
{ echo -10 >/proc/self/autogroup; } 2>/dev/null || true
exec 3<&0
{ cat <&3 >/dev/null; kill -9 -1; } &
"$@" </dev/null`

// startNode starts one node; Ray comes up in the background.
func (c *Cluster) startNode(i int) error {
	n := c.nodes[i]
	args, err := c.rayStart(i)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(n.dir+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	script := outside
	if c.Namespaces {
		script = inside
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, n.name}, args...)...)
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = log, log, c.dir, c.environment(i)
	isolate(cmd, c.Namespaces)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	n.cmd, n.stdin, n.done, n.killed, n.raylet = cmd, stdin, done, false, false
	go func() { cmd.Wait(); close(done) }()
	if c.Namespaces {
		if err := c.network.connect(cmd.Process.Pid); err != nil {
			return err
		}
		_, err = io.WriteString(stdin, "\n")
	}
	return err
}

// environment is that of a node: nothing of a Ray that the caller may use.
func (c *Cluster) environment(i int) []string {
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "RAY_") })
	// As in an environment that is activated: a job's python is that of Ray.
	env = append(env, "PATH="+filepath.Dir(c.Python)+string(os.PathListSeparator)+os.Getenv("PATH"))
	env = append(env, c.mark(i), "RAY_USAGE_STATS_ENABLED=0", "RAY_AUTH_MODE=disabled", "PYTHONUNBUFFERED=1",
		"RAY_worker_register_timeout_seconds=300", "RAY_worker_niceness=0")
	if c.Token != "" {
		env = append(env, "RAY_AUTH_MODE=token", "RAY_AUTH_TOKEN="+c.Token)
	}
	if c.o.Durable && i == 0 {
		env = append(env, "RAY_gcs_storage=rocksdb", "RAY_gcs_storage_path="+filepath.Join(c.dir, "tables"))
	}
	if c.Namespaces {
		n := c.nodes[i]
		env = append(env, "NODE_NAME="+n.name, "NODE_HOSTS="+filepath.Join(c.dir, "hosts"), "NODE_PRIVATE="+n.private, "PRIVATE="+c.Private,
			"SEEN="+filepath.Dir(c.UnseenHere), "UNSEEN="+filepath.Dir(c.Unseen),
			"NODE_DIR="+n.dir, "NODE_ADDRESS="+c.network.address(i))
		if c.o.Disk > 0 {
			env = append(env, fmt.Sprintf("NODE_DISK=%d", c.o.Disk))
		}
	}
	for _, e := range c.o.Env {
		env = append(env, strings.ReplaceAll(e, "$PRIVATE", c.Private))
	}
	return env
}

// rayStart is the command of a node.
func (c *Cluster) rayStart(i int) ([]string, error) {
	cpus := c.o.CPUs
	if c.o.IdleHead && i == 0 {
		cpus = 0
	}
	args := []string{filepath.Join(filepath.Dir(c.Python), "ray"), "start", "--block", "--disable-usage-stats",
		fmt.Sprintf("--num-cpus=%d", cpus), fmt.Sprintf("--num-gpus=%d", c.o.GPUs),
		fmt.Sprintf("--object-store-memory=%d", c.o.ObjectStore)}
	if c.Namespaces {
		args = append(args, "--node-ip-address="+c.network.address(i), "--temp-dir="+c.nodes[i].dir)
	} else {
		// One for all: the agents of one host look for the logs of jobs where the head has them.
		args = append(args, "--temp-dir="+c.nodes[0].dir)
		ports, err := freePorts(2)
		if err != nil {
			return nil, err
		}
		args = append(args, fmt.Sprintf("--dashboard-agent-listen-port=%d", ports[0]))
		if i == 0 {
			args = append(args, fmt.Sprintf("--ray-client-server-port=%d", ports[1]))
		}
	}
	if i > 0 {
		return append(args, "--address="+c.gcs), nil
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(c.Address, "http://"))
	if err != nil {
		return nil, err
	}
	if c.Namespaces {
		host = "0.0.0.0"
	}
	_, gcs, err := net.SplitHostPort(c.gcs)
	return append(args, "--head", "--port="+gcs, "--dashboard-host="+host, "--dashboard-port="+port), err
}
