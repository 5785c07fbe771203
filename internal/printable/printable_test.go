package printable_test

import (
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
