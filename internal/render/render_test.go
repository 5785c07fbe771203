package render_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/bbj/diag"
	"bbjtune/internal/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

var source = []byte("rem\n\tx // y\x1b[2J\r\nif ü=1\n")

// place makes a span that starts and ends there; offsets are not printed.
func place(line, col, endLine, endCol int) diag.Span {
	return diag.Span{Start: diag.Pos{Line: line, Col: col}, End: diag.Pos{Line: endLine, Col: endCol}}
}

var findings = []diag.Diagnostic{
	{Code: "BBJ1001", Name: "foreign-comment", Severity: diag.Error, Family: diag.Syntax, File: "a.bbj", Message: "// is not a comment", Help: "write REM",
		Span: place(2, 4, 2, 6)},
	{Code: "BBJ4001", Name: "block-if", Severity: diag.Warning, Family: diag.Style, File: "a.bbj", Message: "IF without ENDIF",
		Span: place(3, 1, 4, 1), Related: []diag.Related{{Span: place(4, 1, 4, 1), Message: "the text ends\x1b[m"}}},
	{Code: "EX102", Name: "front-matter", Severity: diag.Error, Family: diag.Format, File: "absent.md", Message: "a\x1b[31m title\nis missing",
		Span: place(9, 1, 9, 1)},
	{Code: "BBJ1001", Name: "foreign-comment", Severity: diag.Error, Family: diag.Syntax, File: "a.bbj", Message: "ü and {0} [here](1): 100 %\r\n::error::x\u202e\u009b", Help: "50 %",
		Span: place(3, 6, 3, 7)},
	{Code: "BBJ1001", Name: "foreign-comment", Severity: diag.Error, Family: diag.Syntax, File: "d/a b,c:100%\n\x1b.bbj", Message: "x", Span: place(1, 1, 1, 1)},
}

// report is the one that the golden files show.
func report() render.Report {
	r := render.Report{Engine: "embedded", Tool: "1.0", Dir: filepath.FromSlash("/work"), Rule: func(code string) render.Rule {
		return render.Rule{Code: code, Name: "name of " + code, Title: "what {it} finds", Help: "why\n\nBad:\n\n    x // y\n", Family: diag.Syntax, Severity: diag.Error}
	}}
	for _, d := range findings {
		f := render.Finding{Diagnostic: d}
		if d.File == "a.bbj" {
			f.Source = render.NewLines(source).At(d.Span.Start.Line)
		}
		r.Findings = append(r.Findings, f)
	}
	return r
}

func TestFindings(t *testing.T) {
	for _, format := range render.Formats() {
		t.Run(format, func(t *testing.T) {
			var out strings.Builder
			if err := render.Findings(&out, format, report(), false); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(out.String(), "\x1b\r\u009b\u202e") {
				t.Errorf("control characters came through: %q", out.String())
			}
			golden(t, filepath.Join("testdata", format+".golden"), out.String())
		})
	}
	if render.Findings(&strings.Builder{}, "xml", report(), false) == nil {
		t.Error("an unknown format was taken")
	}
}

// What is made safe to look at is still the text itself to a program.
func TestJSONKeepsTheText(t *testing.T) {
	var out strings.Builder
	if err := render.Findings(&out, "json", report(), false); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Findings []struct{ File, Message string }
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	for i, d := range findings {
		if got.Findings[i].Message != d.Message || got.Findings[i].File != d.File {
			t.Errorf("%q became %q", d.Message, got.Findings[i].Message)
		}
	}
}

func TestGitHubCommandsAreOneLineEach(t *testing.T) {
	var out strings.Builder
	if err := render.Findings(&out, "github", report(), false); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(findings) {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "::error file=") && !strings.HasPrefix(line, "::warning file=") {
			t.Errorf("no command: %q", line)
		}
	}
}

func TestFileNames(t *testing.T) {
	dir := t.TempDir()
	tests := []struct{ file, uri, github string }{
		{"src/a.bbj", "src/a.bbj", "src/a.bbj"},
		{filepath.Join(dir, "src", "a.bbj"), "src/a.bbj", "src/a.bbj"},
		{"./src/../b.bbj", "b.bbj", "b.bbj"},
		{"<stdin>", "%3Cstdin%3E", "<stdin>"},
		{"http://x/a b#c?d.bbj", "http%3A/x/a%20b%23c%3Fd.bbj", "http%3A/x/a b#c?d.bbj"},
	}
	for _, tt := range tests {
		r := render.Report{Dir: dir, Findings: []render.Finding{{Diagnostic: diag.Diagnostic{Code: "X", File: tt.file, Severity: diag.Error, Message: "m"}}},
			Rule: func(code string) render.Rule { return render.Rule{Code: code} }}
		var sarif, github strings.Builder
		if err := render.Findings(&sarif, "sarif", r, false); err != nil {
			t.Fatal(err)
		}
		if err := render.Findings(&github, "github", r, false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(sarif.String(), `"uri": "`+tt.uri+`"`) || !strings.Contains(github.String(), "file="+tt.github+",") {
			t.Errorf("%s: want %s and %s in\n%s%s", tt.file, tt.uri, tt.github, sarif.String(), github.String())
		}
	}
	outside := filepath.Join(filepath.Dir(dir), "a.bbj")
	var sarif strings.Builder
	if err := render.Findings(&sarif, "sarif", render.Report{Dir: dir, Findings: []render.Finding{{Diagnostic: diag.Diagnostic{File: outside}}},
		Rule: func(string) render.Rule { return render.Rule{} }}, false); err != nil || !strings.Contains(sarif.String(), `"uri": "file:///`) {
		t.Errorf("%s: %v\n%s", outside, err, sarif.String())
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
