package trainer_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/recipe"
	"bbjtune/internal/trainer"
)

// The test binary plays the worker when FAKE_WORKER says which part.
func TestMain(m *testing.M) {
	if part := os.Getenv("FAKE_WORKER"); part != "" {
		fakeWorker(part)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func fakeWorker(part string) {
	switch part {
	case "old":
		say(`{"event":"hello","protocol":0}`)
	case "mute":
		time.Sleep(time.Minute)
	case "absent":
		fmt.Fprintln(os.Stderr, "ModuleNotFoundError: no module named torch")
		os.Exit(1)
	default:
		say(`{"event":"hello","protocol":1,"python":"3.11.7"}`)
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			if part == "answers" {
				fakeAnswers(in.Bytes())
				continue
			}
			fakeJob(part)
		}
	}
}

func fakeJob(part string) {
	say(`{"event":"started","kind":"train"}`)
	for step := 1; step <= 3; step++ {
		say(`{"event":"heartbeat"}`)
		say(`{"event":"step","step":%d,"steps":3,"loss":%.1f,"tokens_per_s":10}`, step, 3.0/float64(step))
		if step != 2 {
			continue
		}
		switch part {
		case "dies":
			fmt.Fprintln(os.Stderr, "Segmentation fault")
			os.Exit(139)
		case "chatty":
			for range 3 {
				time.Sleep(100 * time.Millisecond)
				if _, err := fmt.Fprintln(os.Stderr, "a warning of a library"); err != nil {
					os.Exit(1)
				}
			}
		case "killed":
			p, err := os.FindProcess(os.Getpid())
			if err == nil {
				p.Kill()
			}
			time.Sleep(time.Minute)
		case "garbage":
			say("Traceback (most recent call last):")
		case "hangs", "slow":
			time.Sleep(time.Minute)
		case "samples":
			say(`{"event":"samples","step":2,"answers":[{"line":7,"text":"print 1","tokens":3,"stopped":true}]}`)
		case "nan":
			say(`{"event":"step","step":2,"steps":3,"loss":null}`)
			say(`{"event":"failed","kind":"nan_loss","message":"the loss is no finite number","hint":"lower learning_rate"}`)
			return
		case "memory":
			say(`{"event":"failed","kind":"out_of_memory","message":"the memory does not suffice","hint":"lower batch_size from 4"}`)
			return
		case "internal":
			say(`{"event":"failed","kind":"internal","message":"KeyError: x","hint":""}`)
			return
		}
	}
	say(`{"event":"done","result":{"steps":3}}`)
}

func start(t *testing.T, part string) (*trainer.Worker, error) {
	t.Helper()
	silence := time.Minute // a busy machine starts slowly
	if part == "hangs" || part == "mute" {
		silence = 5 * time.Second
	}
	return trainer.Start(t.Context(), trainer.Options{
		Python: os.Args[0], Script: "-test.run=none", Silence: silence, Grace: 300 * time.Millisecond, Env: []string{"FAKE_WORKER=" + part},
	})
}

func TestRun(t *testing.T) {
	w, err := start(t, "good")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 2 { // several jobs, one worker
		var events []string
		result, err := w.Run(t.Context(), map[string]int{"protocol": 1}, filepath.Join(t.TempDir(), "job.json"), func(e trainer.Event) {
			events = append(events, e.Event)
		})
		if err != nil || string(result) != `{"steps":3}` || strings.Join(events, " ") != "started step step step" {
			t.Errorf("result %s, events %v, err %v", result, events, err)
		}
	}
}

func TestSamples(t *testing.T) {
	w, err := start(t, "samples")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var got []trainer.Sample
	_, err = w.Run(t.Context(), 1, filepath.Join(t.TempDir(), "job.json"), func(e trainer.Event) {
		got = append(got, e.Answers...)
	})
	if want := []trainer.Sample{{Line: 7, Text: "print 1", Tokens: 3, Stopped: true}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %+v", err, got)
	}
}

func TestRunFails(t *testing.T) {
	cases := []struct{ part, want string }{
		{"dies", "the training worker died: exit status 139; its last words: Segmentation fault"},
		{"garbage", `the training worker wrote something that is no event: "Traceback (most recent call last):"`},
		{"hangs", "the training worker said nothing for 5s and was stopped"},
		{"nan", "the loss is no finite number"},
		{"memory", "the memory does not suffice"},
		{"internal", "the training worker failed: KeyError: x"},
	}
	for _, c := range cases {
		t.Run(c.part, func(t *testing.T) {
			t.Parallel()
			w, err := start(t, c.part)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			_, err = w.Run(t.Context(), 1, filepath.Join(t.TempDir(), "job.json"), func(trainer.Event) {})
			if err == nil || err.Error() != c.want || fault.Hint(err) == "" {
				t.Errorf("got %v, hint %q", err, fault.Hint(err))
			}
		})
	}
}

// full is a log on a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestRunWithALogThatCannotBeWritten(t *testing.T) {
	w, err := trainer.Start(t.Context(), trainer.Options{Python: os.Args[0], Script: "-test.run=none", Log: full{}, Env: []string{"FAKE_WORKER=chatty"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Run(t.Context(), 1, filepath.Join(t.TempDir(), "job.json"), func(trainer.Event) {}); err != nil {
		t.Error(err)
	}
}

// Memory that runs out is the usual reason why a system kills a worker.
func TestRunIsKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	w, err := start(t, "killed")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_, err = w.Run(t.Context(), 1, filepath.Join(t.TempDir(), "job.json"), func(trainer.Event) {})
	if err == nil || err.Error() != "the training worker died: signal: killed" || !strings.Contains(fault.Hint(err), "lower batch_size") {
		t.Errorf("got %v, hint %q", err, fault.Hint(err))
	}
}

func TestStartFails(t *testing.T) {
	cases := []struct{ part, want string }{
		{"old", "the training worker speaks protocol 0, this program 1"},
		{"mute", "the training worker said nothing for 5s and was stopped"},
		{"absent", "the training worker died: exit status 1; its last words: ModuleNotFoundError: no module named torch"},
	}
	for _, c := range cases {
		t.Run(c.part, func(t *testing.T) {
			t.Parallel()
			_, err := start(t, c.part)
			if err == nil || err.Error() != c.want || fault.Hint(err) == "" {
				t.Errorf("got %v, hint %q", err, fault.Hint(err))
			}
		})
	}
	if _, err := trainer.Start(t.Context(), trainer.Options{Python: "no-such-python", Script: "x"}); err == nil || fault.Hint(err) == "" {
		t.Errorf("no interpreter: %v", err)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	w, err := start(t, "slow")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	_, err = w.Run(ctx, 1, filepath.Join(t.TempDir(), "job.json"), func(e trainer.Event) {
		if e.Event == "step" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The job structs and worker/jobs.py must name the same keys: a key that the
// worker does not know, or misses, would fail every job.
func TestJobsMatchTheWorker(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	script := "import json,sys; sys.path.insert(0,'../../worker'); import jobs\n" +
		"for line in sys.stdin:\n    jobs.check_job(json.loads(line))\n"
	for _, name := range []string{"demo-cpu", "bbj-coder-14b", "bbjllm-32b"} {
		r, err := recipe.Load("../../recipes/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		paths := trainer.Paths{BaseModel: "b", AdapterIn: "a", Output: "o", Train: "t", Valid: "v"}
		var in strings.Builder
		enc := json.NewEncoder(&in)
		for _, job := range []any{
			trainer.NewTrain(r, 1, paths), trainer.NewTrain(r, 2, paths),
			trainer.NewInspect(r, 1, paths, nil), trainer.NewInspect(r, 2, paths, []int{1, 3}),
			trainer.ImportBase{Protocol: 1, Kind: "import_base", Source: "s", Output: "o", ChatTemplate: "c", Dtype: "float32"},
			trainer.Count{Protocol: 1, Kind: "count", BaseModel: "b", Texts: "t", Output: "o"},
			trainer.Quantize{Protocol: 1, Kind: "quantize", Source: "s", Output: "o", Type: "q8_0"},
			trainer.Generate{Protocol: 1, Kind: "generate", BaseModel: "b", Prompts: []trainer.Prompt{{Prompt: ptr("x")}}, MaxTokens: 1, Stop: []string{}, Precision: "auto", Device: "auto"},
			trainer.Perplexity{Protocol: 1, Kind: "perplexity", BaseModel: "b", Adapter: ptr("a"), Texts: "t", MaxLength: 2, Precision: "fp32", Device: "cpu"},
			trainer.Merge{Protocol: 1, Kind: "merge", BaseModel: "b", Adapter: "a", Output: "o", ChatTemplate: "c", Dtype: "float32"},
			trainer.CheckGraft{Protocol: 1, Kind: "check_graft", BaseModel: "b", Onto: "i"},
			trainer.Graft{Protocol: 1, Kind: "graft", BaseModel: "b", Onto: "i", Adapters: []string{"a"}, Output: "o", ChatTemplate: "c", Dtype: "float32"},
		} {
			if err := enc.Encode(job); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(python, "-B", "-c", script)
		cmd.Stdin = strings.NewReader(in.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// Every setting of a stage reaches its job: changing the recipe changes it.
func TestNewTrainUsesEverySetting(t *testing.T) {
	set := func(change func(*recipe.Recipe)) string {
		r := recipe.Defaults()
		if change != nil {
			change(&r)
		}
		text, err := json.Marshal(trainer.NewTrain(&r, 2, trainer.Paths{}))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	plain := set(nil)
	changes := map[string]func(*recipe.Recipe){
		"seed":                   func(r *recipe.Recipe) { r.Seed++ },
		"lora.r":                 func(r *recipe.Recipe) { r.Lora.R++ },
		"lora.alpha":             func(r *recipe.Recipe) { r.Lora.Alpha++ },
		"lora.dropout":           func(r *recipe.Recipe) { r.Lora.Dropout = 0.5 },
		"lora.targets":           func(r *recipe.Recipe) { r.Lora.Targets = []string{"q_proj"} },
		"lora.rslora":            func(r *recipe.Recipe) { r.Lora.RSLoRA = true },
		"lora.dora":              func(r *recipe.Recipe) { r.Lora.DoRA = true },
		"lora.train_stop_tokens": func(r *recipe.Recipe) { r.Lora.TrainStopTokens = true },
		"quantization":           func(r *recipe.Recipe) { r.Quantization = "nf4" },
		"double_quant":           func(r *recipe.Recipe) { r.DoubleQuant = true },
		"precision":              func(r *recipe.Recipe) { r.Precision = "bf16" },
		"optimizer":              func(r *recipe.Recipe) { r.Optimizer = "x" },
		"gradient_checkpointing": func(r *recipe.Recipe) { r.GradientCheckpointing = false },
		"epochs":                 func(r *recipe.Recipe) { r.Stage2.Epochs = 9 },
		"learning_rate":          func(r *recipe.Recipe) { r.Stage2.LearningRate = 9 },
		"scheduler":              func(r *recipe.Recipe) { r.Stage2.Scheduler = "constant" },
		"warmup_ratio":           func(r *recipe.Recipe) { r.Stage2.WarmupRatio = 0.9 },
		"weight_decay":           func(r *recipe.Recipe) { r.Stage2.WeightDecay = 0.9 },
		"max_grad_norm":          func(r *recipe.Recipe) { r.Stage2.MaxGradNorm = 9 },
		"batch_size":             func(r *recipe.Recipe) { r.Stage2.BatchSize = 9 },
		"gradient_accumulation":  func(r *recipe.Recipe) { r.Stage2.GradientAccumulation = 9 },
		"max_length":             func(r *recipe.Recipe) { r.Stage2.MaxLength = 99 },
		"overlong":               func(r *recipe.Recipe) { r.Stage2.Overlong = "truncate" },
		"packing":                func(r *recipe.Recipe) { r.Stage2.Packing = "bfd" },
		"loss":                   func(r *recipe.Recipe) { r.Stage2.Loss = "full" },
		"group_by_length":        func(r *recipe.Recipe) { r.Stage2.GroupByLength = true },
		"eval_steps":             func(r *recipe.Recipe) { r.Stage2.EvalSteps = 9 },
		"save_steps":             func(r *recipe.Recipe) { r.Stage2.SaveSteps = 9 },
		"logging_steps":          func(r *recipe.Recipe) { r.Stage2.LoggingSteps = 9 },
		"neftune_alpha":          func(r *recipe.Recipe) { r.Stage2.NEFTuneAlpha = 5 },
		"zero_rows":              func(r *recipe.Recipe) { r.Stage2.ZeroRows = "drop" },
		"sample_prompts":         func(r *recipe.Recipe) { r.Stage2.SamplePrompts = 9 },
		"sample_every":           func(r *recipe.Recipe) { r.Stage2.SampleEvery = 9 },
		"sample_tokens":          func(r *recipe.Recipe) { r.Stage2.SampleTokens = 9 },
		"early_stopping":         func(r *recipe.Recipe) { r.Stage2.EarlyStopping = 9 },
		"tracking":               func(r *recipe.Recipe) { r.Tracking = []string{"wandb"} },
	}
	for name, change := range changes {
		if set(change) == plain {
			t.Errorf("%s does not reach the job", name)
		}
	}
	if got := set(func(r *recipe.Recipe) { r.Stage1.Epochs = 9 }); got != plain {
		t.Error("a setting of stage 1 shows in stage 2")
	}
	if !slices.Contains([]string{"text"}, trainer.NewTrain(ptr(recipe.Defaults()), 1, trainer.Paths{}).Format) {
		t.Error("stage 1 is not raw text")
	}
}

// The verdicts go to the evaluations of their steps, once, and nowhere else.
func TestAddCompile1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "training_log.jsonl")
	log := `{"step": 0, "eval_loss": 6.5}` + "\n" + `{"step": 4, "loss": 6.1}` + "\n" + `{"step": 4, "eval_loss": 6.25, "eval_tokens": 7}` + "\n" + `{"step": 8, "eval_loss": 6}` + "\n"
	if err := os.WriteFile(path, []byte(log), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := trainer.AddCompile1(path, map[int][2]int{0: {0, 4}, 4: {3, 4}}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	want := strings.Replace(strings.Replace(log, "6.5}", `6.5, "compile_at_1": [0, 4]}`, 1), "7}", `7, "compile_at_1": [3, 4]}`, 1)
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, text, want)
	}
	entries, err := trainer.ReadLog(path)
	if err != nil || !slices.Equal(entries[2].Compile1, []int{3, 4}) || *entries[2].EvalLoss != 6.25 || entries[1].Compile1 != nil {
		t.Errorf("%v %+v", err, entries)
	}
}

func ptr[T any](v T) *T { return &v }
