package corpus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/internal/audit"
	"bbjtune/internal/fault"
	"bbjtune/internal/near"
)

// BuildVersion is raised when the same files would give other documents.
const BuildVersion = 2

// maxText bounds the text that is held in memory at once, in bytes: what is left of
// the files after all rules but those for near-duplicates, which compare every file
// with every other. Comparing takes about fifteen times as much.
const maxText = 256 << 20

// Options say what is kept, and how.
type Options struct {
	IncludeBroken bool    // keep what does not compile
	KeepHeaders   bool    // keep licences at the top
	Secrets       Secrets // "" is SetAside
	MaxCharacters int     // of a document, if it can be cut
	HeldOut       []audit.HeldOut
	Progress      func(done, total int) // may be nil
}

// Document is a text to train on: a file, or a part of one.
type Document struct {
	Text       string                `json:"text"`
	Source     string                `json:"source"`
	Line       int                   `json:"line"` // of the file, where the text starts
	Generation generation.Generation `json:"generation"`
	Characters int                   `json:"characters"`
	Broken     bool                  `json:"broken,omitempty"` // the file does not compile
}

// Removed is a file that was set aside.
type Removed struct {
	Source string `json:"source"`
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
	Line   int    `json:"line,omitempty"`
}

// Changed is what a rule did to a file that was kept. Before is what it took out,
// and never a secret.
type Changed struct {
	Source string `json:"source"`
	Rule   string `json:"rule"`
	What   string `json:"what"`
	Line   int    `json:"line,omitempty"`
	Before string `json:"before,omitempty"`
}

// Result is what became of the files: each is kept, as one document or several, or
// removed.
type Result struct {
	Kept        int
	Documents   []Document
	Removed     []Removed
	Changed     []Changed
	Generations map[generation.Generation]int // files kept
}

// Build makes documents of the files. All lists are in the order of the sources,
// and do not depend on how many cores there are.
func Build(ctx context.Context, engine compile.Engine, files []Entry, o Options) (*Result, error) {
	j := newJoiner()
	err := examineAll(ctx, engine, files, o, j.take)
	if err != nil {
		return nil, err
	}
	return j.finish(ctx, o.MaxCharacters)
}

// examineAll takes the files through all rules that look at one file alone, and
// gives what became of them to take, in their order.
func examineAll(ctx context.Context, engine compile.Engine, files []Entry, o Options, take func(*candidate) error) error {
	var held []string
	for _, h := range o.HeldOut {
		held = append(held, h.Text)
	}
	x := examiner{held: near.NewIndex(held), engine: engine, o: o}
	for done := 0; done < len(files); done += batch {
		list, err := x.read(ctx, files[done:min(done+batch, len(files))])
		if err != nil {
			return err
		}
		for _, c := range list {
			if err := take(c); err != nil {
				return err
			}
		}
		if o.Progress != nil {
			o.Progress(min(done+batch, len(files)), len(files))
		}
	}
	return nil
}

// batch is how many files are read before they are judged: enough to keep all
// cores busy.
const batch = 256

// examiner carries out the rules that look at one file alone.
type examiner struct {
	engine compile.Engine
	o      Options
	held   *near.Index
}

// joiner carries out those that compare the files.
type joiner struct {
	seen   map[[sha256.Size]byte]string // the source of every text
	bytes  int
	kept   []*candidate
	result *Result
}

func newJoiner() *joiner {
	return &joiner{seen: map[[sha256.Size]byte]string{}, result: &Result{Generations: map[generation.Generation]int{}}}
}

// candidate is a file on its way through the rules.
type candidate struct {
	source  string
	header  header
	changed []Changed
	written generation.Generation
	broken  bool
	out     verdict
}

func (c *candidate) text() string { return c.header.text }

func (c *candidate) change(rule, what string, line int, before string) {
	c.changed = append(c.changed, Changed{c.source, rule, what, line, before})
}

func (x *examiner) read(ctx context.Context, files []Entry) ([]*candidate, error) {
	list := make([]*candidate, len(files))
	err := each(ctx, len(files), func(i int) (err error) {
		list[i], err = x.examine(files[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, x.compile(ctx, list)
}

// examine reads a file and carries out the rules that come before the compiler.
func (x *examiner) examine(f Entry) (*candidate, error) {
	c := &candidate{source: f.Source}
	if f.size > maxSize {
		c.out = verdict{"large", fmt.Sprintf("larger than %d MB", maxSize>>20), 0}
		return c, nil
	}
	raw, err := f.read()
	if err != nil {
		return nil, err
	}
	d := decode(raw)
	if c.out = d.unfit(); c.out.rule != "" {
		return c, nil
	}
	if d.encoding != "" {
		c.change("encoding", "read as "+d.encoding, 0, "")
	}
	if d.ends != "" {
		c.change("line-ends", "had "+d.ends, 0, "")
	}
	c.header.text = d.text
	if c.out = c.generated(); c.out.rule == "" {
		c.secrets(x.o.Secrets)
	}
	if c.out.rule == "" && !x.o.KeepHeaders {
		c.licence()
	}
	return c, nil
}

// read returns the content. A file that has grown past the limit since it was
// listed is an error like one that has gone.
func (e Entry) read() ([]byte, error) {
	f, err := os.Open(e.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", e.path, err)
	case int64(len(raw)) != e.size:
		return nil, fault.Newf("run the command again when nothing changes the folder", "%s has changed while the corpus was read", e.path)
	}
	return raw, nil
}

// compile judges the programs, and those that do not compile by whether they are
// programs at all.
func (x *examiner) compile(ctx context.Context, list []*candidate) error {
	var sources []compile.Source
	var of []*candidate
	var above []int
	for _, c := range list {
		if c.out.rule != "" {
			continue
		}
		for _, body := range bodies(c.text()) {
			sources, of, above = append(sources, compile.Source{Name: c.source, Text: body.code}), append(of, c), append(above, body.above)
		}
	}
	verdicts, err := x.engine.Compile(ctx, sources)
	if err != nil {
		return err
	}
	first := map[*candidate]diag.Diagnostic{}
	for i, v := range verdicts {
		c := of[i]
		if d, bad := rejection(v, isCallpoints(c.text())); bad && !c.broken {
			d.Span.Start.Line += above[i]
			c.broken, first[c] = true, d
		}
	}
	return each(ctx, len(list), func(i int) error {
		if c := list[i]; c.out.rule == "" {
			c.judge(first[c], x.o.IncludeBroken)
			x.holdOut(c)
		}
		return nil
	})
}

// undefinedLabel is the code of a jump to a label that is not there.
const undefinedLabel = "BBJ2001"

// rejection is the first reason for which a program does not compile. Barista
// brings labels along that callpoints jump to.
func rejection(v compile.Verdict, callpoints bool) (diag.Diagnostic, bool) {
	if v.OK {
		return diag.Diagnostic{}, false
	}
	for _, d := range v.Diagnostics {
		if d.Severity == diag.Error && d.Family == diag.Syntax && !(callpoints && d.Code == undefinedLabel) {
			return d, true
		}
	}
	return diag.Diagnostic{}, false
}

// holdOut sets aside what evaluation is measured with.
func (x *examiner) holdOut(c *candidate) {
	if i, how := x.held.Find(c.text()); c.out.rule == "" && how != near.None {
		c.out = verdict{"held-out", string(how) + " the evaluation case " + x.o.HeldOut[i].Name, 0}
	}
}

// take keeps a candidate, or sets it aside.
func (j *joiner) take(c *candidate) error {
	sum := sha256.Sum256([]byte(c.text()))
	if first := j.seen[sum]; c.out.rule == "" && first != "" {
		c.out = verdict{"duplicates", "the same text as " + first, 0}
	}
	if c.out.rule != "" {
		j.result.remove(c)
		return nil
	}
	j.seen[sum] = c.source
	j.kept = append(j.kept, c)
	if j.bytes += len(c.text()); j.bytes > maxText {
		return fault.Newf("build a corpus of a part of the folders at a time", "there are more than %d MB of source, too much to compare in memory", maxText>>20)
	}
	return nil
}

// finish compares what take has kept, and makes documents of what is left.
func (j *joiner) finish(ctx context.Context, maxCharacters int) (*Result, error) {
	if err := j.dropAlike(ctx); err != nil {
		return nil, err
	}
	for _, c := range j.kept {
		j.result.add(c, maxCharacters)
	}
	slices.SortStableFunc(j.result.Removed, func(x, y Removed) int { return strings.Compare(x.Source, y.Source) })
	return j.result, nil
}

// dropAlike keeps of files that resemble each other the one that compiles, then the
// longest, then the first by name, and of the others those that do not resemble
// one that is kept.
func (j *joiner) dropAlike(ctx context.Context) error {
	texts := make([]string, len(j.kept))
	for i, c := range j.kept {
		texts[i] = c.text()
	}
	members := map[int][]*candidate{}
	roots := near.Clusters(texts)
	for i, c := range j.kept {
		members[roots[i]] = append(members[roots[i]], c)
	}
	for _, alike := range members { // clusters have nothing in common
		if err := choose(ctx, alike); err != nil {
			return err
		}
	}
	j.kept = slices.DeleteFunc(j.kept, func(c *candidate) bool {
		if c.out.rule != "" {
			j.result.remove(c)
		}
		return c.out.rule != ""
	})
	return nil
}

func choose(ctx context.Context, alike []*candidate) error {
	slices.SortStableFunc(alike, func(x, y *candidate) int {
		return cmp.Or(compareBool(x.broken, y.broken), cmp.Compare(len(y.text()), len(x.text())), strings.Compare(x.source, y.source))
	})
	var kept []*candidate
	for _, c := range alike {
		i := slices.IndexFunc(kept, func(k *candidate) bool { return ctx.Err() == nil && c.resembles(k) })
		if i < 0 {
			kept = append(kept, c)
			continue
		}
		c.out = verdict{"near-duplicates", "near-duplicate of " + kept[i].source, 0}
	}
	return ctx.Err()
}

// resembles compares two files, unless one is so much longer that they cannot be
// alike: in a large cluster most pairs are not.
func (c *candidate) resembles(k *candidate) bool {
	short, long := min(len(c.text()), len(k.text())), max(len(c.text()), len(k.text()))
	return 4*short > long && near.Similarity(c.text(), k.text()) >= near.Threshold
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

func (r *Result) remove(c *candidate) {
	r.Removed = append(r.Removed, Removed{c.source, c.out.rule, c.out.reason, c.out.line})
}

// add makes documents of a candidate that is kept.
func (r *Result) add(c *candidate, max int) {
	r.Kept++
	r.Generations[c.written]++
	r.Changed = append(r.Changed, c.changed...)
	for _, p := range Cut(c.text(), max) {
		r.Documents = append(r.Documents, Document{p.Text, c.source, c.header.fileLine(p.Line), c.written, utf8.RuneCountInString(p.Text), c.broken})
	}
}
