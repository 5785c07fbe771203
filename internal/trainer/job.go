package trainer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"bbjtune/internal/chat"
	"bbjtune/internal/recipe"
	"bbjtune/internal/runs"
)

// The jobs of the worker. Field by field they are what worker/jobs.py accepts;
// a test holds the two against each other.
type (
	// ImportBase turns a base model into a Hugging Face folder.
	ImportBase struct {
		Protocol     int    `json:"protocol"`
		Kind         string `json:"kind"`
		Source       string `json:"source"`
		Output       string `json:"output"`
		ChatTemplate string `json:"chat_template"`
		Dtype        string `json:"dtype"`
	}

	// Merge joins an adapter with its base model.
	Merge struct {
		Protocol     int    `json:"protocol"`
		Kind         string `json:"kind"`
		BaseModel    string `json:"base_model"`
		Adapter      string `json:"adapter"`
		Output       string `json:"output"`
		ChatTemplate string `json:"chat_template"`
		Dtype        string `json:"dtype"`
	}

	// CheckGraft asks whether what is trained on one model can be added to another.
	CheckGraft struct {
		Protocol  int    `json:"protocol"`
		Kind      string `json:"kind"`
		BaseModel string `json:"base_model"`
		Onto      string `json:"onto"`
	}

	// Graft adds what adapters add to their base model to another model. Each was
	// trained with those before it merged in.
	Graft struct {
		Protocol     int      `json:"protocol"`
		Kind         string   `json:"kind"`
		BaseModel    string   `json:"base_model"`
		Onto         string   `json:"onto"`
		Adapters     []string `json:"adapters"`
		Output       string   `json:"output"`
		ChatTemplate string   `json:"chat_template"`
		Dtype        string   `json:"dtype"`
	}

	// Count counts the tokens of texts, a JSON string a line, and writes a number a
	// line.
	Count struct {
		Protocol  int    `json:"protocol"`
		Kind      string `json:"kind"`
		BaseModel string `json:"base_model"`
		Texts     string `json:"texts"`
		Output    string `json:"output"`
	}

	// Quantize writes a GGUF file in fewer bits.
	Quantize struct {
		Protocol int    `json:"protocol"`
		Kind     string `json:"kind"`
		Source   string `json:"source"`
		Output   string `json:"output"`
		Type     string `json:"type"`
	}

	// Rows is what decides the rows that a stage trains on, and their batches.
	Rows struct {
		Protocol       int      `json:"protocol"`
		Kind           string   `json:"kind"`
		Stage          string   `json:"stage"`
		Seed           int      `json:"seed"`
		BaseModel      string   `json:"base_model"`
		Train          string   `json:"train"`
		Valid          string   `json:"valid"`
		Format         string   `json:"format"`
		ChatTemplate   string   `json:"chat_template"`
		RequiredTokens []string `json:"required_tokens"`
		Loss           string   `json:"loss"`
		MaxLength      int      `json:"max_length"`
		Overlong       string   `json:"overlong"`
		ZeroRows       string   `json:"zero_rows"`
		Packing        string   `json:"packing"`
		BatchSize      int      `json:"batch_size"`
		GroupByLength  bool     `json:"group_by_length"`
	}

	// Inspect reports what of these rows would be trained on. Lines are those
	// of the training file whose tokens are wanted.
	Inspect struct {
		Rows
		Lines []int `json:"lines"`
	}

	// Generate answers prompts.
	Generate struct {
		Protocol    int      `json:"protocol"`
		Kind        string   `json:"kind"`
		BaseModel   string   `json:"base_model"`
		Adapter     *string  `json:"adapter"`
		Prompts     []Prompt `json:"prompts"`
		MaxTokens   int      `json:"max_tokens"`
		Temperature float64  `json:"temperature"`
		Seed        int      `json:"seed"`
		Stop        []string `json:"stop"`
		Precision   string   `json:"precision"`
		Device      string   `json:"device"`
	}

	// Prompt is a conversation, or text to continue.
	Prompt struct {
		Messages []chat.Message `json:"messages,omitempty"`
		Prompt   *string        `json:"prompt,omitempty"`
	}

	// Perplexity says how well a model predicts texts.
	Perplexity struct {
		Protocol  int     `json:"protocol"`
		Kind      string  `json:"kind"`
		BaseModel string  `json:"base_model"`
		Adapter   *string `json:"adapter"`
		Texts     string  `json:"texts"`
		MaxLength int     `json:"max_length"`
		Precision string  `json:"precision"`
		Device    string  `json:"device"`
	}

	// Train runs one stage.
	Train struct {
		Rows
		AdapterIn             *string  `json:"adapter_in"`
		Output                string   `json:"output"`
		Epochs                float64  `json:"epochs"`
		MaxSteps              *int     `json:"max_steps"`
		LearningRate          float64  `json:"learning_rate"`
		Scheduler             string   `json:"scheduler"`
		WarmupRatio           float64  `json:"warmup_ratio"`
		WeightDecay           float64  `json:"weight_decay"`
		MaxGradNorm           float64  `json:"max_grad_norm"`
		GradientAccumulation  int      `json:"gradient_accumulation"`
		EvalSteps             int      `json:"eval_steps"`
		SaveSteps             int      `json:"save_steps"`
		SaveTotalLimit        int      `json:"save_total_limit"`
		LoggingSteps          int      `json:"logging_steps"`
		Lora                  Lora     `json:"lora"`
		NEFTuneAlpha          *float64 `json:"neftune_alpha"`
		Engine                string   `json:"engine"`
		Quantization          string   `json:"quantization"`
		DoubleQuant           bool     `json:"double_quant"`
		Optimizer             string   `json:"optimizer"`
		Precision             string   `json:"precision"`
		Device                string   `json:"device"`
		GradientCheckpointing bool     `json:"gradient_checkpointing"`
		Threads               int      `json:"threads"`
		EarlyStoppingPatience int      `json:"early_stopping_patience"`
		ReportTo              []string `json:"report_to"`
		Resume                bool     `json:"resume"`
		SamplePrompts         int      `json:"sample_prompts"`
		SampleEvery           int      `json:"sample_every"`
		SampleTokens          int      `json:"sample_tokens"`
		// Rungs are evaluations at which a checkpoint is saved and an event sent.
		Rungs []int `json:"rungs"`
		// Processes is how many of them the worker starts for the job on its
		// machine; 0 trains in the worker itself.
		Processes int    `json:"processes"`
		Sharding  string `json:"sharding"`
	}

	// Lora is the adapter of a Train job.
	Lora struct {
		R               int      `json:"r"`
		Alpha           int      `json:"alpha"`
		Dropout         float64  `json:"dropout"`
		Targets         any      `json:"targets"`
		RSLoRA          bool     `json:"rslora"`
		DoRA            bool     `json:"dora"`
		ModulesToSave   []string `json:"modules_to_save"`
		TrainStopTokens bool     `json:"train_stop_tokens"`
	}
)

// TrainResult is what a Train job ends with.
type TrainResult struct {
	Adapter string `json:"adapter"`
	// AdapterStep is where the adapter was saved: the evaluation with the lowest
	// validation loss, which is BestEvalLoss.
	AdapterStep    int     `json:"adapter_step"`
	Steps          int     `json:"steps"`
	TrainLossFirst float64 `json:"train_loss_first"`
	TrainLossLast  float64 `json:"train_loss_last"`
	EvalLossFirst  float64 `json:"eval_loss_first"`
	EvalLossLast   float64 `json:"eval_loss_last"`
	BestEvalLoss   float64 `json:"best_eval_loss"`
	Tokens         int     `json:"tokens"`
	TrainedTokens  int     `json:"trained_tokens"`
	// Seconds were spent in steps, over all starts.
	Seconds float64 `json:"train_seconds"`
}

// checkpointsKept bounds the disk that checkpoints take; the newest may be
// torn, so at least two.
const checkpointsKept = 2

// Paths are the files of a stage.
type Paths struct {
	BaseModel, AdapterIn, Output, Train, Valid string
}

// NewTrain makes the job of one stage of a recipe; stage is 1 or 2.
func NewTrain(r *recipe.Recipe, stage int, p Paths) Train {
	s, name, format := r.Stage1, "stage1", "text"
	loss := "full" // plain text has no prompt to leave out
	tokens := r.Data.FIM.Tokens()
	if stage == 2 {
		tokens = []string{}
		s, name, format = r.Stage2, "stage2", "messages"
		loss = s.Loss
	}
	t := Train{
		Rows: Rows{
			Protocol: Protocol, Kind: "train", Stage: name, Seed: r.Seed,
			BaseModel: p.BaseModel, Train: p.Train, Valid: p.Valid,
			Format: format, ChatTemplate: chat.Template, RequiredTokens: tokens, Loss: loss,
			MaxLength: s.MaxLength, Overlong: s.Overlong, ZeroRows: s.ZeroRows, Packing: s.Packing,
			BatchSize: s.BatchSize, GroupByLength: s.GroupByLength,
		},
		Output: p.Output,
		Epochs: s.Epochs, LearningRate: s.LearningRate, Scheduler: s.Scheduler, WarmupRatio: s.WarmupRatio,
		WeightDecay: s.WeightDecay, MaxGradNorm: s.MaxGradNorm,
		GradientAccumulation: s.GradientAccumulation,
		EvalSteps:            s.EvalSteps, SaveSteps: s.SaveSteps, SaveTotalLimit: checkpointsKept, LoggingSteps: s.LoggingSteps,
		Lora: Lora{
			R: r.Lora.R, Alpha: r.Lora.Alpha, Dropout: r.Lora.Dropout, Targets: targets(r.Lora.Targets),
			RSLoRA: r.Lora.RSLoRA, DoRA: r.Lora.DoRA, ModulesToSave: []string{}, TrainStopTokens: r.Lora.TrainStopTokens,
		},
		Engine: r.Engine, Quantization: r.Quantization, DoubleQuant: r.DoubleQuant, Optimizer: r.Optimizer,
		Precision: r.Precision, Device: "auto", GradientCheckpointing: r.GradientCheckpointing,
		EarlyStoppingPatience: s.EarlyStopping, ReportTo: services(r.Tracking), Resume: true,
		SamplePrompts: s.SamplePrompts, SampleEvery: s.SampleEvery, SampleTokens: s.SampleTokens,
		Rungs:    []int{},
		Sharding: r.Compute.Sharding, Threads: r.Compute.Resources.CPU,
	}
	if r.Compute.Engine == recipe.Torchrun {
		t.Processes = r.Compute.Workers
	}
	if p.AdapterIn != "" {
		t.AdapterIn = &p.AdapterIn
	}
	if s.NEFTuneAlpha > 0 {
		t.NEFTuneAlpha = &s.NEFTuneAlpha
	}
	return t
}

// NewInspect makes the job that reports on the rows of one stage of a recipe.
func NewInspect(r *recipe.Recipe, stage int, p Paths, lines []int) Inspect {
	rows := NewTrain(r, stage, p).Rows
	rows.Kind = "inspect"
	return Inspect{Rows: rows, Lines: append([]int{}, lines...)}
}

// services are the trackers that the libraries report to. Nothing is sent
// anywhere unless the recipe names one.
func services(tracking recipe.Tracking) []string {
	list := []string{}
	for _, name := range tracking {
		if name == "wandb" || name == "mlflow" {
			list = append(list, name)
		}
	}
	return list
}

// targets is the word all-linear, or the list of layer names.
func targets(list recipe.Targets) any {
	if len(list) == 1 && list[0] == "all-linear" {
		return list[0]
	}
	return list
}

// LogEntry is one line of a stage's training_log.jsonl: a training loss or a
// validation loss at an optimizer step.
type LogEntry struct {
	Step         int      `json:"step"`
	Epoch        float64  `json:"epoch"`
	Loss         *float64 `json:"loss"`
	EvalLoss     *float64 `json:"eval_loss"`
	LearningRate *float64 `json:"learning_rate"`
	// Compile1 is how many of how many samples compiled at an evaluation.
	Compile1 []int `json:"compile_at_1"`
}

// ReadLog reads the loss log that a finished stage leaves.
func ReadLog(path string) ([]LogEntry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []LogEntry
	for line := range bytes.Lines(text) {
		var e LogEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(list)+1, err)
		}
		list = append(list, e)
	}
	return list, nil
}

// AddCompile1 writes into a stage's log what the program found of the samples:
// by step, how many compiled and of how many.
func AddCompile1(path string, found map[int][2]int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		var e LogEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		n, ok := found[e.Step]
		if body, closed := bytes.CutSuffix(line, []byte("}")); closed && ok && e.EvalLoss != nil && e.Compile1 == nil {
			fmt.Fprintf(&out, "%s, \"compile_at_1\": [%d, %d]}\n", body, n[0], n[1])
			continue
		}
		out.Write(append(line, '\n'))
	}
	return runs.WriteFile(path, out.Bytes())
}
