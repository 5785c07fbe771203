package dataset

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
	"bbjtune/internal/example"
)

// item is one source with all that it yields.
type item struct {
	source  string
	place   string // decides the side, within the stratum
	stratum string
	whole   string // what is compared with held-out texts besides the parts
	texts   []string
	rows    []chat.Row
	code    []compile.Source
}

// The strata of what is no example.
const (
	rawStratum     = "raw source"
	rowStratum     = "rows"
	generalStratum = "general code"
)

func fromRaw(r Raw, stratum string) *item {
	it := &item{source: r.Path, place: r.Path, stratum: stratum, texts: []string{r.Text}}
	if r.Line > 1 {
		it.source = fmt.Sprintf("%s:%d", r.Path, r.Line)
	}
	if stratum == rawStratum && !r.Judged {
		it.code = []compile.Source{{Name: r.Path, Text: []byte(r.Text)}}
	}
	return it
}

func fromExample(e *example.Example, o Options) *item {
	it := &item{source: e.Path, place: e.Path}
	generations := make([]string, len(e.Generation))
	for i, g := range e.Generation {
		generations[i] = string(g)
	}
	slices.Sort(generations)
	it.stratum = strings.Join([]string{string(e.Type), strings.Join(generations, "+"), e.Difficulty}, "/")
	for _, f := range e.Fences() {
		it.texts = append(it.texts, strings.TrimRight(string(f.Code), "\n")+"\n")
		it.code = append(it.code, compile.Source{Name: fmt.Sprintf("%s:%d", e.Path, f.Line), Text: f.Code})
	}
	it.whole = strings.Join(it.texts, "\n")
	first := int(hash(o.Seed, "phrasing", e.Path) % 5)
	for n := range o.Phrasings {
		prompt, answer := Conversation(e, first+n)
		system := o.SystemPrompts[hash(o.Seed, "system", fmt.Sprint(e.Path, n))%uint64(len(o.SystemPrompts))]
		it.rows = append(it.rows, chat.Row{Messages: []chat.Message{
			{Role: chat.System, Content: system}, {Role: chat.User, Content: prompt}, {Role: chat.Assistant, Content: answer},
		}})
	}
	return it
}

// fromRow takes the programs of answers for code: a question may show what is
// wrong.
func fromRow(source string, messages []chat.Message) *item {
	it := &item{source: source, stratum: rowStratum, rows: []chat.Row{{Messages: messages}}}
	for _, m := range messages {
		if m.Role != chat.Assistant {
			continue
		}
		for _, code := range audit.Programs(m.Content) {
			it.code = append(it.code, compile.Source{Name: source, Text: []byte(code)})
		}
	}
	return it
}

// question is what the user says, without regard to white space and case.
func question(row chat.Row) string {
	var b strings.Builder
	for _, m := range row.Messages {
		if m.Role == chat.User {
			b.WriteString(m.Content + "\n")
		}
	}
	return strings.ToLower(strings.Join(strings.Fields(b.String()), " "))
}

// said is what a row says besides its system prompt: what rows are compared by.
func said(row chat.Row) string {
	var b strings.Builder
	for _, m := range row.Messages {
		if m.Role != chat.System {
			b.WriteString(m.Content + "\n")
		}
	}
	return b.String()
}

func keyOf(row chat.Row) [16]byte {
	sum := sha256.Sum256([]byte(said(row)))
	return [16]byte(sum[:16])
}

// forged says which token of the chat template, or of the form that asks for the
// middle, a message or text spells out.
func (it *item) forged(tokens []string) string {
	texts := slices.Clone(it.texts)
	for _, r := range it.rows {
		for _, m := range r.Messages {
			texts = append(texts, m.Content)
		}
	}
	for _, text := range texts {
		if token := chat.ControlToken(text); token != "" {
			return "spells out the chat token " + token
		}
		for _, token := range tokens {
			if strings.Contains(text, token) {
				return "spells out the token " + token
			}
		}
	}
	return ""
}

// parts lists the texts of an item that must not be near a held-out one.
func (it *item) parts() []string {
	var list []string
	if len(it.texts) > 1 {
		list = append(list, it.whole)
	}
	list = append(list, it.texts...)
	for _, r := range it.rows {
		list = append(list, said(r))
		for _, m := range r.Messages {
			list = append(list, m.Content)
		}
	}
	return list
}

// units lists the texts of an item as they come to stand in files, stage 1 first:
// what is compared over the border of the split.
func (it *item) units() []string {
	list := slices.Clone(it.texts)
	for _, r := range it.rows {
		list = append(list, said(r))
	}
	return list
}

// characters counts what an item adds to stage 1.
func (it *item) characters() int {
	n := 0
	for _, text := range it.texts {
		n += utf8.RuneCountInString(text)
	}
	return n
}

// broken says for what the compiler rejects an item's code, or "".
func broken(verdicts []compile.Verdict) string {
	for _, v := range verdicts {
		if !v.OK {
			return "does not compile: " + firstError(v)
		}
	}
	return ""
}

func firstError(v compile.Verdict) string {
	for _, d := range v.Diagnostics {
		if d.Severity == diag.Error && d.Family == diag.Syntax {
			return fmt.Sprintf("%s line %d: %s", v.Name, d.Span.Start.Line, d.Message)
		}
	}
	return v.Name
}
