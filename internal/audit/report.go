package audit

import "slices"

// Version is the version of the report's JSON.
const Version = 1

// Report is what is wrong with a set, and what it is made of.
type Report struct {
	Version int `json:"version"`
	// Rows counts the lines that are not blank; Valid those that can be read
	// as a conversation. All that follows is of these.
	Rows    int          `json:"rows"`
	Valid   int          `json:"valid"`
	Prompts Prompts      `json:"prompts"`
	Answers Answers      `json:"answers"`
	Systems int          `json:"system_prompts"`
	Kinds   []Count      `json:"kinds"`
	Clean   int          `json:"clean"` // rows without an error or a warning
	Found   []Finding    `json:"findings"`
	Forms   map[Form]int `json:"forms"`
}

// Prompts counts the prompts that occur more than once, and the rows that have
// one of them.
type Prompts struct {
	Distinct    int `json:"distinct"`
	Repeated    int `json:"repeated"`
	Rows        int `json:"rows_with_repeated"`
	Conflicting int `json:"conflicting"` // repeated ones with different answers
}

// Answers are the lengths of the answers, in characters.
type Answers struct {
	Median   int `json:"median"`
	Longest  int `json:"longest"`
	AtMost10 int `json:"at_most_10"`
	Under50  int `json:"under_50"`
	Over1000 int `json:"over_1000"`
}

// Count says how many rows have a kind of defect.
type Count struct {
	Kind
	Rows int `json:"rows"`
}

// HasErrors reports whether some row has an error.
func (r *Report) HasErrors() bool {
	return slices.ContainsFunc(r.Kinds, func(c Count) bool { return c.Severity == Error && c.Rows > 0 })
}

func summarize(rows []row) *Report {
	r := &Report{Version: Version, Rows: len(rows), Forms: map[Form]int{}, Found: []Finding{}}
	counts := map[string]int{}
	prompts := map[sum]int{}
	conflicts, systems := map[sum]bool{}, map[sum]bool{}
	var lengths []int
	for _, one := range rows {
		worth := false
		seen := map[string]bool{}
		for _, f := range one.findings {
			if !seen[f.Code] {
				counts[f.Code]++
			}
			seen[f.Code] = true
			k, _ := Lookup(f.Code)
			worth = worth || k.Severity != Note
			conflicts[one.prompt] = conflicts[one.prompt] || f.Code == Conflict.Code
		}
		r.Found = append(r.Found, one.findings...)
		if !worth {
			r.Clean++
		}
		if !one.valid {
			continue
		}
		r.Valid++
		prompts[one.prompt]++
		if one.hasSystem {
			systems[one.system] = true
		}
		r.Forms[one.form]++
		lengths = append(lengths, one.chars)
	}
	r.Systems = len(systems)
	r.Answers = measure(lengths)
	r.Prompts = Prompts{Distinct: len(prompts)}
	for prompt, n := range prompts {
		if n > 1 {
			r.Prompts.Repeated++
			r.Prompts.Rows += n
			if conflicts[prompt] {
				r.Prompts.Conflicting++
			}
		}
	}
	for _, k := range Kinds() {
		r.Kinds = append(r.Kinds, Count{k, counts[k.Code]})
	}
	return r
}

func measure(lengths []int) Answers {
	if len(lengths) == 0 {
		return Answers{}
	}
	slices.Sort(lengths)
	a := Answers{Median: lengths[len(lengths)/2], Longest: lengths[len(lengths)-1]}
	for _, n := range lengths {
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
	return a
}
