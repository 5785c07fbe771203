package raytest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is one of a node.
type Process struct {
	PID     int
	Command string
}

// marked lists the processes that have the mark in their environment.
func marked(mark string) (list []Process) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !strings.Contains("\x00"+string(env)+"\x00", "\x00"+mark+"\x00") {
			continue
		}
		dir := filepath.Dir(file)
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(command) == 0 {
			continue // it has ended, and only waits to be counted
		}
		list = append(list, Process{pid, strings.Trim(strings.ReplaceAll(string(command), "\x00", " "), " ")})
	}
	return list
}
