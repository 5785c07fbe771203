package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/internal/backport"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/runs"
)

// exportOptions are the flags of data export.
type exportOptions struct {
	markdown string
	lines    []int
	format   string
}

func (a *app) exportCommand() *cobra.Command {
	var o exportOptions
	c := &cobra.Command{
		Use:   "export FILE --markdown DIR",
		Short: "write good ChatML rows as Markdown examples for review",
		Long: `Export reads a JSONL file with a ChatML row a line and writes each good row as
an example into DIR/TOPIC/NAME.md. A row is good if it reads, is one question
and its answer, compiles, and holds no key or password; every other row is
named with the reason. Rows that data build made become the examples that they
were made of, as far as a row carries one; of rows in other words the shape
decides the type. What a row cannot say stands in the file as TODO, and the
summary lists it: a draft is for an expert to finish. bbjtune check says what
the drafts still lack.

A file that is there with other content is never overwritten. The status is 1
where no row was good.`,
		Args: args(1, 1, "one JSONL file"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if o.markdown == "" {
				return fault.New("--markdown names no folder", "name the folder for the examples: --markdown DIR")
			}
			if !cmd.Flags().Changed("line") {
				o.lines = nil
			}
			return a.export(cmd.Context(), list[0], o)
		},
	}
	c.Flags().StringVar(&o.markdown, "markdown", "", "folder for the examples; made if it is missing")
	c.Flags().IntSliceVar(&o.lines, "line", nil, "line of the file to export, from 1; may be repeated (default: all)")
	outputFormat(c, &o.format, "text", "json")
	return c
}

func (a *app) export(ctx context.Context, path string, o exportOptions) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fault.Wrap(fmt.Errorf("nothing to export: %w", err), "name a JSONL file with a ChatML row a line")
	}
	task := a.show.Start("export")
	defer task.Drop()
	r, err := backport.Export(ctx, check.Embedded{}, text, o.lines)
	if err != nil {
		return err
	}
	if r.Rows == 0 && o.lines == nil {
		return fault.Newf("name a JSONL file with a ChatML row a line", "%s holds no row", path)
	}
	if missing := missingLines(r, o.lines); len(missing) > 0 {
		return fault.Newf("lines count from 1, blank ones too", "%s has no row in line %d", path, missing[0])
	}
	if err := writeDrafts(o.markdown, r.Drafts); err != nil {
		return err
	}
	task.Drop()
	if o.format == "json" {
		err = writeJSON(a.Out, exported(o.markdown, r))
	} else {
		err = writeExported(a.Out, o.markdown, r)
	}
	if err == nil && len(r.Drafts) == 0 {
		return errFindings
	}
	return err
}

func missingLines(r *backport.Result, wanted []int) []int {
	return slices.DeleteFunc(slices.Clone(wanted), func(n int) bool {
		return slices.ContainsFunc(r.Drafts, func(d backport.Draft) bool { return d.Line == n }) ||
			slices.ContainsFunc(r.LeftOut, func(l backport.LeftOut) bool { return l.Line == n })
	})
}

// writeDrafts writes the files that are not there yet. It looks at all of them
// before it writes one.
func writeDrafts(dir string, drafts []backport.Draft) error {
	var missing []backport.Draft
	for _, d := range drafts {
		file := filepath.Join(dir, filepath.FromSlash(d.Path))
		there, err := os.ReadFile(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, d)
		case err != nil:
			return fault.Wrap(err, "export into an empty folder")
		case !bytes.Equal(there, d.Text):
			return fault.Newf("export into an empty folder; nothing was written", "%s is there with other content", file)
		}
	}
	for _, d := range missing {
		if err := runs.WriteFile(filepath.Join(dir, filepath.FromSlash(d.Path)), d.Text); err != nil {
			return fault.Wrap(err, "choose a folder that can be written with --markdown")
		}
	}
	return nil
}

// exportedFile is a written example in the machine's output.
type exportedFile struct {
	Line  int      `json:"line"`
	File  string   `json:"file"` // below the folder
	Type  string   `json:"type"`
	Needs []string `json:"needs"`
}

func exported(dir string, r *backport.Result) map[string]any {
	files := []exportedFile{}
	for _, d := range r.Drafts {
		files = append(files, exportedFile{d.Line, d.Path, string(d.Type), d.Needs})
	}
	left := append([]backport.LeftOut{}, r.LeftOut...)
	return map[string]any{"version": 1, "folder": dir, "rows": r.Rows, "written": files, "left_out": left}
}

// exportShown is how many files, and how many rows of a reason, the summary names.
const exportShown = 20

// writeExported shows to people what was written, what each file needs, and what
// was left out.
func writeExported(w io.Writer, dir string, r *backport.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d written below %s, %d left out\n", counted(r.Rows, "row"), len(r.Drafts), progress.Printable(dir), len(r.LeftOut))
	all := commonNeeds(r.Drafts)
	if len(r.Drafts) > 0 {
		fmt.Fprintf(&b, "\nevery file needs: %s\n", progress.Printable(strings.Join(all, ", ")))
	}
	for i, d := range r.Drafts {
		if i == exportShown {
			fmt.Fprintf(&b, "  and %d more files; --output-format json lists them all\n", len(r.Drafts)-i)
			break
		}
		more := slices.DeleteFunc(slices.Clone(d.Needs), func(n string) bool { return slices.Contains(all, n) })
		fmt.Fprintf(&b, "  %s (line %d, %s)%s\n", d.Path, d.Line, d.Type, progress.Printable(colon(more)))
	}
	writeLeftOut(&b, r.LeftOut)
	_, err := io.WriteString(w, b.String())
	return err
}

func colon(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return ": " + strings.Join(list, ", ")
}

// commonNeeds are what all files need.
func commonNeeds(drafts []backport.Draft) []string {
	if len(drafts) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(drafts[0].Needs), func(n string) bool {
		return slices.ContainsFunc(drafts, func(d backport.Draft) bool { return !slices.Contains(d.Needs, n) })
	})
}

// writeLeftOut groups the rows by the first words of the reason.
func writeLeftOut(b *strings.Builder, list []backport.LeftOut) {
	const shown = 3
	var kinds []string
	byKind := map[string][]backport.LeftOut{}
	for _, l := range list {
		kind, _, _ := strings.Cut(l.Reason, ": ")
		if strings.HasPrefix(kind, "makes the same example as line ") {
			kind = "makes the same example as another row"
		}
		if byKind[kind] == nil {
			kinds = append(kinds, kind)
		}
		byKind[kind] = append(byKind[kind], l)
	}
	for _, kind := range kinds {
		rows := byKind[kind]
		fmt.Fprintf(b, "\nleft out, %s: %s\n", counted(len(rows), "row"), progress.Printable(kind))
		for i, l := range rows {
			if i == shown {
				fmt.Fprintf(b, "  and %d more\n", len(rows)-i)
				break
			}
			detail := strings.TrimPrefix(strings.TrimPrefix(l.Reason, kind), ": ")
			fmt.Fprintf(b, "  line %d%s\n", l.Line, progress.Printable(colon(slices.DeleteFunc([]string{strings.Join(strings.Fields(detail), " ")}, func(s string) bool { return s == "" }))))
		}
	}
}
