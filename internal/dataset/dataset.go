// Package dataset turns examples, ChatML rows and raw source into the training
// files of the two stages, split without leakage: no row of training resembles
// one of validation, and what resembles an evaluation case stays out. The same
// input gives the same bytes, and rows of a file are never all in memory.
//
// It must not know models, tokens or where its files are kept.
package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"bbjtune/bbj/compile"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
)

// FormatVersion is raised when the same input would give other bytes.
const FormatVersion = 5

// Options say how the set is built.
type Options struct {
	Seed          int
	ValidShare    float64
	Phrasings     int
	SystemPrompts []string
	FIM           FIM
	// GeneralShare is the part of stage 1, in characters, that general code is
	// to make up; below 1.
	GeneralShare float64
}

// Raw is one source text for stage 1: a file, or what stands in one from a line on.
type Raw struct {
	Path string
	Line int // from 1
	Text string
	// Judged is set where somebody has decided before that the text may be trained
	// on though it may not compile.
	Judged bool
}

// RowFile is a JSONL file with a ChatML row a line, for stage 2. It is read
// several times.
type RowFile struct {
	Path string
	Data io.ReaderAt
	Size int64
}

// Input is what a set is built from.
type Input struct {
	Examples []*example.Example
	Rows     []RowFile
	Raw      []Raw
	// General are programs in other languages, against forgetting them.
	General []Raw
	// HeldOut are the texts of evaluation cases: prompts and references.
	HeldOut []HeldOut
	// LeftOut are files that were not even read, for the list of what is not in
	// the set.
	LeftOut []Removal
	// Progress hears how many bytes of the row files are read so far and how many
	// there are to read, where every reading counts; nil if nobody listens.
	Progress func(read, all int64)
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

// Set is the finished data: what goes into which file, and what does not.
type Set struct {
	Removed []Removal
	// Rows counts the rows of the row files, General the general files taken.
	Rows, General int

	options Options
	files   []RowFile
	records []record
	proof   Proof
	closest *closest
}

// record is one source that is in the set.
type record struct {
	item *item // a source that is in memory, or nil for a row of a file
	side Side
	u    float64  // from 0 to 1, decides the side
	key  [16]byte // of a row: the hash of what it says
	file int
	line int
	at   int64
	size int
}

// Build decides what is in the set and on which side. Sources that do not
// compile, that hold a token of the chat template, or that are near to a held-out
// text or contain it, are removed with a reason; so is one of two that resemble
// each other over the border of the split. The error says that no set can be made
// of what is left.
func Build(ctx context.Context, engine compile.Engine, in Input, o Options) (*Set, error) {
	b := newBuilder(engine, in, o)
	if err := b.readFiles(ctx); err != nil {
		return nil, err
	}
	b.addGeneral()
	if err := b.readRows(ctx); err != nil {
		return nil, err
	}
	b.sides()
	if err := b.separate(ctx); err != nil {
		return nil, err
	}
	s := b.set
	slices.SortStableFunc(s.Removed, func(a, b Removal) int {
		return cmp.Or(bySource(a.Source, b.Source), strings.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(s.records, s.byKey)
	return s, s.check(o)
}

// byKey puts sources into an order that theirs in the input does not show in.
func (s *Set) byKey(a, b record) int {
	switch {
	case a.item != nil && b.item != nil:
		return strings.Compare(a.item.source, b.item.source)
	case a.item != nil:
		return -1
	case b.item != nil:
		return 1
	}
	return cmp.Or(slices.Compare(a.key[:], b.key[:]), strings.Compare(s.source(a), s.source(b)))
}

// source names where a record comes from.
func (s *Set) source(r record) string {
	if r.item != nil {
		return r.item.source
	}
	return fmt.Sprintf("%s:%d", s.files[r.file].Path, r.line)
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

func (s *Set) check(o Options) error {
	setAside, sides := s.proof.SetAside, map[Side]int{}
	for _, r := range s.records {
		sides[r.side]++
	}
	kept := len(s.records)
	switch {
	case kept == 0 && len(s.Removed) > 0:
		return fault.Newf("the first: "+s.Removed[0].Source+": "+s.Removed[0].Reason, "the data set is empty: all %d sources were left out", len(s.Removed))
	case kept == 0:
		return fault.New("the data set is empty", "name folders with examples or source under data")
	case o.ValidShare > 0 && sides[Valid] == 0 && setAside > 0 || sides[Train] == 0 && setAside > 0:
		return fault.Newf("add sources that differ from those there are, or take out near-duplicates", "nothing is left on one side of the split: the %d sources resemble each other too much", kept+setAside)
	case sides[Train] == 0 || sides[Valid] == 0 && o.ValidShare > 0:
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
