package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// readJavadoc reads the classes, their methods and parameters. The files name
// neither what a class extends nor what a method gives; the sentences of the
// documentation in them sometimes do.
func readJavadoc(d *db, folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, "com.basis.bbj.proxies*.json"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var pkg javadocPackage
		if err := json.Unmarshal(text, &pkg); err != nil {
			return err
		}
		for _, jc := range pkg.Classes {
			readJavadocClass(d, pkg.Name, jc)
		}
	}
	for _, c := range d.classes {
		c.readSentences(d)
	}
	return nil
}

type javadocPackage struct {
	Name    string
	Classes []javadocClass
}

type javadocClass struct {
	Name    string
	Methods []struct {
		Name, Docu string
		Params     []struct{ Type string }
	}
}

func readJavadocClass(d *db, pkg string, jc javadocClass) {
	c := d.class(jc.Name)
	c.pkg, c.kind = pkg, "class"
	c.from.add(fromJavadoc)
	switch {
	case strings.HasSuffix(pkg, ".event"):
		c.kind = "event"
	case !strings.HasPrefix(jc.Name, "BB"):
		c.kind = "interface"
	}
	for _, m := range jc.Methods {
		if m.Name == "<init>" {
			continue
		}
		o := c.overload(m.Name, len(m.Params))
		o.from.add(fromJavadoc)
		if typ := typeInSentence(m.Docu); typ != "" {
			o.claim(typ, fromSentence)
		}
	}
}

// readSentences drops what a sentence says of a class that is not known.
func (c *class) readSentences(d *db) {
	for _, m := range c.methods {
		for _, o := range m.overloads {
			for typ := range o.types {
				if !d.knows(typ) && typ != "String" && typ != "BBjVector" {
					delete(o.types, typ)
				}
			}
		}
	}
}

var (
	tag    = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`\s+`)
	// gives matches "returns a BBjControl within …", not "returns the BBjControl's …".
	gives = regexp.MustCompile(`(?i:\b(?:returns|obtains|gets|retrieves|creates|makes) (?:an?|the|a new|the current|a reference to (?:an?|the))(?: new)?) (BBj\w+)(?: object)?(?: (?:(?i)containing|that|which|within|in|for|representing|of|from|with|to|object)\b|[.,]|$)`)
	truth = regexp.MustCompile(`(?i:\breturns (?:a boolean\b|true (?:if|when)\b))`)
	text  = regexp.MustCompile(`(?i:\breturns an? string\b)`)
	whole = regexp.MustCompile(`(?i:\breturns an integer\b)`)
)

// typeInSentence returns the type that the first sentence of a description
// names as the result, or "".
func typeInSentence(docu string) string {
	s := strings.TrimSpace(blanks.ReplaceAllString(tag.ReplaceAllString(docu, ""), " "))
	switch m := gives.FindStringSubmatch(s); {
	case m != nil:
		return m[1]
	case truth.MatchString(s):
		return "boolean"
	case text.MatchString(s):
		return "String"
	case whole.MatchString(s):
		return "int"
	}
	return ""
}
