package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/record"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// graft adds what was trained on the base model to the Instruct model of its family
// (Shadow-FT, arXiv 2505.12716), and converts the sum as [pipeline.pack] does.
func (p *pipeline) graft(ctx context.Context) (step, error) {
	trained, err := p.train(ctx)
	if err != nil {
		return step{}, err
	}
	b, err := p.ensureBase(ctx)
	if err != nil {
		return step{}, err
	}
	onto, err := p.ensureOnto(ctx)
	if err != nil {
		return step{}, err
	}
	inputs := p.graftInputs(trained, b, onto)
	s, done, err := p.open(p.runs, "pack", p.recipe.Name+"-graft", inputs)
	if err != nil {
		return step{}, err
	}
	if done {
		p.before("graft")
		return s, nil
	}
	defer s.dir.Close()
	return s, p.makePackage(ctx, &s, inputs, trained, source{
		name: p.recipe.Package.GraftName(), base: b, onto: onto,
		merge: func() (string, error) { return p.mergeOnto(ctx, s, b, onto, p.adapters(trained)) },
	})
}

// graftInputs names everything that decides what a graft is: what was trained, on
// what, and what it is added to.
func (p *pipeline) graftInputs(trained step, b, onto *base) map[string]any {
	in := p.packInputs(trained.dir.Key)
	sums := map[string]string{}
	for _, f := range trained.manifest.Files {
		if strings.HasSuffix(f.Path, "/adapter/adapter_model.safetensors") {
			sums[f.Path] = f.SHA256
		}
	}
	graft := map[string]any{"base": b.identity, "adapters": sums, "onto": onto.identity, "name": p.recipe.Graft.Onto, "form": graftForm}
	model, err := runs.Key("graft", map[string]any{"of": in[madeOf], "graft": graft})
	if err != nil {
		panic(err) // strings and a number
	}
	in["graft"], in[madeOf] = graft, model
	return in
}

// graftForm is raised when a graft comes to other weights.
const graftForm = 1

// ensureOnto finds the model that is grafted onto, as the base model is found.
func (p *pipeline) ensureOnto(ctx context.Context) (*base, error) {
	if p.onto != nil {
		return p.onto, nil
	}
	b, err := p.ensureBase(ctx)
	if err != nil {
		return nil, err
	}
	onto, err := p.findModel(ctx, "graft.onto", p.recipe.Graft.Onto)
	if err == nil && onto.identity == b.identity {
		err = fault.New("graft.onto has the weights of the base model", "name the Instruct model of the same family")
	}
	if err != nil {
		return nil, err
	}
	p.onto = onto
	return onto, nil
}

// graftFile holds what the worker found of the two models, until the manifest does.
const graftFile = "graft.json"

// grafted is what was found of the two models when the merged model was made, here
// or in the package that it was taken from.
func (k *packing) grafted() (*record.Graft, error) {
	text, err := os.ReadFile(k.s.path(graftFile))
	if err == nil {
		g := &record.Graft{}
		return g, json.Unmarshal(text, g)
	}
	for _, e := range k.from {
		if g := record.Grafted(e); g != nil {
			return g, nil
		}
	}
	return nil, fault.Wrap(err, "delete the folder and make the package again")
}

// mergeOnto writes the grafted model, and what the worker found of the two models,
// and returns what it used.
func (p *pipeline) mergeOnto(ctx context.Context, s step, b, onto *base, adapters []string) (tool string, err error) {
	w, err := p.startWorker(ctx)
	if err != nil {
		return "", err
	}
	var full []string
	for _, adapter := range adapters {
		full = append(full, abs(adapter))
	}
	job := trainer.Graft{
		Protocol: trainer.Protocol, Kind: "graft", BaseModel: abs(b.model), Onto: abs(onto.model), Adapters: full,
		Output: abs(s.path("merged")), ChatTemplate: chat.Template, Dtype: onto.dtype,
	}
	text, err := w.Run(ctx, job, s.path("job.json"), p.say)
	if err != nil {
		return "", p.noGraft(err)
	}
	g := &record.Graft{}
	if err := json.Unmarshal(text, g); err != nil {
		return "", fmt.Errorf("the worker's result of the graft: %w", err)
	}
	g.Base, g.Onto, g.Identity = p.recipe.Base.Model, p.recipe.Graft.Onto, onto.identity
	if g.Gap > farApart {
		p.show.Say("  warning: the weights of %s and %s are far apart (%.2f; 0.7 is chance): are they of one family?", g.Base, g.Onto, g.Gap)
	}
	return "bbjtune's worker, on safetensors", writeJSONFile(s.path(graftFile), g)
}

// farApart is more than any pair of the paper's code comes to: 0.02 to 0.1.
const farApart = 0.3

// say passes on what the worker has to say.
func (p *pipeline) say(e trainer.Event) {
	if e.Event == "log" {
		p.show.Say("  %s", e.Message)
	}
}

func (p *pipeline) noGraft(err error) error {
	return fault.Wrap(fmt.Errorf("graft %s onto %s: %w", p.recipe.Base.Model, p.recipe.Graft.Onto, err), "see worker.log in the runs folder")
}

// checkGraft fails before the hours of training where the two models are no pair.
func (p *pipeline) checkGraft(ctx context.Context) error {
	if p.recipe.Graft.Onto == "" || p.trainedBefore() {
		return nil
	}
	if err := p.admit(ctx); err != nil {
		return err
	}
	if err := p.needGPU(); err != nil {
		return err
	}
	b, err := p.ensureBase(ctx)
	if err != nil {
		return err
	}
	onto, err := p.ensureOnto(ctx)
	if err != nil {
		return err
	}
	w, err := p.startWorker(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bbjtune-graft-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	job := trainer.CheckGraft{Protocol: trainer.Protocol, Kind: "check_graft", BaseModel: abs(b.model), Onto: abs(onto.model)}
	if _, err := w.Run(ctx, job, filepath.Join(dir, "job.json"), func(trainer.Event) {}); err != nil {
		return p.noGraft(err)
	}
	return nil
}

// packAll packs the tuned model, and the graft where the recipe has one.
func (p *pipeline) packAll(ctx context.Context) (packed step, grafted *step, err error) {
	if err := p.checkGraft(ctx); err != nil {
		return step{}, nil, err
	}
	if packed, err = p.pack(ctx); err != nil || p.recipe.Graft.Onto == "" {
		return packed, nil, err
	}
	s, err := p.graft(ctx)
	return packed, &s, err
}
