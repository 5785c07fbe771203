package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bbjtune/internal/fault"
	"bbjtune/internal/parity"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
	"bbjtune/internal/record"
	"bbjtune/internal/report"
)

// verifyFlags are those of pack verify.
type verifyFlags struct {
	prompts   int
	forms     []string
	precision string
	limits    parity.Limits
	format    string
}

func (a *app) packVerifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify RECIPE|PACKAGE",
		Short: "prove that the packaged model is still the one that was trained",
		Long: `Verify puts the same prompts of the recipe's suite to the base model with its
adapter, in the training worker, and to every file of the package, through the
local llama.cpp server; both always take the likeliest token. It compares

  the tokens of each prompt as both render it, and its text by the Modelfile
  the tokens of each answer: how many are equal before the first that differs,
  and how near a tie the choice was there
  whether each answer stops
  compile@1, with McNemar's exact test on the same prompts

and exits with status 1 where the package does not hold: a prompt differs; a file
in 16 bit has an equal prefix below --min-prefix, or an answer that goes on where
the adapter's ends; fewer than --min-stopped of the answers end at all; compile@1
is lower by more than --max-drop. On 20 prompts one program is 5 points; with more
prompts chance can be told from damage.

PACKAGE is a folder below runs/pack, whose training must be there. With a recipe,
what is missing before that is made first. Interrupted and started again, it goes
on where it was; what was found lies below runs/verify.`,
		Args: args(1, 1, "one recipe or package"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.verify(cmd.Context(), list[0], f)
		},
	}
	fl := c.Flags()
	fl.IntVar(&f.prompts, "prompts", 20, "prompts of the suite, a fixed part of it (0: all)")
	fl.StringSliceVar(&f.forms, "form", nil, "only these files of the package, for example f16,q8_0 (default: all)")
	fl.StringVar(&f.precision, "precision", "fp32", "what the adapter's model computes in: fp32, bf16, or auto")
	fl.Float64Var(&f.limits.MinPrefix, "min-prefix", 0.95, "least share of equal tokens, for a file in 16 bit")
	fl.Float64Var(&f.limits.MinStopped, "min-stopped", 0.9, "least share of answers that the model ends by itself, before evaluate.max_tokens")
	fl.Float64Var(&f.limits.MaxDrop, "max-drop", 0.02, "how much lower compile@1 may be than the adapter's")
	outputFormat(c, &f.format, "text", "json")
	return c
}

func (f verifyFlags) check() error {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	switch {
	case f.prompts < 0:
		return fault.Newf("write how many prompts are to be put, or 0 for all", "--prompts is %d", f.prompts)
	case !share(f.limits.MinPrefix) || !share(f.limits.MinStopped) || !share(f.limits.MaxDrop):
		return fault.New("--min-prefix, --min-stopped and --max-drop are shares from 0 to 1", "for example --max-drop 0.02 for 2 points")
	case !slices.Contains([]string{"fp32", "bf16", "auto"}, f.precision):
		return fault.Newf("write fp32, bf16 or auto", "--precision is %q", f.precision)
	}
	return nil
}

func (a *app) verify(ctx context.Context, path string, f verifyFlags) error {
	p, err := a.verifyPipeline(path)
	if err != nil {
		return err
	}
	defer p.close()
	forms, err := formsOf(p.recipe, f.forms)
	if err != nil {
		return err
	}
	v, err := p.verification(forms, f)
	if err != nil {
		return err
	}
	r, s, err := v.run(ctx)
	if err != nil {
		return err
	}
	judged := r.Judge(f.limits)
	if f.format == "json" {
		err = writeJSON(a.Out, map[string]any{"version": 1, "folder": s.dir.Path, "report": r, "limits": f.limits, "gates": judged})
	} else {
		err = writeVerified(a.Out, r, s)
	}
	if err != nil {
		return err
	}
	list := []gateResult{}
	for _, g := range judged {
		list = append(list, gateResult{g.Gate, g.File, g.Passed, g.Detail})
	}
	return a.enforce(list)
}

// verifyPipeline is that of a recipe, or of what a package was made by. Of the
// latter nothing is made anew, whatever has become of its sources.
func (a *app) verifyPipeline(name string) (*pipeline, error) {
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		return a.pipeline(name)
	}
	packed, err := finished(name, "pack")
	if err != nil {
		return nil, err
	}
	var in struct {
		Trained string
		Package recipe.Package
	}
	if err := json.Unmarshal(packed.manifest.Inputs, &in); err != nil {
		return nil, fmt.Errorf("%s: inputs of manifest.json: %w", name, err)
	}
	s, err := record.Open(filepath.Dir(filepath.Dir(filepath.Clean(name))))
	if err != nil {
		return nil, err
	}
	e, ok := s.ByKey("train", in.Trained)
	if !ok {
		return nil, fault.Newf("copy the training's folder back, or name the recipe: what is missing is made then", "%s is no package of a training in %s", name, s.Root)
	}
	trained, err := finished(e.Path, "train")
	if err != nil {
		return nil, err
	}
	p, err := a.pipeline(trained.path("recipe.yaml"))
	if err != nil {
		return nil, err
	}
	p.recipe.Package, p.packed, p.trained = in.Package, &packed, &trained
	return p, nil
}

// formsOf are the files of the package that are wanted, as the recipe has them.
func formsOf(r *recipe.Recipe, wanted []string) ([]string, error) {
	all := []string{"f16"}
	for _, form := range r.Package.Quantize {
		if !slices.Contains(all, form) {
			all = append(all, form)
		}
	}
	if len(wanted) == 0 {
		return all, nil
	}
	return wanted, known("--form", wanted, all)
}

// writeVerified writes what was found as tables.
func writeVerified(w io.Writer, r *parity.Report, s step) error {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s, %s: %d prompts, at most %d tokens an answer\n", r.Package, r.Suite, r.Prompts(), r.MaxTokens)
	fmt.Fprintf(&b, "reference: base model and adapter in the training worker, %s, compile@1 %s\n\n", r.Precision, report.Percent(r.Compile))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "file\tprompts equal\tequal prefix\tidentical\tstop (adapter)\tcompile@1\tdifference, points\tp")
	for _, f := range r.Files {
		fmt.Fprintf(table, "%s\t%d / %d\t%.1f %% (%d / %d)\t%d\t%d (%d)\t%s\t%s\t%s\n", f.Name, f.PromptsEqual, f.Cases, 100*f.Prefix, f.Equal, f.Tokens, f.Identical,
			f.Stopped, f.ReferenceStopped, report.Percent(f.Compile), report.Points(f.Paired), report.PValue(f.Paired.P))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range r.Files {
		writeDivergences(&b, f)
	}
	fmt.Fprintf(&b, "\n%s\n", s.dir.Path)
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, progress.Printable(strings.TrimRight(line, " \n")))
	}
	return nil
}

// writeDivergences says where the answers part, and how near a tie that was.
func writeDivergences(w io.Writer, f parity.File) {
	parted := slices.DeleteFunc(slices.Clone(f.Comparisons), func(c parity.Case) bool { return c.Divergence == nil })
	if len(parted) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s: where answers part, with how far each token was before the second likeliest, in nats\n", f.Name)
	for _, c := range parted {
		d, tie := c.Divergence, ""
		if d.NearTie {
			tie = ", a near tie"
		}
		fmt.Fprintf(w, "  %s, token %d of %d: adapter %q %.3f, package %q %.3f%s\n", c.Case, d.At+1, c.Tokens, d.ReferenceText, d.ReferenceMargin, d.PackagedText, d.PackagedMargin, tie)
	}
}
