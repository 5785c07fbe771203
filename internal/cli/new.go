package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
)

func (a *app) newCommand() *cobra.Command {
	c := &cobra.Command{Use: "new", Short: "start a file in its right form", Args: args(0, 0, "a subcommand: example"), RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	c.AddCommand(a.newExampleCommand())
	return c
}

// exampleFlags are the flags of new example.
type exampleFlags struct {
	dir, title, kind, difficulty, from, to string
	generations                            []string
}

func (f exampleFlags) front() example.Front {
	front := example.Front{
		Title: strings.TrimSpace(f.title), Type: example.Type(f.kind), Difficulty: f.difficulty,
		FromGeneration: generation.Generation(f.from), ToGeneration: generation.Generation(f.to),
	}
	for _, g := range f.generations {
		front.Generation = append(front.Generation, generation.Generation(strings.TrimSpace(g)))
	}
	return front
}

func (a *app) newExampleCommand() *cobra.Command {
	f := exampleFlags{}
	c := &cobra.Command{
		Use:   "example TOPIC/NAME",
		Short: "start a training example: all sections, a program that compiles, TODO where you have something to say",
		Long: `Example writes a training example in the form that training-data/FORMAT.md asks for.
Its program compiles; each place that is left to its author says TODO, and
bbjtune check reports every one until it is filled in. TOPIC is one of the topic
folders, NAME says what the example shows, in-words-like-these. A file that is
there is never overwritten. The path of the new file goes to standard output.`,
		Args: args(1, 1, "one TOPIC/NAME"),
		RunE: func(_ *cobra.Command, list []string) error {
			return a.newExample(list[0], f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.kind, "type", string(example.Completion), "one of completion, comprehension, migration, explanation")
	flags.StringSliceVar(&f.generations, "generation", nil, "all, or one or several of character, vpro5, bbj-gui, dwc (default: what the topic suggests, or a migration goes to)")
	flags.StringVar(&f.difficulty, "difficulty", "", "one of basic, intermediate, advanced (default: none is stated)")
	flags.StringVar(&f.title, "title", "", "what the example shows, in a few words (default: left to fill in)")
	flags.StringVar(&f.from, "from", "", "the generation that a migration starts from")
	flags.StringVar(&f.to, "to", "", "the generation that a migration goes to")
	flags.StringVar(&f.dir, "dir", "training-data", "the folder with the topic folders")
	return c
}

func (a *app) newExample(name string, f exampleFlags) error {
	topic, file, err := example.Name(filepath.ToSlash(name))
	if err != nil {
		return err
	}
	if !utf8.ValidString(f.title) || strings.ContainsFunc(f.title, unicode.IsControl) {
		return fault.Newf("write it on one line", "--title %q holds control characters", f.title)
	}
	front, err := f.front().Complete(topic)
	if err != nil {
		return err
	}
	text := example.Skeleton(front)
	path := filepath.Join(f.dir, topic, file)
	if err := writeNew(path, text); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, path)
	fmt.Fprintf(a.Err, "fill in what says TODO (%s), then: %s\n", count(example.Placeholders(text), "place"), a.command("check", path))
	return nil
}

// writeNew writes a file that is not there yet. A file that could not be written
// whole is taken away again.
func writeNew(path string, text []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fault.Wrap(err, "name a folder with --dir")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fault.Newf("choose another name; nothing is overwritten", "%s is there already", path)
	case err != nil:
		return fault.Wrap(err, "name a folder with --dir")
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}
