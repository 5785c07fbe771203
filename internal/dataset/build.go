package dataset

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"bbjtune/bbj/compile"
	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/near"
	"bbjtune/internal/stream"
)

// builder is a set under way.
type builder struct {
	engine compile.Engine
	in     Input
	held   *near.Index
	set    *Set
	read   int64 // bytes of row files that were read so far
	size   int64 // of the row files together
	passes int64 // over them, as far as is known
}

func newBuilder(engine compile.Engine, in Input, o Options) *builder {
	texts := make([]string, len(in.HeldOut))
	for i, h := range in.HeldOut {
		texts[i] = h.Text
	}
	// Row files are read to judge them, for either side of the split, and to prove it.
	b := &builder{engine: engine, in: in, held: near.NewIndex(texts), passes: 4, set: &Set{
		Removed: slices.Clone(in.LeftOut), options: o, files: in.Rows,
		proof: Proof{Version: 1, Threshold: near.Threshold, Seed: o.Seed, ValidShare: o.ValidShare},
	}}
	for _, f := range in.Rows {
		b.size += f.Size
	}
	return b
}

func (b *builder) remove(source, reason string) {
	b.set.Removed = append(b.set.Removed, Removal{source, reason})
}

// readFiles takes the examples and the raw source in.
func (b *builder) readFiles(ctx context.Context) error {
	var items []*item
	for _, e := range b.in.Examples {
		items = append(items, fromExample(e, b.set.options))
	}
	for _, r := range b.in.Raw {
		items = append(items, fromRaw(r, rawStratum))
	}
	reasons, err := b.judge(items, func(code []compile.Source) ([]compile.Verdict, error) { return b.engine.Compile(ctx, code) })
	if err != nil {
		return err
	}
	for i, it := range items {
		if reasons[i] != "" {
			b.remove(it.source, reasons[i])
			continue
		}
		b.set.records = append(b.set.records, record{item: it, u: b.u(it.stratum, it.place)})
	}
	return nil
}

// judge says of every item why it must stay out, or "". It is safe for concurrent
// use.
func (b *builder) judge(items []*item, compiled func([]compile.Source) ([]compile.Verdict, error)) ([]string, error) {
	var sources []compile.Source
	for _, it := range items {
		sources = append(sources, it.code...)
	}
	verdicts, err := compiled(sources)
	if err != nil {
		return nil, err
	}
	reasons := make([]string, len(items))
	for i, it := range items {
		mine := verdicts[:len(it.code)]
		verdicts = verdicts[len(it.code):]
		reasons[i] = cmp.Or(it.forged(b.set.options.FIM.tokens()), broken(mine), b.heldOut(it))
	}
	return reasons, nil
}

// heldOut says which evaluation case an item resembles or contains, in one of its
// parts, or "".
func (b *builder) heldOut(it *item) string {
	if len(b.in.HeldOut) == 0 {
		return ""
	}
	for _, text := range it.parts() {
		if i, how := b.held.Find(text); how != near.None {
			return string(how) + " the evaluation case " + b.in.HeldOut[i].Name
		}
	}
	return ""
}

// u is the number from 0 to 1 that decides on which side something stands: of
// itself alone, so that what else is in the set moves nothing.
func (b *builder) u(stratum, place string) float64 {
	return float64(hash(b.set.options.Seed, "split", stratum+"\n"+place)>>11) / (1 << 53)
}

// readRows takes the row files in: of a row stays where it is and how it is
// placed.
func (b *builder) readRows(ctx context.Context) error {
	for i := range b.in.Rows {
		if err := b.readRowFile(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// judged is a line with the reason why it stays out, or "".
type judged struct {
	record
	reason string
}

func (b *builder) readRowFile(ctx context.Context, file int) error {
	return eachLine(ctx, b, file, func(lines []stream.Line) ([]judged, error) {
		return b.judgeLines(ctx, file, lines)
	}, func(list []judged) {
		for _, j := range list {
			b.set.Rows++
			if j.reason != "" {
				b.remove(b.set.source(j.record), j.reason)
				continue
			}
			b.set.records = append(b.set.records, j.record)
		}
	})
}

// eachLine works on the lines of a row file on all cores, and hands the results on
// in their order.
func eachLine[T any](ctx context.Context, b *builder, file int, work func([]stream.Line) (T, error), take func(T)) error {
	f := b.in.Rows[file]
	progress := func(read int64) {
		if b.in.Progress != nil {
			b.in.Progress(b.read+read, b.passes*b.size)
		}
	}
	err := stream.Lines(ctx, io.NewSectionReader(f.Data, 0, f.Size), progress, work, func(out T) error {
		take(out)
		return nil
	})
	b.read += f.Size
	if err != nil && ctx.Err() == nil && fault.Hint(err) == "" {
		return fault.Wrap(fmt.Errorf("%s: %w", f.Path, err), "a row is {\"messages\":[{\"role\":…,\"content\":…},…]} on one line")
	}
	return err
}

func (b *builder) judgeLines(ctx context.Context, file int, lines []stream.Line) ([]judged, error) {
	list := make([]judged, len(lines))
	items := make([]*item, len(lines))
	for i, l := range lines {
		messages, kind, problem := audit.ParseRow(l.Text)
		if problem != "" {
			path := b.in.Rows[file].Path
			return nil, fault.Newf(kind.Help+"; bbjtune data audit "+path+" finds all such rows", "%s:%d: %s: %s", path, l.Number, kind.Title, problem)
		}
		row := chat.Row{Messages: messages}
		r := record{file: file, line: l.Number, at: l.Offset, size: len(l.Text), key: keyOf(row), u: b.u(rowStratum, placeOf(row))}
		items[i] = fromRow(b.set.source(r), messages)
		list[i].record = r
	}
	// An answer may show a method alone, as the audit and cleaning see it, too.
	reasons, err := b.judge(items, func(code []compile.Source) ([]compile.Verdict, error) { return audit.Judge(ctx, b.engine, code) })
	for i := range reasons {
		list[i].reason = reasons[i]
	}
	return list, err
}

// placeOf is what decides the side of a row: its question, by a sketch that most
// questions like it share. So the same question stands on one side with all its
// answers, and of near-duplicates few come to stand on two sides, of which one
// must be set aside then.
func placeOf(row chat.Row) string { return fmt.Sprintf("%x", near.Of(question(row)).Sketch(2)) }

// addGeneral takes so many of the general files that they make up their share of
// stage 1: those of the lowest hashes, so that more BBj adds general files and
// takes none away.
func (b *builder) addGeneral() {
	share := b.set.options.GeneralShare
	if share == 0 || len(b.in.General) == 0 {
		return
	}
	characters := 0
	for _, r := range b.set.records {
		characters += r.item.characters()
	}
	missing := int(share / (1 - share) * float64(characters))
	var items []*item
	order := map[*item]uint64{}
	for _, g := range b.in.General {
		it := fromRaw(g, generalStratum)
		order[it] = hash(b.set.options.Seed, "general", g.Path)
		items = append(items, it)
	}
	slices.SortFunc(items, func(x, y *item) int { return cmp.Or(cmp.Compare(order[x], order[y]), cmp.Compare(x.source, y.source)) })
	for _, it := range items {
		if missing <= 0 {
			return
		}
		if reason := cmp.Or(it.forged(b.set.options.FIM.tokens()), b.heldOut(it)); reason != "" {
			b.remove(it.source, reason)
			continue
		}
		missing -= it.characters()
		b.set.General++
		b.set.records = append(b.set.records, record{item: it, u: b.u(it.stratum, it.place)})
	}
}

// sides puts every record on its side.
func (b *builder) sides() {
	records := b.set.records
	lowest := -1
	valid := false
	for i, r := range records {
		records[i].side = Train
		if r.u < b.set.options.ValidShare {
			records[i].side, valid = Valid, true
		}
		if lowest < 0 || r.u < records[lowest].u {
			lowest = i
		}
	}
	if valid || b.set.options.ValidShare == 0 || len(records) < 2 {
		return
	}
	// A set too small for chance to have picked one still needs its validation
	// loss: what is nearest to the border goes over.
	for i, r := range records {
		if r.u == records[lowest].u {
			records[i].side = Valid
		}
	}
}
