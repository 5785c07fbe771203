package raytest

import (
	"os/exec"
	"syscall"
)

// isolate makes the command the first process of a node: of a session, which the
// kernel gives its own share of a busy machine, and with namespaces of a machine of its
// own. A killed first process takes its whole PID namespace along.
func isolate(cmd *exec.Cmd, namespaces bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if namespaces {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS
	}
}
