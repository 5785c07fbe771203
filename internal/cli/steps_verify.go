package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"bbjtune/internal/chat"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/ollama"
	"bbjtune/internal/parity"
	"bbjtune/internal/runs"
	"bbjtune/internal/stats"
	"bbjtune/internal/suite"
	"bbjtune/internal/trainer"
)

// verification compares a package with the adapter that it was made of.
type verification struct {
	*pipeline
	flags   verifyFlags
	forms   []string
	suite   *suite.Suite // the cases that are put
	ref     eval.SuiteRef
	options eval.Options

	s       step
	journal *runs.Journal
	traces  map[traceKey]traced
}

// traceKey names an answer: of the adapter, or of a form of the package.
type traceKey struct{ Stack, Case string }

// adapterStack is the stack that the package is held against.
const adapterStack = "adapter"

// traced is a line of the journal.
type traced struct {
	Stack string       `json:"stack"`
	Case  string       `json:"case"`
	Trace parity.Trace `json:"trace"`
	// Words are the texts of the two tokens in which the answer first differs from
	// the adapter's, the adapter's first.
	Words [2]string `json:"words"`
}

// verification reads the suite: that it is missing must not be found out after
// the hours of a training.
func (p *pipeline) verification(forms []string, f verifyFlags) (*verification, error) {
	dir := p.recipe.Evaluate.Suite
	if dir == "" {
		return nil, fault.New("the recipe names no suite to take prompts from", "write evaluate.suite, for example suites/bbj-core")
	}
	s, err := suite.Load(p.recipe.Path(dir))
	if err != nil {
		return nil, err
	}
	sum, err := runs.HashTree(p.recipe.Path(dir), nil)
	if err != nil {
		return nil, err
	}
	asked := (&suite.Suite{Head: s.Head, Cases: s.Cases}).Subset(f.prompts)
	if len(asked.Cases) == 0 {
		return nil, fault.Newf("write cases as suites/FORMAT.md describes", "the suite %s has no cases", dir)
	}
	return &verification{
		pipeline: p, flags: f, forms: forms, suite: asked,
		ref:     eval.SuiteRef{Name: s.Name, Version: s.Version, Hash: sum, Questions: len(asked.Cases)},
		options: eval.Options{System: p.recipe.Data.SystemPrompts[0], Samples: 1, MaxTokens: p.recipe.Evaluate.MaxTokens, Seed: p.recipe.Seed},
		traces:  map[traceKey]traced{},
	}, nil
}

// conversation is what both sides are shown for a case.
func (v *verification) conversation(c *suite.Case) []chat.Message {
	return parity.Normal(v.options.Conversation(c))
}

// inputs names everything that decides what is found.
func (v *verification) inputs(ctx context.Context, packed, trained step) (map[string]any, error) {
	files := map[string]string{}
	for _, form := range v.forms {
		f, ok := packed.manifest.Lookup(ggufName(form))
		if !ok {
			return nil, fault.Newf("make the package again: bbjtune pack RECIPE", "the package %s has no %s", packed.dir.Path, ggufName(form))
		}
		files[form] = f.SHA256
	}
	h := sha256.New()
	for _, c := range v.suite.Cases {
		fmt.Fprintf(h, "%s\x00%s\x00", c.ID, c.Question())
	}
	version, err := v.engine.Version(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"pack": packed.dir.Key, "trained": trained.dir.Key, "files": files, "suite": v.ref, "prompts": hex.EncodeToString(h.Sum(nil)), "options": v.options,
		"precision": v.flags.precision, "engine": v.engine.Name() + " " + version, "form": parity.Version,
	}, nil
}

// verifyFile is what the folder of a verification holds beside its journal.
const verifyFile = "verify.json"

// run returns what is found, or was before.
func (v *verification) run(ctx context.Context) (*parity.Report, step, error) {
	packed, err := v.pack(ctx)
	if err != nil {
		return nil, step{}, err
	}
	trained, err := v.train(ctx)
	if err != nil {
		return nil, step{}, err
	}
	if err := whole(packed); err != nil {
		return nil, step{}, err
	}
	inputs, err := v.inputs(ctx, packed, trained)
	if err != nil {
		return nil, step{}, err
	}
	s, done, err := v.open(v.runs, "verify", v.recipe.Name, inputs)
	if err != nil {
		return nil, step{}, err
	}
	if done {
		v.before("verify the package")
		r, err := readVerified(s.path(verifyFile))
		return r, s, err
	}
	defer s.dir.Close()
	v.s = s
	r, err := v.find(ctx, packed, trained)
	if err != nil {
		return nil, step{}, err
	}
	if err := writeJSONFile(s.path(verifyFile), r); err != nil {
		return nil, step{}, err
	}
	err = v.finish(&s, r.Short(), verifyFile, "journal.jsonl")
	return r, s, err
}

func readVerified(path string) (*parity.Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &parity.Report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fault.Wrap(fmt.Errorf("%s: %w", path, err), "delete its folder and verify again")
	}
	return r, nil
}

// find asks both sides what the journal does not hold yet, and compares.
func (v *verification) find(ctx context.Context, packed, trained step) (*parity.Report, error) {
	j, err := runs.OpenJournal(v.s.path("journal.jsonl"), func(line []byte) error {
		var t traced
		if err := json.Unmarshal(line, &t); err != nil {
			return err
		}
		v.traces[traceKey{t.Stack, t.Case}] = t
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer j.Close()
	v.journal = j
	if err := v.askAdapter(ctx, trained); err != nil {
		return nil, fmt.Errorf("verify, the adapter's answers: %w", err)
	}
	// Its memory is better used by the server.
	if v.worker != nil {
		v.worker.Close()
		v.worker = nil
	}
	m, err := ollamaModel(packed, v.recipe.Package.Name)
	if err != nil {
		return nil, err
	}
	r := &parity.Report{Version: parity.Version, Package: packed.dir.ID, Suite: v.ref.String(), Precision: v.flags.precision, MaxTokens: v.options.MaxTokens}
	reference, err := v.score(ctx, adapterStack)
	if err != nil {
		return nil, err
	}
	r.Compile = proportion(reference)
	for _, form := range v.forms {
		if err := v.askPackage(ctx, packed.path(ggufName(form)), form); err != nil {
			return nil, fmt.Errorf("verify %s: %w", ggufName(form), err)
		}
		file, err := v.compare(ctx, form, m, reference)
		if err != nil {
			return nil, err
		}
		f, _ := packed.manifest.Lookup(ggufName(form))
		file.SHA256 = f.SHA256
		r.Files = append(r.Files, *file)
	}
	return r, nil
}

// todo lists the cases that a stack has not answered yet.
func (v *verification) todo(stack string) []*suite.Case {
	var list []*suite.Case
	for _, c := range v.suite.Cases {
		if _, ok := v.traces[traceKey{stack, c.ID}]; !ok {
			list = append(list, c)
		}
	}
	return list
}

func (v *verification) keep(t traced) error {
	v.traces[traceKey{t.Stack, t.Case}] = t
	return v.journal.Append(t)
}

// adapterBatch is how many prompts the worker answers at once; they are kept
// together.
const adapterBatch = 5

// askAdapter has the worker answer with the base model and its adapter.
func (v *verification) askAdapter(ctx context.Context, trained step) error {
	todo := v.todo(adapterStack)
	if len(todo) == 0 {
		return nil
	}
	task := v.show.Start("verify, the adapter's answers")
	defer task.Drop()
	b, err := v.ensureBase(ctx)
	if err != nil {
		return err
	}
	if err := sameBase(trained, b); err != nil {
		return err
	}
	w, err := v.startWorker(ctx)
	if err != nil {
		return err
	}
	path := abs(v.lastAdapter(trained))
	job := trainer.Generate{
		Protocol: trainer.Protocol, Kind: "generate", BaseModel: absModel(b.model), Adapter: &path, MaxTokens: v.options.MaxTokens, Seed: v.options.Seed,
		Stop: chat.Stop(), Precision: v.flags.precision, Device: "auto",
	}
	for start := 0; start < len(todo); start += adapterBatch {
		batch := todo[start:min(start+adapterBatch, len(todo))]
		if err := v.askBatch(ctx, w, job, batch); err != nil {
			return err
		}
		task.Update(float64(start+len(batch)), float64(len(todo)), fmt.Sprintf("%d of %d answers", start+len(batch), len(todo)))
	}
	task.End("%d answers", len(todo))
	return nil
}

// sameBase reports a base model that is not the one of the training.
func sameBase(trained step, b *base) error {
	var in struct{ Base string }
	if err := json.Unmarshal(trained.manifest.Inputs, &in); err != nil {
		return fmt.Errorf("%s: inputs of manifest.json: %w", trained.dir.Path, err)
	}
	if in.Base != b.identity {
		return fault.Newf("put the base model back that it was trained on", "%s was trained on another base model than the one in %s", trained.dir.Path, b.model)
	}
	return nil
}

func (v *verification) askBatch(ctx context.Context, w *trainer.Worker, job trainer.Generate, batch []*suite.Case) error {
	for _, c := range batch {
		job.Prompts = append(job.Prompts, trainer.Prompt{Messages: v.conversation(c)})
	}
	answers := make([]*parity.Trace, len(batch))
	var failed error
	_, err := w.Run(ctx, job, v.s.path("job.json"), func(e trainer.Event) {
		switch {
		case e.Event != "answer" || e.Index < 0 || e.Index >= len(batch):
		case e.Error != "":
			failed = fault.Newf("use a suite with shorter prompts, or lower evaluate.max_tokens", "case %s: %s", batch[e.Index].ID, e.Error)
		default:
			answers[e.Index] = &parity.Trace{Prompt: e.PromptIDs, Sent: len(e.PromptIDs), Answer: e.IDs, Margins: e.Margins, Text: e.Text, Stopped: e.Stopped}
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	for i, c := range batch {
		if answers[i] == nil {
			return fmt.Errorf("case %s: the training worker gave no answer", c.ID)
		}
		if err := v.keep(traced{Stack: adapterStack, Case: c.ID, Trace: *answers[i]}); err != nil {
			return err
		}
	}
	return nil
}

// askPackage has the model server answer, one prompt at a time: answers that are
// computed together round otherwise.
func (v *verification) askPackage(ctx context.Context, file, form string) error {
	todo := v.todo(form)
	if len(todo) == 0 {
		return nil
	}
	task := v.show.Start("verify " + ggufName(form))
	defer task.Drop()
	running := &server{p: v.pipeline, file: file, alone: true}
	if _, err := running.connect(ctx); err != nil {
		return err
	}
	defer running.close()
	model := parity.NewServer(running.srv.URL(), running.srv.Model())
	for i, c := range todo {
		if err := v.askOne(ctx, model, form, c); err != nil {
			if ctx.Err() == nil {
				err = running.why(err)
			}
			return fmt.Errorf("case %s: %w", c.ID, err)
		}
		task.Update(float64(i+1), float64(len(todo)), fmt.Sprintf("%d of %d answers", i+1, len(todo)))
	}
	task.End("%d answers", len(todo))
	return nil
}

func (v *verification) askOne(ctx context.Context, model *parity.Server, form string, c *suite.Case) error {
	t, err := model.Trace(ctx, v.conversation(c), v.options.MaxTokens)
	if err != nil {
		return err
	}
	out := traced{Stack: form, Case: c.ID, Trace: t}
	if d := parity.Compare(c.ID, v.traces[traceKey{adapterStack, c.ID}].Trace, t).Divergence; d != nil {
		for i, token := range []*int{d.Reference, d.Packaged} {
			if token == nil {
				continue
			}
			if out.Words[i], err = model.Word(ctx, *token); err != nil {
				return err
			}
		}
	}
	return v.keep(out)
}

// compare puts the answers of a form against the adapter's.
func (v *verification) compare(ctx context.Context, form string, m ollama.Model, reference []bool) (*parity.File, error) {
	f := &parity.File{Form: form, Name: ggufName(form)}
	for _, c := range v.suite.Cases {
		own := v.traces[traceKey{form, c.ID}]
		x := parity.Compare(c.ID, v.traces[traceKey{adapterStack, c.ID}].Trace, own.Trace)
		if x.Divergence != nil {
			x.Divergence.ReferenceText, x.Divergence.PackagedText = own.Words[0], own.Words[1]
		}
		f.Comparisons = append(f.Comparisons, x)
		text, err := m.Render(v.conversation(c))
		if err != nil {
			return nil, err
		}
		if text == own.Trace.Rendered {
			f.Modelfile++
		}
	}
	f.Totals = parity.Sum(f.Comparisons)
	compiles, err := v.score(ctx, form)
	if err != nil {
		return nil, err
	}
	f.Compile, f.Paired = proportion(compiles), stats.ComparePaired(compiles, reference)
	return f, nil
}

// score says which of a stack's answers compile, for the cases that ask for a
// program.
func (v *verification) score(ctx context.Context, stack string) ([]bool, error) {
	var text bytes.Buffer
	enc := chat.NewEncoder(&text)
	for _, c := range v.suite.Cases {
		t := v.traces[traceKey{stack, c.ID}].Trace
		if err := enc.Encode(eval.Sample{Case: c.ID, Text: t.Text, Stopped: t.Stopped, PromptTokens: len(t.Prompt), Tokens: len(t.Answer)}); err != nil {
			return nil, err
		}
	}
	r, err := eval.Score(ctx, v.suite, v.engine, eval.ReadSamples(&text), func(eval.Answer) error { return nil })
	if err != nil {
		return nil, err
	}
	list := []bool{}
	for _, c := range r.Cases {
		if right, counts := eval.CompileAt1.Right(c); counts {
			list = append(list, right > 0)
		}
	}
	return list, nil
}

func proportion(right []bool) stats.Proportion {
	k := 0
	for _, is := range right {
		if is {
			k++
		}
	}
	return stats.NewProportion(k, len(right))
}
