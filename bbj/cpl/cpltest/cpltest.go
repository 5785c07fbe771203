// Package cpltest is a stand-in for bbjcpl, for tests. It behaves as the real
// one does as far as that is known: an exit status of 0 whatever happens, a line
// on standard error for every line it rejects, with ten times the number of the
// physical line or the program's own, and a METHODEND that is rejected along
// with its METHOD. Remarks in a program make it misbehave.
//
// It must not know package cpl: it stands where the real one would.
package cpltest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Env is the variable whose value is a misbehaviour whatever the programs are:
// one of those that a remark `rem cpltest WORD` asks for (see misbehave), or
// deaf (takes no list), short (leaves the folder out of its reports), folded
// (puts the source line below) or status (ends with another status than 0).
const Env = "CPLTEST"

// Main is the program.
func Main() {
	mode, args := os.Getenv(Env), os.Args[1:]
	if log := os.Getenv(Env + "_LOG"); log != "" {
		record(log, args)
	}
	if len(args) != 2 || args[0] != "-N" || !strings.HasPrefix(args[1], "-@") {
		fmt.Fprintln(os.Stderr, "usage: bbjcpl -N -@<list>")
		return
	}
	if mode == "deaf" {
		return
	}
	misbehave(mode)
	list, err := os.ReadFile(args[1][2:])
	if err != nil {
		return // says nothing, as if all were well
	}
	for path := range strings.Lines(string(list)) {
		judge(strings.TrimSuffix(path, "\n"), mode)
	}
	if mode == "status" {
		os.Exit(3)
	}
}

// record adds the call to a file: a line with the number of files and their
// folder.
func record(path string, args []string) {
	list, _ := os.ReadFile(strings.TrimPrefix(args[len(args)-1], "-@"))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	first, _, _ := strings.Cut(string(list), "\n")
	fmt.Fprintf(f, "%d %s\n", bytes.Count(list, []byte{'\n'}), filepath.Dir(first))
}

var (
	asks    = regexp.MustCompile(`(?im)^rem cpltest (\w+)`)
	number  = regexp.MustCompile(`^\d+`)
	foreign = regexp.MustCompile(`=\)|//|\+\+|==|rejected by the real one`)
)

// rejected says which lines are: those with a sign of another language, an odd
// parenthesis, or the words that ask for it.
func rejected(line string) bool {
	return foreign.MatchString(line) || strings.Count(line, "(") != strings.Count(line, ")")
}

func judge(path, mode string) {
	src, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: no such file\n", path)
		return
	}
	out := bufio.NewWriter(os.Stderr)
	defer out.Flush()
	if m := asks.FindSubmatch(src); m != nil {
		misbehave(string(m[1]))
	}
	brokenMethod := false
	for i, line := range strings.Split(string(src), "\n") {
		word := strings.ToLower(strings.TrimLeft(line, " \t0123456789"))
		broken := rejected(line)
		switch {
		case strings.HasPrefix(word, "methodend"):
			broken = broken || brokenMethod
			brokenMethod = false
		case strings.HasPrefix(word, "method "):
			brokenMethod = broken
		}
		if broken {
			report(out, path, line, i+1, mode)
		}
	}
}

func report(out io.Writer, path, line string, physical int, mode string) {
	own := 10 * physical
	if n, err := strconv.Atoi(number.FindString(line)); err == nil {
		own = n
	}
	if mode == "short" { // another release might leave the folder out
		path = filepath.Base(path)
	}
	gap := "     "
	if mode == "folded" { // or put the source line below
		gap = "\n     "
	}
	fmt.Fprintf(out, "%s: error at line %d (%d):%s%s\n", path, own, physical, gap, strings.TrimSpace(line))
}

// misbehave does as it is told, and often does not return.
func misbehave(how string) {
	switch how {
	case "hangs":
		time.Sleep(time.Hour)
	case "dies":
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			p.Kill()
		}
		time.Sleep(time.Hour)
	case "quits":
		os.Exit(0)
	case "raves":
		fmt.Fprintln(os.Stderr, "Exception in thread \"main\" \x1b[2J\xff java.lang.StackOverflowError")
		fmt.Fprintln(os.Stderr, "\tat com.example.Compiler")
	case "floods":
		for line := bytes.Repeat([]byte("x"), 1<<20); ; {
			if _, err := os.Stderr.Write(line); err != nil {
				time.Sleep(time.Hour)
			}
		}
	case "java":
		fmt.Fprintln(os.Stderr, "Picked up JAVA_TOOL_OPTIONS: -Xmx512m")
	}
}
