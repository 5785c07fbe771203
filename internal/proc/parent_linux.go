package proc

import "syscall"

// endWithParent has the kernel send SIGTERM to the child when this process is
// killed. Not SIGKILL: the child can then take its own children along.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
