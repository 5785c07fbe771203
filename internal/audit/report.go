package audit

import (
	"cmp"
	"maps"
	"slices"
)

// Version is the version of the report's JSON.
const Version = 2

// Detailed is how many findings of a kind a report says more of than the line.
const Detailed = 1000

// Report is what is wrong with a set, and what it is made of.
type Report struct {
	Version int `json:"version"`
	// Rows counts the lines that are not blank; Valid those that can be read
	// as a conversation. Forms, prompts and answers are of these.
	Rows    int          `json:"rows"`
	Valid   int          `json:"valid"`
	Clean   int          `json:"clean"` // rows without an error or a warning
	Worst   Worst        `json:"rows_by_worst"`
	Forms   map[Form]int `json:"forms"`
	Prompts Prompts      `json:"prompts"`
	Answers Answers      `json:"answers"`
	Tokens  *Tokens      `json:"tokens,omitempty"` // where a tokenizer was given
	Systems int          `json:"system_prompts"`
	HeldOut int          `json:"held_out_texts"` // that the rows were held against
	Kinds   []Count      `json:"kinds"`
	// Found are the first findings of each kind, in the order of the lines.
	Detailed int       `json:"detailed_findings_of_a_kind"`
	Found    []Finding `json:"findings"`
}

// Worst counts each row once, by the worst of its findings.
type Worst struct {
	None     int `json:"none"`
	Notes    int `json:"note"`
	Warnings int `json:"warning"`
	Errors   int `json:"error"`
}

// Prompts counts the prompts that occur more than once, and the rows that have
// one of them.
type Prompts struct {
	Distinct    int     `json:"distinct"`
	Repeated    int     `json:"repeated"`
	Rows        int     `json:"rows_with_repeated"`
	Conflicting int     `json:"conflicting"` // repeated ones with different answers
	Times       []Times `json:"times"`
}

// Times says how many prompts occur so many times.
type Times struct {
	Times   int `json:"times"`
	Prompts int `json:"prompts"`
}

// Answers are the lengths of the answers, in characters.
type Answers struct {
	Median   int   `json:"median"`
	Longest  int   `json:"longest"`
	AtMost10 int   `json:"at_most_10"`
	Under50  int   `json:"under_50"`
	Over1000 int   `json:"over_1000"`
	Lengths  []Bin `json:"lengths"`
}

// Tokens are the lengths of the rows as the model reads them.
type Tokens struct {
	CountedBy string `json:"counted_by"`
	Max       int    `json:"max"` // that are trained on
	Longest   int    `json:"longest"`
	Over      int    `json:"over"` // rows that are longer than Max
	Sum       int64  `json:"sum"`
	Lengths   []Bin  `json:"lengths"`
}

// Bin counts the rows whose length is at least From and less than To.
type Bin struct {
	From int `json:"from"`
	To   int `json:"to"`
	Rows int `json:"rows"`
}

// Count says how many rows have a kind of defect, and in which lines they are.
type Count struct {
	Kind
	Rows     int   `json:"rows"`
	Findings int   `json:"findings"` // a row may have several
	Lines    []int `json:"lines"`
}

// HasErrors reports whether some row has an error.
func (r *Report) HasErrors() bool { return r.Worst.Errors > 0 }

// Unreadable counts the rows that are no conversation.
func (r *Report) Unreadable() int { return r.Rows - r.Valid }

// rank orders severities; the zero value is that of a row with no finding.
type rank uint8

const (
	rankNone rank = iota
	rankNote
	rankWarning
	rankError
)

var ranks = map[Severity]rank{Note: rankNote, Warning: rankWarning, Error: rankError}

// tally counts what is found while rows go by.
type tally struct {
	held   int
	kinds  []Count
	at     map[string]int // index of a code
	kept   [][]Finding    // of each kind
	forms  map[Form]int
	tokens *Tokens
	bins   map[int]int // of the tokens
}

func newTally(o Options) *tally {
	t := &tally{held: len(o.HeldOut), at: map[string]int{}, forms: map[Form]int{}, bins: map[int]int{}}
	for i, k := range Kinds() {
		t.at[k.Code] = i
		t.kinds = append(t.kinds, Count{Kind: k, Lines: []int{}})
	}
	t.kept = make([][]Finding, len(t.kinds))
	if o.Tokens != nil && o.MaxTokens > 0 {
		t.tokens = &Tokens{Max: o.MaxTokens, CountedBy: o.CountedBy}
	}
	return t
}

// conversation counts a row that can be read.
func (t *tally) conversation(r *row) {
	t.forms[r.form]++
	if t.tokens == nil {
		return
	}
	t.tokens.Longest = max(t.tokens.Longest, r.tokens)
	t.tokens.Sum += int64(r.tokens)
	if r.tokens > t.tokens.Max {
		t.tokens.Over++
	}
	t.bins[binOf(r.tokens)]++
}

func (t *tally) valid() int {
	n := 0
	for _, rows := range t.forms {
		n += rows
	}
	return n
}

// enter counts a finding, and keeps it if it is among the first of its kind. Those
// of a kind must come in the order of their lines.
func (t *tally) enter(f Finding) rank {
	i := t.at[f.Code]
	c := &t.kinds[i]
	if c.Findings++; len(c.Lines) == 0 || c.Lines[len(c.Lines)-1] != f.Line {
		c.Lines = append(c.Lines, f.Line)
		c.Rows++
	}
	if len(t.kept[i]) < Detailed {
		f.Detail = bounded(mask(f.Detail))
		t.kept[i] = append(t.kept[i], f)
	}
	return ranks[c.Severity]
}

// longestDetail bounds what a finding says, in characters: it may quote the row.
const longestDetail = 300

func bounded(text string) string {
	n := 0
	for i := range text {
		if n++; n > longestDetail {
			return text[:i] + "…"
		}
	}
	return text
}

func (s *set) report() *Report {
	t := s.tally
	r := &Report{
		Version: Version, Rows: len(s.facts), Valid: t.valid(), Forms: t.forms, Systems: len(s.systems), HeldOut: t.held,
		Tokens: t.tokens, Kinds: t.kinds, Detailed: Detailed, Found: slices.Concat(t.kept...),
	}
	slices.SortStableFunc(r.Found, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	if r.Found == nil {
		r.Found = []Finding{}
	}
	var lengths []int
	for _, f := range s.facts {
		if f.prompt >= 0 {
			lengths = append(lengths, int(f.chars))
		}
		r.Worst.add(f.worst)
	}
	r.Clean = r.Worst.None + r.Worst.Notes
	r.Answers = measure(lengths)
	r.Prompts = s.repetition()
	if r.Tokens != nil {
		r.Tokens.Lengths = bins(t.bins)
	}
	return r
}

func (w *Worst) add(r rank) {
	switch r {
	case rankError:
		w.Errors++
	case rankWarning:
		w.Warnings++
	case rankNote:
		w.Notes++
	default:
		w.None++
	}
}

func (s *set) repetition() Prompts {
	p := Prompts{Distinct: len(s.prompts), Times: []Times{}}
	times := map[int]int{}
	for _, one := range s.prompts {
		times[int(one.times)]++
		if one.times < 2 {
			continue
		}
		p.Repeated++
		p.Rows += int(one.times)
		if one.conflict {
			p.Conflicting++
		}
	}
	for _, n := range slices.Sorted(maps.Keys(times)) {
		p.Times = append(p.Times, Times{n, times[n]})
	}
	return p
}

func measure(lengths []int) Answers {
	if len(lengths) == 0 {
		return Answers{Lengths: []Bin{}}
	}
	slices.Sort(lengths)
	a := Answers{Median: lengths[len(lengths)/2], Longest: lengths[len(lengths)-1]}
	counts := map[int]int{}
	for _, n := range lengths {
		counts[binOf(n)]++
		switch {
		case n <= 10:
			a.AtMost10++
			a.Under50++
		case n < 50:
			a.Under50++
		case n > 1000:
			a.Over1000++
		}
	}
	a.Lengths = bins(counts)
	return a
}

// edges are the borders of the bins of lengths: ten to each power of ten, by the
// preferred numbers of ISO 3, and under 10 those of them that are whole.
var edges = func() []int {
	list := []int{0, 1, 2, 3, 4, 5, 6, 8}
	for _, ten := range []int{1, 10, 100, 1000, 10_000, 100_000, 1_000_000} {
		for _, n := range []int{100, 125, 160, 200, 250, 315, 400, 500, 630, 800} {
			list = append(list, n*ten/10)
		}
	}
	return append(list, 100_000_000)
}()

// binOf is the index of the bin that a length falls into.
func binOf(n int) int {
	i, found := slices.BinarySearch(edges, n)
	if !found {
		i--
	}
	return min(i, len(edges)-2)
}

// bins lists the bins from the first that holds something to the last.
func bins(counts map[int]int) []Bin {
	list := []Bin{}
	if len(counts) == 0 {
		return list
	}
	at := slices.Sorted(maps.Keys(counts))
	for i := at[0]; i <= at[len(at)-1]; i++ {
		list = append(list, Bin{edges[i], edges[i+1], counts[i]})
	}
	return list
}
