package example_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/markdown"
)

const schemaFile = "../../docs/example.schema.json"

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validates says whether the schema takes a front matter, as an editor would
// read it.
func validates(s *jsonschema.Schema, front []byte) bool {
	var v any
	if err := yaml.Unmarshal(front, &v); err != nil {
		return false
	}
	text, err := json.Marshal(v)
	if err != nil {
		return false
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	return err == nil && s.Validate(instance) == nil
}

// The schema names each key of the code, and each value that it takes.
func TestSchemaHoldsTheCode(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	type part struct {
		Enum        []string
		Description string
		Ref         string `json:"$ref"`
		OneOf       []part
	}
	var s struct {
		Properties map[string]part
		Defs       map[string]part `json:"$defs"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for i := range reflect.TypeFor[example.Front]().NumField() {
		keys[reflect.TypeFor[example.Front]().Field(i).Tag.Get("yaml")] = true
	}
	for key := range keys {
		if s.Properties[key].Description == "" {
			t.Errorf("the schema does not describe %s", key)
		}
	}
	for key := range s.Properties {
		if !keys[key] {
			t.Errorf("the schema has %s, which the code does not", key)
		}
	}
	enum := func(name string, got, want []string) {
		if !slices.Equal(got, want) {
			t.Errorf("%s is one of %q in the schema, %q in the code", name, got, want)
		}
	}
	var types, known []string
	for _, v := range example.Types() {
		types = append(types, string(v))
	}
	for _, v := range generation.Known() {
		known = append(known, string(v))
	}
	enum("type", s.Properties["type"].Enum, types)
	enum("difficulty", s.Properties["difficulty"].Enum, example.Difficulties())
	enum("generation", s.Properties["generation"].OneOf[0].Enum, append([]string{string(generation.All)}, known...))
	enum("a generation", s.Defs["generation"].Enum, known)
}

// Every example that there is has a front matter that the schema takes.
func TestSchemaTakesTheExamples(t *testing.T) {
	const dir = "../../training-data"
	s := schema(t)
	paths, err := example.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		text, err := os.ReadFile(filepath.Join(dir, p))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := markdown.Parse(p, text)
		if err != nil {
			t.Fatal(err)
		}
		if !validates(s, doc.Front) {
			t.Errorf("the schema rejects %s", p)
		}
	}
}

// Schema and code say the same of every front matter.
func TestSchemaAgreesWithTheCode(t *testing.T) {
	const base = "title: Window\ntype: completion\ngeneration: dwc\n"
	const migration = "title: Window\ntype: migration\ngeneration: dwc\nfrom_generation: vpro5\nto_generation: dwc\n"
	s := schema(t)
	judge := func(want bool, front string) {
		t.Helper()
		if got := validates(s, []byte(front)); got != want {
			t.Errorf("schema: %v, want %v for\n%s", got, want, front)
		}
		b := body
		if strings.Contains(front, "type: migration") {
			b = strings.Replace(b, "```bbj\nrem opens a window\nx=msgbox(1)\n```", "### Before\n```bbj\nrem x\n```\n### After\n```bbj\nrem y\n```", 1)
		}
		_, findings := example.Parse("gui/a.md", []byte("---\n"+front+"---\n"+b))
		if (len(findings) == 0) != want {
			t.Errorf("code: %v, want %v for\n%s", findings, want, front)
		}
	}
	for _, good := range []string{
		base, migration,
		base + "difficulty: basic\ntags: []\n",
		base + "tags: [a, 3270, true]\ndescription: A window.\nrequires_version: 23.04\n",
		strings.Replace(base, "dwc", "[dwc]", 1),
		strings.Replace(base, "dwc", "[bbj-gui, dwc]", 1),
		strings.Replace(base, "dwc", "all", 1),
		strings.Replace(base, "Window", "2024-05-01", 1),
		strings.Replace(base, "Window", "\"TODO list\"", 1),
		"# a remark\n" + base,
	} {
		judge(true, good)
	}
	for _, bad := range []string{
		"title: Window\ntype: completion\n",
		"title: Window\ngeneration: all\n",
		"type: completion\ngeneration: all\n",
		base + "titel: Door\n",
		base + "difficulty: hard\n",
		base + "difficulty: Basic\n",
		base + "difficulty:\n",
		base + "difficulty: [basic]\n",
		base + "tags: a\n",
		base + "tags:\n",
		base + "tags: [a, \"\"]\n",
		base + "tags: [a, [b]]\n",
		base + "tags: [null]\n",
		base + "description: \" \"\n",
		base + "description: {a: b}\n",
		base + "requires_version: []\n",
		base + "requires_version: \"\"\n",
		base + "from_generation: vpro5\n",
		base + "to_generation: \"\"\n",
		base + "to_generation:\n",
		strings.Replace(base, "Window", "", 1),
		strings.Replace(base, "Window", "\"\"", 1),
		strings.Replace(base, "Window", "[a]", 1),
		strings.Replace(base, "completion", "Completion", 1),
		strings.Replace(base, "completion", "[completion]", 1),
		strings.Replace(base, "dwc", "web", 1),
		strings.Replace(base, "dwc", "\"\"", 1),
		strings.Replace(base, "dwc", "", 1),
		strings.Replace(base, "dwc", "[]", 1),
		strings.Replace(base, "dwc", "[all]", 1),
		strings.Replace(base, "dwc", "[dwc, dwc]", 1),
		strings.Replace(base, "dwc", "[dwc, web]", 1),
		strings.Replace(base, "dwc", "[[dwc]]", 1),
		strings.Replace(base, "dwc", "[dwc, null]", 1),
		strings.Replace(base, "dwc", "{dwc: true}", 1),
		strings.Replace(migration, "from_generation: vpro5\n", "", 1),
		strings.Replace(migration, "to_generation: dwc\n", "", 1),
		strings.Replace(migration, "from_generation: vpro5", "from_generation: all", 1),
		strings.Replace(migration, "from_generation: vpro5", "from_generation: [vpro5]", 1),
		strings.Replace(migration, "to_generation: dwc", "to_generation:", 1),
		base + "title: Again\n",
		"- title\n",
		"Window\n",
	} {
		judge(false, bad)
	}
}
