package check

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
)

// Version names the state of the rules. It changes whenever a verdict may.
const Version = "6"

// Embedded is the compiler engine that is always there: this package. The zero
// value is ready.
type Embedded struct {
	// Ignores says to heed the remarks bbjtune:ignore, as is right for what
	// people wrote. Without it nothing is silenced.
	Ignores bool
}

var _ compile.Engine = Embedded{}

// Name implements [compile.Engine].
func (Embedded) Name() string { return "embedded" }

// Version implements [compile.Engine].
func (Embedded) Version(context.Context) (string, error) { return Version, nil }

// Compile implements [compile.Engine]. It uses all cores, and stops between two
// sources when ctx ends.
func (e Embedded) Compile(ctx context.Context, sources []compile.Source) ([]compile.Verdict, error) {
	verdicts := make([]compile.Verdict, len(sources))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(sources)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(sources) {
					return
				}
				verdicts[i] = e.judge(sources[i])
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return verdicts, nil
}

func (e Embedded) judge(s compile.Source) compile.Verdict {
	found := Source(s.Name, s.Text, Options{Strict: !e.Ignores})
	return compile.Verdict{Name: s.Name, OK: !diag.HasErrors(found, diag.Syntax), Diagnostics: found}
}
