package audit

import (
	"iter"
	"regexp"
	"slices"
	"strings"
)

// quote is a quotation mark, or one that is escaped, as in a line that cannot be
// read.
const quote = `\\*"`

// secrets are the shapes of keys and passwords. A text without one of the hints, in
// small letters, need not be searched for the shape: most texts have none.
var secrets = []struct {
	hints []string
	shape *regexp.Regexp
}{
	{[]string{"private key-----"}, regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)`)},
	{[]string{"akia"}, regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`)},
	{[]string{"sk-", "rk-"}, regexp.MustCompile(`\b(?:sk|rk)-(?:[a-z]+[0-9]*-)*[A-Za-z0-9_-]{20,}`)},
	{[]string{"k_live_", "k_test_"}, regexp.MustCompile(`\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}\b`)},
	{[]string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}, regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{30,}\b`)},
	{[]string{"passw", "pwd", "secret", "api"}, regexp.MustCompile(`(?i)\b(?:password|passwd|pwd|secret|api_?key)\w*[$!]?(?:` + quote + `)?\s*[=:]\s*` + quote + `[^"\s]{4,}(?:"|$)`)},
	{[]string{"password=", "pwd="}, regexp.MustCompile(`(?i)[,;"](?:password|pwd)=[^",;\s]{4,}`)},
}

// placeholder is what stands for a password that nobody has.
var placeholder = regexp.MustCompile(`(?i)"(?:your|my)?[-_ ]?(?:password|secret|change[-_ ]?me|x+|\*+|<[^>]*>|\.\.\.|key|api[-_]?key)[-_ ]?(?:here)?\\*"|(?i)=(?:password|secret|x+|\*+|<[^>]*>)$`)

// HasSecret reports whether a text holds what looks like a key or a password.
func HasSecret(text string) bool {
	for shape := range likely(text) {
		for _, found := range shape.FindAllString(text, -1) {
			if !placeholder.MatchString(found) {
				return true
			}
		}
	}
	return false
}

// likely yields the shapes of secrets that a text may hold.
func likely(text string) iter.Seq[*regexp.Regexp] {
	small := strings.ToLower(text)
	return func(yield func(*regexp.Regexp) bool) {
		for _, s := range secrets {
			if slices.ContainsFunc(s.hints, func(hint string) bool { return strings.Contains(small, hint) }) && !yield(s.shape) {
				return
			}
		}
	}
}

var (
	address = regexp.MustCompile(`\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b`)
	nobody  = regexp.MustCompile(`(?i)@(?:[\w-]+\.)*example\.(?:com|org|net)$|@(?:[\w-]+\.)*(?:test|invalid|localhost)$`)
)

// personIn reports whether a text holds an e-mail address that may be
// somebody's.
func personIn(text string) bool {
	if !strings.Contains(text, "@") {
		return false
	}
	for _, at := range address.FindAllStringIndex(text, -1) {
		found := text[at[0]:at[1]]
		if !nobody.MatchString(found) && !strings.HasPrefix(found, "git@") && !strings.HasSuffix(text[:at[0]], "//") {
			return true
		}
	}
	return false
}

// What stands in the place of what a report must not show.
const (
	secretMask = "[secret]"
	personMask = "[e-mail address]"
)

// mask takes keys, passwords and addresses out of a text, and keeps its lines.
func mask(text string) string {
	for shape := range likely(text) {
		text = shape.ReplaceAllStringFunc(text, func(found string) string {
			if placeholder.MatchString(found) {
				return found
			}
			return secretMask + strings.Repeat("\n", strings.Count(found, "\n"))
		})
	}
	return address.ReplaceAllStringFunc(text, func(found string) string {
		if nobody.MatchString(found) {
			return found
		}
		return personMask
	})
}
