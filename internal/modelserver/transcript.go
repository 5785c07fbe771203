package modelserver

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
)

// tailLines is how much of a log an error repeats.
const tailLines = 5

// transcript passes a log on and remembers its end. Write never fails: a full
// disk on our side must not break the server's pipe.
type transcript struct {
	mu   sync.Mutex
	to   io.Writer
	rest []byte // of a line without its end
	tail []string
}

// Write implements io.Writer.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.to.Write(p)
	t.rest = append(t.rest, p...)
	for {
		line, rest, whole := bytes.Cut(t.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		t.rest = rest
		t.keep(string(line))
	}
}

func (t *transcript) keep(line string) {
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	t.tail = append(t.tail, line)
	t.tail = t.tail[max(0, len(t.tail)-tailLines):]
}

// lastWords returns the end of the log as the tail of a message, or "".
func (t *transcript) lastWords() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keep(string(t.rest))
	t.rest = nil
	if len(t.tail) == 0 {
		return ", without a word"
	}
	return "; its last words:\n  " + strings.Join(t.tail, "\n  ")
}

// event is what the script says about itself on standard output.
type event struct {
	Event   string `json:"event"` // "ready" or "failed"
	URL     string `json:"url"`
	Message string `json:"message"`
}

// eventReader finds the first event in the script's output, and passes on to
// the log what is none.
type eventReader struct {
	events chan event // of one
	log    *transcript
	rest   []byte
}

func newEventReader(log *transcript) *eventReader {
	return &eventReader{events: make(chan event, 1), log: log}
}

// Write implements io.Writer.
func (r *eventReader) Write(p []byte) (int, error) {
	r.rest = append(r.rest, p...)
	for {
		line, rest, whole := bytes.Cut(r.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		r.rest = rest
		var e event
		if json.Unmarshal(line, &e) != nil || e.Event != "ready" && e.Event != "failed" {
			_, _ = r.log.Write(append(line, '\n'))
			continue
		}
		select {
		case r.events <- e:
		default: // a second one changes nothing
		}
	}
}
