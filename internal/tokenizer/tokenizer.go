// Package tokenizer counts and makes the tokens of a model, from the model's own
// tokenizer.json: byte-level BPE as the Qwen2.5 and SmolLM2 families have it. The
// tokens are those of Hugging Face's tokenizers library.
//
// A file that asks for anything it does not know for certain is refused, with
// [ErrUnknown]: a wrong count is worse than none. It must not know models, rows
// or chat templates.
package tokenizer

import (
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// ErrUnknown is in the error of [Parse] when the tokenizer is of a kind that this
// package does not make.
var ErrUnknown = errors.New("a kind of tokenizer that is not known here")

// Tokenizer makes the tokens of one model. It is safe for concurrent use.
type Tokenizer struct {
	bytes  [256]int32 // the token of each byte
	merges *merges    // what two neighbours become
	added  *trie      // tokens that stand for themselves, such as <|im_end|>
	starts [256]bool  // what an added token begins with
	text   map[int32]string
	nfc    bool
	split  splitter
	seed   maphash.Seed
	words  [keptWords]atomic.Pointer[kept]
}

// kept is a word with its tokens, in case it comes again.
type kept struct {
	word   string
	tokens []int32
}

// absent stands for a byte that the vocabulary lacks. The library drops it, and
// so its neighbours may be joined.
const absent = -1

// Encode returns the tokens of a text. Bytes that are no UTF-8 count as the
// replacement character. No token is put before or after the text.
func (t *Tokenizer) Encode(text string) []int32 {
	return t.Append(make([]int32, 0, len(text)/3+1), text)
}

// Append adds the tokens of a text to a list.
func (t *Tokenizer) Append(out []int32, text string) []int32 {
	start := 0
	for i := 0; i < len(text); {
		if !t.starts[text[i]] {
			i++
			continue
		}
		token, size := t.added.longest(text[i:])
		if size == 0 {
			i++
			continue
		}
		out = append(t.plain(out, text[start:i]), token)
		i += size
		start = i
	}
	return t.plain(out, text[start:])
}

// Count returns the number of tokens of a text.
func (t *Tokenizer) Count(text string) int { return len(t.Encode(text)) }

// Text returns what a token stands for, which may be a part of a character.
func (t *Tokenizer) Text(token int32) string { return t.text[token] }

// plain adds the tokens of a text without added tokens.
func (t *Tokenizer) plain(out []int32, text string) []int32 {
	if text == "" {
		return out
	}
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	if t.nfc {
		text = nfc(text)
	}
	for text != "" {
		n := t.split(text)
		out = t.word(out, text[:n])
		text = text[n:]
	}
	return out
}

// Words are kept up to a length, each in the place that its hash names: one that
// comes often is mostly there.
const (
	keptLength = 32
	keptWords  = 1 << 15
)

// word adds the tokens of one word.
func (t *Tokenizer) word(out []int32, word string) []int32 {
	if len(word) > keptLength {
		return t.merged(out, word)
	}
	place := &t.words[maphash.String(t.seed, word)%keptWords]
	if k := place.Load(); k != nil && k.word == word {
		return append(out, k.tokens...)
	}
	mark := len(out)
	out = t.merged(out, word)
	place.Store(&kept{strings.Clone(word), slices.Clone(out[mark:])})
	return out
}
