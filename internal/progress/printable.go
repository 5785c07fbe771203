package progress

import (
	"bytes"
	"io"
	"strings"

	"bbjtune/internal/printable"
)

// Printable replaces what could command a terminal or reorder its text.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if printable.Dangerous(r) {
			return '�'
		}
		return r
	}, s)
}

// maxLine bounds what is kept of a line that does not end.
const maxLine = 1 << 16

// PrintableWriter returns a writer that passes on whole lines, each made
// printable. A carriage return ends a line too: bars of other programs become
// lines. What has no end yet is kept back.
func PrintableWriter(w io.Writer) io.Writer { return &lines{w: w} }

type lines struct {
	w    io.Writer
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexAny(l.rest, "\r\n")
		if end < 0 && len(l.rest) < maxLine {
			return len(p), nil
		}
		next := end + 1
		if end < 0 {
			end, next = len(l.rest), len(l.rest)
		}
		if end > 0 {
			if _, err := io.WriteString(l.w, Printable(string(l.rest[:end]))+"\n"); err != nil {
				return 0, err
			}
		}
		l.rest = l.rest[next:]
	}
}
