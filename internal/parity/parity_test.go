package parity_test

import (
	"fmt"
	"strings"
	"testing"

	"bbjtune/internal/parity"
	"bbjtune/internal/stats"
)

// trace is an answer to a prompt of two tokens; the margins are all alike.
func trace(margin float64, stopped bool, answer ...int) parity.Trace {
	t := parity.Trace{Prompt: []int{1, 2}, Sent: 2, Answer: answer, Stopped: stopped}
	for range answer {
		t.Margins = append(t.Margins, margin)
	}
	return t
}

func TestCompare(t *testing.T) {
	cases := []struct {
		name                string
		reference, packaged parity.Trace
		equal               int
		parts               bool
		words               string // tokens at the divergence
		tie                 bool
	}{
		{"equal", trace(1, true, 5, 6, 7), trace(1, true, 5, 6, 7), 3, false, "", false},
		{"another token", trace(1, true, 5, 6, 7), trace(1, true, 5, 8, 7), 1, true, "6 8", false},
		{"at a tie", trace(0.05, true, 5, 6, 7), trace(0.01, true, 5, 8), 1, true, "6 8", true},
		{"a tie on one side alone", trace(0.05, true, 5, 6, 7), trace(1, true, 5, 8), 1, true, "6 8", false},
		{"goes on", trace(0.01, true, 5, 6), trace(0.01, false, 5, 6, 7), 2, true, "- 7", false},
		{"ends early", trace(1, true, 5, 6, 7), trace(1, true, 5), 1, true, "6 -", false},
		{"nothing", trace(1, true), trace(1, true), 0, false, "", false},
	}
	for _, c := range cases {
		got := parity.Compare(c.name, c.reference, c.packaged)
		if !got.PromptEqual || got.Equal != c.equal || got.Tokens != len(c.reference.Answer) || (got.Divergence != nil) != c.parts {
			t.Errorf("%s: %+v", c.name, got)
			continue
		}
		if !c.parts {
			continue
		}
		word := func(token *int) string {
			if token == nil {
				return "-"
			}
			return fmt.Sprint(*token)
		}
		if d := got.Divergence; d.At != c.equal || d.NearTie != c.tie || word(d.Reference)+" "+word(d.Packaged) != c.words {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

// A prompt is equal only if its tokens are, and if as many were read.
func TestPrompts(t *testing.T) {
	a, b := trace(1, true, 5), trace(1, true, 5)
	b.Sent = 3 // a token before the first, which the server adds by itself
	if parity.Compare("x", a, b).PromptEqual {
		t.Error("the server reads another prompt than it shows")
	}
	b.Sent, b.Prompt = 2, []int{1, 3}
	if parity.Compare("x", a, b).PromptEqual {
		t.Error("another token")
	}
}

// report is one file of ten cases, of which one in 16 bit parts at the half.
func report(form string, change func(*parity.File)) *parity.Report {
	var cases []parity.Case
	for i := range 10 {
		answer := trace(0.01, true, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		other := trace(0.01, true, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		if i == 0 {
			other.Answer[6] = 0
		}
		cases = append(cases, parity.Compare(fmt.Sprint(i), answer, other))
	}
	f := parity.File{Form: form, Name: "model-" + form + ".gguf", Totals: parity.Sum(cases), Modelfile: 10, Comparisons: cases, Paired: stats.NewPaired(0, 0, 10)}
	if change != nil {
		change(&f)
	}
	return &parity.Report{Version: parity.Version, Compile: stats.NewProportion(8, 10), Files: []parity.File{f}}
}

func TestSum(t *testing.T) {
	f := report("f16", nil).Files[0]
	want := parity.Totals{Cases: 10, PromptsEqual: 10, Tokens: 100, Equal: 96, Prefix: 0.96, Identical: 9, NearTies: 1, Stopped: 10, ReferenceStopped: 10}
	if f.Totals != want {
		t.Errorf("got  %+v\nwant %+v", f.Totals, want)
	}
	if short := report("f16", nil).Short(); short.Files[0].Comparisons != nil || short.Files[0].Totals != want || short.Prompts() != 10 {
		t.Errorf("%+v", short)
	}
}

func TestJudge(t *testing.T) {
	limits := parity.Limits{MinPrefix: 0.95, MinStopped: 0.9, MaxDrop: 0.02}
	for _, c := range []struct {
		name, form string
		change     func(*parity.File)
		failed     string // the detail of the one gate that fails
	}{
		{"good", "f16", nil, ""},
		{"prompt", "q8_0", func(f *parity.File) { f.PromptsEqual = 9 }, "9 of 10 prompts"},
		{"Modelfile", "q8_0", func(f *parity.File) { f.Modelfile = 0 }, "0 of 10 prompts"},
		{"prefix", "f16", func(f *parity.File) { f.Prefix = 0.949 }, "94.9 % of 100 tokens; 1 of 1 answers that part do so at a near tie"},
		{"prefix of a quantized file", "q4_k_m", func(f *parity.File) { f.Prefix = 0.2 }, ""},
		{"lost", "f16", func(f *parity.File) { f.Lost, f.Stopped = 1, 9 }, "9 of 10"},
		{"another answer that goes on", "q8_0", func(f *parity.File) { f.Lost, f.Stopped = 1, 9 }, ""},
		{"lost by fewer bits", "q8_0", func(f *parity.File) { f.Lost, f.Stopped = 2, 8 }, "8 of 10, the adapter's 10; 2 that the adapter ends go on"},
		{"never stops", "q8_0", func(f *parity.File) { f.Stopped, f.ReferenceStopped = 0, 0 }, "0 of 10, the adapter's 0"},
		{"one program", "q8_0", func(f *parity.File) { f.Paired = stats.NewPaired(0, 1, 10) }, "-10.0 points on 10 programs, p = 1.000: that may be chance; more prompts would tell (--prompts 0 puts all)"},
		{"many programs", "q8_0", func(f *parity.File) { f.Paired = stats.NewPaired(0, 8, 10) }, "-80.0 points on 10 programs, p = 0.008"},
		{"as many won as lost", "q8_0", func(f *parity.File) { f.Paired = stats.NewPaired(3, 3, 10) }, ""},
		{"just within", "q8_0", func(f *parity.File) { f.Paired = stats.NewPaired(0, 1, 50) }, ""},
	} {
		var failed []string
		gates := report(c.form, c.change).Judge(limits)
		for _, g := range gates {
			if !g.Passed {
				failed = append(failed, g.Detail)
			}
		}
		if got := strings.Join(failed, " | "); got != c.failed || len(gates) < 4 {
			t.Errorf("%s: %d gates, failed %q, want %q", c.name, len(gates), got, c.failed)
		}
	}
	none := report("f16", nil)
	none.Compile = stats.NewProportion(0, 0)
	for _, g := range none.Judge(limits) {
		if strings.Contains(g.Gate, "compile") {
			t.Errorf("no case asks for a program: %+v", g)
		}
	}
}
