// Package clean mends a set of ChatML rows by named steps, each of which can be
// left out: it repairs text that says the same afterwards, and sets rows aside
// that it cannot repair. Nothing is lost: rows in are rows kept and rows removed,
// and every change is on record with what was there before. Cleaning what is
// clean changes nothing.
//
// The rows are read once, on all cores, and wait in a scratch space until it is
// known which of them are kept: of a row no more than hashes stay in memory.
//
// It must not know files, or how what it did is shown.
package clean

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"bbjtune/bbj/compile"
	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/stream"
)

// Options say what is held against the rows, and which steps are left out.
type Options struct {
	Skip    []string // names of steps
	HeldOut []audit.HeldOut
	// Progress hears of the bytes read so far; nil if nobody listens.
	Progress func(read int64)
}

// Input is a JSONL text. What is set aside is read from it a second time.
type Input struct {
	Name string // in errors
	Text io.ReaderAt
	Size int64
}

// Output is where everything goes: lines of rows, of [Removed] and of [Changed],
// all in the order of the input.
type Output struct {
	Kept, Removed, Changed io.Writer
	// Scratch is empty, and of no use afterwards.
	Scratch Scratch
}

// Scratch keeps what was written until it is read again.
type Scratch interface {
	io.Writer
	io.ReaderAt
}

// Removed is a line that was set aside.
type Removed struct {
	Line   int    `json:"line"`
	Step   string `json:"step"`
	Reason string `json:"reason"`
	Row    string `json:"row"`             // the line as it was
	Bytes  []byte `json:"bytes,omitempty"` // the same, where it is not UTF-8
}

// Changed is a message that a step repaired.
type Changed struct {
	Line    int       `json:"line"`
	Step    string    `json:"step"`
	Message int       `json:"message"` // of the row, from 1
	Role    chat.Role `json:"role"`
	Before  string    `json:"before"`
	After   string    `json:"after"`
}

// Counts say what became of a set. Lines are those that are not blank: the rows
// kept and the rows removed.
type Counts struct {
	Lines   int            `json:"lines"`
	Kept    int            `json:"kept"`
	Removed map[string]int `json:"removed"` // by step
	Changed map[string]int `json:"changed"` // messages, by step
}

// Row is a conversation with what else its line says.
type Row struct {
	chat.Row
	Others map[string]json.RawMessage
}

// MarshalJSON puts the messages first and the other keys after them, in order.
func (r Row) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"messages":`)
	if err := chat.NewEncoder(&b).Encode(r.Messages); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - 1) // the line end
	for _, key := range slices.Sorted(maps.Keys(r.Others)) {
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ",%s:%s", name, r.Others[key])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Clean mends the rows of a JSONL text.
func Clean(ctx context.Context, engine compile.Engine, in Input, out Output, o Options) (*Counts, error) {
	c := &cleaner{
		in: in, out: out, options: o,
		counts: Counts{Removed: map[string]int{}, Changed: map[string]int{}},
	}
	if err := c.read(ctx, engine); err != nil {
		return nil, err
	}
	if err := c.compare(); err != nil {
		return nil, err
	}
	if err := c.compareNear(); err != nil {
		return nil, err
	}
	if err := c.write(ctx); err != nil {
		return nil, err
	}
	return &c.counts, nil
}

type cleaner struct {
	in      Input
	out     Output
	options Options
	counts  Counts
	rows    []row
	spooled int64 // bytes in the scratch space
}

// row is what is remembered of a line.
type row struct {
	line           int
	offset         int64 // in the input
	size           int32
	at             int64 // in the scratch space; nothing is there of what is no row
	length         int32
	prompt, answer sum
	program        bool   // the answer holds BBj that must compile
	broken         string // why it does not
	removed        *removal
}

// removal is why a row is set aside.
type removal struct{ step, reason string }

// remove sets a row aside. The first reason stands.
func (r *row) remove(s Step, reason string, args ...any) {
	if r.removed == nil {
		r.removed = &removal{s.Name, fmt.Sprintf(reason, args...)}
	}
}

func (o Options) does(s Step) bool { return !slices.Contains(o.Skip, s.Name) }

// read looks at every line, writes what it repairs, and puts the rows into the
// scratch space.
func (c *cleaner) read(ctx context.Context, engine compile.Engine) error {
	m := &mender{options: c.options, engine: engine, held: audit.NewHeld(c.options.HeldOut)}
	var failed error
	err := stream.Lines(ctx, io.NewSectionReader(c.in.Text, 0, c.in.Size), c.options.Progress,
		func(lines []stream.Line) (*batch, error) { return m.work(ctx, lines) },
		func(b *batch) error {
			failed = c.take(b)
			return failed
		})
	if err != nil && failed == nil {
		return fault.Wrap(fmt.Errorf("%s: %w", c.in.Name, err), "a row is {\"messages\":[{\"role\":…,\"content\":…},…]} on one line")
	}
	return err
}

func (c *cleaner) take(b *batch) error {
	for i := range b.rows {
		b.rows[i].at += c.spooled
	}
	c.rows = append(c.rows, b.rows...)
	c.spooled += int64(b.kept.Len())
	for step, n := range b.repairs {
		c.counts.Changed[step] += n
	}
	if _, err := c.out.Scratch.Write(b.kept.Bytes()); err != nil {
		return err
	}
	_, err := c.out.Changed.Write(b.changed.Bytes())
	return err
}

// write puts every line where it belongs.
func (c *cleaner) write(ctx context.Context) error {
	removed := chat.NewEncoder(c.out.Removed)
	var text []byte
	for i := range c.rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := &c.rows[i]
		c.counts.Lines++
		var err error
		if r.removed == nil {
			c.counts.Kept++
			if text, err = fill(text, c.out.Scratch, r.at, r.length); err == nil {
				_, err = c.out.Kept.Write(text)
			}
		} else {
			c.counts.Removed[r.removed.step]++
			if text, err = fill(text, c.in.Text, r.offset, r.size); err != nil {
				return fmt.Errorf("%s: line %d: %w", c.in.Name, r.line, err)
			}
			err = removed.Encode(r.setAside(text))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
