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

// DefaultContext is the length, in tokens, that a model is served with.
const DefaultContext = 4096

// ModelfileOptions are the parts of a Modelfile that differ between models.
type ModelfileOptions struct {
	From          string // the GGUF, relative to the Modelfile, as "./bbj-coder.gguf"
	System        string // the system prompt of the training; optional
	License       string // the text of the licence; optional
	ContextLength int    // in tokens; 0 means DefaultContext
}

// Modelfile returns the text of a Modelfile for `ollama create`. Ollama guesses
// template and stops of a GGUF, and guesses wrong for Qwen2.5, so all of them
// are written out.
func Modelfile(o ModelfileOptions) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "FROM %s\n\nTEMPLATE \"\"\"%s\"\"\"\n\n", o.From, OllamaTemplate)
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
