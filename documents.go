// Package bbjtune carries the Markdown of the repository, and what it links to, into
// the program. It knows nothing of what is made of them.
package bbjtune

import "embed"

// Documents are the files that bbjtune docs makes its site of, by their paths in the
// repository.
//
//go:embed *.md LICENSE .pre-commit-hooks.yaml docs recipes contrib training-data/*.md suites/*.md worker/*.md
var Documents embed.FS
