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

const body = "\n## Code\n\n```bbj\nrem opens a window\nx=msgbox(1)\n```\n\n## Expected Behavior\n\nA window.\n\n## Explanation\n\nIt opens.\n"

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
	migration := replace(front, "completion", "migration") + "\nfrom_generation: character\nto_generation: bbj-gui"
	sides := replace(body, "```bbj\nrem opens a window\nx=msgbox(1)\n```", "### Before\n\n```bbj\nrem x\n```\n\n### After\n\n```bbj\nrem y\n```")
	window := replace(body, "x=msgbox(1)", "w!=BBjAPI().openSysGui(\"X0\").addWindow(1,2,3,4,\"t\")")
	two := replace(body, "```bbj\n", "<!-- filename: a.bbj -->\n```bbj\nrem a\n```\n\n<!-- filename: b.bbj -->\n```bbj\n")
	cases := []struct {
		name, path, front, body string
		want                    string // LINE:COLUMN CODE message; nothing else is found
	}{
		{"file name", "gui/OpenWindow.md", front, body, `1:1 EX101 file name "OpenWindow.md" is not kebab-case (did you mean "open-window.md"?)`},
		{"file name with a large end", "gui/open_window.MD", front, body, `1:1 EX101 file name "open_window.MD" is not kebab-case (did you mean "open-window.md"?)`},
		{"topic", "misc/open-window.md", front, body, `1:1 EX101 "misc" is no topic folder (gui, database, strings, file-io, control-flow, oop, dwc)`},
		{"near topic", "string/open-window.md", front, body, `1:1 EX101 "string" is no topic folder (gui, database, strings, file-io, control-flow, oop, dwc) (did you mean "strings"?)`},
		{"unknown key", "gui/a.md", replace(front, "difficulty", "dificulty"), body, `5:1 EX102 unknown key "dificulty" (did you mean "difficulty"?)`},
		{"two unknown keys", "gui/a.md", replace(replace(front, "tags", "tag"), "difficulty", "level"), body, "5:1 EX102 unknown key \"level\" (known keys here: description, difficulty, from_generation, generation, requires_version, tags, title, to_generation, type)\n6:1 EX102 unknown key \"tag\" (did you mean \"tags\"?)"},
		{"a key twice", "gui/a.md", front + "\ntitle: Again", body, `8:1 EX102 key "title" stands in line 2 already (keep one of the two)`},
		{"broken YAML", "gui/a.md", replace(front, "Window", "a: b"), body, `2:1 EX102 broken YAML: mapping values are not allowed in this context (mend the YAML: indent with spaces, quote values that hold ': ' or '#')`},
		{"no title", "gui/a.md", replace(front, "title: Window\n", ""), body, "1:1 EX102 title is missing"},
		{"empty title", "gui/a.md", replace(front, "title: Window", "title: \" \""), body, "2:8 EX102 title has an empty value"},
		{"a key without a value", "gui/a.md", replace(front, "difficulty: basic", "difficulty:"), body, "5:12 EX102 difficulty has an empty value"},
		{"no type", "gui/a.md", replace(front, "type: completion\n", ""), body, "1:1 EX102 type is missing"},
		{"type", "gui/a.md", replace(front, "completion", "complete"), body, `3:7 EX102 type "complete" is none of completion, comprehension, migration, explanation (did you mean "completion"?)`},
		{"a text that is a list", "gui/a.md", replace(front, "Window", "[a]"), body, `2:8 EX102 title must be a text (give it a value of that kind)`},
		{"tags without brackets", "gui/a.md", replace(front, "[a]", "a"), body, `6:7 EX102 tags is "a" and must be a list (write [a])`},
		{"an empty tag", "gui/a.md", replace(front, "[a]", "[ä, \"\"]"), body, `6:12 EX102 tags has an empty value`},
		{"no generation", "gui/a.md", replace(front, "generation: bbj-gui\n", ""), body, "1:1 EX102 generation is missing"},
		{"generation", "gui/a.md", replace(front, "bbj-gui", "bbjgui"), body, `4:13 EX102 generation "bbjgui" is none of all, character, vpro5, bbj-gui, dwc (did you mean "bbj-gui"?)`},
		{"generation in a list", "gui/a.md", replace(front, "bbj-gui", "\n  - dwc\n  - web"), body, `6:5 EX102 generation "web" is none of all, character, vpro5, bbj-gui, dwc`},
		{"all among others", "gui/a.md", replace(front, "bbj-gui", "[all, dwc]"), body, `4:14 EX102 generation all stands alone, not in a list`},
		{"a generation twice", "gui/a.md", replace(front, "bbj-gui", "[dwc, dwc]"), body, `4:19 EX102 generation "dwc" stands twice in the list`},
		{"no generation in the list", "gui/a.md", replace(front, "bbj-gui", "[]"), body, `4:13 EX102 generation has an empty value`},
		{"generation with keys", "gui/a.md", replace(front, "bbj-gui", "{a: b}"), body, `4:13 EX102 generation must be one name or a list of names`},
		{"difficulty", "gui/a.md", replace(front, "basic", "hard"), body, `5:13 EX102 difficulty "hard" is none of basic, intermediate, advanced`},
		{"migration keys elsewhere", "gui/a.md", front + "\nto_generation: dwc", body, "8:1 EX102 to_generation is for migrations only"},
		{"migration without from", "gui/a.md", replace(migration, "from_generation: character\n", ""), sides, "3:7 EX102 a migration needs from_generation, one of character, vpro5, bbj-gui, dwc"},
		{"migration to all", "gui/a.md", replace(migration, "to_generation: bbj-gui", "to_generation: all"), sides, `9:16 EX102 to_generation "all" is none of character, vpro5, bbj-gui, dwc`},
		{"unknown section", "gui/a.md", front, body + "\n## Notes\n\nx\n", `25:1 EX103 section "Notes" is not part of the format`},
		{"British section", "gui/a.md", front, replace(body, "Behavior", "Behaviour"), "1:1 EX103 section \"## Expected Behavior\" or \"## Expected Output\" is missing\n17:1 EX103 section \"Expected Behaviour\" is not part of the format (did you mean \"Expected Behavior\"?)"},
		{"order", "gui/a.md", front, body + "\n## Code\n", `25:1 EX103 section "Code" stands in the wrong place`},
		{"both expectations", "gui/a.md", front, replace(body, "## Explanation", "## Expected Output\n\n1\n\n## Explanation"), `21:1 EX103 section "Expected Output" stands in the wrong place`},
		{"no expectation", "gui/a.md", front, replace(body, "## Expected Behavior\n\nA window.\n", ""), "1:1 EX103 section \"## Expected Behavior\" or \"## Expected Output\" is missing"},
		{"nothing expected", "gui/a.md", front, replace(body, "A window.\n", ""), "17:1 EX103 section \"## Expected Behavior\" is empty"},
		{"no explanation", "gui/a.md", front, replace(body, "## Explanation\n\nIt opens.\n", ""), "1:1 EX103 section \"## Explanation\" is missing"},
		{"nothing explained", "gui/a.md", front, replace(body, "It opens.\n", ""), "21:1 EX103 section \"## Explanation\" is empty"},
		{"no fence", "gui/a.md", front, replace(body, "```bbj\nrem opens a window\nx=msgbox(1)\n```\n", "none"), "10:1 EX104 section \"## Code\" holds no code fence"},
		{"fence without an end", "gui/a.md", front, body + "\n```bbj\nrem more\n", "25:1 EX104 code fence is not closed, and holds the rest of the file"},
		{"fence language", "gui/a.md", front, replace(body, "```bbj", "```basic"), `12:1 EX104 code fence is marked "basic", expected bbj`},
		{"no rem", "gui/a.md", front, replace(body, "rem opens a window\n", ""), "13:1 EX104 code starts without a REM that says what it does"},
		{"a rem that says nothing", "gui/a.md", front, replace(body, "rem opens a window\n", "rem ----\n"), "13:1 EX104 code starts without a REM that says what it does"},
		{"migration without after", "gui/a.md", migration, replace(sides, "### After\n\n```bbj\nrem y\n```", ""), "12:1 EX103 a migration needs \"### After\""},
		{"migration in the wrong order", "gui/a.md", migration, replace(replace(replace(sides, "Before", "X"), "After", "Before"), "X", "After"), "12:1 EX103 a migration needs \"### Before\"\n20:1 EX103 \"### Before\" stands in the wrong place"},
		{"another part of a migration", "gui/a.md", migration, replace(sides, "## Expected", "### Between\n\n## Expected"), `26:1 EX103 "### Between" is not part of a migration`},
		{"migration without headings", "gui/a.md", migration, body, "12:1 EX103 a migration needs \"### Before\"\n12:1 EX103 a migration needs \"### After\"\n14:1 EX104 the code of a migration stands under \"### Before\" and \"### After\""},
		{"an empty side", "gui/a.md", migration, replace(sides, "\n```bbj\nrem y\n```", ""), `20:1 EX104 "### After" holds no code fence`},
		{"sides of no migration", "gui/a.md", front, replace(body, "```bbj", "### Before\n\n```bbj"), `12:1 EX103 "### Before" is for migrations only`},
		{"another generation", "gui/a.md", replace(front, "bbj-gui", "character"), window, "14:13 EX105 `openSysGui` is of bbj-gui, and generation says character"},
		{"another generation in a list item", "gui/a.md", replace(front, "bbj-gui", "dwc"), replace(body, "```bbj\nrem opens a window\nx=msgbox(1)\n```", "- like so:\n\n  ```bbj\n  rem x\n  print 'CS'\n  ```"), "16:9 EX105 `CS` is of character, and generation says dwc"},
		{"before of another generation", "gui/a.md", migration, replace(sides, "rem x", "rem x\nx$=ctrl(1,2,3)"), "18:4 EX105 `ctrl` is of vpro5, and from_generation says character"},
		{"after of another generation", "gui/a.md", migration, replace(sides, "rem y", "rem y\nx$=ctrl(1,2,3)"), "24:4 EX105 `ctrl` is of vpro5, and to_generation says bbj-gui"},
		{"migration of another generation", "gui/a.md", replace(migration, "generation: bbj-gui", "generation: all"), replace(sides, "rem y", "rem y\ndeclare BBjWindow w!"), "24:9 EX105 `BBjWindow` is of bbj-gui, and generation says all"},
		{"output of a window", "gui/a.md", front, replace(window, "Behavior", "Output"), "17:1 EX106 the program opens a window (`addWindow`) and prints nothing, so it has a behavior"},
		{"behavior of the console", "gui/a.md", front, replace(body, "x=msgbox(1)", "print 1"), "17:1 EX106 the program only prints, so it has an output"},
		{"a file without a name", "gui/a.md", front, replace(two, "<!-- filename: a.bbj -->\n", ""), "12:1 EX107 one of 2 files has no name"},
		{"one name for two files", "gui/a.md", front, replace(two, "b.bbj", "A.bbj"), `17:1 EX107 file name "A.bbj" stands in line 12 already`},
		{"a name with a folder", "gui/a.md", front, replace(two, "b.bbj", "../b.bbj"), `17:1 EX107 file name "../b.bbj" is not plain`},
		{"a name with blanks", "gui/a.md", front, replace(two, "b.bbj", "b c.bbj"), `17:1 EX107 file name "b c.bbj" is not plain`},
		{"placeholders", "gui/a.md", replace(front, "Window", "\"TODO: a title\""), replace(body, "It opens", "TODO: why"), "2:9 EX108 \"TODO: a title\" is not filled in\n23:1 EX108 \"TODO: why.\" is not filled in"},
		{"Latin-1", "gui/a.md", front, replace(body, "It opens", "\xe4"), "23:1 EX110 the line is not UTF-8"},
		{"front matter alone", "gui/a.md", front, "", "1:1 EX103 section \"## Code\" is missing\n1:1 EX103 section \"## Expected Behavior\" or \"## Expected Output\" is missing\n1:1 EX103 section \"## Explanation\" is missing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := doc(c.front, c.body)
			_, findings := example.Parse(c.path, text)
			var got []string
			for _, d := range findings {
				got = append(got, fmt.Sprintf("%d:%d %s %s", d.Span.Start.Line, d.Span.Start.Col, d.Code, d.Message))
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
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

// The console alone is what certainly only prints.
func TestExpectedIsSilent(t *testing.T) {
	for section, programs := range map[string][]string{
		"Output": {
			"print 1", "input n$\nprint n$", "10 print 1", "print 'CS',@(1,2),1", "x=msgbox(1)",
			"w!=BBjAPI().openSysGui(\"X0\").addWindow(1,2,3,4,\"t\")\nprint 1",
		},
		"Behavior": {
			"print 'CS',@(1,2),1", "x=msgbox(1)\nprint 1", "use ::a.bbj::A\nprint 1", "call \"a\"\nprint 1", "a!=new A()\nprint 1",
			"print (1)1\nprint 2", "a!.run()\nprint 1", "let a=1", "write (1)1", "wait 3\nprint 1",
		},
	} {
		for _, program := range programs {
			b := strings.Replace(strings.Replace(body, "x=msgbox(1)", program, 1), "Behavior", section, 1)
			f := strings.Replace(front, "bbj-gui", "[character, bbj-gui]", 1)
			if _, findings := example.Parse("gui/a.md", doc(f, b)); len(findings) > 0 {
				t.Errorf("%s of %q: %v", section, program, findings)
			}
		}
	}
}

// BBj code in other sections is known, so that it can be compiled.
func TestParseSnippets(t *testing.T) {
	e, findings := example.Parse("gui/a.md", doc(front, body+"\n```bbj\nlet a=1\n```\n\n```\n1\n```\n"))
	if len(findings) > 0 || len(e.Snippets) != 1 || string(e.Snippets[0].Code) != "let a=1\n" || len(e.Fences()) != 1 {
		t.Errorf("parsed %+v, %v", e.Snippets, findings)
	}
}

// The remarks at the beginning may be a box, and a comment for the editor may
// stand above the keys.
func TestParseIsSilent(t *testing.T) {
	for name, text := range map[string][]byte{
		"a box of remarks":   doc(front, strings.Replace(body, "rem opens a window", "rem ********\nREM * Window *\nrem ********", 1)),
		"line numbers":       doc(front, strings.Replace(body, "rem opens a window", "0010 REM opens a window", 1)),
		"a schema":           doc("# yaml-language-server: $schema=../../docs/example.schema.json\n"+front, body),
		"CRLF":               []byte(strings.ReplaceAll(string(doc(front, body)), "\n", "\r\n")),
		"a byte order mark":  append([]byte("\xef\xbb\xbf"), doc(front, body)...),
		"an alias":           doc(strings.Replace(front, "title: Window", "title: &t Window", 1)+"\nrequires_version: *t", body),
		"a version":          doc(front+"\nrequires_version: 23.04", body),
		"two named files":    doc(front, strings.Replace(body, "```bbj", "<!-- filename: b_1.bbj -->\n```bbj\nrem b\n```\n\n<!-- filename: a.bbj -->\n\n```bbj", 1)),
		"one named file":     doc(front, strings.Replace(body, "```bbj", "<!-- filename: a.bbj -->\n```bbj", 1)),
		"a program in parts": doc(front, strings.Replace(body, "## Code", "## Code\n\n### The window", 1)),
	} {
		if _, findings := example.Parse("gui/a.md", text); len(findings) > 0 {
			t.Errorf("%s: %v", name, findings)
		}
	}
}

func TestRules(t *testing.T) {
	for _, r := range example.Rules() {
		if got, ok := example.Lookup(r.Code); !ok || got != r || r.Name == "" || r.Severity == 0 || r.Title == "" || r.Why == "" || r.Help == "" {
			t.Errorf("%s: %+v", r.Code, got)
		}
	}
	if _, ok := example.Lookup("EX999"); ok {
		t.Error("EX999 is a rule")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(doc(front, body))
	f.Add([]byte("---\ngeneration: {a: b}\n---\n## Code\n### Before\n"))
	f.Add([]byte("---\ntype: migration\ngeneration: [all, &a dwc, *a, [x]]\ntitle: TODO: \xff\n---\n## Code\n- ```bbj\n  print 'CS'\n"))
	f.Add([]byte("\xef\xbb\xbf---\r\ntitle:\r\n---\r\n## Code\r\n<!-- filename: ../x -->\r\n```bbj\r\nx!=y!.addWindow(1)\r\n```\r\n## Expected Output\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, findings := example.Parse("gui/a.md", text)
		lines := strings.Split(string(text), "\n")
		for _, d := range findings {
			s := d.Span
			if d.Message == "" || d.Help == "" || d.Severity == 0 {
				t.Fatalf("finding without a message or help: %+v", d)
			}
			if s.Start.Line < 1 || s.Start.Line > len(lines) || s.Start.Col < 1 || s.End.Line < s.Start.Line {
				t.Fatalf("finding outside of the file of %d lines: %+v", len(lines), d)
			}
			if d.Code != example.FrontMatter.Code && s.Start.Col > len(lines[s.Start.Line-1])+1 {
				t.Fatalf("finding outside of its line: %+v", d)
			}
		}
	})
}
