package cli

import (
	"context"
	"errors"
	"os/exec"

	"bbjtune/bbj/check"
	"bbjtune/bbj/compile"
	"bbjtune/bbj/cpl"
	"bbjtune/bbj/diag"
	"bbjtune/internal/fault"
	"bbjtune/internal/proc"
)

// judge finds what there is to say about programs.
type judge struct {
	name  string // for machines
	about string // for people
	find  finder
	// compares says that nothing is listed but what find returns, and not what
	// is wrong with the documents around the programs either.
	compares bool
}

type finder func(context.Context, []compile.Source) ([][]diag.Diagnostic, error)

// judge returns the one of an engine's name: auto, embedded, bbjcpl or both.
func (a *app) judge(name, path string) (judge, error) {
	switch name {
	case "auto", "embedded", "bbjcpl", "both":
	default:
		return judge{}, fault.Newf("write one of auto, embedded, bbjcpl, both", "--engine is %q", name)
	}
	embedded := check.Embedded{Ignores: true}
	if name == "embedded" {
		return judge{name: name, about: "the embedded engine", find: verdictsOf(embedded)}, nil
	}
	found, err := cpl.Find(path, a.Env)
	switch {
	case name == "auto" && errors.Is(err, cpl.ErrNotFound):
		return judge{name: "embedded", about: "the embedded engine (bbjcpl is not found)", find: verdictsOf(embedded)}, nil
	case err != nil:
		return judge{}, fault.Wrap(err, "name it with --bbjcpl or BBJCPL, or set BBJ_HOME; --engine embedded does without")
	}
	start := func(c *exec.Cmd) (cpl.Process, error) { return proc.Start(c) }
	compiler := cpl.New(found, start, cpl.Options{})
	if name == "both" {
		pair := compile.Compared{Judge: compiler, Other: embedded}
		return judge{name, "bbjcpl (" + found + ") and the embedded engine", hinted(pair.Disagreements), true}, nil
	}
	joined := compile.Joined{Judge: compiler, Rest: embedded}
	return judge{name: joined.Name(), about: "bbjcpl (" + found + ")", find: hinted(verdictsOf(joined))}, nil
}

// verdictsOf lists the findings of an engine.
func verdictsOf(engine compile.Engine) finder {
	return func(ctx context.Context, sources []compile.Source) ([][]diag.Diagnostic, error) {
		verdicts, err := engine.Compile(ctx, sources)
		lists := make([][]diag.Diagnostic, len(verdicts))
		for i, v := range verdicts {
			lists[i] = v.Diagnostics
		}
		return lists, err
	}
}

// hinted says what to do about a compiler that does not work.
func hinted(find finder) finder {
	return func(ctx context.Context, sources []compile.Source) ([][]diag.Diagnostic, error) {
		lists, err := find(ctx, sources)
		return lists, fault.Wrap(err, "run bbjcpl -N on a file by hand to see what is wrong with it; --engine embedded does without")
	}
}
