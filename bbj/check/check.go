// Package check judges BBj programs: it runs the rules over the tree of package
// syntax, settles what they find, and says what each code means. A rule over the
// tree is a folder in internal/rules with its code, its documentation and its
// programs; what rules share is in internal/analysis.
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

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/check/internal/rules/ignore"
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
	p := analysis.NewPass(prog)
	defer p.Release()
	var ignores []ignore.Remark
	if !opts.Strict {
		ignores = ignore.Read(p)
	}
	for i := range registry {
		r := &registry[i]
		// Whether an ignore is of use shows only when all rules have run.
		if r.Run != nil && (opts.wants(r.Family) || r.Family == diag.Syntax || len(ignores) > 0) {
			p.Run(r)
		}
	}
	ignore.Heed(p, ignores, familyOf)
	return settle(p.Found(), opts)
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
