package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"bbjtune/internal/recipe"
)

// DiffVersion is the version of the JSON form.
const DiffVersion = 1

// Group is the part of a training that a variable belongs to.
type Group string

// The groups in the order in which they are shown.
const (
	DataGroup        Group = "data"
	HyperGroup       Group = "hyperparameters"
	BaseGroup        Group = "base model"
	CodeGroup        Group = "code"
	EnvironmentGroup Group = "environment"
)

// Variable is one thing that differs between two trainings.
type Variable struct {
	Group Group  `json:"group"`
	Name  string `json:"name"`
	Old   string `json:"old"`
	New   string `json:"new"`
	// Details say more where old and new do not fit a line.
	Details []string `json:"details,omitempty"`
}

// Side names one of the two trainings.
type Side struct {
	ID      string    `json:"id"`
	Path    string    `json:"path"`
	Recipe  string    `json:"recipe"`
	Created time.Time `json:"created"`
}

// Diff says what changed from A to B, and what that did.
type Diff struct {
	Version   int        `json:"version"`
	A         Side       `json:"a"`
	B         Side       `json:"b"`
	Verdict   string     `json:"verdict"`
	Variables []Variable `json:"variables"`
	// Notes are differences that training does not depend on, and what is not known.
	Notes  []string `json:"notes"`
	Effect Effect   `json:"effect"`
}

// Compare says what changed from a to b.
func Compare(a, b *Run) *Diff {
	d := &Diff{Version: DiffVersion, A: a.side(), B: b.side(), Variables: []Variable{}, Notes: []string{}}
	d.data(a, b)
	d.settings(a, b)
	d.base(a, b)
	d.code(a, b)
	d.environment(a, b)
	for _, side := range []struct {
		name string
		run  *Run
	}{{"A", a}, {"B", b}} {
		for _, m := range side.run.Missing {
			d.note("%s: %s", side.name, m)
		}
	}
	d.Verdict = d.verdict()
	d.Effect = effect(a, b)
	return d
}

func (r *Run) side() Side { return Side{r.ID, r.Path, r.Training.Recipe, r.Manifest.Created} }

// One reports whether no more than one variable changed.
func (d *Diff) One() bool { return len(d.Variables) <= 1 }

func (d *Diff) verdict() string {
	switch n := len(d.Variables); n {
	case 0:
		return "nothing changed that the training depends on"
	case 1:
		return fmt.Sprintf("one variable changed: %s, %s", d.Variables[0].Group, d.Variables[0].Name)
	default:
		return fmt.Sprintf("%d variables changed: the effect of each cannot be told apart", n)
	}
}

func (d *Diff) add(g Group, name, old, new string, details ...string) {
	d.Variables = append(d.Variables, Variable{g, name, old, new, details})
}

func (d *Diff) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

// notThere stands for a value that one side does not have.
const notThere = "–"

func value(m map[string]string, key string) string {
	if v, ok := m[key]; ok {
		return v
	}
	return notThere
}

// changed lists the keys with different values, sorted.
func changed(a, b map[string]string) []string {
	all := map[string]string{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	keys := slices.Sorted(maps.Keys(all))
	return slices.DeleteFunc(keys, func(k string) bool { return value(a, k) == value(b, k) })
}

// settings adds the hyperparameters.
func (d *Diff) settings(a, b *Run) {
	for _, key := range changed(a.Settings, b.Settings) {
		switch {
		case !hyperparameter(key) || idle(key, a.Settings) && idle(key, b.Settings) || switched(key, a.Settings, b.Settings):
		case key == "lora.alpha" && sameScale(a.Settings, b.Settings):
			// Alpha follows the rank: that is one change, made in two places.
		case key == "lora.r" && sameScale(a.Settings, b.Settings):
			d.add(HyperGroup, key, value(a.Settings, key), value(b.Settings, key),
				fmt.Sprintf("lora.alpha follows it: %s → %s", value(a.Settings, "lora.alpha"), value(b.Settings, "lora.alpha")))
		case key == "seed":
			d.add(HyperGroup, key, value(a.Settings, key), value(b.Settings, key), "the split of the data follows it, too")
		default:
			d.add(HyperGroup, key, value(a.Settings, key), value(b.Settings, key))
		}
	}
}

// hyperparameter tells the keys that are compared here from those that the
// manifest leaves empty, or that belong to another group.
func hyperparameter(key string) bool {
	switch head, _, _ := strings.Cut(key, "."); head {
	case "version", "name", "description", "base", "data", "evaluate", "package", "tracking":
		return false
	}
	return true
}

// idle reports whether the key belongs to a stage that is switched off.
func idle(key string, settings map[string]string) bool {
	stage, rest, ok := strings.Cut(key, ".")
	return ok && rest != "enabled" && settings[stage+".enabled"] == "false"
}

// switched reports whether the key belongs to a stage that only one side has:
// that one has it is the change.
func switched(key string, a, b map[string]string) bool { return idle(key, a) != idle(key, b) }

// sameScale reports whether rank and alpha changed together.
func sameScale(a, b map[string]string) bool {
	scale := func(m map[string]string) float64 {
		r, errR := strconv.ParseFloat(m["lora.r"], 64)
		alpha, errA := strconv.ParseFloat(m["lora.alpha"], 64)
		if errR != nil || errA != nil || r == 0 {
			return 0
		}
		return alpha / r
	}
	return scale(a) != 0 && scale(a) == scale(b) && a["lora.r"] != b["lora.r"]
}

func (d *Diff) base(a, b *Run) {
	old, new := a.Settings["base.model"], b.Settings["base.model"]
	switch {
	case a.inputs.Base == b.inputs.Base && old != new:
		d.note("the base model has another name and the same weights: %s, %s", old, new)
	case a.inputs.Base != b.inputs.Base && old == new:
		d.add(BaseGroup, "weights", short(a.inputs.Base), short(b.inputs.Base), "both are named "+old)
	case a.inputs.Base != b.inputs.Base:
		d.add(BaseGroup, "base.model", old, new)
	}
}

// short is enough of a hash to tell it from others.
func short(hash string) string {
	kind, sum, ok := strings.Cut(hash, ":")
	if !ok {
		kind, sum = "", hash
	} else {
		kind += ":"
	}
	if len(sum) > 12 && !strings.Contains(sum, "/") {
		sum = sum[:12]
	}
	return kind + sum
}

// code adds the training code and its packages, which are pinned together.
func (d *Diff) code(a, b *Run) {
	var packages []string
	if a.Environment != nil && b.Environment != nil {
		for _, name := range changed(a.Environment.Packages, b.Environment.Packages) {
			packages = append(packages, fmt.Sprintf("%s %s → %s", name, value(a.Environment.Packages, name), value(b.Environment.Packages, name)))
		}
	}
	switch {
	case a.inputs.Worker != b.inputs.Worker && len(packages) > 0:
		d.add(CodeGroup, "training code and packages", short(a.inputs.Worker), short(b.inputs.Worker), packages...)
	case a.inputs.Worker != b.inputs.Worker:
		d.add(CodeGroup, "training code", short(a.inputs.Worker), short(b.inputs.Worker))
	case len(packages) > 0:
		d.add(CodeGroup, "packages", "", "", packages...)
	}
	if a.inputs.Template != b.inputs.Template {
		d.add(CodeGroup, "chat template", "", "")
	}
	if a.Manifest.Tool != b.Manifest.Tool {
		d.note("another version of bbjtune: %s, %s", a.Manifest.Tool, b.Manifest.Tool)
	}
}

// environment adds what changes the arithmetic, and notes the rest.
func (d *Diff) environment(a, b *Run) {
	x, y := a.Environment, b.Environment
	if x == nil || y == nil {
		return
	}
	if x.Device != y.Device || x.Device != "cpu" && x.DeviceName != y.DeviceName {
		d.add(EnvironmentGroup, "device", x.Device+", "+x.DeviceName, y.Device+", "+y.DeviceName)
	} else if x.DeviceName != y.DeviceName || x.OS != y.OS || x.Arch != y.Arch {
		d.note("another machine: %s, %s", x.machine(), y.machine())
	}
	if x.Precision != y.Precision && a.Settings["precision"] == b.Settings["precision"] {
		d.add(EnvironmentGroup, "precision that auto came to", x.Precision, y.Precision)
	}
	if x.compute() != y.compute() {
		d.add(EnvironmentGroup, "compute", x.compute(), y.compute())
	}
	if x.Python != y.Python {
		d.note("another Python: %s, %s", x.Python, y.Python)
	}
}

func (e *Environment) machine() string {
	return fmt.Sprintf("%s/%s on %s", e.OS, e.Arch, e.DeviceName)
}

func (e *Environment) compute() string {
	if e.Compute == nil {
		return recipe.Local
	}
	return e.Compute.String()
}

// workers says where it ran unless that was one process on one machine.
func (e *Environment) workers() string {
	if where := e.compute(); where != recipe.Local {
		return ", " + where
	}
	return ""
}

// made are the inputs of a data folder's manifest.
type made struct {
	Sources map[string]string
	// Options are the rest, by the keys of the recipe where it has them.
	Options map[string]string
}

// optionNames are the keys of the recipe behind the options of a data folder.
var optionNames = map[string]string{
	"options.ValidShare": "data.valid_share", "options.Phrasings": "data.phrasings", "options.SystemPrompts": "data.system_prompts",
	"options.GeneralShare": "data.general_share", "options.FIM.Share": "data.fim.share", "options.FIM.Prefix": "data.fim.prefix",
	"options.FIM.Suffix": "data.fim.suffix", "options.FIM.Middle": "data.fim.middle",
	"extensions": "data.raw_extensions", "general_extensions": "data.general_extensions",
	"engine": "compiler of the data", "format": "form of the data",
}

func (d *Data) made() (made, bool) {
	if d == nil {
		return made{}, false
	}
	var in struct {
		Sources map[string]string `json:"sources"`
	}
	options, err := flatten(d.Inputs)
	if err != nil || json.Unmarshal(d.Inputs, &in) != nil {
		return made{}, false
	}
	m := made{in.Sources, map[string]string{}}
	for key, v := range options {
		if name := optionNames[key]; name != "" {
			key = name
		}
		// The seed is the recipe's.
		if !strings.HasPrefix(key, "sources.") && key != "options.Seed" {
			m.Options[key] = v
		}
	}
	return m, true
}

// heldOut is how the sources of a data folder begin that are not trained on.
const heldOut = "hold out "

// data adds what changed in the data, if that changed a row.
func (d *Diff) data(a, b *Run) {
	x, okX := a.Data.made()
	y, okY := b.Data.made()
	same := maps.Equal(a.inputs.Data, b.inputs.Data)
	switch {
	case same:
		if okX && okY && len(changed(x.Sources, y.Sources))+len(changed(x.Options, y.Options)) > 0 {
			d.note("the data was made anew from other inputs, and its rows are the same")
		}
		return
	case !okX || !okY:
		d.add(DataGroup, "rows", "", "", "what they were made from is not recorded")
		return
	}
	before := len(d.Variables)
	var sources, suites []string
	for _, name := range changed(x.Sources, y.Sources) {
		line := name + ": " + how(x.Sources, y.Sources, name)
		if strings.HasPrefix(name, heldOut) {
			suites = append(suites, line)
		} else {
			sources = append(sources, line)
		}
	}
	if len(sources) > 0 {
		d.add(DataGroup, "sources", "", "", sources...)
	}
	if len(suites) > 0 {
		d.add(DataGroup, "held-out suites", "", "", suites...)
	}
	for _, key := range changed(x.Options, y.Options) {
		group := DataGroup
		if !strings.HasPrefix(key, "data.") {
			group = CodeGroup
		}
		d.add(group, key, cut(value(x.Options, key)), cut(value(y.Options, key)))
	}
	if len(d.Variables) == before && a.Settings["seed"] == b.Settings["seed"] {
		d.add(DataGroup, "rows", "", "", "they differ, and nothing that is recorded says why")
	}
	d.rows(a, b, len(sources) > 0)
}

func how(a, b map[string]string, name string) string {
	switch {
	case value(a, name) == notThere:
		return "new in B"
	case value(b, name) == notThere:
		return "not in B"
	}
	return "content changed"
}

// cut shortens a value to what fits a line.
func cut(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// rows says how many sources were added, removed and changed, beside the
// variable that did it.
func (d *Diff) rows(a, b *Run, sources bool) {
	counts, err := compareRows(a.store.dataFolder(a.Data), b.store.dataFolder(b.Data))
	text := counts.String()
	if err != nil {
		text = "what changed row by row is not known: " + err.Error()
	}
	if !sources {
		d.note("in the rows: %s", text)
		return
	}
	for i := range d.Variables {
		if v := &d.Variables[i]; v.Group == DataGroup && v.Name == "sources" {
			v.Details = append(v.Details, text)
		}
	}
}
