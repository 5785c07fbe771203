package suite

import "strings"

// Gap stands in a prompt where the answer belongs.
const Gap = "rem >>> your lines go here <<<"

// Question is what the model is asked: the prompt and, where the case has a
// prefix or a suffix, the program with its gap.
func (c *Case) Question() string {
	switch {
	case c.Type == Fact:
		return c.Prompt + "\n\nAnswer in one short sentence."
	case c.Prefix+c.Suffix == "":
		return c.Prompt
	}
	return c.Prompt + "\n\n```bbj\n" + c.Prefix + Gap + "\n" + c.Suffix + "```\n\n" +
		"Write only the lines that belong in the place of the remark `" + Gap + "`."
}

// Program puts the code of an answer into the case's gap. An answer that repeats
// lines next to the gap, down to the whole program, is taken for what it adds; one
// that begins the program anew, or brings it to its end, is not preceded or
// followed by it once more. Blank lines, remarks, the case of letters and white
// space make no difference to that.
func (c *Case) Program(code string) string {
	if code == "" || c.Prefix+c.Suffix == "" {
		return code
	}
	prefix, suffix, lines := bearing(c.Prefix), bearing(c.Suffix), strings.Split(code, "\n")
	before, after := c.Prefix, c.Suffix
	own := bearing(code)
	switch n := repeated(prefix, own); {
	case n > 0:
		lines = lines[own[n-1].at+1:]
	case begins(prefix, own):
		before = ""
	}
	own = bearing(strings.Join(lines, "\n"))
	switch n := repeated(own, suffix); {
	case n > 0:
		lines = lines[:own[len(own)-n].at]
	case ends(suffix, own):
		after = ""
	}
	var b strings.Builder
	b.WriteString(before)
	for _, line := range lines {
		if !strings.EqualFold(strings.TrimSpace(line), Gap) {
			b.WriteString(line + "\n")
		}
	}
	b.WriteString(after)
	return strings.TrimRight(b.String(), "\n")
}

// line is a line that does something, in the form in which lines are compared, and
// its place in the text.
type line struct {
	text string
	at   int
}

// bearing lists the lines of a program that are neither blank nor a remark.
func bearing(code string) (list []line) {
	for i, text := range strings.Split(code, "\n") {
		words := strings.Fields(strings.ToLower(text))
		if len(words) > 0 && !isRemark(words[0]) {
			list = append(list, line{strings.Join(words, ""), i})
		}
	}
	return list
}

// isRemark is told from the first word of a line, in small letters: rem, and also
// rem***, but not a name such as remark$.
func isRemark(word string) bool {
	rest, ok := strings.CutPrefix(word, "rem")
	return ok && (rest == "" || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_", rune(rest[0])))
}

// repeated is how many lines at the end of a stand at the start of b as well.
func repeated(a, b []line) int {
	for n := min(len(a), len(b)); n > 0; n-- {
		same := true
		for i := range n {
			same = same && a[len(a)-n+i].text == b[i].text
		}
		if same {
			return n
		}
	}
	return 0
}

func begins(prefix, own []line) bool {
	return len(prefix) > 0 && len(own) > 0 && prefix[0].text == own[0].text
}

func ends(suffix, own []line) bool {
	return len(suffix) > 0 && len(own) > 0 && suffix[len(suffix)-1].text == own[len(own)-1].text
}

// Bare is an answer without its fence lines.
func Bare(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "```") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
