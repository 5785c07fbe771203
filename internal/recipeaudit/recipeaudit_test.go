package recipeaudit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/diag"
	"bbjtune/internal/recipe"
	"bbjtune/internal/recipeaudit"
)

// sound is a recipe without a finding.
const sound = `name: x
base: {model: Qwen/Qwen2.5-Coder-14B}
data: {examples: [d]}
lora: {train_stop_tokens: true}
package: {name: x}
evaluate: {suite: s}
`

func plan(t *testing.T, text string) *recipe.Plan {
	t.Helper()
	p, err := recipe.ReadText("r.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return p
}

// places writes findings as line:column code message.
func places(list []diag.Diagnostic) []string {
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s:%d:%d %s %s", d.File, d.Span.Start.Line, d.Span.Start.Col, d.Code, d.Message))
	}
	return out
}

func TestSoundRecipeHasNoFinding(t *testing.T) {
	r := recipeaudit.Check(plan(t, sound), recipeaudit.Facts{Stages: map[int]recipeaudit.Measure{}, NoData: "none"})
	if len(r.Findings)+len(r.Allowed) > 0 {
		t.Error(places(r.Findings), r.Allowed)
	}
	if want := []string{"RC208 truncation: none", "RC219 rarely-validated: none"}; !slices.Equal(r.Unchecked, want) {
		t.Errorf("unchecked %q", r.Unchecked)
	}
}

var cases = []struct {
	code, change string
	line         int // of the change, from 1 after those of sound; 0 for the first of the recipe
	want         string
	facts        recipeaudit.Facts
}{
	{code: "RC101", change: "data: {examples: [d], valid_share: 0}", want: "r.yaml:3:23 RC101 data.valid_share is 0: overfitting cannot be seen"},
	{code: "RC102", change: "stage2: {loss: full}", want: "r.yaml:7:10 RC102 stage2.loss is full: a third of the gradient goes into the prompt"},
	{code: "RC103", change: "base: {model: Qwen/Qwen2.5-Coder-14B, kind: instruct}", want: "r.yaml:2:39 RC103 base.kind is instruct: tuning an Instruct model for a new language overwrites its alignment"},
	{code: "RC103", change: "base: {model: Qwen/Qwen2.5-Coder-14B-Instruct}", want: "r.yaml:2:8 RC103 base.model is an Instruct model by its name, and base.kind says base"},
	{code: "RC104", change: "allow: [{rule: RC999, because: no}]", want: `r.yaml:7:10 RC104 there is no rule "RC999"`},
	{code: "RC104", change: "allow: [{because: no}]", want: `r.yaml:7:1 RC104 there is no rule ""`},
	{code: "RC104", change: "allow: [{rule: RC104, because: no}]", want: "r.yaml:7:10 RC104 RC104 cannot be allowed"},
	{code: "RC201", change: "stage2: {learning_rate: 2e-5}", want: "r.yaml:7:10 RC201 stage2.learning_rate is 2e-5 (5-10x too low for QLoRA)"},
	{code: "RC201", change: "stage1: {learning_rate: 2e-3}", want: "r.yaml:7:10 RC201 stage1.learning_rate is 2e-3 (10x the highest rate for QLoRA)"},
	{code: "RC202", change: "stage1: {learning_rate: 2e-4}", want: "r.yaml:7:10 RC202 stage1.learning_rate is 2e-4, at the higher end"},
	{code: "RC202", change: "stage2: {learning_rate: 5e-5}", want: "r.yaml:7:10 RC202 stage2.learning_rate is 5e-5, at the lower end"},
	{code: "RC203", change: "lora: {alpha: 32, train_stop_tokens: true}", want: "r.yaml:4:8 RC203 lora.alpha is 32, twice lora.r is 64"},
	{code: "RC204", change: "lora: {r: 16, alpha: 32, train_stop_tokens: true}", want: "r.yaml:4:8 RC204 lora.r is 16"},
	{code: "RC205", change: "lora: {targets: [q_proj, v_proj], train_stop_tokens: true}", want: "r.yaml:4:8 RC205 lora.targets are attention layers alone: the MLP is left out"},
	{code: "RC205", change: "lora: {targets: [q_proj, k_proj, v_proj, o_proj, up_proj, down_proj], train_stop_tokens: true}", want: "r.yaml:4:8 RC205 lora.targets leave out gate_proj"},
	{code: "RC206", change: "stage2: {batch_size: 4, gradient_accumulation: 8}", want: "r.yaml:7:10 RC206 stage2 puts 4 rows of any length into a batch: the short ones are padded to the longest"},
	{code: "RC206", change: "record: {padding: full}", want: "r.yaml:7:10 RC206 every row is padded to full length"},
	{code: "RC207", change: "stage1: {max_length: 1024}", want: "r.yaml:7:10 RC207 stage1.max_length is 1024"},
	{code: "RC208", change: "stage2: {overlong: truncate}", want: "r.yaml:7:10 RC208 stage2.overlong is truncate: an answer that is too long loses its end"},
	{code: "RC208", change: "stage2: {overlong: truncate}", want: "r.yaml:7:1 RC208 500 of 20000 rows of stage2 (2.5 %) are longer than 2048 tokens and get cut; the longest has 3000",
		facts: recipeaudit.Facts{Stages: map[int]recipeaudit.Measure{2: {Rows: 20000, Counted: true, Over: 500, Longest: 3000, SystemPrompts: 3}}}},
	{code: "RC209", change: "data: {examples: [d], system_prompts: [a, a, b]}", want: "r.yaml:3:23 RC209 data.system_prompts has 2 entries"},
	{code: "RC209", change: "data: {rows: [d]}", want: "r.yaml:3:1 RC209 the rows of stage 2 have 1 system prompt",
		facts: recipeaudit.Facts{Stages: map[int]recipeaudit.Measure{2: {Rows: 9000, SystemPrompts: 1}}, NoTokens: "no tokenizer"}},
	{code: "RC210", change: "stage2: {logging_steps: 500}", want: "r.yaml:7:10 RC210 stage2.logging_steps is 500"},
	{code: "RC210", change: "tracking: none", want: "r.yaml:7:1 RC210 tracking is none: losses are kept, and nothing shows them while it trains"},
	{code: "RC210", change: "record: {tracking: none}", want: "r.yaml:7:10 RC210 nothing of the training was kept"},
	{code: "RC211", change: "stage2: {gradient_accumulation: 4}", want: "r.yaml:7:10 RC211 the effective batch of stage2 is 1 x 4"},
	{code: "RC212", change: "stage2: {epochs: 5}", want: "r.yaml:7:10 RC212 stage2.epochs is 5"},
	{code: "RC213", change: "seed: 1", want: "frozen.txt:4:1 RC213 bitsandbytes 0.43.1 wastes 5-10 GB of VRAM, fixed in 0.43.2",
		facts: recipeaudit.Facts{Packages: []recipeaudit.Package{{Name: "bitsandbytes", Version: "0.43.1", File: "frozen.txt", Line: 4}}}},
	{code: "RC213", change: "record: {packages: {bitsandbytes: 0.43.0}}", want: "r.yaml:7:21 RC213 bitsandbytes 0.43.0 wastes 5-10 GB of VRAM, fixed in 0.43.2"},
	{code: "RC214", change: "package: {num_ctx: 4096}", want: "r.yaml:5:11 RC214 package.num_ctx is 4096, stage2.max_length is 2048"},
	{code: "RC215", change: "lora: {r: 32}", want: "r.yaml:4:1 RC215 the base model never trained <|im_end|>, and lora.train_stop_tokens is false"},
	{code: "RC216", change: "double_quant: true\nquantization: nf4", want: "r.yaml:7:1 RC216 NF4 with double quantization"},
	{code: "RC217", change: "stage1: {enabled: false}", want: "r.yaml:7:10 RC217 stage 1 is left out: instruction tuning only"},
	{code: "RC218", change: "evaluate: {few_shot: 0}", want: "r.yaml:6:1 RC218 evaluate names no suite"},
	{code: "RC219", change: "stage2: {eval_steps: 100}", want: "r.yaml:7:10 RC219 stage2 has about 62 steps, and stage2.eval_steps is 100",
		facts: recipeaudit.Facts{Stages: map[int]recipeaudit.Measure{2: {Rows: 2000, SystemPrompts: 4}}}},
	{code: "RC215", change: "lora: {r: 32}\nengine: unsloth", want: "r.yaml:5:1 RC215 the base model never trained <|im_end|>, and engine unsloth cannot: engine trl can"},
	{code: "RC221", change: "lora: {dora: true}\nengine: unsloth", want: "r.yaml:5:1 RC221 engine unsloth runs layers with lora.dora by PEFT's own code"},
	{code: "RC220", change: "allow: [{rule: RC201, because: of old}]", want: "r.yaml:7:10 RC220 the recipe allows RC201, which does not occur"},
}

// changed replaces a line of the sound recipe by one of the same section, or adds it.
func changed(change string) string {
	key, _, _ := strings.Cut(change, ":")
	var out []string
	replaced := false
	for line := range strings.Lines(sound) {
		if strings.HasPrefix(line, key+":") {
			line, replaced = change+"\n", true
		}
		out = append(out, line)
	}
	if !replaced {
		out = append(out, change+"\n")
	}
	return strings.Join(out, "")
}

// Each rule fires where it should, points to the key, and can be allowed with a
// reason and no other way.
func TestRules(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range cases {
		tested[c.code] = true
		r := recipeaudit.Check(plan(t, changed(c.change)), c.facts)
		got := places(r.Findings)
		if !slices.Contains(got, c.want) {
			t.Errorf("%s: %q\nwant %s", c.change, got, c.want)
			continue
		}
		for _, g := range got {
			if rest := strings.Fields(g)[1]; rest != c.code && c.code != "RC104" && c.code != "RC103" && !(c.code == "RC217" && rest == "RC214") && !(c.code == "RC221" && rest == "RC215") {
				t.Errorf("%s: also %s", c.change, g)
			}
		}
		if c.code == "RC104" || c.code == "RC220" {
			continue
		}
		allowed := recipeaudit.Check(plan(t, changed(c.change)+"allow: [{rule: "+c.code+", because: it must be}]\n"), c.facts)
		if slices.ContainsFunc(allowed.Findings, func(d diag.Diagnostic) bool { return d.Code == c.code }) || len(allowed.Allowed) == 0 || allowed.Allowed[0].Because != "it must be" {
			t.Errorf("%s: %q although it is allowed; allowed %v", c.change, places(allowed.Findings), allowed.Allowed)
		}
		silent := recipeaudit.Check(plan(t, changed(c.change)+"allow: [{rule: "+c.code+", because: ' '}]\n"), c.facts)
		if codes := places(silent.Findings); !slices.Contains(codes, c.want) || !strings.Contains(strings.Join(codes, "\n"), "RC104 "+c.code+" is allowed without a reason") {
			t.Errorf("%s: %q although no reason is given", c.change, codes)
		}
	}
	for _, r := range recipeaudit.Rules() {
		if !tested[r.Code] {
			t.Errorf("no case for %s", r.Code)
		}
	}
}

// What is right is not found fault with.
func TestNoFinding(t *testing.T) {
	for _, c := range []struct {
		change string
		facts  recipeaudit.Facts
	}{
		{change: "stage1: {learning_rate: 1e-4}\nstage2: {learning_rate: 1e-4}"},
		{change: "lora: {r: 64, alpha: 128, train_stop_tokens: true}"},
		{change: "lora: {targets: [q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj], train_stop_tokens: true}"},
		{change: "stage2: {batch_size: 4, gradient_accumulation: 8, group_by_length: true}"},
		{change: "stage2: {batch_size: 4, gradient_accumulation: 8, packing: bfd}"},
		{change: "double_quant: true"}, // without quantization it is nothing
		{change: "base: {model: google/gemma}\nlora: {train_stop_tokens: false}"},
		{change: "seed: 1", facts: recipeaudit.Facts{Packages: []recipeaudit.Package{{Name: "bitsandbytes", Version: "0.43.2"}, {Name: "bitsandbytes", Version: "0.42.0"}, {Name: "torch", Version: "0.43.0"}}}},
		{change: "seed: 1", facts: recipeaudit.Facts{Stages: map[int]recipeaudit.Measure{1: {Rows: 20000, Tokens: 8000000, Over: 5000, Counted: true}, 2: {Rows: 20000, Over: 200, Counted: true, SystemPrompts: 3}}}},
		// An allowance of what cannot be judged is not idle.
		{change: "allow: [{rule: RC208, because: long rows are dropped}]", facts: recipeaudit.Facts{NoData: "no data"}},
	} {
		text := changed(c.change)
		if strings.HasPrefix(c.change, "base:") {
			text = strings.Replace(text, "lora: {train_stop_tokens: true}\n", "", 1)
		}
		if r := recipeaudit.Check(plan(t, text), c.facts); len(r.Findings) > 0 {
			t.Errorf("%s: %q", c.change, places(r.Findings))
		}
	}
}

func TestInstructIsAllowedByItsOwnKey(t *testing.T) {
	r := recipeaudit.Check(plan(t, changed("base: {model: a/b, kind: instruct, instruct_because: there is no other}")), recipeaudit.Facts{})
	if len(r.Findings) > 0 || len(r.Allowed) != 1 || r.Allowed[0].Because != "there is no other" {
		t.Errorf("%q, allowed %v", places(r.Findings), r.Allowed)
	}
}

func TestMeasureRows(t *testing.T) {
	const rows = "\ufeff" + `{"messages":[{"role":"system","content":"a"},{"role":"user","content":"b"},{"role":"assistant","content":"c c c"}]}` + "\r\n\n" +
		`{"messages":[{"role":"user","content":"b"},{"role":"assistant","content":"c"}]}` + "\n" +
		`{"text":"one two three four five six"}`
	words := func(text string) int { return len(strings.Fields(text)) }
	got, err := recipeaudit.MeasureRows(context.Background(), strings.NewReader(rows), 6, words)
	if want := (recipeaudit.Measure{Rows: 3, SystemPrompts: 2, Counted: true, Tokens: 18, Longest: 8, Over: 1}); err != nil || got != want {
		t.Errorf("%v: %+v, want %+v", err, got, want)
	}
	got, err = recipeaudit.MeasureRows(context.Background(), strings.NewReader(rows), 6, nil)
	if want := (recipeaudit.Measure{Rows: 3, SystemPrompts: 2}); err != nil || got != want {
		t.Errorf("%v: %+v, want %+v", err, got, want)
	}
	if _, err := recipeaudit.MeasureRows(context.Background(), strings.NewReader("{}\nno"), 6, nil); err == nil || !strings.Contains(err.Error(), "line 2: no row") {
		t.Error(err)
	}
}

func TestRequirements(t *testing.T) {
	const text = "\ufeff# a remark\r\nbitsandbytes==0.43.0 \\\r\n    --hash=sha256:aa\r\nTorch_Audio[cuda]==2.0 ; sys_platform == 'linux'\n-e git+https://x\nname @ file:///x\nnumpy>=1\ntriton===3.0\n\x1b[31m==1\n==2\n"
	want := []recipeaudit.Package{{Name: "bitsandbytes", Version: "0.43.0", File: "f", Line: 2}, {Name: "torch-audio", Version: "2.0", File: "f", Line: 4}, {Name: "triton", Version: "3.0", File: "f", Line: 8}}
	if got := recipeaudit.Requirements("f", []byte(text)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func FuzzRequirements(f *testing.F) {
	f.Add([]byte("bitsandbytes==0.43.0\n"))
	f.Add([]byte("a[b]==1; c\n\xff==\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := strings.Count(string(text), "\n") + 1
		for _, p := range recipeaudit.Requirements("f", text) {
			if p.Name == "" || p.Version == "" || p.Line < 1 || p.Line > lines {
				t.Errorf("%+v of %q", p, text)
			}
		}
	})
}

func FuzzMeasureRows(f *testing.F) {
	f.Add([]byte(`{"messages":[{"role":"system","content":"a"}]}`))
	f.Add([]byte(`{"text":null}` + "\n[]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := recipeaudit.MeasureRows(context.Background(), strings.NewReader(string(text)), 1, func(s string) int { return len(s) })
		if err == nil && (m.Over > m.Rows || m.Tokens < m.Longest || m.SystemPrompts > m.Rows) {
			t.Errorf("%+v of %q", m, text)
		}
	})
}
