package review_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/review"
)

func random() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// asked are n prompts in two generations, answered by the models.
func asked(n int, models ...string) ([]review.Question, []review.Source) {
	var questions []review.Question
	sources := make([]review.Source, len(models))
	for i, m := range models {
		sources[i] = review.Source{Model: review.Model{Name: m, Run: "run-" + m, Key: "key-" + m}, Answers: map[string]review.Given{}}
	}
	for q := range n {
		id := fmt.Sprintf("gui/case-%02d", q)
		questions = append(questions, review.Question{Case: id, Title: "Case", Generation: []string{"dwc", "character"}[q%2], Prompt: "Do it"})
		for i := range models {
			sources[i].Answers[id] = review.Given{Text: fmt.Sprintf("print %d%d", i, q), Stopped: true}
		}
	}
	return questions, sources
}

func TestPlanBalancesPairs(t *testing.T) {
	for _, models := range [][]string{{"a", "b"}, {"a", "b", "c"}, {"a", "b", "c", "d"}} {
		questions, sources := asked(24, models...)
		r, m, err := review.Plan(questions, sources, 1, random())
		if err != nil || len(r.Items) != 24 || len(m.Items) != 24 {
			t.Fatalf("%v %d", err, len(r.Items))
		}
		pairs, x := map[[2]int]int{}, 0
		for i, by := range m.Items {
			pairs[[2]int{min(by.X, by.Y), max(by.X, by.Y)}]++
			if by.X < by.Y {
				x++
			}
			if want := fmt.Sprintf("print %d", by.X); !strings.HasPrefix(r.Items[i].X.Text, want) || r.Items[i].Number != i+1 {
				t.Errorf("item %d: %+v does not fit %+v", i, r.Items[i], by)
			}
		}
		k := len(models)
		for p, n := range pairs {
			if want := 24 / (k * (k - 1) / 2); n != want {
				t.Errorf("%v: pair %v %d times, want %d", models, p, n, want)
			}
		}
		if x < 4 || x > 20 {
			t.Errorf("%v: the first model is X in %d of 24", models, x)
		}
	}
}

func TestPlanLeavesOut(t *testing.T) {
	questions, sources := asked(4, "a", "b")
	delete(sources[0].Answers, questions[0].Case)
	sources[0].Answers[questions[1].Case] = review.Given{Text: "same  \r\n", Stopped: true}
	sources[1].Answers[questions[1].Case] = review.Given{Text: "same<|im_end|>", Stopped: true}
	r, _, err := review.Plan(questions, sources, 0, random())
	if err != nil || len(r.Items) != 2 || fmt.Sprint(r.Left) != "[{a model gave no answer 1} {both answers are the same 1}]" {
		t.Errorf("%v %d %v", err, len(r.Items), r.Left)
	}
	if _, _, err := review.Plan(nil, sources, 0, random()); err == nil {
		t.Error("nothing to compare is no error")
	}
}

func TestMask(t *testing.T) {
	m := review.NewMasker([]string{"bbj-coder-14b", "tuned", "shop.model:7b"})
	for _, x := range []struct{ text, want string }{
		{"rem by Claude 3.5\nprint 1  \r\n", "rem by MODELNAME 3.5\nprint 1"},
		{"As Qwen2.5-Coder-7B-Instruct I say", "As MODELNAME I say"},
		{"I am tuned, and this is finely tuned.", "I am MODELNAME, and this is finely tuned."},
		{"I'm an AI language model called Gemini.", "I'm an AI language model called MODELNAME."},
		{"BBJ-CODER-14B and Shop.Model:7B", "MODELNAME and MODELNAME"},
		{"<think>hm</think>print 1<|im_end|>\n<|im_start|>user", "print 1"},
		{"a<|fim_middle|>b[INST]", "ab"},
		{"a\u200bb\ufeff", "ab"},
		{"a phi! and a gemini! of mine, llama$", "a phi! and a gemini! of mine, llama$"},
		{"rem by tuned\nrem Author: Tuned\nx = y/by tuned", "rem by MODELNAME\nrem Author: MODELNAME\nx = y/by tuned"},
		{"qwen! = 1", "MODELNAME! = 1"},
		{"\n\n x\n\n", " x"},
	} {
		if got := m.Mask(x.text).Text; got != x.want {
			t.Errorf("%q became %q, want %q", x.text, got, x.want)
		}
	}
	got := fmt.Sprint(m.Counted())
	if want := "[{a model's name 9 7} {chat tokens or reasoning 3 2} {invisible characters 2 1}]"; got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
}

func TestMaskBounds(t *testing.T) {
	m := review.NewMasker(nil)
	long := m.Mask(strings.Repeat("ä", 3<<20))
	if len(long.Text) > review.MaxBytes || long.Cut != 6<<20-len(long.Text) || strings.Contains(long.Text, "\ufffd") {
		t.Errorf("%d bytes, %d cut", len(long.Text), long.Cut)
	}
	if a := m.Mask(strings.Repeat("x\n", 5000)); strings.Count(a.Text, "\n") != review.MaxLines-1 || a.Cut == 0 {
		t.Errorf("%d lines, %d cut", strings.Count(a.Text, "\n"), a.Cut)
	}
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{"", "print 1", "I am GPT-4", "\xff\x00<|x|>", "```bbj\nqwen! = 1"} {
		f.Add(s)
	}
	m := review.NewMasker([]string{"tuned", "m-1b"})
	f.Fuzz(func(t *testing.T, text string) {
		a := m.Mask(text)
		if len(a.Text) > review.MaxBytes || strings.Contains(strings.ToLower(a.Text), "qwen2") {
			t.Errorf("%q became %q", text, a.Text)
		}
	})
}

func TestOrder(t *testing.T) {
	secret := []byte("secret")
	a, b := review.Order(secret, 1, 20), review.Order(secret, 2, 20)
	if fmt.Sprint(a) != fmt.Sprint(review.Order(secret, 1, 20)) {
		t.Error("the order is not kept")
	}
	if fmt.Sprint(a) == fmt.Sprint(b) || fmt.Sprint(a) == fmt.Sprint(review.Order([]byte("other"), 1, 20)) {
		t.Error("two reviewers have the same order")
	}
	seen, swapped := map[int]bool{}, 0
	for _, p := range a {
		seen[p.Item] = true
		if p.Swapped {
			swapped++
		}
	}
	if len(seen) != 20 || !seen[1] || !seen[20] || swapped != 10 {
		t.Errorf("%d items, %d swapped", len(seen), swapped)
	}
}

// Neither the order of items nor the sides say who wrote what, over many reviewers.
func TestOrderSaysNothingOfModels(t *testing.T) {
	questions, sources := asked(20, "a", "b")
	r, m, err := review.Plan(questions, sources, 1, random())
	if err != nil {
		t.Fatal(err)
	}
	left, early := 0, 0
	const reviewers = 400
	for who := range reviewers {
		for at, p := range review.Order([]byte("secret"), who, len(r.Items)) {
			first := m.Items[p.Item-1].X
			if p.Swapped {
				first = m.Items[p.Item-1].Y
			}
			if first == 0 {
				left++
				if at < 10 {
					early++
				}
			}
		}
	}
	// Binomial with n = 8000 and 4000: five standard deviations.
	if math.Abs(float64(left)-4000) > 5*math.Sqrt(2000) || math.Abs(float64(early)-2000) > 5*math.Sqrt(1000) {
		t.Errorf("the first model is on the left in %d of 8000, %d of them early", left, early)
	}
}

func TestPlaceTranslates(t *testing.T) {
	seen := review.Choices{Quality: review.Left, Idiom: review.Right, Documentation: review.Tie, Overall: review.Bad}
	for _, p := range []review.Place{{1, false}, {1, true}} {
		kept, err := p.Kept(seen)
		if err != nil || p.Seen(kept) != seen {
			t.Errorf("%v %v %+v", p, err, kept)
		}
		if (kept.Quality == review.X) == p.Swapped {
			t.Errorf("%v: %+v", p, kept)
		}
	}
	for _, bad := range []review.Choice{"", "x", "LEFT"} {
		seen.Overall = bad
		if _, err := (review.Place{}).Kept(seen); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestSeal(t *testing.T) {
	questions, sources := asked(3, "a", "b")
	r, m, err := review.Plan(questions, sources, 1, random())
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, review.KeySize)
	sealed, err := review.Seal(r, m, key)
	if err != nil || bytes.Contains(sealed, []byte("run-a")) {
		t.Fatalf("%v %q", err, sealed)
	}
	back, err := review.Unseal(r, sealed, key)
	if err != nil || fmt.Sprint(back) != fmt.Sprint(m) {
		t.Errorf("%v %v", err, back)
	}
	if _, err := review.Unseal(r, sealed, bytes.Repeat([]byte{8}, review.KeySize)); err == nil {
		t.Error("another key opens it")
	}
	r.Items[0].X.Text = "print 9"
	if _, err := review.Unseal(r, sealed, key); err == nil {
		t.Error("it opens though the review was changed")
	}
	parsed, err := review.ParseKey("k", review.FormatKey(key))
	if err != nil || !bytes.Equal(parsed, key) {
		t.Errorf("%v %v", err, parsed)
	}
	for _, bad := range []string{"", "x", string(review.FormatKey(key[:5]))} {
		if _, err := review.ParseKey("k", []byte(bad)); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

// cast makes votes of a reviewer who thinks the same of all dimensions.
func cast(reviewer, item int, c review.Choice, swapped bool) review.Cast {
	return review.Cast{Reviewer: reviewer, Vote: review.Vote{Item: item, Choices: review.Choices{Quality: c, Idiom: c, Documentation: c, Overall: c}, Seconds: float64(10 * item), Swapped: swapped, Note: "n"}}
}

func TestResultsOfTwo(t *testing.T) {
	r := review.Review{ID: "r", Items: []review.Item{{Number: 1, Case: "a", Generation: "dwc"}, {Number: 2, Case: "b", Generation: "dwc"}, {Number: 3, Case: "c", Generation: "all"}}}
	m := review.Mapping{Models: []review.Model{{Name: "old", Key: "ko"}, {Name: "new", Key: "kn"}}, Items: []review.Authors{{0, 1}, {1, 0}, {0, 1}}}
	who := []review.Reviewer{{ID: 1, Name: "anna"}, {ID: 2, Name: "ben"}, {ID: 3, Name: "idle"}}
	x := review.NewResults(r, m, time.Unix(0, 0), who, []review.Cast{
		cast(1, 1, review.Y, false), cast(1, 2, review.X, true), cast(1, 3, review.Tie, false),
		cast(2, 1, review.Y, true), cast(2, 2, review.Y, false), cast(2, 3, review.Bad, false),
	})
	// new: prompt a 1, prompt b 1/2, prompt c 1/2: 2/3.
	s := x.Table(review.Overall, "").Scores
	if s[0].Model != "new" || math.Abs(s[0].Rate-2.0/3) > 1e-9 || s[0].Wins != 3 || s[0].Losses != 1 || s[0].Ties != 2 || s[0].Bad != 1 || s[0].Strength != nil {
		t.Errorf("%+v", s[0])
	}
	if s[1].Model != "old" || math.Abs(s[1].Rate-1.0/3) > 1e-9 {
		t.Errorf("%+v", s[1])
	}
	if g := x.Table(review.Quality, "dwc").Scores; math.Abs(g[0].Rate-0.75) > 1e-9 || g[0].Prompts != 2 {
		t.Errorf("%+v", g)
	}
	// By hand: units yy, xy, tie+bad; observed 2+2 = 4, expected 6·5-3·2 = 24 of 5: 1 - 5·4/24.
	if a := x.Agreement[3]; !a.Known || math.Abs(a.Alpha-(1-20.0/24)) > 1e-9 || a.Units != 3 {
		t.Errorf("%+v", a)
	}
	// On the left: anna Y right, X right; ben Y left, Y right.
	if x.Position.K != 1 || x.Position.N != 4 {
		t.Errorf("%+v", x.Position)
	}
	if a := x.Reviewers[0]; a.Votes != 3 || a.Median != 20 || a.Total != 60 {
		t.Errorf("%+v", a)
	}
	if n := x.Notes[0]; n.Reviewer != "anna" || n.Left != "old" || n.Right != "new" || n.Overall != "new" || len(x.Notes) != 6 {
		t.Errorf("%+v", n)
	}
	if v := x.Of("kn"); v == nil || v.Reviewers != 2 || x.Of("other") != nil {
		t.Errorf("%+v", v)
	}
	warned := strings.Join(x.Warnings, "|")
	for _, w := range []string{"prompts are few, 3", "comparisons that two reviewers judged are few, 3", "idle judged 0 of 3"} {
		if !strings.Contains(warned, w) {
			t.Errorf("%q is not warned of: %s", w, warned)
		}
	}
}

// Three models with known strengths: the order is found, and the intervals hold the
// truth.
func TestResultsOfThree(t *testing.T) {
	questions, sources := asked(60, "weak", "fair", "good")
	r, m, err := review.Plan(questions, sources, 0, random())
	if err != nil {
		t.Fatal(err)
	}
	strength := []float64{1, 2, 4}
	draw := random()
	var votes []review.Cast
	for i, by := range m.Items {
		c := review.Y
		if draw.Float64() < strength[by.X]/(strength[by.X]+strength[by.Y]) {
			c = review.X
		}
		votes = append(votes, cast(1, i+1, c, false))
	}
	x := review.NewResults(r, m, time.Unix(0, 0), []review.Reviewer{{ID: 1}}, votes)
	if x.Models[0].Name != "good" || x.Models[2].Name != "weak" {
		t.Errorf("%+v", x.Models)
	}
	for i, s := range x.Table(review.Overall, "").Scores {
		true := []float64{4, 2, 1}[i] / ([]float64{4, 2, 1}[i] + 2) // the mean logarithm is that of 2
		if rate, low, high := s.Estimate(); low > true || high < true || rate < low || s.Strength == nil {
			t.Errorf("%s: %s, true is %.3f", s.Model, s, true)
		}
	}
}
