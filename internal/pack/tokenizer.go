package pack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ollama/ollama/convert"

	"bbjtune/internal/fault"
)

// The types of a token in a GGUF.
const (
	tokenControl int32 = 3
	tokenUnused  int32 = 5
)

// endOfTurn ends a message in ChatML. A base model's end token is another one.
const endOfTurn = "<|im_end|>"

// tokenizer is what is read of the tokenizer's files beside what convert reads.
type tokenizer struct {
	pre      string // how llama.cpp names the rule that splits text into words
	template string // Jinja, "" when the folder has none
	addBOS   bool
	added    map[string]bool    // tokens beyond the learned vocabulary
	named    map[string]string  // "bos", "eos", "pad", "unk" -> text
	ids      map[string]tokenID // the same by number, from config.json
}

// tokenizerFile is the part of tokenizer.json that decides how text is split.
type tokenizerFile struct {
	Added []struct {
		Content string `json:"content"`
	} `json:"added_tokens"`
	Model struct {
		Type string `json:"type"`
	} `json:"model"`
	PreTokenizer  step `json:"pre_tokenizer"`
	PostProcessor struct {
		Type       string `json:"type"`
		Processors []struct {
			Single []templatePiece `json:"single"`
		} `json:"processors"`
		Single []templatePiece `json:"single"`
	} `json:"post_processor"`
}

type templatePiece struct {
	SpecialToken *struct {
		ID string `json:"id"`
	}
}

// step is one step of a pre-tokenizer, or a sequence of them.
type step struct {
	Type       string `json:"type"`
	Steps      []step `json:"pretokenizers"`
	Individual bool   `json:"individual_digits"`
	Prefix     bool   `json:"add_prefix_space"`
	UseRegex   *bool  `json:"use_regex"` // absent means true
	Pattern    struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
}

// The patterns that the two families split text with.
const (
	qwenPattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llamaPattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// preTokenizers maps the steps of a pre-tokenizer to llama.cpp's name for it.
// Under a wrong name the model still answers, but it reads other tokens than it
// was trained on, so an unknown sequence is an error and never "default".
var preTokenizers = map[string]string{
	"words":                            "gpt-2",
	"digits words":                     "smollm",
	"split " + qwenPattern + " bytes":  "qwen2",
	"split " + llamaPattern + " bytes": "llama-bpe",
}

// describe writes a pre-tokenizer as a key of preTokenizers.
func (s step) describe() string {
	words := s.UseRegex == nil || *s.UseRegex
	switch {
	case s.Type == "Sequence":
		parts := make([]string, len(s.Steps))
		for i, part := range s.Steps {
			parts[i] = part.describe()
		}
		return strings.Join(parts, " ")
	case s.Type == "Digits" && s.Individual:
		return "digits"
	case s.Type == "Split" && s.Pattern.Regex != "":
		return "split " + s.Pattern.Regex
	case s.Type == "ByteLevel" && !s.Prefix && words:
		return "words"
	case s.Type == "ByteLevel" && !s.Prefix:
		return "bytes"
	}
	return s.Type
}

func readTokenizer(dir string, c config) (tokenizer, error) {
	path := filepath.Join(dir, "tokenizer.json")
	if !exists(dir, "tokenizer.json") {
		return tokenizer{}, fault.New(fmt.Sprintf("the model folder %s has no tokenizer.json", dir), "save the model's fast tokenizer beside the weights")
	}
	var file tokenizerFile
	if err := readJSON(path, &file); err != nil {
		return tokenizer{}, err
	}
	// convert would prefer a SentencePiece file to tokenizer.json.
	if file.Model.Type != "BPE" || exists(dir, "tokenizer.model") {
		return tokenizer{}, fault.New(fmt.Sprintf("the tokenizer in %s is no byte-level BPE", dir), "only models with such a tokenizer can be converted")
	}
	t := tokenizer{added: map[string]bool{}, ids: map[string]tokenID{"bos": c.BOS, "eos": c.EOS, "pad": c.PAD}}
	split := file.PreTokenizer.describe()
	if t.pre = preTokenizers[split]; t.pre == "" {
		return tokenizer{}, fault.New(fmt.Sprintf("unknown pre_tokenizer %q in %s", split, path), "llama.cpp would split text differently from the training; use a model of the Qwen2.5 or SmolLM2 family")
	}
	for _, a := range file.Added {
		t.added[a.Content] = true
	}
	if err := t.readSettings(dir); err != nil {
		return tokenizer{}, err
	}
	t.addBOS = t.addBOS || file.startsWith(t.named["bos"])
	return t, nil
}

// startsWith tells whether the tokenizer puts the token before every text.
func (f tokenizerFile) startsWith(token string) bool {
	pieces := f.PostProcessor.Single
	for _, p := range f.PostProcessor.Processors {
		pieces = append(pieces, p.Single...)
	}
	return len(pieces) > 0 && pieces[0].SpecialToken != nil && pieces[0].SpecialToken.ID == token
}

// readSettings reads tokenizer_config.json and the chat template, which
// transformers 5 writes into a file of its own and convert does not look for.
func (t *tokenizer) readSettings(dir string) error {
	var settings struct {
		AddBOS   bool      `json:"add_bos_token"`
		BOS      tokenText `json:"bos_token"`
		EOS      tokenText `json:"eos_token"`
		PAD      tokenText `json:"pad_token"`
		UNK      tokenText `json:"unk_token"`
		Template any       `json:"chat_template"`
	}
	if !exists(dir, "tokenizer_config.json") {
		return fault.New(fmt.Sprintf("the model folder %s has no tokenizer_config.json", dir), "save the model's tokenizer beside the weights")
	}
	if err := readJSON(filepath.Join(dir, "tokenizer_config.json"), &settings); err != nil {
		return err
	}
	t.addBOS = settings.AddBOS
	t.template, _ = settings.Template.(string)
	t.named = map[string]string{"bos": string(settings.BOS), "eos": string(settings.EOS), "pad": string(settings.PAD), "unk": string(settings.UNK)}
	file, err := os.ReadFile(filepath.Join(dir, "chat_template.jinja"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	t.template = string(file)
	return err
}

// correct repairs what convert made of the vocabulary.
func (t tokenizer) correct(v *convert.Tokenizer) error {
	v.Pre, v.Template = t.pre, t.template
	v.SpecialVocabulary = nil // setKeys writes them all, in llama.cpp's spelling
	for i, token := range v.Tokens {
		switch {
		case t.added[token] && strings.HasPrefix(token, "<|") && strings.HasSuffix(token, "|>"):
			v.Types[i] = tokenControl // Qwen's FIM tokens are not marked as special
		case v.Scores[i] < 0:
			v.Types[i] = tokenUnused // filler up to the rows of the embedding, never to be found in text
			continue
		}
		// convert keeps a token's number as its score and closes gaps silently.
		if int(v.Scores[i]) != i {
			return fault.New(fmt.Sprintf("token number %d is missing", i), "save the tokenizer again")
		}
	}
	if _, ok := t.id("eos", v); !ok {
		return fault.New("there is no end token", "set eos_token in tokenizer_config.json")
	}
	return nil
}

// setKeys adds the keys of the tokens with a meaning. Without them llama.cpp
// falls back to numbers of GPT-2's vocabulary.
func (t tokenizer) setKeys(kv convert.KV, v *convert.Tokenizer) {
	kv["tokenizer.ggml.add_bos_token"] = t.addBOS
	kv["tokenizer.ggml.add_eos_token"] = false
	keys := map[string]string{"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
	for name, key := range keys {
		if id, ok := t.id(name, v); ok {
			kv["tokenizer.ggml."+key+"_token_id"] = id
		}
	}
	if id, ok := find(v, endOfTurn); ok {
		kv["tokenizer.ggml.eot_token_id"] = id
	}
}

// id returns the number of a token with a meaning: by its text, or else as
// config.json has it.
func (t tokenizer) id(name string, v *convert.Tokenizer) (uint32, bool) {
	if text := t.named[name]; text != "" {
		return find(v, text)
	}
	id := t.ids[name]
	return id.number, id.set && int(id.number) < len(v.Tokens)
}

// find returns the number of the token with that text.
func find(v *convert.Tokenizer, text string) (uint32, bool) {
	for i, token := range v.Tokens {
		if token == text {
			return uint32(i), true
		}
	}
	return 0, false
}

// tokenText is a token in tokenizer_config.json: its text, or an object with it.
type tokenText string

// UnmarshalJSON implements json.Unmarshaler.
func (t *tokenText) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, (*string)(t)) == nil {
		return nil
	}
	var object struct {
		Content string `json:"content"`
	}
	err := json.Unmarshal(text, &object)
	*t = tokenText(object.Content)
	return err
}

// tokenID is a token number in config.json: a number, several of which the
// first is the main one, or null.
type tokenID struct {
	number uint32
	set    bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *tokenID) UnmarshalJSON(text []byte) error {
	var many []uint32
	if json.Unmarshal(text, &many) != nil {
		var one *uint32
		if err := json.Unmarshal(text, &one); err != nil || one == nil {
			return err
		}
		many = []uint32{*one}
	}
	if len(many) > 0 {
		*t = tokenID{many[0], true}
	}
	return nil
}
