// Package audit looks for what is wrong with a set of ChatML rows before it is
// trained on: rows that cannot be read, repetitions and contradictions, code
// that does not compile or stands in no fence, secrets, and rows that evaluation
// is measured with. It changes nothing. Of a row it keeps what comparing it with
// the others needs, and not its text, so that a file may be larger than memory.
//
// It must not know files, recipes or how its report is shown.
package audit

import (
	"context"
	"io"

	"bbjtune/bbj/compile"
	"bbjtune/internal/near"
	"bbjtune/internal/stream"
)

// Options say what the rows are held against.
type Options struct {
	// Tokens counts the tokens of a text, and MaxTokens is the length that is
	// trained on; without both, nothing is said of truncation.
	Tokens func(line int, text string) int
	// CountedBy says what counts them, for the report.
	CountedBy string
	MaxTokens int
	// HeldOut are the texts of evaluation cases.
	HeldOut []HeldOut
	// Progress hears of the bytes read so far; nil if nobody listens.
	Progress func(read int64)
}

type auditor struct {
	options Options
	engine  compile.Engine
	held    *Held
}

// BOM may stand before the first line of a file.
const BOM = stream.BOM

// Audit reads a JSONL file and reports on its rows. The report does not depend on
// the number of cores.
func Audit(ctx context.Context, engine compile.Engine, file io.Reader, o Options) (*Report, error) {
	a := &auditor{options: o, engine: engine, held: NewHeld(o.HeldOut)}
	s := newSet(o)
	err := stream.Lines(ctx, file, o.Progress, func(lines []stream.Line) ([]row, error) { return a.work(ctx, lines) }, s.take)
	if err != nil {
		return nil, err
	}
	s.compare()
	return s.report(), nil
}

// work looks at a batch of lines and compiles all of their code at once.
func (a *auditor) work(ctx context.Context, lines []stream.Line) ([]row, error) {
	var sources []compile.Source
	rows := make([]row, 0, len(lines))
	for _, l := range lines {
		r := a.look(l)
		sources = append(sources, r.code...)
		rows = append(rows, r)
	}
	verdicts, err := Judge(ctx, a.engine, sources)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		n := len(rows[i].code)
		rows[i].judge(verdicts[:n])
		verdicts = verdicts[n:]
	}
	return rows, nil
}

// fact is what is kept of a row.
type fact struct {
	offset int64 // where its line begins in the file
	line   int
	prompt int32 // index of its prompt, -1 when the row cannot be read
	chars  int32 // of the answer
	answer sum
	worst  rank
}

// prompt is one that occurs in the set.
type prompt struct {
	first, second int32 // rows that have it
	times         int32
	conflict      bool // their answers differ
}

// set is all rows that were seen, in the order of their lines.
type set struct {
	facts   []fact
	prompts []prompt
	grams   []near.Set // of each prompt
	index   map[sum]int32
	systems map[sum]bool
	plain   bool // some conversation has no system prompt
	system  int  // the first row with one, plus one
	tally   *tally
}

func newSet(o Options) *set {
	return &set{index: map[sum]int32{}, systems: map[sum]bool{}, tally: newTally(o)}
}

// take adds rows to the set.
func (s *set) take(rows []row) error {
	for i := range rows {
		r := &rows[i]
		at := int32(len(s.facts))
		f := fact{offset: r.offset, line: r.line, prompt: -1, chars: int32(r.chars), answer: r.answer}
		if r.valid {
			f.prompt = s.meet(r, at)
			s.tally.conversation(r)
		}
		s.facts = append(s.facts, f)
		for _, found := range r.findings {
			s.find(at, found)
		}
	}
	return nil
}

// meet counts a prompt and the system prompt before it.
func (s *set) meet(r *row, at int32) int32 {
	if r.hasSystem {
		s.systems[r.system] = true
		if s.system == 0 {
			s.system = int(at) + 1
		}
	} else {
		s.plain = true
	}
	i, ok := s.index[r.prompt]
	if !ok {
		i = int32(len(s.prompts))
		s.index[r.prompt] = i
		s.prompts = append(s.prompts, prompt{first: at, times: 1})
		s.grams = append(s.grams, r.grams)
		return i
	}
	p := &s.prompts[i]
	if p.times++; p.times == 2 {
		p.second = at
	}
	p.conflict = p.conflict || s.facts[p.first].answer != r.answer
	return i
}

// find enters a finding of a row.
func (s *set) find(at int32, f Finding) {
	fact := &s.facts[at]
	f.Line, f.offset = fact.line, fact.offset
	fact.worst = max(fact.worst, s.tally.enter(f))
}

// compare finds repeated and nearly repeated prompts, and the one system prompt.
func (s *set) compare() {
	s.index = nil // only met with
	for i := range s.facts {
		if s.facts[i].prompt >= 0 {
			s.compareAnswers(int32(i), s.prompts[s.facts[i].prompt])
		}
	}
	for i, head := range near.ClustersOf(s.grams) {
		if head != i {
			s.find(s.prompts[i].first, finding(NearPrompt, "like line %d", s.facts[s.prompts[head].first].line))
		}
	}
	s.grams = nil
	if valid := s.tally.valid(); len(s.systems) == 1 && !s.plain && valid > 1 {
		s.find(int32(s.system-1), finding(OneSystem, "%d rows", valid))
	}
}

// compareAnswers says of a row whose prompt others have how their answers compare.
func (s *set) compareAnswers(at int32, p prompt) {
	if p.times < 2 {
		return
	}
	kind, other := Repeated, p.first
	if p.conflict {
		kind = Conflict
	}
	if other == at {
		other = p.second
	}
	s.find(at, finding(kind, "as line %d; %d rows have this prompt", s.facts[other].line, p.times))
}
