// Package stream works on long lists in batches, on all cores, and hands the
// results on in the order of the list. What is in memory at a time is bounded
// however long the list is.
//
// It must not know what the lines of a file say.
package stream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Line is one line of a file that is not blank.
type Line struct {
	Number int    // from 1
	Offset int64  // of its text in the file, in bytes
	Text   []byte // without white space around it
}

// A batch is as many lines, or bytes of them, as a worker takes at once.
const (
	batchLines = 256
	batchBytes = 1 << 20
)

// MaxLine is the longest line that is read, in bytes.
const MaxLine = 16 << 20

// BOM may stand before the first line of a file.
const BOM = "\ufeff"

// Lines reads the lines of a file, works on batches of them on all cores, and
// hands each result to take, in the order of the lines and one after the other.
// Progress hears of the bytes read so far; nil if nobody listens. The first error
// ends it, as does the end of the context, even while a read from a pipe waits.
func Lines[T any](ctx context.Context, file io.Reader, progress func(read int64), work func([]Line) (T, error), take func(T) error) error {
	return Ordered(ctx, func(send func([]Line) error) error { return read(file, progress, send) }, work, take)
}

func read(file io.Reader, progress func(int64), send func([]Line) error) error {
	in := bufio.NewReaderSize(file, 1<<18)
	var batch []Line
	var offset int64
	size := 0
	for number := 1; ; number++ {
		text, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", number, err)
		}
		start := offset
		offset += int64(len(text))
		if number == 1 && bytes.HasPrefix(text, []byte(BOM)) {
			text, start = text[len(BOM):], start+int64(len(BOM))
		}
		plain := bytes.TrimLeft(text, blanks)
		start += int64(len(text) - len(plain))
		if plain = bytes.TrimRight(plain, blanks); len(plain) > 0 {
			batch, size = append(batch, Line{number, start, plain}), size+len(plain)
		}
		last := err != nil
		if len(batch) > 0 && (last || len(batch) == batchLines || size >= batchBytes) {
			if progress != nil {
				progress(offset)
			}
			if err := send(batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		if last {
			return nil
		}
	}
}

// blanks are what may stand around the value of a line.
const blanks = " \t\r\n\v\f"

// readLine returns the next line with its end, in memory of its own.
func readLine(in *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(text)+len(part) > MaxLine {
			return nil, fmt.Errorf("it is longer than %d MB", MaxLine>>20)
		}
		text = append(text, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, err
		}
	}
}

// Ordered works on what produce sends, on all cores, and hands each result to
// take in the order in which it was sent, one after the other. Produce runs at the
// same time as take and must end when send fails. When Ordered returns no work is
// under way any more; only produce may be, where a read from a pipe waits.
func Ordered[In, Out any](ctx context.Context, produce func(send func(In) error) error, work func(In) (Out, error), take func(Out) error) error {
	var working sync.WaitGroup
	defer working.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type job struct {
		in   In
		out  Out
		err  error
		done chan struct{}
	}
	cores := runtime.GOMAXPROCS(0)
	todo, order := make(chan *job), make(chan *job, 2*cores)
	end := make(chan error, 1)
	go func() {
		err := produce(func(in In) error {
			j := &job{in: in, done: make(chan struct{})}
			for _, c := range []chan *job{order, todo} {
				select {
				case c <- j:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		})
		close(todo)
		if err != nil {
			cancel(err)
		}
		end <- err
		close(order)
	}()
	for range cores {
		working.Go(func() {
			for {
				select {
				case j, ok := <-todo:
					if !ok {
						return
					}
					j.out, j.err = work(j.in)
					close(j.done)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for {
		select {
		case j, ok := <-order:
			if !ok {
				return <-end
			}
			select {
			case <-j.done:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if j.err != nil {
				return j.err
			}
			if err := take(j.out); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
