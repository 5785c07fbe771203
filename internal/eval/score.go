package eval

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/internal/answer"
	"bbjtune/internal/suite"
)

// Samples are judged in batches that end at so many of them, or at so many bytes.
const (
	batchSamples = 256
	batchBytes   = 16 << 20
)

// maxProgram is the length, in bytes, of the longest program that is judged. No
// answer that a model is allowed comes near to it.
const maxProgram = 1 << 20

// diagnosticsKept is how many diagnostics of an answer are kept.
const diagnosticsKept = 50

// Score judges the samples of a suite as they come, in bounded memory, and hands
// every scored answer to keep in the same order. Every case must have the same
// number of samples. Of the result, what says which model was asked and how is
// left to the caller.
func Score(ctx context.Context, s *suite.Suite, engine compile.Engine, samples iter.Seq2[Sample, error], keep func(Answer) error) (*Result, error) {
	version, err := engine.Version(ctx)
	if err != nil {
		return nil, err
	}
	j := &judge{engine: engine, cases: map[string]*suite.Case{}, tally: newTally(), keep: keep}
	for _, c := range s.Questions() {
		j.cases[c.ID] = c
	}
	bytes := 0
	for sample, err := range samples {
		if err != nil {
			return nil, err
		}
		if j.cases[sample.Case] == nil {
			return nil, fmt.Errorf("the answers are of another suite: it has no case %q", sample.Case)
		}
		j.batch = append(j.batch, sample)
		if bytes += len(sample.Text); len(j.batch) < batchSamples && bytes < batchBytes {
			continue
		}
		if err := j.flush(ctx); err != nil {
			return nil, err
		}
		bytes = 0
	}
	if err := j.flush(ctx); err != nil {
		return nil, err
	}
	r := &Result{Version: ResultVersion, Engine: EngineRef{engine.Name(), version}, Extract: answer.Version}
	return r, j.tally.fill(r)
}

// judge judges a batch at a time.
type judge struct {
	engine compile.Engine
	cases  map[string]*suite.Case
	batch  []Sample
	tally  *tally
	keep   func(Answer) error
}

func (j *judge) flush(ctx context.Context) error {
	found, programs, verdicts, err := j.compile(ctx)
	if err != nil {
		return err
	}
	scores := make([]suite.Score, len(j.batch))
	onAllCores(len(j.batch), func(i int) {
		scores[i] = j.cases[j.batch[i].Case].Judge(found[i], verdicts[i])
	})
	for i, sample := range j.batch {
		c := j.cases[sample.Case]
		a := Answer{Sample: sample, Code: programs[i], Score: scores[i]}
		if a.Error != nil {
			a.Code, a.Score = "", suite.Score{} // wrong, whatever the checks say of silence
		}
		for _, n := range a.Score.Failed {
			a.Missed = append(a.Missed, c.Checks[n-1].String())
		}
		j.tally.add(c, a)
		a.Score.Diagnostics, a.Left = bounded(a.Score.Diagnostics)
		if err := j.keep(a); err != nil {
			return err
		}
	}
	j.batch = j.batch[:0]
	return nil
}

// compile takes what was written out of each answer of the batch, puts it into the
// case's gap where it has one, and asks the engine about these programs. What is
// too long is cut, and gets a verdict of its own.
func (j *judge) compile(ctx context.Context) ([]answer.Answer, []string, []compile.Verdict, error) {
	found, programs := make([]answer.Answer, len(j.batch)), make([]string, len(j.batch))
	sources := make([]compile.Source, len(j.batch))
	tooLong := make([]*compile.Verdict, len(j.batch))
	onAllCores(len(j.batch), func(i int) {
		c := j.cases[j.batch[i].Case]
		found[i] = answer.Extract(j.batch[i].Text)
		programs[i] = c.Program(found[i].Code)
		sources[i] = compile.Source{Name: c.ID, Text: []byte(programs[i])}
		if n := len(programs[i]); n > maxProgram {
			sources[i].Text, programs[i] = nil, programs[i][:maxProgram]
			found[i].Code = found[i].Code[:min(len(found[i].Code), maxProgram)]
			message := fmt.Sprintf("a program of %d bytes is too long to be judged", n)
			at := diag.Pos{Line: 1, Col: 1}
			tooLong[i] = &compile.Verdict{Diagnostics: []diag.Diagnostic{compile.NoVerdict.Finding("", diag.Span{Start: at, End: at}, message, "")}}
		}
	})
	verdicts, err := j.engine.Compile(ctx, sources)
	if err != nil {
		return nil, nil, nil, err
	}
	for i, v := range tooLong {
		if v != nil {
			verdicts[i] = *v
		}
	}
	return found, programs, verdicts, nil
}

// bounded keeps the first diagnostics, with messages of a length that names of a
// program cannot drive up, and says how many it leaves out.
func bounded(all []diag.Diagnostic) (kept []diag.Diagnostic, left int) {
	if len(all) > diagnosticsKept {
		all, left = all[:diagnosticsKept], len(all)-diagnosticsKept
	}
	for i := range all {
		all[i].Message, all[i].Help = short(all[i].Message), short(all[i].Help)
	}
	return all, left
}

func short(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// onAllCores calls do for 0 to n-1, in no order.
func onAllCores(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}
