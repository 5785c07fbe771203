package bbjtune_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// decisions are what was decided about the plan, each with the place in the
// chapter that keeps it: a page, a heading of it (empty for the whole page), and
// what must stand there.
var decisions = []struct {
	what, page, heading string
	say                 []string
}{
	{"three candidates with their gains", "base-model.md", "The candidates", []string{
		`Qwen2\.5-Coder-7B-Base \| base \| moderate \|.*start for experiments`, `\*\*Qwen2\.5-Coder-14B-Base\*\* \| base \| high \|.*2409\.12186.*\*\*recommended\*\*`,
		`Qwen2\.5-Coder-32B-Instruct \| instruct \| low \| alignment tax.*not recommended for domain adaptation`}},
	{"the evidence leads to 14B-Base", "base-model.md", "How the evidence leads there", []string{`The evidence therefore ends at \*\*Qwen2\.5-Coder-14B-Base\*\*`}},
	{"what the family is", "base-model.md", "What the three share", []string{`5\.5 trillion tokens, 70 % of them code`, `more than 92 languages`, `Apache-2\.0`, `FIM`}},
	{"the alignment tax and its mechanism", "base-model.md", "The alignment tax", []string{
		`The mechanism`, `same weights`, `2505\.12716, a preprint, submitted to ICLR 2026`, `grafts\* the difference onto the Instruct model`, `does not show that a tuned Base model alone`}},
	{"graft is an option to measure", "base-model.md", "Grafting: an option to measure", []string{`2606\.16827`, `in progress`, `Shadow-FT`, `nothing is claimed`}},
	{"bbjllm is valuable", "first-attempt.md", "What it proved", []string{`feasible`, `infrastructure`, `9,922 examples`, `right family and the right targets`}},
	{"no validation set", "first-attempt.md", "Blocker 1: no validation set", []string{`\*\*What it is\.\*\*`, `\*\*Why it blocks\.\*\*`, `\*\*The fix\.\*\*`, `90/10 split held by construction`}},
	{"full-sequence loss", "first-attempt.md", "Blocker 2: full-sequence loss", []string{`30 and 40 %`, `-100`, `assistant's tokens alone`}},
	{"an Instruct model", "first-attempt.md", "Blocker 3: an Instruct model", []string{`32B-Instruct`, `alignment tax`, `14B-Base, in two stages`}},
	{"side by side, row by row", "first-attempt.md", "Side by side", []string{
		`\| model \|`, `\| stages \|`, `\| loss \|`, `\| validation \|`, `\| learning rate \| 2e-5 \(5-10x`, `\| LoRA \|`, `\| quantization \|`, `\| epochs \|`,
		`\| effective batch \|`, `\| sequence \| 1024`, `\| system prompt \|`, `\| stack \|.*0\.43\.0.*0\.43\.2`, `\| tracking \|`, `\| evaluation \| 3 hard-coded questions`, `\| artefacts \|`}},
	{"the defects of the 9,922 rows", "training-data.md", "The 9,922 rows of the first attempt", []string{
		`375 \(766 rows\)`, `60 rows`, `85 %.*10 %.*4 %.*0\.2 %`, `\| 22 \|`, `\| 234 \|`, `\| 596 \|`, `414`, `4,725`}},
	{"Markdown is the source", "training-data.md", "Markdown examples are the source", []string{`type: completion`, `## Expected Output`, `bbjtune check training-data`}},
	{"ChatML is the form of rows", "training-data.md", "ChatML rows", []string{`"role":"system"`, `data\.rows`}},
	{"90/10, stable, without leaks", "training-data.md", "The split, and what must not leak", []string{`90/10`, `No row of training resembles one of validation`, `never trained on`}},
	{"quality beats quantity", "training-data.md", "", []string{`LIMA, arXiv 2305\.11206`}},
	{"general code against forgetting", "training-data.md", "General code against forgetting", []string{`Python, Java, JavaScript`}},
	{"two stages", "training.md", "Why two stages", []string{`continued pretraining`, `\{"text": …\}`, `instruction tuning`, `methodend`, `BBjAPI`, `sysgui!`}},
	{"loss on the answer alone", "training.md", "Loss on the answer alone", []string{`end token is trained`, `<\|im_end\|>`, `train_stop_tokens`, `<\|endoftext\|>`}},
	{"hyperparameters with reasons", "training.md", "Hyperparameters, and the reasons", []string{
		`5e-5 in stage 1, 2e-4 in stage 2`, `r 32 to 64, alpha = 2r`, `all linear layers`, `NF4`, `32 to 64`, `2048 to 4096`, `3 to 5`}},
	{"validation, early stopping, resume", "training.md", "While it runs", []string{`validation loss`, `early_stopping`, `killed at any time`}},
	{"forgetting is watched", "training.md", "Forgetting", []string{`more than 5 %`, `--retention`}},
	{"a test set of 50 to 100 and more", "evaluation.md", "The test set", []string{`Held out`, `At least 50, better 100`, `160 or more`, `generation`, `type`, `difficulty`, `factual tier`, `CHR\$\(65\)`}},
	{"compile@1 is a floor", "evaluation.md", "What passes", []string{`compile@1`, `floor and not correctness`, `compile@k`, `Wilson`, `McNemar`, `0\.080 unpaired and 0\.008 paired`}},
	{"three baselines by name", "evaluation.md", "Baselines", []string{`Qwen2\.5-Coder-14B-Base, untouched`, `Claude API`, `Claude with retrieval`, `bbjllm's 32B output`, `recorded answers`}},
	{"the reporting format", "evaluation.md", "The reporting format", []string{`\| Model \| compile@1 \| Qualitative \| Date \| Notes \|`}},
	{"human review with three dimensions", "evaluation.md", "Human review", []string{`blinded`, `20 prompts or more`, `code quality`, `idiomatic for the generation`, `documentation`, `getWebManager`, `PRINT @\(x,y\)`}},
	{"the sample case", "evaluation.md", "The sample case", []string{
		`creates a window with a button`, `addWindow`, `addButton`, `ON_BUTTON_PUSH`, `process_events`, `msgbox`, `release`, `addEventListener\("click"`, `alert\("Hello"\)`,
		`fail\.bbj:5:9`, `fail\.bbj:9:5`, `error at line 90 \(9\)`, `always exits with 0`}},
	{"a compile rate can be gamed", "README.md", "Why a model of one's own", []string{`78\.76 %`, `2\.05`, `2604\.03986`}},
	{"one variable at a time", "iteration.md", "One variable at a time", []string{`data \*\*or\*\* hyperparameters`}},
	{"artefacts and model card", "iteration.md", "What a run leaves", []string{`training_config\.json`, `training_log\.jsonl`, `model card`, `Git LFS`}},
	{"package and self-hosting", "iteration.md", "Packaging and self-hosting", []string{`Q4_K_M`, `15\.6 GB in Q8_0`, `9\.0 GB`, `temperature 0\.2, top_p 0\.9`, `ollama create bbj-coder`, `OpenAI-compatible`}},
}

func TestChapterKeepsTheDecisions(t *testing.T) {
	for _, d := range decisions {
		text, ok := under(readPage(t, d.page), d.heading)
		if !ok {
			t.Errorf("%s: %s has no heading %q", d.what, d.page, d.heading)
			continue
		}
		// A sentence may be broken anywhere.
		text = strings.Join(strings.Fields(text), " ")
		for _, want := range d.say {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("%s: %s#%s does not say %s", d.what, d.page, d.heading, want)
			}
		}
	}
}

// under returns what stands below a heading, up to the next of its level.
func under(text, heading string) (string, bool) {
	if heading == "" {
		return text, true
	}
	var b strings.Builder
	inside, marks := false, ""
	for line := range strings.Lines(text) {
		switch h := strings.TrimSpace(line); {
		case strings.HasPrefix(line, "`"):
			marks = toggled(marks, h)
		case marks == "" && strings.HasPrefix(line, "## "):
			inside = strings.TrimPrefix(h, "## ") == heading
			continue
		}
		if inside {
			b.WriteString(line)
		}
	}
	return b.String(), b.Len() > 0
}

// toggled opens or closes a fence; a fence of longer marks holds others.
func toggled(open, line string) string {
	marks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
	switch {
	case len(marks) < 3:
		return open
	case open == "":
		return marks
	case open == line:
		return ""
	}
	return open
}

// The comparison of the models argues by training quality: not by what a model
// costs or what it runs on.
func TestModelComparisonHasNoCostAndNoHardware(t *testing.T) {
	words := regexp.MustCompile(`(?i)\b(costs?|prices?|priced|cheap\w*|expensive|budgets?|euros?|dollars?|usd|gpus?|vram|ram|memory|hardware|gb|gib|tflops?|` +
		`a100|h100|h200|rtx|cuda|cpu|cpus|laptop|workstation|server|hours|faster|slower|tokens/s|afford\w*)\b|[€$]\s?\d`)
	for i, line := range strings.Split(readPage(t, "base-model.md"), "\n") {
		if w := words.FindString(line); w != "" {
			t.Errorf("base-model.md:%d: %q", i+1, w)
		}
	}
}

var (
	stateRow   = regexp.MustCompile("(?m)^\\| [^|]+ \\| (`[^|]+) \\| (operational|in progress|planned) \\|$")
	codeSpan   = regexp.MustCompile("`([^`]+)`")
	subcommand = regexp.MustCompile(`(?m)^  ([a-z]+)  `)
)

// The labels of the chapter and the commands of the program agree: what is
// planned does not exist yet, and what exists is not left out.
func TestChapterLabelsAreTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	exists := map[string]bool{}
	for _, name := range commands(t, builtProgram(t)) {
		exists[name] = true
	}
	named := map[string]bool{}
	rows := stateRow.FindAllStringSubmatch(readPage(t, "README.md"), -1)
	if len(rows) < 15 {
		t.Fatalf("%d rows with a state", len(rows))
	}
	for _, row := range rows {
		for _, span := range codeSpan.FindAllStringSubmatch(row[1], -1) {
			name, _, _ := strings.Cut(span[1], " --")
			named[name] = true
			if planned := row[2] == "planned"; exists[name] == planned {
				t.Errorf("%s is %s, and the program has it: %v", name, row[2], exists[name])
			}
		}
	}
	for name := range exists {
		if !named[name] {
			t.Errorf("the chapter does not name the command %s", name)
		}
	}
}

// commands lists the commands that do something, a space within those of groups. One
// that takes an argument of its own does something beside its subcommands.
func commands(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	for _, name := range below(t, dir) {
		// The kinds of shells are not commands of their own here.
		inner := below(t, dir, name)
		if len(inner) == 0 || name == "completion" {
			list = append(list, name)
			continue
		}
		for _, sub := range inner {
			list = append(list, name+" "+sub)
		}
		if regexp.MustCompile(`\n  bbjtune ` + name + ` [A-Z]`).MatchString(help(t, dir, name)) {
			list = append(list, name)
		}
	}
	return list
}

func help(t *testing.T, dir string, path ...string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(dir, "bbjtune"), append(path, "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func below(t *testing.T, dir string, path ...string) []string {
	t.Helper()
	_, text, found := strings.Cut(help(t, dir, path...), "Available Commands:\n")
	if !found {
		return nil
	}
	text, _, _ = strings.Cut(text, "\n\n")
	var names []string
	for _, m := range subcommand.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// Each diagram has a picture that was made of this very text (make diagrams).
func TestChapterDiagramsHaveFreshPictures(t *testing.T) {
	picture := regexp.MustCompile(`^\[The same as a picture\]\(([a-z-]+\.svg)\)$`)
	n := 0
	for _, page := range chapterPages {
		text := readPage(t, page)
		lines := strings.Split(text, "\n")
		for _, f := range fences(text) {
			if f.lang != "mermaid" {
				continue
			}
			n++
			m := picture.FindStringSubmatch(lines[f.line+f.length+3])
			if m == nil {
				t.Errorf("%s:%d: no picture after the diagram", page, f.line+1)
				continue
			}
			svg, err := os.ReadFile(filepath.Join(chapterDir, m[1]))
			if mark := fmt.Sprintf("<!-- of %x -->", sha256.Sum256([]byte(f.text))); err != nil || !strings.Contains(string(svg), mark) {
				t.Errorf("%s is missing or stale (%v): run make diagrams", m[1], err)
			}
		}
	}
	if n < 3 {
		t.Errorf("%d diagrams", n)
	}
}

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inCode = regexp.MustCompile("`[^`\n]*`")
)

// Every link between the documents leads to a file, and to a heading of it.
func TestLinksLead(t *testing.T) {
	pages, err := filepath.Glob("docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob("docs/*.md")
	pages = append(append(pages, more...), "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "worker/README.md", "bbj/testdata/README.md", "bbj/api/README.md")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(inCode.ReplaceAllString(withoutFences(string(text)), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), filepath.FromSlash(path))
			}
			there, err := os.ReadFile(target)
			if info, e := os.Stat(target); e == nil && info.IsDir() {
				err = nil
			}
			if err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(string(there)), anchor) {
				t.Errorf("%s: %s: no such heading", page, m[1])
			}
		}
	}
}

func withoutFences(text string) string {
	lines := strings.Split(text, "\n")
	for _, f := range slices.Backward(fences(text)) {
		lines = slices.Delete(lines, f.line, f.line+f.length+2)
	}
	return strings.Join(lines, "\n")
}

// anchors are the names that GitHub gives the headings of a page.
func anchors(text string) []string {
	drop := regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
	var list []string
	for line := range strings.Lines(withoutFences(text)) {
		if title := strings.TrimLeft(line, "#"); len(title) < len(line) && strings.HasPrefix(title, " ") {
			name := drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			list = append(list, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return list
}
