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
	var cluster bool
	o := computeDoctor{}
	c := &cobra.Command{
		Use:   "doctor [RECIPE]",
		Short: "say what this machine, or a Ray cluster, has and lacks for training and serving",
		Long: `Doctor says what this machine has and lacks. With --compute it says that of a Ray
cluster: nodes, CPUs, GPUs, memory, what of it is free, which jobs are under way,
and by a job on every node the packages, the GPUs and the room on its disks, and
whether the shared folder is the same one everywhere. RECIPE says what a training
asks for; without one it is a single worker on the CPU.

The cluster is the one of --compute-address, else compute.address of the recipe,
else RAY_API_SERVER_ADDRESS, else RAY_ADDRESS. Its token is read where Ray reads
it: RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token. An address
that only a recipe names gets neither token nor data before you have named it once,
by the flag or a variable; it is remembered then.

Status 1 says that something is missing, with a hint for each; status 2 that the
cluster could not be asked. The jobs of the probe are removed again.`,
		Example: `  bbjtune doctor
  bbjtune doctor --compute --compute-address http://head:8265
  bbjtune doctor --compute recipes/bbj-coder-32b-graft.yaml --workers 8`,
		Args: args(0, 1, "no argument, or with --compute one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if cluster {
				return a.examine(cmd.Context(), list, o)
			}
			if err := o.unasked(cmd, list); err != nil {
				return err
			}
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
	f := c.Flags()
	f.BoolVar(&cluster, "compute", false, "look at a Ray cluster instead of this machine")
	f.StringVar(&o.address, "compute-address", "", "with --compute: the cluster's dashboard, instead of the recipe's compute.address")
	f.StringVar(&o.storage, "compute-storage", "", "with --compute: a folder that all nodes see, instead of the recipe's compute.storage")
	f.IntVar(&o.workers, "workers", 0, "with --compute: how many processes share the training, instead of the recipe's compute.workers")
	f.BoolVar(&o.quick, "quick", false, "with --compute: ask the dashboard alone, and start nothing on the nodes")
	outputFormat(c, &o.format, "text", "json")
	return c
}

// unasked refuses what only a cluster can be asked.
func (o computeDoctor) unasked(cmd *cobra.Command, list []string) error {
	for _, name := range []string{"compute-address", "compute-storage", "workers", "quick", "output-format"} {
		if cmd.Flags().Changed(name) {
			return fault.Newf("add --compute", "--%s is asked of a cluster alone", name)
		}
	}
	if len(list) > 0 {
		return fault.New("a recipe is asked of a cluster alone", "add --compute")
	}
	return nil
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
