package example_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/internal/example"
	"bbjtune/internal/fault"
)

const front = "title: Window\ntype: completion\ngeneration: bbj-gui\ndifficulty: basic\ntags: [a]\ndescription: Open a window."

const body = "\n## Code\n\n```bbj\nrem opens a window\nprint 1\n```\n\n## Expected Behavior\n\nA window.\n\n## Explanation\n\nIt opens.\n"

func doc(front, body string) []byte { return []byte("---\n" + front + "\n---\n" + body) }

func TestParse(t *testing.T) {
	e, findings := example.Parse("gui/open-window.md", doc(front, body))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	if e.Topic != "gui" || e.Type != example.Completion || len(e.Code) != 1 || e.Code[0].Line != 13 || e.Expected != "A window." || e.Explanation != "It opens." {
		t.Errorf("parsed %+v", e)
	}
}

func TestParseMigration(t *testing.T) {
	f := strings.Replace(front, "completion", "migration", 1) + "\nfrom_generation: character\nto_generation: bbj-gui"
	b := "\n## Code\n\n### Before (PRO/5)\n\n```bbj\n10 rem old\n```\n\n### After\n\n```bbj\nrem new\n```\n\n## Expected Output\n\nx\n\n## Explanation\n\ny\n"
	e, findings := example.Parse("gui/carry-over.md", doc(f, b))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	if len(e.Before) != 1 || len(e.After) != 1 || len(e.Code) != 0 || len(e.Fences()) != 2 {
		t.Errorf("parsed %+v", e)
	}
}

func TestParseFinds(t *testing.T) {
	replace := func(s, old, new string) string {
		if !strings.Contains(s, old) {
			t.Fatalf("%q is not in the text", old)
		}
		return strings.Replace(s, old, new, 1)
	}
	cases := []struct {
		name, path, front, body string
		want                    string // LINE CODE message
	}{
		{"file name", "gui/OpenWindow.md", front, body, `1 EX101 file name "OpenWindow.md" is not kebab-case`},
		{"topic", "misc/open-window.md", front, body, `1 EX101 "misc" is no topic folder`},
		{"unknown key", "gui/a.md", replace(front, "difficulty", "dificulty"), body, `5 EX102 unknown key "dificulty" (did you mean "difficulty"?)`},
		{"no title", "gui/a.md", replace(front, "title: Window\n", ""), body, "2 EX102 title is missing"},
		{"type", "gui/a.md", replace(front, "completion", "complete"), body, `2 EX102 type "complete" is none of`},
		{"generation", "gui/a.md", replace(front, "bbj-gui", "web"), body, `2 EX102 generation "web" is none of`},
		{"all among others", "gui/a.md", replace(front, "bbj-gui", "[all, dwc]"), body, `2 EX102 generation "all" is none of`},
		{"difficulty", "gui/a.md", replace(front, "basic", "hard"), body, `2 EX102 difficulty "hard" is none of`},
		{"migration keys elsewhere", "gui/a.md", front + "\nto_generation: dwc", body, "2 EX102 to_generation is for migrations only"},
		{"migration without from", "gui/a.md", replace(front, "completion", "migration") + "\nto_generation: dwc", replace(body, "```bbj\nrem opens", "### Before\n```bbj\nrem x\n```\n### After\n```bbj\nrem opens"), "2 EX102 from_generation of a migration must be one of"},
		{"unknown section", "gui/a.md", front, body + "\n## Notes\n\nx\n", `25 EX103 section "Notes" is not part of the format`},
		{"order", "gui/a.md", front, replace(body, "## Explanation\n\nIt opens.\n", "") + "\n## Code\n", `22 EX103 section "Code" stands in the wrong place`},
		{"no expectation", "gui/a.md", front, replace(body, "## Expected Behavior\n\nA window.\n", ""), "1 EX103 section \"## Expected Behavior\" or \"## Expected Output\" is missing"},
		{"no explanation", "gui/a.md", front, replace(body, "It opens.\n", ""), "1 EX103 section \"## Explanation\" is missing or empty"},
		{"no fence", "gui/a.md", front, replace(body, "```bbj\nrem opens a window\nprint 1\n```\n", "none"), "10 EX104 section \"## Code\" holds no code fence"},
		{"fence language", "gui/a.md", front, replace(body, "```bbj", "```basic"), `12 EX104 code fence is marked "basic", expected bbj`},
		{"no rem", "gui/a.md", front, replace(body, "rem opens a window\n", ""), "13 EX104 code starts without a REM that says what it does"},
		{"migration without after", "gui/a.md", replace(front, "completion", "migration") + "\nfrom_generation: character\nto_generation: dwc", replace(body, "```bbj", "### Before\n```bbj"), `12 EX103 a migration needs "### After"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, findings := example.Parse(c.path, doc(c.front, c.body))
			var got []string
			for _, d := range findings {
				got = append(got, fmt.Sprintf("%d %s %s", d.Span.Start.Line, d.Code, d.Message))
			}
			for _, g := range got {
				if strings.HasPrefix(g, c.want) {
					return
				}
			}
			t.Errorf("got\n%s\nwant %s", strings.Join(got, "\n"), c.want)
		})
	}
	if _, findings := example.Parse("gui/a.md", []byte("no front matter")); len(findings) != 1 {
		t.Errorf("without front matter: %v", findings)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, text []byte) {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := example.Load(dir); err == nil || fault.Hint(err) == "" {
		t.Errorf("an empty folder: %v", err)
	}
	if _, _, err := example.Load(filepath.Join(dir, "absent")); err == nil || fault.Hint(err) == "" {
		t.Errorf("a missing folder: %v", err)
	}
	put("README.md", []byte("not an example"))
	put("gui/b.md", doc(front, body))
	put("gui/a.md", doc(front, body))
	put("gui/broken.md", []byte("x"))
	list, findings, err := example.Load(dir)
	if err != nil || len(list) != 2 || list[0].Path != "gui/a.md" || len(findings) != 1 || findings[0].File != "gui/broken.md" {
		t.Errorf("loaded %v, %v, %v", list, findings, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(string(doc(front, body)))
	f.Add("---\ngeneration: {a: b}\n---\n## Code\n### Before\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, findings := example.Parse("gui/a.md", []byte(text))
		for _, d := range findings {
			if d.Span.Start.Line < 1 || d.Message == "" || d.Help == "" {
				t.Fatalf("finding without a place, a message or help: %+v", d)
			}
		}
	})
}
