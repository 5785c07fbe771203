package corpus

import (
	"regexp"
	"strings"
)

var (
	remark = regexp.MustCompile(`^(\s*(?:\d+\s+)?(?i:rem))((?:[^A-Za-z0-9_$%!\n].*)?)\n?$`)
	words  = regexp.MustCompile(`[A-Za-z0-9]`)

	// notice is a line that says whose a program is. A program that is about
	// copyrights or licences says the words, too, but not so.
	notice = regexp.MustCompile(`(?i)\bcopyright\s*(?:\(c\)|©|:|by\b|\d{4})|©|\ball rights reserved\b|\bspdx-|@(?:copyright|licen[cs]e)\b` +
		`|\(c\)\s*(?:19|20)\d\d|\(c\).*(?:<\S+@\S+>|\b(?:inc|ltd|llc|gmbh|corp|ag)\b)|\b(?-i:[Cc]opyright|COPYRIGHT)\s+(?-i:[A-Z])`)
	// terms is a line of what a licence says.
	terms = regexp.MustCompile(`(?i)\blicen[cs]ed (?:under|to you)\b|\bpermission is hereby granted\b|\bredistributions? (?:and use|of source|in binary)\b` +
		`|\b(?:general public|apache|mit|bsd|mozilla public|eclipse public) licen[cs]e\b|\bcopyright and licen[cs]e\b|\bthis software is (?:provided|distributed|licen[cs]ed)\b` +
		`|\bwithout warrant(?:y|ies)\b|\bprovided "?as.is\b|\bthis program is free software\b|\bunauthori[sz]ed (?:copying|use|reproduction|distribution)\b` +
		`|\b(?:proprietary|trade secret)\b.*\bof\b|\bproprietary and confidential\b|\babove copyright notice\b|\bsubject to the (?:terms|following conditions)\b`)
	sentenceEnd = regexp.MustCompile(`[.!]["')*/\s|]*$`)
)

// header is a text without the licence at its top.
type header struct {
	text  string
	taken string // the lines that were taken out
	line  int    // of the first of them
	kept  []int  // the line numbers of the lines of the top that are left
	lost  int    // how many lines there are fewer
}

// line is the line of the file that a line of the text is.
func (h header) fileLine(line int) int {
	if line >= 1 && line <= len(h.kept) {
		return h.kept[line-1]
	}
	return line + h.lost
}

// withoutLicence takes notices of copyright and licences out of the remarks at the
// top of a program, and leaves what those say of the program. A remark with a line
// number keeps the number, since a GOTO may lead there.
func withoutLicence(text string) header {
	lines := strings.SplitAfter(text, "\n")
	top := leading(lines)
	out := licenceLines(lines[:top])
	h := header{text: text}
	var rest, taken strings.Builder
	for i, line := range lines[:top] {
		if !out[i] {
			rest.WriteString(line)
			h.kept = append(h.kept, i+1)
			continue
		}
		if taken.Len() == 0 {
			h.line = i + 1
		}
		taken.WriteString(line)
		if m := remark.FindStringSubmatch(line); m != nil && words.MatchString(m[1][:len(m[1])-len("rem")]) {
			rest.WriteString(m[1] + "\n")
			h.kept = append(h.kept, i+1)
		}
	}
	if strings.TrimSpace(taken.String()) == "" {
		return header{text: text}
	}
	h.taken, h.lost = taken.String(), top-len(h.kept)
	h.text = rest.String() + strings.Join(lines[top:], "")
	return h
}

// leading counts the remarks and blank lines at the top. A remark that the next
// line continues is left alone.
func leading(lines []string) int {
	n := 0
	for n < len(lines) && (strings.TrimSpace(lines[n]) == "" && lines[n] != "" || remark.MatchString(lines[n])) {
		n++
	}
	if n < len(lines) && strings.HasPrefix(lines[n], ":") {
		return 0
	}
	return n
}

// said is what a remark says, or "" where it only draws a line.
func said(line string) string {
	m := remark.FindStringSubmatch(line)
	if m == nil || !words.MatchString(m[2]) {
		return ""
	}
	return m[2]
}

// licenceLines marks the lines that go.
func licenceLines(lines []string) []bool {
	out := make([]bool, len(lines)+1)
	within := false
	for from := 0; from < len(lines); from++ {
		to := from
		for to < len(lines) && said(lines[to]) != "" {
			to++
		}
		if from < to {
			within = markParagraph(lines[from:to], out[from:to], within)
		}
		from = to
	}
	for from := 0; from < len(lines); from++ {
		to := from
		for to < len(lines) && strings.TrimSpace(lines[to]) != "" {
			to++
		}
		markFrame(lines[from:to], out[from:to])
		from = to
	}
	for i := 0; i < len(lines) && (out[i] || strings.TrimSpace(lines[i]) == ""); i++ {
		out[i] = true // nothing stands above it
	}
	return out[:len(lines)]
}

// markParagraph marks notices, and the terms from their first line to the end of
// the sentence in the last; all of a paragraph with terms that follows another. It
// reports whether there were terms.
func markParagraph(lines []string, out []bool, within bool) bool {
	first, last := -1, -1
	for i, line := range lines {
		out[i] = notice.MatchString(line)
		if terms.MatchString(line) {
			last = i
			if first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return false
	}
	if within {
		first, last = 0, len(lines)-1
	}
	for last+1 < len(lines) && !sentenceEnd.MatchString(lines[last]) {
		last++
	}
	for i := first; i <= last; i++ {
		out[i] = true
	}
	return true
}

// markFrame marks what is left of remarks that stood around nothing but a licence.
func markFrame(lines []string, out []bool) {
	any := false
	for i, line := range lines {
		any = any || out[i]
		if !out[i] && said(line) != "" {
			return
		}
	}
	for i := range lines {
		out[i] = out[i] || any
	}
}
