package check

import (
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

var unknownMethod = Rule{
	Code: "BBJ3001", Name: "unknown-method", Family: diag.API, Severity: diag.Error,
	Title: "method that no object of BBj has",
	Why:   "the program compiles, and fails when it runs: the type of the object is known and the name is not",
	Bad: "window!=BBjAPI().openSysGui(\"X0\").addWindow(10,10,100,100,\"x\",$00090002$)\n" +
		"button!=window!.addButton(1,10,10,80,20,\"OK\",$$)\n" +
		"button!.addEventListener(\"click\",\"pushed\")\n", BadLine: 3,
	Good: "window!=BBjAPI().openSysGui(\"X0\").addWindow(10,10,100,100,\"x\",$00090002$)\n" +
		"button!=window!.addButton(1,10,10,80,20,\"OK\",$$)\n" +
		"button!.setCallback(button!.ON_BUTTON_PUSH,\"pushed\")\nprocess_events\npushed:\nreturn\n",
	run: runUnknownMethod,
}

func runUnknownMethod(p *pass) {
	var t *types
	for _, call := range p.facts.calls {
		receiver, name, ok := call.Method()
		if !ok || receiver == nil {
			continue
		}
		if _, known := knownMethods.lookup(name.Name); known {
			continue
		}
		if t == nil {
			t = infer(p.facts)
		}
		class := t.of(receiver)
		if class == "" {
			continue
		}
		help := insteadOfMethod[fold(name.Name)]
		if help == "" {
			help = didYouMean(name.Name, knownMethods.all())
		}
		p.report(name, class+" has no method "+quote(name.Name), help)
	}
}

// insteadOfMethod maps methods of other worlds to what BBj has instead.
var insteadOfMethod = map[string]string{
	"addeventlistener":  "write setCallback(object!.ON_…,\"label\")",
	"onclick":           "write setCallback(object!.ON_BUTTON_PUSH,\"label\")",
	"addactionlistener": "write setCallback(object!.ON_BUTTON_PUSH,\"label\")",
	"on":                "write setCallback(object!.ON_…,\"label\")",
	"show":              "write setVisible(1)",
	"hide":              "write setVisible(0)",
	"close":             "write destroy()",
	"setcaption":        "write setText(text$)",
	"innerhtml":         "write setText(\"<html>…\")",
}

var unknownEvent = Rule{
	Code: "BBJ3002", Name: "unknown-event", Family: diag.API, Severity: diag.Error,
	Title: "event constant that does not exist",
	Why:   "the names of the events are fixed; another name fails when the program runs",
	Bad: "window!=BBjAPI().openSysGui(\"X0\").addWindow(10,10,100,100,\"x\",$00090002$)\n" +
		"window!.setCallback(window!.ON_WINDOW_CLOSE,\"done\")\ndone:\nrelease\n", BadLine: 2,
	Good: "window!=BBjAPI().openSysGui(\"X0\").addWindow(10,10,100,100,\"x\",$00090002$)\n" +
		"window!.setCallback(window!.ON_CLOSE,\"done\")\ndone:\nrelease\n",
	run: runUnknownEvent,
}

func runUnknownEvent(p *pass) {
	var t *types
	for _, m := range p.facts.events {
		if _, known := knownEvents.lookup(m.Name.Name); known {
			continue
		}
		if t == nil {
			t = infer(p.facts)
		}
		if t.of(m.X) == "" && !t.isClass(m.X) {
			continue
		}
		p.report(m.Name, "event "+quote(m.Name.Name)+" does not exist", didYouMean(m.Name.Name, knownEvents.all()))
	}
	for _, v := range p.facts.verbs {
		if v.Word != syntax.CALLBACK && v.Word != syntax.REMOVE_CALLBACK || len(v.Chan) == 0 {
			continue
		}
		id, ok := v.Chan[0].(*syntax.Ident)
		if !ok || !strings.HasPrefix(strings.ToUpper(id.Name), "ON_") {
			continue
		}
		if _, known := knownEvents.lookup(id.Name); !known && !p.variables()[fold(id.Name)] {
			p.report(id, "event "+quote(id.Name)+" does not exist", didYouMean(id.Name, knownEvents.all()))
		}
	}
}

var hostObject = Rule{
	Code: "BBJ3003", Name: "browser-object", Family: diag.API, Severity: diag.Error,
	Title: "object of a browser",
	Why:   "console and document live in JavaScript; the program compiles, and fails when it runs",
	Bad:   "console.log(\"started\")\n", BadLine: 1,
	Good: "print \"started\"\n",
	run:  runHostObject,
}

// hostMethods lists, for the objects of a browser, the methods that leave no
// doubt that they are meant.
var hostMethods = map[string][]string{
	"console":      {"log", "error", "warn", "info", "debug"},
	"document":     {"getElementById", "querySelector", "createElement", "write", "addEventListener"},
	"localstorage": {"getItem", "setItem"},
	"json":         {"parse", "stringify"},
}

func runHostObject(p *pass) {
	for _, call := range p.facts.calls {
		receiver, name, ok := call.Method()
		if !ok {
			continue
		}
		id, ok := receiver.(*syntax.Ident)
		if !ok || id.Suffix() != 0 {
			continue
		}
		for _, m := range hostMethods[fold(id.Name)] {
			if syntax.EqualFold(m, name.Name) && !p.variables()[fold(id.Name)] && !p.facts.types[fold(id.Name)] {
				help := ""
				if fold(id.Name) == "console" {
					help = "write PRINT"
				}
				p.report(call, quote(id.Name+"."+name.Name)+" belongs to JavaScript", help)
			}
		}
	}
}
