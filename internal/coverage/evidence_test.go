package coverage

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"bbjtune/bbj/check"
)

func TestGatherCounts(t *testing.T) {
	e := Gather([]Repository{
		{"b", []string{"print 1\nprint 2", "x++"}},
		{"a", []string{"print 1", "print 1\nprint 2", "w!=BBjAPI().openSysGui(\"X0\")"}},
	})
	if e.Programs != 3 || strings.Join(e.Repositories, " ") != "a b" {
		t.Errorf("%d programs of %v", e.Programs, e.Repositories)
	}
	// What both hold counts for the first, and a broken program not at all.
	if got := e.Names[Name{Kind: check.UseVerb, Name: "PRINT"}]; got != (Usage{1, 2, 3}) {
		t.Errorf("PRINT: %+v", got)
	}
	if got := e.Names[Name{check.UseMethod, "BBjAPI", "openSysGui"}]; got != (Usage{1, 1, 1}) {
		t.Errorf("openSysGui: %+v", got)
	}
	if got := e.Kinds[Kind{"bbj-gui", "gui"}]; got != 1 {
		t.Errorf("kinds: %v", e.Kinds)
	}
}

func TestEncodeIsRead(t *testing.T) {
	text, err := os.ReadFile("usage.tsv")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Public().Encode()); got != strings.ReplaceAll(string(text), "\r\n", "\n") {
		t.Error("usage.tsv does not come back")
	}
	e := Gather([]Repository{{"a/b", []string{"print 1"}}})
	back, err := decode(string(e.Encode()))
	if err != nil || !reflect.DeepEqual(back, e) {
		t.Errorf("read %+v, %v", back, err)
	}
}

// What public code uses is part of the API, and counts fit each other.
func TestPublicEvidence(t *testing.T) {
	known := map[Name]bool{}
	for _, n := range Names() {
		known[n] = true
	}
	e := Public()
	if len(e.Repositories) < 30 || e.Programs < 1000 {
		t.Errorf("%d programs of %d repositories", e.Programs, len(e.Repositories))
	}
	for n, u := range e.Names {
		if !known[n] {
			t.Errorf("%s %s is not in the API", n.Kind, n)
		}
		if u.Repositories < 1 || u.Repositories > len(e.Repositories) || u.Programs < u.Repositories || u.Programs > e.Programs || u.Uses < u.Programs {
			t.Errorf("%s: %+v", n, u)
		}
	}
	sum := 0
	for _, n := range e.Kinds {
		sum += n
	}
	if sum != e.Programs {
		t.Errorf("%d programs, %d in kinds", e.Programs, sum)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{"x", "verb\tPRINT\t1\t1", "verb\tPRINT\tx\t1\t1", "programs\t-1", "thing\tA\t1\t1\t1"} {
		if _, err := decode(text); err == nil || !strings.HasPrefix(err.Error(), "usage.tsv:1: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPossible(t *testing.T) {
	for _, c := range []struct {
		typ, gen, topic string
		want            bool
	}{
		{"completion", "character", "dwc", false},
		{"completion", "dwc", "dwc", true},
		{"completion", "all", "gui", false},
		{"completion", "vpro5", "gui", true},
		{"completion", "vpro5", "oop", false},
		{"migration", "all", "strings", false},
		{"migration", "character", "strings", false},
		{"migration", "vpro5", "strings", true},
		{"explanation", "character", "file-io", true},
	} {
		if got := Possible(c.typ, c.gen, c.topic); got != c.want {
			t.Errorf("%s %s %s: %v", c.typ, c.gen, c.topic, got)
		}
	}
}
