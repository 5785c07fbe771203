package pack

import (
	"cmp"
	"fmt"
	"strings"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
)

// OllamaTemplate is ChatML in Ollama's template language: every message in its
// order, and the beginning of the answer. Tools are left out: the model was not
// trained on them. It renders what chat.Template renders.
const OllamaTemplate = `{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
`

// fimTemplate is what comes before OllamaTemplate for a model that was trained to
// fill a gap: an editor that sends what follows the gap gets no ChatML.
const fimTemplate = `{{- if .Suffix }}%s{{ .Prompt }}%s{{ .Suffix }}%s
{{- else }}`

// FIM are the tokens that a model was trained to fill a gap with.
type FIM struct{ Prefix, Suffix, Middle string }

// DefaultContext is the length, in tokens, that a model is served with.
const DefaultContext = 4096

// ModelfileOptions are the parts of a Modelfile that differ between models.
type ModelfileOptions struct {
	From          string // the GGUF, relative to the Modelfile, as "./bbj-coder.gguf"
	Adapter       string // a GGUF adapter on top of it, in the same form; optional
	FIM           *FIM   // for a model that was trained with them
	System        string // the system prompt of the training; optional
	License       string // the text of the licence; optional
	ContextLength int    // in tokens; 0 means DefaultContext
}

// Modelfile returns the text of a Modelfile for `ollama create`. Ollama guesses
// template and stops of a GGUF, and guesses wrong for Qwen2.5, so all of them
// are written out.
func Modelfile(o ModelfileOptions) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "FROM %s\n", o.From)
	if o.Adapter != "" {
		fmt.Fprintf(&b, "ADAPTER %s\n", o.Adapter)
	}
	template, err := o.template()
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "\nTEMPLATE \"\"\"%s\"\"\"\n\n", template)
	for _, part := range []struct{ name, text string }{{"SYSTEM", o.System}, {"LICENSE", o.License}} {
		if strings.Contains(part.text, `"""`) {
			return "", fault.New(fmt.Sprintf("the text for %s in the Modelfile contains three quotation marks", part.name), "Ollama has no way to write them there; take them out")
		}
		if part.text != "" {
			fmt.Fprintf(&b, "%s \"\"\"%s\"\"\"\n\n", part.name, part.text)
		}
	}
	b.WriteString("PARAMETER temperature 0.2\nPARAMETER top_p 0.9\n")
	fmt.Fprintf(&b, "PARAMETER num_ctx %d\n", cmp.Or(o.ContextLength, DefaultContext))
	for _, stop := range chat.Stop() {
		fmt.Fprintf(&b, "PARAMETER stop %q\n", stop)
	}
	return b.String(), nil
}

// template is that of the chat, and of the gap where the model knows one.
func (o ModelfileOptions) template() (string, error) {
	if o.FIM == nil {
		return OllamaTemplate, nil
	}
	tokens := []any{o.FIM.Prefix, o.FIM.Suffix, o.FIM.Middle}
	for _, token := range tokens {
		if text := token.(string); text == "" || strings.Contains(text, "{{") || strings.Contains(text, `"`) {
			return "", fault.New(fmt.Sprintf("the token %q cannot stand in Ollama's template", text), "write the base model's own tokens into data.fim")
		}
	}
	return fmt.Sprintf(fimTemplate, tokens...) + OllamaTemplate + "{{ end }}", nil
}
