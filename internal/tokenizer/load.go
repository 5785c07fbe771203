package tokenizer

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
)

// file is what matters of a tokenizer.json.
type file struct {
	Added []struct {
		ID         int32  `json:"id"`
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
		Normalized bool   `json:"normalized"`
	} `json:"added_tokens"`
	Normalizer *struct {
		Type string `json:"type"`
	} `json:"normalizer"`
	Pre struct {
		Type string `json:"type"`
		List []step `json:"pretokenizers"`
	} `json:"pre_tokenizer"`
	Model struct {
		Type         string           `json:"type"`
		Dropout      *float64         `json:"dropout"`
		Unknown      *string          `json:"unk_token"`
		Prefix       string           `json:"continuing_subword_prefix"`
		Suffix       string           `json:"end_of_word_suffix"`
		ByteFallback bool             `json:"byte_fallback"`
		IgnoreMerges bool             `json:"ignore_merges"`
		Vocab        map[string]int32 `json:"vocab"`
		Merges       []joined         `json:"merges"`
	} `json:"model"`
}

type step struct {
	Type    string `json:"type"`
	Pattern struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
	Behavior       string `json:"behavior"`
	Invert         bool   `json:"invert"`
	Individual     bool   `json:"individual_digits"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	UseRegex       *bool  `json:"use_regex"`
}

// joined is a merge, as "a b" or as ["a","b"].
type joined [2]string

// UnmarshalJSON implements [json.Unmarshaler].
func (j *joined) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return json.Unmarshal(text, (*[2]string)(j))
	}
	var line string
	if err := json.Unmarshal(text, &line); err != nil {
		return err
	}
	left, right, ok := strings.Cut(line, " ")
	if !ok {
		return fmt.Errorf("%q is no merge", line)
	}
	*j = joined{left, right}
	return nil
}

// Load reads the tokenizer.json of a model's folder.
func Load(dir string) (*Tokenizer, error) {
	path := filepath.Join(dir, "tokenizer.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("read the tokenizer: %w", err), "name a folder that holds a tokenizer.json")
	}
	t, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Parse reads a tokenizer.json.
func Parse(text []byte) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("no tokenizer.json: %w", err)
	}
	t := &Tokenizer{seed: maphash.MakeSeed()}
	var err error
	if t.nfc, err = f.normalizes(); err != nil {
		return nil, err
	}
	if t.split, err = f.splitter(); err != nil {
		return nil, err
	}
	if err := t.readModel(&f); err != nil {
		return nil, err
	}
	return t, t.readAdded(&f)
}

func (f *file) normalizes() (nfc bool, err error) {
	switch {
	case f.Normalizer == nil:
		return false, nil
	case f.Normalizer.Type == "NFC":
		return true, nil
	}
	return false, fmt.Errorf("%w: normalizer %s", ErrUnknown, f.Normalizer.Type)
}

// splitter finds the splitter for the steps before the model.
func (f *file) splitter() (splitter, error) {
	steps := f.Pre.List
	if f.Pre.Type == "Sequence" && len(steps) == 2 && steps[1].Type == "ByteLevel" && !steps[1].AddPrefixSpace {
		first, regex := steps[0], steps[1].UseRegex == nil || *steps[1].UseRegex
		switch {
		case first.Type == "Split" && first.Pattern.Regex == qwenPattern && first.Behavior == "Isolated" && !first.Invert && !regex:
			return splitQwen, nil
		case first.Type == "Digits" && first.Individual && regex:
			return splitGPT2, nil
		}
	}
	return nil, fmt.Errorf("%w: pre-tokenizer %s", ErrUnknown, f.Pre.Type)
}

// readModel takes vocabulary and merges over.
func (t *Tokenizer) readModel(f *file) error {
	m := &f.Model
	if m.Type != "BPE" || m.Dropout != nil || m.Prefix != "" || m.Suffix != "" || m.ByteFallback || m.IgnoreMerges {
		return fmt.Errorf("%w: model %s", ErrUnknown, m.Type)
	}
	letters := byteLetters()
	for b, letter := range letters {
		token, ok := m.Vocab[string(letter)]
		if !ok && m.Unknown != nil {
			return fmt.Errorf("%w: a token for unknown bytes", ErrUnknown)
		}
		if !ok {
			token = absent
		}
		t.bytes[b] = token
	}
	t.text = make(map[int32]string, len(m.Vocab)+len(f.Added))
	back := make(map[rune]byte, len(letters))
	for b, letter := range letters {
		back[letter] = byte(b)
	}
	for word, token := range m.Vocab {
		t.text[token] = spelled(word, back)
	}
	t.merges = newMerges(len(m.Merges))
	for rank, j := range m.Merges {
		left, ok := m.Vocab[j[0]]
		right, ok2 := m.Vocab[j[1]]
		whole, ok3 := m.Vocab[j[0]+j[1]]
		if !ok || !ok2 || !ok3 {
			return fmt.Errorf("merge %d is of tokens that the vocabulary lacks", rank)
		}
		t.merges.add(left, right, merge{int32(rank), whole})
	}
	t.merges.readBytes(&t.bytes)
	return nil
}

func spelled(word string, back map[rune]byte) string {
	out := make([]byte, 0, len(word))
	for _, letter := range word {
		b, ok := back[letter]
		if !ok {
			return word
		}
		out = append(out, b)
	}
	return string(out)
}

func (t *Tokenizer) readAdded(f *file) error {
	t.added = &trie{}
	for _, a := range f.Added {
		if a.SingleWord || a.LStrip || a.RStrip || a.Normalized || a.Content == "" {
			return fmt.Errorf("%w: added token %q", ErrUnknown, a.Content)
		}
		t.added.add(a.Content, a.ID)
		t.starts[a.Content[0]] = true
		t.text[a.ID] = a.Content
	}
	return nil
}

// byteLetters are the characters that stand for bytes in the vocabulary: printable
// ones for themselves, the others from U+0100 on (Radford et al. 2019, GPT-2).
func byteLetters() [256]rune {
	var letters [256]rune
	other := rune(256)
	for b := range 256 {
		printable := b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE
		letters[b] = rune(b)
		if !printable {
			letters[b] = other
			other++
		}
	}
	return letters
}

// trie finds the longest added token at the beginning of a text.
type trie struct {
	next  map[byte]*trie
	token int32
	ends  bool
}

func (n *trie) add(text string, token int32) {
	for i := range len(text) {
		if n.next == nil {
			n.next = map[byte]*trie{}
		}
		if n.next[text[i]] == nil {
			n.next[text[i]] = &trie{}
		}
		n = n.next[text[i]]
	}
	n.token, n.ends = token, true
}

// longest returns the token and its size in bytes, 0 where none begins.
func (n *trie) longest(text string) (token int32, size int) {
	for i := 0; i < len(text); i++ {
		if n = n.next[text[i]]; n == nil {
			break
		}
		if n.ends {
			token, size = n.token, i+1
		}
	}
	return token, size
}
