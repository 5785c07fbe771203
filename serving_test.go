package bbjtune_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"bbjtune/internal/chat"
	"bbjtune/internal/recipe"
)

// Every command of docs/serving.md exists with its flags, every request is JSON
// that internal/cli sends to a served model, and the editor's settings are YAML
// with the stops and tokens of the training.
func TestServingPage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	text, err := os.ReadFile("docs/serving.md")
	if err != nil {
		t.Fatal(err)
	}
	list := fences(string(text))
	c := newChapter(t, nil)
	commands, requests := 0, 0
	for _, f := range list {
		switch f.lang {
		case "sh":
			if f.remark == "" {
				t.Errorf("line %d: the fence is neither for real nor long-running", f.line+1)
			}
			for line := range strings.Lines(f.text) {
				commands++
				if out := c.run(t, strings.TrimSuffix(line, "\n")+" --help"); strings.Contains(out, "(exit status") || !strings.HasPrefix(line, "bbjtune ") {
					t.Errorf("line %d: %s%s", f.line+1, line, out)
				}
			}
		case "json":
			requests++
			if !json.Valid([]byte(f.text)) || f.request == "" {
				t.Errorf("line %d: no request: %s", f.line+1, f.text)
			}
		case "yaml":
			editorSettings(t, f.text)
		default:
			t.Errorf("line %d: a fence of %q", f.line+1, f.lang)
		}
	}
	if commands < 4 || requests != 2 {
		t.Errorf("%d commands, %d requests", commands, requests)
	}
	system := recipe.Defaults().Data.SystemPrompts[0]
	if !strings.Contains(string(text), system) {
		t.Errorf("the request does not send the system prompt %q", system)
	}
}

func editorSettings(t *testing.T, text string) {
	t.Helper()
	var settings struct {
		Models []struct {
			Roles   []string
			Options struct{ Stop []string } `yaml:"defaultCompletionOptions"`
			Prompts map[string]string       `yaml:"promptTemplates"`
		}
	}
	if err := yaml.Unmarshal([]byte(text), &settings); err != nil || len(settings.Models) != 2 {
		t.Fatalf("%v %+v", err, settings)
	}
	if got := settings.Models[0].Options.Stop; !slices.Equal(got, chat.Stop()) {
		t.Errorf("a chat stops at %q", got)
	}
	fim := recipe.Defaults().Data.FIM
	if want, got := fim.Prefix+"{{{prefix}}}"+fim.Suffix+"{{{suffix}}}"+fim.Middle, settings.Models[1].Prompts["autocomplete"]; got != want {
		t.Errorf("a gap is put as %q, trained is %q", got, want)
	}
}
