package nearest_test

import (
	"testing"

	"bbjtune/internal/nearest"
)

func TestName(t *testing.T) {
	keys := []string{"epochs", "learning_rate", "batch_size", "r", "seed"}
	cases := []struct{ name, want string }{
		{"epoch", "epochs"},
		{"learnign_rate", "learning_rate"},
		{"Learning_Rate", "learning_rate"},
		{"lr", "r"},
		{"sede", "seed"},
		{"packing", ""},
		{"", ""},
	}
	for _, c := range cases {
		if got := nearest.Name(c.name, keys); got != c.want {
			t.Errorf("Name(%q) = %q, want %q", c.name, got, c.want)
		}
	}
}
