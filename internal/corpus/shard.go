package corpus

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/generation"
)

// The kind of a shard among the run folders, and the file with what became of its
// files.
const (
	ShardKind    = "corpus-shard"
	ExaminedFile = "examined.jsonl"
)

// Examined is a file that has gone through all rules that look at one file alone.
// It holds all that those that compare files need, and no text of a file that was
// set aside.
type Examined struct {
	content
	Rule    string                `json:"rule,omitempty"` // that set it aside
	Reason  string                `json:"reason,omitempty"`
	Line    int                   `json:"line,omitempty"`
	Text    string                `json:"text,omitempty"`
	Top     []int                 `json:"top,omitempty"`  // the numbers in the file of the text's first lines
	Lost    int                   `json:"lost,omitempty"` // how many lines the file has more
	Written generation.Generation `json:"written,omitempty"`
	Broken  bool                  `json:"broken,omitempty"`
	Changed []Changed             `json:"changed,omitempty"`
}

// Shard returns the part i of n, from 1, of the files: those whose sources' hashes
// say so. Every file is in one part, on whatever machine it is listed.
func (l Listing) Shard(i, n int) Listing {
	l.Files = slices.DeleteFunc(slices.Clone(l.Files), func(f Entry) bool {
		sum := sha256.Sum256([]byte(f.Source))
		return binary.BigEndian.Uint64(sum[:])%uint64(n) != uint64(i-1)
	})
	return l
}

// HashSources returns one hash over the sources alone, in hexadecimal.
func (l Listing) HashSources() string {
	list := make([]content, len(l.Files))
	for i, f := range l.Files {
		list[i].Source = f.Source
	}
	return hashContents(list)
}

// Examine carries out the rules that look at one file alone, and gives what became
// of each file, in their order.
func Examine(ctx context.Context, engine compile.Engine, l Listing, o Options, write func(Examined) error) error {
	contents, err := l.contents(ctx)
	if err != nil {
		return err
	}
	return examineAll(ctx, engine, l.Files, o, func(c *candidate) error {
		e := Examined{content: contents[0]}
		contents = contents[1:]
		if c.out.rule != "" {
			e.Rule, e.Reason, e.Line = c.out.rule, c.out.reason, c.out.line
		} else {
			e.Text, e.Top, e.Lost, e.Written, e.Broken, e.Changed = c.text(), c.header.kept, c.header.lost, c.written, c.broken, c.changed
		}
		return write(e)
	})
}

func (e *Examined) candidate() *candidate {
	return &candidate{
		source: e.Source, header: header{text: e.Text, kept: e.Top, lost: e.Lost}, changed: e.Changed, written: e.Written, broken: e.Broken,
		out: verdict{e.Rule, e.Reason, e.Line},
	}
}

// ReadShard returns what became of the files of a shard, in their order.
func ReadShard(dir string) ([]Examined, error) {
	return readLines[Examined](dir, ShardKind, ExaminedFile, "name a folder that bbjtune corpus build --shard has made")
}

// HashExamined is the hash that Listing.Hash gives of the files that were examined.
// It puts them into their order.
func HashExamined(files []Examined) string {
	slices.SortStableFunc(files, func(a, b Examined) int { return strings.Compare(a.Source, b.Source) })
	list := make([]content, len(files))
	for i, e := range files {
		list[i] = e.content
	}
	return hashContents(list)
}

// Join carries out the rules that compare the files, which are in the order of
// their sources, and makes the documents. The files of all shards give what Build
// gives.
func Join(ctx context.Context, files []Examined, maxCharacters int) (*Result, error) {
	j := newJoiner()
	for i := range files {
		if err := j.take(files[i].candidate()); err != nil {
			return nil, err
		}
	}
	return j.finish(ctx, maxCharacters)
}
