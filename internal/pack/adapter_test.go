package pack_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ollama/ollama/fs/ggml"

	"bbjtune/internal/fault"
	"bbjtune/internal/pack"
)

const rank = 2

// lora is an adapter of PEFT in memory.
type lora struct {
	config  object
	tensors map[string]array
}

func newLora() *lora {
	l := &lora{config: object{"peft_type": "LORA", "r": rank, "lora_alpha": 8, "bias": "none", "use_rslora": false, "rank_pattern": object{}, "alpha_pattern": object{}},
		tensors: map[string]array{}}
	for name, size := range map[string][2]int{"self_attn.q_proj": {width, width}, "self_attn.k_proj": {width / heads, width}, "self_attn.o_proj": {width, width}, "mlp.down_proj": {width, inner}} {
		l.tensors["base_model.model.model.layers.1."+name+".lora_A.weight"] = matrix(rank, size[1])
		l.tensors["base_model.model.model.layers.1."+name+".lora_B.weight"] = matrix(size[0], rank)
	}
	return l
}

func (l *lora) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeJSON(t, filepath.Join(dir, "adapter_config.json"), l.config)
	writeFile(t, filepath.Join(dir, "adapter_model.safetensors"), safetensors(t, "F32", l.tensors))
	return dir
}

func TestAdapter(t *testing.T) {
	for _, c := range []struct {
		name   string
		model  *folder
		query  []int // rows of the model's, in the order of the GGUF
		rslora bool
		alpha  float32
	}{
		{"llama", llama(), []int{0, 2, 1, 3, 4, 6, 5, 7}, false, 8},
		{"qwen2", qwen(), []int{0, 1, 2, 3, 4, 5, 6, 7}, true, 11.313708},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLora()
			l.config["use_rslora"] = c.rslora
			out := filepath.Join(t.TempDir(), "adapter.gguf")
			if err := pack.AdapterToGGUF(t.Context(), l.write(t), c.model.write(t), out, "BBj"); err != nil {
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
			for key, want := range map[string]any{"general.architecture": c.name, "general.type": "adapter", "general.name": "BBj", "adapter.type": "lora", "adapter.lora.alpha": c.alpha} {
				if got := g.KV()[key]; got != want {
					t.Errorf("%s = %v, want %v", key, got, want)
				}
			}
			var got []string
			for _, tensor := range g.Tensors().Items() {
				got = append(got, fmt.Sprint(tensor.Name, tensor.Shape))
			}
			want := []string{"blk.1.attn_k.weight.lora_a[8 2]", "blk.1.attn_k.weight.lora_b[2 4]", "blk.1.attn_output.weight.lora_a[8 2]", "blk.1.attn_output.weight.lora_b[2 8]",
				"blk.1.attn_q.weight.lora_a[8 2]", "blk.1.attn_q.weight.lora_b[2 8]", "blk.1.ffn_down.weight.lora_a[12 2]", "blk.1.ffn_down.weight.lora_b[2 8]"}
			if !slices.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			checkValues(t, values(t, g, data, "blk.1.attn_q.weight.lora_a"), matrix(rank, width).values)
			var rows []float32
			for _, row := range c.query {
				rows = append(rows, matrix(width, rank).values[row*rank:(row+1)*rank]...)
			}
			checkValues(t, values(t, g, data, "blk.1.attn_q.weight.lora_b"), rows)
		})
	}
}

func TestFaultyAdapters(t *testing.T) {
	const q = "base_model.model.model.layers.1.self_attn.q_proj.lora_"
	for _, c := range []struct {
		message string
		spoil   func(*lora)
	}{
		{`is of the kind "IA3"`, func(l *lora) { l.config["peft_type"] = "IA3" }},
		{"is DoRA", func(l *lora) { l.config["use_dora"] = true }},
		{"changes biases", func(l *lora) { l.config["bias"] = "all" }},
		{"several ranks", func(l *lora) { l.config["rank_pattern"] = object{"q_proj": 4} }},
		{"is not of rank 4", func(l *lora) { l.config["r"] = 4 }},
		{"half of blk.1.attn_q.weight.lora is missing", func(l *lora) { delete(l.tensors, q+"A.weight") }},
		{"it also changes model.embed_tokens.token_adapter.trainable_tokens_delta", func(l *lora) {
			l.tensors["base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"] = matrix(1, width)
		}},
		{"it holds no tensor", func(l *lora) { clear(l.tensors) }},
		{"does not fit the base model's heads", func(l *lora) { l.tensors[q+"B.weight"] = matrix(6, rank) }},
		{"holds a value that is no number, or too large", func(l *lora) { l.tensors[q+"A.weight"].values[0] = 1e6 }},
	} {
		l := newLora()
		c.spoil(l)
		out := filepath.Join(t.TempDir(), "adapter.gguf")
		err := pack.AdapterToGGUF(t.Context(), l.write(t), llama().write(t), out, "x")
		if err == nil || !strings.Contains(err.Error(), c.message) || fault.Hint(err) == "" {
			t.Errorf("err = %v, want %q\nhint: %q", err, c.message, fault.Hint(err))
		}
		if left, _ := filepath.Glob(out + "*"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if err := pack.AdapterToGGUF(t.Context(), t.TempDir(), llama().write(t), filepath.Join(t.TempDir(), "a.gguf"), "x"); err == nil || fault.Hint(err) == "" {
		t.Errorf("err = %v", err)
	}
}
