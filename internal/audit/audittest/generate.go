// Package audittest makes a set of rows that has the defects of the first
// attempt's 9,922, at their own counts: what an audit must find is known
// beforehand. The rows themselves are made up.
package audittest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
)

// The counts of the first attempt's set, as they are on record.
const (
	Rows          = 9922
	Repeated      = 375 // prompts that occur 2 or 3 times
	RepeatedRows  = 766
	Conflicting   = 41 // of the repeated ones; "some" on record
	Escaped       = 60 // rows with a literal \n
	Text          = Rows / 10
	Mixed         = Rows * 4 / 100
	Raw           = Rows * 2 / 1000
	AtMost10      = 22
	Under50       = 234
	Over1000      = 596
	Median        = 414
	Longest       = 4725
	systemContent = "You are an expert BBj programmer."
)

// Generate makes the rows of a seed, in an order of the seed's.
func Generate(seed uint64) []chat.Row {
	random := rand.New(rand.NewPCG(seed, 9922))
	g := generator{random}
	lengths := g.lengths()
	forms := g.forms(lengths)
	rows := make([]chat.Row, Rows)
	for i := range rows {
		rows[i] = row(g.words(10+random.IntN(6)), g.answer(forms[i], lengths[i], i))
	}
	g.escape(rows, forms)
	g.repeat(rows, lengths, forms)
	random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

// Write writes so many rows as JSONL: blocks of Rows, each of the next seed and with
// all the defects at their counts. The last block is cut short where the number asks
// for it.
func Write(w io.Writer, seed uint64, rows int) error {
	for ; rows > 0; seed++ {
		block := Generate(seed)
		if err := chat.WriteJSONL(w, block[:min(rows, len(block))]); err != nil {
			return err
		}
		rows -= len(block)
	}
	return nil
}

func row(prompt, answer string) chat.Row {
	return chat.Row{Messages: []chat.Message{
		{Role: chat.System, Content: systemContent}, {Role: chat.User, Content: prompt}, {Role: chat.Assistant, Content: answer},
	}}
}

type generator struct{ random *rand.Rand }

// lengths are those of the answers in characters: so many short and long ones,
// and the median where it was.
func (g generator) lengths() []int {
	const atMedian, below = 200, Rows/2 - 60
	var list []int
	add := func(n, low, high int) {
		for range n {
			list = append(list, low+g.random.IntN(high-low+1))
		}
	}
	add(AtMost10, 4, 10)
	add(Under50-AtMost10, 11, 49)
	add(below-Under50, 60, Median-1)
	add(atMedian, Median, Median)
	add(Over1000-1, 1001, Longest-1)
	add(1, Longest, Longest)
	add(Rows-len(list), Median+1, 1000)
	return list
}

// forms are spread so that the shortest answers are prose: no program is as
// short.
func (g generator) forms(lengths []int) []audit.Form {
	list := make([]audit.Form, len(lengths))
	left := map[audit.Form]int{audit.Text: Text, audit.Mixed: Mixed, audit.Raw: Raw}
	for i, n := range lengths {
		if n < 60 {
			list[i] = audit.Text
			left[audit.Text]--
		}
	}
	order := g.random.Perm(len(list))
	for _, form := range []audit.Form{audit.Text, audit.Mixed, audit.Raw} {
		for _, i := range order {
			if left[form] == 0 {
				break
			}
			if list[i] == "" && lengths[i] >= 200 && lengths[i] <= 1000 {
				list[i] = form
				left[form]--
			}
		}
	}
	for i := range list {
		if list[i] == "" {
			list[i] = audit.Fenced
		}
	}
	return list
}

// answer is of the form and exactly so long.
func (g generator) answer(form audit.Form, length, number int) string {
	switch form {
	case audit.Text:
		return g.prose(length)
	case audit.Mixed:
		code := g.program(length/2, number)
		return g.prose(length-len(code)-1) + "\n" + code
	case audit.Raw:
		return g.program(length, number)
	}
	const open, end = "```bbj\n", "\n```"
	return open + g.program(length-len(open)-len(end), number) + end
}

// prose is a text of sentences that no compiler takes for statements.
func (g generator) prose(length int) string {
	if length < 12 {
		return strings.Repeat("y", length)
	}
	var b strings.Builder
	for b.Len() < length {
		b.WriteString("The " + g.words(3+g.random.IntN(5)) + ". ")
	}
	return b.String()[:length-1] + "."
}

// program is valid BBj, padded with a remark.
func (g generator) program(length, number int) string {
	text := fmt.Sprintf("x=%d", number)
	if length > 60 {
		text += fmt.Sprintf("\nprint \"%s\",x", g.words(1))
	}
	if shape := shapes[g.random.IntN(len(shapes))]; length > 150 {
		text += "\n" + strings.ReplaceAll(shape, "#", fmt.Sprint(number))
	}
	if pad := length - len(text) - len("rem ") - 1; pad > 0 {
		words := g.words(pad/2 + 1)
		return "rem " + words[:pad-1] + "z\n" + text
	}
	return text
}

// shapes are what programs have besides assignments: labels, blocks, classes.
var shapes = []string{
	"for i=1 to #\n  print i\nnext i",
	"loop#:\nx=x+1\nif x<# then goto loop#",
	"if x># then\n  print x\nelse\n  x=0\nendif",
	"while x>0\n  x=x-1\nwend",
	"class public C#\nmethod public BBjNumber n()\nmethodret #\nmethodend\nclassend",
	"gosub sub#\nend\nsub#:\nx=0\nreturn",
}

// words are letters that mean nothing, so that no two texts are alike.
func (g generator) words(n int) string {
	list := make([]string, n)
	for i := range list {
		var b strings.Builder
		for range 3 + g.random.IntN(6) {
			b.WriteByte("bcdfghklmnprstvwaeiou"[g.random.IntN(21)])
		}
		list[i] = b.String()
	}
	return strings.Join(list, " ")
}

// escape puts a literal \n into prose, for a space and a letter.
func (g generator) escape(rows []chat.Row, forms []audit.Form) {
	left := Escaped
	for i := range rows {
		answer := &rows[i].Messages[2].Content
		if left == 0 {
			return
		}
		if at := strings.Index(*answer, ". T"); forms[i] == audit.Text && at > 0 {
			*answer = (*answer)[:at+1] + `\n` + (*answer)[at+3:]
			left--
		}
	}
}

// repeat gives rows the prompt of another one, and its answer unless the two are
// to contradict each other. Only rows of the commonest length get another answer,
// so that no count of lengths or forms changes.
func (g generator) repeat(rows []chat.Row, lengths []int, forms []audit.Form) {
	var usual []int
	for i, n := range lengths {
		if n == Median && forms[i] == audit.Fenced {
			usual = append(usual, i)
		}
	}
	for i, n := range lengths {
		if n > Median && n <= 1000 && forms[i] == audit.Fenced {
			usual = append(usual, i)
		}
	}
	const thrice = RepeatedRows - 2*Repeated
	next := 0
	for group := range Repeated {
		copies := 2
		if group < thrice {
			copies = 3
		}
		head := usual[next]
		for _, i := range usual[next+1 : next+copies] {
			rows[i].Messages[1].Content = rows[head].Messages[1].Content
			if group >= Conflicting {
				rows[i].Messages[2].Content = rows[head].Messages[2].Content
			}
		}
		next += copies
	}
}
