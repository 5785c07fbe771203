package cli

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/internal/fault"
	"bbjtune/internal/nearest"
	"bbjtune/internal/record"
)

func (a *app) runsCommand() *cobra.Command {
	c := &cobra.Command{Use: "runs", Short: "what was done, what changed between two trainings, and what was left running", Args: args(0, 0, "a subcommand: list, show, diff, attach or cancel"), RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	c.AddCommand(a.runsListCommand(), a.runsShowCommand(), a.runsDiffCommand(), a.runsAttachCommand(), a.runsCancelCommand())
	return c
}

func (a *app) runsListCommand() *cobra.Command {
	var kind, format string
	c := &cobra.Command{
		Use:   "list",
		Short: "the folders of all runs, newest first",
		Long: `List shows every folder of the runs folder: whether its work is complete, under
way (a process works in it), unfinished (the command that makes it goes on with
it) or broken, its size on disk, and for a training the last validation losses
of its stages and compile@1 of its newest evaluation.`,
		Args: args(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			s, err := record.Open(a.runs)
			if err != nil {
				return err
			}
			if kinds := s.Kinds(); kind != "" && !slices.Contains(kinds, kind) {
				hint := "there are " + strings.Join(kinds, ", ")
				if near := nearest.Name(kind, kinds); near != "" {
					hint = "did you mean " + near + "?"
				}
				return fault.Newf(hint, "there is no run of kind %q in %s", kind, s.Root)
			}
			list := s.List(kind)
			if format == "json" {
				return writeJSON(a.Out, list)
			}
			return list.Text(a.Out)
		},
	}
	c.Flags().StringVar(&kind, "kind", "", "only train, data, eval, pack, verify, answers, report or corpus")
	outputFormat(c, &format, "text", "json")
	return c
}

func (a *app) runsShowCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "show RUN",
		Short: "all that is known of a run: recipe, data, environment, losses, evaluations, files",
		Long: `Show takes a folder, the ID of a run, or the beginning of one that only one
training has, or only one package, or only one run.`,
		Args: args(1, 1, "one run"),
		RunE: func(_ *cobra.Command, list []string) error {
			s, err := a.store(list)
			if err != nil {
				return err
			}
			e, err := s.Find(list[0], "train", "pack")
			if err != nil {
				return err
			}
			shown, err := record.Show(e)
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(a.Out, shown)
			}
			return shown.Text(a.Out)
		},
	}
	outputFormat(c, &format, "text", "json")
	return c
}

// store lists the runs. Whoever names folders alone may do without any.
func (a *app) store(names []string) (*record.Store, error) {
	s, err := record.Open(a.runs)
	if err == nil || slices.ContainsFunc(names, func(n string) bool { return !strings.ContainsAny(n, `/\`) }) {
		return s, err
	}
	return &record.Store{Root: a.runs}, nil
}

func (a *app) runsDiffCommand() *cobra.Command {
	var format string
	var strict bool
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "what changed from one training to another, and what that did",
		Long: `Diff names every variable that changed from training A to training B (data,
hyperparameters, base model, code, environment), and warns where it was more
than one, since the effect of each cannot be told apart then. It shows the
effect: validation losses, and the evaluations of both on the same cases. What
training does not depend on (names, the evaluation's settings) is no variable.
A and B are folders, IDs of trainings, or beginnings of IDs.`,
		Args: args(2, 2, "two trainings"),
		RunE: func(_ *cobra.Command, list []string) error {
			d, err := a.diff(list)
			if err != nil {
				return err
			}
			write := map[string]func(io.Writer) error{"text": d.Text, "markdown": d.Markdown, "json": func(w io.Writer) error { return writeJSON(w, d) }}
			if err := write[format](a.Out); err != nil {
				return err
			}
			if strict && !d.One() {
				return errFindings
			}
			return nil
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "exit with status 1 when more than one variable changed")
	outputFormat(c, &format, "text", "json", "markdown")
	return c
}

func (a *app) cardCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "card RUN",
		Short: "the model card of a training or a package, with the evaluations that there are by now",
		Long: `Card writes the model card to standard output: front matter as the model hub
reads it, data, every setting, losses, scores, limits and how it is served. The
README.md in a run's folder was written when the folder was finished, mostly
before any evaluation; this one has the scores, beside those of the models that
the newest report compares it with. It tells no more of the training data than
counts.`,
		Args: args(1, 1, "one training or package"),
		RunE: func(_ *cobra.Command, list []string) error {
			s, err := a.store(list)
			if err != nil {
				return err
			}
			c, err := currentCard(s, list[0])
			if err != nil {
				return err
			}
			return c.Write(a.Out)
		},
	}
}

func (a *app) diff(names []string) (*record.Diff, error) {
	s, err := a.store(names)
	if err != nil {
		return nil, err
	}
	var sides [2]*record.Run
	for i, name := range names {
		e, err := s.Find(name, "train")
		if err != nil {
			return nil, err
		}
		if sides[i], err = record.Load(e.Path); err != nil {
			return nil, err
		}
	}
	return record.Compare(sides[0], sides[1]), nil
}
