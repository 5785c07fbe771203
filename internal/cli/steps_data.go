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
	General  int   `json:"general_files"` // those that were taken
	Removed  int   `json:"removed"`
	SetAside int   `json:"set_aside"` // of those removed, for the split
	Stage1   sides `json:"stage1"`
	Stage2   sides `json:"stage2"`
}

// of is the count of one stage.
func (c *dataCounts) of(stage int) sides {
	if stage == 2 {
		return c.Stage2
	}
	return c.Stage1
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
	defer closeRows(in.Rows)
	if err != nil {
		return step{}, nil, err
	}
	inputs, err := p.dataInputs(ctx, sources)
	if err != nil {
		return step{}, nil, err
	}
	s, done, err := p.open(p.runs, "data", p.recipe.Name, inputs)
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
	if err := p.writeData(ctx, &s, in, p.dataOptions(), counts); err != nil {
		return step{}, nil, err
	}
	p.data, p.counts = &s, counts
	if counts.Removed > 0 {
		p.show.Say("  %s left out; %s says why", counted(counts.Removed, "source"), s.path("removed.jsonl"))
	}
	return s, counts, nil
}

// dataInputs names everything that decides what the data set is.
func (p *pipeline) dataInputs(ctx context.Context, sources map[string]string) (map[string]any, error) {
	version, err := p.engine.Version(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"format": dataset.FormatVersion, "held_out": suite.HeldVersion, "sources": sources, "options": p.dataOptions(), "engine": p.engine.Name() + " " + version,
		"extensions": p.recipe.Data.RawExtensions, "general_extensions": p.recipe.Data.GeneralExtensions,
	}, nil
}

func (p *pipeline) dataOptions() dataset.Options {
	d := p.recipe.Data
	o := dataset.Options{Seed: p.recipe.Seed, ValidShare: d.ValidShare, Phrasings: d.Phrasings, SystemPrompts: d.SystemPrompts}
	if d.FIM.Share > 0 {
		o.FIM = dataset.FIM(d.FIM)
	}
	if len(d.General) > 0 {
		o.GeneralShare = d.GeneralShare
	}
	return o
}

// writeData builds the set and writes it.
func (p *pipeline) writeData(ctx context.Context, s *step, in dataset.Input, o dataset.Options, counts *dataCounts) error {
	task := p.show.Start("data set")
	defer task.Drop()
	in.Progress = func(read, all int64) { task.Update(float64(read), float64(all), "") }
	set, err := dataset.Build(ctx, p.engine, in, o)
	if err != nil {
		return err
	}
	counts.Examples, counts.Rows, counts.Raw, counts.General = len(in.Examples), set.Rows, len(in.Raw), set.General
	counts.Removed = len(set.Removed)
	if err := writeSet(ctx, s.dir, set, counts); err != nil {
		return err
	}
	if err := p.finish(s, counts, "stage1", "stage2", "lineage.jsonl", "removed.jsonl", "split-proof.json"); err != nil {
		return err
	}
	task.End("%d + %d rows to train on, %d + %d held out for validation", counts.Stage1.Train, counts.Stage2.Train, counts.Stage1.Valid, counts.Stage2.Valid)
	return nil
}

// writeSet writes the files of a set side by side: its rows come one by one.
func writeSet(ctx context.Context, d *runs.Dir, set *dataset.Set, counts *dataCounts) (err error) {
	files := map[string]*runs.Writer{}
	for _, name := range []string{dataset.Path(1, dataset.Train), dataset.Path(1, dataset.Valid), dataset.Path(2, dataset.Train), dataset.Path(2, dataset.Valid), "lineage.jsonl"} {
		if files[name], err = runs.Create(d.File(filepath.FromSlash(name))); err != nil {
			return err
		}
		defer files[name].Abort()
	}
	lineage := chat.NewEncoder(files["lineage.jsonl"])
	proof, err := set.Write(ctx, func(r dataset.Row) error {
		counts.count(r)
		if _, err := files[r.File].Write(r.Line); err != nil {
			return err
		}
		return lineage.Encode(r.Lineage)
	})
	if err != nil {
		return err
	}
	counts.SetAside = proof.SetAside
	for _, f := range files {
		if err := f.Commit(); err != nil {
			return err
		}
	}
	if err := writeLines(d.File("removed.jsonl"), set.Removed); err != nil {
		return err
	}
	text, err := json.MarshalIndent(proof, "", "  ")
	if err != nil {
		return err
	}
	return runs.WriteFile(d.File("split-proof.json"), append(text, '\n'))
}

func (c *dataCounts) count(r dataset.Row) {
	stage := &c.Stage1
	if r.Stage == 2 {
		stage = &c.Stage2
	}
	if r.Side == dataset.Valid {
		stage.Valid++
	} else {
		stage.Train++
	}
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
	d := p.recipe.Data
	for _, dir := range d.Raw {
		if err := p.readRaw(&in, &in.Raw, sources, dir, d.RawExtensions, "raw"); err != nil {
			return in, nil, err
		}
	}
	for _, dir := range d.Corpus {
		if err := p.readCorpus(&in, sources, dir); err != nil {
			return in, nil, err
		}
	}
	for _, dir := range d.General {
		if err := p.readRaw(&in, &in.General, sources, dir, d.GeneralExtensions, "general"); err != nil {
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
		for _, c := range s.Questions() {
			for _, text := range c.HeldOut() {
				in.HeldOut = append(in.HeldOut, dataset.HeldOut{Name: c.ID, Text: text})
			}
		}
		if sources["hold out "+dir], err = runs.HashTree(p.recipe.Path(dir), nil); err != nil {
			return in, nil, err
		}
	}
	return in, sources, nil
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

// readRows opens a file of rows, which is read as often as need be.
func (p *pipeline) readRows(in *dataset.Input, sources map[string]string, file string) error {
	path := p.recipe.Path(file)
	hint := "name a JSONL file with a ChatML row a line"
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(fmt.Errorf("data.rows: %w", err), hint)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.Newf(hint, "data.rows: %s is no regular file", file)
	}
	if err == nil {
		sources["rows "+file], _, err = runs.HashFile(path)
	}
	if err != nil {
		f.Close()
		return err
	}
	in.Rows = append(in.Rows, dataset.RowFile{Path: file, Data: f, Size: info.Size()})
	return nil
}

func closeRows(files []dataset.RowFile) {
	for _, f := range files {
		if c, ok := f.Data.(io.Closer); ok {
			c.Close()
		}
	}
}

// readCorpus takes the documents of a corpus, which was compiled when it was made.
func (p *pipeline) readCorpus(in *dataset.Input, sources map[string]string, dir string) error {
	path := p.recipe.Path(dir)
	if !exists(path) {
		return fault.Newf("bbjtune corpus build makes one, and prints its name", "data.corpus: there is no folder %s", dir)
	}
	documents, err := corpus.Read(path)
	if err != nil {
		return fmt.Errorf("data.corpus: %w", err)
	}
	for _, d := range documents {
		in.Raw = append(in.Raw, dataset.Raw{Path: d.Source, Line: d.Line, Text: d.Text, Judged: true})
	}
	sources["corpus "+dir], _, err = runs.HashFile(filepath.Join(path, corpus.DocumentsFile))
	return err
}

// readRaw reads a folder of source into a list of the input. The kind is the key
// of the recipe that names the folder.
func (p *pipeline) readRaw(in *dataset.Input, list *[]dataset.Raw, sources map[string]string, dir string, extensions []string, kind string) error {
	files, skipped, err := corpus.Load(p.recipe.Path(dir), plainExtensions(extensions))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fault.Newf("check the folder and data."+kind+"_extensions", "%s holds no source (%s)", dir, strings.Join(extensions, " "))
	}
	// The name decides the side: it must not depend on how the folder is written.
	name := filepath.ToSlash(filepath.Clean(dir)) + "/"
	for _, f := range files {
		*list = append(*list, dataset.Raw{Path: name + f.Path, Line: 1, Text: f.Text})
	}
	for _, s := range skipped {
		p.show.Say("  %s left out: %s", name+s.Path, s.Reason)
		in.LeftOut = append(in.LeftOut, dataset.Removal{Source: name + s.Path, Reason: s.Reason})
	}
	sources[kind+" "+dir] = corpus.Hash(files)
	return nil
}
