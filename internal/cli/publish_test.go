package cli

import (
	"slices"
	"testing"
	"time"

	"bbjtune/internal/publish"
	"bbjtune/internal/record"
	"bbjtune/internal/report"
	"bbjtune/internal/runs"
)

// An adapter that goes on the base model with stage 1 merged in is nothing without
// the adapter of stage 1.
func TestPublishedAdapters(t *testing.T) {
	for start, want := range map[string][]string{
		"adapter": {"adapter_config.json", "adapter_model.safetensors"},
		"merged":  {"adapter_config.json", "adapter_model.safetensors", "stage1/adapter/adapter_config.json", "stage1/adapter/adapter_model.safetensors"},
	} {
		g := newGrafting(t)
		d, _, err := runs.Open("runs", "train", start, "v1", map[string]any{"base": "x", "recipe": map[string]any{}})
		g.must(err)
		for _, stage := range []string{"stage1", "stage2"} {
			for _, name := range []string{"adapter/adapter_config.json", "adapter/adapter_model.safetensors", "training_config.json", "training_log.jsonl"} {
				g.must(runs.WriteFile(d.File(stage, name), []byte("{}\n")))
			}
		}
		r := g.recipe("")
		r.Stage2.Start = start
		text, err := r.YAML()
		g.must(err)
		g.must(runs.WriteFile(d.File("recipe.yaml"), text))
		_, err = d.Finish(time.Now(), report.Training{Recipe: start, Base: "base"}, "stage1", "stage2", "recipe.yaml")
		g.must(err)
		g.must(d.Close())
		trained, err := record.Load(d.Path)
		g.must(err)
		files, err := publishedFiles(trained)
		g.must(err)
		for _, name := range want {
			if !slices.ContainsFunc(files, func(f publish.File) bool { return f.Name == name }) {
				t.Errorf("%s: %s is not published", start, name)
			}
		}
		if n := len(files) - len(want); n != 5 { // settings and losses of each stage, and the card
			t.Errorf("%s: %d other files, want 5", start, n)
		}
	}
}
