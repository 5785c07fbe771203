// Package recipeaudit judges a recipe before hours are spent on it: the blockers of
// the first attempt are errors, what departs from the recommended ranges is a
// warning, and either may be allowed by the recipe with a reason. It also puts two
// recipes side by side.
//
// It must not know how a recipe is carried out, and reads no files: what is known
// of the data and the packages is told by the caller.
package recipeaudit

import (
	"fmt"
	"slices"
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/internal/recipe"
)

// Family is the family of all findings about recipes.
const Family diag.Family = "recipe"

// Rule is one thing that is looked for. Codes are never given a new meaning.
type Rule struct {
	Code, Name string
	Severity   diag.Severity
	// Title says what is found, Why it matters, Help what to do.
	Title, Why, Help string
	// needs tells what must be known for the rule to be judged; nil for rules that
	// need the recipe alone.
	needs func(Facts) (missing string)
	check func(*subject) []hit
}

// hit is one place where a rule fires.
type hit struct {
	key     string // where it stands in the recipe
	message string
	at      *recipe.Place // elsewhere than in the recipe
}

// subject is what the rules look at.
type subject struct {
	*recipe.Plan
	facts Facts
}

// Facts are what is known beyond the recipe.
type Facts struct {
	// Stages are the measures of the data by stage, 1 and 2.
	Stages map[int]Measure
	// NoData says why Stages is empty.
	NoData string
	// NoTokens says why the rows were counted without their tokens, or "".
	NoTokens string
	// Packages are the pinned packages that the training will run on.
	Packages []Package
	// ModelType is what the config.json of a local base model says that it is.
	ModelType string
}

// Allowed is a finding that the recipe says is meant to be.
type Allowed struct {
	diag.Diagnostic
	Because string
}

// Report is what an audit yields.
type Report struct {
	Findings []diag.Diagnostic
	Allowed  []Allowed
	// Unchecked says which rules could not be judged, and why.
	Unchecked []string
}

// Rules lists the rules by their codes.
func Rules() []Rule { return slices.Concat(blockers(), warnings(), []Rule{idle()}) }

// Lookup returns the rule with a code.
func Lookup(code string) (Rule, bool) {
	for _, r := range Rules() {
		if r.Code == code {
			return r, true
		}
	}
	return Rule{}, false
}

// Check audits a recipe. The findings are in the order of files and lines.
func Check(p *recipe.Plan, f Facts) Report {
	s := &subject{p, f}
	var report Report
	fired, unjudged := map[string]bool{}, map[string]bool{}
	for _, rule := range slices.Concat(blockers(), warnings()) {
		if rule.needs != nil {
			if missing := rule.needs(f); missing != "" {
				report.Unchecked = append(report.Unchecked, fmt.Sprintf("%s %s: %s", rule.Code, rule.Name, missing))
				unjudged[rule.Code] = true
			}
		}
		for _, h := range rule.check(s) {
			d := s.finding(rule, h)
			fired[rule.Code] = true
			if because := s.because(rule.Code); because != "" {
				report.Allowed = append(report.Allowed, Allowed{d, because})
				continue
			}
			report.Findings = append(report.Findings, d)
		}
	}
	for _, h := range s.idle(fired, unjudged) {
		report.Findings = append(report.Findings, s.finding(idle(), h))
	}
	diag.Sort(report.Findings)
	slices.SortStableFunc(report.Allowed, func(a, b Allowed) int { return diag.Compare(a.Diagnostic, b.Diagnostic) })
	return report
}

// finding points to the key, or to what it would stand below.
func (s *subject) finding(r Rule, h hit) diag.Diagnostic {
	at := s.Place(h.key)
	if h.at != nil {
		at = *h.at
	}
	return diag.Diagnostic{
		Code: r.Code, Name: r.Name, Severity: r.Severity, Family: Family, File: at.File,
		Span:    diag.Span{Start: diag.Pos{Line: at.Line, Col: at.Col}, End: diag.Pos{Line: at.Line, Col: at.End}},
		Message: h.message, Help: r.Help,
	}
}

// because returns the reason that the recipe gives for a finding, or "". That an
// allowance is wrong itself cannot be allowed.
func (s *subject) because(code string) string {
	if code == allowanceCode {
		return ""
	}
	if code == instructCode && s.Base.InstructBecause != "" {
		return s.Base.InstructBecause
	}
	for _, a := range s.Allow {
		if a.Rule == code {
			return strings.TrimSpace(a.Because)
		}
	}
	return ""
}

// idle finds allowances of this very recipe that allow nothing. Those that it
// inherits may be meant for others, and a rule that was not judged is no ground.
func (s *subject) idle(fired, unjudged map[string]bool) []hit {
	var hits []hit
	own := s.Files[len(s.Files)-1].Name
	for i, a := range s.Allow {
		key := fmt.Sprintf("allow[%d].rule", i)
		if _, known := Lookup(a.Rule); known && !fired[a.Rule] && !unjudged[a.Rule] && s.Place(key).File == own {
			hits = append(hits, hit{key: key, message: "the recipe allows " + a.Rule + ", which does not occur"})
		}
	}
	return hits
}

// each asks about the stages that are carried out, in their order.
func (s *subject) each(judge func(name string, stage recipe.Stage) []hit) []hit {
	var hits []hit
	if s.Stage1.Enabled {
		hits = append(hits, judge("stage1", s.Stage1)...)
	}
	if s.Stage2.Enabled {
		hits = append(hits, judge("stage2", s.Stage2)...)
	}
	return hits
}

// measure returns what is known of a stage's rows.
func (s *subject) measure(stage string) (Measure, bool) {
	m, known := s.facts.Stages[map[string]int{"stage1": 1, "stage2": 2}[stage]]
	return m, known
}

// one makes the list of a rule that fires at most once.
func one(fires bool, key, format string, args ...any) []hit {
	if !fires {
		return nil
	}
	return []hit{{key: key, message: fmt.Sprintf(format, args...)}}
}
