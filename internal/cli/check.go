package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/bbj/diag"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/markdown"
	"bbjtune/internal/render"
	"bbjtune/internal/suite"
)

type checkFlags struct {
	only, format string
}

func (a *app) checkCommand() *cobra.Command {
	f := checkFlags{}
	c := &cobra.Command{
		Use:   "check [PATH…]",
		Short: "check BBj source: would it compile, and does it name only what exists",
		Long: `Check reads BBj files (.bbj, .bbl, .src), Markdown examples and folders of both;
- is standard input. Findings of the syntax family are what bbjcpl would
reject; those of the api family compile but name something that does not exist;
style findings are warnings. Positions in Markdown point into the .md file.`,
		RunE: func(_ *cobra.Command, list []string) error {
			if len(list) == 0 {
				list = []string{"."}
			}
			return a.check(list, f)
		},
	}
	c.Flags().StringVar(&f.only, "only", "", "one family: syntax, api, style or format")
	outputFormat(c, &f.format, "text", "concise", "json")
	return c
}

func (a *app) check(paths []string, f checkFlags) error {
	switch f.only {
	case "", "syntax", "api", "style", "format":
	default:
		return fault.Newf("write syntax, api, style or format", "--only is %q", f.only)
	}
	c := &checking{files: map[string][]byte{}}
	for _, p := range paths {
		if err := c.path(p, a.In); err != nil {
			return err
		}
	}
	if f.only != "" {
		c.findings = slices.DeleteFunc(c.findings, func(d diag.Diagnostic) bool { return string(d.Family) != f.only })
	}
	diag.Sort(c.findings)
	if err := render.Findings(a.Out, f.format, c.findings, c.files, a.colour(a.OutTTY)); err != nil {
		return err
	}
	if f.format == "text" {
		fmt.Fprintf(a.Err, "%d files, %d programs, %d findings\n", len(c.files), c.programs, len(c.findings))
	}
	if slices.ContainsFunc(c.findings, func(d diag.Diagnostic) bool { return d.Severity == diag.Error }) {
		return errFindings
	}
	return nil
}

// checking collects the findings of many files.
type checking struct {
	files    map[string][]byte
	programs int
	findings []diag.Diagnostic
}

func (c *checking) path(path string, in io.Reader) error {
	if path == "-" {
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		c.program("<stdin>", text)
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return fault.Wrap(fmt.Errorf("nothing to check: %w", err), "name BBj files, Markdown examples or folders")
	}
	if !info.IsDir() {
		return c.file(path)
	}
	// Over a DirFS, so that a folder that is a link is followed.
	return fs.WalkDir(os.DirFS(path), ".", func(rel string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !checkable(rel) {
			return err
		}
		return c.file(filepath.Join(path, filepath.FromSlash(rel)))
	})
}

// checkable says which files of a folder are looked at.
func checkable(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".bbj", ".bbl", ".src":
		return true
	case ".md":
		return !slices.Contains([]string{"README.md", "FORMAT.md", "CONTRIBUTING.md"}, filepath.Base(path))
	}
	return false
}

func (c *checking) file(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.ToLower(filepath.Ext(path)) != ".md" {
		c.program(path, text)
		return nil
	}
	return c.markdown(path, text)
}

func (c *checking) program(name string, text []byte) {
	c.files[name] = text
	c.programs++
	c.findings = append(c.findings, check.Source(name, text, check.Options{})...)
}

// markdown checks a document: an evaluation case by its own rules and its
// reference, an example by its format and every fence.
func (c *checking) markdown(path string, text []byte) error {
	c.files[path] = text
	if isCase(path) {
		return c.suiteCase(path, text)
	}
	e, findings := example.Parse(filepath.ToSlash(path), text)
	for _, d := range findings {
		d.File = path
		c.findings = append(c.findings, d)
	}
	for _, f := range e.Fences() {
		c.fence(path, f)
	}
	return nil
}

// isCase tells an evaluation case by its place: below the folder cases of a
// suite, which has a suite.yaml beside it.
func isCase(path string) bool {
	for dir := filepath.Dir(abs(path)); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if filepath.Base(dir) == "cases" && exists(filepath.Join(filepath.Dir(dir), "suite.yaml")) {
			return true
		}
	}
	return false
}

func (c *checking) suiteCase(path string, text []byte) error {
	if _, err := suite.ParseCase(filepath.ToSlash(path), path, text); err != nil {
		return err
	}
	doc, err := markdown.Parse(path, text)
	if err != nil {
		return err
	}
	if s, ok := doc.Section("Reference"); ok {
		for _, f := range s.AllFences() {
			c.fence(path, f)
		}
	}
	return nil
}

// fence checks a program inside a document and moves its findings there.
func (c *checking) fence(path string, f markdown.Fence) {
	c.programs++
	for _, d := range check.Source(path, f.Code, check.Options{}) {
		d.Span.Start.Line += f.Line - 1
		d.Span.End.Line += f.Line - 1
		for i := range d.Related {
			d.Related[i].Span.Start.Line += f.Line - 1
			d.Related[i].Span.End.Line += f.Line - 1
		}
		c.findings = append(c.findings, d)
	}
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE",
		Short: "explain a finding: why it matters, a bad and a good example",
		Args:  args(1, 1, "one code"),
		RunE: func(_ *cobra.Command, list []string) error {
			rule, ok := check.Lookup(strings.ToUpper(list[0]))
			if !ok {
				return fault.Newf("codes look like BBJ1001; bbjtune check prints them", "there is no rule %s", list[0])
			}
			_, err := fmt.Fprintf(a.Out, "%s %s (%s, %s)\n\n%s\n\nBad:\n\n%s\nGood:\n\n%s", rule.Code, rule.Name, rule.Family, rule.Severity, rule.Why, indent(rule.Bad), indent(rule.Good))
			return err
		},
	}
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		b.WriteString("    " + line)
	}
	return b.String()
}
