package pack_test

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/internal/fault"
	"bbjtune/internal/pack"
)

// wantFault converts dir and expects an error that contains message, carries a
// hint and leaves no file.
func wantFault(t *testing.T, dir, message string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "model.gguf")
	_, err := pack.ToGGUF(t.Context(), dir, out, meta)
	if err == nil || !strings.Contains(err.Error(), message) || fault.Hint(err) == "" {
		t.Errorf("err = %v, want %q\nhint: %q", err, message, fault.Hint(err))
	}
	if left, _ := filepath.Glob(out + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFaultyModels(t *testing.T) {
	cases := []struct {
		message string
		spoil   func(*folder)
	}{
		{`unsupported architecture "BertModel" in`, func(f *folder) { f.config["architectures"] = []string{"BertModel"} }},
		{`unsupported architecture "" in`, func(f *folder) { delete(f.config, "architectures") }},
		{"the weights in", func(f *folder) { f.config["quantization_config"] = object{"load_in_4bit": true} }},
		{"unsupported attention_bias", func(f *folder) { f.config["attention_bias"] = true }},
		{"lacks num_hidden_layers", func(f *folder) { delete(f.config, "num_hidden_layers") }},
		{"has no rope_theta", func(f *folder) { delete(f.config, "rope_parameters") }},
		{`unsupported rope scaling "yarn"`, func(f *folder) {
			f.config["rope_parameters"] = object{"rope_theta": 1e4, "rope_type": "yarn", "factor": 4.0}
		}},
		{"is no byte-level BPE", func(f *folder) { f.tokenizer["model"] = object{"type": "Unigram"} }},
		{`unknown pre_tokenizer "Whitespace"`, func(f *folder) { f.tokenizer["pre_tokenizer"] = object{"type": "Whitespace"} }},
		{`unknown pre_tokenizer ""`, func(f *folder) { f.tokenizer["pre_tokenizer"] = nil }},
		{"there is no end token", func(f *folder) { delete(f.settings, "eos_token"); delete(f.config, "eos_token_id") }},
		{"there is no end token", func(f *folder) { f.settings["eos_token"] = "<|other|>" }},
		{"token number 3 is missing", func(f *folder) { delete(f.tokenizer["model"].(object)["vocab"].(map[string]int), "d") }},
		{"18 rows of embeddings for 20 tokens", func(f *folder) { f.tensors["model.embed_tokens.weight"] = matrix(18, width) }},
		{"output.weight is missing", func(f *folder) { f.config["tie_word_embeddings"] = false }},
		{"blk.2.attn_norm.weight is missing", func(f *folder) { f.config["num_hidden_layers"] = 3 }},
		{"unexpected tensor blk.0.attn_q.lora_A.weight", func(f *folder) {
			f.tensors["model.layers.0.self_attn.q_proj.lora_A.weight"] = matrix(2, width)
		}},
		{"unsupported type I8", func(f *folder) { f.dtype = "I8" }},
		{"token_embd.weight holds a value that is no number", func(f *folder) { f.tensors["model.embed_tokens.weight"].values[9] = float32(math.NaN()) }},
		{"blk.1.attn_q.weight holds a value", func(f *folder) { f.tensors["model.layers.1.self_attn.q_proj.weight"].values[1] = 70000 }},
		{"output_norm.weight holds a value", func(f *folder) { f.tensors["model.norm.weight"].values[1] = float32(math.Inf(1)) }},
	}
	for _, c := range cases {
		t.Run(c.message, func(t *testing.T) {
			f := llama()
			c.spoil(f)
			wantFault(t, f.write(t), c.message)
		})
	}
}

func TestFaultyFolders(t *testing.T) {
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				os.Remove(filepath.Join(dir, name))
			}
		}
	}
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, name), []byte(text)) }
	}
	cases := []struct {
		message string
		spoil   func(*testing.T, string)
	}{
		{"has no config.json", remove("config.json")},
		{"has no tokenizer.json", remove("tokenizer.json")},
		{"has no tokenizer_config.json", remove("tokenizer_config.json")},
		{"has no *.safetensors", remove("model.safetensors")},
		{"is no byte-level BPE", write("tokenizer.model", "sentencepiece")},
		{"read ", write("config.json", "{")},
		{"read ", write("tokenizer.json", "[]")},
		{"read ", write("tokenizer_config.json", `{"eos_token": 3}`)},
		{"this is no safetensors file", write("model.safetensors", "version https://git-lfs.github.com/spec/v1\n")},
		{"this is no safetensors file", write("model.safetensors", "")},
		{"the header is no JSON", write("model.safetensors", "\x02\x00\x00\x00\x00\x00\x00\x00no")},
		{"is twice in", func(t *testing.T, dir string) {
			text, _ := os.ReadFile(filepath.Join(dir, "model.safetensors"))
			writeFile(t, filepath.Join(dir, "consolidated.safetensors"), text)
		}},
		{"does not fit into the file", func(t *testing.T, dir string) {
			path := filepath.Join(dir, "model.safetensors")
			text, _ := os.ReadFile(path)
			writeFile(t, path, text[:len(text)-1])
		}},
	}
	for _, c := range cases {
		t.Run(c.message, func(t *testing.T) {
			dir := llama().write(t)
			c.spoil(t, dir)
			wantFault(t, dir, c.message)
		})
	}
}

func TestNoModelFolder(t *testing.T) {
	dir := t.TempDir()
	wantFault(t, filepath.Join(dir, "absent"), "absent does not exist")
	writeFile(t, filepath.Join(dir, "file"), nil)
	wantFault(t, filepath.Join(dir, "file"), "is a file")
	writeFile(t, filepath.Join(dir, "adapter_config.json"), nil)
	wantFault(t, dir, "holds an adapter without its base model")
}

func TestInspectAbsent(t *testing.T) {
	if _, err := pack.Inspect(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v", err)
	}
}
