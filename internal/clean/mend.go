package clean

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/compile"
	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
	"bbjtune/internal/stream"
)

// mender does what can be done to a line without knowing the others. It is safe
// for concurrent use.
type mender struct {
	options Options
	engine  compile.Engine
	held    *audit.Held
}

// batch is what became of some lines.
type batch struct {
	rows    []row
	kept    bytes.Buffer // the repaired rows, as lines
	changed bytes.Buffer // the repairs, as lines
	repairs map[string]int
}

// sum is a hash of a text, by which equal texts are found.
type sum [16]byte

func sumOf(text string) sum {
	full := sha256.Sum256([]byte(text))
	return sum(full[:16])
}

// work mends lines and compiles all of their code at once.
func (m *mender) work(ctx context.Context, lines []stream.Line) (*batch, error) {
	b := &batch{rows: make([]row, len(lines)), repairs: map[string]int{}}
	var sources []compile.Source
	var owners []*row
	for i, l := range lines {
		r := &b.rows[i]
		*r = row{line: l.Number, offset: l.Offset, size: int32(len(l.Text))}
		said, err := m.line(b, r, l.Text)
		if err != nil {
			return nil, err
		}
		for _, code := range audit.Programs(said) {
			r.program = true
			sources, owners = append(sources, compile.Source{Name: fmt.Sprintf("line %d", l.Number), Text: []byte(code)}), append(owners, r)
		}
	}
	verdicts, err := audit.Judge(ctx, m.engine, sources)
	if err != nil {
		return nil, err
	}
	for i, v := range verdicts {
		if !v.OK && owners[i].broken == "" {
			owners[i].broken = audit.FirstError(v)
		}
	}
	return b, nil
}

// line mends one line and returns the answer of a row that may be kept. What is no
// conversation cannot be, even where that step is left out of the rest.
func (m *mender) line(b *batch, r *row, text []byte) (said string, err error) {
	messages, kind, problem := audit.ParseRow(text)
	if problem != "" {
		r.remove(Parse, "%s: %s", kind.Title, problem)
		return "", nil
	}
	if err := b.dropped(r, messages, text); err != nil {
		return "", err
	}
	for _, each := range messages {
		if token := chat.ControlToken(each.Content); token != "" && m.options.does(Parse) {
			r.remove(Parse, "spells out the chat token %s", token)
			return "", nil
		}
	}
	for i := range messages {
		if err := m.mend(b, r, i, &messages[i]); err != nil {
			return "", err
		}
	}
	prompt := saidBy(chat.User, messages)
	said = saidBy(chat.Assistant, messages)
	r.prompt, r.answer = sumOf(strings.TrimSpace(prompt)), sumOf(strings.TrimSpace(said))
	if m.setAside(r, messages, prompt, said); r.removed != nil {
		return "", nil
	}
	start := b.kept.Len()
	if err := chat.NewEncoder(&b.kept).Encode(Row{chat.Row{Messages: messages}, others(text)}); err != nil {
		return "", err
	}
	r.at, r.length = int64(start), int32(b.kept.Len()-start)
	return said, nil
}

// saidBy joins what one side of a conversation says.
func saidBy(role chat.Role, messages []chat.Message) string {
	var parts []string
	for _, m := range messages {
		if m.Role == role {
			parts = append(parts, m.Content)
		}
	}
	return strings.Join(parts, "\n\n")
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

// dropped records the keys of messages that no step and no training knows, and
// that the kept row does not have.
func (b *batch) dropped(r *row, messages []chat.Message, line []byte) error {
	var raw struct {
		Messages []map[string]json.RawMessage `json:"messages"`
	}
	if json.Unmarshal(line, &raw) != nil {
		return nil
	}
	for i, m := range raw.Messages {
		if i == len(messages) {
			return nil
		}
		before, err := json.Marshal(m)
		if err != nil {
			return err
		}
		all := len(m)
		maps.DeleteFunc(m, func(key string, _ json.RawMessage) bool { return !known(key) })
		if len(m) == all {
			continue
		}
		after, err := json.Marshal(m)
		if err == nil {
			err = b.change(Changed{r.line, Parse.Name, i + 1, messages[i].Role, string(before), string(after)})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func known(key string) bool {
	return strings.EqualFold(key, "role") || strings.EqualFold(key, "content")
}

func (b *batch) change(c Changed) error {
	b.repairs[c.Step]++
	return chat.NewEncoder(&b.changed).Encode(c)
}

// mend applies every repair to a message. One that leaves nothing of it is none.
func (m *mender) mend(b *batch, r *row, i int, message *chat.Message) error {
	for _, each := range repairs {
		if !m.options.does(each.step) {
			continue
		}
		after := each.repair(*message)
		if after == message.Content || strings.TrimSpace(after) == "" {
			continue
		}
		if err := b.change(Changed{r.line, each.step.Name, i + 1, message.Role, message.Content, after}); err != nil {
			return err
		}
		message.Content = after
	}
	return nil
}

// setAside removes a row that no repair helps.
func (m *mender) setAside(r *row, messages []chat.Message, prompt, said string) {
	if n := utf8.RuneCountInString(said); n <= 10 && m.options.does(Short) {
		r.remove(Short, "an answer of %d characters", n)
	}
	if m.options.does(Secrets) && slices.ContainsFunc(messages, func(m chat.Message) bool { return audit.HasSecret(m.Content) }) {
		r.remove(Secrets, "what looks like a key or a password")
	}
	if m.options.does(HoldOut) && len(m.options.HeldOut) > 0 {
		if how := m.held.Find(prompt, said); how != "" {
			r.remove(HoldOut, "%s", how)
		}
	}
}
