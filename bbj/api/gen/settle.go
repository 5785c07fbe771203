package main

import (
	"maps"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// settle decides what of all that was claimed is kept.
func (d *db) settle() {
	d.spread()
	for _, name := range sortedKeys(d.classes) {
		d.settleClass(d.classes[name])
	}
	d.settleEvents()
	for _, v := range d.verbs {
		for option, repos := range v.repos {
			if len(repos) > 1 {
				v.option(option, fromBBj)
			}
		}
	}
}

// spread gives what may be extended to the classes below. What is known is not
// repeated as possible.
func (d *db) spread() {
	for _, p := range d.possible {
		for _, name := range sortedKeys(d.classes) {
			c := d.classes[name]
			if name == p.below || !d.is(c, p.below) {
				continue
			}
			for _, parent := range p.parents {
				if !d.is(c, parent) && !d.is(d.classes[parent], name) {
					c.extend("~"+parent, fromInference)
				}
			}
		}
	}
}

// is reports whether the class is known to be, or to extend, the other.
func (d *db) is(c *class, other string) bool {
	return slices.ContainsFunc(d.above(c), func(up *class) bool { return up.name == other })
}

func (d *db) settleClass(c *class) {
	if len(d.above(c)) == 1 && c.name != "Object" {
		c.parents["Object"] = new(sources)
	}
	for _, m := range c.methods {
		named := d.namedLike(m.name)
		for _, o := range m.overloads {
			if c.name == "BBjWindow" && named != "" && m.name == "add"+strings.TrimPrefix(named, "BBj") && len(o.types) == 0 {
				o.claim(named, fromName)
			}
			d.doubt(o, named)
			d.settleType(o)
		}
		m.agree()
	}
}

// namedLike returns the class whose name the name of the method ends in, as
// getMenuButton does in that of BBjMenuButton: the longest, or "".
func (d *db) namedLike(method string) string {
	for i := range method {
		if i > 0 && d.classes["BBj"+method[i:]] != nil {
			return "BBj" + method[i:]
		}
	}
	return ""
}

// doubt drops the class that a sentence alone names if the method is named like
// a class that is no such class: descriptions are copied from one method to the
// next.
func (d *db) doubt(o *overload, named string) {
	if named == "" {
		return
	}
	for typ, from := range o.types {
		if *from == sources(fromSentence) && !isValue(typ) && typ != "BBjVector" && typ != "String" && !d.is(d.classes[named], typ) {
			delete(o.types, typ)
		}
	}
}

// settleType leaves at most one type: what hand.txt says; else what all others
// say, be it a sentence of the documentation or two independent uses.
func (d *db) settleType(o *overload) {
	d.support(o)
	for _, typ := range sortedKeys(o.types) {
		if strings.ContainsAny(string(*o.types[typ]), string(fromPage)+string(fromInference)) {
			o.types = map[string]*sources{typ: o.types[typ]}
			return
		}
	}
	if len(o.types) > 1 {
		o.types = map[string]*sources{}
		return
	}
	for typ, from := range o.types {
		if !d.knows(typ) || *from == sources(fromJava) && !isValue(typ) || *from == sources(fromBBj) && len(o.repos[typ]) < 2 {
			delete(o.types, typ)
		}
	}
}

// support turns the declarations in repositories into claims: all agree, and
// there are two, or another source says the same.
func (d *db) support(o *overload) {
	if len(o.repos) != 1 {
		return
	}
	for typ, repos := range o.repos {
		if len(repos) > 1 || o.types[typ] != nil {
			o.claim(typ, fromBBj)
		}
	}
}

// agree gives the type of the overloads that have one to those that have none,
// if it is always the same.
func (m *method) agree() {
	types := map[string]sources{}
	for _, o := range m.overloads {
		for typ, from := range o.types {
			types[typ] += *from
		}
	}
	if len(types) != 1 {
		return
	}
	for typ, all := range types {
		for _, o := range m.overloads {
			if len(o.types) == 0 {
				for _, letter := range all {
					o.claim(typ, letter)
				}
			}
		}
	}
}

// knows reports whether the type can be named in the facts.
func (d *db) knows(typ string) bool {
	return isValue(typ) || d.classes[strings.TrimSuffix(typ, "[]")] != nil
}

var values = []string{"void", "int", "long", "float", "double", "boolean", "byte", "char", "short", "number", "byte[]", "int[]", "String[]"}

// isValue reports whether the type is no class: it has no methods.
func isValue(typ string) bool { return slices.Contains(values, typ) }

// settleEvents gives an event constant the class that is named like it.
func (d *db) settleEvents() {
	byEvent := map[string]string{}
	for name := range d.classes {
		if what, ok := strings.CutSuffix(name, "Event"); ok {
			byEvent[strings.ToLower(strings.TrimPrefix(what, "BBj"))] = name
		}
	}
	for _, name := range sortedKeys(d.events) {
		e := d.events[name]
		what := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "ON_"), "_", ""))
		if c := byEvent[what]; e.class == "" && c != "" {
			e.class = c
			e.from.add(fromName)
		}
	}
}
