package llmtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Endpoint is one of several OpenAI-compatible servers of a model. It can be killed
// and started again at the same address, and changed while it runs.
type Endpoint struct {
	// URL is its base URL, ending in /v1.
	URL string

	t    testing.TB
	host string

	mu     sync.Mutex
	script Script
	model  string
	tells  map[string]string
	asked  map[string]int
	busy   int
	most   int
	server *http.Server
	stop   chan struct{}
}

// NewEndpoint starts a server that answers as a model of a name. tells holds what it
// says at other paths, for example its list of models at /v1/models.
func NewEndpoint(t testing.TB, model string, script Script, tells map[string]string) *Endpoint {
	e := &Endpoint{t: t, host: "127.0.0.1:0", script: script, model: model, tells: tells, asked: map[string]int{}}
	e.Start()
	e.URL = "http://" + e.host + "/v1"
	t.Cleanup(e.Kill)
	return e
}

// Start starts it where it was before.
func (e *Endpoint) Start() {
	listener, err := net.Listen("tcp", e.host)
	if err != nil {
		e.t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.host = listener.Addr().String()
	e.server, e.stop = &http.Server{Handler: http.HandlerFunc(e.serve)}, make(chan struct{})
	go e.server.Serve(listener)
}

// Kill breaks every connection, as the end of the process does. From then on nobody
// listens there.
func (e *Endpoint) Kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return
	}
	close(e.stop)
	e.server.Close()
	e.server = nil
}

// Answer lets it answer by another script.
func (e *Endpoint) Answer(script Script) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.script = script
}

// Serve lets it answer as another model.
func (e *Endpoint) Serve(model string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.model = model
}

// Asked returns how often each question was asked.
func (e *Endpoint) Asked() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	copied := map[string]int{}
	for q, n := range e.asked {
		copied[q] = n
	}
	return copied
}

// Most is how many questions it had at the same time at most.
func (e *Endpoint) Most() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.most
}

func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		text, ok := e.tells[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, text)
		return
	}
	q, err := lastQuestion(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	script, model, stop, n := e.script, e.model, e.stop, e.asked[q]
	e.asked[q]++
	e.busy++
	e.most = max(e.most, e.busy)
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.busy--
		e.mu.Unlock()
	}()
	perform(w, r, script(q, n), stop, func(a Act, path string) any { return completion(a, path, model) })
}

// Models is what vLLM tells at /v1/models of one model.
func Models(id, root string, context int) string {
	return fmt.Sprintf(`{"object":"list","data":[{"id":%q,"object":"model","owned_by":"vllm","root":%q,"parent":null,"max_model_len":%d}]}`, id, root, context)
}
