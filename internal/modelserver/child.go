package modelserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/proc"
)

const loopback = "127.0.0.1"

// pollTime lies between two questions whether the server is ready.
const pollTime = 50 * time.Millisecond

// errNotReady is the cause of the end of waiting.
var errNotReady = errors.New("not ready in time")

// startChild starts a server process and waits until it answers.
func startChild(ctx context.Context, o Options) (*Server, error) {
	c, events, base, err := launch(o)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, o.ReadyTimeout, errNotReady)
	defer cancel()
	if base == "" {
		base, err = c.awaitEvent(waiting, events)
	}
	if err == nil {
		err = c.awaitModel(waiting, base, o.Alias)
	}
	if errors.Is(err, errNotReady) {
		err = fault.New(fmt.Sprintf("the model server %s did not answer within %v%s", o.Kind, o.ReadyTimeout, c.log.lastWords()),
			"its log says how far it came; a large model on a slow disk needs a longer time limit")
	}
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return newServer(base, o.Alias, c), nil
}

// launch starts the process. It returns the base URL of the API where that is
// known beforehand, else events will tell.
func launch(o Options) (c *child, events <-chan event, base string, err error) {
	c = &child{kind: o.Kind, log: &transcript{to: o.Log}}
	var cmd *exec.Cmd
	if o.Kind == XLlamaCPP {
		cmd = o.scriptCommand()
		out := newEventReader(c.log)
		cmd.Stdout, events = out, out.events
	} else {
		port, err := o.Port, error(nil)
		if port == 0 {
			port, err = freePort()
		}
		if err != nil {
			return nil, nil, "", err
		}
		cmd = o.binaryCommand(port)
		cmd.Stdout, base = c.log, fmt.Sprintf("http://%s:%d/v1", loopback, port)
	}
	cmd.Stderr = c.log
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, nil, "", err
	}
	if c.process, err = proc.Start(cmd); err != nil {
		c.stdin.Close()
		return nil, nil, "", fault.Wrap(err, startHint(o))
	}
	return c, events, base, nil
}

// scriptCommand lets the script take a free port itself where none is asked for,
// so that nobody can snatch it.
func (o Options) scriptCommand() *exec.Cmd {
	args := []string{o.Script, "--port", strconv.Itoa(o.Port), "--ctx", strconv.Itoa(o.Context), "--threads", strconv.Itoa(o.Threads)}
	return exec.Command(o.Program, append(args, o.commonArgs()...)...)
}

// binaryCommand asks for the context of all requests together: llama.cpp shares
// it out among them.
func (o Options) binaryCommand(port int) *exec.Cmd {
	args := []string{"--port", strconv.Itoa(port), "-c", strconv.Itoa(o.Context * o.Parallel)}
	if o.Threads > 0 {
		args = append(args, "--threads", strconv.Itoa(o.Threads))
	}
	return exec.Command(cmp.Or(o.Program, string(LlamaServer)), append(args, o.commonArgs()...)...)
}

func (o Options) commonArgs() []string {
	return []string{"--model", o.Model, "--host", loopback, "--alias", o.Alias, "--parallel", strconv.Itoa(o.Parallel)}
}

func startHint(o Options) string {
	if o.Kind == XLlamaCPP {
		return fmt.Sprintf("the Python environment is incomplete: %s must be an interpreter", o.Program)
	}
	return "install llama.cpp so that llama-server is in PATH, or name the binary"
}

// freePort asks the system for a port that nobody uses.
func freePort() (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// awaitEvent waits for the script to say where it listens.
func (c *child) awaitEvent(ctx context.Context, events <-chan event) (string, error) {
	select {
	case e := <-events:
		if e.Event == "failed" {
			return "", fault.New(fmt.Sprintf("the model server %s: %s", c.kind, e.Message), "its log says more")
		}
		if u, err := url.Parse(e.URL); err != nil || u.Hostname() != loopback {
			return "", fmt.Errorf("the model server %s says that it listens at %q, outside of %s", c.kind, e.URL, loopback)
		}
		return e.URL, nil
	case <-c.process.Done():
		return "", c.endedEarly(events)
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// endedEarly prefers the script's own explanation, which may arrive together
// with its end.
func (c *child) endedEarly(events <-chan event) error {
	select {
	case e := <-events:
		if e.Event == "failed" {
			return fault.New(fmt.Sprintf("the model server %s: %s", c.kind, e.Message), "its log says more")
		}
	default:
	}
	return c.ended("before it answered")
}

// awaitModel asks until the API lists the model. The name is checked because
// another program may have taken the port.
func (c *child) awaitModel(ctx context.Context, base, alias string) error {
	tick := time.NewTicker(pollTime)
	defer tick.Stop()
	for {
		if lists(ctx, base, alias) {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.process.Done():
			return c.ended("before it answered")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// local talks to this machine: no proxy, and no connection kept open.
var local = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   10 * time.Second,
}

// lists tells whether the API at base answers for the model.
func lists(ctx context.Context, base, model string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/models", nil)
	if err != nil {
		return false
	}
	resp, err := local.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var models struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&models) != nil {
		return false
	}
	for _, m := range models.Data {
		if m.ID == model {
			return true
		}
	}
	return false
}
