package render_test

import (
	"testing"

	"bbjtune/internal/render"
)

func TestLinesAreFoundInAnyOrder(t *testing.T) {
	lines := render.NewLines([]byte("one\r\ntwo\n\nfour"))
	for _, c := range []struct {
		number int
		want   string
	}{{1, "one"}, {1, "one"}, {3, ""}, {4, "four"}, {2, "two"}, {5, ""}, {4, "four"}} {
		if got := lines.At(c.number); got != c.want {
			t.Errorf("line %d is %q, want %q", c.number, got, c.want)
		}
	}
}
