package recipe_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/fault"
	"bbjtune/internal/recipe"
)

// folder writes recipes and goes there, so that names in errors are short.
func folder(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestExtends(t *testing.T) {
	folder(t, map[string]string{
		"base/a.yaml": "name: a\ndescription: the first\nbase: {model: a/b}\ndata: {examples: [d, e]}\nlora: {r: 64, alpha: 128}\nstage2: {epochs: 3, loss: full}\n",
		"base/b.yaml": "extends: a.yaml\nname: b\nstage2: {epochs: 2}\n",
		"c.yaml":      "extends: base/b.yaml\nname: c\ndata:\n  examples: [f]\nstage2:\n  learning_rate: 1e-4\n",
	})
	p, err := recipe.Read("c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "c" || p.Description != "" || p.Extends != "" || !slices.Equal(p.Data.Examples, []string{"f"}) ||
		p.Stage2.Epochs != 2 || p.Stage2.Loss != "full" || p.Stage2.LearningRate != 1e-4 || p.Lora.R != 64 || p.Stage2.Packing != "none" {
		t.Errorf("resolved to %+v", p.Recipe)
	}
	for path, want := range map[string]string{
		"stage2.learning_rate": "c.yaml:6:3",
		"stage2.epochs":        filepath.Join("base", "b.yaml") + ":3:10",
		"lora.alpha":           filepath.Join("base", "a.yaml") + ":5:15",
		"stage2.packing":       "c.yaml:5:1", // a default: the section
		"quantization":         "c.yaml:1:1", // a default: the recipe
	} {
		at := p.Place(path)
		if got := fmt.Sprintf("%s:%d:%d", at.File, at.Line, at.Col); got != want {
			t.Errorf("%s stands at %s, want %s", path, got, want)
		}
	}
	// The same values in one file are the same recipe.
	flat, err := recipe.Parse("flat.yaml", []byte("name: c\nbase: {model: a/b}\ndata: {examples: [f]}\nlora: {r: 64, alpha: 128}\nstage2: {epochs: 2, loss: full, learning_rate: 1e-4}\n"))
	if err != nil {
		t.Fatal(err)
	}
	sameRecipe(t, flat, p.Recipe)
}

func TestExtendsRefuses(t *testing.T) {
	files := map[string]string{
		"self.yaml":        "extends: ./self.yaml\n" + minimal,
		"x.yaml":           minimal + "extends: y.yaml\n",
		"y.yaml":           "extends: x.yaml\n" + minimal,
		"absent.yaml":      minimal + "extends: none.yaml\n",
		"typo.yaml":        "name: x\nextends: inner/typo.yaml\n",
		"inner/typo.yaml":  minimal + "stage2:\n  epoch: 1\n",
		"range.yaml":       "name: x\nextends: inner/range.yaml\n",
		"inner/range.yaml": minimal + "lora: {r: 0}\n",
		"noname.yaml":      "extends: ok.yaml\n",
		"ok.yaml":          minimal,
	}
	for i := range 10 {
		files[fmt.Sprintf("d%d.yaml", i)] = fmt.Sprintf("extends: d%d.yaml\n%s", i+1, minimal)
	}
	folder(t, files)
	for name, want := range map[string]string{
		"self.yaml":   "self.yaml:1: extends: a circle: self.yaml extends self.yaml",
		"x.yaml":      "y.yaml:1: extends: a circle: x.yaml extends y.yaml extends x.yaml",
		"absent.yaml": "absent.yaml:4: extends: open none.yaml:",
		"typo.yaml":   filepath.Join("inner", "typo.yaml") + `:5: unknown key "epoch" in stage2`,
		"range.yaml":  filepath.Join("inner", "range.yaml") + ":4: lora.r is 0",
		"noname.yaml": `noname.yaml: name "" must be a plain word`,
		"d0.yaml":     "d7.yaml:1: extends: more than 8 recipes in a chain: d0.yaml extends d1.yaml",
	} {
		_, err := recipe.Read(name)
		if err == nil || !strings.HasPrefix(err.Error(), want) || fault.Hint(err) == "" {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestShow(t *testing.T) {
	folder(t, map[string]string{
		"a.yaml": minimal + "stage2: {epochs: 3}\n",
		"b.yaml": "extends: a.yaml\nname: b\nallow: [{rule: RC201, because: it is a test}]\nrecord: {packages: {peft: 0.12}}\n",
	})
	p, err := recipe.Read("b.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.Show()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: b # b.yaml:2", "  epochs: 3 # a.yaml:4", "  loss: completion # default", "  # a.yaml:3\n  examples:", "# b.yaml:3\nallow:", `peft: "0.12" # b.yaml:4`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	again, err := recipe.Parse("again.yaml", text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	sameRecipe(t, again, p.Recipe)
}

// A file's name stays within its remark, and tells a terminal nothing.
func TestShowWithAnOddName(t *testing.T) {
	p, err := recipe.ReadText("a\nseed: 9\x1b[31m\u2028seed: 9\u0085seed: 9\rseed: 9.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.Show()
	if err != nil || strings.Contains(string(text), "\x1b") {
		t.Fatalf("%v %q", err, text)
	}
	again, err := recipe.Parse("again.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	sameRecipe(t, again, p.Recipe)
}

// sameRecipe compares all values, as they are written.
func sameRecipe(t *testing.T, a, b *recipe.Recipe) {
	t.Helper()
	x, errX := a.YAML()
	y, errY := b.YAML()
	if errX != nil || errY != nil || string(x) != string(y) {
		t.Errorf("%v %v\n%s\n%s", errX, errY, x, y)
	}
}

// leaves lists the keys of a struct, those of sections below their names.
func leaves(t reflect.Type, above string) []string {
	var list []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if t.Field(i).Type.Kind() == reflect.Struct {
			list = append(list, leaves(t.Field(i).Type, above+name+".")...)
			continue
		}
		list = append(list, above+name)
	}
	return list
}

// Every key is described, and there is no other.
func TestKeysAreTheStruct(t *testing.T) {
	want := leaves(reflect.TypeFor[recipe.Recipe](), "")
	var got []string
	for _, k := range recipe.Keys() {
		got = append(got, k.Path)
		if k.Meaning == "" {
			t.Errorf("%s has no meaning", k.Path)
		}
		if k.Type.Kind() == reflect.Float64 && !k.Bounded() {
			t.Errorf("%s is a number without bounds", k.Path)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("keys %v\nwant %v", got, want)
	}
}

// A misspelt key is an error wherever it stands, with the line and the right one.
func TestMisspeltKeys(t *testing.T) {
	for _, path := range leaves(reflect.TypeFor[recipe.Recipe](), "") {
		parts := strings.Split(path, ".")
		name := parts[len(parts)-1]
		misspelt := name + "x"
		text := minimal
		for i, section := range parts[:len(parts)-1] {
			text += strings.Repeat("  ", i) + section + ":\n"
		}
		text += strings.Repeat("  ", len(parts)-1) + misspelt + ": 1\n"
		if len(parts) > 1 && (parts[0] == "base" || parts[0] == "data") {
			text = text[len(minimal):] // the minimal recipe has these sections
		}
		_, err := recipe.Parse("r.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf(":%d: unknown key %q", strings.Count(text, "\n"), misspelt)) {
			t.Errorf("%s: %v for\n%s", path, err, text)
		}
	}
	for _, text := range []string{"allow: [{rules: RC101}]", "allow: [{rule: RC101, becuase: no}]"} {
		if _, err := recipe.Parse("r.yaml", []byte(minimal+text)); err == nil || !strings.Contains(err.Error(), "r.yaml:4: unknown key") {
			t.Errorf("%v for %s", err, text)
		}
	}
}

// Every value beyond the bounds or words of its key is refused by its name.
func TestValuesOutsideAreRefused(t *testing.T) {
	for _, k := range recipe.Keys() {
		var bad []any
		if k.Bounded() {
			bad = []any{k.Low - 1, k.High + 1}
			if k.Type.Kind() == reflect.Int {
				bad = []any{int(k.Low) - 1, int(k.High) + 1}
			}
		}
		if len(k.Words) > 0 {
			bad = []any{"no such word"}
		}
		for _, value := range bad {
			var node any = value
			if k.Type.Kind() == reflect.Slice {
				node = []any{value}
			}
			tree := map[string]any{"name": "x", "base": map[string]any{"model": "a/b"}, "data": map[string]any{"examples": []string{"d"}}}
			at := tree
			parts := strings.Split(k.Path, ".")
			for _, part := range parts[:len(parts)-1] {
				if at[part] == nil {
					at[part] = map[string]any{}
				}
				at = at[part].(map[string]any)
			}
			at[parts[len(parts)-1]] = node
			text, err := yaml.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := recipe.Parse("r.yaml", text); err == nil || !strings.Contains(err.Error(), ": "+k.Path+" is ") {
				t.Errorf("%s = %v: %v", k.Path, value, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{minimal, "null", "", "- a", minimal + "extends: r.yaml", minimal + "stage2: {epochs: .nan}", minimal + "lora: &a {r: 1}\nstage1: *a", "name: [x]", minimal + "allow: [{rule: a}]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := recipe.ReadText("r.yaml", text)
		if err != nil {
			if fault.Hint(err) == "" {
				t.Errorf("no hint: %v", err)
			}
			return
		}
		for _, k := range recipe.Keys() {
			if at := p.Place(k.Path); at.Line < 1 || at.Col < 1 {
				t.Errorf("%s stands at %+v", k.Path, at)
			}
		}
		shown, err := p.Show()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := recipe.ReadText("shown.yaml", shown); err != nil {
			t.Errorf("%v in\n%s", err, shown)
		}
	})
}
