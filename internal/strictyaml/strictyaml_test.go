package strictyaml_test

import (
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
		{"broken", "name: [x", "f.yaml: broken YAML: line 1: did not find expected ',' or ']'", "mend the YAML: indent with spaces, quote values that hold ': ' or '#'"},
		{"twice", "name: x\nname: y", `f.yaml: line 2: mapping key "name" already defined at line 1`, "give the key a value of the right kind"},
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

func TestDecodeCountsLinesFromTheFile(t *testing.T) {
	var d doc
	err := strictyaml.Decode("f.md", 5, []byte("name: x\nnaem: y"), &d)
	if err == nil || err.Error() != `f.md:6: unknown key "naem"` {
		t.Errorf("got %v", err)
	}
}
