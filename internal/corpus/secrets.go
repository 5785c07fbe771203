package corpus

import (
	"regexp"
	"slices"
	"strings"

	"bbjtune/internal/audit"
)

// Secrets says what becomes of a file that holds what looks like a key or a
// password.
type Secrets string

// What may become of it.
const (
	SetAside Secrets = "set-aside"
	Mask     Secrets = "mask"
	Keep     Secrets = "keep"
)

// secretLines are the lines with a secret, counted from 1.
func secretLines(text string) []int {
	var found []int
	n := 0
	for line := range strings.Lines(text) {
		n++
		if hasSecret(line) {
			found = append(found, n)
		}
	}
	return found
}

// hasSecret reports whether a line of BBj holds a secret. Where a value comes from
// the program, as in "password="+pw$+";", there is none.
func hasSecret(line string) bool {
	if !remark.MatchString(line) {
		line = stringLit.ReplaceAllStringFunc(line, func(s string) string {
			if openValue.MatchString(s) {
				return `""`
			}
			return s
		})
	}
	return audit.HasSecret(line) || givenAway(line)
}

// givenAway reports whether a password stands where only BBj source has one: behind
// the user's name in a call, in the address of a database, in a variable whose name
// says whose it is. Of the last it takes what has a digit: others are labels of
// fields mostly.
func givenAway(line string) bool {
	isPassword := func(value string) bool { return audit.HasSecret(`password="` + value + `"`) }
	for _, m := range slices.Concat(loggedIn.FindAllStringSubmatch(line, -1), inAddress.FindAllStringSubmatch(line, -1)) {
		if isPassword(m[1]) {
			return true
		}
	}
	for _, m := range someones.FindAllStringSubmatch(line, -1) {
		if strings.ContainsAny(m[1], "0123456789") && isPassword(m[1]) {
			return true
		}
	}
	return false
}

var (
	loggedIn  = regexp.MustCompile(`(?i)\b(?:get(?:BBj)?Admin|killSession|\w*Credentials)\s*\((?:[^()";]|\([^()"]*\))*(?:"[^"]*"\s*,\s*)+"([^"\s]+)"`)
	inAddress = regexp.MustCompile(`(?i)[?&](?:password|pwd)=([^"&\s]+)`)
	someones  = regexp.MustCompile(`(?i)\w_?(?:password|passwd|pwd)[$!]?\s*=\s*"([^"\s]+)"`)
)

var (
	stringLit = regexp.MustCompile(`"[^"\n]*"`)
	openValue = regexp.MustCompile(`[=:]\s*"$`)
)

// mask stands for a secret. It is one that the search for them knows.
const mask = "<secret>"

// What a secret may be, the narrowest first: a word of many characters, the value
// of a name in a connection string, a whole string.
var maskable = []*regexp.Regexp{
	regexp.MustCompile(`()([A-Za-z0-9_-]{16,})()`),
	regexp.MustCompile(`(?i)((?:password|pwd)=)([^",;\s]+)()`),
	regexp.MustCompile(`(")([^"]+)(")`),
}

// masked puts the mask into the place of every secret of a text. ok is false where
// one is left that cannot be told from what stands around it.
func masked(text string) (out string, ok bool) {
	var b strings.Builder
	ok = true
	for line := range strings.Lines(text) {
		if hasSecret(line) {
			line = maskLine(line)
			ok = ok && !hasSecret(line)
		}
		b.WriteString(line)
	}
	return b.String(), ok
}

// maxMasked is the longest line in which secrets are told from the rest.
const maxMasked = 10_000

func maskLine(line string) string {
	if len(line) > maxMasked {
		return line
	}
	for _, form := range maskable {
		if next := maskForm(line, form); !hasSecret(next) {
			return next
		}
	}
	return line
}

// maskForm masks those parts of one form that are secrets: with all others masked
// the line still holds one.
func maskForm(line string, form *regexp.Regexp) string {
	at := form.FindAllStringSubmatchIndex(line, -1)
	with := func(hide func(i int) bool) string {
		var b strings.Builder
		end := 0
		for i, m := range at {
			if hide(i) {
				b.WriteString(line[end:m[4]] + mask)
				end = m[5]
			}
		}
		return b.String() + line[end:]
	}
	secret := make([]bool, len(at))
	for i := range at {
		secret[i] = hasSecret(with(func(j int) bool { return j != i }))
	}
	return with(func(i int) bool { return secret[i] })
}
