package cpl

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// read gives the output to a reader of two files in pieces of the size, and
// shows what it made of it.
func read(output string, size int) string {
	r := newReports("word", 2)
	for part := range slices.Chunk([]byte(output), size) {
		r.Write(part)
	}
	return fmt.Sprint(r.lacking(), r.lines)
}

func TestReports(t *testing.T) {
	const end = "/tmp/x/word-1.bbj: error at line 10 (1):     x=)(\n"
	tests := []struct{ name, output, want string }{
		{"nothing", "", "ended without a report on the last file of its list[[] []]"},
		{"the control program alone", end, "[[] [1]]"},
		{"without an end of line", strings.TrimSpace(end), "[[] [1]]"},
		{"CRLF and blank lines", "\r\n" + strings.ReplaceAll(end, "\n", "\r\n") + " \t\r\n", "[[] [1]]"},
		{"own line number", "word-0.bbj: error at line 7 (123):\n" + end, "[[123] [1]]"},
		{"Windows", `C:\a b\word-0.bbj: error at line 7 (3): x` + "\n" + end, "[[3] [1]]"},
		{"line 0", "word-0.bbj: error at line 0 (0):\n" + end, "[[0] [1]]"},
		{"source line below", "word-0.bbj: error at line 70 (7):\n\t goto\n" + end, "[[7] [1]]"},
		{"indented, but below nothing", "  goto\n" + end, "wrote what is no report:   goto[[] [1]]"},
		{"another file", "sword-0.bbj: error at line 7 (3): x\n" + end, "wrote what is no report: sword-0.bbj: error at line 7 (3): x[[] [1]]"},
		{"number of no file", "word-2.bbj: error at line 7 (3): x\n" + end, "wrote what is no report: word-2.bbj: error at line 7 (3): x[[] [1]]"},
		{"number too large", "word-0.bbj: error at line 7 (99999999999999999999): x\n" + end, "wrote what is no report: word-0.bbj: error at line 7 (99999999999999999999): x[[] [1]]"},
		{"a word before", "warning: word-0.bbj: error at line 7 (3): x\n" + end, "wrote what is no report: warning: word-0.bbj: error at line 7 (3): x[[] [1]]"},
		{"the first noise", "one\ntwo\n" + end, "wrote what is no report: one[[] [1]]"},
		{"control characters", "a\x1b[2Jb\xffc\u202ed\n" + end, "wrote what is no report: a�[2Jb�c�d[[] [1]]"},
		{"long noise", strings.Repeat("ä", 1000) + "\n" + end, "wrote what is no report: " + strings.Repeat("ä", 79) + "…[[] [1]]"},
		{"long source line", "word-0.bbj: error at line 10 (1): " + strings.Repeat("x", 1<<20) + "\n" + end, "[[1] [1]]"},
		{"Java's options", "Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nNOTE: Picked up JDK_JAVA_OPTIONS: -Xmx1g\n" + end, "[[] [1]]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 7, 1 << 21} {
				if got := read(tt.output, size); got != tt.want {
					t.Errorf("in pieces of %d: got %q, want %q", size, got, tt.want)
				}
			}
		})
	}
}

func TestReportsAreBounded(t *testing.T) {
	r := newReports("word", 1)
	for range 2 {
		r.Write(make([]byte, maxOutput/2+1))
	}
	select {
	case <-r.full:
	default:
		t.Error("not full")
	}
	if n, err := r.Write([]byte("more")); n != 4 || err != nil || cap(r.line) > 2*maxReport {
		t.Errorf("%d, %v, %d bytes kept", n, err, cap(r.line))
	}
}

// Whatever the compiler writes, in whatever pieces, is read the same way, and
// what is said about it is fit to be shown.
func FuzzReports(f *testing.F) {
	f.Add("/tmp/word-0.bbj: error at line 10 (1):     x=)(\n  x\n", 3)
	f.Add("word-1.bbj: error at line 10 (0):\r\n\xff\x00\nPicked up X: y", 1)
	f.Fuzz(func(t *testing.T, output string, size int) {
		size = min(max(1, size), 1<<16)
		whole := read(output, max(1, len(output)))
		if parts := read(output, size); parts != whole {
			t.Errorf("whole %q, in pieces of %d %q", whole, size, parts)
		}
		if strings.ContainsAny(whole, "\x1b\r\n\x00\u009b\u202e") {
			t.Errorf("not fit to be shown: %q", whole)
		}
	})
}
