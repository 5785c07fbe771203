package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// fakeWorker plays the training worker. For jobs that make a model folder it writes
// an empty one, keeps the job in the file that FAKE_JOBS names, and answers with
// FAKE_RESULT, or fails with FAKE_FAILURE; jobs that train are fakeTraining's.
func fakeWorker() {
	fmt.Println(`{"event":"hello","protocol":1,"python":"3.11.7"}`)
	requests := make(chan []byte)
	go func() {
		for request := range requests {
			if err := fakeJob(request); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}()
	// Like the worker it ends with its standard input, in the middle of a job too.
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		requests <- bytes.Clone(in.Bytes())
	}
}

func fakeJob(request []byte) error {
	var r struct{ Job string }
	if err := json.Unmarshal(request, &r); err != nil {
		return err
	}
	text, err := os.ReadFile(r.Job)
	if err != nil {
		return err
	}
	var job struct{ Output string }
	if err := json.Unmarshal(text, &job); err != nil {
		return err
	}
	switch {
	case bytes.Contains(text, []byte(`"kind": "train"`)):
		return fakeTraining(text)
	case bytes.Contains(text, []byte(`"kind": "inspect"`)):
		_, err := fmt.Println(`{"event":"done","result":{"train":{"rows":9},"valid":{"rows":1}}}`)
		return err
	}
	jobs, err := os.OpenFile(os.Getenv("FAKE_JOBS"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer jobs.Close()
	var line json.RawMessage = text
	if err := json.NewEncoder(jobs).Encode(line); err != nil {
		return err
	}
	if failure := os.Getenv("FAKE_FAILURE"); failure != "" {
		_, err := fmt.Printf(`{"event":"failed","kind":"bad_input","message":%q,"hint":"name another"}`+"\n", failure)
		return err
	}
	if job.Output != "" {
		if err := os.MkdirAll(job.Output, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(job.Output, "model.safetensors"), []byte("weights"), 0o644); err != nil {
			return err
		}
	}
	_, err = fmt.Printf(`{"event":"done","result":%s}`+"\n", os.Getenv("FAKE_RESULT"))
	return err
}
