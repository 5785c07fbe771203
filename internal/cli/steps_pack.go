package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bbjtune/internal/card"
	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/licence"
	"bbjtune/internal/pack"
	"bbjtune/internal/progress"
	"bbjtune/internal/record"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
	"bbjtune/worker"
)

// part is a file or folder of a package, and what made it.
type part struct {
	Output  string  `json:"output"`
	Step    string  `json:"step"`
	Tool    string  `json:"tool"`
	Size    int64   `json:"size"`
	Seconds float64 `json:"seconds"`
}

// partsFile lists the parts that are done, as long as the package is not: one
// that it does not list is made again.
const partsFile = "parts.json"

// packing makes the parts of a package, each at most once: what an interrupted
// attempt or an earlier package of the same model left is taken over.
type packing struct {
	p     *pipeline
	s     step
	parts map[string]part
	// from are finished packages of the same model, newest first.
	from []runs.Entry
}

// madeOf is the key of inputs that decides what the large parts of a package are;
// what is chosen of them is not in it.
const madeOf = "made_of"

func (p *pipeline) newPacking(s step, inputs map[string]any) (*packing, error) {
	k := &packing{p: p, s: s, parts: map[string]part{}}
	if text, err := os.ReadFile(s.path(partsFile)); err == nil {
		// Damaged, it lists nothing, and all is made again.
		if json.Unmarshal(text, &k.parts) != nil {
			k.parts = map[string]part{}
		}
	}
	list, err := runs.List(p.runs)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if e.Kind != "pack" || e.State != runs.Complete {
			continue
		}
		var in map[string]any
		if json.Unmarshal(e.Manifest.Inputs, &in) == nil && in[madeOf] == inputs[madeOf] {
			k.from = append(k.from, e)
		}
	}
	return k, nil
}

// make makes a part unless it is there. work returns what it used.
func (k *packing) make(output, step string, work func(*progress.Task) (tool string, err error)) error {
	if done, ok := k.parts[output]; ok && exists(k.s.path(output)) {
		k.p.show.Say("✓ %s: done before, by %s", step, done.Tool)
		return nil
	}
	if taken, err := k.take(output); taken || err != nil {
		return err
	}
	task := k.p.show.Start(step)
	defer task.Drop()
	start := k.p.Now()
	tool, err := work(task)
	if err != nil {
		return err
	}
	size, err := sizeOf(k.s.path(output))
	if err != nil {
		return err
	}
	if err := k.done(part{output, step, tool, size, k.p.Now().Sub(start).Round(time.Millisecond).Seconds()}); err != nil {
		return err
	}
	task.End("%s, %s, by %s", output, progress.Bytes(size), tool)
	return nil
}

func (k *packing) done(d part) error {
	k.parts[d.Output] = d
	return writeJSONFile(k.s.path(partsFile), k.parts)
}

// take links a part of an earlier package of the same model. Finished folders
// are never written to, so that two names for one file cannot disagree.
func (k *packing) take(output string) (bool, error) {
	for _, e := range k.from {
		var made packed
		if json.Unmarshal(e.Manifest.Result, &made) != nil {
			continue
		}
		i := slices.IndexFunc(made.Steps, func(d part) bool { return d.Output == output })
		if i < 0 {
			continue
		}
		if err := linkTree(filepath.Join(e.Path, output), k.s.path(output)); err != nil {
			continue // another disk, or a file system without links: it is made
		}
		if err := k.done(made.Steps[i]); err != nil {
			return false, err
		}
		k.p.show.Say("✓ %s: taken from %s, by %s", made.Steps[i].Step, e.ID, made.Steps[i].Tool)
		return true, nil
	}
	return false, nil
}

// linkTree gives a file, or the files of a folder, a second name.
func linkTree(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if !info.IsDir() {
		return os.Link(from, to)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	partial := to + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.Mkdir(partial, 0o755)); err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Link(filepath.Join(from, e.Name()), filepath.Join(partial, e.Name())); err != nil {
			return errors.Join(err, os.RemoveAll(partial))
		}
	}
	return os.Rename(partial, to)
}

// sizeOf adds up what a file or folder holds.
func sizeOf(path string) (total int64, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return size(path), err
	}
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		total += size(filepath.Join(path, e.Name()))
	}
	return total, err
}

// packed is the result of a package's manifest, whose files have the hashes.
type packed struct {
	Version int `json:"version"`
	// Lineage and Licence are nil for a base model, which nothing was made of.
	Lineage *lineage     `json:"lineage,omitempty"`
	Licence *baseLicence `json:"licence,omitempty"`
	// Graft is nil for what is none.
	Graft *record.Graft `json:"graft,omitempty"`
	Steps []part        `json:"steps"`
}

// packedVersion is raised when that form changes.
const packedVersion = 1

// baseLicence is that of the base model, and who says so.
type baseLicence struct {
	Base string `json:"base"`
	From string `json:"from"`
}

// lineage is where a package comes from, the first source first.
type lineage struct {
	// Sources are the hashes of what the data was made from.
	Sources json.RawMessage `json:"sources,omitempty"`
	Data    *link           `json:"data,omitempty"`
	Base    string          `json:"base"`
	Run     link            `json:"run"`
	Adapter runs.File       `json:"adapter"`
	// Made are the parts of the package that were made from the adapter.
	Made []string `json:"made"`
}

// link names a folder of another step.
type link struct {
	ID       string `json:"id"`
	Key      string `json:"key"`
	Manifest string `json:"manifest_sha256"`
}

// result is what the manifest says beyond the files.
func (k *packing) result(trained step, b *base, l licence.Licence) (*packed, error) {
	r := &packed{Version: packedVersion, Lineage: &lineage{Base: b.identity}, Licence: &baseLicence{l.Name, l.From}, Steps: k.steps()}
	sum, _, err := runs.HashFile(trained.path("manifest.json"))
	if err != nil {
		return nil, err
	}
	r.Lineage.Run = link{trained.manifest.ID, trained.manifest.Key, sum}
	adapter := k.p.lastStage() + "/adapter/adapter_model.safetensors"
	var found bool
	if r.Lineage.Adapter, found = trained.manifest.Lookup(adapter); !found {
		return nil, fault.Newf("copy the folder back, or train again", "%s lists no %s", trained.path("manifest.json"), adapter)
	}
	// A training of an earlier version may not have recorded its data.
	if text, err := os.ReadFile(trained.path(record.DataFile)); err == nil {
		d := record.Data{}
		var in struct {
			Sources json.RawMessage `json:"sources"`
		}
		if json.Unmarshal(text, &d) == nil && json.Unmarshal(d.Inputs, &in) == nil {
			r.Lineage.Sources, r.Lineage.Data = in.Sources, &link{d.ID, d.Key, d.Manifest}
		}
	}
	for _, d := range r.Steps {
		r.Lineage.Made = append(r.Lineage.Made, d.Output)
	}
	return r, nil
}

// steps are the parts in the order of their names.
func (k *packing) steps() []part {
	var list []part
	for _, name := range slices.Sorted(maps.Keys(k.parts)) {
		list = append(list, k.parts[name])
	}
	return list
}

// toGGUF converts the model in dir into every form, and returns their names.
func (k *packing) toGGUF(ctx context.Context, dir, name string, forms []string) ([]string, error) {
	full := ggufName("f16")
	err := k.make(full, "convert to GGUF", func(*progress.Task) (string, error) {
		_, err := pack.ToGGUF(ctx, dir, k.s.path(full), pack.Metadata{Name: name})
		return pack.Converter(), err
	})
	files := []string{full}
	for _, form := range forms {
		file := ggufName(form)
		if err != nil || file == full {
			continue
		}
		err = k.make(file, "quantize to "+form, func(task *progress.Task) (string, error) { return k.quantize(ctx, task, form) })
		files = append(files, file)
	}
	return files, err
}

// quantize writes a form of the model: with the program that the user names, with
// the pinned quantizer, or where there is none for this machine, with what there is.
func (k *packing) quantize(ctx context.Context, task *progress.Task, form string) (tool string, err error) {
	p := k.p
	source, out := abs(k.s.path(ggufName("f16"))), abs(k.s.path(ggufName(form)))
	log, err := p.log(filepath.Join(p.runs, "worker.log"))
	if err != nil {
		return "", err
	}
	if named := p.Env(quantizerVariable); named != "" {
		return pack.LlamaQuantize(ctx, named, source, out, form, log)
	}
	w, err := p.startQuantizer(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		if found, missing := exec.LookPath("llama-quantize"); missing == nil {
			return pack.LlamaQuantize(ctx, found, source, out, form, log)
		}
		if form != "q8_0" && form != "q4_0" {
			return "", fault.Wrap(fmt.Errorf("no quantizer for %s: %w", form, err), "put llama.cpp's llama-quantize on PATH or name it in "+quantizerVariable+", or take q8_0")
		}
		if w, err = p.startWorker(ctx); err != nil {
			return "", err
		}
	}
	job := trainer.Quantize{Protocol: trainer.Protocol, Kind: "quantize", Source: source, Output: out, Type: form}
	raw, err := w.Run(ctx, job, k.s.path("quantize.json"), func(e trainer.Event) {
		if e.Event == "progress" {
			task.Update(float64(e.Step), float64(e.Steps), fmt.Sprintf("%d of %d tensors", e.Step, e.Steps))
		}
	})
	if err != nil {
		return "", err
	}
	var result struct {
		Tool string `json:"tool"`
	}
	err = json.Unmarshal(raw, &result)
	return result.Tool, err
}

// quantizerVariable names a llama-quantize to be used instead of the pinned one.
const quantizerVariable = "BBJTUNE_LLAMA_QUANTIZE"

// startQuantizer starts the worker on llama.cpp's quantizer, once. It needs none
// of the packages that training does.
func (p *pipeline) startQuantizer(ctx context.Context) (*trainer.Worker, error) {
	if p.quantizer != nil {
		return p.quantizer, nil
	}
	env, err := p.makeEnv(ctx, []string{"requirements-quantize.txt"})
	if err != nil {
		return nil, err
	}
	script, err := worker.Unpack(p.cache)
	if err != nil {
		return nil, err
	}
	log, err := p.log(filepath.Join(p.runs, "worker.log"))
	if err != nil {
		return nil, err
	}
	p.quantizer, err = trainer.Start(ctx, trainer.Options{Python: env.Python, Script: filepath.Join(script, "worker.py"), Log: log})
	return p.quantizer, err
}

// packOnce merges the tuned adapter with its base, converts the result, and puts
// beside it what belongs to it.
func (p *pipeline) packOnce(ctx context.Context) (step, error) {
	trained, err := p.train(ctx)
	if err != nil {
		return step{}, err
	}
	b, err := p.ensureBase(ctx)
	if err != nil {
		return step{}, err
	}
	inputs := p.packInputs(trained.dir.Key)
	s, done, err := p.open(p.runs, "pack", p.recipe.Name, inputs)
	if err != nil {
		return step{}, err
	}
	if done {
		p.before("merge and convert")
		return s, nil
	}
	defer s.dir.Close()
	adapter := p.lastAdapter(trained)
	from := source{
		name: p.recipe.Package.Name, base: b, adapter: adapter,
		merge: func() (string, error) {
			last, err := p.lastBase(ctx, trained, b)
			if err != nil {
				return "", err
			}
			return p.merge(ctx, s, last, adapter)
		},
	}
	if p.recipe.Merges(2) {
		from.adapter = "" // it goes on the base model with stage 1 merged in, which nobody else has
	}
	return s, p.makePackage(ctx, &s, inputs, trained, from)
}

// source is what a package is made of.
type source struct {
	name string
	base *base
	// adapter is the folder of the one that can be packed alone, "" for none.
	adapter string
	// merge writes the folder merged of the step, and returns what it used.
	merge func() (tool string, err error)
	// onto is what a graft is made onto, nil for what is none.
	onto *base
}

// makePackage makes all of a package in the folder of a step, and finishes it.
func (p *pipeline) makePackage(ctx context.Context, s *step, inputs map[string]any, trained step, from source) error {
	k, err := p.newPacking(*s, inputs)
	if err != nil {
		return err
	}
	files, err := k.weights(ctx, from)
	if err != nil {
		return err
	}
	// A graft has the weights of the model that it was made onto.
	model, weights := p.recipe.Base.Model, from.base
	if from.onto != nil {
		model, weights = p.recipe.Graft.Onto, from.onto
	}
	l, err := p.findLicence(ctx, *s, model, weights)
	if err != nil {
		return err
	}
	result, err := k.result(trained, from.base, l)
	if err != nil {
		return err
	}
	if from.onto != nil {
		if result.Graft, err = k.grafted(); err != nil {
			return err
		}
	}
	texts, err := k.texts(trained, l, result)
	if err != nil {
		return err
	}
	if err := p.finish(s, result, append(files, texts...)...); err != nil {
		return err
	}
	p.show.Say("✓ package: %s", s.dir.Path)
	return nil
}

// weights makes the large parts.
func (k *packing) weights(ctx context.Context, from source) ([]string, error) {
	// What cannot be converted is found before it is merged.
	if _, converted := k.parts[ggufName("f16")]; !converted {
		if err := pack.Check(from.base.model); err != nil {
			return nil, err
		}
	}
	beside, err := k.adapter(ctx, from)
	if err != nil {
		return nil, err
	}
	if err := k.make("merged", "merge", func(*progress.Task) (string, error) { return from.merge() }); err != nil {
		return nil, err
	}
	files, err := k.toGGUF(ctx, k.s.path("merged"), from.name, k.p.recipe.Package.Quantize)
	return slices.Concat(files, beside, []string{"merged"}), err
}

const adapterFile = "adapter.gguf"

// adapter makes the adapter alone and the base model that it goes on, if the
// recipe asks for them.
func (k *packing) adapter(ctx context.Context, from source) ([]string, error) {
	if !k.p.recipe.Package.Adapter || from.adapter == "" {
		return nil, nil
	}
	err := k.make(adapterFile, "convert the adapter", func(*progress.Task) (string, error) {
		return pack.Converter(), pack.AdapterToGGUF(ctx, from.adapter, from.base.model, k.s.path(adapterFile), from.name)
	})
	if err != nil {
		return nil, err
	}
	origin, err := k.p.baseGGUF(ctx, from.base)
	if err != nil {
		return nil, err
	}
	beside := k.p.baseBeside()
	err = k.make(beside, "the base model beside it", func(*progress.Task) (string, error) {
		return "bbjtune, a link to " + filepath.Base(filepath.Dir(origin)), linkTree(origin, k.s.path(beside))
	})
	return []string{adapterFile, beside}, err
}

// baseBeside names the base model that an adapter goes on, in the form that is
// served.
func (p *pipeline) baseBeside() string { return "base-" + p.recipe.Package.Quantize[0] + ".gguf" }

// findLicence finds the licence of a model; one of the hub is asked for it there. A
// network that is not there ends no packaging.
func (p *pipeline) findLicence(ctx context.Context, s step, model string, b *base) (licence.Licence, error) {
	folders := []string{b.model}
	if fetched := s.path("base-notices"); strings.HasPrefix(b.identity, "hub:") {
		folders = append(folders, fetched)
		if err := p.fetchNotices(ctx, strings.TrimPrefix(b.identity, "hub:"), fetched); err != nil {
			p.show.Say("  warning: the hub does not say what licence %s is under: %v", model, err)
		}
	}
	l, err := licence.Of(card.HubName(model), folders...)
	if err == nil && l.Text == "" {
		p.show.Say("  warning: the licence of the base model is not at hand: put its text beside the package before you pass it on")
	}
	return l, err
}

func (p *pipeline) fetchNotices(ctx context.Context, name, folder string) error {
	if exists(folder) {
		return nil
	}
	if err := p.ensureEnv(ctx); err != nil {
		return err
	}
	partial := folder + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, p.env.Python, "-B", filepath.Join(p.script, "notices.py"), name, partial).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s", cmp.Or(strings.TrimSpace(string(out)), err.Error()))
	}
	return os.Rename(partial, folder)
}

// texts writes what belongs to the weights, and returns the names of the files.
func (k *packing) texts(trained step, l licence.Licence, made *packed) ([]string, error) {
	p, names := k.p, []string{"Modelfile", cardFile}
	for _, f := range []struct{ name, text string }{{licenceFile, l.Text}, {"NOTICE", l.Notice}} {
		if f.text == "" {
			continue
		}
		if err := runs.WriteFile(k.s.path(f.name), []byte(f.text)); err != nil {
			return nil, err
		}
		names = append(names, f.name)
	}
	o := p.modelfile()
	o.License = l.Text
	if err := writeModelfile(k.s.path("Modelfile"), o); err != nil {
		return nil, err
	}
	if _, alone := k.parts[adapterFile]; alone {
		o.From, o.Adapter = "./"+p.baseBeside(), "./"+adapterFile
		if err := writeModelfile(k.s.path(adapterModelfile), o); err != nil {
			return nil, err
		}
		names = append(names, adapterModelfile)
	}
	r, err := record.Load(trained.dir.Path)
	if err != nil {
		return nil, err
	}
	if err := runs.WriteWith(k.s.path(plotFile), r.Training.LossSVG); err != nil {
		return nil, err
	}
	names = append(names, plotFile)
	var g *card.Graft
	if made.Graft != nil {
		g = &card.Graft{Onto: made.Graft.Onto, Identity: made.Graft.Identity}
	}
	c, err := cardOf(r, g)
	if err != nil {
		return nil, err
	}
	c.Date, c.Tool, c.Plot = p.Now(), Version(), plotFile
	ofPackage(c, p.recipe.Package, made, names)
	return names, runs.WriteWith(k.s.path(cardFile), c.Write)
}

const (
	adapterModelfile = "Modelfile.adapter"
	licenceFile      = "LICENSE"
)

func writeModelfile(path string, o pack.ModelfileOptions) error {
	text, err := pack.Modelfile(o)
	if err != nil {
		return err
	}
	return runs.WriteFile(path, []byte(text))
}

// packInputs names everything that decides what the package is.
func (p *pipeline) packInputs(trained string) map[string]any {
	// Only what the weights in it depend on: a form or a text more is no new merge.
	model, err := runs.Key("model", map[string]any{"trained": trained, "form": ggufForm, "name": p.recipe.Package.Name})
	if err != nil {
		panic(err) // strings and a number
	}
	return map[string]any{
		"trained": trained, "form": ggufForm, "package": p.recipe.Package, "system": p.recipe.Data.SystemPrompts[0], "fim": p.fim(), madeOf: model,
	}
}

// fim are the tokens of a model that was trained to fill gaps, else nil.
func (p *pipeline) fim() *pack.FIM {
	f := p.recipe.Data.FIM
	if f.Share == 0 || !p.recipe.Stage1.Enabled {
		return nil
	}
	return &pack.FIM{Prefix: f.Prefix, Suffix: f.Suffix, Middle: f.Middle}
}

func (p *pipeline) modelfile() pack.ModelfileOptions {
	return pack.ModelfileOptions{From: "./" + p.served(), System: p.recipe.Data.SystemPrompts[0], ContextLength: p.recipe.Package.NumCtx, FIM: p.fim()}
}

// merge writes the merged model; the worker gives the folder its name only when
// it is complete.
func (p *pipeline) merge(ctx context.Context, s step, b *base, adapter string) (tool string, err error) {
	w, err := p.startWorker(ctx)
	if err != nil {
		return "", err
	}
	job := trainer.Merge{Protocol: trainer.Protocol, Kind: "merge", BaseModel: absModel(b.model), Adapter: abs(adapter), Output: abs(s.path("merged")), ChatTemplate: chat.Template, Dtype: b.dtype}
	_, err = w.Run(ctx, job, s.path("job.json"), func(e trainer.Event) {
		if e.Event == "environment" {
			tool = fmt.Sprintf("peft %s, transformers %s", e.Packages["peft"], e.Packages["transformers"])
		}
	})
	if err != nil {
		return "", fault.Wrap(fmt.Errorf("merge: %w", err), "see worker.log in the runs folder")
	}
	return tool, nil
}
