package check

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
)

// Line 1 of each program is a finding of the api family, if not silenced.
const log = "console.log(\"x\")"

func TestIgnore(t *testing.T) {
	tests := []struct {
		name, src string
		want      []string // code@line
	}{
		{"nothing silenced", log, []string{"BBJ3003@1"}},
		{"own line", log + "; rem bbjtune:ignore BBJ3003 our class", nil},
		{"own line, another code", log + "; rem bbjtune:ignore BBJ3001 our class", []string{"BBJ3003@1", "BBJ4008@1"}},
		{"own line, not the next", "x=1; rem bbjtune:ignore BBJ3003 our class\n" + log, []string{"BBJ4008@1", "BBJ3003@2"}},
		{"next line", "rem bbjtune:ignore BBJ3003 our class\n" + log, nil},
		{"next line, not the one after", "rem bbjtune:ignore BBJ3003 our class\nx=1\n" + log, []string{"BBJ4008@1", "BBJ3003@3"}},
		{"over blank lines, remarks and labels", "rem bbjtune:ignore BBJ3003 our class\n\nrem hello\nlog:\n10 rem\n20 " + log, nil},
		{"two for one line", "rem bbjtune:ignore BBJ3003 our class\nrem bbjtune:ignore BBJ4002 closed below\nwhile x; " + log, nil},
		{"after a label", "log: rem bbjtune:ignore BBJ3003 our class\n" + log, nil},
		{"after THEN", "if x then " + log + "; rem bbjtune:ignore BBJ3003 our class", nil},
		{"after a line number", "10 rem bbjtune:ignore BBJ3003 our class\n20 " + log, nil},
		{"continued line", "rem bbjtune:ignore BBJ3003 our class\nx=1;\n:" + log, nil},
		{"at the end of a continued line", log + "; x=1+\n:1; rem bbjtune:ignore BBJ3003 our class", nil},
		{"in a method", "class public A\nmethod public void m()\nrem bbjtune:ignore BBJ3003 our class\n" + log + "\nmethodend\nclassend", nil},
		{"before the end of a method", "class public A\nmethod public void m()\nx=1\nrem bbjtune:ignore BBJ3003 our class\nmethodend\nclassend\n" + log,
			[]string{"BBJ4008@4", "BBJ3003@7"}},
		{"a warning", "rem bbjtune:ignore BBJ4001 closed below\nif x then\nprint x", nil},
		{"several codes", "rem bbjtune:ignore BBJ3003, bbj4002 our class\nwhile x; " + log, nil},
		{"several codes, one unused", "rem bbjtune:ignore BBJ3003,BBJ4002 our class\n" + log, []string{"BBJ4008@1"}},
		{"any case", "REM BBjTune:Ignore bbj3003 our class\n" + log, nil},
		{"CRLF", "rem bbjtune:ignore BBJ3003 our class\r\n" + log + "\r\n", nil},
		{"byte order mark", "\xef\xbb\xbfrem bbjtune:ignore BBJ3003 our class\n" + log, nil},
		{"no reason", "rem bbjtune:ignore BBJ3003\n" + log, []string{"BBJ4006@1", "BBJ3003@2"}},
		{"a reason without a word", "rem bbjtune:ignore BBJ3003 --- !\n" + log, []string{"BBJ4006@1", "BBJ3003@2"}},
		{"no code", "rem bbjtune:ignore our class\n" + log, []string{"BBJ4006@1", "BBJ3003@2"}},
		{"neither", log + "; rem bbjtune:ignore", []string{"BBJ3003@1", "BBJ4006@1"}},
		{"half a code", "rem bbjtune:ignore BBJ3003x our class\n" + log, []string{"BBJ4006@1", "BBJ3003@2"}},
		{"another word", "rem bbjtune:ignored BBJ3003 our class\n" + log, []string{"BBJ3003@2"}},
		{"not at the start", "rem see bbjtune:ignore BBJ3003 our class\n" + log, []string{"BBJ3003@2"}},
		{"syntax errors stay", "rem bbjtune:ignore BBJ1008 we write them so\n// hello\n", []string{"BBJ4007@1", "BBJ1008@2"}},
		{"undefined label stays", "goto x; rem bbjtune:ignore BBJ2001 elsewhere\n", []string{"BBJ2001@1"}},
		{"unknown code", "rem bbjtune:ignore BBJ9999 our class\nx=1", []string{"BBJ4008@1"}},
		{"its own warning stays", "rem bbjtune:ignore BBJ4008 later\nx=1", []string{"BBJ4008@1"}},
		{"nothing follows", "x=1\nrem bbjtune:ignore BBJ3003 our class", []string{"BBJ4008@2"}},
		{"broken program: perhaps of use", "rem bbjtune:ignore BBJ4001 closed below\nif x then\nprint x\n// hello\n", []string{"BBJ1008@4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range Source("x", []byte(tt.src), Options{}) {
				got = append(got, d.Code+"@"+strconv.Itoa(d.Span.Start.Line))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestIgnorePointsAtTheCode(t *testing.T) {
	src := "x=1; rem bbjtune:ignore BBJ3003 ,BBJ4002 our class\n"
	for i, d := range Source("x", []byte(src), Options{}) {
		if code := []string{"BBJ3003", "BBJ4002"}[i]; src[d.Span.Start.Offset:d.Span.End.Offset] != code || !strings.Contains(d.Message, code) {
			t.Errorf("%+v does not point at %s", d, code)
		}
	}
}

// An ignore of a family that is not asked for is neither used nor unused.
func TestIgnoreWithOnly(t *testing.T) {
	src := []byte("rem bbjtune:ignore BBJ3003 our class\n" + log + "\n")
	for _, f := range []diag.Family{diag.Style, diag.API, diag.Syntax} {
		if found := Source("x", src, Options{Only: []diag.Family{f}}); len(found) > 0 {
			t.Errorf("only %s: %v", f, brief(found))
		}
	}
}

func TestStrictHeedsNoIgnore(t *testing.T) {
	src := []byte("rem bbjtune:ignore BBJ3003 our class\n" + log + "\nx=1; rem bbjtune:ignore\n")
	if found := Source("x", src, Options{Strict: true}); len(found) != 1 || found[0].Code != "BBJ3003" {
		t.Errorf("found %v", brief(found))
	}
	for ignores, want := range map[bool]int{false: 1, true: 0} {
		v, err := Embedded{Ignores: ignores}.Compile(t.Context(), []compile.Source{{Text: src[:strings.Index(string(src), "x=1")]}})
		if err != nil || len(v[0].Diagnostics) != want {
			t.Errorf("Ignores %v: %v, %v", ignores, v, err)
		}
	}
}
