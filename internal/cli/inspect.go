package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bbjtune/internal/dataset"
	"bbjtune/internal/fault"
	"bbjtune/internal/mask"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// inspection is what train --inspect is asked for.
type inspection struct {
	stage  int // 0: all that the recipe has
	rows   []int
	html   string
	format string
}

// check refuses what makes no sense together.
func (i *inspection) check(asked, staged bool) error {
	switch {
	case !asked && (staged || len(i.rows) > 0 || i.html != "" || i.format != "text"):
		return fault.New("--stage, --row, --html and --output-format say what --inspect shows", "add --inspect, or leave them out")
	case staged && i.stage != 1 && i.stage != 2:
		return fault.Newf("write 1 or 2", "--stage is %d", i.stage)
	}
	if info, err := os.Stat(i.html); err == nil && info.IsDir() {
		return fault.Newf("name a file", "--html %s is a folder", i.html)
	}
	for _, n := range i.rows {
		if n < 1 {
			return fault.Newf("rows are named by their lines in the training file, from 1", "--row is %d", n)
		}
	}
	return nil
}

// inspect shows what of the rows of a recipe would be trained on.
func (a *app) inspect(ctx context.Context, path string, o inspection) error {
	p, err := a.pipeline(path)
	if err != nil {
		return err
	}
	defer p.close()
	p.looking = true
	r, err := p.inspectStages(ctx, o)
	if err != nil {
		return err
	}
	if o.html != "" {
		if err := runs.WriteWith(o.html, r.HTML); err != nil {
			return fault.Wrap(fmt.Errorf("write the mask report: %w", err), "name another file with --html")
		}
		a.show.Say("the report as a page: %s", o.html)
	}
	write := func(w io.Writer) error { return r.Text(w, a.colour(a.OutTTY)) }
	if o.format == "json" {
		write = func(w io.Writer) error { return writeJSON(w, r) }
	}
	if err := write(a.Out); err != nil {
		return err
	}
	for _, s := range r.Stages {
		if s.Refused != "" {
			return errFindings
		}
	}
	return nil
}

func (p *pipeline) inspectStages(ctx context.Context, o inspection) (*mask.Report, error) {
	list := p.stages()
	if o.stage != 0 {
		list = []int{o.stage}
	}
	data, counts, err := p.buildData(ctx)
	if err != nil {
		return nil, err
	}
	if err := needRows(counts, list); err != nil {
		return nil, err
	}
	b, err := p.ensureBase(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bbjtune-inspect-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &mask.Report{Version: mask.Version, Recipe: p.recipe.Name, Base: p.recipe.Base.Model}
	for _, n := range list {
		rows := o.rows
		if len(rows) == 0 && o.html != "" {
			rows = firstLines(counts.of(n).Train)
		}
		s, err := p.inspectStage(ctx, n, b, data, rows, filepath.Join(dir, "job.json"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", title(n), err)
		}
		r.Stages = append(r.Stages, s)
	}
	return r, nil
}

// shownUnasked is how many rows a page shows when none is named.
const shownUnasked = 5

func firstLines(rows int) []int {
	var list []int
	for n := range min(rows, shownUnasked) {
		list = append(list, n+1)
	}
	return list
}

func (p *pipeline) inspectStage(ctx context.Context, n int, b *base, data step, rows []int, jobFile string) (*mask.Stage, error) {
	w, err := p.startWorker(ctx)
	if err != nil {
		return nil, err
	}
	paths := stagePaths(n, b, data)
	paths.BaseModel, paths.Train, paths.Valid = absModel(paths.BaseModel), abs(paths.Train), abs(paths.Valid)
	task := p.show.Start("mask report of " + title(n))
	defer task.Drop()
	raw, err := w.Run(ctx, trainer.NewInspect(p.recipe, n, paths, rows), jobFile, func(trainer.Event) {})
	if err != nil {
		return nil, err
	}
	found := stagePaths(n, b, data)
	return mask.ReadStage(raw, found.Train, found.Valid)
}

// inspectFile keeps what the gate has counted.
const inspectFile = "inspect.json"

// gate inspects every stage before the first is trained: what stage 2 would
// stumble over should not come out after the hours of stage 1. What it has let
// pass it does not look at again, since the folder is named after the data.
func (p *pipeline) gate(ctx context.Context, s step, b *base, data step) error {
	for _, n := range p.stages() {
		name := fmt.Sprintf("stage%d", n)
		kept := s.path(name, inspectFile)
		if text, err := os.ReadFile(kept); err == nil && json.Valid(text) {
			continue
		}
		if err := os.MkdirAll(s.path(name), 0o755); err != nil {
			return err
		}
		st, err := p.inspectStage(ctx, n, b, data, nil, s.path(name, "inspect-job.json"))
		if err != nil {
			return fmt.Errorf("%s: %w", title(n), err)
		}
		if st.Refused != "" {
			return fmt.Errorf("%s: training does not start: %w", title(n), fault.New(st.Refused, st.Hint))
		}
		// The folder of the data may lie elsewhere the next time.
		st.Train.File, st.Valid.File = dataset.Path(n, dataset.Train), dataset.Path(n, dataset.Valid)
		text, err := json.MarshalIndent(st, "", "  ")
		if err != nil {
			return err
		}
		if err := runs.WriteFile(kept, append(text, '\n')); err != nil {
			return err
		}
	}
	return nil
}
