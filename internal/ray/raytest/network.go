package raytest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// network is a bridge in a namespace of its own, to which the nodes and this
// machine are joined. All of it is gone when the process that holds it ends.
type network struct {
	prefix string // of the addresses: 10.x.y
	name   string // begins the names of the links
	cables int    // laid so far: the kernel takes its time to clear those of a killed node
	cmd    *exec.Cmd
	hold   io.Closer
}

// bridge is held until standard input ends.
const bridge = `set -e
ip link add switch type bridge
ip link set switch up
echo ready
cat >/dev/null`

// join makes the bridge and joins this machine to it.
func join() (*network, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces are root's to make")
	}
	n := unused()
	n.cmd = exec.Command("/bin/sh", "-c", bridge)
	isolate(n.cmd, true)
	hold, err := n.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	ready, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("a network namespace: %w", err)
	}
	n.hold = hold
	if _, err := io.ReadFull(ready, make([]byte, len("ready\n"))); err != nil {
		n.close()
		return nil, errors.New("a bridge cannot be made (is iproute2 there?)")
	}
	if err := n.plugIn(); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// unused finds a subnet and a name that no other network of this machine has.
func unused() *network {
	for i := os.Getpid(); ; i++ {
		n := &network{prefix: fmt.Sprintf("10.%d.%d", 128+i%127, i/127%250), name: "rt" + strconv.FormatInt(int64(i), 36)}
		if _, err := net.InterfaceByName(n.here()); err != nil && !n.taken() {
			return n
		}
	}
}

// taken reports whether an address of this machine lies in the subnet.
func (n *network) taken() bool {
	all, err := net.InterfaceAddrs()
	for _, a := range all {
		if strings.HasPrefix(a.String(), n.prefix+".") {
			return true
		}
	}
	return err != nil
}

// address is that of a node.
func (n *network) address(node int) string { return fmt.Sprintf("%s.%d", n.prefix, node+1) }

// here is the name of this machine's link.
func (n *network) here() string { return n.name + ".0" }

// cable lays one from the bridge and returns the name of its other end, which is here.
func (n *network) cable() (string, error) {
	end := fmt.Sprintf("%s.%d", n.name, n.cables)
	n.cables++
	port, holder := end+"s", strconv.Itoa(n.cmd.Process.Pid)
	return end, run(
		[]string{"ip", "link", "add", end, "type", "veth", "peer", "name", port},
		[]string{"ip", "link", "set", port, "netns", holder},
		[]string{"nsenter", "-t", holder, "-n", "ip", "link", "set", port, "master", "switch", "up"},
	)
}

// plugIn joins this machine.
func (n *network) plugIn() error {
	end, err := n.cable()
	if err != nil {
		return err
	}
	return run([]string{"ip", "addr", "add", n.prefix + ".254/24", "dev", end}, []string{"ip", "link", "set", end, "up"})
}

// connect joins the namespace of a node's first process, which finds its end as eth0.
func (n *network) connect(pid int) error {
	end, err := n.cable()
	if err != nil {
		return err
	}
	return run([]string{"ip", "link", "set", end, "netns", strconv.Itoa(pid), "name", "eth0"})
}

// close takes the network away. Its links go with their namespace.
func (n *network) close() {
	n.hold.Close()
	n.cmd.Process.Kill()
	n.cmd.Wait()
}

// run runs commands one after the other.
func run(commands ...[]string) error {
	for _, c := range commands {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %v: %s", strings.Join(c, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
