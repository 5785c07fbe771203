// Package check judges BBj programs: it holds the rules over the tree of
// package syntax, each with its code, its reason and examples, and runs them.
//
// It knows two families that never mix. A finding of the syntax family means
// that bbjcpl would reject the program. A finding of the api family means that
// the program compiles and still names something that does not exist. Warnings
// are a third family. What it does not know for certain it leaves out: an
// object of unknown type is never reported. Where a rule is wrong all the same,
// the remark `rem bbjtune:ignore CODE reason` silences it, but no rule of the
// syntax family.
//
// It must not know files, Markdown, models, or how findings are printed.
package check

import (
	"slices"
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

// Options says what to look for.
type Options struct {
	// Only holds the families to report; empty means all.
	Only []diag.Family
	// Strict leaves the remarks bbjtune:ignore unheeded. What a model wrote is
	// judged so: it must not excuse itself.
	Strict bool
}

func (o Options) wants(f diag.Family) bool {
	return len(o.Only) == 0 || slices.Contains(o.Only, f)
}

// Source checks one program. The findings carry the name as their file and are
// in the order of their positions. At most one finding of the syntax family
// stands on a physical line, since others there mostly follow from it.
func Source(name string, src []byte, opts Options) []diag.Diagnostic {
	list := Program(syntax.Parse(src), opts)
	for i := range list {
		list[i].File = name
	}
	return list
}

// Program checks a program that is parsed already.
func Program(prog *syntax.Program, opts Options) []diag.Diagnostic {
	p := &pass{prog: prog, facts: collect(prog)}
	defer p.facts.release()
	p.found = append(p.found, prog.Errors...)
	var ignores []ignore
	if !opts.Strict {
		ignores = p.ignores()
	}
	for i := range registry {
		r := &registry[i]
		// Whether an ignore is of use shows only when all rules have run.
		if r.run != nil && (opts.wants(r.Family) || r.Family == diag.Syntax || len(ignores) > 0) {
			p.rule = r
			r.run(p)
		}
	}
	p.heed(ignores)
	return settle(p.found, opts)
}

// settle sorts the findings, keeps one of the syntax family a line and none of
// another family beside it, and leaves out the families not asked for.
func settle(list []diag.Diagnostic, opts Options) []diag.Diagnostic {
	if len(list) == 0 {
		return nil
	}
	diag.Sort(list)
	broken := map[int]bool{}
	out := list[:0]
	for _, d := range list {
		if d.Family == diag.Syntax {
			if broken[d.Span.Start.Line] {
				continue
			}
			broken[d.Span.Start.Line] = true
		}
		out = append(out, d)
	}
	return slices.DeleteFunc(out, func(d diag.Diagnostic) bool {
		return !opts.wants(d.Family) || d.Family != diag.Syntax && broken[d.Span.Start.Line]
	})
}

// pass is one run of the rules over one program.
type pass struct {
	prog     *syntax.Program
	facts    *facts
	inferred *types
	rule     *Rule
	found    []diag.Diagnostic
}

// types returns what is known of the classes of variables. They are only worked
// out when a rule asks.
func (p *pass) types() *types {
	if p.inferred == nil {
		p.inferred = infer(p.facts)
	}
	return p.inferred
}

// merges reports whether the program may get statements from elsewhere.
func (p *pass) merges() bool {
	return slices.ContainsFunc(p.facts.verbs, func(v *syntax.VerbStmt) bool {
		return v.Word == syntax.EXECUTE || v.Word == syntax.MERGE
	})
}

// report records a finding of the rule at hand.
func (p *pass) report(n syntax.Node, message, help string) {
	p.found = append(p.found, diag.Diagnostic{
		Code: p.rule.Code, Name: p.rule.Name, Severity: p.rule.Severity, Family: p.rule.Family,
		Span: p.prog.DiagSpan(n.Span()), Message: message, Help: help,
	})
}

// broken reports whether the program has findings that may have hidden parts of
// it, so that counting its parts would mislead.
func (p *pass) broken() bool { return len(p.prog.Errors) > 0 }

// quote puts a name into backquotes.
func quote(name string) string { return "`" + name + "`" }

// didYouMean returns a hint at the nearest candidate, or the empty string.
func didYouMean(name string, candidates []string) string {
	if near := syntax.Nearest(name, candidates); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

func fold(name string) string { return strings.ToLower(name) }
