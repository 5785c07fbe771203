//go:build unix

package proc_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"bbjtune/internal/proc"
)

// role, set in the environment, turns the test binary into one of the children
// below.
const role = "PROC_TEST_ROLE"

// patience is how long a test waits for what should take milliseconds.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "sleeper":
		sleep()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		sleep()
	case "family": // ends on SIGTERM, its child does not
		spawn("stubborn")
		sleep()
	case "runaway": // ends at once and leaves its child behind
		spawn("sleeper")
	case "guardian": // starts a child through this package, to be killed itself
		if _, err := proc.Start(self("sleeper", os.Stdout)); err != nil {
			panic(err)
		}
		sleep()
	case "failing":
		fmt.Println("last words")
		os.Exit(3)
	case "echo":
		io.Copy(os.Stdout, os.Stdin)
	}
}

func sleep() {
	fmt.Println("up")
	time.Sleep(time.Hour)
}

func spawn(as string) {
	if err := self(as, os.Stdout).Start(); err != nil {
		panic(err)
	}
}

func self(as string, out io.Writer) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"="+as)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return cmd
}

// startHeld starts a child whose output is a pipe that every descendant holds:
// the pipe's end of file is the proof that all of them are gone. It returns when
// ups of them have reported.
func startHeld(t *testing.T, as string, ups int) (*proc.Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	p, err := proc.Start(self(as, w))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(0) })
	w.Close()
	r.SetReadDeadline(time.Now().Add(patience))
	br := bufio.NewReader(r)
	for range ups {
		if line, err := br.ReadString('\n'); err != nil || line != "up\n" {
			t.Fatalf("child said %q, %v", line, err)
		}
	}
	return p, br
}

func wantGone(t *testing.T, r io.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Fatalf("a descendant is still there: %q, %v", rest, err)
	}
}

func TestStopTakesTheWholeFamily(t *testing.T) {
	p, out := startHeld(t, "family", 2)
	if err := p.Stop(patience); err != nil {
		t.Fatal(err)
	}
	wantGone(t, out)
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) {
		t.Errorf("Err = %v, want the signal", p.Err())
	}
}

func TestStopKillsTheStubborn(t *testing.T) {
	for _, grace := range []time.Duration{0, 20 * time.Millisecond} {
		p, out := startHeld(t, "stubborn", 1)
		if err := p.Stop(grace); err != nil {
			t.Fatal(err)
		}
		wantGone(t, out)
	}
}

func TestAnEndedChildLeavesNobody(t *testing.T) {
	p, out := startHeld(t, "runaway", 0)
	<-p.Done()
	if err := p.Err(); err != nil {
		t.Error(err)
	}
	if text, _ := io.ReadAll(out); len(text) > 0 && string(text) != "up\n" {
		t.Errorf("out = %q", text)
	}
	if err := p.Stop(patience); err != nil {
		t.Errorf("stop after the end: %v", err)
	}
}

func TestErrAndOutput(t *testing.T) {
	var out bytes.Buffer
	p, err := proc.Start(self("failing", &out))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.ExitCode() != 3 {
		t.Errorf("Err = %v, want exit status 3", p.Err())
	}
	if out.String() != "last words\n" {
		t.Errorf("out = %q", out.String())
	}
}

func TestEndOfStandardInput(t *testing.T) {
	var out bytes.Buffer
	cmd := self("echo", &out)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := proc.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if p.Err() != nil || p.Pid() <= 0 {
		t.Errorf("running child: err %v, pid %d", p.Err(), p.Pid())
	}
	io.WriteString(in, strings.Repeat("x", 1<<20))
	in.Close()
	<-p.Done()
	if p.Err() != nil || out.Len() != 1<<20 {
		t.Errorf("err = %v, %d bytes", p.Err(), out.Len())
	}
}

func TestStartFails(t *testing.T) {
	_, err := proc.Start(exec.Command(t.TempDir() + "/absent"))
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "start absent: ") {
		t.Errorf("err = %v", err)
	}
}

func TestKilledParentTakesItsChild(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux signals the child of a killed parent")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent := self("guardian", w)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	r.SetReadDeadline(time.Now().Add(patience))
	out := bufio.NewReader(r)
	for range 2 {
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	parent.Process.Kill()
	parent.Wait()
	wantGone(t, out)
}
