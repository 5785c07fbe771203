package pack_test

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/x448/float16"
)

// The measures of the tiny models that the tests convert.
const (
	layers   = 2
	width    = 8
	inner    = 12
	heads    = 2
	kvHeads  = 1
	rows     = 20 // of the embedding: 17 tokens and fillers
	template = "{% for m in messages %}<|im_start|>{{ m.role }}{% endfor %}"
)

const qwenSplit = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// object is a JSON object, to be changed by a test before it is written.
type object = map[string]any

// folder is a Hugging Face model folder in memory.
type folder struct {
	config, tokenizer, settings object
	jinja                       string // chat_template.jinja, "" for none
	dtype                       string
	tensors                     map[string]array
}

type array struct {
	shape  []int
	values []float32
}

// matrix returns an array whose values tell where they belong: row - 10 +
// column/16, which is exact in every type.
func matrix(shape ...int) array {
	a := array{shape: shape}
	columns := shape[len(shape)-1]
	lines := 1
	if len(shape) == 2 {
		lines = shape[0]
	}
	for i := range lines * columns {
		a.values = append(a.values, float32(i/columns-10)+float32(i%columns)/16)
	}
	return a
}

// llama returns a model as SmolLM2 is saved by transformers 5.
func llama() *folder {
	f := newFolder("LlamaForCausalLM", "F32")
	f.config["tie_word_embeddings"] = true
	f.config["head_dim"] = width / heads
	f.config["rope_parameters"] = object{"rope_theta": 100000.0, "rope_type": "default"}
	f.settings["bos_token"] = "<|im_start|>"
	f.jinja = template
	f.tokenizer["pre_tokenizer"] = object{"type": "Sequence", "pretokenizers": []object{
		{"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}}}
	return f
}

// qwen returns a model as Qwen2.5-Coder is published: BF16, biases, an output
// matrix of its own, FIM tokens that are not marked as special.
func qwen() *folder {
	f := newFolder("Qwen2ForCausalLM", "BF16")
	f.config["rope_theta"] = 1000000.0
	f.config["bos_token_id"] = 12
	f.settings["chat_template"] = template
	f.settings["eos_token"] = object{"content": "<|endoftext|>"}
	f.tokenizer["pre_tokenizer"] = object{"type": "Sequence", "pretokenizers": []object{
		{"type": "Split", "pattern": object{"Regex": qwenSplit}, "behavior": "Isolated"},
		{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}}}
	f.tensors["lm_head.weight"] = matrix(rows, width)
	for _, layer := range []string{"0", "1"} {
		prefix := "model.layers." + layer + ".self_attn."
		f.tensors[prefix+"q_proj.bias"] = matrix(width)
		f.tensors[prefix+"k_proj.bias"] = matrix(width / heads * kvHeads)
		f.tensors[prefix+"v_proj.bias"] = matrix(width / heads * kvHeads)
	}
	return f
}

func newFolder(architecture, dtype string) *folder {
	return &folder{
		config: object{"architectures": []string{architecture}, "vocab_size": rows, "num_hidden_layers": layers,
			"hidden_size": width, "intermediate_size": inner, "num_attention_heads": heads,
			"num_key_value_heads": kvHeads, "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "eos_token_id": 14},
		tokenizer: object{
			"model":        object{"type": "BPE", "vocab": vocabulary(), "merges": [][]string{{"a", "b"}, {"ab", "c"}}},
			"added_tokens": addedTokens(),
		},
		settings: object{"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": nil},
		dtype:    dtype,
		tensors:  baseTensors(),
	}
}

func vocabulary() map[string]int {
	v := map[string]int{"ab": 10, "abc": 11}
	for i, letter := range "abcdefghij" {
		v[string(letter)] = i
	}
	return v
}

func addedTokens() []object {
	return []object{
		{"id": 12, "content": "<|endoftext|>", "special": true}, {"id": 13, "content": "<|im_start|>", "special": true},
		{"id": 14, "content": "<|im_end|>", "special": true}, {"id": 15, "content": "<|fim_prefix|>", "special": false},
		{"id": 16, "content": "<tool_call>", "special": false},
	}
}

func baseTensors() map[string]array {
	const kv = width / heads * kvHeads
	ts := map[string]array{"model.embed_tokens.weight": matrix(rows, width), "model.norm.weight": matrix(width)}
	for _, layer := range []string{"0", "1"} {
		maps.Copy(ts, map[string]array{
			"model.layers." + layer + ".input_layernorm.weight":          matrix(width),
			"model.layers." + layer + ".post_attention_layernorm.weight": matrix(width),
			"model.layers." + layer + ".self_attn.q_proj.weight":         matrix(width, width),
			"model.layers." + layer + ".self_attn.k_proj.weight":         matrix(kv, width),
			"model.layers." + layer + ".self_attn.v_proj.weight":         matrix(kv, width),
			"model.layers." + layer + ".self_attn.o_proj.weight":         matrix(width, width),
			"model.layers." + layer + ".mlp.gate_proj.weight":            matrix(inner, width),
			"model.layers." + layer + ".mlp.up_proj.weight":              matrix(inner, width),
			"model.layers." + layer + ".mlp.down_proj.weight":            matrix(width, inner),
		})
	}
	return ts
}

// write lays the folder out on disk and returns its path.
func (f *folder) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeJSON(t, filepath.Join(dir, "config.json"), f.config)
	writeJSON(t, filepath.Join(dir, "tokenizer.json"), f.tokenizer)
	writeJSON(t, filepath.Join(dir, "tokenizer_config.json"), f.settings)
	if f.jinja != "" {
		writeFile(t, filepath.Join(dir, "chat_template.jinja"), []byte(f.jinja))
	}
	writeFile(t, filepath.Join(dir, "model.safetensors"), safetensors(t, f.dtype, f.tensors))
	return dir
}

// safetensors returns the bytes of one file.
func safetensors(t *testing.T, dtype string, tensors map[string]array) []byte {
	t.Helper()
	header := object{"__metadata__": object{"format": "pt"}}
	var data []byte
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		start := len(data)
		for _, v := range tensors[name].values {
			data = appendValue(data, dtype, v)
		}
		header[name] = object{"dtype": dtype, "shape": tensors[name].shape, "data_offsets": []int{start, len(data)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, data)
}

func appendValue(data []byte, dtype string, v float32) []byte {
	switch dtype {
	case "F32":
		return binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	case "F16":
		return binary.LittleEndian.AppendUint16(data, float16.Fromfloat32(v).Bits())
	default: // BF16, cut off
		return binary.LittleEndian.AppendUint16(data, uint16(math.Float32bits(v)>>16))
	}
}

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, text)
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
