package record

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bbjtune/internal/eval"
	"bbjtune/internal/parity"
	"bbjtune/internal/progress"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
)

// ShowVersion is the version of the JSON form.
const ShowVersion = 1

// Shown is all that is known of a run. What a kind does not have is left out.
type Shown struct {
	Version  int             `json:"version"`
	Run      Line            `json:"run"`
	Tool     string          `json:"bbjtune,omitempty"`
	Inputs   json.RawMessage `json:"inputs,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Files    []runs.File     `json:"files,omitempty"`
	Training *ShownTraining  `json:"training,omitempty"`
	Graft    *ShownGraft     `json:"graft,omitempty"`
	// Verified is what comparing a package, or the packages of a training, with the
	// adapter found, newest first.
	Verified []ShownVerification `json:"verified,omitempty"`
}

// ShownGraft is what only a package has that is a graft.
type ShownGraft struct {
	*Graft
	// Trained is the training that was grafted, "" where it is gone.
	Trained string `json:"trained"`
}

// ShownVerification is a comparison of a package with its adapter.
type ShownVerification struct {
	ID      string        `json:"id"`
	Created time.Time     `json:"created"`
	Report  parity.Report `json:"report"`
}

// ShownTraining is what only a training has.
type ShownTraining struct {
	report.Training
	Settings    map[string]string `json:"settings"`
	DataFolder  *Data             `json:"data_folder"`
	DataThere   bool              `json:"data_folder_there"`
	Environment *Environment      `json:"environment"`
	Checkpoints []Checkpoint      `json:"checkpoints"`
	Evaluations []ShownEvaluation `json:"evaluations"`
	Missing     []string          `json:"missing"`
}

// ShownEvaluation is an evaluation of the training's model.
type ShownEvaluation struct {
	ID      string       `json:"id"`
	Label   string       `json:"label"`
	Created time.Time    `json:"created"`
	Suite   string       `json:"suite"`
	Engine  string       `json:"engine"`
	Metrics eval.Metrics `json:"metrics"`
	Grafted string       `json:"grafted_onto,omitempty"`
}

// Show reads all that is known of a run of any kind.
func Show(e runs.Entry) (*Shown, error) {
	store, err := Open(filepath.Dir(filepath.Dir(abs(e.Path))))
	if err != nil {
		return nil, err
	}
	s := &Shown{Version: ShowVersion, Run: store.line(e)}
	if e.State != runs.Complete {
		return s, nil
	}
	s.Tool, s.Inputs, s.Result, s.Files = e.Manifest.Tool, e.Manifest.Inputs, e.Manifest.Result, e.Manifest.Files
	if g := Grafted(e); g != nil {
		s.Graft = &ShownGraft{g, store.trainedOf(e)}
	}
	for _, v := range store.verifications(e.Manifest.Key) {
		s.Verified = append(s.Verified, ShownVerification{v.ID, v.Manifest.Created, v.Report})
	}
	if e.Kind != "train" || s.Run.State == runs.Broken {
		return s, nil
	}
	r, err := store.load(e)
	if err != nil {
		return nil, err
	}
	s.Training = &ShownTraining{Training: r.Training, Settings: map[string]string{}, DataFolder: r.Data, Environment: r.Environment, Checkpoints: r.Checkpoints, Missing: append([]string{}, r.Missing...), Evaluations: []ShownEvaluation{}}
	for key, v := range r.Settings {
		if hyperparameter(key) || strings.HasPrefix(key, "base.") {
			s.Training.Settings[key] = v
		}
	}
	s.Training.DataThere = r.Data != nil && store.dataFolder(r.Data) != ""
	for _, v := range r.Evaluations {
		s.Training.Evaluations = append(s.Training.Evaluations, ShownEvaluation{v.ID, v.Label, v.Manifest.Created, v.Suite.String(), v.Engine, v.Metrics, v.Grafted})
	}
	return s, nil
}

// page collects lines of foreign text.
type page struct{ strings.Builder }

// line writes a line; a format that begins with an empty one has it before.
func (p *page) line(format string, args ...any) {
	if rest, ok := strings.CutPrefix(format, "\n"); ok {
		p.WriteByte('\n')
		format = rest
	}
	p.WriteString(strings.TrimRight(oneLine(fmt.Sprintf(format, args...)), " ") + "\n")
}

func (p *page) field(name, format string, args ...any) {
	p.line("%-12s %s", name, fmt.Sprintf(format, args...))
}

// filesShown is how many files are named.
const filesShown = 40

// Text writes what a reader wants to know.
func (s *Shown) Text(w io.Writer) error {
	p := &page{}
	p.line("%s %s", s.Run.Kind, s.Run.ID)
	p.field("folder", "%s, %s", s.Run.Path, progress.Bytes(s.Run.Bytes))
	p.field("state", "%s, %s UTC", s.Run.State, stamp(s.Run.Created))
	if s.Run.Reason != "" {
		p.field("", "%s", s.Run.Reason)
	}
	if s.Tool != "" {
		p.field("made by", "bbjtune %s", s.Tool)
	}
	if s.Training != nil {
		s.Training.text(p)
	} else if what := s.Run.what(); what != "" && s.Run.Reason == "" {
		p.field("result", "%s", what)
	}
	if s.Graft != nil {
		s.Graft.text(p)
	}
	for _, v := range s.Verified {
		for i, f := range files(v.Report) {
			name := map[bool]string{true: "verified"}[i == 0]
			p.field(name, "%s: %s", v.ID, f)
		}
	}
	if len(s.Files) > 0 {
		p.line("\nfiles")
		for _, f := range s.Files[:min(filesShown, len(s.Files))] {
			p.line("  %-44s %8s  sha256 %s", f.Path, progress.Bytes(f.Size), short(f.SHA256))
		}
		if more := len(s.Files) - filesShown; more > 0 {
			p.line("  and %d more, which manifest.json lists", more)
		}
	}
	_, err := io.WriteString(w, p.String())
	return err
}

func (g *ShownGraft) text(p *page) {
	p.field("graft", "what was trained on %s, added to %s", g.Base, g.Onto)
	trained := g.Trained
	if trained == "" {
		trained = "a training that is gone"
	}
	p.field("", "%s; %d matrices changed, and %d of the rows of embeddings", trained, g.Matrices, g.Rows)
	p.field("compared", "%d tensors and %d tokens are of the same shapes and names; the weights are %.4f apart (0: the same, 0.7: chance)", g.Tensors, g.Tokens, g.Gap)
	if len(g.Differs) > 0 {
		p.field("", "the configurations differ in %s", strings.Join(g.Differs, ", "))
	}
}

func (t *ShownTraining) text(p *page) {
	p.field("recipe", "%s on %s", t.Recipe, t.Base)
	if d := t.DataFolder; d != nil {
		there := ""
		if !t.DataThere {
			there = ", which is gone"
		}
		p.field("data", "%s, manifest sha256 %s%s", d.ID, short(d.Manifest), there)
	}
	p.field("", "%s", t.Training.Data)
	if e := t.Environment; e != nil {
		p.field("environment", "%s, %s, %s/%s, %d CPUs, %s%s", e.Device, e.DeviceName, e.OS, e.Arch, e.CPUs, e.Precision, e.workers())
		var list []string
		for _, name := range slices.Sorted(maps.Keys(e.Packages)) {
			list = append(list, name+" "+e.Packages[name])
		}
		p.field("", "Python %s, %s", e.Python, strings.Join(list, ", "))
	}
	for _, m := range t.Missing {
		p.field("missing", "%s", m)
	}
	for _, s := range t.Stages {
		p.line("\n%s: %d steps, %d tokens, %.0f s", s.Name, s.Steps, s.Tokens, s.Seconds)
		p.line("  validation loss %.3f → %.3f", s.ValidFirst, s.ValidLast)
		for _, more := range []string{s.KeptText(), s.SampledText()} {
			if more != "" {
				p.line("  %s", more)
			}
		}
		for line := range strings.Lines(s.LossText()) {
			p.WriteString("  " + line)
		}
	}
	t.settings(p)
	p.line("\nevaluations")
	if len(t.Evaluations) == 0 {
		p.line("  none: bbjtune eval with its recipe makes them")
	}
	for _, v := range t.Evaluations {
		label := v.Label
		if v.Grafted != "" {
			label += ", grafted onto " + v.Grafted
		}
		p.line("  %s, %s, %s: compile@1 %s, task@1 %s", v.ID, v.Suite, label, report.Percent(v.Metrics.Compile), report.Percent(v.Metrics.Task))
	}
	if len(t.Checkpoints) > 0 {
		p.line("\ncheckpoints")
	}
	for _, c := range t.Checkpoints {
		p.line("  %s, %s", c.Path, map[bool]string{true: "complete", false: "torn: it is never gone on from"}[c.Complete])
	}
}

// inShort are the keys of a stage that decide most.
var inShort = []string{"enabled", "start", "epochs", "learning_rate", "batch_size", "gradient_accumulation", "max_length", "packing", "loss", "early_stopping"}

// settings writes the recipe in short: what both stages share, then each stage.
func (t *ShownTraining) settings(p *page) {
	p.line("\nrecipe in short (recipe.yaml has every key)")
	groups := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(t.Settings)) {
		head, rest, ok := strings.Cut(key, ".")
		if !ok {
			head, rest = "all", key
		}
		stage := strings.HasPrefix(head, "stage")
		if head != "base" && !idle(key, t.Settings) && (!stage || slices.Contains(inShort, rest)) {
			groups[head] = append(groups[head], rest+" "+t.Settings[key])
		}
	}
	for _, head := range slices.Sorted(maps.Keys(groups)) {
		p.line("  %-7s %s", head, strings.Join(groups[head], ", "))
	}
}
