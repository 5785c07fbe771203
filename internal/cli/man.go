package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/runs"
)

// epochEnv is the date that outputs carry instead of today's, in seconds
// (https://reproducible-builds.org/specs/source-date-epoch).
const epochEnv = "SOURCE_DATE_EPOCH"

// lastSecond is that of the year 9999; later dates have another form.
const lastSecond = 253402300799

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "write a manual page for each command",
		Long: `Man writes a page of section 1 for each command into a folder, which is made where
it is missing; pages of the same names are replaced. man -M or MANPATH finds them in
DIR where DIR is a folder man1 of a folder of manuals. The pages carry this month, or
that of ` + epochEnv + `.`,
		Args: args(1, 1, "one folder"),
		RunE: func(cmd *cobra.Command, list []string) error { return a.man(cmd.Root(), list[0]) },
	}
}

func (a *app) man(root *cobra.Command, dir string) error {
	date := a.Now().UTC()
	if s := a.Env(epochEnv); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 || n > lastSecond {
			return fault.Newf("write seconds since 1970, or leave it out", "%s is %q", epochEnv, s)
		}
		date = time.Unix(n, 0).UTC()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(err, "name a folder")
	}
	n, err := manPages(root, dir, doc.GenManHeader{Section: "1", Date: &date, Source: "bbjtune " + Version(), Manual: "bbjtune"})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "%s: %d pages; man -l %s shows one\n", progress.Printable(dir), n, progress.Printable(filepath.Join(dir, "bbjtune.1")))
	return nil
}

// manPages writes the pages of a command and of all below it.
func manPages(c *cobra.Command, dir string, header doc.GenManHeader) (int, error) {
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	title := header // GenMan writes the title of a command into it
	title.Title = strings.ToUpper(name)
	c.DisableAutoGenTag = true
	var page bytes.Buffer
	if err := doc.GenMan(c, &title, &page); err != nil {
		return 0, err
	}
	if err := runs.WriteFile(filepath.Join(dir, name+".1"), page.Bytes()); err != nil {
		return 0, fault.Wrap(err, "name a folder that can be written to")
	}
	n := 1
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		below, err := manPages(sub, dir, header)
		if err != nil {
			return 0, err
		}
		n += below
	}
	return n, nil
}
