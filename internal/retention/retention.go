// Package retention says what a tuned model has forgotten: how much worse than
// its base model it predicts code in other languages, and, where programs may
// be run, how many tasks of HumanEval it no longer solves.
//
// It must not know how a model is loaded or trained.
package retention

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"unicode/utf8"

	"bbjtune/internal/fault"
)

// Version is the version of the report's shape.
const Version = 1

// Text is a held-out text.
type Text struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// extensions are those of the languages that count as general code.
var extensions = []string{".c", ".cpp", ".cs", ".go", ".java", ".js", ".kt", ".php", ".py", ".rb", ".rs", ".sql", ".ts"}

// largestText bounds a single file: no program that a person wrote is longer.
const largestText = 1 << 20

// Texts reads the source files below the folders, in a fixed order.
func Texts(dirs ...string) ([]Text, error) {
	var list []Text
	for _, dir := range dirs {
		err := fs.WalkDir(os.DirFS(dir), ".", func(rel string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !slices.Contains(extensions, path.Ext(rel)) {
				return err
			}
			text, err := fs.ReadFile(os.DirFS(dir), rel)
			if err != nil {
				return err
			}
			if len(text) > largestText || !utf8.Valid(text) {
				return fault.Newf("take it out of the folder", "%s in %s is larger than 1 MB, or no UTF-8 text", rel, dir)
			}
			list = append(list, Text{rel, string(text)})
			return nil
		})
		if err != nil {
			return nil, fault.Wrap(fmt.Errorf("general code: %w", err), "name a folder of source files in evaluate.retention.general")
		}
	}
	if len(list) == 0 {
		return nil, fault.Newf("put programs in Python, Java, JavaScript or another language there", "%q holds no source file in a general language", dirs)
	}
	return list, nil
}

// Loss is how well a model predicts texts: the negative log likelihood in nats,
// summed over their tokens.
type Loss struct {
	Texts  int     `json:"texts"`
	Bytes  int     `json:"bytes"`
	Tokens int     `json:"tokens"`
	NLL    float64 `json:"nll"`
}

// PerToken is the mean over the tokens.
func (l Loss) PerToken() float64 { return l.NLL / float64(max(1, l.Tokens)) }

// PerByte is the mean over the bytes; it can be compared between tokenizers.
func (l Loss) PerByte() float64 { return l.NLL / float64(max(1, l.Bytes)) }

// Perplexity is among how many tokens the model is as unsure as if all were
// equally likely.
func (l Loss) Perplexity() float64 { return math.Exp(l.PerToken()) }

// Measure is one score of the base model and of the tuned one.
type Measure struct {
	Name  string  `json:"name"`
	Base  float64 `json:"base"`
	Tuned float64 `json:"tuned"`
	// Drop is the share of the base model's score that is lost, below zero
	// where the tuned model is better.
	Drop  float64 `json:"drop"`
	Alert bool    `json:"alert"`
}

// Report is what is kept of a measurement.
type Report struct {
	Version int `json:"version"`
	// MaxDrop is the drop above which a measure is an alert.
	MaxDrop float64   `json:"max_drop"`
	Base    Loss      `json:"general_base"`
	Tuned   Loss      `json:"general_tuned"`
	Mean    []PerUnit `json:"mean_nll"`
	// HumanEval is nil where nothing was executed.
	HumanEval *HumanEval `json:"humaneval,omitempty"`
	Measures  []Measure  `json:"measures"`
}

// Parse reads a report. name is what errors call it.
func Parse(name string, text []byte) (*Report, error) {
	r := &Report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fault.Wrap(fmt.Errorf("%s: %w", name, err), "delete its folder and measure again with bbjtune eval RECIPE --retention")
	}
	if r.Version != Version {
		return nil, fault.Newf("measure again with bbjtune eval RECIPE --retention", "%s has version %d, this program reads %d", name, r.Version, Version)
	}
	if he := r.HumanEval; he != nil && (he.Tasks < 1 || min(he.Base, he.Tuned) < 0 || max(he.Base, he.Tuned) > he.Tasks) {
		return nil, fmt.Errorf("%s: the counts of HumanEval contradict each other", name)
	}
	return r, nil
}

// PerUnit is the mean negative log likelihood of the two models.
type PerUnit struct {
	Unit  string  `json:"unit"` // token or byte
	Base  float64 `json:"base"`
	Tuned float64 `json:"tuned"`
}

// HumanEval counts the solved tasks.
type HumanEval struct {
	Tasks int `json:"tasks"`
	Base  int `json:"base"`
	Tuned int `json:"tuned"`
}

// The names of the measures.
const (
	General       = "general code"
	HumanEvalName = "HumanEval pass@1"
)

// New compares the two models. The score on general code is the inverse of the
// perplexity, so that for both measures more is better.
func New(base, tuned Loss, he *HumanEval, maxDrop float64) *Report {
	r := &Report{Version: Version, MaxDrop: maxDrop, Base: base, Tuned: tuned, HumanEval: he, Mean: []PerUnit{
		{"token", base.PerToken(), tuned.PerToken()}, {"byte", base.PerByte(), tuned.PerByte()},
	}}
	r.add(General, 1/base.Perplexity(), 1/tuned.Perplexity())
	if he != nil {
		r.add(HumanEvalName, float64(he.Base)/float64(he.Tasks), float64(he.Tuned)/float64(he.Tasks))
	}
	return r
}

func (r *Report) add(name string, base, tuned float64) {
	m := Measure{Name: name, Base: base, Tuned: tuned}
	if base > 0 {
		m.Drop = 1 - tuned/base
	}
	m.Alert = m.Drop > r.MaxDrop
	r.Measures = append(r.Measures, m)
}

// Alerts lists the measures that fell too far.
func (r *Report) Alerts() []Measure {
	return slices.DeleteFunc(slices.Clone(r.Measures), func(m Measure) bool { return !m.Alert })
}
