package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
	"bbjtune/internal/corpus"
	"bbjtune/internal/dataset"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
	"bbjtune/internal/suite"
)

// dataCounts is the result that a data folder's manifest carries.
type dataCounts struct {
	Examples int   `json:"examples"`
	Rows     int   `json:"imported_rows"`
	Raw      int   `json:"raw_files"`
	Removed  int   `json:"removed"`
	Stage1   sides `json:"stage1"`
	Stage2   sides `json:"stage2"`
}

// sides counts the rows of a stage.
type sides struct {
	Train int `json:"train"`
	Valid int `json:"valid"`
}

// buildData makes the training files.
func (p *pipeline) buildData(ctx context.Context) (step, *dataCounts, error) {
	if p.data != nil {
		return *p.data, p.counts, nil
	}
	in, sources, err := p.readSources()
	if err != nil {
		return step{}, nil, err
	}
	version, err := p.engine.Version(ctx)
	if err != nil {
		return step{}, nil, err
	}
	r := p.recipe
	o := dataset.Options{Seed: r.Seed, ValidShare: r.Data.ValidShare, Phrasings: r.Data.Phrasings, SystemPrompts: r.Data.SystemPrompts}
	s, done, err := p.open(p.runs, "data", r.Name, map[string]any{
		"format": dataset.FormatVersion, "sources": sources, "options": o, "engine": p.engine.Name() + " " + version,
		"extensions": r.Data.RawExtensions,
	})
	if err != nil {
		return step{}, nil, err
	}
	counts := &dataCounts{}
	if done {
		if err := json.Unmarshal(s.manifest.Result, counts); err != nil {
			return step{}, nil, err
		}
		p.data, p.counts = &s, counts
		p.before("data set")
		return s, counts, nil
	}
	defer s.dir.Close()
	task := p.show.Start("data set")
	defer task.Drop()
	set, err := dataset.Build(ctx, p.engine, in, o)
	if err != nil {
		return step{}, nil, err
	}
	counts.fill(in, set)
	if err := writeSet(s.dir, set); err != nil {
		return step{}, nil, err
	}
	if err := p.finish(&s, counts, "stage1", "stage2", "lineage.jsonl", "removed.jsonl"); err != nil {
		return step{}, nil, err
	}
	task.End("%d + %d rows to train on, %d + %d held out for validation", counts.Stage1.Train, counts.Stage2.Train, counts.Stage1.Valid, counts.Stage2.Valid)
	p.data, p.counts = &s, counts
	if counts.Removed > 0 {
		p.show.Say("  %d sources were left out; %s says why", counts.Removed, s.path("removed.jsonl"))
	}
	return s, counts, nil
}

func (c *dataCounts) fill(in dataset.Input, set *dataset.Set) {
	c.Examples, c.Rows, c.Raw, c.Removed = len(in.Examples), len(in.Rows), len(in.Raw), len(set.Removed)
	c.Stage1.Train, c.Stage1.Valid = len(set.Stage1[dataset.Train]), len(set.Stage1[dataset.Valid])
	c.Stage2.Train, c.Stage2.Valid = len(set.Stage2[dataset.Train]), len(set.Stage2[dataset.Valid])
}

func writeSet(d *runs.Dir, set *dataset.Set) error {
	for _, side := range []dataset.Side{dataset.Train, dataset.Valid} {
		if err := writeLines(d.File(filepath.FromSlash(dataset.Path(1, side))), set.Stage1[side]); err != nil {
			return err
		}
		if err := writeLines(d.File(filepath.FromSlash(dataset.Path(2, side))), set.Stage2[side]); err != nil {
			return err
		}
	}
	if err := writeLines(d.File("lineage.jsonl"), set.Lineage); err != nil {
		return err
	}
	return writeLines(d.File("removed.jsonl"), set.Removed)
}

func writeLines[T any](path string, values []T) error {
	return runs.WriteWith(path, func(w io.Writer) error { return chat.WriteJSONL(w, values) })
}

// readSources reads everything that the recipe's data names. The second
// result names the inputs by the hashes of their content.
func (p *pipeline) readSources() (in dataset.Input, sources map[string]string, err error) {
	sources = map[string]string{}
	for _, dir := range p.recipe.Data.Examples {
		if err := p.readExamples(&in, sources, dir); err != nil {
			return in, nil, err
		}
	}
	for _, file := range p.recipe.Data.Rows {
		if err := p.readRows(&in, sources, file); err != nil {
			return in, nil, err
		}
	}
	for _, dir := range p.recipe.Data.Raw {
		if err := p.readRaw(&in, sources, dir); err != nil {
			return in, nil, err
		}
	}
	held := p.recipe.Data.HoldOut
	if s := p.recipe.Evaluate.Suite; s != "" && !slices.Contains(held, s) {
		// What is measured is never trained on, whether the recipe says so or not.
		held = append(slices.Clone(held), s)
	}
	for _, dir := range held {
		s, err := suite.Load(p.recipe.Path(dir))
		if err != nil {
			return in, nil, err
		}
		for _, c := range s.Cases {
			in.HeldOut = append(in.HeldOut, dataset.HeldOut{Name: c.ID, Text: c.Prompt}, dataset.HeldOut{Name: c.ID, Text: bare(c.Reference)})
		}
		if sources["hold out "+dir], err = runs.HashTree(p.recipe.Path(dir), nil); err != nil {
			return in, nil, err
		}
	}
	return in, sources, nil
}

// bare is a reference answer without its fence lines.
func bare(answer string) string {
	var lines []string
	for line := range strings.Lines(answer) {
		if !strings.HasPrefix(strings.TrimSpace(line), "```") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func (p *pipeline) readExamples(in *dataset.Input, sources map[string]string, dir string) error {
	list, findings, err := example.Load(p.recipe.Path(dir))
	if err != nil {
		return err
	}
	findings = slices.DeleteFunc(findings, func(d diag.Diagnostic) bool { return d.Severity != diag.Error })
	if len(findings) > 0 {
		return fault.Newf("bbjtune check "+dir+" lists them all", "%s in the examples; the first: %s", count(len(findings), "error"), oneLine(findings[0]))
	}
	in.Examples = append(in.Examples, list...)
	sources["examples "+dir], err = runs.HashTree(p.recipe.Path(dir), func(f string) bool { return strings.HasSuffix(f, ".md") })
	return err
}

func oneLine(d diag.Diagnostic) string {
	return fmt.Sprintf("%s:%d:%d: %s %s", d.File, d.Span.Start.Line, d.Span.Start.Col, d.Code, d.Message)
}

func (p *pipeline) readRows(in *dataset.Input, sources map[string]string, file string) error {
	path := p.recipe.Path(file)
	text, err := os.ReadFile(path)
	if err != nil {
		return fault.Wrap(fmt.Errorf("data.rows: %w", err), "name a JSONL file with a ChatML row a line")
	}
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), audit.BOM)) {
		number++
		if strings.TrimSpace(line) == "" {
			continue
		}
		messages, kind, problem := audit.ParseRow([]byte(line))
		if problem != "" {
			return fault.Newf(kind.Help+"; bbjtune data audit "+file+" finds all such rows", "%s:%d: %s: %s", file, number, kind.Title, problem)
		}
		in.Rows = append(in.Rows, dataset.Imported{Path: file, Line: number, Row: chat.Row{Messages: messages}})
	}
	sources["rows "+file], _, err = runs.HashFile(path)
	return err
}

func (p *pipeline) readRaw(in *dataset.Input, sources map[string]string, dir string) error {
	files, skipped, err := corpus.Load(p.recipe.Path(dir), p.recipe.Data.RawExtensions)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fault.Newf("check the folder and data.raw_extensions", "%s holds no BBj source (%s)", dir, strings.Join(p.recipe.Data.RawExtensions, " "))
	}
	for _, f := range files {
		in.Raw = append(in.Raw, dataset.Raw{Path: dir + "/" + f.Path, Text: f.Text})
	}
	for _, s := range skipped {
		p.show.Say("  %s/%s left out: %s", dir, s.Path, s.Reason)
		in.LeftOut = append(in.LeftOut, dataset.Removal{Source: dir + "/" + s.Path, Reason: s.Reason})
	}
	sources["raw "+dir] = corpus.Hash(files)
	return nil
}
