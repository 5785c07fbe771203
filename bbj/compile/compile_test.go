package compile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
)

// lines is an engine that finds something on each line that holds one of its
// words, and an error if it has one.
type lines struct {
	name  string
	words map[string]diag.Diagnostic
	err   error
}

func (l lines) Name() string                            { return l.name }
func (l lines) Version(context.Context) (string, error) { return l.name + " 1", l.err }

func (l lines) Compile(ctx context.Context, sources []compile.Source) ([]compile.Verdict, error) {
	if l.err != nil {
		return nil, l.err
	}
	var verdicts []compile.Verdict
	for _, s := range sources {
		v := compile.Verdict{Name: s.Name}
		offset := 0
		for i, text := range strings.SplitAfter(string(s.Text), "\n") {
			for word, d := range l.words {
				if col := strings.Index(text, word); col >= 0 {
					d.File = s.Name
					d.Span.Start = diag.Pos{Offset: offset + col, Line: i + 1, Col: col + 1}
					d.Span.End = diag.Pos{Offset: offset + len(text), Line: i + 1, Col: len(text) + 1}
					v.Diagnostics = append(v.Diagnostics, d)
				}
			}
			offset += len(text)
		}
		v.OK = !diag.HasErrors(v.Diagnostics, diag.Syntax)
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

var (
	rejected  = compile.Rejected.Finding("", diag.Span{}, "bbjcpl rejects this line", "")
	noVerdict = compile.NoVerdict.Finding("", diag.Span{}, "bbjcpl gives no verdict", "")
	comment   = diag.Diagnostic{Code: "BBJ1008", Severity: diag.Error, Family: diag.Syntax, Message: "no comment", Help: "write REM"}
	operator  = diag.Diagnostic{Code: "BBJ1009", Severity: diag.Error, Family: diag.Syntax, Message: "no operator"}
	method    = diag.Diagnostic{Code: "BBJ3001", Severity: diag.Error, Family: diag.API, Message: "no method"}
	block     = diag.Diagnostic{Code: "BBJ4001", Severity: diag.Warning, Family: diag.Style, Message: "no ENDIF"}
)

func engines() (judge, rest lines) {
	judge = lines{name: "bbjcpl", words: map[string]diag.Diagnostic{"//": rejected, "bad": rejected, "hang": noVerdict}}
	rest = lines{name: "embedded", words: map[string]diag.Diagnostic{"//": comment, "++": operator, "method": method, "if": block}}
	return judge, rest
}

func TestJoined(t *testing.T) {
	judge, rest := engines()
	tests := []struct {
		name, src string
		ok        bool
		want      []string
	}{
		{"nothing", "x\n", true, nil},
		{"rejected by the judge alone", "bad\n", false, []string{"1 BBJ0001 "}},
		{"rejected by the other alone", "++\n", true, nil},
		{"rejected by both", "x //\n", false, []string{"1 BBJ0001 embedded says BBJ1008: no comment (write REM)"}},
		{"other families", "method\nif\n", true, []string{"1 BBJ3001 ", "2 BBJ4001 "}},
		{"none on a broken line", "method\nif // method\nif\n", false, []string{"1 BBJ3001 ", "2 BBJ0001 embedded says BBJ1008: no comment (write REM)", "3 BBJ4001 "}},
		{"hint only where it is one", "hang ++\n", false, []string{"1 BBJ0002 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdicts, err := compile.Joined{Judge: judge, Rest: rest}.Compile(t.Context(), []compile.Source{{Name: "p", Text: []byte(tt.src)}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range verdicts[0].Diagnostics {
				got = append(got, fmt.Sprintf("%d %s %s", d.Span.Start.Line, d.Code, d.Help))
			}
			if verdicts[0].OK != tt.ok || verdicts[0].Name != "p" || !slices.Equal(got, tt.want) {
				t.Errorf("ok %v, %q, want %v, %q", verdicts[0].OK, got, tt.ok, tt.want)
			}
		})
	}
}

func TestJoinedIsItsJudge(t *testing.T) {
	judge, rest := engines()
	j := compile.Joined{Judge: judge, Rest: rest}
	if v, err := j.Version(t.Context()); j.Name() != "bbjcpl" || v != "bbjcpl 1, embedded embedded 1" || err != nil {
		t.Errorf("%q %q %v", j.Name(), v, err)
	}
	rest.err = errors.New("out of order")
	if _, err := (compile.Joined{Judge: judge, Rest: rest}).Version(t.Context()); err != rest.err {
		t.Error(err)
	}
}

// waiting is an engine that works until its context ends.
type waiting struct{ lines }

func (waiting) Compile(ctx context.Context, _ []compile.Source) ([]compile.Verdict, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Minute):
		return nil, nil
	}
}

// The error of one engine ends the work of the other, and is the one returned.
func TestErrorOfEither(t *testing.T) {
	failing := lines{err: errors.New("out of order")}
	for _, j := range []compile.Joined{{Judge: failing, Rest: waiting{}}, {Judge: waiting{}, Rest: failing}} {
		if v, err := j.Compile(t.Context(), nil); err != failing.err || v != nil {
			t.Errorf("joined: %v, %v", v, err)
		}
		if v, err := (compile.Compared{Judge: j.Judge, Other: j.Rest}).Disagreements(t.Context(), nil); err != failing.err || v != nil {
			t.Errorf("compared: %v, %v", v, err)
		}
	}
}

func TestDisagreements(t *testing.T) {
	judge, other := engines()
	tests := []struct {
		name, src string
		want      []string
	}{
		{"none", "x // y\nmethod\nif\n", nil},
		{"rule missing", "bad\n", []string{"1 bbjcpl rejects this line, embedded does not | embedded accepts the program"}},
		{"rule wrong", "++\n", []string{"1 embedded rejects this line, bbjcpl does not: BBJ1009: no operator | bbjcpl accepts the program"}},
		{"elsewhere as well", "//\nbad\nx++\n", []string{
			"2 bbjcpl rejects this line, embedded does not | 1 embedded rejects this one: BBJ1008: no comment (write REM)",
			"3 embedded rejects this line, bbjcpl does not: BBJ1009: no operator | 1 bbjcpl rejects this one"}},
		{"two parts of one line", "x\n:y bad\n:z ++\n", nil},
		{"two lines", "x\n:y bad\nz ++\n", []string{
			"2 bbjcpl rejects this line, embedded does not | 3 embedded rejects this one: BBJ1009: no operator",
			"3 embedded rejects this line, bbjcpl does not: BBJ1009: no operator | 2 bbjcpl rejects this one"}},
		{"first line with a colon", ":bad\n++\n", []string{
			"1 bbjcpl rejects this line, embedded does not | 2 embedded rejects this one: BBJ1009: no operator",
			"2 embedded rejects this line, bbjcpl does not: BBJ1009: no operator | 1 bbjcpl rejects this one"}},
		{"no verdict", "hang\n++\n", []string{"1 bbjcpl gives no verdict | "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lists, err := compile.Compared{Judge: judge, Other: other}.Disagreements(t.Context(), []compile.Source{{Name: "p", Text: []byte(tt.src)}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range lists[0] {
				line := fmt.Sprintf("%d %s | %s", d.Span.Start.Line, d.Message, d.Help)
				for _, r := range d.Related {
					line += fmt.Sprintf("%d %s", r.Span.Start.Line, r.Message)
				}
				got = append(got, line)
				if d.File != "p" || d.Severity != diag.Error {
					t.Errorf("%+v", d)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCodes(t *testing.T) {
	for _, code := range []string{"BBJ0001", "BBJ0002", "BBJ0003"} {
		if c, ok := compile.LookupCode(code); !ok || c.Code != code || c.Name == "" || c.Title == "" || c.Why == "" {
			t.Errorf("%s: %+v", code, c)
		}
	}
	if _, ok := compile.LookupCode("BBJ1001"); ok {
		t.Error("BBJ1001 belongs to a rule")
	}
}
