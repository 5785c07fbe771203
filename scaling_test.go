package bbjtune_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"bbjtune/internal/gpumem"
	"bbjtune/internal/recipe"
)

// The tables of docs/guide/scaling.md are made of internal/gpumem, of the recipes,
// and of the figures that others have published.
func TestScalingTables(t *testing.T) {
	models := scaledModels(t)
	settleBlocks(t, "../guide/scaling.md", map[string]string{
		"memory": memoryTable(models), "workers": workersTable(models), "network": networkTable(models),
		"published": publishedTable(), "hours": hoursTable(models),
	})
}

// What the page says of loading is what its table says of one worker.
func TestScalingSaysWhatLoadingTakes(t *testing.T) {
	page := strings.Join(strings.Fields(readPage(t, "../guide/scaling.md")), " ")
	sizes := map[string][]string{}
	for _, m := range scaledModels(t) {
		for _, kind := range weightKinds {
			sizes[kind] = append(sizes[kind], gib(gpumem.Training(m.shape, m.on(kind, 1, "none")).Weights))
		}
	}
	for _, want := range []string{
		fmt.Sprintf("(%s GiB of 14B, %s of 32B, and CUDA)", sizes["NF4"][0], sizes["NF4"][1]),
		fmt.Sprintf("(%s and %s GiB, times the workers of a machine)", sizes["bf16"][0], sizes["bf16"][1]),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
}

// scaled is a model with the recipe that trains it.
type scaled struct {
	name   string
	shape  gpumem.Shape
	recipe recipe.Recipe
}

func scaledModels(t *testing.T) []scaled {
	var list []scaled
	for _, each := range []struct{ name, path string }{{"14B", "recipes/bbj-coder-14b.yaml"}, {"32B", "recipes/bbj-coder-32b-graft.yaml"}} {
		r := loadRecipe(t, each.path)
		shape, ok := gpumem.Known(r.Base.Model)
		if !ok {
			t.Fatalf("%s: the shape of %s is not known", each.path, r.Base.Model)
		}
		list = append(list, scaled{each.name, shape, *r})
	}
	return list
}

// on is the model's recipe with weights of a kind, shared by so many workers.
func (m scaled) on(weights string, workers int, sharding string) *recipe.Recipe {
	r := m.recipe
	r.Compute.Workers, r.Compute.Sharding = workers, sharding
	if r.Quantization = "none"; weights == "NF4" {
		r.Quantization = "nf4"
	}
	return &r
}

var weightKinds = []string{"NF4", "bf16"}

func gib(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<30)) }

func memoryTable(models []scaled) string {
	var b strings.Builder
	b.WriteString("| model, weights | workers | weights | adapter | exchange | activations | end token | training | loading | most, GiB |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	row := func(m scaled, kind, workers string, e gpumem.Estimate) {
		fmt.Fprintf(&b, "| %s, %s | %s | %s | %s | %s | %s | %s | %s | %s | **%s** |\n", m.name, kind, workers, gib(e.Weights), gib(e.Adapter), gib(e.Exchange), gib(e.Activations), gib(e.StopTokens), gib(e.Total), gib(e.Loading), gib(e.Peak()))
	}
	for _, m := range models {
		for _, kind := range weightKinds {
			row(m, kind, "1", gpumem.Training(m.shape, m.on(kind, 1, "none")))
			row(m, kind, "several, `none`", gpumem.Training(m.shape, m.on(kind, 2, "none")))
			for _, n := range []int{2, 4, 8, 16} {
				row(m, kind, fmt.Sprintf("%d, `fsdp`", n), gpumem.Training(m.shape, m.on(kind, n, "fsdp")))
			}
		}
	}
	return b.String()
}

// workersTable says how many GPUs of a size it takes at least, with the margin of the
// estimate.
func workersTable(models []scaled) string {
	sizes := []int64{24, 48, 80}
	var b strings.Builder
	b.WriteString("| model, weights |")
	for _, size := range sizes {
		fmt.Fprintf(&b, " GPUs of %d GiB |", size)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(sizes)) + "\n")
	for _, m := range models {
		for _, kind := range weightKinds {
			fmt.Fprintf(&b, "| %s, %s |", m.name, kind)
			for _, size := range sizes {
				b.WriteString(" " + m.least(kind, size<<30) + " |")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func (m scaled) least(kind string, size int64) string {
	if e := gpumem.Training(m.shape, m.on(kind, 1, "none")); e.High() <= size {
		return "1"
	}
	for n := 2; n <= 16; n *= 2 {
		if e := gpumem.Training(m.shape, m.on(kind, n, "fsdp")); e.High() <= size {
			return fmt.Sprintf("%d, `fsdp`", n)
		}
	}
	return "not with these settings"
}

// links are the speeds that the table of the network divides by, in bytes a second
// and direction.
var links = []struct {
	name  string
	bytes float64
}{{"1 Gbit/s", 1e9 / 8}, {"10 Gbit/s", 10e9 / 8}, {"100 Gbit/s", 100e9 / 8}, {"PCIe 4 × 16", 31.5e9}}

// networkTable is what one worker receives for an optimizer step of stage 1, and how
// long that takes, beside the computing.
func networkTable(models []scaled) string {
	var b strings.Builder
	b.WriteString("| model, weights | workers | received a step |")
	for _, l := range links {
		fmt.Fprintf(&b, " at %s |", l.name)
	}
	b.WriteString(" computing |\n| --- | --- | --- |" + strings.Repeat(" --- |", len(links)+1) + "\n")
	for _, m := range models {
		for _, kind := range weightKinds {
			for _, share := range []struct {
				sharding string
				workers  int
			}{{"none", 2}, {"none", 8}, {"fsdp", 2}, {"fsdp", 8}} {
				r := m.on(kind, share.workers, share.sharding)
				batches := int64(r.Stage1.GradientAccumulation / share.workers)
				traffic := gpumem.Exchange(m.shape, r)
				bytes := traffic.Step + batches*traffic.Batch
				fmt.Fprintf(&b, "| %s, %s | %d, `%s` | %.1f GB |", m.name, kind, share.workers, share.sharding, float64(bytes)/1e9)
				for _, l := range links {
					fmt.Fprintf(&b, " %s |", seconds(float64(bytes)/l.bytes))
				}
				tokens := float64(batches) * float64(r.Stage1.BatchSize*r.Stage1.MaxLength)
				fmt.Fprintf(&b, " %s |\n", seconds(tokens/speed(m, kind)))
			}
		}
	}
	return b.String()
}

func seconds(s float64) string {
	if s < 10 {
		return fmt.Sprintf("%.1f s", s)
	}
	return fmt.Sprintf("%.0f s", s)
}

// measured is a speed that somebody has published: seconds for so many tokens of all
// GPUs together.
type measured struct {
	source, model string
	billions      float64
	how, gpus     string
	count         int
	tokens        float64
	seconds       float64
}

func (m measured) perGPU() float64 { return m.tokens / m.seconds / float64(m.count) }

// rate is the speed of a GPU, for a model of a billion parameters.
func (m measured) rate() float64 { return m.perGPU() * m.billions }

// Both sources give sequences of 2048 tokens. Qwen's table has seconds for an iteration
// of 8 sequences on each GPU, that of fsdp_qlora seconds for 1024 sequences.
const (
	qwenIteration = 8 * 2048
	fsdpQLoRA     = 1024 * 2048
)

var published = []measured{
	{"Qwen", "Qwen-7B", 7, "LoRA", "A100 80 GB", 1, qwenIteration, 5.2},
	{"Qwen", "Qwen-7B", 7, "LoRA, 2 machines", "A100 80 GB", 4, 4 * qwenIteration, 9.25},
	{"Qwen", "Qwen-14B", 14, "LoRA", "A100 80 GB", 1, qwenIteration, 8.4},
	{"Qwen", "Qwen-14B", 14, "QLoRA", "A100 80 GB", 1, qwenIteration, 11.8},
	{"Qwen", "Qwen-72B", 72, "QLoRA", "A100 80 GB", 1, qwenIteration, 59.5},
	{"Qwen", "Qwen-72B", 72, "LoRA, ZeRO-3", "A100 80 GB", 4, 4 * qwenIteration, 45.7},
	{"fsdp_qlora", "Yi 34B", 34, "QLoRA, FSDP", "RTX 3090", 2, fsdpQLoRA, 5041},
	{"fsdp_qlora", "Yi 34B", 34, "QLoRA, FSDP", "RTX 4090", 2, fsdpQLoRA, 2072},
	{"fsdp_qlora", "Llama-2 70B", 70, "QLoRA, FSDP", "A100 40 GB", 2, fsdpQLoRA, 3277},
	{"fsdp_qlora", "Llama-2 70B", 70, "QLoRA, FSDP", "A100 40 GB", 4, fsdpQLoRA, 1266},
	{"fsdp_qlora", "Llama-2 70B", 70, "QLoRA, FSDP", "A100 40 GB", 8, fsdpQLoRA, 672},
	{"fsdp_qlora", "Llama-2 70B", 70, "QLoRA, FSDP", "H100 80 GB", 4, fsdpQLoRA, 667},
}

func publishedTable() string {
	var b strings.Builder
	b.WriteString("| source | model | how | GPUs | tokens a second | of each GPU | of each, times billions of parameters |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, m := range published {
		fmt.Fprintf(&b, "| %s | %s | %s | %d × %s | %.0f | %.0f | %.1f thousand |\n", m.source, m.model, m.how, m.count, m.gpus, m.tokens/m.seconds, m.perGPU(), m.rate()/1000)
	}
	return b.String()
}

// rates of one A100, for a model of a billion parameters: that of Qwen-14B, by the
// kind of weights.
var rates = map[string]float64{"NF4": published[3].rate(), "bf16": published[2].rate()}

// speed is what one A100 does with a model, in tokens a second.
func speed(m scaled, kind string) float64 {
	return rates[kind] / (float64(m.shape.Parameters()) / 1e9)
}

// The rate is that of one size; another of the same table, five times as large, gives
// the same within a tenth.
func TestScalingRateHoldsForAnotherSize(t *testing.T) {
	if a, b := published[3].rate(), published[4].rate(); math.Abs(a-b) > 0.1*a {
		t.Errorf("%.0f with 14B, %.0f with 72B", a, b)
	}
}

// hoursTable is the time for ten million tokens.
func hoursTable(models []scaled) string {
	const tokens = 10e6
	apart := published[1].perGPU() / published[0].perGPU()
	var b strings.Builder
	fmt.Fprintf(&b, "| model, weights | tokens a second, one A100 | 1 | 2 | 4 | 8 |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, m := range models {
		for _, kind := range weightKinds {
			v := speed(m, kind)
			fmt.Fprintf(&b, "| %s, %s | %.0f | %.1f h |", m.name, kind, v, tokens/v/3600)
			for _, n := range []float64{2, 4, 8} {
				best := tokens / v / n / 3600
				fmt.Fprintf(&b, " %.1f to %.1f h |", best, best/apart)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
