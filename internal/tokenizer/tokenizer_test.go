package tokenizer_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bbjtune/internal/tokenizer"
)

// small is a tokenizer.json with the splitter of Qwen2.5: all bytes, a few
// merges in the order of their learning, and two tokens for themselves.
func small(t testing.TB, change func(map[string]any)) []byte {
	t.Helper()
	vocab := map[string]any{}
	other := rune(256)
	for b := range 256 {
		letter := rune(b)
		if b < '!' || b > '~' && b < 0xA1 || b == 0xAD {
			letter = other
			other++
		}
		vocab[string(letter)] = b
	}
	merges := []string{"e n", "en d", "m e", "t h", "me th", "o d", "meth od", "Ġ a"}
	for _, m := range merges {
		vocab[strings.ReplaceAll(m, " ", "")] = len(vocab)
	}
	file := map[string]any{
		"normalizer": map[string]any{"type": "NFC"},
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "behavior": "Isolated", "invert": false, "pattern": map[string]any{
				"Regex": `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`}},
			map[string]any{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
		}},
		"added_tokens": []any{map[string]any{"id": 900, "content": "<|im_end|>"}, map[string]any{"id": 901, "content": "<|im_end|>!"}},
		"model":        map[string]any{"type": "BPE", "vocab": vocab, "merges": merges},
	}
	if change != nil {
		change(file)
	}
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func pieces(t testing.TB, tok *tokenizer.Tokenizer, text string) []string {
	t.Helper()
	var out []string
	for _, id := range tok.Encode(text) {
		out = append(out, tok.Text(id))
	}
	return out
}

func TestEncode(t *testing.T) {
	tok, err := tokenizer.Parse(small(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                 "",
		"methodend":                        "method|end",
		"x method":                         "x| |method", // the space belongs to the word, and joins with no m
		" a":                               " a",
		"<|im_end|>!end":                   "<|im_end|>!|end",
		"<|im_end|>end":                    "<|im_end|>|end",
		"<|im_en":                          "<|||i|m|_|en",
		"e\u0301":                          "\xc3|\xa9", // composed first
		"e\u0323\u0301":                    "\xe1|\xba|\xb9|\xcc|\x81",
		"e\u0301\u0323":                    "\xe1|\xba|\xb9|\xcc|\x81",             // in their order
		"\u1112\u1161\u11ab":               "\xed|\x95|\x9c",                       // 한
		"q\u0898\u0334":                    "q|\xe0|\xa2|\x98|\xcc|\xb4",           // a mark that is none to the library
		"q" + strings.Repeat("\u0301", 40): "q" + strings.Repeat("|\xcc|\x81", 40), // without a joiner
		"a\xffb":                           "a|\xef|\xbf|\xbd|b",
		"12":                               "1|2",
		strings.Repeat("end", 3):           "end|end|end",
	} {
		if got := strings.Join(pieces(t, tok, text), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if n := tok.Count("methodend"); n != 2 {
		t.Errorf("count %d", n)
	}
}

// Long words are merged by another way, with the same outcome.
func TestLongWordsAreMergedAlike(t *testing.T) {
	tok, err := tokenizer.Parse(small(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	const word = "methodendthemend"
	short := tok.Encode(word)
	for n := 2; n < 40; n++ {
		if got, want := tok.Encode(strings.Repeat(word, n)), slices.Repeat(short, n); !slices.Equal(got, want) {
			t.Fatalf("%d times: %v, want %v", n, got, want)
		}
	}
}

func TestWhatIsNotKnownIsRefused(t *testing.T) {
	model := func(key string, value any) func(map[string]any) {
		return func(f map[string]any) { f["model"].(map[string]any)[key] = value }
	}
	for name, change := range map[string]func(map[string]any){
		"another model":   model("type", "Unigram"),
		"bytes as tokens": model("byte_fallback", true),
		"merges ignored":  model("ignore_merges", true),
		"unknown bytes": func(f map[string]any) {
			model("unk_token", "?")(f)
			delete(f["model"].(map[string]any)["vocab"].(map[string]any), "q")
		},
		"another normaliser": func(f map[string]any) { f["normalizer"] = map[string]any{"type": "NFKC"} },
		"another splitter":   func(f map[string]any) { f["pre_tokenizer"] = map[string]any{"type": "Whitespace"} },
		"a token of words": func(f map[string]any) {
			f["added_tokens"] = []any{map[string]any{"id": 1, "content": "x", "single_word": true}}
		},
	} {
		if _, err := tokenizer.Parse(small(t, change)); !errors.Is(err, tokenizer.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string][]byte{
		"no JSON": []byte("{"), "a merge of nothing": small(t, model("merges", []string{"q q"})), "no merge": small(t, model("merges", []string{"q"})),
	} {
		if _, err := tokenizer.Parse(text); err == nil || errors.Is(err, tokenizer.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tokenizer.Load(t.TempDir()); err == nil {
		t.Error("a folder without a tokenizer was loaded")
	}
}

// The tokens of a text spell it, whatever it is.
func FuzzEncode(f *testing.F) {
	tok, err := tokenizer.Parse(small(f, func(file map[string]any) { file["normalizer"] = nil }))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "methodend", " \r\n a", "don't", "<|im_end|>!", "é日\xff", strings.Repeat("end", 60)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := text
		if !utf8.ValidString(text) {
			want = string([]rune(text))
		}
		if got := strings.Join(pieces(t, tok, text), ""); got != want {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
