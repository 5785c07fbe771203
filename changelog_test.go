package bbjtune_test

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kindsOfChange are the headings of a release, in their order.
var kindsOfChange = []string{"Added", "Changed", "Fixed", "Removed"}

var (
	changeForm  = regexp.MustCompile(`^# (Added|Changed|Fixed|Removed): (\S.*)\n\n(\S(?:.*\S)?(?:\n\S.*)*)\n$`)
	releaseForm = regexp.MustCompile(`^(\d+)\.(\d+)\.(\d+) \d{4}-\d{2}-\d{2}$`)
)

// CHANGELOG.md is made of the files in changes: what has no release yet, then the
// releases, the newest first.
func TestChangelogIsFresh(t *testing.T) {
	want, err := changelog("changes")
	if err != nil {
		t.Fatal(err)
	}
	settleFile(t, "CHANGELOG.md", want)
}

func changelog(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var releases []string
	for _, e := range entries {
		if e.IsDir() {
			if !releaseForm.MatchString(e.Name()) {
				return "", fmt.Errorf("%s/%s: a release is called VERSION DAY, such as 0.1.0 2026-12-01", dir, e.Name())
			}
			releases = append(releases, e.Name())
		}
	}
	slices.SortFunc(releases, func(a, b string) int { return slices.Compare(numbers(b), numbers(a)) })
	var b strings.Builder
	b.WriteString("# Changelog\n\nMade of the files in [changes](changes/README.md) by `make changelog`.\n")
	for _, release := range append([]string{""}, releases...) {
		text, err := changesOf(filepath.Join(dir, release))
		if err != nil {
			return "", err
		}
		if text != "" || release != "" {
			fmt.Fprintf(&b, "\n## %s\n%s", cmp.Or(release, "Not released yet"), text)
		}
	}
	return b.String(), nil
}

// numbers are those of a version, so that 0.10.0 comes after 0.9.0.
func numbers(release string) []int {
	var list [3]int
	fmt.Sscanf(release, "%d.%d.%d", &list[0], &list[1], &list[2])
	return list[:]
}

// changesOf lists the changes of a folder by their kinds, each by the names of the files.
func changesOf(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return "", err
	}
	byKind := map[string]string{}
	for _, file := range files {
		if filepath.Base(file) == "README.md" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		m := changeForm.FindStringSubmatch(string(text))
		if m == nil {
			return "", fmt.Errorf("%s: a change is a line \"# Added: what\" (or Changed, Fixed, Removed), an empty line, and one paragraph", file)
		}
		byKind[m[1]] += fmt.Sprintf("\n- **%s.**\n  %s\n", m[2], strings.ReplaceAll(m[3], "\n", "\n  "))
	}
	var b strings.Builder
	for _, kind := range kindsOfChange {
		if byKind[kind] != "" {
			fmt.Fprintf(&b, "\n### %s\n%s", kind, byKind[kind])
		}
	}
	return b.String(), nil
}

func TestChangelogOfReleases(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"README.md":               "# no change\n",
		"b.md":                    "# Added: two\n\nIt was not.\nIt is.\n",
		"a.md":                    "# Fixed: one\n\nIt failed. It works.\n",
		"0.9.0 2026-12-01/x.md":   "# Added: nine\n\nIt was not. It is.\n",
		"0.10.0 2026-12-24/x.md":  "# Added: ten\n\nIt was not. It is.\n",
		"0.10.1 2026-12-31/.keep": "",
	} {
		if err := os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := changelog(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ = strings.Cut(got, "changelog`.\n")
	want := "\n## Not released yet\n\n### Added\n\n- **two.**\n  It was not.\n  It is.\n\n### Fixed\n\n- **one.**\n  It failed. It works.\n" +
		"\n## 0.10.1 2026-12-31\n\n## 0.10.0 2026-12-24\n\n### Added\n\n- **ten.**\n  It was not. It is.\n\n## 0.9.0 2026-12-01\n\n### Added\n\n- **nine.**\n  It was not. It is.\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for name, text := range map[string]string{"kind.md": "# Better: one\n\nIt is.\n", "two.md": "# Added: one\n\nIt is.\n\nMore.\n", "none.md": "# Added: one\n"} {
		bad := t.TempDir()
		if err := os.WriteFile(filepath.Join(bad, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := changelog(bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "next"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := changelog(dir); err == nil {
		t.Error("a release without a version is taken")
	}
}
