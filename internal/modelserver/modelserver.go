// Package modelserver puts a GGUF file behind an OpenAI-compatible API on this
// machine: it starts one of the known servers, or asks a running Ollama, waits
// until the model answers, and ends what it started.
//
// It knows the command lines and start-up signs of these servers. It must not
// know what is asked of the model; a server that someone else runs is none of
// its business either.
package modelserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/proc"
)

// Kind names a server program.
type Kind string

// The kinds.
const (
	XLlamaCPP   Kind = "xllamacpp"    // the Python package, through a script
	LlamaServer Kind = "llama-server" // the user's llama.cpp
	Ollama      Kind = "ollama"       // running already
)

// Options say what to serve and how. Only Kind and Model are always needed.
type Options struct {
	Kind  Kind
	Model string // the GGUF file
	Alias string // the model's name in requests; "" means the file's. Ollama has its own

	Program string // xllamacpp: the Python interpreter; llama-server: the binary, "" means that in PATH
	Script  string // xllamacpp: the path of the script that serves

	Context  int // tokens for each request, prompt and answer; 0 means 4096
	Parallel int // requests answered at the same time; 0 means 4. Ollama decides for itself
	Threads  int // 0 means all cores. Ollama decides for itself
	Port     int // on 127.0.0.1; 0 takes a free one. Ollama has its own

	OllamaHost string   // "" means $OLLAMA_HOST, or else 127.0.0.1:11434
	Template   string   // Ollama's prompt template; the others use the one in the GGUF
	Stop       []string // Ollama's stop strings; the others use the end tokens in the GGUF

	Log          io.Writer     // gets the server's log; nil drops it
	ReadyTimeout time.Duration // until the first answer; 0 means 5 minutes
}

// stopTime is how long a server may take to end by itself.
const stopTime = 5 * time.Second

func (o Options) withDefaults() Options {
	name := filepath.Base(o.Model)
	o.Alias = cmp.Or(o.Alias, strings.TrimSuffix(name, filepath.Ext(name)))
	o.Context = cmp.Or(o.Context, 4096)
	o.Parallel = cmp.Or(o.Parallel, 4)
	o.ReadyTimeout = cmp.Or(o.ReadyTimeout, 5*time.Minute)
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

// Server is a model that answers.
type Server struct {
	url, model string
	child      *child      // nil where nothing was started
	detach     func() bool // from the context of Start
	closing    sync.Once
	done       chan struct{}
	err        error // valid once done is closed
}

// Start starts a server and returns when it answers for the model. The server
// lives until Close or the end of ctx, and listens on the loopback interface
// alone. When this process is killed it ends as well: the script because its
// standard input closes, any program on Linux and Windows because the system
// sees to it. Ollama keeps running, and keeps the model for the next time.
//
// A server that ends or stays silent is an error with the last lines of its
// log.
func Start(ctx context.Context, o Options) (*Server, error) {
	if s, err := os.Stat(o.Model); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fmt.Sprintf("no such model file: %s", o.Model), "name a .gguf file")
	} else if err != nil {
		return nil, err
	} else if s.IsDir() {
		return nil, fault.New(fmt.Sprintf("%s is a folder, not a model file", o.Model), "name a .gguf file")
	}
	o = o.withDefaults()
	var s *Server
	var err error
	switch o.Kind {
	case XLlamaCPP, LlamaServer:
		s, err = startChild(ctx, o)
	case Ollama:
		s, err = useOllama(ctx, o)
	default:
		return nil, fault.New(fmt.Sprintf("unknown model server %q", o.Kind), "known are xllamacpp, llama-server and ollama")
	}
	if err != nil {
		return nil, err
	}
	s.detach = context.AfterFunc(ctx, func() { s.end() })
	return s, nil
}

// newServer returns a server that answers at url, and watches its child.
func newServer(url, model string, c *child) *Server {
	s := &Server{url: url, model: model, child: c, done: make(chan struct{})}
	if c != nil {
		go s.watch()
	}
	return s
}

// watch ends the server with its child.
func (s *Server) watch() {
	<-s.child.process.Done()
	s.closing.Do(func() { s.err = s.child.ended("while it was needed") })
	close(s.done)
}

// URL returns the base of the API, as "http://127.0.0.1:8080/v1".
func (s *Server) URL() string { return s.url }

// Model returns the name that requests must give the model.
func (s *Server) Model() string { return s.model }

// Done is closed when the server has ended, by Close or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says why the server ended: nil after Close and before Done.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close ends the server, requests under way included, and returns when it is
// gone. Closing it again does nothing.
func (s *Server) Close() error {
	s.detach()
	return s.end()
}

func (s *Server) end() error {
	if s.child == nil {
		s.closing.Do(func() { close(s.done) })
		return nil
	}
	s.closing.Do(func() {}) // from here on its end is no failure
	return s.child.stop()
}

// child is a server process that this one started.
type child struct {
	kind    Kind
	process *proc.Process
	stdin   io.Closer
	log     *transcript
}

func (c *child) stop() error {
	c.stdin.Close()
	return c.process.Stop(stopTime)
}

// ended describes the end of a server that nobody asked for.
func (c *child) ended(when string) error {
	how := "exit status 0"
	if err := c.process.Err(); err != nil {
		how = err.Error()
	}
	return fault.New(fmt.Sprintf("the model server %s ended %s (%s)%s", c.kind, when, how, c.log.lastWords()),
		"its log says why; a damaged model file and too little memory are the usual reasons")
}
