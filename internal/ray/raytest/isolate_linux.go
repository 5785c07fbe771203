package raytest

import (
	"os/exec"
	"syscall"
)

// isolate makes the command the first process of a node: of a process group, and
// with namespaces of a machine of its own. A killed first process takes its whole
// PID namespace along.
func isolate(cmd *exec.Cmd, namespaces bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if namespaces {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS
	}
}
