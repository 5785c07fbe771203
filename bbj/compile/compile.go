// Package compile knows the question "does this BBj source compile" and the
// shape of its answer, and nothing of how it is answered. Engines implement
// [Engine]: the embedded front end (package check) and the real bbjcpl (package
// cpl). Two engines together are one that decides and one that adds what the
// first cannot see ([Joined]), or a list of where they disagree ([Compared]).
//
// It must not know files, Markdown, models or how a verdict is printed.
package compile

import (
	"context"

	"bbjtune/bbj/diag"
)

// Source is one BBj source text. Name is what diagnostics call it: a path, or
// any other label the caller can find again.
type Source struct {
	Name string
	Text []byte
}

// Verdict is the answer for one Source.
type Verdict struct {
	// Name repeats Source.Name.
	Name string
	// OK reports whether the compiler accepts the source: true exactly when
	// Diagnostics holds no error of the syntax family. Findings of the api
	// family and warnings leave OK true, as they do with bbjcpl.
	OK bool
	// Diagnostics holds the findings in the order of their positions.
	Diagnostics []diag.Diagnostic
}

// Engine judges BBj sources.
type Engine interface {
	// Name identifies the engine in results, for example "embedded" or "bbjcpl".
	Name() string
	// Version identifies what the engine's verdicts depend on.
	Version(ctx context.Context) (string, error)
	// Compile judges every source and returns the verdicts in the same order.
	// An error means that no verdict could be had; a broken source is no error.
	Compile(ctx context.Context, sources []Source) ([]Verdict, error)
}
