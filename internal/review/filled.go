package review

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"bbjtune/internal/fault"
)

// MaxFilled is the longest file of answers in bytes.
const MaxFilled = 8 << 20

// Filled is what the offline page saves: the answers of one reviewer.
type Filled struct {
	Version int    `json:"version"`
	Review  string `json:"review"`
	// Token is the reviewer's.
	Token string       `json:"token"`
	Votes []FilledVote `json:"votes"`
}

// FilledVote is an answer to the comparison at a place of the reviewer's order, from
// 1, by side.
type FilledVote struct {
	Place   int       `json:"place"`
	Choices Choices   `json:"choices"`
	Note    string    `json:"note"`
	Seconds float64   `json:"seconds"`
	At      time.Time `json:"at"`
}

// ParseFilled reads such a file, which may come from anywhere. name is what errors call it.
func ParseFilled(name string, text []byte) (Filled, error) {
	var f Filled
	const hint = "name the file that the offline page saved; its reviewer can save it again"
	if len(text) > MaxFilled {
		return f, fault.Newf(hint, "%s is longer than %d bytes", name, MaxFilled)
	}
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return Filled{}, fault.Newf(hint, "%s holds no answers of a review: %v", name, err)
	}
	if dec.More() {
		return Filled{}, fault.Newf(hint, "%s holds more than the answers of a review", name)
	}
	if f.Version != Version {
		return Filled{}, fault.Newf("use the bbjtune that exported the page", "%s has version %d, this program reads %d", name, f.Version, Version)
	}
	return f, nil
}

// Kept translates the answers by the reviewer's order. A place that is answered
// twice, or is none, is an error.
func (f Filled) Kept(order []Place) ([]Vote, error) {
	var list []Vote
	seen := map[int]bool{}
	for _, v := range f.Votes {
		if v.Place < 1 || v.Place > len(order) || seen[v.Place] {
			return nil, fmt.Errorf("place %d is none of 1 to %d, or answered twice", v.Place, len(order))
		}
		seen[v.Place] = true
		p := order[v.Place-1]
		c, err := p.Kept(v.Choices)
		if err != nil {
			return nil, fmt.Errorf("place %d: %w", v.Place, err)
		}
		list = append(list, Vote{Item: p.Item, Choices: c, Note: v.Note, Seconds: v.Seconds, At: v.At, Swapped: p.Swapped})
	}
	return list, nil
}
