package eval

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"bbjtune/bbj/diag"
	"bbjtune/internal/fault"
	"bbjtune/internal/llm"
	"bbjtune/internal/stats"
	"bbjtune/internal/suite"
)

// ResultVersion is the version of the result's shape and of the answers beside
// it.
const ResultVersion = 3

// Result is a scored evaluation of one model: all that a report or a comparison
// needs, but for the answers themselves, which are read one by one (see
// [ReadAnswers]).
type Result struct {
	Version int `json:"version"`
	// Model is the name in reports, Notes what a reader must know of it.
	Model string    `json:"model"`
	Notes string    `json:"notes,omitempty"`
	Date  time.Time `json:"date"`
	// Identity pins the weights: the hash of the GGUF file, or an URL.
	Identity string      `json:"identity"`
	Suite    SuiteRef    `json:"suite"`
	Engine   EngineRef   `json:"engine"`
	Extract  int         `json:"extractor_version"`
	Options  Options     `json:"options"`
	Metrics  Metrics     `json:"metrics"`
	Slices   []Slice     `json:"slices"`
	Faults   []Fault     `json:"faults"`
	Missing  []Missing   `json:"missing"`
	Cases    []Case      `json:"cases"`
	Examples []ShotTitle `json:"shots,omitempty"`
	// Unanswered counts the questions that got no answer, by cause. They count as
	// wrong answers.
	Unanswered map[llm.Cause]int `json:"unanswered,omitempty"`
	// Cost is what the answers cost, in US dollars.
	Cost float64 `json:"cost,omitempty"`
}

// Failed is how many questions got no answer.
func (r *Result) Failed() int {
	n := 0
	for _, c := range r.Cases {
		n += c.Unanswered
	}
	return n
}

// ShotTitle names an example that stands in the prompt of a few-shot run.
type ShotTitle struct {
	Path  string `json:"path"`
	Title string `json:"title"`
}

// SuiteRef pins the suite.
type SuiteRef struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Hash    string `json:"hash"`
	// Questions is how many were asked of a suite that was evaluated in part,
	// else 0.
	Questions int `json:"questions,omitempty"`
}

// String names the suite, its version and, where not all of it was asked, how much.
func (s SuiteRef) String() string {
	text := fmt.Sprintf("%s version %d", s.Name, s.Version)
	if s.Questions > 0 {
		text += fmt.Sprintf(" (%d of its questions)", s.Questions)
	}
	return text
}

// EngineRef says which compiler judged.
type EngineRef struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Case is a question with what came of it over all its samples.
type Case struct {
	ID         string `json:"id"`
	Title      string `json:"title"`
	Generation string `json:"generation"`
	Type       string `json:"type"`
	Difficulty string `json:"difficulty"`
	Topic      string `json:"topic"`
	// Prompt is all that was asked, with the program around a gap.
	Prompt string `json:"prompt"`
	// Program says that the case asks for one, Fact that it is a question of
	// fact, which counts for the fact score and for no other.
	Program bool `json:"program"`
	Fact    bool `json:"fact,omitempty"`
	// Samples is the number of answers; the others say how many of them do so.
	// Tokens is their sum.
	Samples   int `json:"samples"`
	Compiles  int `json:"compiles"`
	Clean     int `json:"clean"`
	Task      int `json:"task"`
	NoCode    int `json:"no_code"`
	Unstopped int `json:"unstopped"`
	Tokens    int `json:"tokens"`
	// Unanswered counts the samples for which there is no answer: they do none of
	// these.
	Unanswered int `json:"unanswered,omitempty"`
}

// Metrics are the scores of a set of cases. compile@1 and clean@1 count the
// answers to cases that ask for a program, task@1 those to all cases but the
// questions of fact.
type Metrics struct {
	Compile stats.Proportion `json:"compile@1"`
	Clean   stats.Proportion `json:"clean@1"`
	Task    stats.Proportion `json:"task@1"`
	// Facts counts the right answers to the questions of fact.
	Facts stats.Proportion `json:"facts"`
	// CompileAtK and TaskAtK say the same of the best of several answers; they
	// are empty where each case has one.
	CompileAtK []stats.AtK `json:"compile@k"`
	TaskAtK    []stats.AtK `json:"task@k"`
	// NoCode counts the answers without a program where one was asked for.
	NoCode stats.Proportion `json:"no_code"`
	// Unstopped counts the answers that the token limit ended.
	Unstopped stats.Proportion `json:"unstopped"`
	// MeanTokens is taken over as many answers as Unstopped.
	MeanTokens float64 `json:"mean_tokens"`
}

// Slice is the metrics of the cases that share a property.
type Slice struct {
	By      string  `json:"by"` // one of Properties
	Value   string  `json:"value"`
	Metrics Metrics `json:"metrics"`
}

// Fault is a kind of diagnostic with the number of answers that have it.
type Fault struct {
	Code    string      `json:"code"`
	Name    string      `json:"name"`
	Family  diag.Family `json:"family"`
	Answers int         `json:"answers"`
	// Topics are the topics of the cases where it was found, the most frequent
	// first: more training examples of these would show how it is done.
	Topics []TopicCount `json:"topics"`
	// Case, Line and Message are of the first answer that has it.
	Case    string `json:"case"`
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// Missing is a check that answers fail although their program compiles, or
// although they were to be prose.
type Missing struct {
	Check   string       `json:"check"`
	Answers int          `json:"answers"`
	Topics  []TopicCount `json:"topics"`
}

// TopicCount is a number of answers to cases of a topic, of Of such answers in
// all.
type TopicCount struct {
	Topic   string `json:"topic"`
	Answers int    `json:"answers"`
	Of      int    `json:"of"`
}

// Answer is one scored answer, as it is kept beside the result.
type Answer struct {
	Sample
	// Code is the program that was judged: that of the answer, put into the
	// case's gap where it has one.
	Code  string      `json:"code"`
	Score suite.Score `json:"score"`
	// Missed names the checks that fail.
	Missed []string `json:"missed,omitempty"`
	// Left is the number of diagnostics beyond those that are kept.
	Left int `json:"diagnostics_left_out,omitempty"`
}

// ParseResult reads a result. name is what errors call it.
func ParseResult(name string, text []byte) (*Result, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fault.Wrap(fmt.Errorf("%s: %w", name, err), "name a folder below runs/eval")
	}
	if head.Version != ResultVersion {
		return nil, fault.Newf("run the same bbjtune eval again: what was answered is scored anew, and nothing is asked twice", "%s has version %d, this program reads %d", name, head.Version, ResultVersion)
	}
	r := &Result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, c := range r.Cases {
		if !c.holds(r.Cases[0].Samples) {
			return nil, fmt.Errorf("%s: the counts of case %q contradict each other", name, c.ID)
		}
	}
	return r, nil
}

// holds reports whether the counts are those of so many answers.
func (c Case) holds(samples int) bool {
	for _, n := range []int{c.Compiles, c.Clean, c.Task, c.NoCode, c.Unstopped, c.Unanswered} {
		if n < 0 || n > c.Samples {
			return false
		}
	}
	return c.Samples >= 1 && c.Samples == samples
}

// ReadAnswers calls each for every answer, of which one is in memory at a time.
func ReadAnswers(r io.Reader, each func(Answer) error) error {
	for line, err := range lines(r) {
		if err != nil {
			return err
		}
		var a Answer
		if err := json.Unmarshal(line, &a); err != nil {
			return err
		}
		if err := each(a); err != nil {
			return err
		}
	}
	return nil
}

// ReadSamples yields the samples of a file that has one a line.
func ReadSamples(r io.Reader) func(yield func(Sample, error) bool) {
	return func(yield func(Sample, error) bool) {
		for line, err := range lines(r) {
			var s Sample
			if err == nil {
				err = json.Unmarshal(line, &s)
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// lines yields lines of any length.
func lines(r io.Reader) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		for br := bufio.NewReader(r); ; {
			line, err := br.ReadBytes('\n')
			if errors.Is(err, io.EOF) && len(line) == 0 {
				return
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}
