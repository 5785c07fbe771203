package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	signature  = regexp.MustCompile(`^([A-Z][A-Z0-9_]*)\(([^{}]*)\):\s*(\w+)\s*$`)
	eventLine  = regexp.MustCompile(`^eventtype (ON_\w+)`)
	systemLine = regexp.MustCompile(`^var (\w+): (\w+)`)
	verbLink   = regexp.MustCompile(`\[([A-Z][A-Z_\\./ ]*) Verbs?\b`)
)

// readLibrary reads the declarations in the three .bbl files.
func readLibrary(d *db, folder string) error {
	return eachLine(folder, []string{"functions.bbl", "events.bbl", "variables.bbl"}, func(line string) {
		if m := signature.FindStringSubmatch(line); m != nil {
			d.addFunction(m[1], m[2], m[3])
		}
		if m := eventLine.FindStringSubmatch(line); m != nil {
			d.event(m[1]).from.add(fromLibrary)
		}
		if m := systemLine.FindStringSubmatch(line); m != nil {
			d.variables[m[1]] = &variable{returns: m[2], from: sources(fromLibrary)}
		}
	})
}

func eachLine(folder string, names []string, fn func(string)) error {
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			fn(strings.TrimSpace(line))
		}
	}
	return nil
}

// addFunction adds one declaration: "num: num, ERR?!: lineref". A second one of
// the same name widens the first.
func (d *db) addFunction(name, params, returns string) {
	f := &function{returns: returns, options: map[string]bool{}, from: sources(fromLibrary)}
	for param := range strings.SplitSeq(params, ",") {
		what, _, _ := strings.Cut(strings.TrimSpace(param), ":")
		option, named := strings.CutSuffix(what, "?!")
		_, optional := strings.CutSuffix(what, "?")
		switch {
		case what == "":
		case named:
			f.options[option] = true
		case what == "mask?" || what == "format?":
			f.mask = true
		case optional:
			f.max++
		default:
			f.min++
			f.max++
		}
	}
	if old := d.functions[name]; old != nil {
		f.min, f.max = min(f.min, old.min), max(f.max, old.max)
		for o := range old.options {
			f.options[o] = true
		}
	}
	d.functions[name] = f
}

// readVerbs reads the names in the table of verbs.
func readVerbs(d *db, path string) error {
	return eachLine(filepath.Dir(path), []string{filepath.Base(path)}, func(line string) {
		for _, m := range verbLink.FindAllStringSubmatch(line, -1) {
			for name := range strings.FieldsFuncSeq(strings.ReplaceAll(m[1], `\`, ""), func(r rune) bool { return strings.ContainsRune(" /.", r) }) {
				d.verb(name).from.add(fromVerbTable)
			}
		}
	})
}

// option records that the verb accepts the option.
func (v *verb) option(name string, from rune) {
	if v.options[name] == nil {
		v.options[name] = new(sources)
	}
	v.options[name].add(from)
}
