// Package diag is the value in which every finding travels: what is wrong,
// where, how bad it is and what to do. Rules make these values and renderers
// print them; neither knows the other.
//
// It must not know BBj, files or output formats.
package diag

import (
	"cmp"
	"slices"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities, from worst to least.
const (
	Error Severity = iota + 1
	Warning
)

// String returns the word that users and machine formats see.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "unknown"
}

// Family separates what a compiler rejects from what it cannot see.
type Family string

// The families. Only Syntax decides whether a program compiles.
const (
	// Syntax findings are those for which bbjcpl rejects the program.
	Syntax Family = "syntax"
	// API findings compile, but name something that does not exist.
	API Family = "api"
	// Style findings are warnings about programs that compile.
	Style Family = "style"
	// Format findings are about the file around the code.
	Format Family = "format"
)

// Pos is a place in a source text. Offset counts bytes from 0; Line counts
// physical lines and Col bytes of the line, both from 1.
type Pos struct {
	Offset, Line, Col int
}

// Span is the half-open range from Start to End.
type Span struct {
	Start, End Pos
}

// Related points to a second place that explains the finding.
type Related struct {
	Span    Span
	Message string
}

// Diagnostic is one finding. Code never changes its meaning once released.
type Diagnostic struct {
	Code     string // for example "BBJ1001"
	Name     string // for example "foreign-comment"
	Severity Severity
	Family   Family
	File     string
	Span     Span
	Message  string // one lower-case sentence without a full stop
	Help     string // what to do, or empty
	Related  []Related
}

// Compare orders diagnostics by file, position and code. It looks at lines and
// columns: offsets of several programs in one file count from different starts.
func Compare(a, b Diagnostic) int {
	return cmp.Or(
		cmp.Compare(a.File, b.File),
		cmp.Compare(a.Span.Start.Line, b.Span.Start.Line),
		cmp.Compare(a.Span.Start.Col, b.Span.Start.Col),
		cmp.Compare(a.Code, b.Code),
	)
}

// Sort orders diagnostics as Compare does.
func Sort(list []Diagnostic) { slices.SortStableFunc(list, Compare) }

// HasErrors reports whether the list holds an error of the family.
func HasErrors(list []Diagnostic, family Family) bool {
	return slices.ContainsFunc(list, func(d Diagnostic) bool {
		return d.Severity == Error && d.Family == family
	})
}
