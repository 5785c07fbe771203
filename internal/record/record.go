// Package record reads what finished trainings leave behind: it finds their
// folders, joins each with its data, its environment and the evaluations of its
// model, and says what changed between two of them and what that did.
//
// It changes no folder, and does not know how any of it was made. What it reads
// may have been copied here from anywhere: no path is taken from a file's
// content, and what cannot be read is said, not fatal.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
)

// The files of a training's folder that this package knows the shape of.
const (
	DataFile        = "data.json"
	EnvironmentFile = "environment.json"
)

// FormVersion is the version of both files.
const FormVersion = 1

// Data says which data a training was made from.
type Data struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Key     string `json:"key"`
	// Manifest is the SHA-256 of the data folder's manifest.
	Manifest string `json:"manifest_sha256"`
	// Counts and Inputs are those of that manifest: how many sources and rows,
	// and the hashes and settings that they were made from.
	Counts json.RawMessage `json:"counts"`
	Inputs json.RawMessage `json:"inputs"`
}

// NewData describes a finished data folder.
func NewData(dir string, m *runs.Manifest) (*Data, error) {
	sum, _, err := runs.HashFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, err
	}
	return &Data{FormVersion, m.ID, m.Key, sum, m.Result, m.Inputs}, nil
}

// Environment says what a training ran on; where it was interrupted, what its
// last part ran on.
type Environment struct {
	Version    int               `json:"version"`
	Tool       string            `json:"bbjtune"`
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	CPUs       int               `json:"cpus"`
	Python     string            `json:"python"`
	Packages   map[string]string `json:"packages"`
	Device     string            `json:"device"`
	DeviceName string            `json:"device_name"`
	Precision  string            `json:"precision"`
	Threads    int               `json:"threads"`
	// Engine is empty in records from before there was a choice.
	Engine string `json:"engine,omitempty"`
	// Compute is where it ran; nil in records from before there was a choice.
	Compute *recipe.Compute `json:"compute,omitempty"`
}

// Run is a finished training.
type Run struct {
	runs.Entry
	Training report.Training
	// Settings are the keys of the recipe that the training depends on.
	Settings map[string]string
	// Data and Environment are nil where they are not recorded.
	Data        *Data
	Environment *Environment
	Checkpoints []Checkpoint
	// Evaluations are those of its model, newest first.
	Evaluations []Evaluation
	// Verifications are those of its packages, newest first.
	Verifications []Verification
	// Missing says what could not be read.
	Missing []string

	inputs inputs
	store  *Store
}

// Base pins the base weights.
func (r *Run) Base() string { return r.inputs.Base }

// Plan reads the recipe that the training was made by.
func (r *Run) Plan() (*recipe.Recipe, error) {
	path := filepath.Join(r.Path, "recipe.yaml")
	text, err := readFile(path)
	if err != nil {
		return nil, fault.Wrap(err, "a training that bbjtune finished has its recipe there: copy it back, or train again")
	}
	return recipe.Parse(path, text)
}

// inputs are those of a training's manifest.
type inputs struct {
	Base     string            `json:"base"`
	Data     map[string]string `json:"data"`
	Worker   string            `json:"worker"`
	Template string            `json:"template"`
	Recipe   json.RawMessage   `json:"recipe"`
}

// Checkpoint is a state that a training could go on from, if it is complete.
type Checkpoint struct {
	Path     string `json:"path"`
	Complete bool   `json:"complete"`
}

// Evaluation is a scored evaluation of a training's model.
type Evaluation struct {
	runs.Entry
	Label   string
	Suite   eval.SuiteRef
	Engine  string
	Metrics eval.Metrics
	// Grafted names the model that what was trained was added to, "" for the
	// tuned base model itself.
	Grafted string
}

// Graft is what was trained on one model, added to another: the result of such a
// package.
type Graft struct {
	// Base was trained on, and Onto is what it was added to.
	Base string `json:"base"`
	Onto string `json:"onto"`
	// Identity pins the weights of Onto.
	Identity string `json:"onto_identity"`
	// Tensors and Tokens are those of both models, which were compared.
	Tensors int `json:"tensors"`
	Tokens  int `json:"tokens"`
	// Gap is how far apart their weights are: 0 for the same, 0.7 by chance.
	Gap float64 `json:"gap"`
	// Differs are the keys of their configurations that differ.
	Differs []string `json:"differs"`
	// Matrices and Rows (of embeddings) are what was changed.
	Matrices int `json:"matrices"`
	Rows     int `json:"rows"`
}

// Grafted reads what a finished package is a graft of, nil where it is none.
func Grafted(e runs.Entry) *Graft {
	var made struct{ Graft *Graft }
	if e.Kind != "pack" || e.State != runs.Complete || json.Unmarshal(e.Manifest.Result, &made) != nil || made.Graft == nil || made.Graft.Onto == "" {
		return nil
	}
	return made.Graft
}

// Load reads a finished training and what belongs to it.
func Load(dir string) (*Run, error) {
	e, err := runs.Inspect(dir)
	if err != nil {
		return nil, err
	}
	store, err := Open(filepath.Dir(filepath.Dir(abs(dir))))
	if err != nil {
		return nil, err
	}
	return store.load(e)
}

func (s *Store) load(e runs.Entry) (*Run, error) {
	switch {
	case e.Kind != "train":
		return nil, fault.Newf("name a folder below runs/train", "%s holds %s, not train", e.Path, e.Kind)
	case e.State == runs.Broken:
		return nil, fault.Newf("delete the folder and make it again", "%s: %s", e.Path, e.Reason)
	case e.State != runs.Complete:
		return nil, fault.Newf("run the command that makes it again; it goes on where it stopped", "%s is %s: only a finished training can be looked into", e.Path, e.State)
	}
	r := &Run{Entry: e, store: s}
	if err := json.Unmarshal(e.Manifest.Inputs, &r.inputs); err != nil {
		return nil, fmt.Errorf("%s: inputs of manifest.json: %w", e.Path, err)
	}
	if err := json.Unmarshal(e.Manifest.Result, &r.Training); err != nil {
		return nil, fmt.Errorf("%s: result of manifest.json: %w", e.Path, err)
	}
	settings, err := flatten(r.inputs.Recipe)
	if err != nil {
		return nil, fmt.Errorf("%s: recipe in manifest.json: %w", e.Path, err)
	}
	if settings["engine"] == "" { // from before there was a choice
		settings["engine"] = recipe.TRL
	}
	r.Settings = settings
	r.Data = read[Data](r, DataFile)
	r.Environment = read[Environment](r, EnvironmentFile)
	r.Checkpoints = checkpoints(e.Path)
	r.Evaluations = s.evaluations(e.Manifest.Key)
	r.Verifications = s.verifications(e.Manifest.Key)
	return r, nil
}

// read reads a file of the run; what cannot be read is missing.
func read[T any](r *Run, name string) *T {
	text, err := readFile(filepath.Join(r.Path, name))
	if errors.Is(err, os.ErrNotExist) {
		r.Missing = append(r.Missing, name+" is not there")
		return nil
	}
	var head struct {
		Version int `json:"version"`
	}
	v := new(T)
	if err == nil {
		err = json.Unmarshal(text, &head)
	}
	if err == nil && head.Version != FormVersion {
		err = fmt.Errorf("version %d, this program reads %d", head.Version, FormVersion)
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		r.Missing = append(r.Missing, fmt.Sprintf("%s cannot be read: %v", name, err))
		return nil
	}
	return v
}

// maxFile is more than any file of a run that is read whole comes to, in bytes.
const maxFile = 1 << 30

// readFile reads a file unless it is something that has no end.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, errors.New("it is no file of a run")
	}
	return os.ReadFile(path)
}

// checkpoints lists what a training could go on from, by stage and step.
func checkpoints(dir string) []Checkpoint {
	type found struct {
		Checkpoint
		step int
	}
	list := []Checkpoint{}
	for _, stage := range []string{"stage1", "stage2"} {
		entries, err := os.ReadDir(filepath.Join(dir, stage))
		if err != nil {
			continue
		}
		var steps []found
		for _, e := range entries {
			number, ok := strings.CutPrefix(e.Name(), "checkpoint-")
			step, err := strconv.Atoi(number)
			if !ok || err != nil || !e.IsDir() {
				continue
			}
			_, err = os.Stat(filepath.Join(dir, stage, e.Name(), "complete.json"))
			steps = append(steps, found{Checkpoint{stage + "/" + e.Name(), err == nil}, step})
		}
		slices.SortFunc(steps, func(a, b found) int { return a.step - b.step })
		for _, f := range steps {
			list = append(list, f.Checkpoint)
		}
	}
	return list
}

func abs(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
