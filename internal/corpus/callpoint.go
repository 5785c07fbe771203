package corpus

import (
	"bytes"
	"regexp"
	"strings"
)

// A callpoint file (.cdf) holds pieces of BBj, each under a line that names the
// table and the event, [[TABLE.EVENT]], and lines #include NAME. Barista puts the
// pieces into a program with labels of its own. They stay as people wrote them;
// only to read them as BBj are those lines made blank.
var (
	callpointHead = regexp.MustCompile(`^\[\[[^\]]*\]\]\s*$`)
	includeLine   = regexp.MustCompile(`^(?i)\s*#include\b`)
)

// isCallpoints reports whether the first line that is not blank is the head of a
// callpoint.
func isCallpoints(text string) bool {
	first, _, _ := strings.Cut(strings.TrimLeft(text, " \t\n"), "\n")
	return callpointHead.MatchString(first)
}

// program is a text as BBj: of callpoints without the lines that are none, with
// every byte at its place.
func program(text string) []byte {
	out := []byte(text)
	if !isCallpoints(text) {
		return out
	}
	for line := range bytes.Lines(out) {
		if callpointHead.Match(line) || includeLine.Match(line) {
			for i, c := range line {
				if c != '\n' {
					line[i] = ' '
				}
			}
		}
	}
	return out
}

// body is a part of a text that is a program for itself.
type body struct {
	code  []byte
	above int // how many lines of the text stand above it
}

// bodies are the programs of a text: its callpoints, or the text itself.
func bodies(text string) []body {
	code := program(text)
	if !isCallpoints(text) {
		return []body{{code: code}}
	}
	var list []body
	at, line := 0, 0
	for l := range strings.Lines(text) {
		if callpointHead.MatchString(l) || len(list) == 0 {
			list = append(list, body{above: line})
		}
		last := &list[len(list)-1]
		last.code = append(last.code, code[at:at+len(l)]...)
		at, line = at+len(l), line+1
	}
	return list
}
