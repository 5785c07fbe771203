package raytrain

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// The files of a stage's folder that only a training on a cluster leaves: which job it
// is, and what was heard of it.
const (
	RecordFile  = "ray.json"
	journalFile = "ray-events.jsonl"
)

// Record says which job of which cluster trains a stage.
type Record struct {
	Version int    `json:"version"`
	Address string `json:"address"`
	Name    string `json:"name"`
	// Attempt counts the jobs of that name, from 1.
	Attempt int `json:"attempt"`
	// Storage is where the nodes keep what the job leaves.
	Storage string `json:"storage,omitempty"`
	// Client tells jobs that were submitted from this folder from those of another one
	// that trains the same: an attempt follows an earlier one without asking whether it
	// still writes. Another address may be another cluster, where a job goes on.
	Client string `json:"client,omitempty"`
}

const recordVersion = 1

// ReadRecord reads the record of a stage's folder, or returns nil where the stage
// was not begun on a cluster.
func ReadRecord(dir string) (*Record, error) {
	path := filepath.Join(dir, RecordFile)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var rec Record
	if err := json.Unmarshal(text, &rec); err != nil || rec.Version != recordVersion || rec.Attempt < 1 {
		return nil, fault.Newf("delete it and start the training again; a job that is under way is found by its name", "%s is damaged, or another version of bbjtune wrote it", path)
	}
	return &rec, nil
}

// run is a job under way, as this process follows it.
type run struct {
	Options
	Record
	job trainer.Train
	on  func(trainer.Event, bool)

	journal *runs.Journal
	// last is the number of the newest event of this attempt that was heard.
	last      int
	done      *done
	failed    error
	submitted bool
	// advanced says that this attempt has left a checkpoint.
	advanced bool
}

func (r *run) id() string { return ID(r.Options.Name, r.Attempt) }

// heard is a line of the journal: an event as it came, and the attempt it is of.
type heard struct {
	Attempt int             `json:"attempt"`
	Event   json.RawMessage `json:"event"`
}

// open takes up what an earlier process has recorded, and passes on what it heard.
func open(o Options, job trainer.Train, on func(trainer.Event, bool)) (*run, error) {
	rec, err := ReadRecord(o.Dir)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		rec = &Record{Attempt: 1}
	}
	if rec.Address != "" && rec.Address != o.Address {
		o.Say("  it was begun on the cluster at %s; a job that runs there is not ended", rec.Address)
	}
	if rec.Client == "" || rec.Address != o.Address {
		rec.Client = strings.ToLower(rand.Text())
	}
	r := &run{Options: o, Record: *rec, job: job, on: on}
	r.Record.Version, r.Record.Name, r.Record.Address, r.Record.Storage = recordVersion, o.Name, o.Address, o.Storage
	r.journal, err = runs.OpenJournal(filepath.Join(o.Dir, journalFile), func(line []byte) error {
		var h heard
		if err := json.Unmarshal(line, &h); err != nil {
			return err
		}
		e, err := read(h.Event)
		if err != nil {
			return err
		}
		if h.Attempt == r.Attempt {
			r.last = e.N
			r.end(e)
		}
		r.pass(e, true)
		return nil
	})
	return r, err
}

// record writes which job it is, so that others find it.
func (r *run) record() error {
	text, err := json.MarshalIndent(r.Record, "", "  ")
	if err != nil {
		return err
	}
	return runs.WriteFile(filepath.Join(r.Dir, RecordFile), append(text, '\n'))
}

// next goes over to another job of the same name, whose events are numbered anew.
func (r *run) next() {
	r.Attempt++
	r.last, r.done, r.failed, r.advanced = 0, nil, nil, false
}

func (r *run) close() { r.journal.Close() }

// event is one that the driver numbered.
type event struct {
	N int `json:"n"`
	// At is when, in seconds of Unix time.
	At float64 `json:"at"`
	trainer.Event
	// Files are what a finished stage hands over.
	Files []file `json:"files"`
	raw   json.RawMessage
}

// done is how a job ends well.
type done struct {
	Result json.RawMessage
	Files  []file
}

func read(line []byte) (event, error) {
	e := event{raw: line}
	if err := json.Unmarshal(line, &e); err != nil || e.N < 1 || e.Event.Event == "" {
		return event{}, fmt.Errorf("the job wrote something that is no event: %.80q", line)
	}
	return e, nil
}
