// Package mask is the mask report: what of the rows of a stage is trained on,
// as the training worker counted it, for a terminal, a program and a browser.
//
// It must not know how rows are encoded, nor count anything itself. The text of
// a token is foreign: escaped in the page, made harmless on a terminal.
package mask

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bbjtune/internal/printable"
)

// Version is the version of the JSON form.
const Version = 1

// Report is what the three forms are made from.
type Report struct {
	Version int      `json:"version"`
	Recipe  string   `json:"recipe"`
	Base    string   `json:"base"`
	Stages  []*Stage `json:"stages"`
}

// The rest is the inspection of worker/masks.py, key by key; a test holds the
// two against each other.
type (
	// Stage is what one stage is about to train on.
	Stage struct {
		Stage     string `json:"stage"`
		Loss      string `json:"loss"`
		Format    string `json:"format"`
		MaxLength int    `json:"max_length"`
		Overlong  string `json:"overlong"`
		ZeroRows  string `json:"zero_rows"`
		Packing   string `json:"packing"`
		BatchSize int    `json:"batch_size"`
		Train     Split  `json:"train"`
		Valid     Split  `json:"valid"`
		Rows      []Row  `json:"rows"`
		// Refused says why training would not start, Hint what to do about it.
		Refused string `json:"refused"`
		Hint    string `json:"hint"`
	}

	// Split is one file of a stage. Lines are the first few of the file that
	// have the fault.
	Split struct {
		Split           string `json:"split"`
		File            string `json:"file"`
		Read            int    `json:"read"`
		Rows            int    `json:"rows"`
		DroppedOverlong int    `json:"dropped_overlong"`
		Truncated       int    `json:"truncated"`
		Tokens          int    `json:"tokens"`
		TrainedTokens   int    `json:"trained_tokens"`
		MaskedTokens    int    `json:"masked_tokens"`
		Trained         Spread `json:"trained"`
		Masked          Spread `json:"masked"`
		ZeroRows        int    `json:"zero_rows"`
		ZeroLines       []int  `json:"zero_lines"`
		PromptTrained   int    `json:"prompt_tokens_trained"`
		PromptLines     []int  `json:"prompt_lines"`
		StopUntrained   int    `json:"stop_untrained"`
		StopLines       []int  `json:"stop_lines"`
		// Packing is nil where rows are not packed.
		Packing *Packing `json:"packing"`
		// BatchEfficiency is the share of token places in the batches that
		// hold a token; the rest is padding.
		BatchEfficiency float64 `json:"batch_efficiency"`
	}

	// Packing is how full the sequences are that rows were packed into, and
	// how full they would be were there as few as there are tokens for.
	Packing struct {
		Sequences  int     `json:"sequences"`
		Efficiency float64 `json:"efficiency"`
		Possible   float64 `json:"possible"`
	}

	// Spread is how a number of tokens is spread over the rows.
	Spread struct {
		Min    int     `json:"min"`
		Median int     `json:"median"`
		Max    int     `json:"max"`
		Mean   float64 `json:"mean"`
		// Bins count rows; each is Width wide, the first begins at 0.
		Width int   `json:"width"`
		Bins  []int `json:"bins"`
	}

	// Row is a row that is shown.
	Row struct {
		Line   int     `json:"line"`
		Tokens []Token `json:"tokens"`
	}

	// Token is one token of a row; a character of several tokens stands at its
	// last.
	Token struct {
		ID      int    `json:"id"`
		Text    string `json:"text"`
		Trained bool   `json:"trained"`
	}
)

// ReadStage reads what the worker counted. The files are called what the reader
// calls them, not where the worker found them.
func ReadStage(text []byte, train, valid string) (*Stage, error) {
	s := &Stage{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("the worker's mask report: %w", err)
	}
	for _, bins := range [][]int{s.Train.Trained.Bins, s.Train.Masked.Bins} {
		if len(bins) > 0 && slices.Min(bins) < 0 {
			return nil, fmt.Errorf("the worker's mask report: it counts %d rows", slices.Min(bins))
		}
	}
	for _, f := range []struct {
		split *Split
		name  string
	}{{&s.Train, train}, {&s.Valid, valid}} {
		if f.split.File != "" {
			s.Refused = strings.ReplaceAll(s.Refused, f.split.File, f.name)
		}
		f.split.File = f.name
	}
	return s, nil
}

// Title names the stage for readers.
func (s *Stage) Title() string {
	if s.Stage == "stage1" {
		return "Stage 1, continued pretraining"
	}
	return "Stage 2, instruction tuning"
}

// Settings is the sentence about what decides these figures.
func (s *Stage) Settings() string {
	trained := "every token trained on"
	switch {
	case s.Format == "messages" && s.Loss == "completion":
		trained = "the answers alone trained on"
	case s.Format == "messages":
		trained = "prompts trained on too (loss: full)"
	}
	longer := map[string]string{"drop": "left out", "truncate": "cut", "split": "split"}[s.Overlong]
	batches := "batches of " + strconv.Itoa(s.BatchSize)
	if s.Packing != "none" {
		batches = "packed (" + s.Packing + "), " + batches + " sequences"
	}
	return fmt.Sprintf("%s; at most %d tokens, longer rows %s; %s", trained, s.MaxLength, longer, batches)
}

// line is one figure of both splits.
type line struct {
	Name         string
	Train, Valid string
	// Bad marks a figure that should be 0 and is not.
	Bad bool
}

// lines are the figures in the order in which they are shown.
func (s *Stage) lines() []line {
	both := []*Split{&s.Train, &s.Valid}
	of := func(name string, f func(*Split) string) line {
		return line{Name: name, Train: f(both[0]), Valid: f(both[1])}
	}
	number := func(name string, f func(*Split) int) line {
		return of(name, func(p *Split) string { return thousands(f(p)) })
	}
	fault := func(name string, f func(*Split) int) line {
		l := number(name, f)
		l.Bad = f(both[0])+f(both[1]) > 0
		return l
	}
	list := []line{
		number("rows read", func(p *Split) int { return p.Read }),
		number("  longer than max_length, left out", func(p *Split) int { return p.DroppedOverlong }),
		fault("  without a trained token", func(p *Split) int { return p.ZeroRows }),
		number("rows trained on", func(p *Split) int { return p.Rows }),
		number("  cut at max_length", func(p *Split) int { return p.Truncated }),
		fault("  whose end is not trained", func(p *Split) int { return p.StopUntrained }),
		number("tokens", func(p *Split) int { return p.Tokens }),
		of("  trained on", func(p *Split) string { return thousands(p.TrainedTokens) + share(p.TrainedTokens, p.Tokens) }),
		of("  masked", func(p *Split) string { return thousands(p.MaskedTokens) + share(p.MaskedTokens, p.Tokens) }),
	}
	prompts := fault("  of prompts, trained on", func(p *Split) int { return p.PromptTrained })
	prompts.Bad = prompts.Bad && s.Loss != "full"
	list = append(list, prompts,
		of("trained on in a row (median, most)", func(p *Split) string { return p.Trained.String() }),
		of("masked in a row (median, most)", func(p *Split) string { return p.Masked.String() }))
	if s.Train.Packing == nil || s.Valid.Packing == nil {
		return append(list, of("token places that hold one, in batches", func(p *Split) string { return percent(p.BatchEfficiency) }))
	}
	return append(list,
		number("packed sequences", func(p *Split) int { return p.Packing.Sequences }),
		of("  filled", func(p *Split) string { return percent(p.Packing.Efficiency) }),
		of("  filled, were there as few as there could be", func(p *Split) string { return percent(p.Packing.Possible) }))
}

// notes name the lines of the files that have a fault.
func (s *Stage) notes() []string {
	var list []string
	for _, p := range []Split{s.Train, s.Valid} {
		prompts := p.PromptLines
		if s.Loss == "full" {
			prompts = nil // asked for
		}
		for _, f := range []struct {
			what  string
			lines []int
		}{
			{"no trained token", p.ZeroLines},
			{"a trained token in the prompt", prompts},
			{"an end that is not trained", p.StopLines},
		} {
			if len(f.lines) > 0 {
				list = append(list, fmt.Sprintf("%s: %s in line %s", p.File, f.what, numbers(f.lines)))
			}
		}
	}
	return list
}

func numbers(lines []int) string {
	var words []string
	for _, n := range lines[:min(len(lines), linesNamed)] {
		words = append(words, strconv.Itoa(n))
	}
	text := strings.Join(words, ", ")
	if len(lines) > len(words) {
		text += ", …"
	}
	return text
}

// linesNamed bounds the lines that a note names.
const linesNamed = 8

// String is the median and the most.
func (s Spread) String() string { return thousands(s.Median) + ", " + thousands(s.Max) }

func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

func share(part, whole int) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.0f %%)", 100*float64(part)/float64(whole))
}

// thousands groups the digits of a count.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// run is a stretch of a row that is trained on, or is not.
type run struct {
	Trained bool
	Tokens  []Token
}

// runs cuts a row where training begins or ends. Texts are made visible, blanks
// and line ends too, and an unfinished character shows as one.
func (r Row) runs() []run {
	var list []run
	for _, t := range r.Tokens {
		if len(list) == 0 || list[len(list)-1].Trained != t.Trained {
			list = append(list, run{Trained: t.Trained})
		}
		last := &list[len(list)-1]
		t.Text = seen(t.Text)
		last.Tokens = append(last.Tokens, t)
	}
	return list
}

func seen(text string) string {
	if text == "" {
		return "…"
	}
	return strings.NewReplacer(" ", "·", "\t", "→", "\n", "⏎\n").Replace(printable.Visible(text))
}

// Trained counts the tokens of a row that are trained on.
func (r Row) Trained() int {
	n := 0
	for _, t := range r.Tokens {
		if t.Trained {
			n++
		}
	}
	return n
}
