package cli

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bbjtune/internal/fault"
	"bbjtune/internal/recipe"
	"bbjtune/internal/trainer"
)

// withGPU makes the machine look as if it had a GPU, or had none.
func withGPU(t *testing.T, has bool) {
	t.Helper()
	if !has && (exists("/dev/nvidiactl") || exists("/dev/dxg")) {
		t.Skip("this machine has a GPU")
	}
	dir := t.TempDir()
	if has {
		name := "nvidia-smi"
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestListsOfPackages(t *testing.T) {
	for _, c := range []struct {
		engine, quantization string
		looking, gpu         bool
		usual, training      string
	}{
		{recipe.TRL, "none", false, false, "cpu", "cpu"},
		{recipe.TRL, "nf4", false, false, "gpu", "gpu"},
		{recipe.TRL, "nf4", true, true, "gpu", "gpu"},
		// Looking at the rows of a recipe for a GPU takes nothing that only a GPU can use.
		{recipe.TRL, "nf4", true, false, "cpu", "cpu"},
		{recipe.Unsloth, "nf4", false, true, "gpu", "unsloth"},
		{recipe.Unsloth, "none", false, true, "cpu", "unsloth"},
	} {
		withGPU(t, c.gpu)
		r := recipe.Defaults()
		r.Engine, r.Quantization = c.engine, c.quantization
		p := &pipeline{recipe: &r, looking: c.looking}
		if usual, training := p.requirements(), p.trainingRequirements(); usual != "requirements-"+c.usual+".txt" || training != "requirements-"+c.training+".txt" {
			t.Errorf("%+v: %s, %s", c, usual, training)
		}
	}
}

func TestOptimizersOfBitsandbytes(t *testing.T) {
	for optimizer, needs := range map[string]bool{"adamw_torch": false, "adafactor": false, "sgd": false, "paged_adamw_8bit": true, "lion_32bit": true, "ademamix": true} {
		r := recipe.Defaults()
		r.Optimizer = optimizer
		if p := (&pipeline{recipe: &r}); r.NeedsBitsandbytes() != needs || (p.requirements() == "requirements-gpu.txt") != needs {
			t.Errorf("%s: %v, %s", optimizer, r.NeedsBitsandbytes(), p.requirements())
		}
	}
}

func TestTrainingThatNeedsAGPU(t *testing.T) {
	withGPU(t, false)
	for _, c := range []struct{ engine, quantization, want string }{
		{recipe.TRL, "none", ""},
		{recipe.TRL, "nf4", "quantization nf4 needs an NVIDIA GPU, and this machine shows none"},
		{recipe.Unsloth, "none", "engine unsloth needs an NVIDIA GPU, and this machine shows none"},
	} {
		r := recipe.Defaults()
		r.Name, r.Engine, r.Quantization = "x", c.engine, c.quantization
		p := &pipeline{app: &app{runs: t.TempDir()}, recipe: &r}
		err := p.needGPU()
		if err == nil && c.want == "" {
			continue
		}
		if err == nil || err.Error() != c.want || fault.Hint(err) == "" {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// pythonThatSays is an interpreter that notes with what it was started and what it
// was asked, and behaves like a worker whose jobs are done at once.
const pythonThatSays = `#!/bin/sh
case "$1" in
-I) echo DIR/python3; echo 3.12.4; exit;;
esac
echo "$0 $1 compile=$UNSLOTH_COMPILE_LOCATION" >>DIR/started
echo '{"event":"hello","protocol":1,"python":"3.12.4"}'
while read -r request; do
	echo '{"event":"done","result":{}}'
done
`

// An engine with an environment of its own trains in a process of its own, which
// ends with the stage; all else stays where it was.
func TestEngineHasAWorkerOfItsOwn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-ins are shell scripts")
	}
	dir := t.TempDir()
	uv := "#!/bin/sh\nfor last; do :; done\ncase \"$1\" in\nvenv) mkdir -p \"$last/bin\"; cp " + dir + "/python3 \"$last/bin/python\";;\ncache) echo " + dir + "/uvcache;;\nesac\n"
	for name, text := range map[string]string{"python3": strings.ReplaceAll(pythonThatSays, "DIR", dir), "uv": uv} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	reach := newReach(t)
	rec := reach.full()
	rec.Engine = recipe.Unsloth
	p := &pipeline{app: reach.app, recipe: rec}
	defer p.close()
	ctx := context.Background()
	usual, err := p.startWorker(ctx)
	reach.must(err)
	training, release, err := p.trainingWorker(ctx)
	reach.must(err)
	if training == usual {
		t.Error("the engine trains in the usual worker")
	}
	_, err = training.Run(ctx, trainer.NewTrain(rec, 1, trainer.Paths{}), filepath.Join(t.TempDir(), "job.json"), func(trainer.Event) {})
	reach.must(err)
	release()
	if _, err := training.Run(ctx, struct{}{}, filepath.Join(t.TempDir(), "job.json"), func(trainer.Event) {}); err == nil {
		t.Error("the engine's worker goes on after the stage")
	}
	_, err = usual.Run(ctx, struct{}{}, filepath.Join(t.TempDir(), "job.json"), func(trainer.Event) {})
	reach.must(err)

	text, err := os.ReadFile(filepath.Join(dir, "started"))
	reach.must(err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "compile=") || !strings.HasSuffix(lines[1], filepath.Join("cache", "unsloth")) {
		t.Errorf("started:\n%s", text)
	}
	if a, b := strings.Fields(lines[0])[0], strings.Fields(lines[1])[0]; a == b {
		t.Errorf("both in one environment: %s", a)
	}

	rec.Engine = recipe.TRL
	same, release, err := p.trainingWorker(ctx)
	reach.must(err)
	release()
	if same != usual {
		t.Error("engine trl does not train in the usual worker")
	}
}
