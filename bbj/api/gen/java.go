package main

import (
	"bytes"
	"regexp"
	"strings"
)

var (
	basisImport = regexp.MustCompile(`(?m)^import (?:static )?(com\.basis[\w.]*)\.(\w+);`)
	javaVar     = regexp.MustCompile(`\b([A-Z]\w*|int|boolean|long|double|float)(?:<[^<>]*>)?(\[\])? (\w+)\s*[=;,)]`)
	javaGiven   = regexp.MustCompile(`\b([A-Z]\w*|int|boolean|long|double|float|byte\[\]) (\w+)\s*=\s*(?:this\.)?(\w+)\s*\.(\w+)\(`)
	eventOf     = regexp.MustCompile(`SysGuiEventConstants\.(ON_\w+)`)
	javaCall    = regexp.MustCompile(`(?:^|[^\w.])(?:this\.)?(\w+)\s*\.(\w+)\(`)
	javaQuiet   = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*|""".*?"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'`)
)

// mineJava reads what typed Java code says: the classes it imports, and the
// types of the variables that it assigns the results of calls to.
func mineJava(d *db, folders []string) error {
	for _, folder := range folders {
		err := walkFiles(folder, func(_ string, text []byte) error {
			if bytes.Contains(text, []byte("com.basis")) {
				d.mineJavaFile(javaQuiet.ReplaceAllString(string(text), " 0 "))
			}
			return nil
		}, ".java")
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *db) mineJavaFile(text string) {
	for _, m := range basisImport.FindAllStringSubmatch(text, -1) {
		d.imported(m[1], m[2])
	}
	for _, m := range eventOf.FindAllStringSubmatch(text, -1) {
		d.event(m[1]).from.add(fromJava)
	}
	types := javaTypes(text)
	d.mineJavaCalls(text, types)
	for _, at := range javaGiven.FindAllStringSubmatchIndex(text, -1) {
		typ, receiver, name := text[at[2]:at[3]], text[at[6]:at[7]], text[at[8]:at[9]]
		n, rest := javaArgs(text[at[1]:])
		c := d.classes[types[receiver]]
		if c == nil || n < 0 || !strings.HasPrefix(rest, ";") || typ == "Object" {
			continue
		}
		if o := d.known(c, name, n); o != nil && typ != "String" {
			o.claim(typ, fromJava)
		}
	}
}

// mineJavaCalls adds the methods that are called and not known: the code was
// compiled against the API.
func (d *db) mineJavaCalls(text string, types map[string]string) {
	for _, at := range javaCall.FindAllStringSubmatchIndex(text, -1) {
		c := d.classes[types[text[at[2]:at[3]]]]
		name := text[at[4]:at[5]]
		n, _ := javaArgs(text[at[1]:])
		if c == nil || c.kind == "foreign" || n < 0 || d.known(c, name, n) != nil || d.known(d.class("Object"), name, n) != nil {
			continue
		}
		c.overload(name, n).from.add(fromJava)
	}
}

// imported records a class of BASIS that is imported.
func (d *db) imported(pkg, name string) {
	if strings.HasSuffix(pkg, "Constants") || name[0] < 'A' || name[0] > 'Z' {
		return
	}
	c := d.class(name)
	if c.kind == "" {
		c.kind, c.open = "foreign", true
	}
	if c.pkg == "" {
		c.pkg = pkg
	}
	c.from.add(fromJava)
}

// javaTypes returns the types of the variables of a file, without those that
// are declared with two types.
func javaTypes(text string) map[string]string {
	types := map[string]string{}
	for _, m := range javaVar.FindAllStringSubmatch(text, -1) {
		typ := m[1] + m[2]
		if old, seen := types[m[3]]; seen && old != typ {
			typ = "" // "return x;" too comes here, and costs a variable only
		}
		types[m[3]] = typ
	}
	return types
}

// javaArgs counts the arguments up to the closing parenthesis, in text without
// strings, and returns what stands after it. It returns -1 where it cannot tell.
func javaArgs(text string) (n int, rest string) {
	depth, empty := 0, true
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth < 0 {
				if !empty {
					n++
				}
				return n, text[i+1:]
			}
		case ',':
			if depth == 0 {
				n++
			}
		case ' ', '\n', '\r', '\t':
		default:
			empty = false
		}
	}
	return -1, ""
}

// known returns the overload of the method that the class or one it extends
// declares, or nil.
func (d *db) known(c *class, name string, n int) *overload {
	for _, up := range d.above(c) {
		if m := up.method(name); m != nil && m.overloads[n] != nil {
			return m.overloads[n]
		}
	}
	return nil
}
