package compile

import (
	"context"
	"slices"

	"bbjtune/bbj/diag"
)

// Joined is an engine of two: Judge alone decides what compiles, and the
// findings of the other families come from Rest.
type Joined struct {
	Judge, Rest Engine
}

var _ Engine = Joined{}

// Name implements [Engine]: the judge gives its name, since the verdict is its.
func (j Joined) Name() string { return j.Judge.Name() }

// Version implements [Engine].
func (j Joined) Version(ctx context.Context) (string, error) {
	judge, err := j.Judge.Version(ctx)
	if err != nil {
		return "", err
	}
	rest, err := j.Rest.Version(ctx)
	return judge + ", " + j.Rest.Name() + " " + rest, err
}

// Compile implements [Engine]. Both engines work at the same time.
func (j Joined) Compile(ctx context.Context, sources []Source) ([]Verdict, error) {
	judged, rest, err := both(ctx, j.Judge, j.Rest, sources)
	if err != nil {
		return nil, err
	}
	for i := range judged {
		judged[i].Diagnostics = join(judged[i].Diagnostics, rest[i].Diagnostics, j.Rest.Name())
	}
	return judged, nil
}

// both puts the sources to two engines. The first error ends the other's work.
func both(ctx context.Context, a, b Engine, sources []Source) (va, vb []Verdict, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var err error
		if vb, err = b.Compile(ctx, sources); err != nil {
			cancel(err)
		}
	}()
	if va, err = a.Compile(ctx, sources); err != nil {
		cancel(err)
	}
	<-done
	return va, vb, context.Cause(ctx)
}

// join takes the syntax findings from one list and the others from the second,
// but none on a line that is broken already. The compiler gives no reasons, so
// what the other engine says of the same line becomes the hint.
func join(judged, rest []diag.Diagnostic, name string) []diag.Diagnostic {
	broken, reason := map[int]bool{}, map[int]diag.Diagnostic{}
	for _, d := range rest {
		if d.Family == diag.Syntax {
			reason[d.Span.Start.Line] = d
		}
	}
	var out []diag.Diagnostic
	for _, d := range judged {
		if d.Family != diag.Syntax {
			continue
		}
		line := d.Span.Start.Line
		if r, ok := reason[line]; ok && d.Code == Rejected.Code {
			d.Help = name + " says " + said(r)
		}
		broken[line] = true
		out = append(out, d)
	}
	for _, d := range rest {
		if d.Family != diag.Syntax && !broken[d.Span.Start.Line] {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, diag.Compare)
	return out
}

// said puts a finding into a line of another one.
func said(d diag.Diagnostic) string {
	if d.Help == "" {
		return d.Code + ": " + d.Message
	}
	return d.Code + ": " + d.Message + " (" + d.Help + ")"
}
