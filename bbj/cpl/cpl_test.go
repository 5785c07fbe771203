package cpl_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/cpl"
	"bbjtune/bbj/cpl/cpltest"
	"bbjtune/bbj/diag"
	"bbjtune/internal/proc"
)

// role, set in the environment, turns the test binary into the compiler.
const role = "CPL_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) != "" {
		cpltest.Main()
		return
	}
	os.Exit(m.Run())
}

func start(c *exec.Cmd) (cpl.Process, error) { return proc.Start(c) }

// engine returns one whose compiler is the stand-in, and keeps what it puts on
// disk in a folder that must be empty in the end.
func engine(t *testing.T, mode string, o cpl.Options) *cpl.Engine {
	t.Helper()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	t.Setenv(role, "1")
	t.Setenv(cpltest.Env, mode)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else a second for each call
	t.Cleanup(func() {
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	return cpl.New(os.Args[0], start, o)
}

func sources(texts ...string) []compile.Source {
	var list []compile.Source
	for i, text := range texts {
		list = append(list, compile.Source{Name: fmt.Sprintf("p%d", i), Text: []byte(text)})
	}
	return list
}

// brief shows verdicts as "p0: ok" or "p1: BBJ0001@3:1-9".
func brief(verdicts []compile.Verdict) []string {
	var out []string
	for _, v := range verdicts {
		line := v.Name + ":"
		if v.OK {
			line += " ok"
		}
		for _, d := range v.Diagnostics {
			line += fmt.Sprintf(" %s@%d:%d-%d", d.Code, d.Span.Start.Line, d.Span.Start.Col, d.Span.End.Col)
			for _, r := range d.Related {
				line += fmt.Sprintf("+%d", r.Span.Start.Line)
			}
		}
		out = append(out, line)
	}
	return out
}

func TestVerdicts(t *testing.T) {
	tests := []struct {
		name, src, want string
	}{
		{"valid", "print 1\n", "ok"},
		{"empty", "", "ok"},
		{"one line", "print 1\n  x++  \nprint 2\n", "BBJ0001@2:3-8"},
		{"CRLF", "print 1\r\n\tx++\r\n", "BBJ0001@2:2-5"},
		{"without an end of line", "print 1\nx++", "BBJ0001@2:1-4"},
		{"byte order mark", "\xef\xbb\xbfx++\n", "BBJ0001@1:4-7"},
		{"Latin-1", "print \"\xfc\"\nx$=\"\xe4\"++\n", "BBJ0001@2:1-9"},
		{"own line numbers", "0100 print 1\n0110 x++\n", "BBJ0001@2:1-9"},
		{"two lines", "x++\ny==1\n", "BBJ0001@1:1-4 BBJ0001@2:1-5"},
		{"tokenised", "<<bbj>>\x01\x02\x00", "ok"}, // the compiler's to judge
		{"METHOD and its METHODEND", "class A\n  method void m())\n  x=1\n  methodend\nclassend\n", "BBJ0001@2:3-19+4"},
		{"METHODEND for a reason of its own", "method void m()\nx=1\nmethodend++\n", "BBJ0001@3:1-12"},
		{"METHODEND of another METHOD", "method void m())\nmethod void n()\nmethodend++\n", "BBJ0001@1:1-17 BBJ0001@3:1-12"},
		{"two METHODs", "method void m()++\nmethodend\nmethod void n()++\nmethodend\n", "BBJ0001@1:1-18+2 BBJ0001@3:1-18+4"},
		{"numbered METHOD", "10 method void m()++\n20 methodend\n", "BBJ0001@1:1-21+2"},
		{"variable of that name", "method2=1++\nmethodend++\n", "BBJ0001@1:1-12 BBJ0001@2:1-12"},
	}
	for _, mode := range []string{"", "short", "folded", "status", "java"} {
		t.Run("mode "+mode, func(t *testing.T) {
			var texts, want []string
			for i, tt := range tests {
				texts = append(texts, tt.src)
				want = append(want, fmt.Sprintf("p%d: %s", i, tt.want))
			}
			verdicts, err := engine(t, mode, cpl.Options{}).Compile(t.Context(), sources(texts...))
			if err != nil {
				t.Fatal(err)
			}
			got := brief(verdicts)
			for i, tt := range tests {
				if got[i] != want[i] {
					t.Errorf("%s: got %s, want %s", tt.name, got[i], want[i])
				}
			}
			for _, v := range verdicts {
				if v.OK == diag.HasErrors(v.Diagnostics, diag.Syntax) {
					t.Errorf("%s: OK is %v with %v", v.Name, v.OK, v.Diagnostics)
				}
			}
		})
	}
}

// The name of a source is no path: nothing is written where it points.
func TestNamesAreNoPaths(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	list := []compile.Source{
		{Name: outside, Text: []byte("x++\n")},
		{Name: "../../etc/x\n/y", Text: []byte("print 1\n")},
		{Name: "-t", Text: []byte("print 1\n")},
		{Name: "", Text: []byte("print 1\n")},
	}
	verdicts, err := engine(t, "", cpl.Options{}).Compile(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range verdicts {
		if v.Name != list[i].Name || v.OK != (i > 0) || i == 0 && v.Diagnostics[0].File != outside {
			t.Errorf("verdict %d: %+v", i, v)
		}
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("the source was written to the place it names")
	}
}

// A source whose echo looks like a report on another source changes nothing.
func TestReportsCannotBeForged(t *testing.T) {
	forged := "x++ /tmp/x-1.bbj: error at line 10 (1):\nrem -1.bbj: error at line 10 (1): ++\n"
	for _, mode := range []string{"", "folded"} {
		verdicts, err := engine(t, mode, cpl.Options{}).Compile(t.Context(), sources(forged, "print 1\n"))
		if err != nil || !verdicts[1].OK || len(verdicts[0].Diagnostics) != 2 {
			t.Errorf("%v, %v", brief(verdicts), err)
		}
	}
}

func TestBatches(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv(cpltest.Env+"_LOG", log)
	e := engine(t, "", cpl.Options{Batch: 4, Parallel: 2})
	var texts, want []string
	for i := range 10 {
		texts = append(texts, strings.Repeat("print 1\n", i)+"x++\n")
		want = append(want, fmt.Sprintf("p%d: BBJ0001@%d:1-4", i, i+1))
	}
	verdicts, err := e.Compile(t.Context(), sources(texts...))
	if got := brief(verdicts); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q (%v)", got, want, err)
	}
	var sizes []string
	for _, call := range calls(t, log) {
		sizes = append(sizes, strings.Fields(call)[0])
	}
	slices.Sort(sizes)
	if want := []string{"3", "5", "5"}; !slices.Equal(sizes, want) { // each with the control program
		t.Errorf("calls with %q files, want %q", sizes, want)
	}
	if verdicts, err := e.Compile(t.Context(), nil); err != nil || len(verdicts) != 0 || len(calls(t, log)) != 3 {
		t.Errorf("no sources: %v, %v", verdicts, err)
	}
}

func calls(t *testing.T, log string) []string {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// One program that the compiler fails on costs no other its verdict.
func TestCulprits(t *testing.T) {
	texts := make([]string, 20)
	want := make([]string, 20)
	for i := range texts {
		texts[i], want[i] = "print 1\n", fmt.Sprintf("p%d: ok", i)
	}
	texts[3], want[3] = "print 1\nx++\n", "p3: BBJ0001@2:1-4"
	tests := []struct{ how, message string }{
		{"dies", "was ended (signal: killed)"},
		{"quits", "ended without a report on the last file of its list"},
		{"raves", "wrote what is no report: Exception in thread \"main\" �[2J� java.lang.StackOverflowError"},
		{"floods", "wrote more than 64 MB"},
		{"hangs", "did not end within "},
	}
	for _, tt := range tests {
		t.Run(tt.how, func(t *testing.T) {
			if tt.how == "dies" && runtime.GOOS == "windows" {
				t.Skip("no signals")
			}
			o := cpl.Options{}
			if tt.how == "hangs" {
				o.Timeout = 2 * time.Second
			}
			list, want := slices.Clone(texts), slices.Clone(want)
			list[12], want[12] = "rem cpltest "+tt.how+"\n", "p12: BBJ0002@1:1-"+fmt.Sprint(len("rem cpltest "+tt.how)+1)
			verdicts, err := engine(t, "", o).Compile(t.Context(), sources(list...))
			if err != nil {
				t.Fatal(err)
			}
			if got := brief(verdicts); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			d := verdicts[12].Diagnostics[0]
			if want := "bbjcpl gives no verdict: with this program alone it " + tt.message; !strings.HasPrefix(d.Message, want) || d.Family != diag.Syntax || d.Severity != diag.Error {
				t.Errorf("message %q, want %q", d.Message, want)
			}
		})
	}
}

// What is rejected before the compiler fails is rejected.
func TestCulpritWithARejectedLine(t *testing.T) {
	verdicts, err := engine(t, "", cpl.Options{Batch: 1}).Compile(t.Context(), sources("rem cpltest raves\nx++\n"))
	if got := brief(verdicts); err != nil || got[0] != "p0: BBJ0001@2:1-4" {
		t.Errorf("%q, %v", got, err)
	}
}

// A compiler that fails on the control program fails the call: its silence on
// the sources means nothing.
func TestCompilerThatDoesNotWork(t *testing.T) {
	tests := []struct{ mode, message string }{
		{"deaf", "ended without a report on the last file of its list"},
		{"quits", "ended without a report on the last file of its list"},
		{"raves", "wrote what is no report: Exception in thread"},
		{"floods", "wrote more than 64 MB"},
		{"hangs", "did not end within 1s"},
	}
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			o := cpl.Options{}
			if tt.mode == "hangs" {
				o.Timeout = time.Second
			}
			verdicts, err := engine(t, tt.mode, o).Compile(t.Context(), sources("print 1\n", "x++\n"))
			want := fmt.Sprintf("bbjcpl at %s does not work: with a control program alone it %s", os.Args[0], tt.message)
			if verdicts != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v, %v, want %s", verdicts, err, want)
			}
		})
	}
}

func TestAbsentCompiler(t *testing.T) {
	e := cpl.New(filepath.Join(t.TempDir(), "bbjcpl"), start, cpl.Options{})
	if _, err := e.Compile(t.Context(), sources("print 1\n")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Compile: %v", err)
	}
	if _, err := e.Version(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Version: %v", err)
	}
}

func TestEndOfContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	verdicts, err := engine(t, "hangs", cpl.Options{}).Compile(ctx, sources("print 1\n"))
	if verdicts != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", verdicts, err)
	}
}

func TestVersionNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bbjcpl")
	version := func(text string) string {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
		v, err := cpl.New(path, start, cpl.Options{}).Version(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	one, two := version("one"), version("two")
	if want := "sha256:7692c3ad3540bb80, 3 bytes, 2026-08-01T12:00:00Z, " + path; one != want || two == one {
		t.Errorf("%q and %q, want %q", one, two, want)
	}
}
