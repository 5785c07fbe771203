package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bbjtune/internal/stream"
)

// lines returns what Lines reads, as number, offset and text.
func lines(t *testing.T, text string) ([]string, error) {
	t.Helper()
	var list []string
	err := stream.Lines(context.Background(), strings.NewReader(text), nil, func(batch []stream.Line) ([]string, error) {
		var out []string
		for _, l := range batch {
			if got := text[l.Offset : int(l.Offset)+len(l.Text)]; got != string(l.Text) {
				t.Errorf("line %d: at offset %d stands %q, not %q", l.Number, l.Offset, got, l.Text)
			}
			out = append(out, fmt.Sprintf("%d %s", l.Number, l.Text))
		}
		return out, nil
	}, func(out []string) error {
		list = append(list, out...)
		return nil
	})
	return list, err
}

func TestLines(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"none", "", ""},
		{"blank", "\n \r\n\t\n", ""},
		{"no end", "a\nb", "1 a|2 b"},
		{"bom and crlf", "\ufeffa\r\n\r\nb\r\n", "1 a|3 b"},
		{"blanks around", "  a b \n\n  c", "1 a b|3 c"},
	}
	for _, c := range cases {
		got, err := lines(t, c.text)
		if err != nil || strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestLinesKeepTheirOrder(t *testing.T) {
	var text strings.Builder
	var want []string
	for i := range 20000 {
		fmt.Fprintf(&text, "%s%d\n", strings.Repeat("x", i%97), i)
		want = append(want, fmt.Sprintf("%d %s%d", i+1, strings.Repeat("x", i%97), i))
	}
	got, err := lines(t, text.String())
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d lines, %v", len(got), err)
	}
}

func TestLongLines(t *testing.T) {
	if got, err := lines(t, "a\n"+strings.Repeat("x", stream.MaxLine-1)+"\nb\n"); err != nil || len(got) != 3 {
		t.Errorf("%d lines, %v", len(got), err)
	}
	_, err := lines(t, "a\n"+strings.Repeat("x", stream.MaxLine+1)+"\nb\n")
	if err == nil || err.Error() != "line 2: it is longer than 16 MB" {
		t.Errorf("a line that is too long: %v", err)
	}
}

// broken fails after its text.
type broken struct{ io.Reader }

var errDisk = errors.New("the disk is gone")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errDisk
	}
	return n, err
}

func TestErrorsEndIt(t *testing.T) {
	ctx := context.Background()
	text := strings.Repeat("a line\n", 100000)
	pass := func(b []stream.Line) (int, error) { return len(b), nil }
	ignore := func(int) error { return nil }
	fail := errors.New("no")
	if err := stream.Lines(ctx, broken{strings.NewReader(text)}, nil, pass, ignore); !errors.Is(err, errDisk) {
		t.Errorf("reading: %v", err)
	}
	if err := stream.Lines(ctx, strings.NewReader(text), nil, func(b []stream.Line) (int, error) {
		if b[0].Number > 5000 {
			return 0, fail
		}
		return 1, nil
	}, ignore); !errors.Is(err, fail) {
		t.Errorf("working: %v", err)
	}
	taken := 0
	if err := stream.Lines(ctx, strings.NewReader(text), nil, pass, func(n int) error {
		if taken += n; taken > 3000 {
			return fail
		}
		return nil
	}); !errors.Is(err, fail) || taken > 3000+256 {
		t.Errorf("taking: %v after %d", err, taken)
	}
}

// What work uses may be changed or closed as soon as the list has ended, be it by an
// error.
func TestNoWorkGoesOnAfterTheEnd(t *testing.T) {
	fail := errors.New("no")
	for range 50 {
		var under atomic.Int32
		err := stream.Ordered(context.Background(), func(send func(int) error) error {
			for i := range 100 {
				if err := send(i); err != nil {
					return err
				}
			}
			return nil
		}, func(i int) (int, error) {
			under.Add(1)
			defer under.Add(-1)
			if i > 0 {
				time.Sleep(2 * time.Millisecond)
			}
			return i, nil
		}, func(int) error { return fail })
		if n := under.Load(); n > 0 || !errors.Is(err, fail) {
			t.Fatalf("%d are under way, %v", n, err)
		}
	}
}

// A pipe that nobody writes to must not keep the program from ending.
func TestInterruptWhileAReadWaits(t *testing.T) {
	in, _ := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	err := stream.Lines(ctx, in, nil, func([]stream.Line) (int, error) { return 0, nil }, func(int) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestProgress(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789\n"), 5000)
	var last int64
	err := stream.Lines(context.Background(), bytes.NewReader(text), func(n int64) {
		if n < last {
			t.Errorf("%d after %d", n, last)
		}
		last = n
	}, func([]stream.Line) (int, error) { return 0, nil }, func(int) error { return nil })
	if err != nil || last != int64(len(text)) {
		t.Errorf("read %d of %d, %v", last, len(text), err)
	}
}
