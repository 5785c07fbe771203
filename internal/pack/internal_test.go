package pack

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ollama/ollama/fs/ggml"

	"bbjtune/internal/fault"
)

func TestDiskFullSaysHowMuch(t *testing.T) {
	tensors := []*ggml.Tensor{{Name: "x", Kind: uint32(ggml.TensorTypeF16), Shape: []uint64{1000, 5000}}}
	err := explainFull(&os.PathError{Op: "write", Path: "m.gguf", Err: diskFull}, tensors)
	if !errors.Is(err, diskFull) || !strings.Contains(err.Error(), "about 11 MB") || fault.Hint(err) == "" {
		t.Errorf("%v, hint %q", err, fault.Hint(err))
	}
	other := errors.New("other")
	if got := explainFull(other, tensors); got != other {
		t.Errorf("another error became %v", got)
	}
}

func TestPreTokenizers(t *testing.T) {
	no := false
	bytes := step{Type: "ByteLevel", UseRegex: &no}
	split := func(pattern string) step {
		s := step{Type: "Split"}
		s.Pattern.Regex = pattern
		return s
	}
	cases := []struct {
		want  string
		steps []step
	}{
		{"gpt-2", []step{{Type: "ByteLevel"}}},
		{"smollm", []step{{Type: "Digits", Individual: true}, {Type: "ByteLevel"}}},
		{"qwen2", []step{split(qwenPattern), bytes}},
		{"llama-bpe", []step{split(llamaPattern), bytes}},
		{"", []step{{Type: "Digits"}, {Type: "ByteLevel"}}},
		{"", []step{{Type: "ByteLevel", Prefix: true}}},
		{"", []step{split(`\s+`), bytes}},
		{"", []step{split(qwenPattern), {Type: "ByteLevel"}}},
	}
	for _, c := range cases {
		s := step{Type: "Sequence", Steps: c.steps}
		if got := preTokenizers[s.describe()]; got != c.want {
			t.Errorf("%s: %q, want %q", s.describe(), got, c.want)
		}
	}
	if got := preTokenizers[(step{Type: "ByteLevel"}).describe()]; got != "gpt-2" {
		t.Errorf("without a sequence: %q", got)
	}
}

func TestTokenizerStartsWith(t *testing.T) {
	var f tokenizerFile
	if f.startsWith("") {
		t.Error("an empty template starts with a token")
	}
	f.PostProcessor.Single = make([]templatePiece, 2)
	f.PostProcessor.Single[0].SpecialToken = &struct {
		ID string `json:"id"`
	}{"<s>"}
	if !f.startsWith("<s>") || f.startsWith("</s>") {
		t.Error("the template's first token was not recognised")
	}
}
