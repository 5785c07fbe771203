package cli

import (
	"fmt"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"bbjtune/internal/fault"
	"bbjtune/internal/pyenv"
	"bbjtune/internal/recipe"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "say what this machine has and lacks for training and serving",
		Args:  args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			say := func(what, found string) { fmt.Fprintf(a.Out, "%-18s %s\n", what, found) }
			say("bbjtune", Version()+", "+runtime.GOOS+"/"+runtime.GOARCH)
			path, version, err := pyenv.Find(cmd.Context(), a.python)
			if err != nil {
				say("Python", "missing: "+err.Error()+" ("+fault.Hint(err)+")")
			} else {
				say("Python", version+" at "+path)
			}
			say("GPU", tool("nvidia-smi", "not found: training runs on the CPU, which suits small models only"))
			say("llama-server", tool("llama-server", "not found: the managed server is used"))
			say("Ollama", tool("ollama", "not found"))
			say("cache", a.cache)
			if err != nil {
				return errFindings
			}
			return nil
		},
	}
}

// hasGPU reports whether this machine seems to have an NVIDIA GPU: its tool is on
// the PATH, or the system shows a device of it.
func hasGPU() bool {
	_, err := exec.LookPath("nvidia-smi")
	return err == nil || exists("/dev/nvidiactl") || exists("/dev/dxg")
}

func tool(name, absent string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return absent
}

func (a *app) envCommand() *cobra.Command {
	var tools, ray bool
	c := &cobra.Command{
		Use:   "env",
		Short: "make the Python environment of training and serving, and print its interpreter",
		Long: `Env makes the Python environment that the other commands make when they need
it, and prints its interpreter. With --ray it is the environment of a node of a
Ray cluster: the same packages with Ray beside them, complete for NVIDIA GPUs
where the machine has one. Made on every machine of a cluster, it gives all of
them the versions that a training asks for.`,
		Example: `  bbjtune env
  "$(dirname "$(bbjtune env --ray)")/ray" start --head`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := recipe.Defaults()
			p := &pipeline{app: a, recipe: &r}
			defer p.close()
			lists := []string{"requirements-cpu.txt", "requirements-demo-base.txt"}
			switch {
			case tools:
				lists = []string{"requirements-dev.txt"}
			case ray:
				lists = rayLists(hasGPU())
			}
			env, err := p.makeEnv(cmd.Context(), lists)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Out, env.Python)
			return nil
		},
	}
	c.Flags().BoolVar(&tools, "tools", false, "instead, the environment of the tools that check the worker's code")
	c.Flags().BoolVar(&ray, "ray", false, "instead, the environment of a node of a Ray cluster")
	c.MarkFlagsMutuallyExclusive("tools", "ray")
	return c
}

// rayLists are the packages of a node of a Ray cluster.
func rayLists(gpu bool) []string {
	if gpu {
		return []string{"requirements-gpu.txt", "requirements-ray.txt"}
	}
	return []string{"requirements-cpu.txt", "requirements-ray.txt"}
}
