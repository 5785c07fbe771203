package api

import (
	"iter"
	"slices"
)

// VerbNames returns the names of all verbs, sorted.
func VerbNames() []string {
	var list []string
	for _, v := range load().verbs {
		list = append(list, v.Name)
	}
	slices.Sort(list)
	return list
}

// Declares yields the names of the methods that the class itself declares, in
// order, without those that it extends.
func (c *Class) Declares() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, key := range c.db.methodNames {
			for _, o := range c.db.methods[key].list {
				if o.class == c && !yield(o.name) {
					return
				}
			}
		}
	}
}

// Declaring yields the classes that declare a method of that name.
func Declaring(name string) iter.Seq[*Class] {
	return func(yield func(*Class) bool) {
		owners, ok := find(load().methods, name)
		if !ok {
			return
		}
		for _, o := range owners.list {
			if !yield(o.class) {
				return
			}
		}
	}
}

// Owner returns the class from which an object has the method: the class itself
// or the nearest that it is known to extend. It reports false where that is
// not certain.
func (m Method) Owner() (*Class, bool) {
	for level := []*Class{m.class}; len(level) > 0; {
		var next []*Class
		for _, c := range level {
			if slices.ContainsFunc(m.owners, func(o owner) bool { return o.class == c }) {
				return c, true
			}
			next = slices.AppendSeq(next, c.Parents())
		}
		level = next
	}
	return nil, false
}
