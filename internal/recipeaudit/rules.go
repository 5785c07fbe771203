package recipeaudit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/internal/recipe"
)

// The ranges that are recommended.
const (
	lowestRate, highestRate          = 5e-5, 2e-4 // of QLoRA
	middleRate                       = 1e-4       // their geometric mean: stage 1 stays below, stage 2 above
	lowestRank, highestRank          = 32, 64
	shortest, longest                = 2048, 4096 // tokens of a row
	fewestPrompts                    = 3
	tellingRows                      = 20     // fewer may have one prompt by chance
	smallestBatch, largest           = 32, 64 // rows of an optimizer step
	fewestEpochs, mostEpochs         = 1, 3
	rarestLog                        = 50   // optimizer steps between two logged losses
	tolerated                        = 0.01 // share of the rows that may be too long
	fewestValidations        float64 = 2    // a stage
)

// The codes that have a say in how others are judged.
const (
	instructCode  = "RC103"
	allowanceCode = "RC104"
	idleCode      = "RC220"
)

// idle is judged last: it is about what the other rules found.
func idle() Rule {
	return Rule{
		Code: idleCode, Name: "idle-allowance", Severity: diag.Warning,
		Title: "an allowance that allows nothing",
		Why:   "It would hide the finding when it comes back for another reason.",
		Help:  "take it out",
	}
}

// blockers are the errors.
func blockers() []Rule {
	return []Rule{
		{
			Code: "RC101", Name: "no-validation", Severity: diag.Error,
			Title: "no rows are held out for validation",
			Why: "Training loss falls whether a model learns or memorises, so that overfitting cannot be seen. It is the first of the three blockers of the first attempt, " +
				"which trained on all of its rows.",
			Help: "set data.valid_share to 0.1",
			check: func(s *subject) []hit {
				return one(s.Data.ValidShare == 0, "data.valid_share", "data.valid_share is 0: overfitting cannot be seen")
			},
		},
		{
			Code: "RC102", Name: "full-sequence-loss", Severity: diag.Error,
			Title: "the loss of stage 2 counts the prompt, too",
			Why: "Between 30 and 40 % of the first attempt's gradient went into system prompts and questions, which no user will ever ask the model for. " +
				"With the loss on the assistant's tokens alone, all of it goes into answers.",
			Help: "set stage2.loss to completion",
			check: func(s *subject) []hit {
				return one(s.Stage2.Enabled && s.Stage2.Loss == "full", "stage2.loss", "stage2.loss is full: a third of the gradient goes into the prompt")
			},
		},
		{
			Code: instructCode, Name: "instruct-base", Severity: diag.Error,
			Title: "an Instruct model is tuned for a domain",
			Why: "An Instruct model holds knowledge and the behaviour of answering in the same weights, and fine-tuning overwrites both: what is gained is paid for, " +
				"and the gain is small (the alignment tax). Shadow-FT (arXiv 2505.12716, a preprint) measures marginal gains and even degeneration when Instruct models are tuned directly; " +
				"of languages without resources, arXiv 2606.16827 reports that further pretraining of the base model gains most.",
			Help:  "take the Base model of the same family, or say in base.instruct_because why not",
			check: instructBase,
		},
		{
			Code: allowanceCode, Name: "bad-allowance", Severity: diag.Error,
			Title: "an allowance names no rule or gives no reason",
			Why:   "An allowance is a decision that somebody reads later: without the rule it allows nothing, without the reason nobody knows whether it still holds.",
			Help:  "write {rule: CODE, because: why}; docs/recipe-rules.md lists the codes",
			check: badAllowances,
		},
	}
}

func instructBase(s *subject) []hit {
	if s.Base.Kind == "instruct" {
		return one(true, "base.kind", "base.kind is instruct: tuning an Instruct model for a new language overwrites its alignment")
	}
	named := strings.Contains(strings.ToLower(s.Base.Model), "instruct")
	return one(named, "base.model", "base.model is an Instruct model by its name, and base.kind says %s", s.Base.Kind)
}

func badAllowances(s *subject) []hit {
	var hits []hit
	seen := map[string]bool{}
	for i, a := range s.Allow {
		key := fmt.Sprintf("allow[%d]", i)
		_, known := Lookup(a.Rule)
		switch {
		case !known:
			hits = append(hits, one(true, key+".rule", "there is no rule %q", a.Rule)...)
		case a.Rule == allowanceCode || a.Rule == idleCode:
			hits = append(hits, one(true, key+".rule", "%s cannot be allowed", a.Rule)...)
		case strings.TrimSpace(a.Because) == "":
			hits = append(hits, one(true, key+".rule", "%s is allowed without a reason", a.Rule)...)
		case seen[a.Rule]:
			hits = append(hits, one(true, key+".rule", "%s is allowed twice", a.Rule)...)
		}
		seen[a.Rule] = true
	}
	return hits
}

// warnings depart from what is recommended.
func warnings() []Rule {
	return []Rule{
		{
			Code: "RC201", Name: "learning-rate", Severity: diag.Warning,
			Title: "a learning rate outside of QLoRA's range, 5e-5 to 2e-4",
			Why: "LoRA trains a few small matrices beside frozen weights, and these need larger steps than whole weights would. The first attempt's 2e-5 is a rate for full fine-tuning, " +
				"5 to 10 times too low for instruction tuning by QLoRA (arXiv 2305.14314 trains 7B and 13B models at 2e-4). Far above the range the loss jumps and the model forgets.",
			Help: "take 5e-5 for stage 1 and 2e-4 for stage 2",
			check: func(s *subject) []hit {
				return s.each(func(name string, stage recipe.Stage) []hit {
					return one(rateRemark(stage.LearningRate) != "", name+".learning_rate", "%s.learning_rate is %s%s", name, power(stage.LearningRate), rateRemark(stage.LearningRate))
				})
			},
		},
		{
			Code: "RC202", Name: "stage-rates", Severity: diag.Warning,
			Title: "a rate at the wrong end of the range for its stage",
			Why: "Stage 1 must not damage what the model knows, and takes the lower end; stage 2 teaches a form with few rows, and takes the higher one. " +
				"The middle of the range, 1e-4, suits either.",
			Help:  "take 5e-5 for stage 1 and 2e-4 for stage 2",
			check: stageRates,
		},
		{
			Code: "RC203", Name: "alpha", Severity: diag.Warning,
			Title: "lora.alpha is not twice lora.r",
			Why:   "Alpha over r scales what the adapter adds, so it acts like a second learning rate; the rates that are recommended here go with the usual ratio of 2.",
			Help:  "set lora.alpha to twice lora.r",
			check: func(s *subject) []hit {
				return one(s.Lora.Alpha != 2*s.Lora.R, "lora.alpha", "lora.alpha is %d, twice lora.r is %d", s.Lora.Alpha, 2*s.Lora.R)
			},
		},
		{
			Code: "RC204", Name: "rank", Severity: diag.Warning,
			Title: "lora.r outside of 32 to 64",
			Why:   "The rank is the room for what is new (LoRA, arXiv 2106.09685): a language that the model has never seen needs more of it than a style, and more than 64 has little to fill it with.",
			Help:  "set lora.r to a value from 32 to 64",
			check: func(s *subject) []hit {
				return one(s.Lora.R < lowestRank || s.Lora.R > highestRank, "lora.r", "lora.r is %d", s.Lora.R)
			},
		},
		{
			Code: "RC205", Name: "targets", Severity: diag.Warning,
			Title: "the adapter leaves linear layers out",
			Why: "Attention decides what to look at, and the MLP holds knowledge: a new language needs both. QLoRA (arXiv 2305.14314) found that adapters on all linear layers are what it takes " +
				"to match full fine-tuning.",
			Help:  "set lora.targets to all-linear",
			check: targets,
		},
		{
			Code: "RC206", Name: "padding", Severity: diag.Warning,
			Title: "rows are filled up with padding",
			Why: "Padding is computed and thrown away. The first attempt padded every row to 1024 tokens and so wasted 50 to 80 % of its compute; a batch of rows whose lengths " +
				"differ pads the short ones to the longest.",
			Help:  "set packing: bfd, or group_by_length: true",
			check: padding,
		},
		{
			Code: "RC207", Name: "sequence-length", Severity: diag.Warning,
			Title: "max_length outside of 2048 to 4096",
			Why:   "A BBj program with its question fits into 2048 to 4096 tokens. Shorter limits cut or drop the long answers, which are the ones to learn from; longer ones take memory for rows that there are not.",
			Help:  "set max_length to a value from 2048 to 4096",
			check: func(s *subject) []hit {
				return s.each(func(name string, stage recipe.Stage) []hit {
					return one(stage.MaxLength < shortest || stage.MaxLength > longest, name+".max_length", "%s.max_length is %d", name, stage.MaxLength)
				})
			},
		},
		{
			Code: "RC208", Name: "truncation", Severity: diag.Warning,
			Title: "rows are longer than max_length",
			Why:   "A row that is too long is dropped, or its answer is cut and the model learns to stop in the middle. More than 1 % of the rows is worth a look.",
			Help:  "raise max_length, or shorten the rows; set stage1.overlong: split and stage2.overlong: drop",
			needs: needTokens,
			check: truncation,
		},
		{
			Code: "RC209", Name: "one-system-prompt", Severity: diag.Warning,
			Title: "fewer than three system prompts",
			Why:   "With one constant sentence in all rows the model may tie what it learned to that sentence.",
			Help:  "write three to five variations under data.system_prompts; rows that bring their own are varied in the file",
			check: systemPrompts,
		},
		{
			Code: "RC210", Name: "no-tracking", Severity: diag.Warning,
			Title: "losses are not kept, hardly ever, or shown nowhere",
			Why: "Whether a rate was too high or an epoch too many is read from the losses: afterwards, from those that are always kept beside the adapter as often as logging_steps says, " +
				"and while it trains, by whoever looks at a tracker, from hours that need not be spent. The first attempt had none.",
			Help:  "set logging_steps to 1 and tracking to tensorboard",
			check: tracking,
		},
		{
			Code: "RC211", Name: "effective-batch", Severity: diag.Warning,
			Title: "batch_size times gradient_accumulation outside of 32 to 64",
			Why:   "A step that follows one row follows its accidents, and a stage with very large steps has few of them.",
			Help:  "let batch_size times gradient_accumulation be 32 to 64",
			check: func(s *subject) []hit {
				return s.each(func(name string, stage recipe.Stage) []hit {
					batch := stage.BatchSize * stage.GradientAccumulation
					return one(batch < smallestBatch || batch > largest, name+".gradient_accumulation", "the effective batch of %s is %d x %d", name, stage.BatchSize, stage.GradientAccumulation)
				})
			},
		},
		{
			Code: "RC212", Name: "epochs", Severity: diag.Warning,
			Title: "epochs outside of 1 to 3",
			Why:   "Less than one pass leaves rows out; more than three over little data is learning by heart. Good rows do more than repeated ones (LIMA, arXiv 2305.11206).",
			Help:  "set epochs to 1 for stage 1, and to 1 to 3 for stage 2",
			check: func(s *subject) []hit {
				return s.each(func(name string, stage recipe.Stage) []hit {
					return one(stage.Epochs < fewestEpochs || stage.Epochs > mostEpochs, name+".epochs", "%s.epochs is %g", name, stage.Epochs)
				})
			},
		},
		{
			Code: "RC213", Name: "stale-pin", Severity: diag.Warning,
			Title: "a package is pinned to a version with a known bug",
			Why:   "bitsandbytes 0.43.0, which the first attempt ran on, wastes 5 to 10 GB of GPU memory; 0.43.2 put it right.",
			Help:  "pin a later version",
			check: stalePins,
		},
		{
			Code: "RC214", Name: "context", Severity: diag.Warning,
			Title: "package.num_ctx is not the length that was trained on",
			Why:   "A served model that is given more context than it was tuned with answers in a range that it never practised; with less, it cannot use what it learned.",
			Help:  "set package.num_ctx to the max_length of the last stage",
			check: servedContext,
		},
		{
			Code: "RC215", Name: "stop-token", Severity: diag.Warning,
			Title: "a base model whose <|im_end|> was never trained, and is not going to be",
			Why: "Qwen2.5's Base models never trained the token that ends a turn, and an adapter that leaves the embeddings alone may never learn it: the commonest complaint about tuned " +
				"Base models is that they never stop.",
			Help:  "set lora.train_stop_tokens to true",
			check: stopToken,
		},
		{
			Code: "RC216", Name: "double-quantization", Severity: diag.Warning,
			Title: "the constants of the quantization are quantized, too",
			Why:   "It saves 0.37 bits a weight (arXiv 2305.14314, section 3), 0.6 GB of a 14B model, at the price of a second rounding and of time. NF4 alone is what is recommended.",
			Help:  "set double_quant to false",
			check: func(s *subject) []hit {
				return one(s.Quantization == "nf4" && s.DoubleQuant, "double_quant", "NF4 with double quantization")
			},
		},
		{
			Code: "RC217", Name: "one-stage", Severity: diag.Warning,
			Title: "one of the two stages is left out",
			Why: "BBj is absent from what the models read: stage 1 makes the language familiar, stage 2 teaches to answer in it. The first attempt had the second alone. " +
				"For languages without resources further pretraining gains most (arXiv 2606.16827).",
			Help: "switch both stages on, and name raw source or a corpus for stage 1",
			check: func(s *subject) []hit {
				return slices.Concat(
					one(!s.Stage1.Enabled, "stage1.enabled", "stage 1 is left out: instruction tuning only"),
					one(!s.Stage2.Enabled, "stage2.enabled", "stage 2 is left out: the model does not learn to answer"))
			},
		},
		{
			Code: "RC218", Name: "no-suite", Severity: diag.Warning,
			Title: "no suite to evaluate on",
			Why:   "Three hard-coded questions, the first attempt's evaluation, tell nothing. compile@1 and task@1 on held-out cases do, beside baselines that get the same prompts.",
			Help:  "write evaluate.suite, for example suites/bbj-core",
			check: func(s *subject) []hit {
				return one(s.Evaluate.Suite == "", "evaluate.suite", "evaluate names no suite")
			},
		},
		{
			Code: "RC219", Name: "rarely-validated", Severity: diag.Warning,
			Title: "a stage ends before it was validated twice",
			Why:   "The validation loss is measured before the first step, every eval_steps and at the end. With less than two measures on the way, neither the best moment nor overfitting can be seen.",
			Help:  "lower eval_steps",
			needs: needRows,
			check: rarelyValidated,
		},
		{
			Code: "RC221", Name: "idle-engine", Severity: diag.Warning,
			Title: "Unsloth is asked for, and its LoRA kernels are not used",
			Why: "What Unsloth gains comes from kernels that compute base weights and adapter in one. DoRA is none of what they compute: such layers run PEFT's own code " +
				"(unsloth 2026.10.9, models/llama.py, patch_peft_model), as they do with engine trl, in an environment of its own.",
			Help: "set lora.dora to false, or engine to trl",
			check: func(s *subject) []hit {
				return one(s.Engine == recipe.Unsloth && s.Lora.DoRA, "engine", "engine unsloth runs layers with lora.dora by PEFT's own code")
			},
		},
	}
}

// rateRemark says how far a rate is from QLoRA's range, or nothing within it.
func rateRemark(rate float64) string {
	switch {
	case rate < lowestRate:
		return fmt.Sprintf(" (%.0f-%.0fx too low for QLoRA)", middleRate/rate, highestRate/rate)
	case rate > highestRate:
		return fmt.Sprintf(" (%.0fx the highest rate for QLoRA)", rate/highestRate)
	}
	return ""
}

func stageRates(s *subject) []hit {
	inRange := func(stage recipe.Stage) bool { return stage.Enabled && rateRemark(stage.LearningRate) == "" }
	return slices.Concat(
		one(inRange(s.Stage1) && s.Stage1.LearningRate > middleRate, "stage1.learning_rate", "stage1.learning_rate is %s, at the higher end", power(s.Stage1.LearningRate)),
		one(inRange(s.Stage2) && s.Stage2.LearningRate < middleRate, "stage2.learning_rate", "stage2.learning_rate is %s, at the lower end", power(s.Stage2.LearningRate)))
}

// The linear layers of the models that are tuned here.
var (
	attention = []string{"q_proj", "k_proj", "v_proj", "o_proj"}
	mlp       = []string{"gate_proj", "up_proj", "down_proj"}
)

func targets(s *subject) []hit {
	if slices.Equal(s.Lora.Targets, recipe.Targets{"all-linear"}) {
		return nil
	}
	has := func(layer string) bool {
		return slices.ContainsFunc(s.Lora.Targets, func(t string) bool { return t == layer || strings.HasSuffix(t, "."+layer) })
	}
	var missing []string
	for _, layer := range slices.Concat(attention, mlp) {
		if !has(layer) {
			missing = append(missing, layer)
		}
	}
	if !slices.ContainsFunc(mlp, has) {
		return one(true, "lora.targets", "lora.targets are attention layers alone: the MLP is left out")
	}
	return one(len(missing) > 0, "lora.targets", "lora.targets leave out %s", strings.Join(missing, ", "))
}

func padding(s *subject) []hit {
	if s.Record.Padding == "full" {
		return one(true, "record.padding", "every row is padded to full length")
	}
	return s.each(func(name string, stage recipe.Stage) []hit {
		loose := stage.Packing == "none" && !stage.GroupByLength && stage.BatchSize > 1
		return one(loose, name+".batch_size", "%s puts %d rows of any length into a batch: the short ones are padded to the longest", name, stage.BatchSize)
	})
}

func systemPrompts(s *subject) []hit {
	if m := s.facts.Stages[2]; m.Rows >= tellingRows && s.Stage2.Enabled {
		n := m.SystemPrompts
		return one(n < fewestPrompts, "data.system_prompts", "the rows of stage 2 have %s", counted(n, "system prompt"))
	}
	n := len(slices.Compact(slices.Sorted(slices.Values(s.Data.SystemPrompts))))
	return one(n < fewestPrompts, "data.system_prompts", "data.system_prompts has %s", counted(n, "entry"))
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if word, ok := strings.CutSuffix(thing, "y"); ok {
		thing = word + "ie"
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func tracking(s *subject) []hit {
	if s.Record.Tracking == "none" {
		return one(true, "record.tracking", "nothing of the training was kept")
	}
	unheard := one(slices.Contains(s.Tracking, "none"), "tracking", "tracking is none: losses are kept, and nothing shows them while it trains")
	return append(unheard, s.each(func(name string, stage recipe.Stage) []hit {
		return one(stage.LoggingSteps > rarestLog, name+".logging_steps", "%s.logging_steps is %d", name, stage.LoggingSteps)
	})...)
}

func stalePins(s *subject) []hit {
	var hits []hit
	for _, p := range s.facts.Packages {
		if bug := bugOf(p.Name, p.Version); bug != "" {
			hits = append(hits, hit{at: &recipe.Place{File: p.File, Line: p.Line, Col: 1, End: 1 + len(p.Name)}, message: p.Name + " " + p.Version + " " + bug})
		}
	}
	for name, version := range s.Record.Packages {
		if bug := bugOf(name, version); bug != "" {
			hits = append(hits, hit{key: "record.packages." + name, message: name + " " + version + " " + bug})
		}
	}
	return hits
}

// servedContext compares with the last stage, which is the one that taught to answer.
func servedContext(s *subject) []hit {
	name, trained := "stage2", s.Stage2.MaxLength
	if !s.Stage2.Enabled {
		name, trained = "stage1", s.Stage1.MaxLength
	}
	return one(s.Package.NumCtx != trained, "package.num_ctx", "package.num_ctx is %d, %s.max_length is %d", s.Package.NumCtx, name, trained)
}

// stopToken: a graft brings the Instruct model's own end token along.
func stopToken(s *subject) []hit {
	qwen := strings.Contains(strings.ToLower(s.Base.Model), "qwen2.5") || s.facts.ModelType == "qwen2"
	fires := qwen && s.Base.Kind == "base" && s.Stage2.Enabled && s.Graft.Onto == "" && !s.Lora.TrainStopTokens
	if s.Engine == recipe.Unsloth {
		return one(fires, "engine", "the base model never trained <|im_end|>, and engine unsloth cannot: engine trl can")
	}
	return one(fires, "lora.train_stop_tokens", "the base model never trained <|im_end|>, and lora.train_stop_tokens is false")
}

// needTokens and needRows say what is missing for the rules that look at the data.
func needTokens(f Facts) string {
	if len(f.Stages) == 0 {
		return f.NoData
	}
	return f.NoTokens
}

func needRows(f Facts) string {
	if len(f.Stages) == 0 {
		return f.NoData
	}
	return ""
}

func truncation(s *subject) []hit {
	return s.each(func(name string, stage recipe.Stage) []hit {
		m, known := s.measure(name)
		if stage.Overlong == "split" {
			return nil // nothing of a row is lost
		}
		if !known || !m.Counted {
			return one(name == "stage2" && stage.Overlong == "truncate", name+".overlong", "%s.overlong is truncate: an answer that is too long loses its end", name)
		}
		what := map[string]string{"drop": "dropped", "truncate": "cut"}[stage.Overlong]
		return one(float64(m.Over) > tolerated*float64(m.Rows), name+".max_length", "%d of %d rows of %s (%.1f %%) are longer than %d tokens and get %s; the longest has %d",
			m.Over, m.Rows, name, 100*float64(m.Over)/float64(m.Rows), stage.MaxLength, what, m.Longest)
	})
}

func rarelyValidated(s *subject) []hit {
	return s.each(func(name string, stage recipe.Stage) []hit {
		m, known := s.measure(name)
		if !known || m.Rows == 0 || stage.Packing != "none" && !m.Counted {
			return nil
		}
		rows := float64(m.Rows)
		if stage.Packing != "none" { // full sequences, but for the last ones
			rows = max(1, float64(m.Tokens)/float64(stage.MaxLength))
		}
		steps := max(1, rows*stage.Epochs/float64(stage.BatchSize*stage.GradientAccumulation))
		return one(steps < fewestValidations*float64(stage.EvalSteps), name+".eval_steps", "%s has about %s, and %s.eval_steps is %d", name, counted(int(steps), "step"), name, stage.EvalSteps)
	})
}

// power writes 2e-05 as 2e-5.
func power(rate float64) string {
	return strings.ReplaceAll(strconv.FormatFloat(rate, 'e', -1, 64), "e-0", "e-")
}
