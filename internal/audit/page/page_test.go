package page_test

import (
	"bytes"
	"flag"
	"html"
	"os"
	"regexp"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/audit"
	"bbjtune/internal/audit/page"
)

var update = flag.Bool("update", false, "write the golden file")

// written is the page of the rows in testdata, or of other rows.
func written(t *testing.T, rows string, examples int, once bool) string {
	t.Helper()
	o := audit.Options{
		Tokens: func(_ int, text string) int { return len(strings.Fields(text)) }, MaxTokens: 60,
		HeldOut: []audit.HeldOut{{Name: "odd/sum", Text: "What is the sum of all the odd numbers up to nineteen?"}},
	}
	r, err := audit.Audit(t.Context(), check.Embedded{}, strings.NewReader(rows), o)
	if err != nil {
		t.Fatal(err)
	}
	in := page.Input{Name: "rows\u202e<b>.jsonl", Report: r, File: strings.NewReader(rows), Examples: examples}
	if once {
		in.File = nil
	}
	var b bytes.Buffer
	if err := page.Write(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func rows(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/rows.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGolden(t *testing.T) {
	const golden = "testdata/page.html"
	got := written(t, rows(t), 2, false)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is written now; -update writes it", golden)
	}
}

// The page has no script, refers to nothing outside, and passes no text of the
// rows on as more than text.
func TestThePageIsHarmless(t *testing.T) {
	got := written(t, rows(t), 10, false)
	if found := regexp.MustCompile(`(?i)<script|<img|<link|<iframe|src=|url\(|\son\w+=|href="[^#]`).FindString(got); found != "" {
		t.Errorf("the page holds %s", found)
	}
	for _, secret := range []string{"hunter22", "joe@", "\x1b", "\u202e", "rows<b>"} {
		if strings.Contains(got, secret) {
			t.Errorf("the page holds %q", secret)
		}
	}
	for _, want := range []string{"&lt;script&gt;", "␛[31m", "[secret]", "[e-mail address]", "Content-Security-Policy"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestTheCountsAddUp(t *testing.T) {
	got := html.UnescapeString(written(t, rows(t), 0, false))
	for _, want := range []string{
		"15 rows = 3 unreadable + 12 conversations", "12 conversations = 7 fenced + 4 text + 1 mixed + 0 raw",
		"15 rows = 1 with nothing found + 1 with notes only + 2 with warnings + 11 with errors",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestOddSets(t *testing.T) {
	for _, test := range []struct {
		name, rows, want string
		once             bool
	}{
		{"nothing that can be read", "x\n", "1 row = 1 unreadable + 0 conversations", false},
		{"nothing found", `{"messages":[{"role":"user","content":"How is a file closed?"},{"role":"assistant","content":"The interpreter closes it when the program comes to its end."}]}`, "Nothing was found.", false},
		{"a pipe", "x\n", "can be read once", true},
	} {
		if got := html.UnescapeString(written(t, test.rows, 3, test.once)); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q is missing", test.name, test.want)
		}
	}
}
