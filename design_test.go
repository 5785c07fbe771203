package bbjtune_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each decision has a page in one form, which the index links, with something that
// was measured or is not said to be.
func TestDesignPages(t *testing.T) {
	index, err := os.ReadFile("docs/design/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/design/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatal(pages, err)
	}
	form := regexp.MustCompile(`^# .+\n\n## What\n\n(?s:.+)\n## Why\n\n(?s:.+)\n## What else was tried or looked at\n\n\| instead \| what was found \|\n\| --- \| --- \|\n(?s:(.+))\n\nMore: `)
	for _, page := range pages {
		name := filepath.Base(page)
		if name == "README.md" {
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		m := form.FindStringSubmatch(string(text))
		if m == nil {
			t.Errorf("%s is not in the form of the others", page)
			continue
		}
		for row := range strings.Lines(m[1]) {
			if strings.Count(row, "|")-strings.Count(row, `\|`) != 3 {
				t.Errorf("%s: no row of two cells: %s", page, row)
			}
		}
		if !regexp.MustCompile(`\d|not tried|not been measured`).MatchString(m[1]) {
			t.Errorf("%s names no figure, and does not say that there is none", page)
		}
		if !strings.Contains(string(index), "]("+name+")") {
			t.Errorf("the index does not link %s", name)
		}
	}
}
