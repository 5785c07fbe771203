package suite

import (
	"bbjtune/bbj/diag"
	"bbjtune/internal/example"
)

// Nearest is how alike a case and a training example may be at most. It is
// stricter than the threshold at which the data builder leaves an example out.
const Nearest = 0.5

// The rules of a suite. Codes are never given a new meaning.
var (
	Format = example.Rule{Code: "EX201", Name: "case-format", Severity: diag.Error, Title: "evaluation case that breaks the format",
		Why: "A case that cannot be read is not asked.", Help: "suites/FORMAT.md says what a case looks like"}
	Reference = example.Rule{Code: "EX202", Name: "reference", Severity: diag.Error, Title: "reference answer that does not pass",
		Why:  "The reference proves that the case can be solved as its checks ask. Where it fails, good answers of a model may fail as well.",
		Help: "mend the reference, or the check that it fails"}
	WrongAnswer = example.Rule{Code: "EX203", Name: "wrong-answer", Severity: diag.Error, Title: "wrong answer that does not fail for its reason",
		Why:  "Wrong answers prove that the checks tell right from wrong. One that passes, or fails for another reason, proves nothing.",
		Help: "sharpen the check, or name the reason for which the answer fails"}
	Alike = example.Rule{Code: "EX204", Name: "alike-cases", Severity: diag.Warning, Title: "case that is nearly the same as another",
		Why:  "Two cases of one task count it twice, and make the interval of the result narrower than it is.",
		Help: "keep the better one, or ask for something else"}
	Trained = example.Rule{Code: "EX205", Name: "trained-on", Severity: diag.Error, Title: "case that resembles a training example",
		Why:  "What was trained on is remembered: its score says nothing about what the model can do.",
		Help: "change the case, or take the example out of the training data"}
)

// Rules lists the rules in the order of their codes.
func Rules() []example.Rule {
	return []example.Rule{Format, Reference, WrongAnswer, Alike, Trained}
}

// Lookup returns the rule with the code.
func Lookup(code string) (example.Rule, bool) {
	for _, r := range Rules() {
		if r.Code == code {
			return r, true
		}
	}
	return example.Rule{}, false
}

// Finding says of a file what [ParseCase] or [ParseFacts] says in its error, with
// the place that the error names.
func Finding(name string, err error) diag.Diagnostic {
	at, message := example.Placed(err, name)
	d := Format.Finding(diag.Span{Start: at, End: at}, message)
	d.File = name
	return d
}

// At is a finding of a rule on a line of the case's file.
func (c *Case) At(rule example.Rule, line int, message string) diag.Diagnostic {
	at := diag.Pos{Line: max(line, 1), Col: 1}
	d := rule.Finding(diag.Span{Start: at, End: at}, message)
	d.File = c.File
	return d
}
