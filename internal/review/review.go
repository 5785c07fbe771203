// Package review knows what a blinded review is: answers of several models to the
// same prompts, two at a time, that people compare without being told who wrote
// what. It pairs them, masks what names a model, draws for every reviewer an order
// and the sides, seals the mapping, and says what the votes show once it is open.
//
// It must not know how a review is kept or shown.
package review

import (
	"fmt"
	"strings"
	"time"
)

// Version is the version of a review's shape and of the file that keeps it.
const Version = 1

// Review is what reviewers may know.
type Review struct {
	Version int    `json:"version"`
	ID      string `json:"id"` // random
	Title   string `json:"title"`
	// Suite is the suite of the prompts.
	Suite   string    `json:"suite"`
	Created time.Time `json:"created"`
	Items   []Item    `json:"items"`
	// Masked counts what was masked in all answers, by kind.
	Masked []Masked `json:"masked,omitempty"`
	// Left says what was left out, in words, with the number of times.
	Left []LeftOut `json:"left_out,omitempty"`
}

// LeftOut is why so many comparisons are not made.
type LeftOut struct {
	Why   string `json:"why"`
	Count int    `json:"count"`
}

// Item is one comparison: a prompt and two answers. Which model X is, and which
// Y, was drawn, and is sealed.
type Item struct {
	// Number counts from 1, in an order that was drawn.
	Number     int    `json:"number"`
	Case       string `json:"case"`
	Title      string `json:"title"`
	Generation string `json:"generation"`
	Prompt     string `json:"prompt"`
	X          Answer `json:"x"`
	Y          Answer `json:"y"`
}

// Answer is an answer as it is shown, normalised and masked.
type Answer struct {
	Text string `json:"text"`
	// Program is the whole program, where the answer is a part of it.
	Program string `json:"program,omitempty"`
	// Cut is the number of bytes that are not shown.
	Cut int `json:"cut_bytes,omitempty"`
	// Unstopped says that the limit of tokens ended it.
	Unstopped bool `json:"unstopped,omitempty"`
}

// Dimension is what answers are compared by.
type Dimension string

// The dimensions.
const (
	Quality       Dimension = "quality"
	Idiom         Dimension = "idiom"
	Documentation Dimension = "documentation"
	Overall       Dimension = "overall"
)

// Dimensions lists them in the order in which a reviewer is asked.
func Dimensions() []Dimension { return []Dimension{Quality, Idiom, Documentation, Overall} }

// Choice is which of the two answers is better.
type Choice string

// The choices as they are kept. A reviewer sees Left and Right instead of X and Y.
const (
	X    Choice = "x"
	Y    Choice = "y"
	Tie  Choice = "tie"
	Bad  Choice = "bad" // both are
	Left Choice = "left"
	// Right is the answer on the right, or on a narrow page the second one.
	Right Choice = "right"
)

// Choices are those of all dimensions.
type Choices struct {
	Quality       Choice `json:"quality"`
	Idiom         Choice `json:"idiom"`
	Documentation Choice `json:"documentation"`
	Overall       Choice `json:"overall"`
}

// Of is the choice in a dimension.
func (c Choices) Of(d Dimension) Choice {
	switch d {
	case Quality:
		return c.Quality
	case Idiom:
		return c.Idiom
	case Documentation:
		return c.Documentation
	}
	return c.Overall
}

// Place is where a comparison stands for a reviewer.
type Place struct {
	Item int // its number
	// Swapped says that Y is on the left.
	Swapped bool
}

// Kept translates choices by side into choices as they are kept. It refuses
// those that are none of a reviewer's.
func (p Place) Kept(seen Choices) (Choices, error) {
	return seen.each(func(c Choice) (Choice, error) {
		switch c {
		case Left, Right:
			if (c == Left) != p.Swapped {
				return X, nil
			}
			return Y, nil
		case Tie, Bad:
			return c, nil
		}
		return "", fmt.Errorf("a choice is %q, not left, right, tie or bad", string(c))
	})
}

// Seen is the other way round.
func (p Place) Seen(kept Choices) Choices {
	seen, _ := kept.each(func(c Choice) (Choice, error) {
		switch {
		case c == X && !p.Swapped, c == Y && p.Swapped:
			return Left, nil
		case c == X || c == Y:
			return Right, nil
		}
		return c, nil
	})
	return seen
}

func (c Choices) each(f func(Choice) (Choice, error)) (out Choices, err error) {
	for _, x := range []struct{ from, to *Choice }{
		{&c.Quality, &out.Quality}, {&c.Idiom, &out.Idiom}, {&c.Documentation, &out.Documentation}, {&c.Overall, &out.Overall},
	} {
		if *x.to, err = f(*x.from); err != nil {
			return Choices{}, err
		}
	}
	return out, nil
}

// MaxNote is the longest note in bytes.
const MaxNote = 4 << 10

// MaxSeconds is the longest time that counts for one vote: who comes back the
// next day has not thought all night.
const MaxSeconds = 1800

// Vote is what a reviewer says of a comparison.
type Vote struct {
	Item    int     `json:"item"`
	Choices Choices `json:"choices"`
	Note    string  `json:"note,omitempty"`
	// Seconds is how long it took, from the page to the vote.
	Seconds float64   `json:"seconds"`
	At      time.Time `json:"at"`
	// Swapped says that Y was on the left.
	Swapped bool `json:"swapped,omitempty"`
}

// Same reports whether two votes say the same.
func (v Vote) Same(o Vote) bool {
	return v.Item == o.Item && v.Choices == o.Choices && v.Note == o.Note
}

// Tidy makes a note of what a browser sends, and bounds it and the time.
func (v *Vote) Tidy() {
	v.Note = strings.TrimSpace(strings.ReplaceAll(v.Note, "\r\n", "\n"))
	if len(v.Note) > MaxNote {
		v.Note = cut(v.Note, MaxNote)
	}
	v.Note = strings.ToValidUTF8(v.Note, "�")
	if !(v.Seconds >= 0) {
		v.Seconds = 0
	}
	v.Seconds = min(v.Seconds, MaxSeconds)
}

// Reviewer is somebody who votes.
type Reviewer struct {
	ID   int    `json:"id"` // from 1
	Name string `json:"name"`
	// Token is the secret of the reviewer's link.
	Token string `json:"-"`
}
