package bbjtune_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/cli"
	"bbjtune/internal/recipe"
)

// guidePages are the pages of the guide in the order of its index, by their paths
// from the chapter. reference.md beside them is generated.
var guidePages = []string{
	"../guide/README.md", "../guide/install.md", "../guide/first-hour.md", "../guide/examples.md", "../guide/existing-data.md",
	"../guide/gpu.md", "../guide/hardware.md", "../guide/cluster.md", "../guide/scaling.md", "../guide/evaluation.md", "../guide/review.md", "../guide/serving.md",
	"../guide/troubleshooting.md",
}

// foldersOf names what a page finds in its folder beside recipes and suites: the
// guide is followed in a clone.
func foldersOf(page string) []string {
	if slices.Contains(guidePages, page) {
		return []string{"training-data"}
	}
	return nil
}

func TestGuideHasNoOtherPages(t *testing.T) {
	there, err := filepath.Glob("docs/guide/*.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"docs/guide/reference.md"}
	index := readPage(t, "../guide/README.md")
	for _, page := range guidePages {
		want = append(want, filepath.Join(chapterDir, page))
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("the index does not link %s", name)
		}
	}
	slices.Sort(want)
	if !slices.Equal(there, want) {
		t.Errorf("pages %v, want %v", there, want)
	}
}

var (
	makeTarget = regexp.MustCompile(`^make ([a-z-]+)$`)
	setting    = regexp.MustCompile(`--set ([a-z0-9_.]+)=`)
)

// dryRun holds a command that is too long to be run against the program: the
// command exists with all its flags, its --set names keys, and make has the target.
// It returns what is wrong.
func (c chapter) dryRun(t *testing.T, command string) string {
	t.Helper()
	if m := makeTarget.FindStringSubmatch(command); m != nil {
		text, err := os.ReadFile("Makefile")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n"+m[1]+":") {
			return "make has no such target"
		}
		return ""
	}
	for _, m := range setting.FindAllStringSubmatch(command, -1) {
		if !isKey(m[1]) {
			return m[1] + " is no key of a recipe"
		}
	}
	// The help of a group says nothing of a subcommand that is not there.
	found, rest, err := cli.Tree().Find(strings.Fields(command)[1:])
	if err != nil || found.HasSubCommands() && !strings.Contains(found.Use, " ") && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return "there is no such command"
	}
	if out := c.run(t, command+" --help"); strings.Contains(out, "(exit status") {
		return out
	}
	return ""
}

func isKey(path string) bool {
	return slices.ContainsFunc(recipe.Keys(), func(k recipe.Key) bool { return k.Path == path || strings.HasPrefix(k.Path, path+".") })
}

// What the guide names within its sentences exists: commands with their flags, and
// keys of recipes.
func TestGuideNamesWhatExists(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	c := newChapter(t, nil)
	key := regexp.MustCompile(`^(base|data|lora|graft|stage[12]|evaluate|package)\.[a-z_.]+$`)
	seen, keys := map[string]bool{}, 0
	for _, page := range guidePages {
		for _, span := range codeSpan.FindAllStringSubmatch(withoutFences(readPage(t, page)), -1) {
			// A span may be broken anywhere.
			switch text := strings.Join(strings.Fields(span[1]), " "); {
			case strings.HasPrefix(text, "bbjtune "), makeTarget.MatchString(text):
				if seen[text] {
					continue
				}
				seen[text] = true
				if out := c.dryRun(t, text); out != "" {
					t.Errorf("%s: %s: %s", page, text, out)
				}
			case key.MatchString(text):
				keys++
				if !isKey(text) {
					t.Errorf("%s: %s is no key of a recipe", page, text)
				}
			}
		}
	}
	if len(seen) < 20 || keys < 10 {
		t.Errorf("%d commands and %d keys", len(seen), keys)
	}
}

// Nothing in the guide looks like a command and is none to the tests: fences are of
// kinds that are tried, or text that says what it is.
func TestGuideHidesNoCommand(t *testing.T) {
	command := regexp.MustCompile(`(?m)^(\$ |    )?(bbjtune|make) `)
	for _, page := range guidePages {
		text := readPage(t, page)
		for _, f := range fences(text) {
			switch f.lang {
			case "console", "sh", "bbj", "yaml", "json", "markdown":
			case "text":
				if command.MatchString(f.text) {
					t.Errorf("%s:%d: commands in a fence that is not run", page, f.line+1)
				}
			default:
				t.Errorf("%s:%d: a fence of %q", page, f.line+1, f.lang)
			}
		}
		if found := command.FindString(withoutFences(text)); strings.HasPrefix(found, "    ") {
			t.Errorf("%s: a command in an indented block is not run", page)
		}
	}
}

var (
	joinedGo     = regexp.MustCompile(`"\s*\+\s*"`)
	joinedPython = regexp.MustCompile(`"\s*\n\s*f?"`)
)

// What the troubleshooting page quotes and no command of it prints is what the
// source says. Three dots stand for what differs from case to case.
func TestGuideQuotesRealMessages(t *testing.T) {
	quoted := 0
	for _, f := range fences(readPage(t, "../guide/troubleshooting.md")) {
		if f.lang != "text" || f.file != "" {
			continue
		}
		if f.message == "" {
			t.Errorf("line %d: a message of no file", f.line+1)
			continue
		}
		source, err := os.ReadFile(filepath.FromSlash(f.message))
		if err != nil {
			t.Fatal(err)
		}
		said := joinedPython.ReplaceAllString(joinedGo.ReplaceAllString(string(source), ""), "")
		for line := range strings.Lines(f.text) {
			quoted++
			line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "error: "), "hint: ")
			for part := range strings.SplitSeq(line, "…") {
				if part = strings.TrimSpace(part); !strings.Contains(said, part) {
					t.Errorf("line %d: %s does not say %q", f.line+1, f.message, part)
				}
			}
		}
	}
	if quoted < 15 {
		t.Errorf("%d messages", quoted)
	}
}
