package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const legend = `# Sources: J javadoc JSON and L function, event and variable lists of BBx-Kitchen/bbj-language-server, V its table of
# verbs, S a sentence of the documentation in J, D a page of BASIS's documentation (see gen/hand.txt), W typed Java of
# webforJ and its predecessor, C declared BBj code of several public repositories, N the class of the fitting name,
# I concluded from several of these (also in gen/hand.txt).
`

func (d *db) write(folder string) error {
	files := map[string][]string{
		"classes":   d.classLines(),
		"methods":   d.methodLines(),
		"constants": d.constantLines(),
		"events":    d.eventLines(),
		"families":  d.familyLines(),
		"functions": d.functionLines(),
		"verbs":     d.verbLines(),
		"mnemonics": d.mnemonicLines(),
		"variables": d.variableLines(),
	}
	for _, name := range sortedKeys(files) {
		text := headers[name] + legend + strings.Join(files[name], "\n") + "\n"
		if err := os.WriteFile(filepath.Join(folder, name+".txt"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

var headers = map[string]string{
	"classes": `# Classes: name, kind, package, what it extends (~ before what it may extend), closed if its own methods are all known,
# sources. Made by bbj/api/gen.
`,
	"methods": `# Methods: class.name, numbers of arguments, type of the result (? if unknown), sources. Made by bbj/api/gen.
`,
	"constants": `# Constants of classes, without events: class.NAME, sources. Made by bbj/api/gen.
`,
	"events": `# Event constants: name, class of the event, controls that fire it (- if unknown), sources. Made by bbj/api/gen.
`,
	"families": `# Families: how names begin of classes of which not all are known, sources. Made by bbj/api/gen.
`,
	"functions": `# Functions: name, result, least and most arguments (-1: no limit), whether a colon and a mask may follow, options,
# sources. Made by bbj/api/gen.
`,
	"verbs": `# Verbs: name, options, complete if there are no others, sources. Made by bbj/api/gen.
`,
	"mnemonics": `# Mnemonics: name, sources. Made by bbj/api/gen.
`,
	"variables": `# System variables: name, type, sources. Made by bbj/api/gen.
`,
}

func orDash(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ",")
}

// byName sorts names without regard to case.
func byName(names []string) []string {
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
	})
	return names
}

// with adds the sources of the parts of a fact to its own.
func with(from sources, parts map[string]*sources) sources {
	for _, part := range parts {
		for _, letter := range *part {
			from.add(letter)
		}
	}
	return from
}

func (d *db) classLines() []string {
	var out []string
	for _, name := range byName(sortedKeys(d.classes)) {
		c := d.classes[name]
		state := "closed"
		if c.open {
			state = "open"
		}
		from := with(c.from, c.parents)
		out = append(out, fmt.Sprintf("%s %s %s %s %s %s", c.name, c.kind, cmp.Or(c.pkg, "-"), orDash(parentNames(c)), state, from))
	}
	return out
}

// parentNames puts what is certain before what is possible.
func parentNames(c *class) []string {
	names := byName(sortedKeys(c.parents))
	slices.SortStableFunc(names, func(a, b string) int {
		return strings.Count(a, "~") - strings.Count(b, "~")
	})
	return names
}

func (d *db) methodLines() []string {
	var out []string
	for _, name := range byName(sortedKeys(d.classes)) {
		c := d.classes[name]
		for _, key := range sortedKeys(c.methods) {
			out = append(out, c.methods[key].lines(name)...)
		}
	}
	return out
}

// lines writes a line for each type that the method gives.
func (m *method) lines(class string) []string {
	counts := map[string][]int{}
	from := map[string]sources{}
	for _, n := range sortedCounts(m) {
		o := m.overloads[n]
		typ := "?"
		letters := o.from
		for t, by := range o.types {
			typ = t
			letters += *by
		}
		counts[typ] = append(counts[typ], n)
		s := from[typ]
		for _, letter := range letters {
			s.add(letter)
		}
		from[typ] = s
	}
	types := sortedKeys(counts)
	slices.SortFunc(types, func(a, b string) int { return counts[a][0] - counts[b][0] })
	var out []string
	for _, typ := range types {
		out = append(out, fmt.Sprintf("%s.%s %s %s %s", class, m.name, ranges(counts[typ]), typ, from[typ]))
	}
	return out
}

// ranges writes 0,2,3,4 as 0,2-4.
func ranges(counts []int) string {
	if counts[0] < 0 {
		return "?"
	}
	var parts []string
	for i := 0; i < len(counts); {
		j := i
		for j+1 < len(counts) && counts[j+1] == counts[j]+1 {
			j++
		}
		part := strconv.Itoa(counts[i])
		if j > i {
			part += "-" + strconv.Itoa(counts[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

func (d *db) constantLines() []string {
	var out []string
	for _, name := range byName(sortedKeys(d.classes)) {
		c := d.classes[name]
		for _, constant := range sortedKeys(c.constants) {
			out = append(out, fmt.Sprintf("%s.%s %s", name, constant, c.constants[constant]))
		}
	}
	return out
}

func (d *db) eventLines() []string {
	var out []string
	for _, name := range byName(sortedKeys(d.events)) {
		e := d.events[name]
		out = append(out, fmt.Sprintf("%s %s %s %s", name, cmp.Or(e.class, "-"), orDash(sortedKeys(e.controls)), e.from))
	}
	return out
}

func (d *db) familyLines() []string {
	var out []string
	for _, prefix := range byName(sortedKeys(d.families)) {
		out = append(out, prefix+" "+d.families[prefix].String())
	}
	return out
}

func (d *db) functionLines() []string {
	var out []string
	for _, name := range byName(sortedKeys(d.functions)) {
		f := d.functions[name]
		mask := "-"
		if f.mask {
			mask = "mask"
		}
		out = append(out, fmt.Sprintf("%s %s %d %d %s %s %s", name, f.returns, f.min, f.max, mask, orDash(sortedKeys(f.options)), f.from))
	}
	return out
}

func (d *db) verbLines() []string {
	var out []string
	for _, name := range byName(sortedKeys(d.verbs)) {
		v := d.verbs[name]
		state := "incomplete"
		if v.complete {
			state = "complete"
		}
		from := with(v.from, v.options)
		out = append(out, fmt.Sprintf("%s %s %s %s", name, orDash(sortedKeys(v.options)), state, from))
	}
	return out
}

func (d *db) mnemonicLines() []string {
	var out []string
	for _, name := range byName(sortedKeys(d.mnemonics)) {
		out = append(out, name+" "+d.mnemonics[name].String())
	}
	return out
}

func (d *db) variableLines() []string {
	var out []string
	for _, name := range byName(sortedKeys(d.variables)) {
		v := d.variables[name]
		out = append(out, fmt.Sprintf("%s %s %s", name, v.returns, v.from))
	}
	return out
}
