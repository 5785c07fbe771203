package suite

import (
	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/answer"
)

// JudgeVersion is raised whenever some answer would be judged in another way.
const JudgeVersion = 2

// Score is the judgement of one answer.
type Score struct {
	// HasCode reports that a program was found where one was asked for.
	HasCode bool `json:"has_code"`
	// Compiles reports that the compiler accepts the program. For prose it
	// is false.
	Compiles bool `json:"compiles"`
	// Clean reports that it compiles without a fabricated name.
	Clean bool `json:"clean"`
	// Task reports that it compiles (prose: that there is some) and passes
	// every check.
	Task bool `json:"task"`
	// Failed lists the checks that do not hold, from 1.
	Failed []int `json:"failed,omitempty"`
	// Diagnostics are the compiler's findings.
	Diagnostics []diag.Diagnostic `json:"diagnostics,omitempty"`
}

// Judge scores an answer to the case. verdict is the engine's on the answer's
// program, put into the case's gap (see [Case.Program]), and is not looked at for
// prose.
func (c *Case) Judge(a answer.Answer, verdict compile.Verdict) Score {
	s := Score{HasCode: a.Code != ""}
	if c.WantsCode() {
		s.Compiles = s.HasCode && verdict.OK
		s.Clean = s.Compiles && !diag.HasErrors(verdict.Diagnostics, diag.API)
		s.Diagnostics = verdict.Diagnostics
	}
	program := syntax.Parse([]byte(c.Program(a.Code)))
	for i := range c.Checks {
		if !c.Checks[i].Holds(program, a.Text) {
			s.Failed = append(s.Failed, i+1)
		}
	}
	s.Task = len(s.Failed) == 0 && (s.Compiles || !c.WantsCode())
	return s
}
