package page_test

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"bbjtune/internal/printable"
	"bbjtune/internal/review"
	"bbjtune/internal/review/page"
)

// hostile is what an answer might hold to take the page over.
const hostile = "</code></pre></section><script>alert(1)</script><img src=x onerror=alert(2)><style>*{display:none}</style>\n" +
	"\x1b[31m\x00\u202e <a href=\"javascript:alert(3)\">x</a> {{.Secret}} &lt; <!-- --> ]]> </textarea>\n" +
	"```bbj\nprint \"</span><svg onload=alert(4)>\" // <iframe>\nrem </code><form action=//evil>\n```\n<base href=//evil>"

func testReview(texts ...string) *review.Review {
	r := &review.Review{Version: 1, ID: "abc", Title: "A & B <review>"}
	for i, text := range texts {
		r.Items = append(r.Items, review.Item{Number: i + 1, Case: "c", Generation: "dwc", Prompt: text, X: review.Answer{Text: text}, Y: review.Answer{Text: "print 1", Cut: 7, Unstopped: true}})
	}
	return r
}

func compared(t *testing.T, r *review.Review, place review.Place) string {
	t.Helper()
	p := page.New(r)
	c := p.Comparison(1, place, review.Choices{Overall: review.Left})
	c.Head = p.Head("1")
	c.Note = "</textarea><b>"
	text, err := p.Write("compare", c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var tag = regexp.MustCompile(`<(/?[a-zA-Z!][a-zA-Z0-9]*)`)

// skeleton is the elements of a page, in their order.
func skeleton(text string) string {
	var list []string
	for _, m := range tag.FindAllStringSubmatch(text, -1) {
		if m[1] != "span" && m[1] != "/span" { // lines and colours
			list = append(list, m[1])
		}
	}
	return strings.Join(list, " ")
}

func TestHostileAnswersChangeNothing(t *testing.T) {
	// The harmless answer has as many parts: text, code, text.
	harmless := "x\n```bbj\nprint \"y\" // z\n```\nz"
	got, want := compared(t, testReview(hostile), review.Place{Item: 1}), compared(t, testReview(harmless), review.Place{Item: 1})
	cut := func(s string) string { // findings differ in number
		return regexp.MustCompile(`(?s)<details.*?</details>`).ReplaceAllString(s, "<details></details>")
	}
	if a, b := skeleton(cut(got)), skeleton(cut(want)); a != b {
		t.Errorf("the page changed:\n%s\n%s", a, b)
	}
	for _, bad := range []string{"<script>alert", "onerror=alert(2)>", "<iframe", "<svg", "<base", "javascript:alert(3)\"", " style="} {
		if i := strings.Index(got, bad); i >= 0 {
			t.Errorf("%q is in the page: %s", bad, got[max(0, i-80):i+80])
		}
	}
	if strings.ContainsFunc(got, printable.Dangerous) {
		t.Error("a control character is in the page")
	}
	if n := strings.Count(got, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
}

func TestSides(t *testing.T) {
	r := testReview("print 2")
	sides := regexp.MustCompile(`(?s)>Answer 1<.*?print.*?>(\d)<.*>Answer 2<.*?print.*?>(\d)<`)
	for _, swapped := range []bool{false, true} {
		m := sides.FindStringSubmatch(compared(t, r, review.Place{Item: 1, Swapped: swapped}))
		if m == nil || (m[1] == "2") == swapped || m[1] == m[2] {
			t.Errorf("swapped %v: %v", swapped, m)
		}
	}
}

func TestAnswerIsColouredAndChecked(t *testing.T) {
	text := compared(t, testReview("So:\n```bbj\nrem hello\nwindow!.dockLeft(1)\nprint \"a\" + \n```\n```python\nx = 1\n```"), review.Place{Item: 1})
	for _, want := range []string{
		`<span class="r">rem hello</span>`, `<span class="o">window!</span>`, `<span class="k">print</span>`, `<span class="s">&#34;a&#34;</span>`,
		`<span class="l">x = 1`, `<span class="error">Line 3</span>`, "7 more bytes are not shown", "cut off at the longest length", `value="left" required`, "checked",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in the page", want)
		}
	}
}

func TestWholeProgramIsChecked(t *testing.T) {
	r := testReview("next i")
	r.Items[0].X.Program = "for i=1 to 3\nnext i"
	if text := compared(t, r, review.Place{Item: 1}); strings.Contains(text, `class="error"`) {
		t.Error("the part was checked instead of the whole")
	}
}

var policy = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`)

// The offline page runs the one script that its policy names, and no other.
func TestOffline(t *testing.T) {
	r := testReview(hostile, "print 1 // x")
	text, err := page.New(r).Offline(review.Reviewer{ID: 1, Name: "Anna <b>", Token: "tok"}, review.Order([]byte("s"), 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	m := policy.FindStringSubmatch(got)
	if m == nil || !strings.HasPrefix(m[1], "default-src &#39;none&#39;") {
		t.Fatalf("policy %v", m)
	}
	for _, element := range []string{"script", "style"} {
		_, rest, _ := strings.Cut(got, "<"+element+">")
		inner, _, _ := strings.Cut(rest, "</"+element+">")
		sum := sha256.Sum256([]byte(inner))
		hash := strings.NewReplacer("+", "&#43;").Replace(base64.StdEncoding.EncodeToString(sum[:]))
		if inner == "" || !strings.Contains(m[1], hash) || strings.Count(got, "<"+element) != 1 {
			t.Errorf("the policy does not name the %s", element)
		}
	}
	if strings.Contains(got, "http://") || strings.Contains(got, "https://") || strings.Contains(got, "/static/") {
		t.Error("the page refers to something outside")
	}
	if n := strings.Count(got, "<article"); n != 2 {
		t.Errorf("%d comparisons", n)
	}
}
