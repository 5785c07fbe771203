package cli

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/internal/audit"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipeaudit"
	"bbjtune/internal/render"
	"bbjtune/internal/suite"
)

type checkFlags struct {
	only, format, engine, bbjcpl string
	extensions                   []string
}

func (a *app) checkCommand() *cobra.Command {
	f := checkFlags{}
	c := &cobra.Command{
		Use:   "check [PATH…]",
		Short: "check BBj source: would it compile, and does it name only what exists",
		Long: `Check reads BBj files, Markdown examples and folders of both; - is standard input.
Without a PATH it reads the working folder. In a folder it looks at the names that
--extensions says and at Markdown, which without front matter is no example and is
left alone; a file that is named is read whatever its name. Findings of the
syntax family are what the compiler rejects; those of the api family compile but
name something that does not exist; style findings are warnings. Those of the
format family are about an example itself: front matter, sections, the generation
that it names and the one that its code is written for, what is left to fill in,
examples that are nearly the same. Positions in Markdown point into the .md file.

The engine embedded is this program alone. With bbjcpl the real compiler decides
what compiles, and the other families still come from the embedded engine; it is
found by --bbjcpl, BBJCPL, BBJ_HOME or PATH. The default auto takes bbjcpl where
it is found. The engine both lists the lines that only one of the two rejects,
and nothing else.

The remark "rem bbjtune:ignore CODE{,CODE} reason" silences api findings and
warnings on its own line, or, standing alone, on the next one with a statement.`,
		RunE: func(cmd *cobra.Command, list []string) error {
			if len(list) == 0 {
				list = []string{"."}
			}
			return a.check(cmd.Context(), list, f)
		},
	}
	c.Flags().StringVar(&f.only, "only", "", "one family: syntax, api, style or format")
	c.Flags().StringVar(&f.engine, "engine", "auto", "one of auto, embedded, bbjcpl, both")
	c.Flags().StringVar(&f.bbjcpl, "bbjcpl", "", "path of the real compiler (default: BBJCPL, else bin below BBJ_HOME, else the first on PATH)")
	c.Flags().StringSliceVar(&f.extensions, "extensions", []string{".bbj", ".bbl", ".src"}, extensionsUsage)
	outputFormat(c, &f.format, render.Formats()...)
	return c
}

func (a *app) check(ctx context.Context, paths []string, f checkFlags) error {
	if err := f.valid(); err != nil {
		return err
	}
	by, err := a.judge(f.engine, f.bbjcpl)
	if err != nil {
		return err
	}
	// The tree of a large file is most of what lives: collecting at half its size
	// more keeps the memory of a file with few findings below ten times the file.
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	if before >= 0 && before < 50 {
		debug.SetGCPercent(before)
	}
	c := &checking{
		ctx: ctx, judge: by, only: diag.Family(f.only), extensions: plainExtensions(f.extensions),
		seen: map[string]bool{}, others: map[string]int{},
	}
	for _, p := range paths {
		if err := c.path(p, a.In); err != nil {
			return err
		}
	}
	if c.files == 0 {
		return fault.Newf("name BBj files, Markdown examples, or folders that hold some; --extensions says how names of BBj files end",
			"nothing to check: no file of %s in %s%s", strings.Join(append(f.extensions, ".md"), " "), strings.Join(paths, " "), c.instead())
	}
	if err := c.flush(); err != nil {
		return err
	}
	c.addDuplicates()
	slices.SortStableFunc(c.findings, func(a, b render.Finding) int { return diag.Compare(a.Diagnostic, b.Diagnostic) })
	if err := a.printFindings(c, f.format); err != nil {
		return err
	}
	if slices.ContainsFunc(c.findings, func(f render.Finding) bool { return f.Severity == diag.Error }) {
		return errFindings
	}
	return nil
}

func (f checkFlags) valid() error {
	switch f.only {
	case "", "syntax", "api", "style", "format":
	default:
		return fault.Newf("write syntax, api, style or format", "--only is %q", f.only)
	}
	switch {
	case f.engine == "both" && f.only != "":
		return fault.New("--engine both lists disagreements, which --only does not know", "leave one of them out")
	case f.engine == "embedded" && f.bbjcpl != "":
		return fault.New("--engine embedded does not call the compiler that --bbjcpl names", "leave one of them out")
	}
	return nil
}

func (a *app) printFindings(c *checking, format string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	r := render.Report{Findings: c.findings, Engine: c.judge.name, Tool: Version(), Dir: dir, Rule: documented}
	if err := render.Findings(a.Out, format, r, a.colour(a.OutTTY)); err != nil {
		return err
	}
	if c.likes.full {
		fmt.Fprintf(a.Err, "near-duplicates were sought among the first %s alone: the code of all is too much to hold\n", count(len(c.likes.list), "example"))
	}
	if format == "text" && c.gaps > 0 {
		fmt.Fprintf(a.Err, "%s with a gap: bbjtune suite check puts the answers into the program and judges them there\n", count(c.gaps, "case"))
	}
	if n := total(c.others); n > c.files && format == "text" {
		fmt.Fprintf(a.Err, "not looked at: %s of other extensions (%s), which --extensions would name\n", counted(n, "file"), mostOf(c.others))
	}
	if format == "text" {
		fmt.Fprintf(a.Err, "%s, %s, %s; judged by %s\n", count(c.files, "file"), count(c.programs, "program"), count(len(c.findings), "finding"), progress.Printable(c.judge.about))
	}
	return nil
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE",
		Short: "explain a finding: why it matters, a bad and a good example",
		Args:  args(1, 1, "one code"),
		RunE: func(_ *cobra.Command, list []string) error {
			rule := documented(strings.ToUpper(list[0]))
			if rule.Name == "" {
				return fault.Newf("codes look like BBJ1001, DA202 or RC101; bbjtune check, data audit and recipe check print them", "there is no rule %s", list[0])
			}
			_, err := fmt.Fprintf(a.Out, "%s %s (%s, %s)\n\n%s", rule.Code, rule.Name, rule.Family, rule.Severity, rule.Help)
			return err
		},
	}
}

// documented says what a code means, whichever package it comes from.
func documented(code string) render.Rule {
	if r, ok := check.Lookup(code); ok {
		help := fmt.Sprintf("%s\n\nBad:\n\n%s\nGood:\n\n%s", r.Why, indent(r.Bad), indent(r.Good))
		return render.Rule{Code: r.Code, Name: r.Name, Title: r.Title, Help: help, Family: r.Family, Severity: r.Severity}
	}
	if c, ok := compile.LookupCode(code); ok {
		return render.Rule{Code: c.Code, Name: c.Name, Title: c.Title, Help: c.Why + "\n", Family: diag.Syntax, Severity: diag.Error}
	}
	if r, ok := example.Lookup(code); ok {
		return formatRule(r)
	}
	if k, ok := audit.Lookup(code); ok {
		help := fmt.Sprintf("%s: %s.\n\n%s.\n", k.Title, k.Why, k.Help)
		severity := diag.Warning
		if k.Severity == audit.Error {
			severity = diag.Error
		}
		return render.Rule{Code: k.Code, Name: k.Name, Title: k.Title, Help: help, Family: diag.Format, Severity: severity}
	}
	if r, ok := recipeaudit.Lookup(code); ok {
		help := fmt.Sprintf("%s.\n\n%s\n\nTo do: %s.\n", sentence(r.Title), r.Why, r.Help)
		return render.Rule{Code: r.Code, Name: r.Name, Title: r.Title, Help: help, Family: recipeaudit.Family, Severity: r.Severity}
	}
	if r, ok := suite.Lookup(code); ok {
		return formatRule(r)
	}
	return render.Rule{Code: code}
}

// formatRule documents a rule of examples or cases.
func formatRule(r example.Rule) render.Rule {
	return render.Rule{Code: r.Code, Name: r.Name, Title: r.Title, Help: fmt.Sprintf("%s.\n\n%s\n\nTo do: %s.\n", sentence(r.Title), r.Why, r.Help), Family: diag.Format, Severity: r.Severity}
}

// sentence begins a text with a capital.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		b.WriteString("    " + line)
	}
	return b.String()
}
