package bbjtune_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// layers holds, for every package of the module, the packages of the module
// that it may import. A package that is not listed fails the test: whoever
// adds one says here, and in ARCHITECTURE.md, where it stands. A name that ends
// in /* stands for all folders in that one.
var layers = map[string][]string{
	"cmd/bbjtune":       {"internal/cli"},
	"cmd/dist":          {"worker"},
	"bench/rows":        {"internal/audit/audittest", "internal/runs"},
	"bench/countonce":   {"internal/tokenizer"},
	"bench/clusteronce": {"internal/near"},

	"bbj/api":         {},
	"bbj/api/gen":     {"bbj/syntax"},
	"bbj/diag":        {},
	"bbj/compile":     {"bbj/diag"},
	"bbj/syntax":      {"bbj/diag", "internal/nearest"},
	"bbj/generation":  {"bbj/syntax"},
	"bbj/cpl":         {"bbj/compile", "bbj/diag"},
	"bbj/cpl/cpltest": {},

	"bbj/check":                    {"bbj/api", "bbj/check/internal/analysis", "bbj/check/internal/rules/*", "bbj/compile", "bbj/diag", "bbj/syntax"},
	"bbj/check/internal/analysis":  {"bbj/api", "bbj/diag", "bbj/syntax", "internal/nearest"},
	"bbj/check/internal/rules/*":   {"bbj/api", "bbj/check/internal/analysis", "bbj/diag", "bbj/syntax"},
	"bbj/check/internal/rulestest": {"bbj/check/internal/analysis", "bbj/diag", "bbj/syntax"},

	"internal/fault":      {},
	"internal/nearest":    {},
	"internal/stats":      {},
	"internal/printable":  {},
	"internal/progress":   {"internal/printable"},
	"internal/proc":       {},
	"internal/chat":       {},
	"internal/answer":     {},
	"internal/runs":       {"internal/fault"},
	"internal/strictyaml": {"internal/fault", "internal/nearest"},
	"internal/markdown":   {"internal/fault"},
	"internal/corpus": {"bbj/compile", "bbj/diag", "bbj/generation", "bbj/syntax", "internal/audit", "internal/fault", "internal/near",
		"internal/runs"},
	"internal/render":      {"bbj/diag", "internal/printable"},
	"internal/recipe":      {"internal/fault", "internal/printable", "internal/strictyaml"},
	"internal/recipeaudit": {"bbj/diag", "internal/chat", "internal/recipe", "internal/stream"},
	"internal/gpumem":      {"internal/fault", "internal/recipe"},
	"internal/example":     {"bbj/diag", "bbj/generation", "bbj/syntax", "internal/fault", "internal/markdown", "internal/nearest", "internal/strictyaml"},
	"internal/suite": {"bbj/compile", "bbj/diag", "bbj/generation", "bbj/syntax", "internal/answer", "internal/example",
		"internal/fault", "internal/markdown", "internal/near", "internal/strictyaml"},
	"internal/near":   {},
	"internal/sweep":  {"internal/fault", "internal/stats"},
	"internal/stream": {},
	"internal/dataset": {"bbj/compile", "bbj/diag", "bbj/generation", "internal/audit", "internal/chat", "internal/example",
		"internal/fault", "internal/markdown", "internal/near", "internal/stream"},
	"internal/backport": {"bbj/compile", "bbj/diag", "bbj/generation", "bbj/syntax", "internal/answer", "internal/audit", "internal/chat", "internal/dataset",
		"internal/example", "internal/markdown"},
	"internal/coverage": {"bbj/api", "bbj/check", "bbj/generation", "bbj/syntax", "internal/answer", "internal/audit", "internal/backport",
		"internal/example"},
	"internal/coverage/gen":      {"internal/corpus", "internal/coverage"},
	"internal/tokenizer":         {"internal/fault"},
	"internal/audit":             {"bbj/compile", "bbj/diag", "bbj/generation", "bbj/syntax", "internal/answer", "internal/chat", "internal/near", "internal/stream"},
	"internal/audit/audittest":   {"internal/audit", "internal/chat"},
	"internal/audit/page":        {"internal/audit", "internal/printable"},
	"internal/clean":             {"bbj/compile", "internal/answer", "internal/audit", "internal/chat", "internal/fault", "internal/near", "internal/stream"},
	"internal/llm":               {"internal/chat", "internal/fault"},
	"internal/eval":              {"bbj/compile", "bbj/diag", "internal/answer", "internal/chat", "internal/fault", "internal/llm", "internal/runs", "internal/stats", "internal/suite"},
	"internal/compare":           {"internal/eval", "internal/fault", "internal/stats"},
	"internal/report":            {"bbj/diag", "internal/compare", "internal/eval", "internal/printable", "internal/retention", "internal/review", "internal/stats"},
	"internal/mask":              {"internal/printable"},
	"internal/review":            {"internal/answer", "internal/fault", "internal/printable", "internal/stats"},
	"internal/review/store":      {"internal/fault", "internal/review"},
	"internal/review/page":       {"bbj/check", "bbj/diag", "internal/answer", "internal/highlight", "internal/printable", "internal/review"},
	"internal/review/serve":      {"internal/fault", "internal/review", "internal/review/page", "internal/review/store"},
	"internal/record":            {"internal/compare", "internal/dataset", "internal/eval", "internal/fault", "internal/nearest", "internal/parity", "internal/progress", "internal/recipe", "internal/report", "internal/runs", "internal/stats"},
	"internal/card":              {"internal/eval", "internal/licence", "internal/recipe", "internal/report", "internal/stats"},
	"internal/licence":           {},
	"internal/publish":           {"internal/fault", "internal/runs"},
	"internal/tensorboard":       {},
	"internal/highlight":         {"bbj/syntax"},
	"internal/site":              {"internal/fault", "internal/highlight"},
	"internal/llm/llmtest":       {"internal/chat", "internal/fault", "internal/llm"},
	"internal/retention":         {"internal/fault"},
	"internal/pack":              {"internal/chat", "internal/fault", "internal/proc"},
	"internal/modelserver":       {"internal/fault", "internal/ollama", "internal/proc"},
	"internal/ollama":            {"internal/chat", "internal/fault"},
	"internal/ollama/ollamatest": {},
	"internal/parity":            {"internal/chat", "internal/fault", "internal/stats"},
	"internal/pyenv":             {"internal/fault", "internal/proc", "internal/runs"},
	"internal/trainer":           {"internal/chat", "internal/fault", "internal/llm", "internal/proc", "internal/recipe", "internal/runs"},
	"internal/ray":               {"internal/fault"},
	"internal/ray/probe":         {"internal/fault", "internal/ray"},
	"internal/ray/raytest":       {"internal/pyenv", "worker"},
	"internal/raytrain":          {"internal/fault", "internal/printable", "internal/ray", "internal/runs", "internal/trainer"},
	"worker":                     {"internal/runs"},
}

// wiring are the packages that may import any other.
var wiring = []string{"internal/cli"}

func TestLayers(t *testing.T) {
	const module = "bbjtune/"
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		entry := name
		if folder := path.Dir(name) + "/*"; layers[folder] != nil {
			entry = folder
		}
		seen[entry] = true
		allowed, listed := layers[entry]
		if !listed && !slices.Contains(wiring, name) && name != "bbjtune" {
			t.Errorf("package %s is not listed in layers", name)
			continue
		}
		for _, imp := range p.Imports {
			if inside, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(wiring, name) &&
				!slices.Contains(allowed, inside) && !slices.Contains(allowed, path.Dir(inside)+"/*") {
				t.Errorf("%s imports %s, which its layer does not allow", name, inside)
			}
		}
	}
	for name := range layers {
		if !seen[name] {
			t.Errorf("layers lists %s, which does not exist", name)
		}
	}
}
