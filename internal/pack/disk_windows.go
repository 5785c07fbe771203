package pack

import "golang.org/x/sys/windows"

// diskFull is the error of a write for which the disk has no room.
const diskFull = windows.ERROR_DISK_FULL
