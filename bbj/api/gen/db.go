package main

import (
	"slices"
	"strings"
)

// The sources of a fact, one letter each.
const (
	fromJavadoc   = 'J' // a declaration in the javadoc JSON
	fromSentence  = 'S' // a sentence of its documentation
	fromPage      = 'D' // a page of the documentation, read by hand
	fromInference = 'I' // concluded from several of the others, by hand
	fromJava      = 'W' // typed Java that uses the API
	fromBBj       = 'C' // declared BBj code in several repositories
	fromLibrary   = 'L' // functions.bbl, events.bbl, variables.bbl
	fromVerbTable = 'V' // VERBs.md
	fromName      = 'N' // the name of a class that fits
)

// sources is a set of letters in the order of their first use.
type sources string

func (s *sources) add(letter rune) {
	if !strings.ContainsRune(string(*s), letter) {
		*s += sources(letter)
	}
}

func (s sources) String() string {
	r := []rune(s)
	slices.Sort(r)
	return string(r)
}

// db is what has been gathered. Maps are keyed by names as written; the API
// itself never has two names that differ only in case.
type db struct {
	classes   map[string]*class
	events    map[string]*event
	functions map[string]*function
	verbs     map[string]*verb
	mnemonics map[string]*sources
	variables map[string]*variable
	families  map[string]sources // beginning of names -> sources
	possible  []possibility
	hand      rune // where the lines of hand.txt come from that are being read
}

type class struct {
	name, pkg, kind string
	parents         map[string]*sources // "~" before what is only possible
	methods         map[string]*method
	constants       map[string]*sources
	open            bool
	from            sources
}

// method holds the overloads by their number of arguments; -1 is unknown.
type method struct {
	name      string
	overloads map[int]*overload
}

// overload holds the types claimed for the result, with who claims them.
type overload struct {
	from  sources
	types map[string]*sources
	repos map[string][]string // type -> repositories that declare it
}

type event struct {
	class    string
	controls map[string]bool
	from     sources
}

type function struct {
	returns  string
	min, max int
	mask     bool
	options  map[string]bool
	from     sources
}

type verb struct {
	options  map[string]*sources
	repos    map[string][]string // option -> repositories that use it
	complete bool
	from     sources
}

type variable struct {
	returns string
	from    sources
}

// possibility says that the classes below a class may extend others too.
type possibility struct {
	below   string
	parents []string
}

func newDB() *db {
	return &db{
		classes: map[string]*class{}, events: map[string]*event{}, functions: map[string]*function{},
		verbs: map[string]*verb{}, mnemonics: map[string]*sources{}, variables: map[string]*variable{},
		families: map[string]sources{},
	}
}

// class returns the class of that name, which it makes if there is none.
func (d *db) class(name string) *class {
	c := d.classes[name]
	if c == nil {
		c = &class{name: name, parents: map[string]*sources{}, methods: map[string]*method{}, constants: map[string]*sources{}}
		d.classes[name] = c
	}
	return c
}

func (d *db) event(name string) *event {
	if d.events[name] == nil {
		d.events[name] = &event{controls: map[string]bool{}}
	}
	return d.events[name]
}

func (d *db) verb(name string) *verb {
	if d.verbs[name] == nil {
		d.verbs[name] = &verb{options: map[string]*sources{}, repos: map[string][]string{}}
	}
	return d.verbs[name]
}

func (d *db) mnemonic(name string, from rune) {
	if d.mnemonics[name] == nil {
		d.mnemonics[name] = new(sources)
	}
	d.mnemonics[name].add(from)
}

// overload returns what is known of the method with n arguments. A name that
// differs only in case is the same method.
func (c *class) overload(name string, n int) *overload {
	key := strings.ToLower(name)
	m := c.methods[key]
	if m == nil {
		m = &method{name: name, overloads: map[int]*overload{}}
		c.methods[key] = m
	}
	if m.overloads[n] == nil {
		m.overloads[n] = &overload{types: map[string]*sources{}, repos: map[string][]string{}}
	}
	return m.overloads[n]
}

// method returns the method of that name, or nil.
func (c *class) method(name string) *method { return c.methods[strings.ToLower(name)] }

func (c *class) extend(parent string, from rune) {
	if c.parents[parent] == nil {
		c.parents[parent] = new(sources)
	}
	c.parents[parent].add(from)
}

func (c *class) constant(name string, from rune) {
	if c.constants[name] == nil {
		c.constants[name] = new(sources)
	}
	c.constants[name].add(from)
}

// claim records that someone says the call gives the type.
func (o *overload) claim(typ string, from rune) {
	if o.types[typ] == nil {
		o.types[typ] = new(sources)
	}
	o.types[typ].add(from)
}

// seen records that a repository declares what the call gives.
func (o *overload) seen(typ, repo string) {
	if !slices.Contains(o.repos[typ], repo) {
		o.repos[typ] = append(o.repos[typ], repo)
	}
}

// above returns the class and all that it is known to extend.
func (d *db) above(c *class) []*class {
	all := []*class{c}
	for i := 0; i < len(all); i++ {
		for _, p := range sortedKeys(all[i].parents) {
			if up := d.classes[p]; up != nil && !slices.Contains(all, up) {
				all = append(all, up)
			}
		}
	}
	return all
}
