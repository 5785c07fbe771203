//go:build unix

package proc

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// tree is a process group. Grandchildren belong to it unless they leave it on
// purpose (setsid), as daemons do.
type tree struct {
	mu    sync.Mutex
	group int // 0 once released: the number may belong to strangers by then
}

// prepare makes the child the leader of a new group.
func prepare(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	endWithParent(cmd.SysProcAttr)
}

func adopt(p *os.Process) (*tree, error) { return &tree{group: p.Pid}, nil }

func (t *tree) ask() error { return t.signal(syscall.SIGTERM) }

func (t *tree) kill() { _ = t.signal(syscall.SIGKILL) } // nobody left to kill is no error

func (t *tree) signal(s syscall.Signal) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.group == 0 {
		return nil
	}
	return syscall.Kill(-t.group, s)
}

func (t *tree) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.group = 0
}
