package ollama

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/parser"
	"github.com/ollama/ollama/template"
	"github.com/ollama/ollama/types/model"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
)

// Part is a file that a model consists of.
type Part struct {
	// Name is what the model calls it, Path where it lies.
	Name, Path string
	// Digest is "sha256:" and the hash of its content.
	Digest string
}

// Model is what Ollama is to know.
type Model struct {
	Name string
	// From names a model that Ollama has, where there are no Weights.
	From              string
	Weights, Adapters []Part
	Template, System  string
	License           []string
	Parameters        map[string]any
}

// CheckName reports a name that Ollama would not take.
func CheckName(name string) error {
	if !model.ParseName(name).IsValid() {
		return fault.Newf("write a name such as bbj-coder or bbj-coder:v2", "ollama has no model called %q", name)
	}
	return nil
}

// ReadModelfile reads a Modelfile. The files that it names must be among those of
// which part knows the content: a Modelfile may come from anywhere, and what it
// names is sent away.
func ReadModelfile(text io.Reader, part func(name string) (Part, bool)) (Model, error) {
	file, err := parser.ParseFile(text)
	if err != nil {
		return Model{}, fault.Wrap(fmt.Errorf("the Modelfile: %w", err), "make the package again")
	}
	m := Model{Parameters: map[string]any{}}
	for _, c := range file.Commands {
		if err := m.take(c, part); err != nil {
			return Model{}, err
		}
	}
	return m, nil
}

func (m *Model) take(c parser.Command, part func(string) (Part, bool)) error {
	switch c.Name {
	case "model", "adapter":
		p, known := part(filepath.ToSlash(filepath.Clean(c.Args)))
		switch {
		case known && c.Name == "model":
			m.Weights = append(m.Weights, p)
		case known:
			m.Adapters = append(m.Adapters, p)
		case c.Name == "model" && filepath.Ext(c.Args) != ".gguf" && CheckName(c.Args) == nil:
			m.From = c.Args
		default:
			return fault.Newf("make the package again", "the Modelfile names %q, which is no file of the package", c.Args)
		}
	case "template":
		m.Template = c.Args
	case "system":
		m.System = c.Args
	case "license":
		m.License = append(m.License, c.Args)
	case "renderer", "parser", "requires", "message":
		return fault.Newf("make the package again", "the Modelfile has %s, which no package of bbjtune has", c.Name)
	default:
		values, err := api.FormatParams(map[string][]string{c.Name: {c.Args}})
		if err != nil {
			return fault.Wrap(fmt.Errorf("the Modelfile: %w", err), "make the package again")
		}
		m.add(values)
	}
	return nil
}

// add adds parameters; those that are lists grow.
func (m *Model) add(values map[string]any) {
	for name, v := range values {
		if list, ok := v.([]string); ok {
			if before, ok := m.Parameters[name].([]string); ok {
				values[name] = append(before, list...)
			}
		}
	}
	maps.Copy(m.Parameters, values)
}

// Render renders a conversation as Ollama does by the model's template. Its system
// prompt comes first where the conversation has none.
func (m Model) Render(messages []chat.Message) (string, error) {
	t, err := template.Parse(m.Template)
	if err != nil {
		return "", fault.Wrap(fmt.Errorf("the Modelfile's template: %w", err), "make the package again")
	}
	var values template.Values
	if m.System != "" && (len(messages) == 0 || messages[0].Role != chat.System) {
		values.Messages = append(values.Messages, api.Message{Role: string(chat.System), Content: m.System})
	}
	for _, each := range messages {
		values.Messages = append(values.Messages, api.Message{Role: string(each.Role), Content: each.Content})
	}
	var b strings.Builder
	err = t.Execute(&b, values)
	return b.String(), err
}

func (m Model) request() *api.CreateRequest {
	r := &api.CreateRequest{Model: m.Name, From: m.From, Files: digests(m.Weights), Adapters: digests(m.Adapters), Template: m.Template, System: m.System, Parameters: m.Parameters}
	if len(m.License) > 0 {
		r.License = m.License
	}
	return r
}

func digests(parts []Part) map[string]string {
	list := map[string]string{}
	for _, p := range parts {
		list[p.Name] = p.Digest
	}
	return list
}
