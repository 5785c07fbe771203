package pack

import (
	"fmt"
	"os"

	"github.com/ollama/ollama/fs/ggml"

	"bbjtune/internal/fault"
)

// Info is what a GGUF says about itself.
type Info struct {
	Name          string
	Architecture  string         // "qwen2", "llama"
	Type          string         // of most of its tensors: "F16", "Q4_K_M"
	Parameters    uint64         // weights
	Tensors       int            // named arrays of them
	Types         map[string]int // how many of them have a type
	ContextLength int            // tokens
	Vocabulary    int            // tokens, fillers included
	PreTokenizer  string         // llama.cpp's name for it
	Stops         []string       // the tokens that end an answer
	ChatTemplate  string         // Jinja, "" when there is none
	Bytes         int64
}

// Inspect reads the header of a GGUF and checks that all of its tensors are in
// the file.
func Inspect(path string) (info Info, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	g, err := decodeGGUF(f)
	if err != nil {
		return Info{}, fault.Wrap(fmt.Errorf("read %s: %w", path, err), "the file is no GGUF, or damaged; make or download it again")
	}
	kv := g.KV()
	tokens := kv.Strings("tokenizer.ggml.tokens")
	types := map[string]int{}
	for _, t := range g.Tensors().Items() {
		types[t.Type()]++
	}
	return Info{
		Name:          kv.String("general.name"),
		Architecture:  kv.Architecture(),
		Type:          kv.FileType().String(),
		Parameters:    kv.ParameterCount(),
		Tensors:       len(g.Tensors().Items()),
		Types:         types,
		ContextLength: int(kv.ContextLength()),
		Vocabulary:    len(tokens),
		PreTokenizer:  kv.String("tokenizer.ggml.pre"),
		Stops:         stops(kv, tokens),
		ChatTemplate:  kv.ChatTemplate(),
		Bytes:         stat.Size(),
	}, nil
}

// decodeGGUF survives headers with impossible lengths, for which ggml.Decode
// panics.
func decodeGGUF(f *os.File) (g *ggml.GGML, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the header makes no sense: %v", p)
		}
	}()
	return ggml.Decode(f, -1)
}

// stops returns the texts of the end tokens, the one of a turn first.
func stops(kv ggml.KV, tokens []string) []string {
	var texts []string
	for _, key := range []string{"eot", "eos"} {
		id, ok := kv["tokenizer.ggml."+key+"_token_id"].(uint32)
		if ok && int(id) < len(tokens) && (len(texts) == 0 || texts[0] != tokens[id]) {
			texts = append(texts, tokens[id])
		}
	}
	return texts
}
