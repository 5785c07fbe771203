package api_test

import (
	"embed"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/api"
)

func class(t *testing.T, name string) *api.Class {
	t.Helper()
	c, ok := api.LookupClass(name)
	if !ok {
		t.Fatalf("no class %s", name)
	}
	return c
}

// TestChains follows calls as programs write them: a class, then methods with
// the number of their arguments.
func TestChains(t *testing.T) {
	type call struct {
		name string
		args int
	}
	for _, test := range []struct {
		class string
		calls []call
		want  string
	}{
		{"BBjAPI", []call{{"getSysGui", 0}}, "BBjSysGui"},
		{"BBjAPI", []call{{"openSysGui", 1}, {"addWindow", 5}, {"addButton", 6}}, "BBjButton"},
		{"bbjapi", []call{{"OPENSYSGUI", 1}, {"addwindow", 6}, {"ADDTREE", 5}}, "BBjTree"},
		{"BBjAPI", []call{{"getThinClient", 0}, {"getClientFileSystem", 0}}, "BBjClientFileSystem"},
		{"BBjAPI", []call{{"makeVector", 0}}, "BBjVector"},
		{"BBjAPI", []call{{"getLastEvent", 0}, {"getControl", 0}}, "BBjControl"},
		{"BBjButtonPushEvent", []call{{"getControl", 0}}, "BBjControl"},
		{"BBjTopLevelWindow", []call{{"addGrid", 5}, {"getColumnHeader", 0}}, "BBjGridHeader"},
		{"BBjTopLevelWindow", []call{{"getControl", 1}}, "BBjControl"},
		{"BBjChildWindow", []call{{"addChildWindow", 7}, {"getParentWindow", 0}}, "BBjWindow"},
		{"BBjTopLevelWindow", []call{{"addMenuBar", 0}}, "BBjMenuBar"},
		{"BBjInputDSpinner", []call{{"getMask", 0}}, "String"},
		{"BBjStandardGrid", []call{{"isFocusable", 0}}, "boolean"},
		{"BBjButton", []call{{"getClass", 0}}, "Class"},
	} {
		at := test.class
		for _, call := range test.calls {
			m, ok := class(t, at).Method(call.name)
			if !ok || !m.Certain() || !m.Takes(call.args) {
				t.Errorf("%s has no %s with %d arguments", at, call.name, call.args)
				break
			}
			at = m.Returns(call.args)
		}
		if at != test.want {
			t.Errorf("%s %v gives %q, want %q", test.class, test.calls, at, test.want)
		}
	}
}

func TestLacks(t *testing.T) {
	for _, test := range []struct {
		class, method string
		want          bool
	}{
		{"BBjButton", "addEventListener", true},
		{"BBjButton", "onClick", true},
		{"BBjButton", "setText", false},
		{"BBjButton", "isDestroyed", false},
		{"BBjButton", "toString", false},
		{"BBjSysGui", "createWindow", true},
		{"BBjAPI", "alert", true},
		{"BBjAPI", "msgbox", false},
		{"BBjControl", "addItem", false}, // the control can be a list
		{"BBjVector", "filter", false},   // a class of Java
		{"BBjMenuItem", "onSelect", false},
		{"HashMap", "anything", false},
	} {
		if got := class(t, test.class).Lacks(test.method); got != test.want {
			t.Errorf("%s lacks %s: %v, want %v", test.class, test.method, got, test.want)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		class, method string
		args          int
		want          bool
	}{
		{"BBjSysGui", "addWindow", 5, true},
		{"BBjSysGui", "addWindow", 1, true},
		{"BBjSysGui", "addWindow", 12, false},
		{"BBjButton", "setCallback", 2, true},
		{"BBjButton", "setCallback", 3, true},
		{"BBjButton", "setCallback", 0, false},
		{"BBjTopLevelWindow", "setSize", 2, true},
		{"BBjTopLevelWindow", "setSize", 1, false},
	} {
		m, ok := class(t, test.class).Method(test.method)
		if !ok || m.Takes(test.args) != test.want {
			t.Errorf("%s.%s takes %d: want %v", test.class, test.method, test.args, test.want)
		}
	}
}

func TestIs(t *testing.T) {
	for _, test := range []struct {
		class, other string
		want         bool
	}{
		{"BBjTopLevelWindow", "BBjWindow", true},
		{"BBjTopLevelWindow", "BBjControl", true},
		{"BBjWindow", "BBjTopLevelWindow", false},
		{"BBjButtonPushEvent", "BBjEvent", true},
		{"BBjButton", "DragSource", true},
		{"BBjStaticText", "DragSource", false},
	} {
		if got := class(t, test.class).Is(class(t, test.other)); got != test.want {
			t.Errorf("%s is %s: %v, want %v", test.class, test.other, got, test.want)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		verb, option string
		want         bool
	}{
		{"process_events", "tim", true},
		{"process_events", "key", false},
		{"unlock", "err", true},
		{"unlock", "dom", false},
		{"direct", "mode", true},
		{"find", "dir", true},
		{"print", "tbl", true},
		{"read", "anything", true}, // not all of its options are known
	} {
		v, ok := api.LookupVerb(test.verb)
		if !ok || v.Accepts(test.option) != test.want {
			t.Errorf("%s accepts %s: want %v", test.verb, test.option, test.want)
		}
	}
}

func TestLanguage(t *testing.T) {
	if e, ok := api.LookupEvent("on_button_push"); !ok || e.Name != "ON_BUTTON_PUSH" || e.Event != "BBjButtonPushEvent" {
		t.Errorf("ON_BUTTON_PUSH: %+v", e)
	}
	if _, ok := api.LookupEvent("ON_WINDOW_CLOSE"); ok {
		t.Error("ON_WINDOW_CLOSE exists")
	}
	if f, ok := api.LookupFunction("str"); !ok || f.Returns != "string" || !f.Mask || !slices.Contains(f.Options, "ERR") {
		t.Errorf("STR: %+v", f)
	}
	if v, ok := api.LookupVerb("open"); !ok || !v.Accepts("ERR") {
		t.Errorf("OPEN: %+v", v)
	}
	for _, want := range []string{"CS", "BACKGR", "S8", "LISTADD", "POLYLINE", "FOCUS"} {
		if name, ok := api.LookupMnemonic(strings.ToLower(want)); !ok || name != want {
			t.Errorf("%s: %q", want, name)
		}
	}
	if kind, ok := api.LookupVariable("unt"); !ok || kind != "int" {
		t.Errorf("UNT: %q", kind)
	}
	if !class(t, "BBjThinClient").Constant("USER_PROPERTIES_STORAGE") {
		t.Error("no constant USER_PROPERTIES_STORAGE")
	}
}

// TestUnknownNames asks for names that cannot be: they must be absent, not a
// crash.
func TestUnknownNames(t *testing.T) {
	for _, name := range []string{"", "BBjNothing", "ä", strings.Repeat("x", 1000)} {
		if _, ok := api.LookupClass(name); ok {
			t.Errorf("class %q", name)
		}
		if _, ok := class(t, "BBjAPI").Method(name); ok {
			t.Errorf("method %q", name)
		}
	}
}

func TestFamilies(t *testing.T) {
	for name, want := range map[string]bool{
		"BBjAdminList": true, "BBjspWebRequest": true, "BBjSplitPane": false, "BBjAdmin": false, "BBjButton": false, "": false,
	} {
		if api.InFamily(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// TestTypes holds that every type a method gives is a class or has no methods.
func TestTypes(t *testing.T) {
	plain := []string{"", "void", "int", "long", "float", "double", "boolean", "byte", "char", "short", "number", "byte[]", "int[]"}
	for c := range api.Classes() {
		for name := range c.Methods() {
			m, _ := c.Method(name)
			for o := range m.Overloads() {
				if _, ok := api.LookupClass(strings.TrimSuffix(o.Returns, "[]")); !ok && !slices.Contains(plain, o.Returns) {
					t.Errorf("%s.%s gives an unknown %s", c.Name, name, o.Returns)
				}
			}
		}
	}
	for _, name := range events(t) {
		e, _ := api.LookupEvent(name)
		for _, c := range append(slices.Clone(e.Controls), e.Event) {
			if _, ok := api.LookupClass(c); !ok && c != "" {
				t.Errorf("%s: no class %s", name, c)
			}
		}
	}
}

// TestInheritance holds that nothing extends itself and that every class but
// those of Java comes from Object.
func TestInheritance(t *testing.T) {
	root := class(t, "Object")
	for c := range api.Classes() {
		if !c.Is(root) {
			t.Errorf("%s does not come from Object", c.Name)
		}
		for p := range c.Parents() {
			if p.Is(c) {
				t.Errorf("%s and %s extend each other", c.Name, p.Name)
			}
		}
	}
}

//go:embed facts/*.txt
var files embed.FS

func read(t testing.TB, name string) []string {
	text, err := files.ReadFile("facts/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func events(t testing.TB) []string {
	var names []string
	for _, line := range read(t, "events.txt") {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	return names
}

// TestFiles holds the form of the files: a header, sorted, no fact twice.
func TestFiles(t *testing.T) {
	dir, err := files.ReadDir("facts")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range dir {
		text, _ := files.ReadFile("facts/" + file.Name())
		if !strings.HasPrefix(string(text), "# ") || !strings.Contains(string(text), "# Sources: ") {
			t.Errorf("%s has no header that names its sources", file.Name())
		}
		lines := read(t, file.Name())
		if !slices.IsSortedFunc(lines, byFirstWord) {
			t.Errorf("%s is not sorted", file.Name())
		}
		slices.Sort(lines)
		if n := len(lines); len(slices.Compact(lines)) != n {
			t.Errorf("%s says something twice", file.Name())
		}
	}
}

// byFirstWord compares "Class.name" by the class first, without regard to case.
func byFirstWord(a, b string) int {
	key := func(line string) string {
		word, _, _ := strings.Cut(line, " ")
		return strings.ToLower(strings.ReplaceAll(word, ".", " "))
	}
	return strings.Compare(key(a), key(b))
}

func TestNoAllocations(t *testing.T) {
	button := class(t, "BBjButton")
	if n := testing.AllocsPerRun(100, func() {
		api.LookupClass("bbjbutton")
		m, _ := button.Method("setCallback")
		m.Takes(2)
		m.Returns(2)
		button.Lacks("addEventListener")
		api.LookupEvent("ON_BUTTON_PUSH")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOwner(t *testing.T) {
	for _, test := range []struct{ class, method, want string }{
		{"BBjWindow", "addButton", "BBjWindow"},
		{"BBjTopLevelWindow", "addButton", "BBjWindow"},
		{"BBjButton", "setText", "BBjControl"},
		{"BBjGroupBox", "setText", "BBjGroupBox"},
	} {
		m, ok := class(t, test.class).Method(test.method)
		if !ok {
			t.Fatalf("%s has no %s", test.class, test.method)
		}
		if c, ok := m.Owner(); !ok || c.Name != test.want {
			t.Errorf("%s.%s is of %v, want %s", test.class, test.method, c, test.want)
		}
	}
}

// The names are those of the facts, each found again.
func TestNamesAreComplete(t *testing.T) {
	verbs := api.VerbNames()
	if !slices.IsSorted(verbs) || !slices.Contains(verbs, "PRINT") {
		t.Errorf("verbs: %v", verbs)
	}
	for _, name := range verbs {
		if _, ok := api.LookupVerb(name); !ok {
			t.Errorf("%s is no verb", name)
		}
	}
	declared := 0
	for c := range api.Classes() {
		for name := range c.Declares() {
			declared++
			m, ok := c.Method(name)
			owner, certain := m.Owner()
			if !ok || !certain || owner != c || !slices.Contains(slices.Collect(api.Declaring(name)), c) {
				t.Errorf("%s.%s is of %v", c.Name, name, owner)
			}
		}
	}
	if declared < 3000 {
		t.Errorf("%d methods", declared)
	}
}
