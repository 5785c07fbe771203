// Package parity says whether a packaged model is still the one that was trained:
// the same conversations are put to both, and what comes of them is compared token
// by token. What a server renders and answers is read from llama.cpp's own API.
//
// It must not know how either of them was made, nor what the answers are about.
package parity

import (
	"fmt"
	"slices"

	"bbjtune/internal/stats"
)

// Version is raised when the comparison gives other figures.
const Version = 1

// Trace is one answer in tokens, as the program that gave it numbers them.
type Trace struct {
	// Prompt are the tokens of the conversation, as it was rendered. Sent is how
	// many the program says that it read.
	Prompt []int `json:"prompt"`
	Sent   int   `json:"sent"`
	// Rendered is the text of the prompt, where the program tells it.
	Rendered string `json:"rendered,omitempty"`
	// Answer are the tokens of the answer with the one that ended it, Margins how
	// far each was before the second likeliest, in nats.
	Answer  []int     `json:"answer"`
	Margins []float64 `json:"margins"`
	Text    string    `json:"text"`
	// Stopped says that the model ended the answer, not the limit of its length.
	Stopped bool `json:"stopped"`
}

// Case is one conversation with what came of it on both sides.
type Case struct {
	Case string `json:"case"`
	// PromptEqual says that both read the same tokens.
	PromptEqual bool `json:"prompt_equal"`
	// Tokens are those of the reference's answer, Equal how many of them the
	// package's answer begins with.
	Tokens int `json:"tokens"`
	Equal  int `json:"equal"`
	// Stopped and ReferenceStopped say who ended the answer by itself.
	Stopped          bool        `json:"stopped"`
	ReferenceStopped bool        `json:"reference_stopped"`
	Divergence       *Divergence `json:"divergence,omitempty"`
}

// Divergence is the first token in which the answers differ.
type Divergence struct {
	// At counts from 0. Where an answer has ended there is no token and no margin.
	At        int  `json:"at"`
	Reference *int `json:"reference_token,omitempty"`
	Packaged  *int `json:"packaged_token,omitempty"`
	// The texts of both tokens.
	ReferenceText string `json:"reference_text"`
	PackagedText  string `json:"packaged_text"`
	// How far each was before the second likeliest, in nats.
	ReferenceMargin float64 `json:"reference_margin"`
	PackagedMargin  float64 `json:"packaged_margin"`
	// NearTie says that both were hardly before the second.
	NearTie bool `json:"near_tie"`
}

// Tie is the margin, in nats, below which the choice between two tokens is one of
// rounding: their probabilities differ by a tenth.
const Tie = 0.1

// Compare puts a package's answer against the reference's.
func Compare(name string, reference, packaged Trace) Case {
	c := Case{
		Case: name, PromptEqual: slices.Equal(reference.Prompt, packaged.Prompt) && packaged.Sent == len(packaged.Prompt),
		Tokens: len(reference.Answer), Stopped: packaged.Stopped, ReferenceStopped: reference.Stopped,
	}
	for c.Equal < len(reference.Answer) && c.Equal < len(packaged.Answer) && reference.Answer[c.Equal] == packaged.Answer[c.Equal] {
		c.Equal++
	}
	if c.Equal == len(reference.Answer) && c.Equal == len(packaged.Answer) {
		return c
	}
	d := &Divergence{At: c.Equal}
	d.Reference, d.ReferenceMargin = at(reference, d.At)
	d.Packaged, d.PackagedMargin = at(packaged, d.At)
	d.NearTie = d.Reference != nil && d.Packaged != nil && d.ReferenceMargin < Tie && d.PackagedMargin < Tie
	c.Divergence = d
	return c
}

func at(t Trace, i int) (*int, float64) {
	if i >= len(t.Answer) || i >= len(t.Margins) {
		return nil, 0
	}
	return &t.Answer[i], t.Margins[i]
}

// Totals sums the cases of one file of a package.
type Totals struct {
	Cases        int `json:"cases"`
	PromptsEqual int `json:"prompts_equal"`
	// Tokens and Equal as in a case; Prefix is their ratio.
	Tokens int     `json:"tokens"`
	Equal  int     `json:"equal"`
	Prefix float64 `json:"prefix"`
	// Identical answers are equal to their end; of the others, NearTies part where
	// the next token hung on rounding.
	Identical int `json:"identical"`
	NearTies  int `json:"near_ties"`
	// Stopped and ReferenceStopped count the answers that were ended by the model.
	// Lost are those that the reference ends and the package does not.
	Stopped          int `json:"stopped"`
	ReferenceStopped int `json:"reference_stopped"`
	Lost             int `json:"stops_lost"`
}

// Sum sums the cases.
func Sum(cases []Case) Totals {
	var t Totals
	for _, c := range cases {
		t.Cases++
		t.Tokens += c.Tokens
		t.Equal += c.Equal
		t.PromptsEqual += count(c.PromptEqual)
		t.Identical += count(c.Divergence == nil)
		t.NearTies += count(c.Divergence != nil && c.Divergence.NearTie)
		t.Stopped += count(c.Stopped)
		t.ReferenceStopped += count(c.ReferenceStopped)
		t.Lost += count(c.ReferenceStopped && !c.Stopped)
	}
	if t.Tokens > 0 {
		t.Prefix = float64(t.Equal) / float64(t.Tokens)
	}
	return t
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// Report is what verifying a package found.
type Report struct {
	Version int    `json:"version"`
	Package string `json:"package"`
	Suite   string `json:"suite"`
	// Precision is what the reference was computed in, MaxTokens the longest answer.
	Precision string `json:"precision"`
	MaxTokens int    `json:"max_tokens"`
	// Compile is compile@1 of the reference.
	Compile stats.Proportion `json:"compile@1"`
	Files   []File           `json:"files"`
}

// File is what was found of one file of the package.
type File struct {
	Form   string `json:"form"`
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Totals
	// Modelfile counts the prompts that Ollama would render alike by the package's
	// Modelfile.
	Modelfile int `json:"modelfile_prompts_equal"`
	// Compile is compile@1 of the file, Paired its difference from the
	// reference's on the same cases.
	Compile     stats.Proportion `json:"compile@1"`
	Paired      stats.Paired     `json:"paired"`
	Comparisons []Case           `json:"comparisons"`
}

// Limits are what a package is held against.
type Limits struct {
	// MinPrefix is the least share of tokens before the first that differs. It is
	// asked of files in 16 bit alone: fewer bits are another model.
	MinPrefix float64 `json:"min_prefix"`
	// MinStopped is the least share of answers that the model ends by itself.
	MinStopped float64 `json:"min_stopped"`
	// MaxDrop is how much less compile@1 may be than the adapter's.
	MaxDrop float64 `json:"max_drop"`
}

// Gate is a condition and whether it holds.
type Gate struct {
	Gate   string `json:"gate"`
	File   string `json:"file"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}

// Prompts is how many were put.
func (r *Report) Prompts() int {
	if len(r.Files) == 0 {
		return 0
	}
	return r.Files[0].Cases
}

// Short is the report without its cases.
func (r *Report) Short() *Report {
	out := *r
	out.Files = nil
	for _, f := range r.Files {
		f.Comparisons = nil
		out.Files = append(out.Files, f)
	}
	return &out
}

// String says what was found of a file in one line.
func (f File) String() string {
	return fmt.Sprintf("%s %d / %d prompts, equal prefix %.1f %%, %d / %d stop, compile@1 %+.1f points", f.Name, f.PromptsEqual, f.Cases, 100*f.Prefix, f.Stopped, f.Cases, 100*f.Paired.Difference)
}
