package example

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"bbjtune/bbj/generation"
	"bbjtune/internal/markdown"
)

// Format writes an example as a file: the inverse of [Parse], as far as a file
// can hold what the example says. A text that ends its own section, as one with
// a line "## Notes" does, reads back as something else: whoever formats what
// people did not write reads it again and compares.
func Format(e *Example) ([]byte, error) {
	front, err := frontMatter(e.Front)
	if err != nil {
		return nil, fmt.Errorf("front matter of %q: %w", e.Title, err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "---\n%s---\n\n## Code\n", front)
	if e.Type == Migration {
		b.WriteString("\n### Before\n")
		writeFences(&b, e.Before)
		b.WriteString("\n### After\n")
		writeFences(&b, e.After)
	} else {
		writeFences(&b, e.Code)
	}
	fmt.Fprintf(&b, "\n## Expected %s\n\n%s\n", expectation(e), strings.TrimSpace(e.Expected))
	fmt.Fprintf(&b, "\n## Explanation\n\n%s\n", strings.TrimSpace(e.Explanation))
	return b.Bytes(), nil
}

// expectation tells which of the two headings stands over what to expect: a
// program with windows or pages behaves, one on a console prints.
func expectation(e *Example) string {
	window := func(g generation.Generation) bool {
		return g == generation.VPRO5 || g == generation.GUI || g == generation.DWC
	}
	if slices.ContainsFunc(e.Generation, window) || window(e.ToGeneration) {
		return "Behavior"
	}
	return "Output"
}

// frontMatter writes the keys that have a value, in the order of FORMAT.md. A
// YAML encoder writes the values, so that none can end the front matter.
func frontMatter(f Front) ([]byte, error) {
	m := &yaml.Node{Kind: yaml.MappingNode}
	var failed error
	put := func(key string, value any, style yaml.Style) {
		v := &yaml.Node{}
		if err := v.Encode(value); err != nil {
			failed = err
			return
		}
		v.Style |= style
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, v)
	}
	text := func(key, value string) {
		if value != "" {
			put(key, value, 0)
		}
	}
	put("title", f.Title, 0)
	text("type", string(f.Type))
	if len(f.Generation) == 1 {
		text("generation", string(f.Generation[0]))
	} else if len(f.Generation) > 1 {
		put("generation", []generation.Generation(f.Generation), yaml.FlowStyle)
	}
	text("difficulty", f.Difficulty)
	if len(f.Tags) > 0 {
		put("tags", f.Tags, yaml.FlowStyle)
	}
	text("description", f.Description)
	text("requires_version", f.RequiresVersion)
	text("from_generation", string(f.FromGeneration))
	text("to_generation", string(f.ToGeneration))
	if failed != nil {
		return nil, failed
	}
	return yaml.Marshal(m)
}

func writeFences(b *bytes.Buffer, list []markdown.Fence) {
	for _, f := range list {
		if f.Filename != "" {
			fmt.Fprintf(b, "\n<!-- filename: %s -->\n", f.Filename)
		}
		marks := fenceMarks(f.Code)
		code := strings.TrimSuffix(string(f.Code), "\n")
		fmt.Fprintf(b, "\n%sbbj\n%s\n%s\n", marks, code, marks)
	}
}

// fenceMarks are longer than any in the code.
func fenceMarks(code []byte) string {
	marks := "```"
	for bytes.Contains(code, []byte(marks)) {
		marks += "`"
	}
	return marks
}
