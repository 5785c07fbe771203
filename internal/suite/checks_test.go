package suite_test

import (
	"strings"
	"testing"

	"bbjtune/bbj/syntax"
	"bbjtune/internal/suite"
)

const account = `rem the shapes of classes
interface public Priced
  method public BBjNumber price()
interfaceend
class public Account extends Base implements Priced
  field private BBjNumber balance
  field public static BBjString bank$
  method public void deposit(BBjNumber amount, BBjString note$)
    if amount <= 0 then throw "no amount", 99
    #balance = #balance + amount
  methodend
  method public static BBjNumber rate()
    methodret 0.5
  methodend
  method private BBjNumber price()
    methodret #balance
  methodend
classend
use java.util.HashMap
map! = new HashMap(16)
open (1,err=missing)"FILE"
read record (1,key="A",dom=missing)line$
print map!.get("k")
close (1)
end
missing:
  print "gone"
`

func TestShapesAndPlaces(t *testing.T) {
	tree := syntax.Parse([]byte(account))
	for check, want := range map[string]bool{
		"verb: READ\nwith: KEY":                                   true,
		"verb: READ\nwith: [DIR, DOM]":                            true,
		"verb: OPEN\nwith: KEY":                                   false,
		"verb: THROW\nwith: KEY":                                  false,
		"option: err":                                             true,
		"option: tim":                                             false,
		"option: err\nmin: 2":                                     false,
		"label: MISSING":                                          true,
		"label: other":                                            false,
		"new: HashMap":                                            true,
		"new: java.util.HashMap":                                  false, // written without its package
		"new: '*'":                                                true,
		"new: '*'\nmin: 2":                                        false,
		"new: Vector":                                             false,
		"interface: priced":                                       true,
		"interface: account":                                      false,
		"method: '*'\nmin: 4":                                     true,
		"method: '*'\nmin: 5":                                     false,
		"field: '*'\nvisibility: private":                         true,
		"class: account\nvisibility: public":                      true,
		"class: account\nvisibility: private":                     false,
		"implements: Priced":                                      true,
		"implements: Base":                                        false,
		"method: deposit\nparameters: 2":                          true,
		"method: deposit\nparameters: 1":                          false,
		"method: deposit\nreturns: void":                          true,
		"method: rate\nstatic: true":                              true,
		"method: deposit\nstatic: true":                           false,
		"method: price\nvisibility: private":                      true,
		"method: rate\nreturns: [BBjInt, BBjNumber]":              true,
		"field: balance\nvisibility: private":                     true,
		"field: balance\nvisibility: public":                      false,
		"field: bank\nstatic: true":                               true,
		"verb: THROW\ninside: deposit":                            true,
		"verb: THROW\ninside: rate":                               false,
		"verb: METHODRET\ninside: Account\nmin: 2":                true,
		"verb: METHODRET\ninside: Account\nmin: 3":                false,
		"verb: PRINT\ninside: Account":                            false,
		"any: [{verb: WHILE}, {new: HashMap}]":                    true,
		"any: [{verb: WHILE}, {new: Vector}]":                     false,
		"order: [{verb: OPEN}, {verb: READ}, {verb: CLOSE}]":      true,
		"order: [{verb: READ}, {verb: OPEN}]":                     false,
		"order: [{verb: PRINT}, {verb: PRINT}]":                   true,
		"order: [{verb: PRINT}, {verb: PRINT}, {verb: PRINT}]":    false,
		"not: {order: [{verb: CLOSE}, {verb: OPEN}]}":             true,
		"order: [{verb: OPEN, with: ERR}, {function: FNNOTHING}]": false,
	} {
		t.Run(check, func(t *testing.T) {
			k, err := parse("title: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks:\n- " + strings.ReplaceAll(check, "\n", "\n  "))
			if err != nil {
				t.Fatal(err)
			}
			if got := k.Checks[0].Holds(tree, ""); got != want {
				t.Errorf("holds = %v, want %v", got, want)
			}
		})
	}
}

func TestChecksNameThemselves(t *testing.T) {
	for check, want := range map[string]string{
		"verb: [READ, FIND]\nwith: KEY":                                 "verb READ or FIND with KEY",
		"method: rate\nstatic: true\nvisibility: public\nparameters: 0": "public static method rate of 0 parameters",
		"method: price\nreturns: BBjNumber\ninside: Account":            "method price that gives BBjNumber in Account",
		"any: [{verb: WHILE}, {verb: FOR, min: 2}]":                     "verb WHILE or verb FOR × 2",
		"order: [{verb: OPEN}, {verb: READ}]":                           "verb OPEN, then verb READ",
		"not: {callbacks: true}":                                        "not callbacks that lead somewhere",
		"prose: a.b":                                                    "text matching a.b",
	} {
		k, err := parse("title: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks:\n- " + strings.ReplaceAll(check, "\n", "\n  "))
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Checks[0].String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestChecksThatMakeNoSense(t *testing.T) {
	for check, want := range map[string]string{
		"{verb: PRINT, parameters: 1}":           "check 1: parameters belongs to method",
		"{call: x, visibility: public}":          "check 1: visibility belongs to method, field, class, interface",
		"{class: x, visibility: open}":           `check 1: visibility "open" is none of public, protected, private`,
		"{prose: x, min: 2}":                     "check 1: inside and min count places in a program, and prose has none",
		"{callbacks: true, inside: a}":           "check 1: inside and min count places in a program, and callbacks has none",
		"{verb: PRINT, min: -1}":                 "check 1: min and parameters are never negative",
		"{any: [{verb: PRINT}, {verb: NOVERB}]}": `check 1: any, item 2: "NOVERB" is no verb`,
		"{order: [{verb: PRINT}, {prose: x}]}":   "check 1: order, item 2: only what stands at places of a program has an order",
		"{prose: '('}":                           "check 1: prose: error parsing regexp: missing closing ): `(?is)(`",
		"{not: {verb: PRINT, call: x}}":          "check 1: a check has exactly one kind, this one has 2 (verb, call)",
	} {
		_, err := parse("title: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [" + check + "]")
		if err == nil || err.Error() != "x.md: "+want {
			t.Errorf("%s: got %v, want %s", check, err, want)
		}
	}
}

// The verb CALLBACK of Visual PRO/5 registers callbacks as well.
func TestCallbackVerb(t *testing.T) {
	c, err := parse("title: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [{callbacks: true}]")
	if err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]bool{
		"callback(on_close,bye,0)\nbye:\nrelease":                                    true,
		"callback(on_close,gone,0)\nbye:\nrelease":                                   false,
		"callback(on_close,BYE,0)\ncallback(on_button_push,lost,0,1)\nbye:\nrelease": false,
		"process_events": false,
	} {
		if got := c.Checks[0].Holds(syntax.Parse([]byte(program)), ""); got != want {
			t.Errorf("%q: %v, want %v", program, got, want)
		}
	}
}

func FuzzParseCase(f *testing.F) {
	f.Add("---\ntitle: x\ntype: completion\ngeneration: all\ndifficulty: basic\nchecks: [{verb: PRINT}]\n---\n\n## Prompt\n\nDo it.\n\n## Prefix\n\n```bbj\nx=1\n```\n\n## Reference\n\n```bbj\nprint x\n```\n\n## Wrong\n\nfails: compile: no BBj\n\n```bbj\n}{\n```\n")
	f.Add("---\nchecks: [{order: [{any: []}]}]\n---\n## Wrong\nfails: check 99999999999999999999\n")
	f.Add("---\nchecks:\n- &a\n  not: *a\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := suite.ParseCase("gui/x.md", "x.md", []byte(text))
		if err != nil {
			return
		}
		for i := range c.Checks {
			c.Checks[i].Holds(syntax.Parse([]byte(c.Program("print 1"))), "text")
			_ = c.Checks[i].String()
		}
	})
}
