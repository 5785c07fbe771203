package pack

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ollama/ollama/convert"
	"github.com/ollama/ollama/fs/ggml"

	"bbjtune/internal/fault"
)

// AdapterToGGUF converts a LoRA adapter in PEFT's layout (adapter_config.json,
// adapter_model.safetensors) for the model in the folder baseDir into the GGUF
// outFile, which llama.cpp and Ollama put on top of a GGUF of that model. Like
// ToGGUF it writes the file whole or not at all.
//
// Ollama's own converter of adapters knows Llama alone and moves the wrong half
// of the pairs, so the names are those of the model's converter, and the rows
// move as those of the model do.
func AdapterToGGUF(ctx context.Context, adapterDir, baseDir, outFile, name string) error {
	a, err := readAdapter(adapterDir)
	if err != nil {
		return err
	}
	base, err := readConfig(baseDir)
	if err != nil {
		return err
	}
	architecture := map[string]string{"LlamaForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2"}[base.architecture()]
	w, err := openWeights(adapterDir)
	if err != nil {
		return err
	}
	defer w.Close()
	source, err := w.tensors(ctx, adapterNames)
	if err != nil {
		return err
	}
	tensors, err := a.tensors(source, base)
	if err != nil {
		return fmt.Errorf("the adapter in %s: %w", adapterDir, err)
	}
	kv := convert.KV{
		"general.architecture": architecture, "general.type": "adapter", "general.name": name, "general.file_type": uint32(1),
		"adapter.type": "lora", "adapter.lora.alpha": a.alpha(),
	}
	if _, err := writeWhole(outFile, func(f *os.File) error { return ggml.WriteGGUF(f, kv, tensors) }); err != nil {
		return explainFull(err, tensors)
	}
	return nil
}

// adapter is what is read of adapter_config.json.
type adapter struct {
	Type       string         `json:"peft_type"`
	Rank       int            `json:"r"`
	Alpha      float64        `json:"lora_alpha"`
	RSLoRA     bool           `json:"use_rslora"`
	DoRA       bool           `json:"use_dora"`
	Bias       string         `json:"bias"`
	Ranks      map[string]int `json:"rank_pattern"`
	Alphas     map[string]any `json:"alpha_pattern"`
	FanInFirst bool           `json:"fan_in_fan_out"`
}

func readAdapter(dir string) (*adapter, error) {
	path := filepath.Join(dir, "adapter_config.json")
	if !exists(dir, "adapter_config.json") {
		return nil, fault.New(fmt.Sprintf("%s holds no adapter", dir), "an adapter folder holds adapter_config.json and adapter_model.safetensors")
	}
	a := &adapter{}
	if err := readJSON(path, a); err != nil {
		return nil, err
	}
	const hint = "a GGUF adapter holds plain LoRA alone; take the merged model"
	switch {
	case a.Type != "LORA" || a.Rank <= 0 || a.FanInFirst:
		return nil, fault.New(fmt.Sprintf("%s is of the kind %q", path, a.Type), hint)
	case a.DoRA:
		return nil, fault.New(fmt.Sprintf("the adapter in %s is DoRA", dir), hint)
	case a.Bias != "" && a.Bias != "none":
		return nil, fault.New(fmt.Sprintf("the adapter in %s changes biases", dir), hint)
	case len(a.Ranks)+len(a.Alphas) > 0:
		return nil, fault.New(fmt.Sprintf("the adapter in %s has several ranks or scales", dir), hint)
	}
	return a, nil
}

// alpha is what llama.cpp divides by the rank to get the scale.
func (a *adapter) alpha() float32 {
	if a.RSLoRA {
		return float32(a.Alpha * math.Sqrt(float64(a.Rank)))
	}
	return float32(a.Alpha)
}

// adapterNames turns PEFT's names into llama.cpp's.
var adapterNames = []string{
	"base_model.model.model.layers", "blk", "self_attn.q_proj", "attn_q", "self_attn.k_proj", "attn_k", "self_attn.v_proj", "attn_v",
	"self_attn.o_proj", "attn_output", "mlp.gate_proj", "ffn_gate", "mlp.up_proj", "ffn_up", "mlp.down_proj", "ffn_down",
	"lora_A.weight", "weight.lora_a", "lora_B.weight", "weight.lora_b",
}

var adapterName = regexp.MustCompile(`^blk\.\d+\.(attn_q|attn_k|attn_v|attn_output|ffn_gate|ffn_up|ffn_down)\.weight\.lora_([ab])$`)

// tensors checks that the pairs are whole and of one rank, and turns their
// shapes and rows into llama.cpp's order.
func (a *adapter) tensors(source []convert.Tensor, base config) ([]*ggml.Tensor, error) {
	halves := map[string]int{}
	var out []*ggml.Tensor
	for _, t := range source {
		part := adapterName.FindStringSubmatch(t.Name())
		if part == nil {
			return nil, fault.New("it also changes "+strings.TrimPrefix(t.Name(), "base_model.model."), "a GGUF adapter holds the pairs of linear layers alone; take the merged model, which has all of it")
		}
		shape := t.Shape()
		rank := 0 // where the shape has it
		if part[2] == "b" {
			rank = 1
		}
		if len(shape) != 2 || shape[rank] != uint64(a.Rank) {
			return nil, fault.New(fmt.Sprintf("%s is not of rank %d", t.Name(), a.Rank), "the files are of two adapters; save the adapter again")
		}
		if part[2] == "b" && base.architecture() == "LlamaForCausalLM" {
			if heads := base.headsOf(part[1]); heads > 0 {
				if shape[0]%uint64(2*heads) != 0 {
					return nil, fault.New(t.Name()+" does not fit the base model's heads", "take the base model that the adapter was trained on")
				}
				t.SetRepacker(interleave(heads))
			}
		}
		halves[strings.TrimSuffix(strings.TrimSuffix(t.Name(), "_a"), "_b")]++
		out = append(out, &ggml.Tensor{Name: t.Name(), Kind: t.Kind(), Shape: []uint64{shape[1], shape[0]}, WriterTo: t})
	}
	for _, name := range slices.Sorted(maps.Keys(halves)) {
		if halves[name] != 2 {
			return nil, fault.New("half of "+name+" is missing", "the adapter is incomplete; save or copy it again")
		}
	}
	if len(out) == 0 {
		return nil, fault.New("it holds no tensor", "the adapter is incomplete; save or copy it again")
	}
	return out, nil
}

// headsOf is the number of heads that the rows of a layer's output belong to, 0
// for a layer whose rows stay where they are.
func (c config) headsOf(layer string) int {
	switch layer {
	case "attn_q":
		return c.Heads
	case "attn_k":
		if c.KVHeads > 0 {
			return c.KVHeads
		}
		return c.Heads
	}
	return 0
}

// interleave puts the two halves of each head's rows into llama.cpp's order for
// Llama models, as convert does with the model's own matrices.
func interleave(heads int) convert.Repacker {
	return func(_ string, data []float32, shape []uint64) ([]float32, error) {
		rows, columns := int(shape[0]), int(shape[1])
		size := rows / heads
		out := make([]float32, 0, len(data))
		for head := range heads {
			for i := range size {
				row := head*size + i/2 + i%2*(size/2)
				out = append(out, data[row*columns:(row+1)*columns]...)
			}
		}
		return out, nil
	}
}
