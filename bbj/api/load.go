package api

import (
	_ "embed"
	"iter"
	"strconv"
	"strings"
	"sync"
)

var (
	//go:embed facts/classes.txt
	classesText string
	//go:embed facts/constants.txt
	constantsText string
	//go:embed facts/events.txt
	eventsText string
	//go:embed facts/families.txt
	familiesText string
	//go:embed facts/functions.txt
	functionsText string
	//go:embed facts/methods.txt
	methodsText string
	//go:embed facts/mnemonics.txt
	mnemonicsText string
	//go:embed facts/variables.txt
	variablesText string
	//go:embed facts/verbs.txt
	verbsText string
)

// load returns the facts, which are read at the first call.
var load = sync.OnceValue(read)

func read() *facts {
	db := &facts{}
	db.readClasses(lines(classesText))
	db.readMethods(lines(methodsText))
	db.readConstants(lines(constantsText))
	db.readEvents(lines(eventsText))
	for line := range lines(familiesText) {
		db.families = append(db.families, field(&line))
	}
	db.readLanguage()
	db.relate()
	return db
}

// facts holds all files. Every map is keyed in lower case.
type facts struct {
	classes       []*Class
	classByName   map[string]*Class
	methods       map[string]*owners
	overloads     []Overload // of all methods
	methodNames   []string   // the keys of methods, in the order of the names
	constants     map[string][]int32
	events        map[string]*EventName
	eventNames    []string
	families      []string
	functionNames []string
	functions     map[string]*Function
	verbs         map[string]*Verb
	mnemonics     map[string]string
	variables     map[string]string
}

// owners are the classes that declare a method of one name.
type owners struct{ list []owner }

type owner struct {
	class     *Class
	name      string
	overloads []Overload
}

func (o *owner) takes(n int) bool {
	for _, v := range o.overloads {
		if v.Args.Has(n) {
			return true
		}
	}
	return false
}

// returns is what the overloads with n arguments agree on.
func (o *owner) returns(n int) string {
	found := ""
	for _, v := range o.overloads {
		switch {
		case !v.Args.Has(n):
		case v.Returns == "" || found != "" && found != v.Returns:
			return ""
		default:
			found = v.Returns
		}
	}
	return found
}

// lines yields the lines of a file of facts after its header.
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if line[0] != '#' && !yield(line[:len(line)-1]) {
				return
			}
		}
	}
}

// field cuts the first word off the line.
func field(line *string) string {
	word, rest, _ := strings.Cut(*line, " ")
	*line = rest
	return word
}

// list splits a field at commas; "-" is the empty list.
func list(field string) []string {
	if field == "-" {
		return nil
	}
	return strings.Split(field, ",")
}

// readClasses reads "name kind package parents state sources".
func (db *facts) readClasses(lines iter.Seq[string]) {
	db.classByName = make(map[string]*Class, 640)
	parents := make([]string, 0, 640)
	for line := range lines {
		c := &Class{Name: field(&line), Kind: kindOf(field(&line)), id: int32(len(db.classes)), db: db}
		if c.Package = field(&line); c.Package == "-" {
			c.Package = ""
		}
		parents = append(parents, field(&line))
		c.closed = field(&line) == "closed"
		db.classes = append(db.classes, c)
		db.classByName[strings.ToLower(c.Name)] = c
	}
	for i, c := range db.classes {
		for _, name := range list(parents[i]) {
			name, perhaps := strings.CutPrefix(name, "~")
			parent, _ := find(db.classByName, name)
			if perhaps {
				c.perhaps = append(c.perhaps, parent.id)
			} else {
				c.parents = append(c.parents, parent.id)
			}
		}
	}
}

func kindOf(word string) Kind {
	for k, name := range kindNames {
		if name == word {
			return Kind(k)
		}
	}
	panic("unknown kind " + word)
}

// readMethods reads "class.method arguments type sources", sorted by class.
func (db *facts) readMethods(lines iter.Seq[string]) {
	db.methods = make(map[string]*owners, 3000)
	db.overloads = make([]Overload, 0, 4096)
	var class *Class
	for line := range lines {
		where, name, _ := strings.Cut(field(&line), ".")
		if class == nil || class.Name != where {
			class, _ = find(db.classByName, where)
		}
		o := Overload{Args: argsOf(field(&line)), Returns: field(&line)}
		if o.Returns == "?" {
			o.Returns = ""
		}
		db.addOverload(class, name, o)
	}
}

// addOverload adds to the last owner of the name, or a new one. Overloads of one
// owner follow each other, so that they are a part of db.overloads.
func (db *facts) addOverload(class *Class, name string, o Overload) {
	all, known := find(db.methods, name)
	if !known {
		key := strings.ToLower(name)
		all = &owners{}
		db.methods[key] = all
		db.methodNames = append(db.methodNames, key)
	}
	db.overloads = append(db.overloads, o)
	if n := len(all.list); n > 0 && all.list[n-1].class == class {
		last := &all.list[n-1]
		last.overloads = db.overloads[len(db.overloads)-len(last.overloads)-1:]
		return
	}
	all.list = append(all.list, owner{class, name, db.overloads[len(db.overloads)-1:]})
}

// argsOf reads "0,2-4"; "?" is unknown.
func argsOf(text string) Args {
	if text == "?" {
		return 0
	}
	var a Args
	for part := range strings.SplitSeq(text, ",") {
		low, high, ranged := strings.Cut(part, "-")
		from, to := number(low), number(low)
		if ranged {
			to = number(high)
		}
		for n := from; n <= to; n++ {
			a |= 1 << n
		}
	}
	return a
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return n
}

// readConstants reads "class.NAME sources".
func (db *facts) readConstants(lines iter.Seq[string]) {
	db.constants = make(map[string][]int32, 600)
	for line := range lines {
		class, name, _ := strings.Cut(field(&line), ".")
		key := strings.ToLower(name)
		owner, _ := find(db.classByName, class)
		db.constants[key] = append(db.constants[key], owner.id)
	}
}

// readEvents reads "ON_NAME event controls sources".
func (db *facts) readEvents(lines iter.Seq[string]) {
	db.events = make(map[string]*EventName, 200)
	for line := range lines {
		e := &EventName{Name: field(&line), Event: field(&line)}
		if e.Event == "-" {
			e.Event = ""
		}
		e.Controls = list(field(&line))
		db.events[strings.ToLower(e.Name)] = e
		db.eventNames = append(db.eventNames, e.Name)
	}
}

// readLanguage reads the four files about the language itself.
func (db *facts) readLanguage() {
	db.functions = map[string]*Function{}
	for line := range lines(functionsText) {
		f := &Function{Name: field(&line), Returns: field(&line)}
		f.Min, f.Max = number(field(&line)), number(field(&line))
		f.Mask = field(&line) == "mask"
		f.Options = list(field(&line))
		db.functions[strings.ToLower(f.Name)] = f
		db.functionNames = append(db.functionNames, f.Name)
	}
	db.verbs = map[string]*Verb{}
	for line := range lines(verbsText) {
		v := &Verb{Name: field(&line), Options: list(field(&line)), Complete: field(&line) == "complete"}
		db.verbs[strings.ToLower(v.Name)] = v
	}
	db.mnemonics = names(lines(mnemonicsText), func(name, _ string) string { return name })
	db.variables = names(lines(variablesText), func(_, kind string) string { return kind })
}

func names(lines iter.Seq[string], value func(first, second string) string) map[string]string {
	m := map[string]string{}
	for line := range lines {
		first := field(&line)
		m[strings.ToLower(first)] = value(first, field(&line))
	}
	return m
}

// relate works out, for every class, what is above and around it.
func (db *facts) relate() {
	n := len(db.classes)
	possible := make([]set, n)
	for i, c := range db.classes {
		c.above, possible[i] = newSet(n), newSet(n)
		db.climb(c, c.above, false)
		db.climb(c, possible[i], true)
	}
	for i, c := range db.classes {
		c.around = possible[i].clone()
		for j := range db.classes {
			if possible[j].has(c.id) {
				c.around.union(possible[j])
			}
		}
	}
	db.close()
}

// close leaves only those classes closed around which all classes are.
func (db *facts) close() {
	open := newSet(len(db.classes))
	for _, c := range db.classes {
		if !c.closed {
			open.add(c.id)
		}
	}
	for _, c := range db.classes {
		c.closed = !c.around.meets(open)
	}
}

// climb adds the class and what it extends, or may extend, to the set.
func (db *facts) climb(c *Class, to set, perhaps bool) {
	if to.has(c.id) {
		return
	}
	to.add(c.id)
	for _, id := range c.parents {
		db.climb(db.classes[id], to, perhaps)
	}
	if perhaps {
		for _, id := range c.perhaps {
			db.climb(db.classes[id], to, perhaps)
		}
	}
}

func (db *facts) each(ids []int32) iter.Seq[*Class] {
	return func(yield func(*Class) bool) {
		for _, id := range ids {
			if !yield(db.classes[id]) {
				return
			}
		}
	}
}

// set is a set of the numbers of classes.
type set []uint64

func newSet(n int) set          { return make(set, (n+63)/64) }
func (s set) has(id int32) bool { return s[id/64]&(1<<(id%64)) != 0 }
func (s set) add(id int32)      { s[id/64] |= 1 << (id % 64) }
func (s set) clone() set        { return append(set(nil), s...) }

func (s set) union(other set) {
	for i, w := range other {
		s[i] |= w
	}
}

// meets reports whether the sets have a class in common.
func (s set) meets(other set) bool {
	for i, w := range other {
		if s[i]&w != 0 {
			return true
		}
	}
	return false
}

// maxName is the length up to which a name is looked up; no name is longer.
const maxName = 64

// find looks a name up in any case, without allocating.
func find[V any](m map[string]V, name string) (V, bool) {
	var buf [maxName]byte
	if len(name) > maxName {
		var none V
		return none, false
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	v, ok := m[string(buf[:len(name)])]
	return v, ok
}
