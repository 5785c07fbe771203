// Package clean mends a set of ChatML rows by named steps, each of which can be
// left out: it repairs text that says the same afterwards, and sets rows aside
// that it cannot repair. Nothing is lost: rows in are rows kept and rows removed,
// and every change is on record with what was there before. Cleaning what is
// clean changes nothing.
//
// It must not know files, or how what it did is shown.
package clean

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bbjtune/bbj/compile"
	"bbjtune/internal/answer"
	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
)

// Options say what is held against the rows, and which steps are left out.
type Options struct {
	Skip    []string // names of steps
	HeldOut []audit.HeldOut
}

// Removed is a line that was set aside.
type Removed struct {
	Line   int    `json:"line"`
	Step   string `json:"step"`
	Reason string `json:"reason"`
	Row    string `json:"row"` // the line as it was
}

// Changed is a message that a step repaired.
type Changed struct {
	Line    int       `json:"line"`
	Step    string    `json:"step"`
	Message int       `json:"message"` // of the row, from 1
	Role    chat.Role `json:"role"`
	Before  string    `json:"before"`
	After   string    `json:"after"`
}

// Result is what became of a set. Lines counts those that are not blank: they
// are the rows kept and the rows removed.
type Result struct {
	Lines   int
	Kept    []Row
	Removed []Removed
	Changed []Changed
}

// Row is a conversation with what else its line says.
type Row struct {
	chat.Row
	Others map[string]json.RawMessage
}

// MarshalJSON puts the messages first and the other keys after them, in order.
func (r Row) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"messages":`)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r.Messages); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - 1) // the line end
	for _, key := range slices.Sorted(maps.Keys(r.Others)) {
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ",%s:%s", name, r.Others[key])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// others are the keys of a row besides its messages.
func others(line []byte) map[string]json.RawMessage {
	var all map[string]json.RawMessage
	if json.Unmarshal(line, &all) != nil {
		return nil
	}
	maps.DeleteFunc(all, func(key string, _ json.RawMessage) bool { return strings.EqualFold(key, "messages") })
	return all
}

// item is a line under way.
type item struct {
	line    int
	text    string // as it was
	row     Row
	removed bool
	broken  string // why its code does not compile
}

type cleaner struct {
	options Options
	result  Result
	items   []*item
}

// Clean mends the rows of a JSONL text.
func Clean(ctx context.Context, engine compile.Engine, text []byte, o Options) (*Result, error) {
	c := &cleaner{options: o}
	c.parse(text)
	c.repair()
	if err := c.compile(ctx, engine); err != nil {
		return nil, err
	}
	c.setAside()
	c.compare()
	for _, it := range c.items {
		if !it.removed {
			c.result.Kept = append(c.result.Kept, it.row)
		}
	}
	slices.SortStableFunc(c.result.Removed, func(a, b Removed) int { return a.Line - b.Line })
	return &c.result, nil
}

func (c *cleaner) does(s Step) bool { return !slices.Contains(c.options.Skip, s.Name) }

func (c *cleaner) remove(it *item, s Step, reason string, args ...any) {
	it.removed = true
	c.result.Removed = append(c.result.Removed, Removed{it.line, s.Name, fmt.Sprintf(reason, args...), it.text})
}

// parse reads the lines. What is no conversation cannot be kept, even where the
// step is left out of the rest.
func (c *cleaner) parse(text []byte) {
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte(audit.BOM))) {
		number++
		trimmed := bytes.TrimSpace(line)
		if len(trimmed) == 0 {
			continue
		}
		c.result.Lines++
		it := &item{line: number, text: string(trimmed)}
		messages, kind, problem := audit.ParseRow(trimmed)
		if problem != "" {
			c.remove(it, Parse, "%s: %s", kind.Title, problem)
			continue
		}
		it.row.Messages, it.row.Others = messages, others(trimmed)
		c.items = append(c.items, it)
		c.dropped(it, trimmed)
		for _, m := range messages {
			if token := chat.ControlToken(m.Content); token != "" && c.does(Parse) && !it.removed {
				c.remove(it, Parse, "spells out the chat token %s", token)
			}
		}
	}
}

// dropped records the keys of messages that no step and no training knows, and
// that the kept row does not have.
func (c *cleaner) dropped(it *item, line []byte) {
	var raw struct {
		Messages []map[string]json.RawMessage `json:"messages"`
	}
	if json.Unmarshal(line, &raw) != nil {
		return
	}
	for i, m := range raw.Messages {
		before, err := json.Marshal(m)
		maps.DeleteFunc(m, func(key string, _ json.RawMessage) bool { return !known(key) })
		after, err2 := json.Marshal(m)
		if err == nil && err2 == nil && len(after) < len(before) {
			c.result.Changed = append(c.result.Changed, Changed{it.line, Parse.Name, i + 1, it.row.Messages[i].Role, string(before), string(after)})
		}
	}
}

func known(key string) bool {
	return strings.EqualFold(key, "role") || strings.EqualFold(key, "content")
}

func (c *cleaner) repair() {
	for _, it := range c.items {
		if it.removed {
			continue
		}
		for i := range it.row.Messages {
			c.mend(it, i)
		}
	}
}

// mend applies every repair to a message. One that leaves nothing of it is none.
func (c *cleaner) mend(it *item, i int) {
	m := &it.row.Messages[i]
	for _, r := range repairs {
		if !c.does(r.step) {
			continue
		}
		after := r.repair(*m)
		if after == m.Content || strings.TrimSpace(after) == "" {
			continue
		}
		c.result.Changed = append(c.result.Changed, Changed{it.line, r.step.Name, i + 1, m.Role, m.Content, after})
		m.Content = after
	}
}

// compile asks the engine about all BBj in answers at once.
func (c *cleaner) compile(ctx context.Context, engine compile.Engine) error {
	var sources []compile.Source
	var owners []*item
	for _, it := range c.items {
		if it.removed {
			continue
		}
		// The fences of an answer are one program, as they are to evaluation.
		if code := answer.Marked(said(it.row.Row, chat.Assistant)); len(code) > 0 {
			sources = append(sources, compile.Source{Name: fmt.Sprintf("line %d", it.line), Text: []byte(strings.Join(code, "\n"))})
			owners = append(owners, it)
		}
	}
	verdicts, err := engine.Compile(ctx, sources)
	if err != nil {
		return err
	}
	for i, v := range verdicts {
		if !v.OK && owners[i].broken == "" {
			owners[i].broken = audit.FirstError(v)
		}
	}
	return nil
}

// said joins what one side of a conversation says.
func said(row chat.Row, role chat.Role) string {
	var parts []string
	for _, m := range row.Messages {
		if m.Role == role {
			parts = append(parts, m.Content)
		}
	}
	return strings.Join(parts, "\n\n")
}

// setAside removes the rows that no repair helps.
func (c *cleaner) setAside() {
	held := audit.NewHeld(c.options.HeldOut)
	for _, it := range c.items {
		if it.removed {
			continue
		}
		text := said(it.row.Row, chat.Assistant)
		switch {
		case c.does(Short) && len([]rune(text)) <= 10:
			c.remove(it, Short, "an answer of %d characters", len([]rune(text)))
		case c.does(Secrets) && slices.ContainsFunc(it.row.Messages, func(m chat.Message) bool { return audit.HasSecret(m.Content) }):
			c.remove(it, Secrets, "what looks like a key or a password")
		case c.does(HoldOut):
			if how := held.Find(said(it.row.Row, chat.User), text); how != "" {
				c.remove(it, HoldOut, "%s", how)
			}
		}
	}
}

// compare settles rows with the same prompt, and then what does not compile: a
// row that does not is no reason to lose one that does.
func (c *cleaner) compare() {
	groups := map[string][]*item{}
	var order []string
	for _, it := range c.items {
		if it.removed {
			continue
		}
		prompt := strings.TrimSpace(said(it.row.Row, chat.User))
		if groups[prompt] == nil {
			order = append(order, prompt)
		}
		groups[prompt] = append(groups[prompt], it)
	}
	for _, prompt := range order {
		c.settle(groups[prompt])
	}
}

// settle decides among rows with the same prompt.
func (c *cleaner) settle(group []*item) {
	byAnswer := map[string][]*item{}
	var answers []string
	for _, it := range group {
		text := strings.TrimSpace(said(it.row.Row, chat.Assistant))
		if byAnswer[text] == nil {
			answers = append(answers, text)
		} else if c.does(Duplicates) {
			c.remove(it, Duplicates, "as line %d", byAnswer[text][0].line)
			continue
		}
		byAnswer[text] = append(byAnswer[text], it)
	}
	if len(answers) > 1 && c.does(Conflicts) {
		c.resolve(answers, byAnswer)
	}
	for _, it := range group {
		if !it.removed && it.broken != "" && c.does(Compile) {
			c.remove(it, Compile, "%s", it.broken)
		}
	}
}

// resolve keeps the one answer with code that compiles. Where there is none, or
// more than one, people must choose: all are set aside.
func (c *cleaner) resolve(answers []string, byAnswer map[string][]*item) {
	good := ""
	for _, text := range answers {
		if byAnswer[text][0].broken != "" || len(answer.Marked(text)) == 0 {
			continue
		}
		if good != "" {
			good = ""
			break
		}
		good = text
	}
	for _, text := range answers {
		for _, it := range byAnswer[text] {
			switch {
			case good == "":
				c.remove(it, Conflicts, "%d different answers to the same prompt, for people to choose from", len(answers))
			case text != good:
				c.remove(it, Conflicts, "line %d has the same prompt and code that compiles", byAnswer[good][0].line)
			}
		}
	}
}
