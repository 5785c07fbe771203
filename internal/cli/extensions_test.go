package cli

import (
	"slices"
	"testing"
)

func TestPlainExtensions(t *testing.T) {
	if got, want := plainExtensions([]string{"BBJ", ".aon", ".", "bbj", "..src"}), []string{"", ".aon", ".bbj", ".src"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMostOf(t *testing.T) {
	for _, test := range []struct {
		counts map[string]int
		want   string
	}{
		{map[string]int{}, ""},
		{map[string]int{".aon": 150, "": 5}, ".aon 150, no extension 5"},
		{map[string]int{".b": 1, ".a": 1, ".c": 1, ".d": 1}, ".a 1, .b 1, .c 1, …"},
		{map[string]int{".\x1b[31m": 1}, ".�[31m 1"}, // a name commands no terminal
	} {
		if got := mostOf(test.counts); got != test.want {
			t.Errorf("%v: got %q, want %q", test.counts, got, test.want)
		}
	}
}
