// Package audit looks for what is wrong with a set of ChatML rows before it is
// trained on: rows that cannot be read, repetitions and contradictions, code
// that does not compile or stands in no fence, secrets, and rows that evaluation
// is measured with. It changes nothing.
//
// It must not know files, recipes or how its report is shown.
package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"bbjtune/bbj/compile"
	"bbjtune/internal/near"
)

// Options say what the rows are held against.
type Options struct {
	// Tokens counts the tokens of a text, and MaxTokens is the length that is
	// trained on; without both, nothing is said of truncation.
	Tokens    func(string) int
	MaxTokens int
	// HeldOut are the texts of evaluation cases.
	HeldOut []HeldOut
	// Progress hears of the bytes read so far; nil if nobody listens.
	Progress func(read int64)
}

type auditor struct {
	options Options
	engine  compile.Engine
	held    *Held
}

// batchSize is how many lines a worker takes at once.
const batchSize = 256

// BOM may stand before the first line of a file.
const BOM = "\ufeff"

// maxLine is the longest line that is read, in bytes: a longer one is no row.
const maxLine = 16 << 20

// Audit reads a JSONL file and reports on its rows. The report does not depend on
// the number of cores.
func Audit(ctx context.Context, engine compile.Engine, file io.Reader, o Options) (*Report, error) {
	a := &auditor{options: o, engine: engine, held: NewHeld(o.HeldOut)}
	rows, err := a.rows(ctx, file)
	if err != nil {
		return nil, err
	}
	compareRows(rows)
	return summarize(rows), nil
}

type line struct {
	number int
	text   []byte
}

type batch struct {
	index int
	lines []line
	rows  []row
}

// rows looks at every line that is not blank, on all cores, and keeps the order.
func (a *auditor) rows(ctx context.Context, file io.Reader) ([]row, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo, done := make(chan batch), make(chan batch)
	go func() {
		defer close(todo)
		if err := a.read(ctx, file, todo); err != nil {
			cancel(err)
		}
	}()
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for b := range todo {
				if err := a.work(ctx, &b); err != nil {
					cancel(err)
				}
				done <- b
			}
		})
	}
	go func() {
		workers.Wait()
		close(done)
	}()
	var batches []batch
	for b := range done {
		batches = append(batches, b)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(batches, func(x, y batch) int { return cmp.Compare(x.index, y.index) })
	var rows []row
	for _, b := range batches {
		rows = append(rows, b.rows...)
	}
	return rows, nil
}

// read cuts the file into batches of lines.
func (a *auditor) read(ctx context.Context, file io.Reader, todo chan<- batch) error {
	scanner := bufio.NewScanner(file)
	scanner.Buffer(make([]byte, 1<<16), maxLine)
	b := batch{}
	send := func() error {
		select {
		case todo <- b:
			b = batch{index: b.index + 1}
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	var read int64
	number := 0
	for scanner.Scan() {
		number++
		read += int64(len(scanner.Bytes())) + 1
		text := scanner.Bytes()
		if number == 1 {
			text = bytes.TrimPrefix(text, []byte(BOM))
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		b.lines = append(b.lines, line{number, bytes.Clone(text)})
		if len(b.lines) == batchSize {
			if a.options.Progress != nil {
				a.options.Progress(read)
			}
			if err := send(); err != nil {
				return err
			}
		}
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than %d MB", number+1, maxLine>>20)
	} else if err != nil {
		return err
	}
	return send()
}

// work looks at the lines of a batch and compiles all of their code at once.
func (a *auditor) work(ctx context.Context, b *batch) error {
	var sources []compile.Source
	for _, l := range b.lines {
		r := a.look(l.number, l.text)
		sources = append(sources, r.code...)
		b.rows = append(b.rows, r)
	}
	b.lines = nil
	verdicts, err := a.engine.Compile(ctx, sources)
	if err != nil {
		return err
	}
	for i := range b.rows {
		n := len(b.rows[i].code)
		b.rows[i].judge(verdicts[:n])
		verdicts = verdicts[n:]
	}
	return nil
}

// compareRows finds repeated and nearly repeated prompts, and the one system
// prompt.
func compareRows(rows []row) {
	byPrompt := map[sum][]int{}
	systems := map[sum]int{}
	valid := 0
	for i, r := range rows {
		if r.valid {
			byPrompt[r.prompt] = append(byPrompt[r.prompt], i)
			systems[r.system]++
			valid++
		}
	}
	first := make([]string, len(rows)) // the text of each prompt once
	for i := range rows {
		same := byPrompt[rows[i].prompt]
		if !rows[i].valid {
			continue
		}
		if same[0] == i {
			first[i] = rows[i].question
		}
		if len(same) > 1 && same[0] == i {
			compareAnswers(rows, same)
		}
	}
	for i, head := range near.Clusters(first) {
		if first[i] != "" && head != i {
			rows[i].find(NearPrompt, "like line %d", rows[head].line)
		}
	}
	if len(systems) == 1 && valid > 1 {
		if i := slices.IndexFunc(rows, func(r row) bool { return r.valid && r.hasSystem }); i >= 0 {
			rows[i].find(OneSystem, "%d rows", valid)
		}
	}
}

// compareAnswers says of rows with the same prompt how their answers compare.
func compareAnswers(rows []row, same []int) {
	kind := Repeated
	if slices.ContainsFunc(same, func(j int) bool { return rows[j].answer != rows[same[0]].answer }) {
		kind = Conflict
	}
	for n, i := range same {
		other := same[0]
		if n == 0 {
			other = same[1]
		}
		rows[i].find(kind, "as line %d; %d rows have this prompt", rows[other].line, len(same))
	}
}
