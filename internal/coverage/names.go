package coverage

import (
	"cmp"
	"slices"
	"strings"

	"bbjtune/bbj/api"
	"bbjtune/bbj/check"
	"bbjtune/bbj/syntax"
)

// Name is a verb, function, class, method or event of bbj/api.
type Name struct {
	Kind  check.UseKind `json:"kind"`
	Class string        `json:"class,omitempty"` // that declares a method
	Name  string        `json:"name"`
}

// String writes a method behind its class.
func (n Name) String() string {
	if n.Class == "" {
		return n.Name
	}
	return n.Class + "." + n.Name
}

func compareNames(a, b Name) int {
	return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), strings.Compare(a.Class, b.Class), strings.Compare(a.Name, b.Name))
}

// kinds is the order of the tables.
var kinds = []check.UseKind{check.UseVerb, check.UseFunction, check.UseClass, check.UseMethod, check.UseEvent}

// Names returns all that can be shown, sorted. Classes of Java are not among it.
func Names() []Name {
	var list []Name
	for _, v := range api.VerbNames() {
		list = append(list, Name{Kind: check.UseVerb, Name: v})
	}
	for _, f := range api.FunctionNames() {
		list = append(list, Name{Kind: check.UseFunction, Name: f})
	}
	for _, e := range api.EventNames() {
		list = append(list, Name{Kind: check.UseEvent, Name: e})
	}
	for c := range api.Classes() {
		if c.Kind == api.Foreign {
			continue
		}
		list = append(list, Name{Kind: check.UseClass, Name: c.Name})
		for m := range c.Declares() {
			list = append(list, Name{Kind: check.UseMethod, Class: c.Name, Name: m})
		}
	}
	slices.SortFunc(list, compareNames)
	return list
}

// tally counts the uses of programs. Methods of objects whose class is not
// certain are counted by their folded names alone.
type tally struct {
	certain map[Name]int
	perhaps map[string]int
}

func tallyOf(programs []*syntax.Program) tally {
	t := tally{map[Name]int{}, map[string]int{}}
	for _, p := range programs {
		for _, u := range check.Uses(p) {
			if u.Kind == check.UseMethod && u.Class == "" {
				t.perhaps[strings.ToLower(u.Name)]++
			} else {
				t.certain[Name{u.Kind, u.Class, u.Name}]++
			}
		}
	}
	return t
}
