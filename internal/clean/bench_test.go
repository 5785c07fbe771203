package clean_test

import (
	"bytes"
	"io"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/audit/audittest"
	"bbjtune/internal/clean"
)

func BenchmarkClean(b *testing.B) {
	text := []byte(jsonl(b, audittest.Generate(3)))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		in := clean.Input{Name: "rows", Text: bytes.NewReader(text), Size: int64(len(text))}
		out := clean.Output{Kept: io.Discard, Removed: io.Discard, Changed: io.Discard, Scratch: &memory{}}
		if _, err := clean.Clean(b.Context(), check.Embedded{}, in, out, clean.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
