package pack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/ollama/ollama/fs/ggml"
	"github.com/x448/float16"

	"bbjtune/internal/fault"
	"bbjtune/internal/pack"
)

var meta = pack.Metadata{Name: "BBj Coder test", Description: "a tiny model", License: "apache-2.0"}

// convert converts the folder and returns what the call and the file say.
func convert(t *testing.T, f *folder) (pack.Info, *ggml.GGML, []byte) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "model.gguf")
	info, err := pack.ToGGUF(t.Context(), f.write(t), out, meta)
	if err != nil {
		t.Fatalf("%v (hint: %s)", err, fault.Hint(err))
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	g, err := ggml.Decode(bytes.NewReader(data), -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(out + ".part"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the temporary file is still there")
	}
	return info, g, data
}

func TestInfo(t *testing.T) {
	cases := []struct {
		name  string
		model *folder
		want  pack.Info
	}{
		{"llama", llama(), pack.Info{Architecture: "llama", Tensors: 20, Types: map[string]int{"F16": 15, "F32": 5}, Parameters: 1160, PreTokenizer: "smollm", Stops: []string{"<|im_end|>"}}},
		{"qwen", qwen(), pack.Info{Architecture: "qwen2", Tensors: 27, Types: map[string]int{"F16": 16, "F32": 11}, Parameters: 1352, PreTokenizer: "qwen2", Stops: []string{"<|im_end|>", "<|endoftext|>"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, _, data := convert(t, c.model)
			c.want.Name, c.want.Type, c.want.ChatTemplate = meta.Name, "F16", template
			c.want.ContextLength, c.want.Vocabulary, c.want.Bytes = 64, rows, int64(len(data))
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	cases := []struct {
		name  string
		model *folder
		want  map[string]any // nil: the key must be absent
	}{
		{"llama", llama(), map[string]any{
			"general.architecture": "llama", "general.type": "model", "general.name": meta.Name,
			"general.description": meta.Description, "general.license": meta.License,
			"llama.rope.freq_base": float32(100000), "llama.rope.dimension_count": uint32(width / heads),
			"llama.block_count": uint32(layers), "llama.attention.head_count_kv": uint32(kvHeads),
			"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm",
			"tokenizer.ggml.bos_token_id": uint32(13), "tokenizer.ggml.eos_token_id": uint32(14),
			"tokenizer.ggml.eot_token_id": uint32(14), "tokenizer.ggml.padding_token_id": uint32(12),
			"tokenizer.ggml.unknown_token_id": nil,
			"tokenizer.ggml.add_bos_token":    false, "tokenizer.ggml.add_eos_token": false,
		}},
		{"qwen", qwen(), map[string]any{
			"general.architecture": "qwen2", "qwen2.rope.freq_base": float32(1000000),
			"qwen2.context_length": uint32(64), "qwen2.rope.dimension_count": nil,
			"tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.bos_token_id": uint32(12),
			"tokenizer.ggml.eos_token_id": uint32(12), "tokenizer.ggml.eot_token_id": uint32(14),
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, g, _ := convert(t, c.model)
			for key, want := range c.want {
				if got := g.KV()[key]; got != want {
					t.Errorf("%s = %v (%T), want %v", key, got, got, want)
				}
			}
		})
	}
}

func TestVocabulary(t *testing.T) {
	_, g, _ := convert(t, qwen())
	tokens, types := g.KV().Strings("tokenizer.ggml.tokens"), g.KV().Ints("tokenizer.ggml.token_type")
	const normal, control, userDefined, unused = 1, 3, 4, 5
	want := map[string]int32{"a": normal, "abc": normal, "<|im_start|>": control, "<|im_end|>": control,
		"<|endoftext|>": control, "<|fim_prefix|>": control, "<tool_call>": userDefined, "[PAD0]": unused, "[PAD2]": unused}
	for token, kind := range want {
		if i := slices.Index(tokens, token); i < 0 || types[i] != kind {
			t.Errorf("%s: number %d, types %v, want %d", token, i, types, kind)
		}
	}
	if merges := g.KV().Strings("tokenizer.ggml.merges"); !slices.Equal(merges, []string{"a b", "ab c"}) {
		t.Errorf("merges %q", merges)
	}
}

func TestTensors(t *testing.T) {
	_, g, _ := convert(t, qwen())
	want := map[string]string{
		"token_embd.weight": "F16 [8 20]", "output.weight": "F16 [8 20]", "output_norm.weight": "F32 [8]",
	}
	for _, layer := range []string{"blk.0.", "blk.1."} {
		maps.Copy(want, map[string]string{
			layer + "attn_norm.weight": "F32 [8]", layer + "ffn_norm.weight": "F32 [8]",
			layer + "attn_q.weight": "F16 [8 8]", layer + "attn_q.bias": "F32 [8]",
			layer + "attn_k.weight": "F16 [8 4]", layer + "attn_k.bias": "F32 [4]",
			layer + "attn_v.weight": "F16 [8 4]", layer + "attn_v.bias": "F32 [4]",
			layer + "attn_output.weight": "F16 [8 8]", layer + "ffn_down.weight": "F16 [12 8]",
			layer + "ffn_gate.weight": "F16 [8 12]", layer + "ffn_up.weight": "F16 [8 12]",
		})
	}
	got := map[string]string{}
	for _, tensor := range g.Tensors().Items() {
		got[tensor.Name] = fmt.Sprint(tensor.Type(), " ", tensor.Shape)
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestValues follows numbers from the folder into the GGUF, in every type.
func TestValues(t *testing.T) {
	for _, dtype := range []string{"F32", "F16", "BF16"} {
		t.Run(dtype, func(t *testing.T) {
			f := llama()
			f.dtype = dtype
			_, g, data := convert(t, f)
			checkValues(t, values(t, g, data, "token_embd.weight"), matrix(rows, width).values)
			checkValues(t, values(t, g, data, "blk.1.ffn_down.weight"), matrix(width, inner).values)
			checkValues(t, values(t, g, data, "output_norm.weight"), matrix(width).values)

			// llama.cpp wants the two halves of each Llama query head interleaved.
			var want []float32
			for _, row := range []int{0, 2, 1, 3, 4, 6, 5, 7} {
				want = append(want, matrix(width, width).values[row*width:(row+1)*width]...)
			}
			checkValues(t, values(t, g, data, "blk.0.attn_q.weight"), want)
		})
	}
}

func checkValues(t *testing.T, got, want []float32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// values reads one tensor of a GGUF.
func values(t *testing.T, g *ggml.GGML, data []byte, name string) []float32 {
	t.Helper()
	var out []float32
	for _, tensor := range g.Tensors().Items() {
		if tensor.Name != name {
			continue
		}
		raw := data[g.Tensors().Offset+tensor.Offset:][:tensor.Size()]
		for len(raw) > 0 {
			if tensor.Type() == "F16" {
				out = append(out, float16.Frombits(binary.LittleEndian.Uint16(raw)).Float32())
				raw = raw[2:]
			} else {
				out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
				raw = raw[4:]
			}
		}
	}
	return out
}

// TestSplitModel converts a model in two files with an index to the same bytes
// as one in a single file.
func TestSplitModel(t *testing.T) {
	f := qwen()
	_, _, whole := convert(t, f)
	dir := f.write(t)
	parts := [2]map[string]array{{}, {}}
	index := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(f.tensors)) {
		parts[i%2][name] = f.tensors[name]
		index[name] = []string{"model-1.safetensors", "model-2.safetensors"}[i%2]
	}
	os.Remove(filepath.Join(dir, "model.safetensors"))
	writeFile(t, filepath.Join(dir, "model-1.safetensors"), safetensors(t, f.dtype, parts[0]))
	writeFile(t, filepath.Join(dir, "model-2.safetensors"), safetensors(t, f.dtype, parts[1]))
	writeJSON(t, filepath.Join(dir, "model.safetensors.index.json"), object{"weight_map": index})

	out := filepath.Join(t.TempDir(), "model.gguf")
	if _, err := pack.ToGGUF(t.Context(), dir, out, meta); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(out); !bytes.Equal(data, whole) {
		t.Error("the split model became another GGUF than the whole one")
	}

	os.Remove(filepath.Join(dir, "model-2.safetensors"))
	wantFault(t, dir, "model-2.safetensors is missing in")
}

// TestInterrupted: neither a cancelled nor a failed conversion touches the file
// of an earlier one, and debris is no obstacle.
func TestInterrupted(t *testing.T) {
	out := filepath.Join(t.TempDir(), "model.gguf")
	writeFile(t, out, []byte("earlier"))
	writeFile(t, out+".part", []byte("debris of a killed conversion"))
	dir := llama().write(t)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pack.ToGGUF(ctx, dir, out, meta); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if data, _ := os.ReadFile(out); string(data) != "earlier" {
		t.Error("a cancelled conversion changed the file")
	}
	if _, err := os.Stat(out + ".part"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a cancelled conversion left its temporary file")
	}
	if _, err := pack.ToGGUF(t.Context(), dir, out, meta); err != nil {
		t.Fatal(err)
	}
	if info, err := pack.Inspect(out); err != nil || info.Name != meta.Name {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestNoFolderToWriteTo(t *testing.T) {
	_, err := pack.ToGGUF(t.Context(), llama().write(t), filepath.Join(t.TempDir(), "absent", "m.gguf"), meta)
	if !errors.Is(err, fs.ErrNotExist) || fault.Hint(err) == "" {
		t.Errorf("err = %v", err)
	}
}

func TestInspectRefuses(t *testing.T) {
	_, _, whole := convert(t, llama())
	impossible := slices.Clone(whole)
	copy(impossible[24:], "\xff\xff\xff\xff\xff\xff\xff\x7f") // the length of the first key
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("this is no model"), "cut short": whole[:len(whole)-1], "impossible": impossible,
	} {
		path := filepath.Join(t.TempDir(), "x.gguf")
		writeFile(t, path, data)
		if _, err := pack.Inspect(path); err == nil || fault.Hint(err) == "" {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}
