package record

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/nearest"
	"bbjtune/internal/parity"
	"bbjtune/internal/runs"
)

// Store is the folder of all runs.
type Store struct {
	Root    string
	Entries []runs.Entry // newest first
}

// Open lists the folder of all runs.
func Open(root string) (*Store, error) {
	list, err := runs.List(root)
	if err != nil {
		return nil, err
	}
	return &Store{root, list}, nil
}

// Kinds lists the kinds of which there is a folder.
func (s *Store) Kinds() []string {
	var list []string
	for _, e := range s.Entries {
		if !slices.Contains(list, e.Kind) {
			list = append(list, e.Kind)
		}
	}
	slices.Sort(list)
	return list
}

// Find returns the folder that a name means: a path, an ID, an ID without its
// hash, or the beginning of one. Where several kinds fit, the first of the
// preferred ones is meant.
func (s *Store) Find(name string, preferred ...string) (runs.Entry, error) {
	if strings.ContainsAny(name, `/\`) || name == "." || name == ".." {
		e, err := runs.Inspect(name)
		if err != nil {
			return e, fault.Wrap(err, "name a folder below "+s.Root+", or an ID that bbjtune runs list shows")
		}
		return e, nil
	}
	whole := s.matching(func(e runs.Entry) bool { return e.ID == name })
	called := s.matching(func(e runs.Entry) bool { return e.Name() == name })
	begun := s.matching(func(e runs.Entry) bool { return name != "" && strings.HasPrefix(e.ID, name) })
	lists := [][]runs.Entry{whole}
	for _, alike := range [][]runs.Entry{called, begun} {
		for _, kind := range preferred {
			lists = append(lists, of(alike, kind))
		}
	}
	for _, list := range append(lists, begun) {
		switch {
		case len(list) == 1:
			return list[0], nil
		case len(list) > 1:
			return runs.Entry{}, fault.Newf("write more of it: "+some(list), "%q may be any of %d runs", name, len(list))
		}
	}
	return runs.Entry{}, s.unknown(name)
}

func (s *Store) matching(is func(runs.Entry) bool) []runs.Entry {
	var list []runs.Entry
	for _, e := range s.Entries {
		if is(e) {
			list = append(list, e)
		}
	}
	return list
}

func of(list []runs.Entry, kind string) []runs.Entry {
	var found []runs.Entry
	for _, e := range list {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// named is how many runs an error names.
const named = 4

func some(list []runs.Entry) string {
	var ids []string
	for _, e := range list[:min(named, len(list))] {
		ids = append(ids, e.Kind+"/"+e.ID)
	}
	if len(list) > named {
		ids = append(ids, "…")
	}
	return strings.Join(ids, ", ")
}

func (s *Store) unknown(name string) error {
	var known []string
	for _, e := range s.Entries {
		known = append(known, e.ID, e.Name())
	}
	hint := "bbjtune runs list shows what there is in " + s.Root
	if near := nearest.Name(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return fault.Newf(hint, "there is no run %q in %s", name, s.Root)
}

// evaluated are the inputs of an evaluation's manifest.
type evaluated struct {
	Trained string        `json:"trained"`
	Label   string        `json:"label"`
	Suite   eval.SuiteRef `json:"suite"`
	Engine  string        `json:"engine"`
	Grafted string        `json:"grafted"`
}

// evaluations are those of the model of a training, which they name by its key.
func (s *Store) evaluations(trained string) []Evaluation {
	list := []Evaluation{}
	for _, e := range of(s.Entries, "eval") {
		if v, ok := evaluation(e); ok && v.trained == trained {
			list = append(list, v.Evaluation)
		}
	}
	return list
}

type linked struct {
	Evaluation
	trained string
}

// evaluation reads an evaluation's manifest.
func evaluation(e runs.Entry) (linked, bool) {
	if e.Kind != "eval" || e.State != runs.Complete {
		return linked{}, false
	}
	var in evaluated
	var m eval.Metrics
	if json.Unmarshal(e.Manifest.Inputs, &in) != nil || json.Unmarshal(e.Manifest.Result, &m) != nil {
		return linked{}, false
	}
	return linked{Evaluation{e, in.Label, in.Suite, in.Engine, m, in.Grafted}, in.Trained}, true
}

// result reads the answers of an evaluation.
func (v Evaluation) result() (*eval.Result, error) {
	path := filepath.Join(v.Path, "result.json")
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return eval.ParseResult(path, text)
}

// dataFolder returns the folder of the data that a training was made from, or ""
// where it is gone. The ID is looked for among the folders that there are.
func (s *Store) dataFolder(d *Data) string {
	for _, e := range of(s.Entries, "data") {
		if e.State == runs.Complete && e.ID == d.ID && e.Manifest.Key == d.Key {
			return e.Path
		}
	}
	return ""
}

// ByKey returns the finished run of a kind with the key.
func (s *Store) ByKey(kind, key string) (runs.Entry, bool) {
	for _, e := range of(s.Entries, kind) {
		if e.State == runs.Complete && e.Manifest.Key == key {
			return e, true
		}
	}
	return runs.Entry{}, false
}

// trainedOf returns the ID of the training that a package was made of, "" where it
// is gone.
func (s *Store) trainedOf(e runs.Entry) string {
	var in struct {
		Trained string `json:"trained"`
	}
	if json.Unmarshal(e.Manifest.Inputs, &in) != nil {
		return ""
	}
	t, _ := s.ByKey("train", in.Trained)
	return t.ID
}

// Beside are the other evaluations of the newest report that holds this one: the
// untuned model, the control, whatever it was compared with.
func (r *Run) Beside(v Evaluation) []Evaluation {
	for _, e := range of(r.store.Entries, "report") {
		var in struct {
			Evaluations []string `json:"evaluations"`
		}
		if e.State != runs.Complete || json.Unmarshal(e.Manifest.Inputs, &in) != nil || !slices.Contains(in.Evaluations, v.Manifest.Key) {
			continue
		}
		var list []Evaluation
		for _, key := range in.Evaluations {
			other, found := r.store.ByKey("eval", key)
			if x, ok := evaluation(other); found && ok && key != v.Manifest.Key {
				list = append(list, x.Evaluation)
			}
		}
		return list
	}
	return nil
}

// Verification is a comparison of a package with the adapter that it was made of.
type Verification struct {
	runs.Entry
	Report parity.Report
}

// verifications are those that name a package or a training by its key, the newest
// first.
func (s *Store) verifications(key string) []Verification {
	var list []Verification
	for _, e := range of(s.Entries, "verify") {
		var in struct{ Pack, Trained string }
		if e.State != runs.Complete || json.Unmarshal(e.Manifest.Inputs, &in) != nil || in.Pack != key && in.Trained != key {
			continue
		}
		if r, ok := verified(e); ok {
			list = append(list, Verification{e, r})
		}
	}
	return list
}

// verified reads the result of a verification.
func verified(e runs.Entry) (r parity.Report, ok bool) {
	return r, json.Unmarshal(e.Manifest.Result, &r) == nil && r.Version == parity.Version
}
