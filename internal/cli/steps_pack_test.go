package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
)

// packer makes parts of a text each, and counts how often.
type packer struct {
	*testing.T
	p    *pipeline
	said bytes.Buffer
	made int
}

func newPacker(t *testing.T) *packer {
	t.Helper()
	t.Chdir(t.TempDir())
	k := &packer{T: t}
	a := &app{Streams: Streams{Now: time.Now, Err: &k.said, Env: os.Getenv}, runs: "runs", cache: "cache"}
	a.show = progress.New(&k.said, progress.Options{Now: time.Now})
	r := recipe.Defaults()
	r.Name = "x"
	k.p = &pipeline{app: a, recipe: &r}
	return k
}

// pack makes the parts of a package with these forms, until one fails.
func (k *packer) pack(model string, fail string, forms ...string) (folder string, err error) {
	k.Helper()
	k.said.Reset()
	k.p.recipe.Package.Quantize = forms
	inputs := map[string]any{"trained": "k", "package": k.p.recipe.Package, madeOf: model}
	s, done, err := k.p.open(k.p.runs, "pack", "x", inputs)
	if err != nil || done {
		return s.dir.Path, err
	}
	defer s.dir.Close()
	g, err := k.p.newPacking(s, inputs)
	if err != nil {
		k.Fatal(err)
	}
	parts := append([]string{"merged"}, forms...)
	for _, name := range parts {
		err := g.make(name, "make "+name, func(*progress.Task) (string, error) {
			if name == fail {
				return "", errors.New("power cut")
			}
			k.made++
			if name != "merged" {
				return "tool 1", os.WriteFile(s.path(name), []byte(model+name), 0o644)
			}
			return "tool 1", errors.Join(os.MkdirAll(s.path(name), 0o755), os.WriteFile(s.path(name, "weights"), []byte(model), 0o644))
		})
		if err != nil {
			return s.dir.Path, err
		}
	}
	return s.dir.Path, k.p.finish(&s, packed{Version: packedVersion, Steps: g.steps()}, parts...)
}

func (k *packer) want(model, fail string, made int, forms ...string) string {
	k.Helper()
	before := k.made
	folder, err := k.pack(model, fail, forms...)
	if (err != nil) != (fail != "") || k.made-before != made {
		k.Fatalf("%v: %v, made %d parts, want %d\n%s", forms, err, k.made-before, made, k.said.String())
	}
	return folder
}

// Every part is made once: not again by the next start, and not for a package of
// the same model that has it.
func TestPartsAreMadeOnce(t *testing.T) {
	k := newPacker(t)
	first := k.want("m1", "q8_0", 2, "f16", "q8_0")
	k.want("m1", "", 1, "f16", "q8_0")
	if said := k.said.String(); !strings.Contains(said, "make merged: done before, by tool 1") || !strings.Contains(said, "make q8_0: q8_0, 0 kB, by tool 1") {
		t.Errorf("said\n%s", said)
	}
	k.want("m1", "", 0, "f16", "q8_0")

	second := k.want("m1", "", 1, "f16", "q4_0")
	if !strings.Contains(k.said.String(), "make merged: taken from "+filepath.Base(first)+", by tool 1") {
		t.Errorf("said\n%s", k.said.String())
	}
	a, errA := os.Stat(filepath.Join(first, "merged", "weights"))
	b, errB := os.Stat(filepath.Join(second, "merged", "weights"))
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		t.Errorf("the merged model is there twice: %v, %v", errA, errB)
	}
	k.want("m2", "", 2, "f16")

	// The earlier package is gone: its files live on in the one that took them.
	if err := os.RemoveAll(first); err != nil {
		t.Fatal(err)
	}
	k.want("m1", "", 0, "q4_0")
	k.want("m1", "", 1, "q8_0", "f16")
}

// A file without a record of how it was made is made again, and so is everything
// where the record is damaged.
func TestPartsWithoutARecord(t *testing.T) {
	k := newPacker(t)
	folder := k.want("m", "q8_0", 2, "f16", "q8_0")
	if err := os.WriteFile(filepath.Join(folder, "q8_0"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(folder, "f16")); err != nil {
		t.Fatal(err)
	}
	k.want("m", "", 2, "f16", "q8_0")
	if text, _ := os.ReadFile(filepath.Join(folder, "q8_0")); string(text) != "mq8_0" {
		t.Errorf("q8_0 holds %q", text)
	}
	folder = k.want("n", "q8_0", 2, "f16", "q8_0")
	if err := os.WriteFile(filepath.Join(folder, partsFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	k.want("n", "", 3, "f16", "q8_0")
}

// What the model is made of does not depend on the forms that are asked for.
func TestPackInputs(t *testing.T) {
	key := func(change func(*recipe.Recipe)) (string, string) {
		r := recipe.Defaults()
		change(&r)
		in := (&pipeline{recipe: &r}).packInputs("trained")
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(in[madeOf]), string(text)
	}
	model, all := key(func(*recipe.Recipe) {})
	for name, c := range map[string]struct {
		change func(*recipe.Recipe)
		same   bool
	}{
		"forms":   {func(r *recipe.Recipe) { r.Package.Quantize = []string{"f16"} }, true},
		"adapter": {func(r *recipe.Recipe) { r.Package.Adapter = true }, true},
		"licence": {func(r *recipe.Recipe) { r.Package.License = "MIT" }, true},
		"gaps":    {func(r *recipe.Recipe) { r.Data.FIM.Share = 0.5 }, true},
		"name":    {func(r *recipe.Recipe) { r.Package.Name = "other" }, false},
	} {
		if m, text := key(c.change); (m == model) != c.same || text == all {
			t.Errorf("%s: the model's key %s, before %s", name, m, model)
		}
	}
}
