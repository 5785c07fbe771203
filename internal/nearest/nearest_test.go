package nearest_test

import (
	"strings"
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

func TestNameOfManyLikeOnes(t *testing.T) {
	verbs := []string{"PRINT", "PREFIX", "RETURN", "GOSUB"}
	for name, want := range map[string]string{
		"pritn": "PRINT", "printt": "PRINT", "goosub": "GOSUB", "retrun": "RETURN", "xyz": "", "p": "", strings.Repeat("print", 20): "",
	} {
		if got := nearest.Name(name, verbs); got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
	}
}
