package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// handSources are the lines that say where the facts after them come from.
var handSources = map[string]rune{"page": fromPage, "inferred": fromInference}

// readHand reads the facts that were read off documentation pages or inferred. See hand.txt
// for the form of its lines.
func readHand(d *db, text string) error {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		if letter, ok := handSources[words[0]]; ok {
			d.hand = letter
			continue
		}
		if d.hand == 0 {
			return fmt.Errorf("hand.txt:%d: a fact before the first page", number)
		}
		if err := d.handLine(words[0], words[1:]); err != nil {
			return fmt.Errorf("hand.txt:%d: %w", number, err)
		}
	}
	return nil
}

func (d *db) handLine(what string, w []string) error {
	least := map[string]int{"class": 3, "extends": 2, "possible": 2, "base": 3, "open": 1, "method": 4, "constants": 2,
		"event": 2, "events": 2, "family": 1, "function": 5, "verb": 3, "mnemonics": 1, "variable": 2}
	n, known := least[what]
	if !known || len(w) < n {
		return fmt.Errorf("%s needs %d words", what, n)
	}
	switch what {
	case "class":
		d.handClass(w)
	case "extends":
		return d.handExtends(w)
	case "possible":
		d.possible = append(d.possible, possibility{w[0], w[1:]})
	case "base":
		d.handBase(w)
	case "open":
		for _, name := range w {
			d.class(name).open = true
		}
	case "method":
		return d.handMethod(w)
	case "constants":
		for _, name := range w[1:] {
			d.class(w[0]).constant(name, d.hand)
		}
	case "event", "events":
		d.handEvent(what, w)
	case "family":
		for _, prefix := range w {
			d.families[prefix] = sources(d.hand)
		}
	case "function":
		return d.handFunction(w)
	case "verb":
		d.handVerb(w)
	case "mnemonics":
		for _, name := range w {
			d.mnemonic(name, d.hand)
		}
	case "variable":
		d.variables[w[0]] = &variable{returns: w[1], from: sources(d.hand)}
	}
	return nil
}

// handClass reads "class KIND PACKAGE NAME…".
func (d *db) handClass(w []string) {
	for _, name := range w[2:] {
		c := d.class(name)
		c.kind = w[0]
		if w[1] != "-" {
			c.pkg = w[1]
		}
		c.open = c.open || c.kind == "foreign"
		c.from.add(d.hand)
	}
}

// handExtends reads "extends CLASS PARENT…"; ~ stands before a parent that is
// only possible.
func (d *db) handExtends(w []string) error {
	for _, parent := range w[1:] {
		if d.classes[strings.TrimPrefix(parent, "~")] == nil || d.classes[w[0]] == nil {
			return fmt.Errorf("%s extends %s: no such class", w[0], parent)
		}
		d.classes[w[0]].extend(parent, d.hand)
	}
	return nil
}

// handBase reads "base PARENT KIND SUFFIX": the classes of that kind whose names
// end so extend the parent.
func (d *db) handBase(w []string) {
	for name, c := range d.classes {
		if name != w[0] && c.kind == w[1] && strings.HasSuffix(name, w[2]) {
			c.extend(w[0], d.hand)
		}
	}
}

// handMethod reads "method CLASS ARGUMENTS TYPE NAME…". ARGUMENTS is a list
// such as 0,2-4; "=" leaves the known numbers alone and adds the type.
func (d *db) handMethod(w []string) error {
	c := d.classes[w[0]]
	if c == nil {
		return fmt.Errorf("no class %s", w[0])
	}
	for _, name := range w[3:] {
		counts, err := d.handCounts(c, name, w[1])
		if err != nil {
			return err
		}
		for _, n := range counts {
			o := c.overload(name, n)
			o.from.add(d.hand)
			if w[2] != "?" {
				o.claim(w[2], d.hand)
			}
		}
	}
	return nil
}

func (d *db) handCounts(c *class, name, text string) ([]int, error) {
	switch m := c.method(name); {
	case text == "?":
		return []int{-1}, nil
	case text != "=":
		return parseCounts(text)
	case m == nil:
		return nil, fmt.Errorf("%s.%s is not known, write its arguments", c.name, name)
	default:
		return sortedCounts(m), nil
	}
}

func parseCounts(text string) ([]int, error) {
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		low, high, ranged := strings.Cut(part, "-")
		if !ranged {
			high = low
		}
		from, err := strconv.Atoi(low)
		if err != nil {
			return nil, err
		}
		to, err := strconv.Atoi(high)
		if err != nil {
			return nil, err
		}
		for n := from; n <= to; n++ {
			all = append(all, n)
		}
	}
	return all, nil
}

func sortedCounts(m *method) []int {
	var all []int
	for n := range m.overloads {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// handEvent reads "event ON_NAME EVENTCLASS|- CONTROL…" or "events CONTROL
// ON_NAME…".
func (d *db) handEvent(what string, w []string) {
	if what == "events" {
		for _, name := range w[1:] {
			e := d.event(name)
			e.from.add(d.hand)
			e.controls[w[0]] = true
		}
		return
	}
	e := d.event(w[0])
	e.from.add(d.hand)
	if w[1] != "-" {
		e.class = w[1]
	}
	for _, control := range w[2:] {
		e.controls[control] = true
	}
}

// handFunction reads "function NAME TYPE MIN MAX mask|- OPTION…", which
// replaces what is known.
func (d *db) handFunction(w []string) error {
	low, err := strconv.Atoi(w[2])
	if err != nil {
		return err
	}
	high, err := strconv.Atoi(w[3])
	if err != nil {
		return err
	}
	f := &function{returns: w[1], min: low, max: high, mask: w[4] == "mask", options: map[string]bool{}}
	if old := d.functions[w[0]]; old != nil {
		f.from = old.from
	}
	f.from.add(d.hand)
	for _, o := range w[5:] {
		f.options[o] = true
	}
	d.functions[w[0]] = f
	return nil
}

// handVerb reads "verb complete|incomplete OPTIONS|- NAME…".
func (d *db) handVerb(w []string) {
	for _, name := range w[2:] {
		v := d.verb(name)
		v.from.add(d.hand)
		v.complete = w[0] == "complete"
		if w[1] != "-" {
			for option := range strings.SplitSeq(w[1], ",") {
				v.option(option, d.hand)
			}
		}
	}
}
