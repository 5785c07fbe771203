package recipeaudit_test

import (
	"path/filepath"
	"regexp"
	"testing"

	"bbjtune/internal/recipe"
	"bbjtune/internal/recipeaudit"
)

// decided is the table of the decision, "current against recommended", row by row:
// what must be said of each.
var decided = []struct{ aspect, bbjllm, recommended string }{
	{"model", `^Qwen2\.5-Coder-32B-Instruct$`, `^Qwen2\.5-Coder-14B \(Base\)$`},
	{"stages", `^instruction tuning only$`, `^continued pretraining on raw BBj, then instruction tuning$`},
	{"loss", `^full sequence$`, `^completion only$`},
	{"validation", `^none$`, `^90/10, deterministic, evaluated every \d+ steps$`},
	{"learning rate", `^2e-5 \(5-10x too low for QLoRA\)$`, `^5e-5 in stage 1, 2e-4 in stage 2$`},
	{"LoRA", `^r 32, alpha 64, all linear layers`, `^r 32, alpha 64, all linear layers \(attention and MLP\)`},
	{"quantization", `^NF4 \+ double quantization$`, `^NF4$`},
	{"epochs", `^2$`, `^1 in stage 1, 3 in stage 2$`},
	{"effective batch", `^32 \(1 x 32 accumulated\)$`, `^32 \(.* accumulated\) in stage 1, 32 \(.*\) in stage 2$`},
	{"sequence", `^1024, padded to full length \(50-80 % of compute wasted\)$`, `^stage 1: 4096, packed; stage 2: 4096, padded to the longest row of a batch, rows of like length together$`},
	{"system prompt", `^one, identical in all rows$`, `^[345] variations$`},
	{"stack", `^transformers 4\.44, peft 0\.12, bitsandbytes 0\.43\.0 \(wastes 5-10 GB of VRAM, fixed in 0\.43\.2\)$`, `^transformers 5\.1, trl 1\.16\.0, pinned`},
	{"tracking", `^none$`, `^losses kept beside the adapter`},
	{"evaluation", `^3 hard-coded questions$`, `compile@1 .* held-out suites/bbj-core, the untuned model as baseline`},
	{"artefacts", `^adapter on one server$`, `adapter, training_config and training_log`},
}

func load(t *testing.T, name string) *recipe.Recipe {
	t.Helper()
	r, err := recipe.Load(filepath.Join("..", "..", "recipes", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCompareIsTheDecision(t *testing.T) {
	pins := []recipeaudit.Package{{Name: "trl", Version: "1.16.0"}, {Name: "transformers", Version: "5.1"}, {Name: "numpy", Version: "2"}}
	rows := recipeaudit.Compare(recipeaudit.Side{Recipe: load(t, "bbjllm-32b"), Packages: pins}, recipeaudit.Side{Recipe: load(t, "bbj-coder-14b"), Packages: pins})
	if len(rows) != len(decided) {
		t.Fatalf("%d rows, the decision has %d", len(rows), len(decided))
	}
	for i, d := range decided {
		r := rows[i]
		if r.Aspect != d.aspect || !regexp.MustCompile(d.bbjllm).MatchString(r.A) || !regexp.MustCompile(d.recommended).MatchString(r.B) {
			t.Errorf("row %d: %+v, want %+v", i+1, r, d)
		}
		if r.Differs != (r.A != r.B) {
			t.Errorf("%s: differs is %v", r.Aspect, r.Differs)
		}
	}
}

// A recipe does not differ from itself, and each setting that a row names shows.
func TestCompareSeesChanges(t *testing.T) {
	base := func() *recipe.Recipe { return load(t, "bbj-coder-14b") }
	for _, r := range recipeaudit.Compare(recipeaudit.Side{Recipe: base()}, recipeaudit.Side{Recipe: base()}) {
		if r.Differs {
			t.Errorf("%+v", r)
		}
	}
	for aspect, changes := range map[string][]func(*recipe.Recipe){
		"model":           {func(r *recipe.Recipe) { r.Base.Model = "x" }, func(r *recipe.Recipe) { r.Base.Kind = "instruct" }, func(r *recipe.Recipe) { r.Graft.Onto = "a/y" }},
		"stages":          {func(r *recipe.Recipe) { r.Stage2.Enabled = false }, func(r *recipe.Recipe) { r.Stage2.Start = "merged" }},
		"loss":            {func(r *recipe.Recipe) { r.Stage2.Loss = "full" }},
		"validation":      {func(r *recipe.Recipe) { r.Data.ValidShare = 0.2 }, func(r *recipe.Recipe) { r.Stage1.EvalSteps++ }},
		"learning rate":   {func(r *recipe.Recipe) { r.Stage1.LearningRate = 6e-5 }},
		"LoRA":            {func(r *recipe.Recipe) { r.Lora.R = 64 }, func(r *recipe.Recipe) { r.Lora.Targets = []string{"q_proj"} }, func(r *recipe.Recipe) { r.Lora.TrainStopTokens = false }},
		"quantization":    {func(r *recipe.Recipe) { r.Quantization = "none" }, func(r *recipe.Recipe) { r.DoubleQuant = true }},
		"epochs":          {func(r *recipe.Recipe) { r.Stage2.Epochs = 2 }},
		"effective batch": {func(r *recipe.Recipe) { r.Stage2.BatchSize = 1; r.Stage2.GradientAccumulation = 32 }},
		"sequence":        {func(r *recipe.Recipe) { r.Stage2.MaxLength = 2048 }, func(r *recipe.Recipe) { r.Stage2.GroupByLength = false }, func(r *recipe.Recipe) { r.Stage1.Packing = "none" }},
		"system prompt":   {func(r *recipe.Recipe) { r.Data.SystemPrompts = r.Data.SystemPrompts[:1] }},
		"stack": {func(r *recipe.Recipe) {
			r.Record.Packages = map[string]string{"mlx": "1", "axolotl": "2", "torch": "3"}
		}},
		"tracking":   {func(r *recipe.Recipe) { r.Record.Tracking = "TensorBoard" }, func(r *recipe.Recipe) { r.Stage1.LoggingSteps = 9 }},
		"evaluation": {func(r *recipe.Recipe) { r.Evaluate.Suite = "" }, func(r *recipe.Recipe) { r.Evaluate.FewShot = 1 }},
		"artefacts":  {func(r *recipe.Recipe) { r.Package.Quantize = []string{"f16"} }},
	} {
		for i, change := range changes {
			r := base()
			change(r)
			seen := false
			for _, row := range recipeaudit.Compare(recipeaudit.Side{Recipe: base()}, recipeaudit.Side{Recipe: r}) {
				seen = seen || row.Aspect == aspect && row.Differs
			}
			if !seen {
				t.Errorf("%s: change %d does not show", aspect, i)
			}
		}
	}
}

func TestStackHasAnOrder(t *testing.T) {
	r := load(t, "bbj-coder-14b")
	r.Record.Packages = map[string]string{"mlx": "1", "axolotl": "2", "torch": "3"}
	for _, row := range recipeaudit.Compare(recipeaudit.Side{Recipe: r}, recipeaudit.Side{Recipe: r}) {
		if row.Aspect == "stack" && row.A != "torch 3, axolotl 2, mlx 1" {
			t.Error(row.A)
		}
	}
}

// The recipes that come with the program have no error, and no warning but what
// the record of the first attempt is there to show.
func TestShippedRecipesAreSound(t *testing.T) {
	files, err := filepath.Glob("../../recipes/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		p, err := recipe.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		r := recipeaudit.Check(p, recipeaudit.Facts{NoData: "no data"})
		if p.Name != "bbjllm-32b" && len(r.Findings) > 0 {
			t.Errorf("%q", places(r.Findings))
		}
	}
}

// Without its allowances the first attempt has the three blockers, and every
// warning that the decision names.
func TestTheFirstAttemptHasItsBlockers(t *testing.T) {
	p, err := recipe.Read("../../recipes/bbjllm-32b.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p.Allow, p.Base.InstructBecause = nil, ""
	codes := map[string]bool{}
	for _, d := range recipeaudit.Check(p, recipeaudit.Facts{NoData: "private"}).Findings {
		codes[d.Code] = true
	}
	for _, want := range []string{"RC101", "RC102", "RC103", "RC201", "RC206", "RC207", "RC208", "RC209", "RC210", "RC213", "RC216", "RC217", "RC218"} {
		if !codes[want] {
			t.Errorf("no %s", want)
		}
		delete(codes, want)
	}
	if len(codes) > 0 {
		t.Errorf("also %v", codes)
	}
}
