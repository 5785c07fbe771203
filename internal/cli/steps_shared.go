package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"bbjtune/internal/dataset"
	"bbjtune/internal/raytrain"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
	"bbjtune/worker"
)

// sharedFile says of a finished stage 1 what it was made of, so that another
// training that would come to the same takes it instead.
const sharedFile = "shared.json"

// shared is that file: the key of what decided the stage, and the hash of what it
// left.
type shared struct {
	Version int    `json:"version"`
	Key     string `json:"key"`
	Sum     string `json:"sum"`
}

// sharedVersion is raised when that form changes.
const sharedVersion = 1

// sharedPart reports whether a file of a stage's folder belongs to what is shared.
func sharedPart(name string) bool {
	switch name {
	case stageFile, "training_log.jsonl", "training_config.json":
		return true
	}
	return strings.HasPrefix(name, "adapter/") || strings.HasPrefix(name, boardFolder+"/")
}

// stage1Key names what decides stage 1: its job without the places of its files, the
// content of these, and the worker's code. Settings of stage 2 are not among that.
func (p *pipeline) stage1Key(b *base, data step) (string, error) {
	r := *p.recipe
	r.Tracking, r.Compute = nil, recipe.Compute{} // decide nothing of the outcome
	job := trainer.NewTrain(&r, 1, trainer.Paths{})
	inputs := map[string]any{"job": job, "base": b.identity}
	for _, side := range []dataset.Side{dataset.Train, dataset.Valid} {
		f, ok := data.manifest.Lookup(dataset.Path(1, side))
		if !ok {
			return "", fmt.Errorf("%s lacks %s", data.dir.Path, dataset.Path(1, side))
		}
		inputs[string(side)] = f.SHA256
	}
	code, err := worker.TrainingHash(p.recipe.Engine)
	if err != nil {
		return "", err
	}
	inputs["worker"] = code
	return runs.Key("stage1", inputs)
}

// share writes what the stage was made of. A stage 1 that is continued by several
// trainings is trained once.
func (t *stageRun) share() error {
	if t.n != 1 {
		return nil
	}
	key, err := t.p.stage1Key(t.base, t.data)
	if err != nil {
		return err
	}
	sum, err := runs.HashTree(t.s.path(t.name()), sharedPart)
	if err != nil {
		return err
	}
	return writeJSONFile(t.s.path(t.name(), sharedFile), shared{sharedVersion, key, sum})
}

// takeShared takes the stage 1 of another training that came to what this one would,
// or returns nil where there is none. One whose files are not as they were is left
// alone.
func (t *stageRun) takeShared(ctx context.Context) (*report.Stage, error) {
	if t.n != 1 {
		return nil, nil
	}
	key, err := t.p.stage1Key(t.base, t.data)
	if err != nil {
		return nil, err
	}
	found, err := fs.Glob(os.DirFS(t.p.runs), "train/*/stage1/"+sharedFile)
	if err != nil {
		return nil, err
	}
	for _, name := range found {
		id := path.Base(path.Dir(path.Dir(name)))
		if from := filepath.Join(t.p.runs, "train", id, "stage1"); id != t.s.dir.ID && holds(from, key) {
			if err := t.endOwn(ctx); err != nil {
				return nil, err
			}
			return t.take(from, id)
		}
	}
	return nil, nil
}

// holds reports whether a folder has the stage of the key, as it was finished.
func holds(dir, key string) bool {
	var s shared
	text, err := os.ReadFile(filepath.Join(dir, sharedFile))
	if err != nil || json.Unmarshal(text, &s) != nil || s.Version != sharedVersion || s.Key != key {
		return false
	}
	sum, err := runs.HashTree(dir, sharedPart)
	return err == nil && sum == s.Sum
}

// take links what is large, since the files of a finished stage are not written to
// again, and copies the rest. The mark that the stage is done comes last.
func (t *stageRun) take(from, id string) (*report.Stage, error) {
	var st report.Stage
	text, err := os.ReadFile(filepath.Join(from, stageFile))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &st); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(from, stageFile), err)
	}
	if st.From == "" {
		st.From = id
	}
	if err := os.MkdirAll(t.s.path(t.name()), 0o755); err != nil {
		return nil, err
	}
	for _, part := range []string{"training_log.jsonl", "training_config.json", boardFolder, "adapter", raytrain.RecordFile} {
		if err := linkOrCopy(filepath.Join(from, part), t.s.path(t.name(), part)); err != nil {
			return nil, err
		}
	}
	if err := writeJSONFile(t.s.path(t.name(), stageFile), st); err != nil {
		return nil, err
	}
	t.p.show.Say("✓ %s: taken from %s", title(t.n), id)
	return &st, t.share()
}

// linkOrCopy gives a file or a folder a second name, or copies it where the file
// system has no links. What is not there stays away.
func linkOrCopy(from, to string) error {
	info, err := os.Stat(from)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil || linkTree(from, to) == nil {
		return err
	}
	if info.IsDir() {
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		return os.CopyFS(to, os.DirFS(from))
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return runs.WriteFile(to, text)
}
