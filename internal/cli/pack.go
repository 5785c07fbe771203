package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"bbjtune/bbj/check"
	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
)

type packFlags struct {
	quantize []string
	adapter  bool
	onto     string // stands for graft.onto
	install  bool
	ollama   installFlags
	format   string
}

// pack makes the package of a training or a recipe and says where it is.
func (a *app) pack(ctx context.Context, name string, f packFlags) error {
	p, err := a.packPipeline(name, f)
	if err != nil {
		return err
	}
	defer p.close()
	s, grafted, err := p.packAll(ctx)
	if err != nil {
		return err
	}
	if f.format == "text" {
		fmt.Fprintln(a.Out, s.dir.Path)
		if grafted != nil {
			fmt.Fprintln(a.Out, grafted.dir.Path)
		}
		return nil
	}
	made := packed{}
	if err := json.Unmarshal(s.manifest.Result, &made); err != nil {
		return fault.Wrap(fmt.Errorf("%s: result of manifest.json: %w", s.dir.Path, err), "delete the folder and make it again")
	}
	said := map[string]any{"version": 1, "folder": s.dir.Path, "files": s.manifest.Files, "steps": made.Steps, "lineage": made.Lineage}
	if grafted != nil {
		said["graft"] = grafted.dir.Path
	}
	return writeJSON(a.Out, said)
}

// packPipeline is that of a training or a recipe, with what the flags say.
func (a *app) packPipeline(name string, f packFlags) (*pipeline, error) {
	p, err := a.trainedPipeline(name)
	if err != nil {
		return nil, err
	}
	if len(f.quantize) > 0 {
		p.recipe.Package.Quantize = f.quantize
	}
	p.recipe.Package.Adapter = p.recipe.Package.Adapter || f.adapter
	if err := p.recipe.Package.Check(); err != nil {
		return nil, err
	}
	if f.onto != "" {
		if err := p.recipe.GraftOnto(f.onto); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// trainedPipeline is that of a recipe file, or of a finished training, which is
// taken as it is: neither its data nor its recipe are looked for.
func (a *app) trainedPipeline(name string) (*pipeline, error) {
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		return a.pipeline(name)
	}
	s, err := a.store([]string{name})
	if err != nil {
		return nil, err
	}
	r, _, err := trainingOf(s, name)
	if err != nil {
		return nil, fault.Wrap(err, "name a training that bbjtune runs list shows, or a recipe file")
	}
	plan, err := r.Plan()
	if err != nil {
		return nil, err
	}
	return &pipeline{
		app: a, recipe: plan, engine: check.Embedded{},
		trained: &step{&runs.Dir{Path: r.Path, Kind: r.Kind, ID: r.ID, Key: r.Manifest.Key}, r.Manifest}, weights: r.Base(),
	}, nil
}

// sameBase holds that the base model found here is the one that was trained.
func (p *pipeline) sameBase(b *base) error {
	if p.weights == "" || p.weights == b.identity {
		return nil
	}
	return fault.Newf("put back the weights that it was trained on", "%s is not the base model of %s: %s, trained on %s", p.recipe.Base.Model, p.trained.dir.ID, b.identity, p.weights)
}
