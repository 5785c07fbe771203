package audit_test

import (
	"reflect"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/compile"
	"bbjtune/internal/audit"
)

func TestPrograms(t *testing.T) {
	const f = "```"
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"prose", filler, nil},
		{"fences are one program", f + "bbj\nx=1\n" + f + "\nand\n" + f + "bbj\ny=2\n" + f, []string{"x=1\n\ny=2\n"}},
		{"raw", "x=1\ny=2", []string{"x=1\ny=2"}},
		{"a fence of BBj that does not say so", f + "\nrem x\nx=1\n" + f, []string{"rem x\nx=1\n"}},
		{"a fence of something else", f + "\nx = 1\nfor y in x: pass\n" + f, nil},
		{"code around a fence", f + "bbj\nx=1\n" + f + "\nThen:\ny=2\nz=3", []string{"x=1\n", "y=2\nz=3"}},
		{"blank lines inside", filler + "\ny=2\n\nz=3\n\n" + filler, []string{"y=2\n\nz=3"}},
		{"an uncertain border", filler + "\ny=2\nz=3\nand so on it goes", nil},
		{"one line", filler + "\ny=2\n\n" + filler, nil},
		{"two stretches", "a=1\nb=2\n\n" + filler + "\ny=2\nz=3", []string{"a=1\nb=2\ny=2\nz=3"}},
	} {
		if got := audit.Programs(test.text); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// Findings in members that stand alone are on the lines of the code as it is.
func TestJudgePutsMembersIntoAClass(t *testing.T) {
	text := "rem one\nmethod public void a()\nmethodend\n\nmethod public void b()\nx++\nmethodend\nprint 1\nfield public BBjNumber c\n"
	verdicts, err := audit.Judge(t.Context(), check.Embedded{}, []compile.Source{
		{Name: "good", Text: []byte("x=1")},
		{Name: "members", Text: []byte(text)},
		{Name: "mended", Text: []byte(strings.Replace(text, "x++", "x=x+1", 1))},
		{Name: "long", Text: []byte(strings.Repeat("x++\n", audit.MaxCode))},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range verdicts {
		got = append(got, v.Name+": "+audit.FirstError(v))
	}
	want := []string{"good: ", "members: BBJ1009 line 6: `++` is not BBj", "mended: ", "long: "}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCompiles(t *testing.T) {
	for text, want := range map[string]bool{
		"x=1": true, "x++": false, "method public void a()\nmethodend": true, "METHOD PUBLIC void a()\r\nx=1\r\nMETHODEND\r\n": true,
		"method public void a()\nx++\nmethodend": false, "class public A\nmethod public void a()\nmethodend\nclassend\nmethod public void b()\nmethodend": true,
		strings.Repeat("x=1\n", audit.MaxCode): false,
	} {
		if got := audit.Compiles(text); got != want {
			t.Errorf("%.80q: %v", text, got)
		}
	}
}
