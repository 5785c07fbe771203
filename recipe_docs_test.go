package bbjtune_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"bbjtune/bbj/diag"
	"bbjtune/internal/recipe"
	"bbjtune/internal/recipeaudit"
)

// The tables of docs/recipes.md are made of the keys.
func TestRecipeKeysAreDocumented(t *testing.T) {
	settleBlocks(t, "../recipes.md", map[string]string{"keys": keyTable(), "stage-keys": stageTable()})
}

func keyTable() string {
	var b strings.Builder
	b.WriteString("| key | default | values | meaning |\n| --- | --- | --- | --- |\n")
	for _, k := range recipe.Keys() {
		if !strings.HasPrefix(k.Path, "stage") {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Path, defaultOf(k), valuesOf(k), tableCell(k.Meaning))
		}
	}
	return b.String()
}

func stageTable() string {
	second := map[string]recipe.Key{}
	for _, k := range recipe.Keys() {
		if name, ok := strings.CutPrefix(k.Path, "stage2."); ok {
			second[name] = k
		}
	}
	var b strings.Builder
	b.WriteString("| key | stage 1 | stage 2 | values | meaning |\n| --- | --- | --- | --- | --- |\n")
	for _, k := range recipe.Keys() {
		if name, ok := strings.CutPrefix(k.Path, "stage1."); ok {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", name, defaultOf(k), defaultOf(second[name]), valuesOf(k), tableCell(k.Meaning))
		}
	}
	return b.String()
}

// tableCell keeps a text within its cell; code spans stay.
func tableCell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func defaultOf(k recipe.Key) string {
	v := reflect.ValueOf(k.Default)
	switch {
	case k.Needed:
		return "needed"
	case k.Path == "data.system_prompts":
		return "four"
	case v.Kind() == reflect.Slice && v.Len() > 0:
		list := make([]string, v.Len())
		for i := range list {
			list[i] = "`" + v.Index(i).String() + "`"
		}
		return strings.Join(list, " ")
	case v.Kind() == reflect.String && v.Len() > 0:
		return "`" + tableCell(v.String()) + "`"
	case v.CanFloat():
		return figure(v.Float())
	case v.CanInt() || v.Kind() == reflect.Bool:
		return fmt.Sprint(k.Default)
	}
	return ""
}

func valuesOf(k recipe.Key) string {
	if k.Bounded() {
		return figure(k.Low) + " to " + figure(k.High)
	}
	var list []string
	for _, word := range k.Words {
		if word != "" {
			list = append(list, "`"+word+"`")
		}
	}
	return strings.Join(list, " ")
}

// figure writes a number as people do: 5e-5, 0.03, 1048576, 2147483647, 1e12.
func figure(x float64) string {
	plain := strconv.FormatFloat(x, 'f', -1, 64)
	power := strings.NewReplacer("e-0", "e-", "e+0", "e", "e+", "e").Replace(strconv.FormatFloat(x, 'e', -1, 64))
	if (x != 0 && x < 1e-3 || x >= 1e9) && len(power) < len(plain) {
		return power
	}
	return plain
}

// settleFile writes a file with -update, and otherwise fails where it is not as it
// should be.
func settleFile(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is missing or stale (%v): run go test . -update", path, err)
	}
}

// docs/recipe-rules.md says what bbjtune explain says.
func TestRecipeRulesAreDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString("# The rules of `bbjtune recipe check`\n\n" +
		"What blocks a training is an error (RC1xx): `train` and `run` refuse the recipe. What departs from the recommended approach is a warning\n" +
		"(RC2xx). A recipe may allow either, with a reason that others can read: `allow: [{rule: RC201, because: why}]`. `bbjtune explain CODE`\n" +
		"shows the same as this page. Codes are never used again for anything else.\n\n" +
		"This page is made of the rules by `go test . -update`.\n\n" +
		"| code | name | kind | what it finds |\n| --- | --- | --- | --- |\n")
	for _, r := range recipeaudit.Rules() {
		fmt.Fprintf(&b, "| [%s](#%s-%s) | %s | %s | %s |\n", r.Code, strings.ToLower(r.Code), r.Name, r.Name, r.Severity, escaped(r.Title))
	}
	seen := map[string]bool{}
	for _, r := range recipeaudit.Rules() {
		if r.Title == "" || r.Why == "" || r.Help == "" || seen[r.Code] || (r.Severity == diag.Error) != strings.HasPrefix(r.Code, "RC1") {
			t.Errorf("%s is not whole: %+v", r.Code, r)
		}
		seen[r.Code] = true
		fmt.Fprintf(&b, "\n## %s %s\n\n- **What it finds:** %s.\n- **Why:** %s\n- **What to do:** %s.\n", r.Code, r.Name, escaped(r.Title), escaped(r.Why), escaped(r.Help))
	}
	settleFile(t, "docs/recipe-rules.md", b.String())
}

const recipeSchema = "docs/recipe.schema.json"

// docs/recipe.schema.json is made of the keys, for editors.
func TestRecipeSchemaIsFresh(t *testing.T) {
	root := object("A recipe of bbjtune", "docs/recipes.md describes the keys. bbjtune recipe check holds the same, and judges the values.")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["required"] = []string{"name"}
	root["anyOf"] = []any{map[string]any{"required": []string{"extends"}}, map[string]any{"required": []string{"base", "data"}}}
	for _, k := range recipe.Keys() {
		at := root
		parts := strings.Split(k.Path, ".")
		for _, section := range parts[:len(parts)-1] {
			below := at["properties"].(map[string]any)
			if below[section] == nil {
				below[section] = object("", "The section "+section+".")
			}
			at = below[section].(map[string]any)
		}
		at["properties"].(map[string]any)[parts[len(parts)-1]] = property(t, k)
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	settleFile(t, recipeSchema, string(text)+"\n")
}

func object(title, description string) map[string]any {
	o := map[string]any{"description": description, "type": "object", "additionalProperties": false, "properties": map[string]any{}}
	if title != "" {
		o["title"] = title
	}
	return o
}

// property is the schema of one key.
func property(t *testing.T, k recipe.Key) map[string]any {
	t.Helper()
	p := map[string]any{"description": k.Meaning}
	if v := reflect.ValueOf(k.Default); !k.Needed && (v.Kind() != reflect.Slice && v.Kind() != reflect.Map && v.Kind() != reflect.String || v.Len() > 0) {
		p["default"] = k.Default
	}
	text := map[string]any{"type": "string"}
	if len(k.Words) > 0 {
		text = map[string]any{"enum": k.Words}
	}
	switch {
	case k.Path == "version":
		p["const"] = recipe.Version
	case k.Type == reflect.TypeFor[recipe.Targets]():
		p["default"] = "all-linear"
		p["oneOf"] = []any{text, map[string]any{"type": "array", "items": text}}
	case k.Type == reflect.TypeFor[recipe.Tracking]():
		p["oneOf"] = []any{text, map[string]any{"type": "array", "items": text}}
	case k.Path == "allow":
		item := object("", "A finding that is meant to be.")
		item["required"] = []string{"rule", "because"}
		item["properties"] = map[string]any{
			"rule":    map[string]any{"description": "the code of the rule", "enum": allowable()},
			"because": map[string]any{"description": "the reason", "type": "string", "minLength": 1},
		}
		p["type"], p["items"] = "array", item
	case k.Type.Kind() == reflect.Map:
		p["type"], p["additionalProperties"] = "object", map[string]any{"type": []string{"string", "number"}}
	case k.Type.Kind() == reflect.Slice:
		p["type"], p["items"] = "array", text
	case k.Type.Kind() == reflect.Bool:
		p["type"] = "boolean"
	case k.Type.Kind() == reflect.Int:
		p["type"] = "integer"
	case k.Type.Kind() == reflect.Float64:
		p["type"] = "number"
	case k.Type.Kind() == reflect.String:
		for name, value := range text {
			p[name] = value
		}
	default:
		t.Fatalf("no schema for %s of type %v", k.Path, k.Type)
	}
	if k.Bounded() {
		p["minimum"], p["maximum"] = k.Low, k.High
	}
	return p
}

// allowable are the rules that an allowance may name.
func allowable() []string {
	var list []string
	for _, r := range recipeaudit.Rules() {
		if r.Code != "RC104" && r.Code != "RC220" {
			list = append(list, r.Code)
		}
	}
	return list
}

func recipeValidates(t *testing.T, s *jsonschema.Schema, text []byte) bool {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return false
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return false
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	return err == nil && s.Validate(instance) == nil
}

// The schema takes the recipes that there are, resolved ones, and of others what
// the code takes.
func TestRecipeSchemaAgreesWithTheCode(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	s, err := c.Compile(recipeSchema)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("recipes/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("# yaml-language-server: $schema=../docs/recipe.schema.json\n")) {
			t.Errorf("%s does not name its schema", f)
		}
		plan, err := recipe.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := plan.Show()
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string][]byte{"as it is": text, "resolved": shown} {
			if !recipeValidates(t, s, text) {
				t.Errorf("the schema rejects %s %s", f, what)
			}
		}
	}
	const base = "name: x\nbase: {model: a/b}\ndata: {examples: [d]}\n"
	for text, want := range map[string]bool{
		base:                                   true,
		base + "lora: {targets: all-linear}\n": true,
		base + "lora: {targets: [q_proj]}\n":   true,
		base + "stage1: {learning_rate: 5e-5, epochs: 1}\n":     true,
		base + "record: {packages: {peft: 0.12, torch: '2'}}\n": true,
		base + "allow: [{rule: RC201, because: so}]\n":          true,
		base + "stage1: {learning_rat: 5e-5}\n":                 false,
		base + "stage1: {epochs: 0}\n":                          false,
		base + "seed: 1.5\n":                                    false,
		base + "quantization: int8\n":                           false,
		base + "package: {quantize: [q2]}\n":                    false,
		base + "version: 2\n":                                   false,
		base + "allow: [{rule: RC201, becuase: so}]\n":          false,
		base + "data: {examples: d}\n":                          false,
		"name: x\nbase: {model: a/b}\n":                         false,
		"base: {model: a/b}\ndata: {examples: [d]}\n":           false,
	} {
		if got := recipeValidates(t, s, []byte(text)); got != want {
			t.Errorf("schema: %v, want %v for\n%s", got, want, text)
		}
		if _, err := recipe.Parse("r.yaml", []byte(text)); (err == nil) != want {
			t.Errorf("code: %v, want %v for\n%s", err, want, text)
		}
	}
}
