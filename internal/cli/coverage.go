package cli

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/bbj/diag"
	"bbjtune/internal/audit"
	"bbjtune/internal/corpus"
	"bbjtune/internal/coverage"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
)

// coverageOptions are the flags of data coverage.
type coverageOptions struct {
	against string
	html    string
	all     bool
	format  string
}

func (a *app) coverageCommand() *cobra.Command {
	var o coverageOptions
	c := &cobra.Command{
		Use:   "coverage [DIR|FILE.jsonl]…",
		Short: "what training data shows, what it never shows, and what to write next",
		Long: `Coverage counts examples by type, generation, difficulty and topic, and how often
their code shows each verb, function, class, method and event of the BBj API.
Of a ChatML row it takes what the row says for certain.

What to write next is ranked by code in use: that of public repositories, or,
with --against, that of a folder of your own source.

A method counts for the class of its object. Where that is not certain, it
counts as perhaps shown for every class that has one of the name.`,
		Args: args(0, -1, "folders of examples and JSONL files"),
		RunE: func(_ *cobra.Command, list []string) error {
			if len(list) == 0 {
				list = []string{"training-data"}
			}
			return a.coverage(list, o)
		},
	}
	c.Flags().StringVar(&o.against, "against", "", "folder of BBj source that decides what is important (default: public repositories)")
	c.Flags().StringVar(&o.html, "html", "", "write a page with the heat map to this file, too")
	c.Flags().BoolVar(&o.all, "all", false, "show whole lists")
	outputFormat(c, &o.format, "text", "json")
	return c
}

func (a *app) coverage(list []string, o coverageOptions) error {
	evidence := coverage.Public()
	if o.against != "" {
		own, err := gather(o.against)
		if err != nil {
			return err
		}
		evidence = own
	}
	var items []coverage.Item
	for _, path := range list {
		found, err := a.coverageItems(path)
		if err != nil {
			return err
		}
		items = append(items, found...)
	}
	r := coverage.Measure(items, evidence)
	if o.html != "" {
		var page bytes.Buffer
		if err := r.HTML(&page); err != nil {
			return err
		}
		if err := runs.WriteFile(o.html, page.Bytes()); err != nil {
			return fault.Wrap(err, "choose a file that can be written with --html")
		}
	}
	if o.format == "json" {
		return writeJSON(a.Out, r)
	}
	return r.Text(a.Out, o.all)
}

// sourceExtensions are those of BBj source, as in a recipe that lists none.
var sourceExtensions = []string{".bbj", ".bbl", ".src"}

// gather counts what a folder of source uses.
func gather(dir string) (*coverage.Evidence, error) {
	files, _, err := corpus.Load(dir, sourceExtensions)
	if err != nil {
		return nil, err
	}
	own := coverage.Repository{Name: "own"}
	for _, f := range files {
		own.Programs = append(own.Programs, f.Text)
	}
	e := coverage.Gather([]coverage.Repository{own})
	if e.Programs == 0 {
		return nil, fault.Newf("name a folder of BBj source with --against", "%s holds no BBj source that can be read (%s)", dir, strings.Join(sourceExtensions, " "))
	}
	return e, nil
}

// coverageItems reads a folder of examples or a file of rows.
func (a *app) coverageItems(path string) ([]coverage.Item, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("nothing to measure: %w", err), "name folders of Markdown examples and JSONL files with ChatML rows")
	}
	if info.IsDir() {
		return a.exampleItems(path)
	}
	return a.rowItems(path)
}

func (a *app) exampleItems(dir string) ([]coverage.Item, error) {
	list, findings, err := example.Load(dir)
	if err != nil {
		return nil, err
	}
	items := make([]coverage.Item, len(list))
	for i, e := range list {
		items[i] = coverage.OfExample(e)
	}
	// Files with nothing but warnings are on the list.
	findings = slices.DeleteFunc(findings, func(d diag.Diagnostic) bool { return d.Severity != diag.Error })
	files := map[string]bool{}
	for _, d := range findings {
		files[d.File] = true
	}
	switch {
	case len(items) == 0:
		return nil, fault.Newf("bbjtune check "+dir+" lists all that is wrong", "%s holds no example that can be read; the first: %s", dir, oneLine(findings[0]))
	case len(files) > 0:
		a.show.Say("%s left out, which break the format; the first: %s; bbjtune check %s lists all", counted(len(files), "file"), oneLine(findings[0]), dir)
	}
	return items, nil
}

func (a *app) rowItems(path string) ([]coverage.Item, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var items []coverage.Item
	number, broken, first := 0, 0, ""
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte(audit.BOM))) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		it, problem := coverage.OfRow(bytes.TrimSpace(line))
		if problem == "" {
			items = append(items, it)
			continue
		}
		if broken++; broken == 1 {
			first = fmt.Sprintf("line %d: %s", number, problem)
		}
	}
	switch {
	case len(items) == 0 && broken > 0:
		return nil, fault.Newf("name a JSONL file with a ChatML row a line", "%s holds no row that can be read; %s", path, first)
	case len(items) == 0:
		return nil, fault.Newf("name a JSONL file with a ChatML row a line", "%s holds no row", path)
	case broken > 0:
		a.show.Say("%s of %s left out, which cannot be read; the first: %s", counted(broken, "line"), path, first)
	}
	return items, nil
}
