package markdown_test

import (
	"testing"

	"bbjtune/internal/markdown"
)

const sample = "---\ntitle: x\n---\n\n# Top\n\n## Code\n\n<!-- filename: a.bbj -->\n```bbj\nrem a\nprint 1\n```\n\nSome prose.\n\n" +
	"```BBj\nrem b\n```\n\n## Migration\n\n### Before (old)\n\n```bbj\n10 rem\n```\n\n### After\n\n```bbj\nrem new\n```\n\n## Explanation\n\nWhy.\n"

func TestParse(t *testing.T) {
	for _, eol := range []string{"lf", "crlf"} {
		t.Run(eol, func(t *testing.T) {
			text := sample
			if eol == "crlf" {
				text = crlf(sample)
			}
			d, err := markdown.Parse("f.md", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if string(d.Front) != "title: x\n" || d.FrontLine != 2 {
				t.Errorf("front %q at %d", d.Front, d.FrontLine)
			}
			code, ok := d.Section("code")
			if !ok || len(code.Fences) != 2 || code.Line != 7 {
				t.Fatalf("code section %+v", code)
			}
			if f := code.Fences[0]; f.Filename != "a.bbj" || f.FilenameLine != 9 || f.Lang != "bbj" || string(f.Code) != "rem a\nprint 1\n" || f.Line != 11 {
				t.Errorf("first fence %+v", f)
			}
			if f := code.Fences[1]; f.Filename != "" || f.Lang != "bbj" || f.Line != 18 {
				t.Errorf("second fence %+v", f)
			}
			if code.Prose() != "Some prose." {
				t.Errorf("prose %q", code.Prose())
			}
			m, _ := d.Section("Migration")
			if len(m.Subsections) != 2 || m.Subsections[0].Title != "Before (old)" || m.Subsections[1].Fences[0].Line != 32 || len(m.AllFences()) != 2 {
				t.Errorf("migration %+v", m)
			}
			if e, _ := d.Section("Explanation"); e.Text != "Why." {
				t.Errorf("explanation %+v", e)
			}
		})
	}
}

// A fence that nothing ends holds the rest of the file.
func TestOpenFence(t *testing.T) {
	for body, want := range map[string]bool{
		"```bbj\nprint 1\n```\n": false, "```bbj\nprint 1\n```": false, "```bbj\n```": false, "```bbj\n\n```\n\n": false,
		"- a\n\n  ```bbj\n  print 1\n  ```\n": false, "````bbj\nprint 1\n```\n````\n": false, "~~~bbj\nprint 1\n~~~\n": false,
		"```bbj\nprint 1\n": true, "```bbj\nprint 1": true, "```bbj": true, "```bbj\n": true, "```bbj\nprint 1\n\n## Explanation\n": true,
		"````bbj\nprint 1\n```\n": true, "```bbj\nprint 1\n~~~\n": true,
	} {
		d, err := markdown.Parse("f.md", []byte("## Code\n\n"+body))
		if err != nil {
			t.Fatal(err)
		}
		if list := d.Sections[0].AllFences(); len(list) != 1 || list[0].Open != want {
			t.Errorf("%q: %+v", body, list)
		}
	}
}

func crlf(s string) string {
	out := make([]byte, 0, len(s)+40)
	for i := range len(s) {
		if s[i] == '\n' {
			out = append(out, '\r')
		}
		out = append(out, s[i])
	}
	return string(out)
}

func TestParseFrontMatterAlone(t *testing.T) {
	for text, want := range map[string]string{"---\n---\n": "", "---\n---": "", "---\na: 1\n---": "a: 1\n", "---\na: 1\n---\n": "a: 1\n"} {
		d, err := markdown.Parse("f.md", []byte(text))
		if err != nil || d.Front == nil || string(d.Front) != want {
			t.Errorf("%q: %q, %v", text, d.Front, err)
		}
	}
}

// A fence in a list is one, too, and its lines start further right.
func TestParseFenceInList(t *testing.T) {
	d, err := markdown.Parse("f.md", []byte("## Code\n\n- first:\n\n  <!-- filename: my file.bbj -->\n\n  ```bbj\n  rem a\n    print 1\n  ```\n"))
	if err != nil {
		t.Fatal(err)
	}
	list := d.Sections[0].Fences
	if len(list) != 1 || string(list[0].Code) != "rem a\n  print 1\n" || list[0].Line != 8 || list[0].Indent != 2 {
		t.Errorf("fences %+v", list)
	}
}

func TestParseFrontMatterWithoutEnd(t *testing.T) {
	_, err := markdown.Parse("f.md", []byte("---\ntitle: x\n"))
	if err == nil || err.Error() != "f.md:1: front matter without an end" {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("## \n```\n"))
	f.Add([]byte("---\n---\n## a\n#### deep\n```bbj\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := markdown.Parse("f.md", text)
		if err != nil {
			return
		}
		for _, s := range d.Sections {
			for _, fence := range s.AllFences() {
				if fence.Line < 1 {
					t.Fatalf("fence without a line: %+v", fence)
				}
			}
		}
	})
}
