package modelserver_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bbjtune/internal/modelserver"
)

// role, set in the environment, turns the test binary into a fake server, or
// into a parent that starts one.
const role = "MODELSERVER_TEST_ROLE"

// patience is how long a test waits for what should take milliseconds.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	switch as := os.Getenv(role); as {
	case "":
		os.Exit(m.Run())
	case "parent":
		parent()
	default:
		os.Exit(fake(as))
	}
}

// fake is a model server that behaves as its name says.
func fake(as string) int {
	flags := flag.NewFlagSet("fake", flag.ExitOnError)
	port := flags.Int("port", 0, "")
	alias := flags.String("alias", "", "")
	for _, name := range []string{"model", "host", "ctx", "c", "parallel", "threads"} {
		flags.String(name, "", "")
	}
	args := os.Args[1:]
	if args[0] == "serve.py" {
		args = args[1:]
	}
	flags.Parse(args)
	fmt.Fprintln(os.Stderr, "args:", strings.Join(os.Args[1:], " "))

	switch as {
	case "dies":
		fmt.Fprint(os.Stderr, "loading\nout of memory")
		return 3
	case "fails":
		fmt.Println(`{"event":"failed","kind":"bad_input","message":"no such model file: x"}`)
		return 1
	case "silent":
		wait()
	case "elsewhere":
		fmt.Println(`{"event":"ready","url":"http://192.0.2.1:80/v1"}`)
		wait()
	case "garbage":
		fmt.Print("{\"event\": 7}\n\x00\xff nonsense\n{\"event\":\"progress\"}\n")
	case "wordless":
		return 0
	}
	serve(as, *port, *alias)
	return 0
}

// serve answers as an OpenAI-compatible API until standard input ends.
func serve(as string, port int, alias string) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		panic(err)
	}
	var asked atomic.Int32
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case as == "mute" || as == "slow" && asked.Add(1) < 4:
			http.Error(w, "loading", http.StatusServiceUnavailable)
		case as == "stranger":
			fmt.Fprint(w, `{"data":[{"id":"another"}]}`)
		default:
			json.NewEncoder(w).Encode(map[string]any{"data": []map[string]string{{"id": alias}}})
		}
		if as == "crashes" {
			time.AfterFunc(10*time.Millisecond, func() { fmt.Fprintln(os.Stderr, "segmentation fault"); os.Exit(139) })
		}
	}))
	fmt.Printf("{\"event\":\"ready\",\"url\":\"http://%s/v1\"}\n", l.Addr())
	if as == "stubborn" {
		signal.Ignore(syscall.SIGTERM) // only the end of standard input ends it
	}
	wait()
}

func wait() { io.Copy(io.Discard, os.Stdin) }

// parent starts a server, says where, and waits to be killed.
func parent() {
	os.Setenv(role, "stubborn")
	s, err := modelserver.Start(context.Background(), modelserver.Options{
		Kind: modelserver.XLlamaCPP, Model: os.Args[0], Alias: "m", Program: os.Args[0], Script: "serve.py", Log: os.Stderr,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.URL())
	time.Sleep(time.Hour)
}
