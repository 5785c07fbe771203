//go:build !windows

package pack

import "syscall"

// diskFull is the error of a write for which the disk has no room.
const diskFull = syscall.ENOSPC
