package cli

import (
	"context"
	"fmt"
	"log"

	"github.com/spf13/cobra"

	"bbjtune"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/review/serve"
	"bbjtune/internal/site"
)

type docsFlags struct {
	out  string
	port int
}

func (a *app) docsCommand() *cobra.Command {
	var f docsFlags
	c := &cobra.Command{
		Use:   "docs",
		Short: "the documentation in the browser, without a network",
		Long: `Docs serves the documentation that this program carries on 127.0.0.1 until it is
interrupted, and prints the address. With --out it writes the same pages as files
into a new folder; they work from a disk, the search too.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.out != "" && cmd.Flags().Changed("port") {
				return fault.New("--out writes files, and serves nothing", "leave --port out")
			}
			if f.out == "" && cmd.Flags().Changed("out") {
				return fault.New("--out names no folder", "name a new folder, or leave --out out to serve the pages")
			}
			return a.docs(cmd.Context(), f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.out, "out", "", "folder to write the pages into, which must not be there yet")
	fl.IntVar(&f.port, "port", 0, "port to listen on; 0 takes a free one")
	return c
}

func (a *app) docs(ctx context.Context, f docsFlags) error {
	if f.port < 0 || f.port > 65535 {
		return fault.Newf("write a port from 0 to 65535, or leave it out", "--port is %d", f.port)
	}
	s, err := site.Build(bbjtune.Documents)
	if err != nil {
		return err
	}
	if f.out != "" {
		if err := s.Write(f.out); err != nil {
			return err
		}
		fmt.Fprintf(a.Out, "%s: %d files; open index.html in a browser\n", progress.Printable(f.out), len(s.Files()))
		return nil
	}
	l, err := serve.Listen("127.0.0.1", f.port)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "http://%s/\n", l.Addr())
	a.show.Say("serving until interrupted (Ctrl-C)")
	logger := log.New(progress.PrintableWriter(a.Err), "", log.Ltime)
	return serve.Run(ctx, l, s.Handler(), logger)
}
