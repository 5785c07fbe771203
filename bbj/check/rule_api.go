package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bbjtune/bbj/api"
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
	for _, call := range p.facts.calls {
		x, name, ok := call.Method()
		if !ok || !ofObject(x, name) {
			continue
		}
		c := p.types().receiver(call, x)
		if !p.types().lacks(c, name.Name) {
			continue
		}
		help := insteadOfMethod[fold(name.Name)]
		if help == "" {
			help = didYouMean(name.Name, p.types().methodNames(c))
		}
		p.report(name, c.name()+" has no method "+quote(name.Name), help)
	}
}

// ofObject reports whether the call may be one of a method that is looked up: a
// name with a suffix after # is a field, or a constructor as in #this!(), and
// other variables than those of objects need no inference.
func ofObject(x syntax.Expr, name syntax.Ident) bool {
	if x == nil {
		return name.Suffix() == 0
	}
	id, ok := x.(*syntax.Ident)
	return !ok || id.Suffix() == '!'
}

// lacks reports whether no object of the class has a method of that name. Of an
// API class whose methods are not all known, that is certain only if no class
// of the API has it.
func (t *types) lacks(c class, name string) bool {
	switch {
	case c.api != nil:
		return c.api.Lacks(name) || !c.api.Closed() && !api.IsMethod(name)
	case c.own != nil:
		return !extends(c.own) && len(methodsOf(c.own, name)) == 0 && !isAccessor(c.own, name) && !object().has(name)
	}
	return false
}

// extends reports whether the class may have more methods than it defines.
func extends(c *syntax.ClassDecl) bool { return len(c.Extends)+len(c.Implements) > 0 }

// isAccessor reports whether the name is that of a method which BBj makes for a
// field: getName and setName.
func isAccessor(c *syntax.ClassDecl, name string) bool {
	if len(name) < 4 || !syntax.EqualFold(name[:3], "get") && !syntax.EqualFold(name[:3], "set") {
		return false
	}
	return slices.ContainsFunc(c.Members, func(m syntax.Stmt) bool {
		f, ok := m.(*syntax.FieldDecl)
		return ok && syntax.EqualFold(strings.TrimRight(f.Name.Name, "$%!@"), name[3:])
	})
}

// object is what every class extends.
func object() class {
	c, _ := api.LookupClass("Object")
	return class{api: c}
}

func (c class) has(method string) bool {
	_, ok := c.api.Method(method)
	return ok
}

// methodNames returns what a method of the class may be called.
func (t *types) methodNames(c class) []string {
	if c.api != nil {
		return slices.Collect(c.api.Methods())
	}
	var out []string
	for _, m := range c.own.Members {
		if m, ok := m.(*syntax.MethodDecl); ok {
			out = append(out, m.Name.Name)
		}
	}
	return out
}

var argumentCount = Rule{
	Code: "BBJ3005", Name: "argument-count", Family: diag.API, Severity: diag.Error,
	Title: "method or function called with a number of arguments that it does not take",
	Why:   "the compiler does not count arguments; the call fails when it runs",
	Bad:   "a$=chr(65,66)\n", BadLine: 1,
	Good: "a$=chr(65)+chr(66)\n",
	run:  runArgumentCount,
}

func runArgumentCount(p *pass) {
	for _, call := range p.facts.calls {
		n := positional(call.Args)
		if id, ok := call.Function(); ok {
			p.countFunction(call, id, n)
			continue
		}
		x, name, ok := call.Method()
		if !ok || !ofObject(x, name) {
			continue
		}
		if c := p.types().receiver(call, x); c.known() && !p.types().takes(c, name.Name, n) {
			p.report(name, fmt.Sprintf("%s.%s does not take %s", c.name(), name.Name, arguments(n)), "")
		}
	}
}

func (p *pass) countFunction(call *syntax.CallExpr, id syntax.Ident, n int) {
	f, ok := api.LookupFunction(id.Name)
	if !ok || id.Suffix() != 0 || n >= f.Min && (f.Max < 0 || n <= f.Max) || p.facts.defs[fold(id.Name)] || p.variables()[fold(id.Name)] {
		return
	}
	p.report(call, fmt.Sprintf("function %s does not take %s", quote(f.Name), arguments(n)), "")
}

func arguments(n int) string {
	switch n {
	case 0:
		return "no arguments"
	case 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// takes reports whether the method may be called with n arguments. A method
// that the class lacks is another rule's business.
func (t *types) takes(c class, name string, n int) bool {
	if c.api != nil {
		m, ok := c.api.Method(name)
		return !ok || m.Takes(n)
	}
	list := methodsOf(c.own, name)
	if extends(c.own) || len(list) == 0 || isAccessor(c.own, name) || object().has(name) {
		return true
	}
	return slices.ContainsFunc(list, func(m *syntax.MethodDecl) bool { return len(m.Params) == n })
}

var unknownClass = Rule{
	Code: "BBJ3006", Name: "unknown-class", Family: diag.API, Severity: diag.Error,
	Title: "class that neither BBj nor the program has",
	Why:   "names that start with BBj belong to the API, or come with USE; the compiler does not look for them",
	Bad:   "declare BBjDialogBox d!\n", BadLine: 1,
	Good: "declare BBjTopLevelWindow d!\n",
	run:  runUnknownClass,
}

func runUnknownClass(p *pass) {
	for _, ref := range p.facts.bbjTypes {
		name := ref.Name
		if ref.Path != "" || strings.ContainsAny(name, ".@") {
			continue
		}
		if _, own := p.facts.types[fold(name)]; own {
			continue
		}
		if _, known := api.LookupClass(name); known {
			continue
		}
		p.report(ref, "class "+quote(name)+" does not exist", didYouMean(name, classNames()))
	}
}

func classNames() []string {
	var out []string
	for c := range api.Classes() {
		out = append(out, c.Name)
	}
	return out
}

var unknownCallback = Rule{
	Code: "BBJ3007", Name: "unknown-callback", Family: diag.API, Severity: diag.Error,
	Title: "callback for a label or method that does not exist",
	Why:   "the name stands in a string, so the compiler does not look for it; the event fails when it comes",
	Bad: "window!=BBjAPI().openSysGui(\"X0\").addWindow(10,10,100,100,\"x\",$00090002$)\n" +
		"window!.setCallback(window!.ON_CLOSE,\"done\")\nprocess_events\n", BadLine: 2,
	Good: "window!=BBjAPI().openSysGui(\"X0\").addWindow(10,10,100,100,\"x\",$00090002$)\n" +
		"window!.setCallback(window!.ON_CLOSE,\"done\")\nprocess_events\ndone:\nrelease\n",
	run: runUnknownCallback,
}

func runUnknownCallback(p *pass) {
	for _, call := range p.facts.calls {
		x, name, ok := call.Method()
		if !ok || x == nil || !syntax.EqualFold(name.Name, "setCallback") || p.types().of(x).api == nil {
			continue
		}
		switch args := call.Args; positional(args) {
		case 2:
			p.callbackLabel(args[1])
		case 3:
			p.callbackMethod(args[1], args[2])
		}
	}
}

func (p *pass) callbackLabel(x syntax.Expr) {
	lit, ok := x.(*syntax.StringLit)
	if !ok || p.merges() {
		return
	}
	label := lit.Value()
	if label == "" || p.facts.labels[fold(label)] || label[0] == '*' || label[0] >= '0' && label[0] <= '9' {
		return
	}
	// A method of that name around the call is another way to be called that the
	// sources say too little of.
	if own := p.types().around(x.Span().Start); own != nil && len(methodsOf(own, label)) > 0 {
		return
	}
	p.report(x, "label "+quote(label)+" is not defined", didYouMean(label, slices.Sorted(maps.Keys(p.facts.labels))))
}

func (p *pass) callbackMethod(object, name syntax.Expr) {
	lit, ok := name.(*syntax.StringLit)
	if !ok {
		return
	}
	c := p.types().of(object)
	if c.own != nil && lit.Value() != "" && p.types().lacks(c, lit.Value()) {
		p.report(name, c.name()+" has no method "+quote(lit.Value()), didYouMean(lit.Value(), p.types().methodNames(c)))
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
	for _, m := range p.facts.events {
		if _, known := api.LookupEvent(m.Name.Name); known {
			continue
		}
		c := p.types().of(m.X)
		if c.api == nil && !p.types().isClass(m.X) || c.api != nil && c.api.Constant(m.Name.Name) {
			continue
		}
		p.report(m.Name, "event "+quote(m.Name.Name)+" does not exist", didYouMean(m.Name.Name, api.EventNames()))
	}
	for _, v := range p.facts.verbs {
		if v.Word != syntax.CALLBACK && v.Word != syntax.REMOVE_CALLBACK || len(v.Chan) == 0 {
			continue
		}
		id, ok := v.Chan[0].(*syntax.Ident)
		if !ok || !strings.HasPrefix(strings.ToUpper(id.Name), "ON_") {
			continue
		}
		if _, known := api.LookupEvent(id.Name); !known && !p.variables()[fold(id.Name)] {
			p.report(id, "event "+quote(id.Name)+" does not exist", didYouMean(id.Name, api.EventNames()))
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
			if syntax.EqualFold(m, name.Name) && !p.variables()[fold(id.Name)] && !p.facts.hasType(id.Name) {
				help := ""
				if fold(id.Name) == "console" {
					help = "write PRINT"
				}
				p.report(call, quote(id.Name+"."+name.Name)+" belongs to JavaScript", help)
			}
		}
	}
}
