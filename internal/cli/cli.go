// Package cli is the command layer: it reads flags, wires the other packages
// together and prints what they found. Only this package knows them all.
//
// It must not do any of the work itself.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
)

// The exit statuses of every command.
const (
	statusFine     = 0 // done, nothing to complain about
	statusFindings = 1 // findings, or a gate that failed
	statusFailed   = 2 // could not run
)

const statusHelp = `
Exit status: 0 fine, 1 findings or a failed gate, 2 could not run.`

// Streams are the outside world of a command.
type Streams struct {
	// Program is how this one was called, for commands to try next; empty
	// means bbjtune.
	Program string
	Args    []string
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Env     func(string) string
	Now     func() time.Time
	OutTTY  bool
	ErrTTY  bool
	Width   func() int
}

// Process returns the streams of this process.
func Process() Streams {
	return Streams{
		Program: os.Args[0], Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv, Now: time.Now,
		OutTTY: term.IsTerminal(int(os.Stdout.Fd())), ErrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Width: func() int {
			w, _, err := term.GetSize(int(os.Stderr.Fd()))
			if err != nil {
				return 80
			}
			return w
		},
	}
}

// errFindings ends a command with status 1 after it has said what it found.
var errFindings = errors.New("findings")

// Main runs the command line and returns the exit status.
func Main(ctx context.Context, s Streams) int {
	a := &app{Streams: s}
	root := a.root()
	root.SetArgs(s.Args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	var left *leftRunning
	switch {
	case err == nil:
		return statusFine
	case errors.Is(err, errFindings):
		return statusFindings
	case errors.As(err, &left):
		fmt.Fprintf(s.Err, "bbjtune: %v\nhint: %s\n", left, left.hint(s.Program))
	case ctx.Err() != nil:
		fmt.Fprintln(s.Err, "bbjtune: interrupted")
		fmt.Fprintln(s.Err, "hint: run the same command again; what was finished is not done twice (eval without --again)")
	default:
		a.printError(err)
	}
	return statusFailed
}

func (a *app) printError(err error) {
	label := "error: "
	if a.colour(a.ErrTTY) {
		label = "\x1b[31merror:\x1b[0m "
	}
	fmt.Fprintf(a.Err, "%s%s\n", label, progress.Printable(err.Error()))
	hint := fault.Hint(err)
	if hint == "" {
		hint = "see bbjtune help"
	}
	fmt.Fprintf(a.Err, "hint: %s\n", progress.Printable(hint))
}

// app is what the commands share.
type app struct {
	Streams
	runs, cache, python string
	verbose             bool
	show                *progress.Display
}

// colour reports whether a stream may carry colour (https://no-color.org).
func (a *app) colour(tty bool) bool { return tty && a.Env("NO_COLOR") == "" }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bbjtune",
		Short: "fine-tune a code model for BBj, and prove what it learned",
		Long: `bbjtune takes a BBj shop from its own source code to a model that writes BBj
that compiles: data, two-stage training, evaluation with error bars, report.

Start with: bbjtune demo
` + statusHelp,
		Version:       Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.show = progress.New(a.Err, progress.Options{
				Terminal: a.ErrTTY, Colour: a.colour(a.ErrTTY), Width: a.Width, Now: a.Now, Tick: time.Tick(time.Second),
			})
			return a.findCache()
		},
	}
	f := root.PersistentFlags()
	f.StringVar(&a.runs, "runs", "runs", "folder for everything that is made")
	f.StringVar(&a.cache, "cache", "", "folder for the Python environment and base models (default: BBJTUNE_CACHE, else the user's cache folder)")
	f.StringVar(&a.python, "python", "", "Python interpreter to build the environment on (default: BBJTUNE_PYTHON, else the first on PATH)")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "show the logs of the worker and the model server")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fault.Wrap(err, "see bbjtune help")
	})
	root.AddCommand(a.demoCommand(), a.runCommand(), a.sweepCommand(), a.dataCommand(), a.recipeCommand(), a.corpusCommand(), a.trainCommand(), a.packCommand(),
		a.evalCommand(), a.compareCommand(), a.reviewCommand(), a.reportCommand(), a.runsCommand(), a.cardCommand(), a.publishCommand(), a.serveCommand(), a.checkCommand(), a.explainCommand(), a.suiteCommand(), a.newCommand(), a.docsCommand(), a.manCommand(), a.doctorCommand(), a.envCommand())
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	withStatusHelp(root)
	return root
}

// helpCommand differs from cobra's own in what it says of a command that is
// not there: that is a failure.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "what a command does",
		RunE: func(cmd *cobra.Command, list []string) error {
			c, rest, err := cmd.Root().Find(list)
			if err != nil || len(rest) > 0 {
				return fault.Newf("see bbjtune help", "there is no command %q", strings.Join(list, " "))
			}
			return c.Help()
		},
	}
}

// withStatusHelp states the exit statuses in the help of every command.
func withStatusHelp(c *cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.Long == "" {
			sub.Long = sub.Short + "."
		}
		sub.Long += "\n" + statusHelp
		withStatusHelp(sub)
	}
}

func (a *app) findCache() error {
	if a.python == "" {
		a.python = a.Env("BBJTUNE_PYTHON")
	}
	if a.cache == "" {
		a.cache = a.Env("BBJTUNE_CACHE")
	}
	if a.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return fault.Wrap(err, "name a folder with --cache or BBJTUNE_CACHE")
		}
		a.cache = filepath.Join(dir, "bbjtune")
	}
	abs, err := filepath.Abs(a.cache)
	a.cache = abs
	return err
}

// version is set by the linker (see the Makefile).
var version string

// Version is the version of the program: the commit that make built it from,
// else that of the module.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// args is cobra's check of the number of arguments with a hint.
func args(min, max int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		if len(list) >= min && (max < 0 || len(list) <= max) {
			return nil
		}
		return fault.Newf("usage: "+cmd.UseLine(), "%s takes %s, found %d arguments", cmd.CommandPath(), what, len(list))
	}
}
