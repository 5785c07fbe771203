package printable_test

import (
	"encoding/json"
	"strings"
	"testing"

	"bbjtune/internal/printable"
)

func TestDangerous(t *testing.T) {
	for _, r := range "\x00\a\b\r\x1b\x7f\u0085\u009b\u200e\u200f\u202a\u202e\u2066\u2069" {
		if !printable.Dangerous(r) {
			t.Errorf("%U is let through", r)
		}
	}
	for _, r := range "\n\t aZ~\u00a0ä€\u2028\u206a😀" {
		if printable.Dangerous(r) {
			t.Errorf("%U is held back", r)
		}
	}
}

func TestJSONSaysTheSame(t *testing.T) {
	const text = "{\"a\": \"x\u202e\u009b\u007f ä\"}\n"
	got := printable.JSON(text)
	var a, b map[string]string
	if json.Unmarshal([]byte(text), &a) != nil || json.Unmarshal([]byte(got), &b) != nil || a["a"] != b["a"] {
		t.Errorf("%q became %q", text, got)
	}
	if strings.ContainsFunc(got, printable.Dangerous) {
		t.Errorf("%q", got)
	}
}

func TestVisible(t *testing.T) {
	if got := printable.Visible("a\x1b[31m\u202eb\n\tc\x7f"); got != "a␛[31m�b\n\tc�" {
		t.Errorf("%q", got)
	}
}
