package strictyaml_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/fault"
	"bbjtune/internal/strictyaml"
)

type inner struct {
	R      int      `yaml:"r"`
	Alpha  int      `yaml:"alpha"`
	Tags   []string `yaml:"tags"`
	Nested *inner   `yaml:"nested"`
}

type doc struct {
	Name  string           `yaml:"name"`
	Lora  inner            `yaml:"lora"`
	Items []inner          `yaml:"items"`
	ByKey map[string]inner `yaml:"by_key"`
}

func TestDecode(t *testing.T) {
	cases := []struct {
		name, text, err, hint string
	}{
		{"good", "name: x\nlora: {r: 8, tags: [a, b]}\nitems: [{r: 1}]\nby_key: {a: {r: 2}}", "", ""},
		{"unknown key with a near name", "name: x\nlora:\n  r: 8\n  alhpa: 16", `f.yaml:4: unknown key "alhpa" in lora`, `did you mean "alpha"?`},
		{"unknown key far from all", "name: x\nzzzzzz: 1", `f.yaml:2: unknown key "zzzzzz"`, "known keys here: by_key, items, lora, name"},
		{"unknown key in a list", "items:\n- r: 1\n- q: 2", `f.yaml:3: unknown key "q" in items`, "known keys here: alpha, nested, r, tags"},
		{"unknown key in a map", "by_key:\n  a:\n    rr: 1", `f.yaml:3: unknown key "rr" in by_key.a`, `did you mean "r"?`},
		{"unknown key below a pointer", "lora:\n  nested: {r: 1, tag: []}", `f.yaml:2: unknown key "tag" in lora.nested`, `did you mean "tags"?`},
		{"a scalar where keys belong", "lora: 3", "f.yaml:1: lora must be a mapping of keys", "write its keys below it, indented"},
		{"wrong type", "lora:\n  r: many", `f.yaml:2: lora.r is "many" and must be a whole number`, "give it a value of that kind"},
		{"broken", "name: [x", "f.yaml:1: broken YAML: did not find expected ',' or ']'", "mend the YAML: indent with spaces, quote values that hold ': ' or '#'"},
		{"twice", "name: x\nname: y", `f.yaml:2: key "name" stands in line 1 already`, "keep one of the two"},
		{"a document that is marked as such", "# x\n---\nname: x\n...\n# the end\n", "", ""},
		{"a second document", "name: x\n---\nbogus: 1", "f.yaml:2: a second YAML document begins", "delete the line of dashes before it"},
		{"more behind the end", "name: x\n...\nbogus: 1", "f.yaml:2: broken YAML: did not find expected <document start>", "mend the YAML: indent with spaces, quote values that hold ': ' or '#'"},
		{"a broken second document", "name: x\n--- # two\nname: [x", "f.yaml:2: broken YAML: did not find expected ',' or ']'", "mend the YAML: indent with spaces, quote values that hold ': ' or '#'"},
		{"empty", "", "f.yaml: no YAML in it", "write the keys that its format asks for"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var d doc
			err := strictyaml.Decode("f.yaml", 1, []byte(c.text), &d)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.err || fault.Hint(err) != c.hint {
				t.Errorf("\n got %q hint %q\nwant %q hint %q", got, fault.Hint(err), c.err, c.hint)
			}
		})
	}
}

// All that is wrong is listed, each with its place, and what can be is decoded.
func TestRead(t *testing.T) {
	text := "nmae: x\nname: y\nlora: {tags: [ä, ö], r: many, alpha: 2, alpha: 3}\nitems:\n  - tags: a\n"
	var d doc
	root, problems := strictyaml.Read("f.md", 4, []byte(text), &d)
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d:%d %s", p.Line, p.Col, p.Message))
	}
	want := []string{
		`4:1 unknown key "nmae"`,
		`6:27 lora.r is "many" and must be a whole number`,
		`6:43 key "lora.alpha" stands in line 6 already`,
		`8:11 items.tags is "a" and must be a list`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if k, v := strictyaml.Lookup(root, "name"); d.Name != "y" || v == nil || v.Line != 5 || v.Column != 7 || k.Column != 1 {
		t.Errorf("decoded %+v, name at %+v", d, v)
	}
	if k, _ := strictyaml.Lookup(root, "absent"); k != nil {
		t.Error("a key that is not there")
	}
	if k, _ := strictyaml.Lookup(nil, "name"); k != nil {
		t.Error("a key of nothing")
	}
}

// The library counts lines as it likes; no line is outside of the file.
func TestReadStaysInTheFile(t *testing.T) {
	for _, text := range []string{"a: [x", "a: 'x\n\n", "\ta: 1", "a: b: c", "- x", "3", "%", "\xff", "a: &x *x", "? a\n: b", "<<: 3"} {
		var d doc
		_, problems := strictyaml.Read("f.md", 10, []byte(text), &d)
		if len(problems) == 0 {
			t.Errorf("%q is fine", text)
		}
		for _, p := range problems {
			if last := 10 + strings.Count(text, "\n"); p.Line < 10 || p.Line > last || p.Col < 1 || p.Message == "" || p.Hint == "" {
				t.Errorf("%q: %+v", text, p)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("name: x\nlora: {r: 8, tags: [a, b]}\nitems: [{r: 1}]"))
	f.Add([]byte("name: &a x\nlora: *a\nname: [\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d doc
		_, problems := strictyaml.Read("f.md", 10, text, &d)
		for _, p := range problems {
			if p.Line != 0 && (p.Line < 10 || p.Line > 11+bytes.Count(text, []byte("\n"))+bytes.Count(text, []byte("\r"))) || p.Message == "" || p.Hint == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}

func TestDecodeCountsLinesFromTheFile(t *testing.T) {
	var d doc
	err := strictyaml.Decode("f.md", 5, []byte("name: x\nnaem: y"), &d)
	if err == nil || err.Error() != `f.md:6: unknown key "naem"` {
		t.Errorf("got %v", err)
	}
}
