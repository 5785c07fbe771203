package check

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bbjtune/bbj/compile"
	"bbjtune/bbj/diag"
)

const failing = `sysgui! = BBjAPI().openSysGui("X0")
window! = sysgui!.addWindow(100,100,300,200,"Demo",$00090083$)
button! = window!.addButton(101,20,20,90,25,"Push",$$)
button!.addEventListener("click", "pushed")
process_events
pushed:
alert("Hello")
return
`

const passing = `sysgui! = BBjAPI().openSysGui("X0")
window! = sysgui!.addWindow(100,100,300,200,"Demo",$00090083$)
button! = window!.addButton(101,20,20,90,25,"Push",$$)
button!.setCallback(button!.ON_BUTTON_PUSH, "pushed")
process_events
pushed:
x = msgbox("Hello")
release
`

func TestFabricationsAreFoundOnTheirLines(t *testing.T) {
	found := Source("fail.bbj", []byte(failing), Options{})
	if len(found) != 2 || found[0].Code != "BBJ3001" || found[0].Span.Start.Line != 4 || found[0].Family != diag.API ||
		found[1].Span.Start.Line != 7 || found[1].Family != diag.Syntax || found[1].File != "fail.bbj" {
		t.Errorf("failing program: %v", brief(found))
	}
	if found := Source("pass.bbj", []byte(passing), Options{}); len(found) != 0 {
		t.Errorf("passing program: %v", brief(found))
	}
}

func TestOnlyReportsTheFamiliesAskedFor(t *testing.T) {
	src := []byte(failing + "if x then\nprint x\n")
	tests := []struct {
		only []diag.Family
		want []int
	}{
		{[]diag.Family{diag.Syntax}, []int{7}},
		{[]diag.Family{diag.API}, []int{4}},
		{[]diag.Family{diag.API, diag.Syntax}, []int{4, 7}},
	}
	for _, tt := range tests {
		var lines []int
		for _, d := range Source("x", src, Options{Only: tt.only}) {
			lines = append(lines, d.Span.Start.Line)
		}
		if !slices.Equal(lines, tt.want) {
			t.Errorf("%v: lines %v, want %v", tt.only, lines, tt.want)
		}
	}
}

// An object whose type is not certain is never reported.
func TestUnknownTypesAreSilent(t *testing.T) {
	const window = "w!=BBjAPI().getSysGui().addWindow(\"x\")\n"
	for name, src := range map[string]string{
		"never assigned":      "w!.foo()\n",
		"assigned twice":      window + "w!=getit!\nw!.foo()\n",
		"assigned below":      "w!.foo()\n" + window + "w!=x!\n",
		"read into":           window + "read (1)w!\nw!.foo()\n",
		"passed to a program": window + "call \"p\",w!\nw!.foo()\n",
		"entered":             window + "enter w!\nw!.foo()\n",
		"loop variable":       window + "for w!=1 to 2\nw!.foo()\nnext\n",
		"other scope":         window + "class public A\nmethod public void m()\nw!.foo()\nmethodend\nclassend\n",
		"class from a file":   "use ::x.bbj::BBjButton\ndeclare BBjButton b!\nb!.foo()\n",
		"rests on an uncertain one through others": "q!=f!.make()\nx!=BBjAPI()\ny!=BBjAPI()\nagain:\nz!=y!\nz!.paint()\ny!=x!\nx!=q!.next()\ngoto again\n",
		"rests on an uncertain":                    window + "b!=w!.addButton(\"x\")\nw!=y!\nb!.foo()\n",
		"string object":                            "declare BBjString s!\ns!.strip()\n",
		"array":                                    "declare BBjButton[] b!\nb!.foo()\n",
		"unknown result":                           window + "w!.getUserData().foo()\n",
	} {
		t.Run(name, func(t *testing.T) {
			if found := Source("x", []byte(src), Options{}); len(found) > 0 {
				t.Errorf("found %v", brief(found))
			}
		})
	}
}

// What is known of an object comes from declarations, fields, parameters, casts,
// results of methods and the classes of the program itself.
func TestKnownTypesAreHeldToTheirMethods(t *testing.T) {
	const class = "class public A\nfield public BBjButton b!\nfield public String name$\n" +
		"method public BBjButton button()\nmethodret #b!\nmethodend\nmethod public void run(BBjListBox l!)\n%s\nmethodend\nclassend\n"
	for line, want := range map[string]string{
		"#b!.foo()":                           "BBjButton has no method `foo`",
		"#button().foo()":                     "BBjButton has no method `foo`",
		"#this!.button().foo()":               "BBjButton has no method `foo`",
		"#foo()":                              "A has no method `foo`",
		"#this!.foo()":                        "A has no method `foo`",
		"#print()":                            "A has no method `print`",
		"a!=new A();a!.setTitle(\"x\")":       "A has no method `setTitle`",
		"l!.addButton()":                      "BBjListBox has no method `addButton`",
		"cast(BBjButton,x!).foo()":            "BBjButton has no method `foo`",
		"a!=new A();a!.foo()":                 "A has no method `foo`",
		"a!=new A();a!.button().foo()":        "BBjButton has no method `foo`",
		"a!=new A();a!.run()":                 "A.run does not do without arguments",
		"declare BBjButton x!;x!=y!;x!.foo()": "BBjButton has no method `foo`",
		"#b!.setText(\"a\",\"b\",\"c\")":      "BBjButton.setText does not take 3 arguments",
		"x=num()":                             "function `NUM` does not do without arguments",
		"declare BBjButtom x!":                "class `BBjButtom` does not exist",
		"#b!.setCallback(#b!.ON_BUTTON_PUSH,#this!,\"nun\")": "A has no method `nun`",
	} {
		found := Source("x", fmt.Appendf(nil, class, line), Options{})
		if len(found) != 1 || found[0].Message != want || found[0].Span.Start.Line != 8 {
			t.Errorf("%s: found %q, want %q", line, brief(found), want)
		}
	}
	for _, line := range []string{
		"#b!.setText(\"a\",err=*next)", "#this!.getName()", "#setName(\"x\")", "#this!.toString()", "#name$(1,2)=\"ab\"",
		"declare B x!;x!.foo()", "x!=#getB();x!.setText(\"a\")", "#b!.setCallback(#b!.ON_BUTTON_PUSH,#this!,\"run\")",
		"a!=null();a!=new A();a!.button()", "declare auto BBjControl c!;c!=l!;c!.setText(\"a\")",
	} {
		if found := Source("x", fmt.Appendf(nil, class, line), Options{}); len(found) > 0 {
			t.Errorf("%s: found %q", line, brief(found))
		}
	}
}

// An object of a class that another one extends, or of an interface, may have
// methods that the text of its type does not name.
func TestAnObjectMayBeOfASubclass(t *testing.T) {
	for _, src := range []string{
		"class public A\nmethod public void run()\n#more()\nmethodend\nclassend\n" +
			"class public B extends A\nmethod public void more()\nmethodend\nclassend\n",
		"interface public I\nmethod public void run()\ninterfaceend\ndeclare I x!\nx!.run(1)\nx!.more()\n",
		"class public A\nmethod public void run()\nmethodend\nclassend\nclass public B extends A\n" +
			"method public void run(BBjNumber x)\nmethodend\nclassend\ndeclare A x!\nx!=new B()\nx!.run(1)\n",
	} {
		if found := Source("x", []byte(src), Options{}); len(found) > 0 {
			t.Errorf("%s: found %q", src, brief(found))
		}
	}
}

func TestHintsNameTheRealWord(t *testing.T) {
	for src, want := range map[string]string{
		"goto totl\ntotal: end\n": "did you mean total?",
		"x=lne(a$)\n":             "did you mean LEN?",
		"pritn x\n":               "did you mean PRINT?",
		"BBjAPI().getSysGui().addWindow(\"x\").setTitel(\"y\")\n":      "did you mean setTitle?",
		"callback(ON_CLOS,a,0)\na: return\n":                           "did you mean ON_CLOSE?",
		"a$=ucase(b$)\n":                                               "write CVS(a$,4)",
		"declare BBjButton b!\nb!.addEventListener(\"click\",\"x\")\n": "write setCallback(object!.ON_…,\"label\")",
	} {
		found := Source("x", []byte(src), Options{})
		if len(found) != 1 || found[0].Help != want {
			t.Errorf("%q: %+v", src, found)
		}
	}
}

func TestEmbeddedKeepsTheOrderOfItsSources(t *testing.T) {
	var sources []compile.Source
	for i := range 50 {
		text := passing
		if i%3 == 0 {
			text = failing
		}
		sources = append(sources, compile.Source{Name: fmt.Sprintf("p%d", i), Text: []byte(text)})
	}
	verdicts, err := Embedded{}.Compile(t.Context(), sources)
	if err != nil || len(verdicts) != len(sources) {
		t.Fatalf("%d verdicts, %v", len(verdicts), err)
	}
	for i, v := range verdicts {
		if v.Name != sources[i].Name || v.OK == (i%3 == 0) {
			t.Errorf("verdict %d: %+v", i, v)
		}
	}
}

func TestEmbeddedJudgesNothingAfterItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err := (Embedded{}).Compile(ctx, []compile.Source{{Name: "x"}}); err == nil || v != nil {
		t.Errorf("got %v, %v", v, err)
	}
	if v, err := (Embedded{}).Compile(t.Context(), nil); err != nil || len(v) != 0 {
		t.Errorf("no sources: %v, %v", v, err)
	}
}

func TestEmbeddedHasANameAndAVersion(t *testing.T) {
	v, err := Embedded{}.Version(t.Context())
	if (Embedded{}).Name() != "embedded" || v == "" || err != nil {
		t.Errorf("%q %q %v", Embedded{}.Name(), v, err)
	}
}

func BenchmarkSource(b *testing.B) {
	pattern := "../testdata/valid/*.bbj"
	if p := os.Getenv("BBJTUNE_BENCH"); p != "" {
		pattern = p
	}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		b.Fatal(err)
	}
	var all [][]byte
	size := 0
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, src)
		size += len(src)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, src := range all {
			Source("x", src, Options{})
		}
	}
}
