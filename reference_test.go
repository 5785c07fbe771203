package bbjtune_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bbjtune/internal/cli"
)

// docs/guide/reference.md is made of the commands.
func TestCommandReferenceIsFresh(t *testing.T) {
	root := cli.Tree()
	var list []*cobra.Command
	eachCommand(root, func(c *cobra.Command) { list = append(list, c) })
	var b strings.Builder
	b.WriteString("# Commands\n\n" +
		"Every command with its flags, as `bbjtune help COMMAND` says it. The keys of a recipe stand in [recipes](../recipes.md), the rules in\n" +
		"[rules](../rules/README.md) and [recipe-rules](../recipe-rules.md). This page is made of the program by `go test . -update`.\n\n" +
		"Exit status of every command: 0 fine, 1 findings or a failed gate, 2 could not run.\n\n" +
		"| command | does |\n| --- | --- |\n")
	for _, c := range list {
		if c.Runnable() || c.HasSubCommands() {
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), sentence(t, c))
		}
	}
	b.WriteString("\n## Flags of every command\n\n" + flagTable(root.PersistentFlags()))
	for _, c := range list {
		if c.Runnable() || c.HasSubCommands() {
			fmt.Fprintf(&b, "\n## %s\n\n%s", c.CommandPath(), commandText(t, c))
		}
	}
	settleFile(t, "docs/guide/reference.md", b.String())
}

// eachCommand visits the commands below one, those of the shell's completion as one.
func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		if sub.Hidden {
			continue
		}
		visit(sub)
		if sub.Name() != "completion" {
			eachCommand(sub, visit)
		}
	}
}

func sentence(t *testing.T, c *cobra.Command) string {
	t.Helper()
	if c.Short == "" {
		t.Errorf("%s does not say what it does", c.CommandPath())
	}
	return escaped(c.Short)
}

func commandText(t *testing.T, c *cobra.Command) string {
	t.Helper()
	var b strings.Builder
	text := c.UseLine() + "\n\n" + c.Long
	if c.Example != "" {
		text += "\n\nExamples:\n" + c.Example
	}
	text, _, _ = strings.Cut(text, "\n\nExit status:")
	if strings.Contains(text, "```") {
		t.Errorf("%s: a fence cannot show its text", c.CommandPath())
	}
	fmt.Fprintf(&b, "```text\n%s\n```\n", strings.TrimRight(text, "\n"))
	if c.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteString("\n" + flagTable(c.LocalNonPersistentFlags()))
	}
	return b.String()
}

func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	b.WriteString("| flag | default | meaning |\n| --- | --- | --- |\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, meaning := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, escaped(defaultValue(f)), escaped(meaning))
	})
	return b.String()
}

// defaultValue leaves out what says nothing: no text, no list, off.
func defaultValue(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "false":
		return ""
	}
	return f.DefValue
}
