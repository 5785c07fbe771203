package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bbjtune/bbj/generation"
	"bbjtune/internal/cli"
	"bbjtune/internal/example"
)

// called runs the program in this process.
func called(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	status = cli.Main(t.Context(), cli.Streams{Args: args, Out: &o, Err: &e, Env: func(string) string { return t.TempDir() }, Now: time.Now})
	return status, o.String(), e.String()
}

// skeletons are the flags for a skeleton of each type and generation.
func skeletons() [][]string {
	var list [][]string
	generations := append([]generation.Generation{generation.All, "bbj-gui,dwc", "character,vpro5"}, generation.Known()...)
	for _, kind := range example.Types() {
		if kind == example.Migration {
			continue
		}
		for _, g := range generations {
			list = append(list, []string{"--type", string(kind), "--generation", string(g)})
		}
	}
	for _, from := range generation.Known() {
		for _, to := range generation.Known() {
			list = append(list, []string{"--type", "migration", "--from", string(from), "--to", string(to)})
		}
	}
	return append(list, nil, []string{"--title", `A "title": of sorts # \`, "--difficulty", "advanced"})
}

// A skeleton has no finding but those that say what is left to fill in, one for
// each place, and none when that is done.
func TestNewExampleIsOnlyUnfinished(t *testing.T) {
	todo := regexp.MustCompile(`TODO:[^"\n]*`)
	for i, flags := range skeletons() {
		for _, topic := range []string{"gui", "dwc", "oop"} {
			name := fmt.Sprintf("%s/skeleton-%d", topic, i)
			t.Run(name+" "+strings.Join(flags, " "), func(t *testing.T) {
				dir := t.TempDir()
				status, out, errs := called(t, append([]string{"new", "example", name, "--dir", dir}, flags...)...)
				file := filepath.Join(dir, filepath.FromSlash(name)+".md")
				if status != 0 || out != file+"\n" {
					t.Fatalf("status %d, %q, %q", status, out, errs)
				}
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				places := todo.FindAllIndex(text, -1)
				if want := fmt.Sprintf("(%d places)", len(places)); len(places) < 4 || !strings.Contains(errs, want) {
					t.Errorf("%q does not say %s", errs, want)
				}
				status, out, _ = called(t, "check", "--engine", "embedded", "--output-format", "concise", file)
				var want strings.Builder
				for _, at := range places {
					before := string(text[:at[0]])
					line := strings.Count(before, "\n") + 1
					col := len(before) - strings.LastIndex(before, "\n")
					fmt.Fprintf(&want, "%s:%d:%d: error EX108: %q is not filled in\n", file, line, col, text[at[0]:at[1]])
				}
				if status != 1 || out != want.String() {
					t.Errorf("status %d, got\n%swant\n%s", status, out, want.String())
				}
				if err := os.WriteFile(file, todo.ReplaceAll(text, []byte("some words")), 0o600); err != nil {
					t.Fatal(err)
				}
				if status, out, _ := called(t, "check", "--engine", "embedded", file); status != 0 || out != "" {
					t.Errorf("filled in: status %d\n%s", status, out)
				}
			})
		}
	}
}
