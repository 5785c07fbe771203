package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/internal/progress"
	"bbjtune/internal/recipeaudit"
)

func (a *app) recipeShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show RECIPE",
		Short: "print a recipe with every value resolved, and where each comes from",
		Args:  args(1, 1, "one recipe"),
		RunE: func(_ *cobra.Command, list []string) error {
			p, err := a.pipeline(list[0])
			if err != nil {
				return err
			}
			text, err := p.plan.Show()
			if err != nil {
				return err
			}
			_, err = a.Out.Write(text)
			return err
		},
	}
}

func (a *app) recipeCompareCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "compare RECIPE RECIPE",
		Short: "put two recipes side by side, aspect by aspect",
		Args:  args(2, 2, "two recipes"),
		RunE: func(_ *cobra.Command, list []string) error {
			var sides [2]recipeaudit.Side
			var names [2]string
			for i, path := range list {
				p, err := a.pipeline(path)
				if err != nil {
					return err
				}
				pins, err := p.pins("")
				if err != nil {
					return err
				}
				sides[i], names[i] = recipeaudit.Side{Recipe: p.recipe, Packages: pins}, p.recipe.Name
			}
			if names[0] == names[1] {
				names[0], names[1] = list[0], list[1]
			}
			return writeComparison(a.Out, format, names, recipeaudit.Compare(sides[0], sides[1]))
		},
	}
	outputFormat(c, &format, "text", "markdown", "json")
	return c
}

func writeComparison(w io.Writer, format string, names [2]string, rows []recipeaudit.Row) error {
	if format == "json" {
		return writeJSON(w, map[string]any{"version": 1, "a": names[0], "b": names[1], "rows": rows})
	}
	var b strings.Builder
	if format == "markdown" {
		fmt.Fprintf(&b, "| aspect | %s | %s |\n| --- | --- | --- |\n", cell(names[0]), cell(names[1]))
		for _, r := range rows {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Aspect, cell(r.A), cell(r.B))
		}
	} else {
		width := max(len(names[0]), len(names[1]))
		for _, r := range rows {
			if !r.Differs {
				fmt.Fprintf(&b, "%s\n  %-*s  %s\n", r.Aspect, width, "both", progress.Printable(r.A))
				continue
			}
			fmt.Fprintf(&b, "%s\n  %-*s  %s\n  %-*s  %s\n", r.Aspect, width, progress.Printable(names[0]), progress.Printable(r.A), width, progress.Printable(names[1]), progress.Printable(r.B))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell keeps a text within its cell of a Markdown table, as text.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "`", "\\`", "*", `\*`, "[", `\[`).Replace(progress.Printable(text))
}
