package clean

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"bbjtune/internal/chat"
	"bbjtune/internal/near"
)

// groups calls each for the rows that are not set aside and have the key in
// common, in the order of their lines. What becomes of a group must not depend on
// the other ones: they come in no order that means anything.
func (c *cleaner) groups(key func(*row) *sum, each func([]*row) error) error {
	var left []*row
	for i := range c.rows {
		if c.rows[i].removed == nil {
			left = append(left, &c.rows[i])
		}
	}
	slices.SortFunc(left, func(a, b *row) int {
		return cmp.Or(bytes.Compare(key(a)[:], key(b)[:]), cmp.Compare(a.line, b.line))
	})
	for len(left) > 0 {
		n := 1
		for n < len(left) && *key(left[n]) == *key(left[0]) {
			n++
		}
		if err := each(left[:n]); err != nil {
			return err
		}
		left = left[n:]
	}
	return nil
}

func promptOf(r *row) *sum { return &r.prompt }
func answerOf(r *row) *sum { return &r.answer }

// compare settles rows with the same prompt, and then what does not compile: a
// row that does not is no reason to lose one that does.
func (c *cleaner) compare() error {
	return c.groups(promptOf, func(group []*row) error {
		c.settle(group)
		return nil
	})
}

// settle decides among rows with the same prompt.
func (c *cleaner) settle(group []*row) {
	if len(group) > 1 {
		c.settleAnswers(group)
	}
	for _, r := range group {
		if r.broken != "" && c.options.does(Compile) {
			r.remove(Compile, "%s", r.broken)
		}
	}
}

func (c *cleaner) settleAnswers(group []*row) {
	byAnswer := map[sum][]*row{}
	var answers []sum
	for _, r := range group {
		if byAnswer[r.answer] == nil {
			answers = append(answers, r.answer)
		} else if c.options.does(Duplicates) {
			r.remove(Duplicates, "as line %d", byAnswer[r.answer][0].line)
			continue
		}
		byAnswer[r.answer] = append(byAnswer[r.answer], r)
	}
	if len(answers) > 1 && c.options.does(Conflicts) {
		resolve(answers, byAnswer)
	}
}

// resolve keeps the one answer with code that compiles. Where there is none, or
// more than one, people must choose: all are set aside.
func resolve(answers []sum, byAnswer map[sum][]*row) {
	var good []sum
	for _, a := range answers {
		if first := byAnswer[a][0]; first.program && first.broken == "" {
			good = append(good, a)
		}
	}
	for _, a := range answers {
		for _, r := range byAnswer[a] {
			switch {
			case len(good) != 1:
				r.remove(Conflicts, "%d different answers to the same prompt, for people to choose from", len(answers))
			case a != good[0]:
				r.remove(Conflicts, "line %d has the same prompt and code that compiles", byAnswer[good[0]][0].line)
			}
		}
	}
}

// compareNear keeps one of the rows that give the same answer to nearly the same
// prompt.
func (c *cleaner) compareNear() error {
	if !c.options.does(NearDuplicates) {
		return nil
	}
	return c.groups(answerOf, func(group []*row) error {
		if len(group) == 1 {
			return nil
		}
		prompts, err := c.prompts(group)
		if err != nil {
			return err
		}
		clusters := near.Clusters(prompts)
		best := map[int]int{} // by cluster
		for i, cluster := range clusters {
			if b, ok := best[cluster]; !ok || fuller(prompts[i], prompts[b]) {
				best[cluster] = i
			}
		}
		for i, r := range group {
			// Copies of a row are not the business of this step.
			if b := group[best[clusters[i]]]; r.prompt != b.prompt {
				r.remove(NearDuplicates, "line %d has the same answer to nearly the same prompt", b.line)
			}
		}
		return nil
	})
}

// fuller says which of two prompts is kept, without regard to where they stand:
// the longer one.
func fuller(a, b string) bool {
	return cmp.Or(cmp.Compare(utf8.RuneCountInString(a), utf8.RuneCountInString(b)), strings.Compare(b, a)) > 0
}

// prompts reads the prompts of rows again.
func (c *cleaner) prompts(group []*row) ([]string, error) {
	list := make([]string, len(group))
	var line []byte
	for i, r := range group {
		var err error
		if line, err = fill(line, c.out.Scratch, r.at, r.length); err != nil {
			return nil, err
		}
		var said chat.Row
		if err := json.Unmarshal(line, &said); err != nil {
			return nil, fmt.Errorf("line %d of the scratch space: %w", r.line, err)
		}
		list[i] = strings.TrimSpace(saidBy(chat.User, said.Messages))
	}
	return list, nil
}

// fill reads so many bytes at a place, into the memory of before.
func fill(text []byte, from io.ReaderAt, at int64, size int32) ([]byte, error) {
	text = slices.Grow(text[:0], int(size))[:size]
	if n, err := from.ReadAt(text, at); n < len(text) {
		return text, err
	}
	return text, nil
}

// setAside is the record of a row that was removed.
func (r *row) setAside(text []byte) Removed {
	out := Removed{Line: r.line, Step: r.removed.step, Reason: r.removed.reason, Row: string(text)}
	if !utf8.Valid(text) {
		out.Bytes = text
	}
	return out
}
