package suite_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/compile"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/answer"
	"bbjtune/internal/suite"
)

const core = "../../suites/bbj-core"

func judge(t *testing.T, c *suite.Case, text string) suite.Score {
	t.Helper()
	a := answer.Extract(text)
	verdicts, err := check.Embedded{}.Compile(context.Background(), []compile.Source{{Name: c.ID, Text: []byte(a.Code)}})
	if err != nil {
		t.Fatal(err)
	}
	return c.Judge(a, verdicts[0])
}

// Every reference and every right answer passes and names nothing that does not
// exist; every wrong answer fails for the reason it states.
func TestCoreSuite(t *testing.T) {
	s, err := suite.Load(core)
	if err != nil {
		t.Fatal(err)
	}
	findings, err := suite.Verify(t.Context(), check.Embedded{}, s.Questions())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Errorf("%s:%d: %s %s", f.File, f.Span.Start.Line, f.Code, f.Message)
	}
}

const program = `rem a test
use java.util.HashMap
class public Account extends Base
  field private BBjNumber balance
  method public void deposit(BBjNumber amount)
    #balance = #balance + amount
  methodend
classend
sysgui! = BBjAPI().openSysGui("X0")
w! = sysgui!.addWindow(10,10,300,200,"Main window",$00090083$)
b! = w!.addButton(101,10,10,90,25,"OK",$$)
b!.setCallback(b!.ON_BUTTON_PUSH,"do_ok")
w!.setCallback(w!.ON_CLOSE,"do_close")
for i = 1 to 42
  print 'CS',@(1,2),pos("a"=x$)
next i
process_events
do_ok:
return
do_close:
release
`

func TestChecks(t *testing.T) {
	tree := syntax.Parse([]byte(program))
	cases := []struct {
		check string
		want  bool
	}{
		{"verb: print", true}, {"verb: WHILE", false}, {"verb: [WHILE, FOR]", true}, {"verb: LET", true},
		{"function: POS", true}, {"function: MSGBOX", false},
		{"call: addButton", true}, {"call: addGrid", false},
		{"call: setCallback\nwith: ON_BUTTON_PUSH", true}, {"call: setCallback\nwith: ON_SELECT", false},
		{"call: addWindow\nwith: main", true},
		{"call: setCallback\nmin: 2", true}, {"call: setCallback\nmin: 3", false},
		{"mnemonic: cs", true}, {"mnemonic: '@'", true}, {"mnemonic: CL", false},
		{"identifier: on_close", true}, {"identifier: java.util.HashMap", true}, {"identifier: HashMap", true}, {"identifier: nothing", false},
		{"literal: main WINDOW", true}, {"literal: absent", false},
		{"number: 42", true}, {"number: 42.0", true}, {"number: 43", false},
		{"class: account", true}, {"class: '*'", true}, {"class: Other", false},
		{"method: deposit", true}, {"field: balance", true}, {"field: name", false}, {"extends: base", true},
		{"callbacks: true", true}, {"generation: bbj-gui", true}, {"generation: dwc", false},
		{"prose: hello.*world", true}, {"prose: ^absent$", false},
		{"not: {call: addGrid}", true}, {"not: {call: addButton}", false},
	}
	for _, c := range cases {
		t.Run(c.check, func(t *testing.T) {
			front := "title: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks:\n- " + strings.ReplaceAll(c.check, "\n", "\n  ")
			k, err := parse(front)
			if err != nil {
				t.Fatal(err)
			}
			if got := k.Checks[0].Holds(tree, "say hello\nto the World"); got != c.want {
				t.Errorf("holds = %v, want %v", got, c.want)
			}
		})
	}
}

func parse(front string) (*suite.Case, error) {
	return suite.ParseCase("gui/x.md", "x.md", []byte("---\n"+front+"\n---\n\n## Prompt\n\nDo it.\n\n## Reference\n\n```bbj\nrem\n```\n\n## Wrong\n\nfails: compile: no BBj\n\n```bbj\n}{\n```\n"))
}

func TestCallbacksMustLeadSomewhere(t *testing.T) {
	const head = "title: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [{callbacks: true}]"
	c, err := parse(head)
	if err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]bool{
		"rem": false,
		"w!.setCallback(1,\"gone\")\nhere:\nreturn":                                                   false,
		"w!.setCallback(1,\"here\")\nhere:\nreturn":                                                   true,
		"BBjAPI().createTimer(\"t\",1,\"tick\")\ntick:\nreturn":                                       true,
		"BBjAPI().createTimer(\"t\",1,\"tock\")\ntick:\nreturn":                                       false,
		"BBjAPI().createTimer(\"t\",1,x!,\"m\")":                                                      true,
		"w!.setCallback(1,x!,\"m\")":                                                                  true,
		"class public A\nmethod public void a()\nw!.setCallback(1,#this!,\"b\")\nmethodend\nclassend": false,
		"class public A\nmethod public void b()\nw!.setCallback(1,#this!,\"b\")\nmethodend\nclassend": true,
	} {
		if got := c.Checks[0].Holds(syntax.Parse([]byte(program)), ""); got != want {
			t.Errorf("%q: %v, want %v", program, got, want)
		}
	}
}

func TestParseCaseRefuses(t *testing.T) {
	good := "title: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [{verb: PRINT}]"
	cases := []struct{ name, old, new, want string }{
		{"unknown key", "title: x", "titel: x", `x.md:2: unknown key "titel"`},
		{"two kinds", "{verb: PRINT}", "{verb: PRINT, call: x}", "x.md: check 1: a check has exactly one kind, this one has 2 (verb, call)"},
		{"no kind", "{verb: PRINT}", "{min: 2}", "x.md: check 1: a check has exactly one kind, this one has 0 ()"},
		{"no verb", "verb: PRINT", "verb: FROBNICATE", `x.md: check 1: "FROBNICATE" is no verb`},
		{"with alone", "{verb: PRINT}", "{literal: PRINT, with: x}", "x.md: check 1: with belongs to call, function, new, verb"},
		{"generation", "generation: all", "generation: web", `x.md: generation "web" is not known`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(strings.Replace(good, c.old, c.new, 1))
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := suite.Load(dir); err == nil {
		t.Error("a folder without suite.yaml was loaded")
	}
	if err := os.WriteFile(filepath.Join(dir, "suite.yaml"), []byte("name: x\nversion: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Mkdir(filepath.Join(dir, "cases"), 0o755)
	if _, err := suite.Load(dir); err == nil || !strings.Contains(err.Error(), "holds no case") {
		t.Errorf("empty suite: %v", err)
	}
}
