package recipeaudit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bbjtune/internal/recipe"
)

// Side is a recipe that is compared, with the packages that it would run on.
type Side struct {
	*recipe.Recipe
	Packages []Package
}

// Row says what two recipes do about one aspect.
type Row struct {
	Aspect  string `json:"aspect"`
	A       string `json:"a"`
	B       string `json:"b"`
	Differs bool   `json:"differs"`
}

// Compare puts two recipes side by side, aspect by aspect.
func Compare(a, b Side) []Row {
	var rows []Row
	for _, aspect := range []struct {
		name string
		say  func(Side) string
	}{
		{"model", model}, {"stages", stagesOf}, {"loss", loss}, {"validation", validation}, {"learning rate", rates}, {"LoRA", adapter},
		{"quantization", quantization}, {"epochs", epochs}, {"effective batch", batch}, {"sequence", sequence}, {"system prompt", prompts},
		{"stack", stack}, {"tracking", kept}, {"evaluation", evaluation}, {"artefacts", artefacts},
	} {
		x, y := aspect.say(a), aspect.say(b)
		rows = append(rows, Row{aspect.name, x, y, x != y})
	}
	return rows
}

func model(s Side) string {
	name := s.Base.Model[strings.LastIndexByte(s.Base.Model, '/')+1:]
	text := strings.TrimPrefix(name, "package:")
	if s.Base.Kind == "base" {
		text += " (Base)"
	} else if !strings.Contains(strings.ToLower(text), "instruct") {
		text += " (Instruct)"
	}
	if s.Graft.Onto != "" {
		text += ", grafted onto " + s.Graft.Onto[strings.LastIndexByte(s.Graft.Onto, '/')+1:]
	}
	return text
}

func stagesOf(s Side) string {
	switch {
	case !s.Stage1.Enabled:
		return "instruction tuning only"
	case !s.Stage2.Enabled:
		return "continued pretraining on raw BBj only"
	case s.Merges(2):
		return "continued pretraining on raw BBj, merged, then instruction tuning"
	}
	return "continued pretraining on raw BBj, then instruction tuning"
}

func loss(s Side) string {
	switch {
	case !s.Stage2.Enabled:
		return "every token of raw text"
	case s.Stage2.Loss == "full":
		return "full sequence"
	}
	return "completion only"
}

func validation(s Side) string {
	if s.Data.ValidShare == 0 {
		return "none"
	}
	steps := perStage(s, func(stage recipe.Stage) string { return strconv.Itoa(stage.EvalSteps) })
	return fmt.Sprintf("%.3g/%.3g, deterministic, evaluated every %s steps", 100-100*s.Data.ValidShare, 100*s.Data.ValidShare, steps)
}

// perStage says a thing of both stages, once where it is the same of both.
func perStage(s Side, say func(recipe.Stage) string) string {
	one, two := say(s.Stage1), say(s.Stage2)
	switch {
	case !s.Stage1.Enabled || s.Stage2.Enabled && one == two:
		return two
	case !s.Stage2.Enabled:
		return one
	}
	return one + " in stage 1, " + two + " in stage 2"
}

func rates(s Side) string {
	return perStage(s, func(stage recipe.Stage) string { return power(stage.LearningRate) + rateRemark(stage.LearningRate) })
}

func adapter(s Side) string {
	layers := "all linear layers (attention and MLP)"
	if !slices.Equal(s.Lora.Targets, recipe.Targets{"all-linear"}) {
		layers = strings.Join(s.Lora.Targets, ", ")
	}
	text := fmt.Sprintf("r %d, alpha %d, %s", s.Lora.R, s.Lora.Alpha, layers)
	if s.Lora.TrainStopTokens {
		text += ", and the end token"
	}
	return text
}

func quantization(s Side) string {
	switch {
	case s.Quantization == "none":
		return "none"
	case s.DoubleQuant:
		return "NF4 + double quantization"
	}
	return "NF4"
}

func epochs(s Side) string {
	return perStage(s, func(stage recipe.Stage) string { return fmt.Sprintf("%g", stage.Epochs) })
}

func batch(s Side) string {
	return perStage(s, func(stage recipe.Stage) string {
		return fmt.Sprintf("%d (%d x %d accumulated)", stage.BatchSize*stage.GradientAccumulation, stage.BatchSize, stage.GradientAccumulation)
	})
}

func sequence(s Side) string {
	one, two := length(s, s.Stage1), length(s, s.Stage2)
	switch {
	case !s.Stage1.Enabled:
		return two
	case !s.Stage2.Enabled:
		return one
	}
	return "stage 1: " + one + "; stage 2: " + two
}

// length says how long the rows of a stage are, and how they are filled up.
func length(s Side, stage recipe.Stage) string {
	how := "padded to the longest row of a batch"
	switch {
	case s.Record.Padding == "full":
		how = "padded to full length (50-80 % of compute wasted)"
	case stage.Packing != "none":
		how = "packed"
	case stage.BatchSize == 1:
		how = "row by row, without padding"
	case stage.GroupByLength:
		how += ", rows of like length together"
	}
	return fmt.Sprintf("%d, %s", stage.MaxLength, how)
}

func prompts(s Side) string {
	if len(s.Data.SystemPrompts) == 1 {
		return "one, identical in all rows"
	}
	return fmt.Sprintf("%d variations", len(s.Data.SystemPrompts))
}

// shown are the packages that a comparison names.
var shown = []string{"unsloth", "transformers", "trl", "peft", "bitsandbytes", "torch"}

func stack(s Side) string {
	if len(s.Record.Packages) > 0 {
		names := slices.SortedFunc(maps.Keys(s.Record.Packages), func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
		return said(names, s.Record.Packages)
	}
	versions := map[string]string{}
	for _, p := range s.Packages {
		versions[p.Name] = p.Version
	}
	names := slices.DeleteFunc(slices.Clone(shown), func(name string) bool { return versions[name] == "" })
	if len(names) == 0 {
		return "not known"
	}
	return said(names, versions) + ", pinned with hashes"
}

func rank(name string) int {
	if i := slices.Index(shown, normal(name)); i >= 0 {
		return i
	}
	return len(shown)
}

func said(names []string, versions map[string]string) string {
	var list []string
	for _, name := range names {
		text := name + " " + versions[name]
		if bug := bugOf(name, versions[name]); bug != "" {
			text += " (" + bug + ")"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func kept(s Side) string {
	switch s.Record.Tracking {
	case "":
		return "losses kept beside the adapter, every " + perStage(s, func(stage recipe.Stage) string {
			if stage.LoggingSteps == 1 {
				return "step"
			}
			return counted(stage.LoggingSteps, "step")
		}) + heard(s.Tracking)
	case "none":
		return "none"
	}
	return s.Record.Tracking
}

// heard names the trackers as their makers do.
func heard(names []string) string {
	text := ""
	for _, name := range names {
		if title := map[string]string{"tensorboard": "TensorBoard", "wandb": "W&B", "mlflow": "MLflow"}[name]; title != "" {
			text += ", " + title
		}
	}
	return text
}

func evaluation(s Side) string {
	switch {
	case s.Record.Evaluation != "":
		return s.Record.Evaluation
	case s.Evaluate.Suite == "":
		return "none"
	}
	text := "compile@1 and task@1 on the held-out " + s.Evaluate.Suite + ", the untuned model as baseline"
	if s.Evaluate.FewShot > 0 {
		text += fmt.Sprintf(", once with %s in its prompt", counted(s.Evaluate.FewShot, "example"))
	}
	return text
}

func artefacts(s Side) string {
	if s.Record.Artefacts != "" {
		return s.Record.Artefacts
	}
	return "a folder a step: adapter, training_config and training_log, model card; GGUF in " + strings.Join(s.Package.Quantize, ", ") + " with a Modelfile"
}
