// Command gen makes the files of facts about the BBj API from public sources
// that lie in local folders. See the README of bbj/api for the sources and how
// to fetch them. The same sources give the same bytes.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed hand.txt
var handText string

// folders is a flag that may be given several times.
type folders []string

func (f *folders) String() string     { return strings.Join(*f, " ") }
func (f *folders) Set(s string) error { *f = append(*f, s); return nil }

type options struct {
	javadoc, lib, verbs, out string
	java, bbj                folders
}

func main() {
	var o options
	flag.StringVar(&o.javadoc, "javadoc", "", "`folder` with com.basis.bbj.proxies*.json")
	flag.StringVar(&o.lib, "lib", "", "`folder` with functions.bbl, events.bbl and variables.bbl")
	flag.StringVar(&o.verbs, "verbs", "", "`file` VERBs.md")
	flag.Var(&o.java, "java", "`folder` with Java source that uses the API; may be repeated")
	flag.Var(&o.bbj, "bbj", "`folder` of one repository with BBj source; may be repeated")
	flag.StringVar(&o.out, "out", "bbj/api/facts", "`folder` to write")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(o options) error {
	db := newDB()
	steps := []func() error{
		func() error { return readJavadoc(db, o.javadoc) },
		func() error { return readLibrary(db, o.lib) },
		func() error { return readVerbs(db, o.verbs) },
		func() error { return readHand(db, handText) },
		func() error { return mineJava(db, o.java) },
		func() error { return mineBBj(db, o.bbj) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	db.settle()
	return db.write(o.out)
}

// walkFiles calls fn with every file below the folder whose name ends in one of
// the extensions, in the order of the paths.
func walkFiles(folder string, fn func(path string, text []byte) error, ext ...string) error {
	return filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, e := range ext {
			if strings.HasSuffix(strings.ToLower(path), e) {
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				return fn(path, text)
			}
		}
		return nil
	})
}
