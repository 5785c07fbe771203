package analysis

import (
	"reflect"
	"testing"

	"bbjtune/bbj/syntax"
)

// What is kept of one program must not be seen in the next: whatever the facts
// hold, their zero values and empty lists are all that goes back to the pool.
func TestReleasedFactsAreEmpty(t *testing.T) {
	src := "use com.example.A\nclass public B extends A\nfield public BBjButton b!\nmethod public void m(BBjNumber n)\nmethodend\nclassend\n" +
		"start: rem a: b\ndef fnx(a)=a\nread (1)x\nexecute a$\nx=fnx(1)\nprint 'CS'\nw!.setCallback(w!.ON_CLOSE,\"start\")\ngoto start\nwhile x<3\nwend\n// broken\n"
	p := NewPass(syntax.Parse([]byte(src)))
	f := p.Facts
	f.Variables()
	for i, v := 0, reflect.ValueOf(*f); i < v.NumField(); i++ {
		if v.Field(i).IsZero() || isList(v.Field(i)) && v.Field(i).Len() == 0 {
			t.Errorf("the program has no %s: the test says nothing about it", v.Type().Field(i).Name)
		}
	}
	p.Release()
	for i, v := 0, reflect.ValueOf(*f); i < v.NumField(); i++ {
		if isList(v.Field(i)) && v.Field(i).Len() > 0 {
			t.Errorf("%s is kept", v.Type().Field(i).Name)
		}
	}
}

func isList(v reflect.Value) bool { return v.Kind() == reflect.Map || v.Kind() == reflect.Slice }

// Findings outlive the pass that made them.
func TestFindingsOutliveThePass(t *testing.T) {
	p := NewPass(syntax.Parse([]byte("// hello\ngoto x\n")))
	p.Run(&Rule{Code: "X1", Name: "x", Run: func(p *Pass) { p.Report(p.Facts.Refs[0], "message", "help") }})
	p.Release()
	if found := p.Found(); len(found) != 2 || found[0].Code != "BBJ1008" || found[1].Code != "X1" || found[1].Span.Start.Line != 2 {
		t.Errorf("found %+v", found)
	}
}
