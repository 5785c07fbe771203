// Package api is the BBj API as data: which classes there are, what extends
// what, which methods they have with how many arguments and what those give,
// the event constants, functions, verbs, mnemonics and system variables.
//
// It knows names and nothing else: neither programs nor rules nor output. What
// it does not know it says: an unknown number of arguments is accepted, an
// unknown result is "", and only a class whose methods are all known can lack
// one. Names are found in any case.
package api

import (
	"iter"
	"slices"
	"strings"
)

// Kind is the kind of a class.
type Kind uint8

// The kinds of classes.
const (
	Interface Kind = iota + 1 // what several classes have in common
	Object                    // a class of the BBj API
	Event                     // what a callback is handed
	Foreign                   // a class of Java or of a library: a name and no more
)

var kindNames = [...]string{"", "interface", "class", "event", "foreign"}

// String returns the word for the kind in the facts.
func (k Kind) String() string { return kindNames[k] }

// Class is a class, or an interface, that programs can name.
type Class struct {
	Name    string
	Package string // "" where it is not known
	Kind    Kind
	closed  bool
	id      int32
	parents []int32
	perhaps []int32 // what it may extend too
	above   set     // itself and what it extends
	around  set     // above, what those may extend, and what may extend it
	db      *facts
}

// LookupClass returns the class of that name, without its package.
func LookupClass(name string) (*Class, bool) {
	return find(load().classByName, name)
}

// InFamily reports whether the name begins like those of a family of classes of
// which not all are known, such as BBjAdmin… It is the one question here that
// minds the case: BBjsp… is a family, and BBjSplitter is not of it.
func InFamily(name string) bool {
	return slices.ContainsFunc(load().families, func(prefix string) bool {
		return len(name) > len(prefix) && strings.HasPrefix(name, prefix)
	})
}

// Classes yields all classes in the order of their names.
func Classes() iter.Seq[*Class] { return slices.Values(load().classes) }

// Parents yields what the class is known to extend or implement, the nearest
// only.
func (c *Class) Parents() iter.Seq[*Class] { return c.db.each(c.parents) }

// Perhaps yields what the class may extend or implement besides.
func (c *Class) Perhaps() iter.Seq[*Class] { return c.db.each(c.perhaps) }

// Is reports whether the class is the other one or is known to extend it.
func (c *Class) Is(other *Class) bool { return c.above.has(other.id) }

// Closed reports whether every method that an object of the class can have is
// known: those of the class, of all that it extends or may extend, and of all
// that may extend it, since a variable declared with the class can hold any of
// those.
func (c *Class) Closed() bool { return c.closed }

// Lacks reports whether no object of the class can have a method of that name.
func (c *Class) Lacks(name string) bool {
	if !c.closed {
		return false
	}
	_, ok := c.Method(name)
	return !ok
}

// Method returns the method of that name which an object of the class has, or
// may have.
func (c *Class) Method(name string) (Method, bool) {
	owners, ok := find(c.db.methods, name)
	if !ok {
		return Method{}, false
	}
	for i := range owners.list {
		if c.around.has(owners.list[i].class.id) {
			return Method{Name: owners.list[i].name, class: c, owners: owners.list}, true
		}
	}
	return Method{}, false
}

// IsMethod reports whether any class has a method of that name.
func IsMethod(name string) bool {
	_, ok := find(load().methods, name)
	return ok
}

// Methods yields the names of the methods of the class and of what it is known
// to extend, each once.
func (c *Class) Methods() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, name := range c.db.methodNames {
			owners := c.db.methods[name]
			i := slices.IndexFunc(owners.list, func(o owner) bool { return c.above.has(o.class.id) })
			if i >= 0 && !yield(owners.list[i].name) {
				return
			}
		}
	}
}

// Method is a method as an object of one class has it.
type Method struct {
	Name   string
	class  *Class
	owners []owner
}

// Certain reports whether the class or what it is known to extend has the
// method, not just what may extend it or what it may extend.
func (m Method) Certain() bool {
	for i := range m.owners {
		if m.class.above.has(m.owners[i].class.id) {
			return true
		}
	}
	return false
}

// Takes reports whether the method can be called with n arguments. It does so
// where that is not known.
func (m Method) Takes(n int) bool {
	for i := range m.owners {
		o := &m.owners[i]
		if m.class.around.has(o.class.id) && o.takes(n) {
			return true
		}
	}
	return false
}

// Returns names the class or the Java type that a call with n arguments gives:
// "void", "int", "boolean", "String", "BBjButton" … It returns "" where the
// type is not known or not always the same.
func (m Method) Returns(n int) string {
	for i := range m.owners {
		o := &m.owners[i]
		if o.class == m.class && o.takes(n) {
			if t := o.returns(n); t != "" {
				return t
			}
		}
	}
	return m.inherited(n)
}

// inherited is what all of the extended classes agree on.
func (m Method) inherited(n int) string {
	found := ""
	for i := range m.owners {
		o := &m.owners[i]
		if o.class == m.class || !m.class.above.has(o.class.id) || !o.takes(n) {
			continue
		}
		switch t := o.returns(n); {
		case t == "" || t == found:
		case found != "":
			return ""
		default:
			found = t
		}
	}
	return found
}

// Overloads yields the numbers of arguments that the class and what it extends
// are known to accept, with the types they give.
func (m Method) Overloads() iter.Seq[Overload] {
	return func(yield func(Overload) bool) {
		for i := range m.owners {
			if !m.class.above.has(m.owners[i].class.id) {
				continue
			}
			for _, o := range m.owners[i].overloads {
				if !yield(o) {
					return
				}
			}
		}
	}
}

// Overload is what a class accepts for a method and what it gives.
type Overload struct {
	Args    Args
	Returns string // "" if it is not known
}

// Args is the set of the numbers of arguments, or of all if it is empty.
type Args uint64

// Known reports whether the numbers of arguments are known.
func (a Args) Known() bool { return a != 0 }

// Has reports whether n arguments are accepted.
func (a Args) Has(n int) bool { return a == 0 || n >= 0 && n < 64 && a&(1<<n) != 0 }

// EventName is the constant of an event, ON_….
type EventName struct {
	Name     string
	Event    string   // the class of the event, "" if it is not known
	Controls []string // classes that fire it; nil if they are not known
}

// LookupEvent returns the event constant of that name.
func LookupEvent(name string) (*EventName, bool) { return find(load().events, name) }

// EventNames returns the names of all event constants, sorted.
func EventNames() []string { return load().eventNames }

// Constant reports whether the class, or what it is known to extend, has a
// constant of that name.
func (c *Class) Constant(name string) bool {
	owners, ok := find(c.db.constants, name)
	return ok && slices.ContainsFunc(owners, c.above.has)
}

// Function is a function of the language, such as STR.
type Function struct {
	Name     string
	Returns  string // string, num, int, object or any
	Min, Max int    // arguments without options; Max is -1 if there is no limit
	Mask     bool   // a colon and a mask may follow an argument
	Options  []string
}

// LookupFunction returns the function of that name.
func LookupFunction(name string) (*Function, bool) { return find(load().functions, name) }

// FunctionNames returns the names of all functions, sorted.
func FunctionNames() []string { return load().functionNames }

// Verb is a verb with the options NAME= that it accepts.
type Verb struct {
	Name     string
	Options  []string
	Complete bool // no other options are accepted
}

// LookupVerb returns the verb of that name.
func LookupVerb(name string) (*Verb, bool) { return find(load().verbs, name) }

// Accepts reports whether the verb may accept the option.
func (v *Verb) Accepts(option string) bool {
	return !v.Complete || slices.ContainsFunc(v.Options, func(o string) bool { return strings.EqualFold(o, option) })
}

// LookupMnemonic returns the mnemonic of that name, without quotes, as it is
// documented or used. The list is not complete: BASIS has more than were found.
func LookupMnemonic(name string) (string, bool) { return find(load().mnemonics, name) }

// LookupVariable returns the type of the system variable of that name: string,
// num or int.
func LookupVariable(name string) (string, bool) { return find(load().variables, name) }
