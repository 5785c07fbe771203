package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/generation"
	"bbjtune/internal/dataset"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/near"
	"bbjtune/internal/progress"
	"bbjtune/internal/render"
	"bbjtune/internal/suite"
)

func (a *app) suiteCommand() *cobra.Command {
	c := &cobra.Command{Use: "suite", Short: "look at evaluation suites", Args: args(0, 0, "a subcommand: check"), RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	var examples []string
	var format string
	of := &cobra.Command{
		Use:   "check DIR",
		Short: "check an evaluation suite: its form, and that its own answers pass and fail as they say",
		Long: `Check reads the suite in a folder and runs its recorded answers as those of a
model: every reference passes its checks, compiles and names nothing that does
not exist; every wrong answer fails, and for the reason it states. Cases that
are nearly the same are warned of. With --examples, a case that resembles a
training example is a finding. A table shows how many cases there are of each
kind. suites/FORMAT.md says what a suite looks like.`,
		Args: args(1, 1, "one folder"),
		RunE: func(cmd *cobra.Command, list []string) error {
			return a.checkSuite(cmd.Context(), list[0], examples, format)
		},
	}
	of.Flags().StringArrayVar(&examples, "examples", nil, "folder of training examples that no case may resemble; may be repeated")
	outputFormat(of, &format, render.Formats()...)
	c.AddCommand(of)
	return c
}

func (a *app) checkSuite(ctx context.Context, dir string, examples []string, format string) error {
	s, broken, err := suite.Read(dir)
	if err != nil {
		return err
	}
	findings, err := suite.Verify(ctx, check.Embedded{}, s.Questions())
	if err != nil {
		return err
	}
	findings = append(findings, alikeCases(s)...)
	for _, folder := range examples {
		trained, err := trainedOn(s, folder)
		if err != nil {
			return err
		}
		findings = append(findings, trained...)
	}
	for i := range findings {
		findings[i].File = filepath.Join(dir, filepath.FromSlash(findings[i].File))
	}
	for _, b := range broken {
		findings = append(findings, suite.Finding(filepath.Join(dir, filepath.FromSlash(b.File)), b.Err))
	}
	slices.SortStableFunc(findings, diag.Compare)
	if err := a.printSuite(s, findings, format); err != nil {
		return err
	}
	if diag.HasErrors(findings, diag.Format) {
		return errFindings
	}
	return nil
}

func (a *app) printSuite(s *suite.Suite, findings []diag.Diagnostic, format string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	list, err := withSource(findings)
	if err != nil {
		return err
	}
	r := render.Report{Findings: list, Engine: "embedded", Tool: Version(), Dir: dir, Rule: documented}
	if err := render.Findings(a.Out, format, r, a.colour(a.OutTTY)); err != nil || format != "text" {
		return err
	}
	writeCoverage(a.Out, s)
	fmt.Fprintf(a.Err, "%s version %d: %s, %s, %s\n", progress.Printable(s.Name), s.Version, count(len(s.Cases), "case"), count(len(s.Facts), "fact"), count(len(findings), "finding"))
	return nil
}

// withSource puts the lines that findings point to beside them. The findings of a
// file stand together.
func withSource(findings []diag.Diagnostic) (list []render.Finding, err error) {
	var lines *render.Lines
	for i, d := range findings {
		if i == 0 || d.File != findings[i-1].File {
			text, err := os.ReadFile(d.File)
			if err != nil {
				return nil, err
			}
			lines = render.NewLines(text)
		}
		list = append(list, render.Finding{Diagnostic: d, Source: lines.At(d.Span.Start.Line)})
	}
	return list, nil
}

// alikeCases finds each case whose prompt or answer is nearly that of one before it.
// Questions of fact are too short to be compared.
func alikeCases(s *suite.Suite) (findings []diag.Diagnostic) {
	reported := map[*suite.Case]bool{}
	for _, part := range []string{"prompt", "answer"} {
		var texts []string
		for _, c := range s.Cases {
			texts = append(texts, partOf(c, part))
		}
		before := map[int][]int{} // by cluster
		for i, cluster := range near.Clusters(texts) {
			c := s.Cases[i]
			if other, alike := nearestOf(texts, i, before[cluster]); alike >= near.Threshold && !reported[c] {
				reported[c] = true
				findings = append(findings, c.At(suite.Alike, 1, fmt.Sprintf("the %s is %d %% like that of %s", part, int(100*alike), s.Cases[other].ID)))
			}
			if len(before[cluster]) < maxCompared {
				before[cluster] = append(before[cluster], i)
			}
		}
	}
	return findings
}

// partOf is the prompt of a case or its whole answer.
func partOf(c *suite.Case, part string) string {
	texts := c.HeldOut()
	if part == "prompt" {
		return texts[0]
	}
	return texts[1]
}

// trainedOn finds each case that resembles an example of a folder.
func trainedOn(s *suite.Suite, folder string) (findings []diag.Diagnostic, err error) {
	examples, _, err := example.Load(folder)
	if err != nil {
		return nil, err
	}
	if len(examples) == 0 {
		return nil, fault.Newf("name a folder of Markdown examples", "%s holds no training example", folder)
	}
	for _, part := range []string{"prompt", "answer"} {
		var shown []near.Set
		for _, e := range examples {
			prompt, reply := dataset.Conversation(e, 0)
			shown = append(shown, near.Of(map[string]string{"prompt": prompt, "answer": suite.Bare(reply)}[part]))
		}
		for _, c := range s.Cases {
			mine := near.Of(partOf(c, part))
			for i, other := range shown {
				if alike := near.Jaccard(mine, other); alike >= suite.Nearest {
					findings = append(findings, c.At(suite.Trained, 1, fmt.Sprintf("the %s is %d %% like that of the example %s", part, int(100*alike), examples[i].Path)))
				}
			}
		}
	}
	return findings, nil
}

// writeCoverage shows how many cases there are of each kind.
func writeCoverage(w io.Writer, s *suite.Suite) {
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s", "")
	for _, kind := range example.Types() {
		fmt.Fprintf(&b, "%15s", kind)
	}
	fmt.Fprintf(&b, "%7s\n", "all")
	line := func(name string, has func(*suite.Case) bool) {
		fmt.Fprintf(&b, "%-24s", progress.Printable(name))
		total := 0
		for _, kind := range example.Types() {
			n := 0
			for _, c := range s.Cases {
				if c.Type == kind && has(c) {
					n++
				}
			}
			total += n
			fmt.Fprintf(&b, "%15d", n)
		}
		fmt.Fprintf(&b, "%7d\n", total)
	}
	for _, g := range append(generation.Known(), generation.All) {
		line("generation "+string(g), func(c *suite.Case) bool { return c.Generation == g })
	}
	for _, d := range example.Difficulties() {
		line("difficulty "+d, func(c *suite.Case) bool { return c.Difficulty == d })
	}
	for _, topic := range topicsOf(s) {
		line("topic "+topic, func(c *suite.Case) bool { return c.Topic == topic })
	}
	line("with a gap", func(c *suite.Case) bool { return c.Prefix+c.Suffix != "" })
	line("for review", func(c *suite.Case) bool { return c.Review })
	line("cases", func(*suite.Case) bool { return true })
	fmt.Fprintf(&b, "%-24s%67d\n", "facts", len(s.Facts))
	io.WriteString(w, b.String())
}

// topicsOf lists the folders that hold cases.
func topicsOf(s *suite.Suite) (list []string) {
	for _, c := range s.Cases {
		if !slices.Contains(list, c.Topic) {
			list = append(list, c.Topic)
		}
	}
	slices.Sort(list)
	return list
}
