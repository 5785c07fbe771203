package recipeaudit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"bbjtune/internal/chat"
	"bbjtune/internal/stream"
)

// Measure is what the training rows of a stage are like.
type Measure struct {
	Rows int
	// SystemPrompts counts different ones, up to a thousand.
	SystemPrompts int
	// Counted says that the rest is known: it takes the model's tokenizer.
	Counted bool
	Tokens  int
	Longest int
	// Over counts the rows that are longer than the stage's max_length.
	Over int
}

// mostPrompts bounds the memory that counting system prompts takes.
const mostPrompts = 1000

// MeasureRows reads the training rows of a stage, conversations or texts, as data
// build writes them. Tokens counts a text's; nil leaves lengths unknown.
func MeasureRows(ctx context.Context, file io.Reader, maxLength int, tokens func(string) int) (Measure, error) {
	m := Measure{Counted: tokens != nil}
	systems := map[string]bool{}
	err := stream.Lines(ctx, file, nil, func(lines []stream.Line) ([]measured, error) { return measureLines(lines, tokens) },
		func(list []measured) error {
			for _, r := range list {
				m.Rows++
				m.Tokens += r.tokens
				m.Longest = max(m.Longest, r.tokens)
				if r.tokens > maxLength {
					m.Over++
				}
				if r.conversation && len(systems) < mostPrompts {
					systems[r.system] = true
				}
			}
			return nil
		})
	m.SystemPrompts = len(systems)
	return m, err
}

// measured is one row.
type measured struct {
	conversation bool
	system       string
	tokens       int
}

func measureLines(lines []stream.Line, tokens func(string) int) ([]measured, error) {
	list := make([]measured, 0, len(lines))
	for _, l := range lines {
		var row struct {
			chat.Row
			chat.Text
		}
		if err := json.Unmarshal(l.Text, &row); err != nil {
			return nil, fmt.Errorf("line %d: no row: %w", l.Number, err)
		}
		r := measured{conversation: len(row.Messages) > 0}
		if r.conversation && row.Messages[0].Role == chat.System {
			r.system = row.Messages[0].Content
		}
		if tokens != nil {
			r.tokens = tokens(written(row.Row, row.Text.Text))
		}
		list = append(list, r)
	}
	return list, nil
}

// written is a row as the model reads it: in the chat template, or with the token
// that ends a text.
func written(row chat.Row, text string) string {
	if len(row.Messages) == 0 {
		return text + "<|endoftext|>"
	}
	var b strings.Builder
	for _, m := range row.Messages {
		fmt.Fprintf(&b, "<|im_start|>%s\n%s<|im_end|>\n", m.Role, m.Content)
	}
	return b.String()
}

// Package is a pinned package, and where the pin stands.
type Package struct {
	Name, Version string
	File          string
	Line          int
}

// Requirements reads pins of the form name==version, as pip freeze and uv write
// them; all other lines are left alone.
func Requirements(file string, text []byte) []Package {
	var list []Package
	line := 0
	for raw := range bytes.Lines(bytes.TrimPrefix(text, []byte(stream.BOM))) {
		line++
		entry, _, _ := strings.Cut(string(raw), "#")
		entry, _, _ = strings.Cut(entry, ";")
		name, version, ok := strings.Cut(strings.TrimSpace(strings.TrimRight(strings.TrimSpace(entry), `\`)), "==")
		name, _, _ = strings.Cut(name, "[")
		name, version = strings.TrimSpace(name), strings.TrimSpace(strings.TrimPrefix(version, "="))
		if version, _, _ = strings.Cut(version, " "); !ok || !isName(name) || version == "" {
			continue
		}
		list = append(list, Package{normal(name), version, file, line})
	}
	return list
}

// isName keeps what cannot be a package's name out of messages.
func isName(name string) bool {
	return name != "" && len(name) <= 100 && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	})
}

// normal writes a name as the package index compares it.
func normal(name string) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
}

// bugs are versions, from and below, that are known to be broken.
var bugs = []struct{ name, from, fixed, what string }{
	{"bitsandbytes", "0.43.0", "0.43.2", "wastes 5-10 GB of VRAM, fixed in 0.43.2"},
}

// bugOf says what is wrong with a version of a package, or "".
func bugOf(name, version string) string {
	for _, b := range bugs {
		if normal(name) == b.name && !older(version, b.from) && older(version, b.fixed) {
			return b.what
		}
	}
	return ""
}

// older compares versions by the numbers that they begin with.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		if p, q := part(x, i), part(y, i); p != q {
			return p < q
		}
	}
	return false
}

func part(version []string, i int) int {
	if i >= len(version) {
		return 0
	}
	digits := version[i][:len(version[i])-len(strings.TrimLeft(version[i], "0123456789"))]
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}
