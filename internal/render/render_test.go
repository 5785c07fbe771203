package render_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/bbj/diag"
	"bbjtune/internal/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

var findings = []diag.Diagnostic{
	{Code: "BBJ1001", Name: "foreign-comment", Severity: diag.Error, Family: diag.Syntax, File: "a.bbj", Message: "// is not a comment", Help: "write REM",
		Span: diag.Span{Start: diag.Pos{Offset: 7, Line: 2, Col: 4}, End: diag.Pos{Offset: 9, Line: 2, Col: 6}}},
	{Code: "BBJ4001", Name: "block-if", Severity: diag.Warning, Family: diag.Style, File: "a.bbj", Message: "IF without ENDIF",
		Span: diag.Span{Start: diag.Pos{Offset: 14, Line: 3, Col: 1}, End: diag.Pos{Offset: 30, Line: 4, Col: 1}}},
	{Code: "EX102", Name: "front-matter", Severity: diag.Error, Family: diag.Format, File: "absent.md", Message: "a\x1b[31m title\nis missing",
		Span: diag.Span{Start: diag.Pos{Line: 9, Col: 1}, End: diag.Pos{Line: 9, Col: 1}}},
}

var files = map[string][]byte{"a.bbj": []byte("rem\n\tx // y\x1b[2J\r\nif ü=1\n")}

func TestFindings(t *testing.T) {
	for _, format := range []string{"text", "concise", "json"} {
		t.Run(format, func(t *testing.T) {
			var out strings.Builder
			if err := render.Findings(&out, format, findings, files, false); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(out.String(), "\x1b\r") {
				t.Errorf("control characters of the source came through: %q", out.String())
			}
			golden(t, filepath.Join("testdata", format+".golden"), out.String())
		})
	}
	if render.Findings(&strings.Builder{}, "xml", nil, nil, false) == nil {
		t.Error("an unknown format was taken")
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
