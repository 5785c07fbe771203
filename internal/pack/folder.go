package pack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ollama/ollama/convert"

	"bbjtune/internal/fault"
)

// architectures lists what is converted: the layouts whose tensors are all
// checked by name. Qwen2.5-Coder is Qwen2, SmolLM2 is Llama.
var architectures = []string{"LlamaForCausalLM", "Qwen2ForCausalLM"}

// checkFolder reports a folder that is absent or no model.
func checkFolder(dir string) error {
	if s, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fmt.Sprintf("the model folder %s does not exist", dir), "check the path")
	} else if err != nil {
		return err
	} else if !s.IsDir() {
		return fault.New(fmt.Sprintf("the model folder %s is a file", dir), "name the folder that holds config.json")
	}
	if exists(dir, "config.json") {
		return nil
	}
	if exists(dir, "adapter_config.json") {
		return fault.New(fmt.Sprintf("the model folder %s holds an adapter without its base model", dir), "merge the adapter first, then convert the merged folder")
	}
	return fault.New(fmt.Sprintf("the model folder %s has no config.json", dir), "a Hugging Face model folder holds config.json, *.safetensors and tokenizer.json")
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// config is what is read of config.json beside what convert reads.
type config struct {
	Architectures   []string        `json:"architectures"`
	Layers          int             `json:"num_hidden_layers"`
	HeadDim         uint32          `json:"head_dim"`
	Heads           int             `json:"num_attention_heads"`
	KVHeads         int             `json:"num_key_value_heads"`
	TiedEmbeddings  bool            `json:"tie_word_embeddings"`
	AttentionBias   bool            `json:"attention_bias"`
	Quantization    json.RawMessage `json:"quantization_config"`
	BOS             tokenID         `json:"bos_token_id"`
	EOS             tokenID         `json:"eos_token_id"`
	PAD             tokenID         `json:"pad_token_id"`
	RopeTheta       float64         `json:"rope_theta"`
	RopeScaling     map[string]any  `json:"rope_scaling"`
	RopeParameters  map[string]any  `json:"rope_parameters"` // since transformers 5, in place of the two above
	MaxPositionEmbs uint32          `json:"max_position_embeddings"`
}

func readConfig(dir string) (config, error) {
	var c config
	path := filepath.Join(dir, "config.json")
	if err := readJSON(path, &c); err != nil {
		return c, err
	}
	switch arch := c.architecture(); {
	case !slices.Contains(architectures, arch):
		return c, fault.New(fmt.Sprintf("unsupported architecture %q in %s", arch, path), "supported are "+strings.Join(architectures, ", "))
	case len(c.Quantization) > 0 && string(c.Quantization) != "null":
		return c, fault.New(fmt.Sprintf("the weights in %s are quantized", dir), "save the model in 16 or 32 bit first")
	case arch == "LlamaForCausalLM" && c.AttentionBias:
		return c, fault.New(fmt.Sprintf("unsupported attention_bias in %s", path), "Llama models with biases cannot be converted")
	case c.MaxPositionEmbs == 0 || c.Layers == 0:
		return c, fault.New(fmt.Sprintf("%s lacks num_hidden_layers or max_position_embeddings", path), "download or save the model again")
	}
	return c, c.checkRope(path)
}

func (c config) architecture() string {
	if len(c.Architectures) == 0 {
		return ""
	}
	return c.Architectures[0]
}

// checkRope reports position embeddings that would be converted wrongly, or not
// at all: convert reads the older keys alone, and panics on kinds it does not
// know.
func (c config) checkRope(path string) error {
	if c.theta() <= 0 {
		return fault.New(path+" has no rope_theta", "download or save the model again")
	}
	kind, _ := c.scaling()["rope_type"].(string)
	if kind == "" {
		kind, _ = c.scaling()["type"].(string)
	}
	llama3 := kind == "llama3" && c.architecture() == "LlamaForCausalLM"
	if kind == "" || kind == "default" || llama3 {
		return nil
	}
	return fault.New(fmt.Sprintf("unsupported rope scaling %q in %s", kind, path), "remove the scaling from config.json; serve within the trained context")
}

func (c config) theta() float64 {
	if theta, ok := c.RopeParameters["rope_theta"].(float64); ok {
		return theta
	}
	return c.RopeTheta
}

func (c config) scaling() map[string]any {
	if c.RopeParameters != nil {
		return c.RopeParameters
	}
	return c.RopeScaling
}

// rope returns the position embedding as the older keys of config.json.
func (c config) rope() []byte {
	keys := map[string]any{"rope_theta": c.theta()}
	if c.scaling()["rope_type"] == "llama3" {
		keys["rope_scaling"] = c.scaling()
	}
	text, _ := json.Marshal(keys) // comes from JSON, so it goes into it
	return text
}

// tensorName matches what llama.cpp reads of the two architectures.
var tensorName = regexp.MustCompile(`^(?:(?:token_embd|output_norm|output)\.weight|blk\.\d+\.(?:(?:attn_norm|ffn_norm|attn_output|ffn_gate|ffn_up|ffn_down)\.weight|attn_[qkv]\.(?:weight|bias)))$`)

var layerTensors = []string{"attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"}

// checkTensors reports what llama.cpp would refuse to load, or load and answer
// nonsense with.
func (m *model) checkTensors(ts []convert.Tensor) error {
	shapes := map[string][]uint64{}
	for _, t := range ts {
		if !tensorName.MatchString(t.Name()) {
			return fault.New(fmt.Sprintf("unexpected tensor %s", t.Name()), "convert a merged model in 16 or 32 bit, without adapters or extra heads")
		}
		shapes[t.Name()] = t.Shape()
	}
	for _, name := range m.wantedTensors() {
		if shapes[name] == nil {
			return fault.New(fmt.Sprintf("%s is missing", name), "the folder is incomplete; download or save the model again")
		}
	}
	if rows := shapes["token_embd.weight"][0]; rows != uint64(len(m.vocab.Tokens)) {
		return fault.New(fmt.Sprintf("%d rows of embeddings for %d tokens", rows, len(m.vocab.Tokens)), "use the tokenizer that belongs to these weights")
	}
	return nil
}

func (m *model) wantedTensors() []string {
	names := []string{"token_embd.weight", "output_norm.weight"}
	if !m.config.TiedEmbeddings {
		names = append(names, "output.weight")
	}
	for i := range m.config.Layers {
		for _, part := range layerTensors {
			names = append(names, fmt.Sprintf("blk.%d.%s.weight", i, part))
		}
	}
	return names
}

// readJSON reads one JSON file; errors name it.
func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fault.Wrap(fmt.Errorf("read %s: %w", path, err), "the file is damaged; download or save the model again")
	}
	return nil
}
