//go:build unix && !linux

package proc

import "syscall"

// endWithParent does nothing: this kernel has no such signal, and the child has
// to watch its standard input.
func endWithParent(*syscall.SysProcAttr) {}
