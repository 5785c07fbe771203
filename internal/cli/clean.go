package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/internal/answer"
	"bbjtune/internal/audit"
	"bbjtune/internal/clean"
	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
)

// cleanVersion is raised when cleaning the same rows would give others.
const cleanVersion = 5

// cleanOptions are the flags of data clean.
type cleanOptions struct {
	suites []string
	skip   []string
	format string
}

func (a *app) cleanCommand() *cobra.Command {
	var o cleanOptions
	c := &cobra.Command{
		Use:   "clean FILE",
		Short: "mend a file of ChatML rows by named steps, each on record",
		Long:  "Clean writes a folder below runs/clean with rows.jsonl, removed.jsonl (each row\nthat was set aside, with the step and the reason) and changed.jsonl (each\nrepair, with the text before and after). Rows in are rows kept and rows removed.\nThe file itself is left alone. The steps, in their order:\n\n" + stepList(),
		Args:  args(1, 1, "one JSONL file"),
		RunE: func(cmd *cobra.Command, list []string) error {
			return a.clean(cmd.Context(), list[0], o)
		},
	}
	c.Flags().StringSliceVar(&o.suites, "suite", nil, "suite whose cases must not be among the rows; may be repeated")
	c.Flags().StringSliceVar(&o.skip, "skip", nil, "steps that are left out")
	outputFormat(c, &o.format, "text", "json")
	return c
}

func stepList() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range clean.Steps() {
		fmt.Fprintf(table, "  %s\t%s\n", s.Name, s.Does)
	}
	table.Flush()
	return strings.TrimRight(b.String(), "\n")
}

// unplain are the characters that the name of a run folder does not have.
var unplain = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

func (a *app) clean(ctx context.Context, path string, o cleanOptions) error {
	inputs, held, err := o.resolve()
	if err != nil {
		return err
	}
	in, err := a.openRows(ctx, path)
	if err != nil {
		return err
	}
	defer in.Close()
	inputs["file"] = in.sum
	name := unplain.ReplaceAllString(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), "-")
	d, m, err := runs.Open(a.runs, "clean", "rows-"+name, Version(), inputs)
	if err != nil {
		return err
	}
	var counts clean.Counts
	if m != nil {
		if err := json.Unmarshal(m.Result, &counts); err != nil {
			return fmt.Errorf("%s: %w", d.Path, err)
		}
		a.show.Say("✓ clean: done before")
		return a.sayCleaned(d.Path, counts, o.format)
	}
	defer d.Close()
	done, err := a.writeCleaned(ctx, d, in, clean.Options{Skip: o.skip, HeldOut: held})
	if err != nil {
		return err
	}
	return a.sayCleaned(d.Path, *done, o.format)
}

// resolve checks the names of steps and reads the suites; inputs are what decides
// the outcome besides the file.
func (o cleanOptions) resolve() (inputs map[string]any, held []audit.HeldOut, err error) {
	var names []string
	for _, s := range clean.Steps() {
		names = append(names, s.Name)
	}
	for _, s := range o.skip {
		if !slices.Contains(names, s) {
			return nil, nil, fault.Newf("the steps are "+strings.Join(names, ", "), "there is no step %q", s)
		}
	}
	options, err := auditOptions{suites: o.suites}.resolve()
	if err != nil {
		return nil, nil, err
	}
	sums := map[string]string{}
	for _, dir := range o.suites {
		if sums[dir], err = runs.HashTree(dir, nil); err != nil {
			return nil, nil, err
		}
	}
	skip := slices.Sorted(slices.Values(o.skip))
	return map[string]any{"version": cleanVersion, "engine": embeddedEngine(), "extractor": answer.Version, "skip": skip, "suites": sums}, options.HeldOut, nil
}

func (a *app) writeCleaned(ctx context.Context, d *runs.Dir, in *rowsFile, o clean.Options) (*clean.Counts, error) {
	task := a.show.Start("clean")
	defer task.Drop()
	o.Progress = func(read int64) { task.Update(float64(read), float64(in.size), "") }
	scratch, err := runs.NewScratch(d.Path)
	if err != nil {
		return nil, err
	}
	defer scratch.Close()
	names := []string{"rows.jsonl", "removed.jsonl", "changed.jsonl"}
	var files []*runs.Writer
	for _, name := range names {
		w, err := runs.Create(d.File(name))
		if err != nil {
			return nil, err
		}
		defer w.Abort()
		files = append(files, w)
	}
	out := clean.Output{Kept: files[0], Removed: files[1], Changed: files[2], Scratch: scratch}
	counts, err := clean.Clean(ctx, check.Embedded{}, clean.Input{Name: in.path, Text: in, Size: in.size}, out, o)
	if err != nil {
		return nil, err
	}
	if counts.Lines == 0 {
		return nil, fault.Newf("name a JSONL file with a ChatML row a line", "%s holds no row", in.path)
	}
	if err := in.unchanged(); err != nil {
		return nil, err
	}
	for _, w := range files {
		if err := w.Commit(); err != nil {
			return nil, err
		}
	}
	_, err = d.Finish(a.Now(), counts, names...)
	return counts, err
}

func (a *app) sayCleaned(folder string, counts clean.Counts, format string) error {
	if format == "json" {
		return writeJSON(a.Out, map[string]any{"version": 1, "folder": folder, "counts": counts})
	}
	removed := counts.Lines - counts.Kept
	fmt.Fprintf(a.Out, "%s\n%s: %d kept, %d set aside\n", folder, counted(counts.Lines, "row"), counts.Kept, removed)
	table := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, s := range clean.Steps() {
		var did []string
		if n := counts.Changed[s.Name]; n > 0 {
			did = append(did, counted(n, "message")+" repaired")
		}
		if n := counts.Removed[s.Name]; n > 0 {
			did = append(did, counted(n, "row")+" set aside")
		}
		if len(did) > 0 {
			fmt.Fprintf(table, "  %s\t%s\n", s.Name, strings.Join(did, ", "))
		}
	}
	return table.Flush()
}
