// Package dataset turns examples, ChatML rows and raw BBj source into the
// training files of the two stages, split without leakage: near-duplicates
// stand on the same side, and what resembles an evaluation case stays out.
// The same input gives the same bytes.
//
// It must not know models, tokens or where its files are kept.
package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/internal/answer"
	"bbjtune/internal/chat"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/near"
)

// FormatVersion is raised when the same input would give other bytes.
const FormatVersion = 3

// Options say how the set is built.
type Options struct {
	Seed          int
	ValidShare    float64
	Phrasings     int
	SystemPrompts []string
}

// Raw is one BBj source file for stage 1.
type Raw struct {
	Path string
	Text string
}

// Imported is one ChatML row for stage 2.
type Imported struct {
	Path string
	Line int
	Row  chat.Row
}

// Input is what a set is built from.
type Input struct {
	Examples []*example.Example
	Rows     []Imported
	Raw      []Raw
	// HeldOut are the texts of evaluation cases: prompts and references.
	HeldOut []HeldOut
	// LeftOut are files that were not even read, for the list of what is not in
	// the set.
	LeftOut []Removal
}

// HeldOut is a text that must not be trained on.
type HeldOut struct {
	Name string
	Text string
}

// Side is train or valid.
type Side string

// The sides of the split.
const (
	Train Side = "train"
	Valid Side = "valid"
)

// Removal says why a source gave no rows.
type Removal struct {
	Source string `json:"source"`
	Reason string `json:"reason"`
}

// Lineage says where a row came from.
type Lineage struct {
	File   string `json:"file"`
	Row    int    `json:"row"` // from 1
	Source string `json:"source"`
}

// Set is the finished data.
type Set struct {
	Stage1  map[Side][]chat.Text
	Stage2  map[Side][]chat.Row
	Lineage []Lineage
	Removed []Removal
}

// item is one source with all that it yields.
type item struct {
	source  string
	key     string // decides the side: the path, or for a row its content, since places shift
	stratum string
	compare string // what near-duplicates are found by
	prompt  string // of a row: the same question may have another answer
	texts   []string
	rows    []chat.Row
	code    []compile.Source
}

// Build makes the set. Sources that do not compile, that hold a token of the
// chat template, or that are near to a held-out text or contain it, are removed
// with a reason. The error says that no set can be made of what is left.
func Build(ctx context.Context, engine compile.Engine, in Input, o Options) (*Set, error) {
	items := collect(in, o)
	set := &Set{Stage1: map[Side][]chat.Text{}, Stage2: map[Side][]chat.Row{}, Removed: slices.Clone(in.LeftOut)}
	items, err := set.dropBroken(ctx, engine, items)
	if err != nil {
		return nil, err
	}
	items = set.dropHeldOut(items, in.HeldOut)
	sides := split(items, o)
	for i, it := range items {
		set.place(it, sides[i])
	}
	slices.SortStableFunc(set.Removed, func(a, b Removal) int { return bySource(a.Source, b.Source) })
	return set, set.check(len(items), o)
}

// bySource puts the lines of a file into the order of their numbers.
func bySource(a, b string) int {
	pathA, lineA := place(a)
	pathB, lineB := place(b)
	return cmp.Or(strings.Compare(pathA, pathB), cmp.Compare(lineA, lineB))
}

func place(source string) (path string, line int) {
	if i := strings.LastIndexByte(source, ':'); i >= 0 {
		if n, err := strconv.Atoi(source[i+1:]); err == nil {
			return source[:i], n
		}
	}
	return source, 0
}

func collect(in Input, o Options) []item {
	var items []item
	for _, e := range in.Examples {
		items = append(items, fromExample(e, o))
	}
	for _, r := range in.Rows {
		items = append(items, fromRow(r))
	}
	for _, r := range in.Raw {
		items = append(items, item{source: r.Path, key: r.Path, stratum: "raw", compare: r.Text, texts: []string{r.Text},
			code: []compile.Source{{Name: r.Path, Text: []byte(r.Text)}}})
	}
	// The order of the sources must not show in the result.
	slices.SortStableFunc(items, func(a, b item) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.source, b.source))
	})
	return items
}

// fromRow takes the fences that are marked as BBj for code, in answers alone: a
// question may show what is wrong.
func fromRow(r Imported) item {
	it := item{source: fmt.Sprintf("%s:%d", r.Path, r.Line), stratum: "rows", rows: []chat.Row{r.Row}}
	var text, prompt strings.Builder
	for _, m := range r.Row.Messages {
		if m.Role == chat.User {
			prompt.WriteString(m.Content + "\n")
		}
		if m.Role != chat.System {
			text.WriteString(m.Content + "\n")
		}
		if m.Role == chat.Assistant {
			for _, code := range answer.Marked(m.Content) {
				it.code = append(it.code, compile.Source{Name: it.source, Text: []byte(code)})
			}
		}
	}
	it.compare, it.prompt = text.String(), prompt.String()
	it.key = fmt.Sprintf("row %x", sha256.Sum256([]byte(it.compare)))
	return it
}

// forged says which token of the chat template a message or text spells out.
func (it item) forged() string {
	texts := slices.Clone(it.texts)
	for _, r := range it.rows {
		for _, m := range r.Messages {
			texts = append(texts, m.Content)
		}
	}
	for _, text := range texts {
		if token := chat.ControlToken(text); token != "" {
			return "spells out the chat token " + token
		}
	}
	return ""
}

func fromExample(e *example.Example, o Options) item {
	it := item{source: e.Path, key: e.Path}
	generations := make([]string, len(e.Generation))
	for i, g := range e.Generation {
		generations[i] = string(g)
	}
	it.stratum = strings.Join([]string{string(e.Type), strings.Join(generations, "+"), e.Difficulty}, "/")
	var code []string
	for _, f := range e.Fences() {
		text := strings.TrimRight(string(f.Code), "\n") + "\n"
		it.texts = append(it.texts, text)
		it.code = append(it.code, compile.Source{Name: fmt.Sprintf("%s:%d", e.Path, f.Line), Text: f.Code})
		code = append(code, text)
	}
	it.compare = strings.Join(code, "\n")
	first := int(hash(o.Seed, "phrasing", e.Path) % 5)
	for n := range o.Phrasings {
		prompt, answer := Conversation(e, first+n)
		system := o.SystemPrompts[hash(o.Seed, "system", fmt.Sprint(e.Path, n))%uint64(len(o.SystemPrompts))]
		it.rows = append(it.rows, chat.Row{Messages: []chat.Message{
			{Role: chat.System, Content: system}, {Role: chat.User, Content: prompt}, {Role: chat.Assistant, Content: answer},
		}})
	}
	return it
}

// dropBroken removes the items with forged turns, or with code that does not
// compile.
func (s *Set) dropBroken(ctx context.Context, engine compile.Engine, items []item) ([]item, error) {
	var sources []compile.Source
	for _, it := range items {
		sources = append(sources, it.code...)
	}
	verdicts, err := engine.Compile(ctx, sources)
	if err != nil {
		return nil, err
	}
	next := 0
	return slices.DeleteFunc(items, func(it item) bool {
		mine := verdicts[next : next+len(it.code)]
		next += len(it.code)
		reason := it.forged()
		if i := slices.IndexFunc(mine, func(v compile.Verdict) bool { return !v.OK }); i >= 0 && reason == "" {
			reason = "does not compile: " + firstError(mine[i])
		}
		if reason != "" {
			s.Removed = append(s.Removed, Removal{it.source, reason})
		}
		return reason != ""
	}), nil
}

func firstError(v compile.Verdict) string {
	for _, d := range v.Diagnostics {
		if d.Severity == diag.Error && d.Family == diag.Syntax {
			return fmt.Sprintf("%s line %d: %s", v.Name, d.Span.Start.Line, d.Message)
		}
	}
	return v.Name
}

// dropHeldOut removes the items that resemble a held-out text or contain it, in
// their code or in a message.
func (s *Set) dropHeldOut(items []item, held []HeldOut) []item {
	texts := make([]string, len(held))
	for i, h := range held {
		texts[i] = h.Text
	}
	index := near.NewIndex(texts)
	return slices.DeleteFunc(items, func(it item) bool {
		for _, text := range it.comparable() {
			if i, how := index.Find(text); how != near.None {
				s.Removed = append(s.Removed, Removal{it.source, string(how) + " the evaluation case " + held[i].Name})
				return true
			}
		}
		return false
	})
}

// comparable lists the texts of an item that must not be near a held-out one.
func (it item) comparable() []string {
	list := append([]string{it.compare}, it.texts...)
	for _, r := range it.rows {
		for _, m := range r.Messages {
			list = append(list, m.Content)
		}
	}
	return list
}

// split decides the side of every item by the hash of its cluster's stratum
// and first member, so that the order does not matter and a new item without
// near-duplicates moves no old one. One that joins a cluster and sorts before
// its first member may move that cluster, as a whole. The strata are balanced
// by chance only.
func split(items []item, o Options) []Side {
	texts, prompts := make([]string, len(items)), make([]string, len(items))
	for i, it := range items {
		texts[i], prompts[i] = it.compare, strings.ToLower(strings.Join(strings.Fields(it.prompt), " "))
	}
	cluster := near.Clusters(texts, prompts)
	sides := make([]Side, len(items))
	lowest, lowestAt := 2.0, -1
	train, valid := 0, 0
	for i := range items {
		head := items[cluster[i]]
		u := float64(hash(o.Seed, "split", head.stratum+"\n"+head.key)>>11) / (1 << 53)
		sides[i] = Train
		if u < o.ValidShare {
			sides[i] = Valid
			valid++
		} else {
			train++
			if u < lowest {
				lowest, lowestAt = u, cluster[i]
			}
		}
	}
	// A set too small for chance to have picked one still needs its
	// validation loss: the cluster nearest to the border goes over.
	if valid == 0 && train > 1 && o.ValidShare > 0 {
		for i := range items {
			if cluster[i] == lowestAt {
				sides[i] = Valid
			}
		}
	}
	return sides
}

func (s *Set) place(it item, side Side) {
	for _, t := range it.texts {
		s.Stage1[side] = append(s.Stage1[side], chat.Text{Text: t})
		s.Lineage = append(s.Lineage, Lineage{Path(1, side), len(s.Stage1[side]), it.source})
	}
	for _, r := range it.rows {
		s.Stage2[side] = append(s.Stage2[side], r)
		s.Lineage = append(s.Lineage, Lineage{Path(2, side), len(s.Stage2[side]), it.source})
	}
}

func (s *Set) check(kept int, o Options) error {
	rows := func(side Side) int { return len(s.Stage1[side]) + len(s.Stage2[side]) }
	switch {
	case kept == 0 && len(s.Removed) > 0:
		return fault.Newf("the first: "+s.Removed[0].Source+": "+s.Removed[0].Reason, "the data set is empty: all %d sources were left out", len(s.Removed))
	case kept == 0:
		return fault.New("the data set is empty", "name folders with examples or source under data")
	case rows(Train) == 0 || rows(Valid) == 0 && o.ValidShare > 0:
		return fault.New("the data set is too small to split into train and valid", "add examples; a few dozen are the least that is of use")
	}
	return nil
}

// Path is the name of a training file inside the set's folder.
func Path(stage int, side Side) string { return fmt.Sprintf("stage%d/%s.jsonl", stage, side) }

// hash maps its arguments to a number that is the same everywhere.
func hash(seed int, purpose, text string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s", seed, purpose, text))
	return binary.BigEndian.Uint64(sum[:8])
}
