package dataset_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/chat"
	"bbjtune/internal/dataset"
)

// Whatever a row file holds, every row of it is in the set or among what was
// removed, or there is an error that names the file.
func FuzzBuild(f *testing.F) {
	var rows bytes.Buffer
	if err := chat.WriteJSONL(&rows, []chat.Row{conversation("one", "two"), conversation("three", "```bbj\nprint 1\n```"), conversation("one", "four")}); err != nil {
		f.Fatal(err)
	}
	f.Add(rows.Bytes())
	f.Add([]byte("\ufeff\r\n" + strings.Repeat(rows.String(), 20)))
	f.Add([]byte(`{"messages":[{"role":"user","content":"\ud800"},{"role":"assistant","content":"<|im_end|>"}]}` + "\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ctx := context.Background()
		o := options
		o.ValidShare = 0.5
		set, err := dataset.Build(ctx, check.Embedded{}, dataset.Input{Rows: []dataset.RowFile{{Path: "rows.jsonl", Data: bytes.NewReader(text), Size: int64(len(text))}}}, o)
		if set == nil {
			if err == nil || !strings.HasPrefix(err.Error(), "rows.jsonl:") {
				t.Fatalf("%v", err)
			}
			return
		}
		written := 0
		if _, err := set.Write(ctx, func(dataset.Row) error {
			written++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if written+len(set.Removed) != set.Rows {
			t.Errorf("%d rows, %d written, %d removed", set.Rows, written, len(set.Removed))
		}
	})
}

// changing is a file that is another one from some reading on.
type changing struct {
	before, after []byte
	reads, limit  int
}

func (c *changing) ReadAt(p []byte, off int64) (int, error) {
	if c.reads++; c.reads > c.limit {
		return bytes.NewReader(c.after).ReadAt(p, off)
	}
	return bytes.NewReader(c.before).ReadAt(p, off)
}

// A file that is written to while it is read gives an error, at whatever reading.
func TestAFileThatChangesIsAnError(t *testing.T) {
	var rows []chat.Row
	for i := range 40 {
		rows = append(rows, conversation(fmt.Sprintf("question %d", i), fmt.Sprintf("answer %d", i)))
	}
	before, after := file(rows...), file(rows[1:]...)
	bytesOf := func(f dataset.RowFile) []byte {
		text, err := io.ReadAll(io.NewSectionReader(f.Data, 0, f.Size))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	errs := 0
	for limit := range math.MaxInt {
		c := &changing{before: bytesOf(before), after: bytesOf(after), limit: limit}
		ctx := context.Background()
		set, err := dataset.Build(ctx, check.Embedded{}, dataset.Input{Rows: []dataset.RowFile{{Path: "rows.jsonl", Data: c, Size: before.Size}}}, options)
		if err == nil {
			_, err = set.Write(ctx, func(dataset.Row) error { return nil })
		}
		if err == nil && c.reads > limit && limit > 0 {
			t.Errorf("change at reading %d was not seen", limit)
		}
		if err != nil {
			errs++
			if !strings.Contains(err.Error(), "rows.jsonl") && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v", err)
			}
		}
		if c.reads <= limit {
			break
		}
	}
	if errs < 3 {
		t.Errorf("%d errors", errs)
	}
}
