package cpl

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

const (
	// maxOutput is what the compiler may write in one run.
	maxOutput = 64 << 20
	// maxReport is how much of a line is kept. The path and the numbers that
	// stand at its start are far shorter.
	maxReport = 8 << 10
)

// reports reads what the compiler writes on standard error, as it comes, and
// keeps the numbers alone.
type reports struct {
	form  *regexp.Regexp
	lines [][]int // of each file, as reported; the last is the control program
	noise string  // the first line that belongs to no file

	line   []byte // the start of the line that is being written
	echo   bool   // the line before belongs to a file
	size   int
	closed bool
	full   chan struct{} // closed when maxOutput is passed
}

// newReports returns the reader of a run with so many files, whose names are the
// word, a dash and the number of the file.
func newReports(word string, files int) *reports {
	return &reports{
		form:  regexp.MustCompile(`^(?:.*[/\\])?` + word + `-(\d+)\.bbj: error at line \d+ \((\d+)\):`),
		lines: make([][]int, files),
		full:  make(chan struct{}),
	}
}

// Write implements [io.Writer]. It never fails, so that the compiler does not
// end for another reason than that it was ended.
func (r *reports) Write(p []byte) (int, error) {
	n := len(p)
	if r.size += n; r.size > maxOutput {
		if !r.closed {
			r.closed = true
			close(r.full)
		}
		return n, nil
	}
	for {
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		r.line = append(r.line, part[:min(len(part), maxReport-len(r.line))]...)
		if end < 0 {
			return n, nil
		}
		r.take()
		p = p[end+1:]
	}
}

// take reads one line: a report, the rest of one, or noise.
func (r *reports) take() {
	line := bytes.TrimRight(r.line, " \t\r")
	r.line = r.line[:0]
	file, number, ok := r.read(line)
	switch {
	case ok:
		r.lines[file] = append(r.lines[file], number)
		r.echo = true
	case len(line) == 0, javaSays.Match(line):
	case r.echo && (line[0] == ' ' || line[0] == '\t'):
		// The source line of the report above, on a line of its own.
	default:
		r.echo = false
		if r.noise == "" {
			r.noise = printable(line)
		}
	}
}

// javaSays matches what a Java machine says when the environment gives it
// options.
var javaSays = regexp.MustCompile(`^(NOTE: )?Picked up \w+: `)

// read returns the file and the line of a report.
func (r *reports) read(text []byte) (file, line int, ok bool) {
	m := r.form.FindSubmatch(text)
	if m == nil {
		return 0, 0, false
	}
	file, err := strconv.Atoi(string(m[1]))
	if err != nil || file >= len(r.lines) {
		return 0, 0, false
	}
	line, err = strconv.Atoi(string(m[2]))
	return file, line, err == nil
}

// lacking says what keeps the output from being trusted, if anything does. The
// process must have ended.
func (r *reports) lacking() string {
	if len(r.line) > 0 {
		r.take()
	}
	switch {
	case r.noise != "":
		return "wrote what is no report: " + r.noise
	case len(r.lines[len(r.lines)-1]) == 0:
		return "ended without a report on the last file of its list"
	}
	return ""
}

// printable makes text of the compiler fit for a message: short, and without
// control characters.
func printable(line []byte) string {
	clean := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, strings.ToValidUTF8(string(line), "�")))
	if len(clean) > 80 {
		return string(clean[:79]) + "…"
	}
	return string(clean)
}
