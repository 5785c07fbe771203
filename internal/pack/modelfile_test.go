package pack_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/parser"
	ollama "github.com/ollama/ollama/template"

	"bbjtune/internal/fault"
	"bbjtune/internal/pack"
)

// TestModelfile reads the text with Ollama's own parser.
func TestModelfile(t *testing.T) {
	system := "You write BBj.\n\tKeep \"quotes\" and tabs."
	text, err := pack.Modelfile(pack.ModelfileOptions{From: "./m.gguf", Adapter: "./adapter.gguf", System: system, License: "Apache-2.0"})
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range file.Commands {
		got = append(got, fmt.Sprintf("%s %s", c.Name, c.Args))
	}
	want := []string{"model ./m.gguf", "adapter ./adapter.gguf", "template " + pack.OllamaTemplate, "system " + system, "license Apache-2.0",
		"temperature 0.2", "top_p 0.9", "num_ctx 4096", "stop <|im_end|>", "stop <|endoftext|>"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestModelfileVariants(t *testing.T) {
	text, err := pack.Modelfile(pack.ModelfileOptions{From: "m", ContextLength: 2048})
	if err != nil || strings.Contains(text, "SYSTEM") || !strings.Contains(text, "num_ctx 2048\n") {
		t.Errorf("%v\n%s", err, text)
	}
	_, err = pack.Modelfile(pack.ModelfileOptions{From: "m", System: `say """`})
	if err == nil || fault.Hint(err) == "" {
		t.Errorf("err = %v", err)
	}
}

// TestFIMTemplate fills a gap when there is one, and chats when there is none.
func TestFIMTemplate(t *testing.T) {
	text, err := pack.Modelfile(pack.ModelfileOptions{From: "m", FIM: &pack.FIM{Prefix: "<|fim_prefix|>", Suffix: "<|fim_suffix|>", Middle: "<|fim_middle|>"}})
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(file.Commands, func(c parser.Command) bool { return c.Name == "template" })
	tmpl, err := ollama.Parse(file.Commands[i].Args)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		values ollama.Values
		want   string
	}{
		{ollama.Values{Prompt: "rem a\n", Suffix: "\nend"}, "<|fim_prefix|>rem a\n<|fim_suffix|>\nend<|fim_middle|>"},
		{ollama.Values{Messages: []api.Message{{Role: "user", Content: "U"}}}, "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"},
	} {
		var b bytes.Buffer
		if err := tmpl.Execute(&b, c.values); err != nil || b.String() != c.want {
			t.Errorf("%v\ngot  %q\nwant %q", err, b.String(), c.want)
		}
	}
	for _, token := range []string{"", `"`, "{{ .System }}"} {
		if _, err := pack.Modelfile(pack.ModelfileOptions{From: "m", FIM: &pack.FIM{Prefix: "a", Suffix: token, Middle: "b"}}); err == nil || fault.Hint(err) == "" {
			t.Errorf("%q: err = %v", token, err)
		}
	}
}

// TestOllamaTemplate renders with Ollama's own template engine.
func TestOllamaTemplate(t *testing.T) {
	tmpl, err := ollama.Parse(pack.OllamaTemplate)
	if err != nil {
		t.Fatal(err)
	}
	messages := []api.Message{{Role: "system", Content: "S"}, {Role: "user", Content: "U\n"},
		{Role: "assistant", Content: "A"}, {Role: "user", Content: "V"}}
	var b bytes.Buffer
	if err := tmpl.Execute(&b, ollama.Values{Messages: messages}); err != nil {
		t.Fatal(err)
	}
	want := "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU\n<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n" +
		"<|im_start|>user\nV<|im_end|>\n<|im_start|>assistant\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}
