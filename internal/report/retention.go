package report

import (
	"fmt"

	"bbjtune/internal/retention"
	"bbjtune/internal/stats"
)

const retentionNote = "What training on BBj cost in other languages, beside the base model. General code: how well a model predicts programs that neither was tuned on; the score is the inverse of the perplexity. HumanEval: how many of its tasks a model solves; it runs only where that is allowed. A loss above the limit is an alert."

// notMeasured stands where a training was reported of which nothing is known.
const notMeasured = "This was not measured; `bbjtune eval RECIPE --retention` does."

// Retention is what a tuned model has forgotten, as it was measured.
type Retention struct {
	Model    string            `json:"model"`
	Measured *retention.Report `json:"measured"`
}

// LostRow is a measure as it is shown. Base and Tuned have no trials where it is
// no proportion.
type LostRow struct {
	Model, Measure, BaseText, TunedText, Change, Limit string
	Base, Tuned                                        stats.Proportion
	Alert                                              bool
}

// Verdict says in a word whether too much was lost.
func (r LostRow) Verdict() string {
	if r.Alert {
		return "alert"
	}
	return "kept"
}

// Lost lists the measures of all models. Of several measurements of a model the
// first one has the word.
func (r *Report) Lost() []LostRow {
	var rows []LostRow
	seen := map[[2]string]bool{}
	for _, x := range r.Retention {
		for _, m := range x.Measured.Measures {
			if k := [2]string{x.Model, m.Name}; !seen[k] {
				seen[k] = true
				rows = append(rows, lostOf(x, m))
			}
		}
	}
	return rows
}

func lostOf(x Retention, m retention.Measure) LostRow {
	row := LostRow{Model: x.Model, Measure: m.Name, Change: fmt.Sprintf("%+.1f %%", -100*m.Drop), Limit: fmt.Sprintf("-%.1f %%", 100*x.Measured.MaxDrop), Alert: m.Alert}
	if he := x.Measured.HumanEval; m.Name == retention.HumanEvalName && he != nil {
		row.Base, row.Tuned = stats.NewProportion(he.Base, he.Tasks), stats.NewProportion(he.Tuned, he.Tasks)
		row.BaseText, row.TunedText = Percent(row.Base), Percent(row.Tuned)
		return row
	}
	row.Measure = fmt.Sprintf("%s, %d programs", m.Name, x.Measured.Base.Texts)
	row.BaseText, row.TunedText = perplexity(x.Measured.Base), perplexity(x.Measured.Tuned)
	return row
}

func perplexity(l retention.Loss) string { return fmt.Sprintf("perplexity %.2f", l.Perplexity()) }
