package compile

import (
	"slices"

	"bbjtune/bbj/diag"
)

// Code documents a finding that comes from an engine and not from a rule. The
// codes BBJ0xxx are theirs.
type Code struct {
	Code, Name, Title, Why string
}

// The codes.
var (
	Rejected = Code{"BBJ0001", "bbjcpl", "line that bbjcpl rejects",
		"the real compiler names the line and gives no reason; where the embedded engine rejects it as well, its reason is the hint"}
	NoVerdict = Code{"BBJ0002", "no-verdict", "program on which bbjcpl fails",
		"the compiler hangs or crashes on this program and works on others, so nobody can say that it compiles"}
	Disagreement = Code{"BBJ0003", "engines-disagree", "line that one engine rejects and the other does not",
		"the embedded engine is meant to reject what bbjcpl rejects and nothing else: one of its rules is wrong, or one is missing"}
)

// LookupCode returns the code with its documentation.
func LookupCode(code string) (Code, bool) {
	codes := []Code{Rejected, NoVerdict, Disagreement}
	i := slices.IndexFunc(codes, func(c Code) bool { return c.Code == code })
	if i < 0 {
		return Code{}, false
	}
	return codes[i], true
}

// Finding makes a finding with the code, an error of the syntax family.
func (c Code) Finding(file string, span diag.Span, message, help string) diag.Diagnostic {
	return diag.Diagnostic{
		Code: c.Code, Name: c.Name, Severity: diag.Error, Family: diag.Syntax,
		File: file, Span: span, Message: message, Help: help,
	}
}
