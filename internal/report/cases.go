package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/diag"
	"bbjtune/internal/eval"
)

// What is shown of answers is bounded, whatever models say: a page must stay one
// that a browser opens.
const (
	answersShown  = 3        // of a model to a case
	causeShown    = 1 << 10  // of why there is none
	bytesShown    = 16 << 10 // of an answer
	linesShown    = 400      // of an answer
	findingsShown = 40       // of an answer
	bytesInAll    = 8 << 20  // of all answers
)

// Case is a question with what every model made of it.
type Case struct {
	ID         string    `json:"id"`
	Title      string    `json:"title"`
	Generation string    `json:"generation"`
	Type       string    `json:"type"`
	Difficulty string    `json:"difficulty"`
	Topic      string    `json:"topic"`
	Prompt     string    `json:"prompt"`
	Outcomes   []Outcome `json:"outcomes"` // one a model
}

// Outcome is what came of a model's answers to a case.
type Outcome struct {
	Model   string   `json:"model"`
	Words   string   `json:"words"`
	Class   string   `json:"class"` // good, mid or bad
	Answers []Answer `json:"answers"`
	// Others is the number of answers that are not shown.
	Others int `json:"others_not_shown,omitempty"`
}

// Answer is an answer as it is shown.
type Answer struct {
	// Unanswered says why there is no answer, if there is none.
	Unanswered string `json:"unanswered,omitempty"`
	// Text is the program, or all of an answer that has none.
	Text    string `json:"text"`
	Program bool   `json:"program"`
	Stopped bool   `json:"stopped"`
	// Cut is the number of bytes that are not shown.
	Cut      int               `json:"cut_bytes,omitempty"`
	Findings []diag.Diagnostic `json:"findings,omitempty"`
	// MoreFindings is the number of those that are not shown.
	MoreFindings int      `json:"findings_not_shown,omitempty"`
	Missed       []string `json:"missed,omitempty"`
}

// addCases lists the cases of all models in the order of the first that has them.
func (r *Report) addCases() {
	for i, m := range r.Models {
		for _, c := range m.Cases {
			v := r.byID[c.ID]
			if v == nil {
				v = &Case{c.ID, c.Title, c.Generation, c.Type, c.Difficulty, c.Topic, c.Prompt, make([]Outcome, len(r.Models))}
				for j := range v.Outcomes {
					v.Outcomes[j] = Outcome{Model: r.Models[j].Model, Words: "not asked", Class: "none"}
				}
				r.byID[c.ID] = v
				r.Cases = append(r.Cases, v)
			}
			words, class := outcome(c)
			v.Outcomes[i] = Outcome{Model: m.Model, Words: words, Class: class}
		}
	}
}

// outcome says in words what came of a case, and how good that is.
func outcome(c eval.Case) (words, class string) {
	n := c.Samples
	if c.Unanswered == n {
		return "no answer", "bad"
	}
	class = "bad"
	switch {
	case c.Task == n:
		class = "good"
	case c.Task > 0 || c.Compiles > 0:
		class = "mid"
	}
	switch {
	case n > 1 && c.Program:
		return fmt.Sprintf("%d of %d compile, %d do the task", c.Compiles, n, c.Task), class
	case n > 1:
		return fmt.Sprintf("%d of %d right", c.Task, n), class
	case !c.Program && c.Task == 1:
		return "right", class
	case !c.Program:
		return "not right", class
	case c.Task == 1:
		return "does its task", class
	case c.Compiles == 1:
		return "compiles", class
	case c.NoCode == 1:
		return "no program", class
	}
	return "does not compile", class
}

// Show adds an answer of the model with that index, as far as there is room.
func (r *Report) Show(model int, a eval.Answer) {
	c := r.byID[a.Case]
	if c == nil {
		return
	}
	o := &c.Outcomes[model]
	if len(o.Answers) == answersShown {
		o.Others++
		return
	}
	shown := Answer{Text: a.Code, Program: a.Code != "", Stopped: a.Stopped, Missed: a.Missed, Findings: a.Score.Diagnostics, MoreFindings: a.Left}
	if !shown.Program {
		shown.Text = a.Text
	}
	if a.Error != nil {
		why := string(a.Error.Cause) + ": " + a.Error.Message
		shown.Unanswered = strings.Clone(cut(why, causeShown))
	}
	whole := len(shown.Text)
	shown.Text = strings.Clone(cut(shown.Text, min(bytesShown, bytesInAll-r.spent)))
	shown.Cut = whole - len(shown.Text)
	r.spent += len(shown.Text)
	if n := len(shown.Findings); n > findingsShown {
		shown.Findings, shown.MoreFindings = shown.Findings[:findingsShown], shown.MoreFindings+n-findingsShown
	}
	o.Answers = append(o.Answers, shown)
}

// cut shortens a text to so many bytes and to the lines that are shown, between
// two characters.
func cut(text string, bytes int) string {
	end := 0
	for range linesShown {
		line := strings.IndexByte(text[end:], '\n')
		if line < 0 || end+line > bytes {
			end = min(len(text), bytes)
			break
		}
		end += line + 1
	}
	for end > 0 && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
