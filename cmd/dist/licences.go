package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// standard is the name of Go's own library in a bill.
const standard = "std"

// third is what others wrote of a program: a module with the texts that have to be
// passed on with it.
type third struct {
	name  string // of the module, with its version
	path  string
	files []string // the names of the texts, below the module's folder
	texts []string
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)([._-].*)?$`)

// thirdParties finds the modules of the program for the platform that env names, by its
// packages. A text counts where it lies beside a package of the program or above it.
func thirdParties(ctx context.Context, env []string) ([]third, error) {
	list := exec.CommandContext(ctx, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Path}} {{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}", "bbjtune/cmd/bbjtune")
	list.Env = env
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w%s", err, stderr(err))
	}
	found := []third{{name: "Go's standard library", path: standard}}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	goroot := strings.TrimSpace(string(root))
	if err := found[0].read(goroot, goroot); err != nil {
		return nil, err
	}
	at := map[string]int{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 4 {
			continue
		}
		if _, seen := at[f[0]]; !seen {
			at[f[0]] = len(found)
			found = append(found, third{name: f[1], path: f[0]})
		}
		if err := found[at[f[0]]].read(f[2], f[3]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found[1:], func(a, b third) int { return strings.Compare(a.path, b.path) })
	for _, t := range found {
		if len(t.files) == 0 {
			return nil, fmt.Errorf("%s has no licence that could be passed on", t.name)
		}
	}
	return found, nil
}

func stderr(err error) string {
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		return "\n" + string(e.Stderr)
	}
	return ""
}

// read takes the texts of all folders from the root of a module down to a package.
func (t *third) read(root, dir string) error {
	below, err := filepath.Rel(root, dir)
	if err != nil {
		return err
	}
	folder := "."
	for _, name := range append([]string{"."}, strings.Split(filepath.ToSlash(below), "/")...) {
		folder = filepath.Join(folder, name)
		entries, err := os.ReadDir(filepath.Join(root, folder))
		if err != nil {
			return err
		}
		for _, e := range entries {
			file := filepath.ToSlash(filepath.Join(folder, e.Name()))
			if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" || slices.Contains(t.files, file) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
			if err != nil {
				return err
			}
			t.files = append(t.files, file)
			t.texts = append(t.texts, string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
		}
	}
	return nil
}

// notices is the file of the archive that passes the texts on.
func notices(list []third) []byte {
	var b bytes.Buffer
	b.WriteString("bbjtune is made of the parts below, each under the terms that follow its name.\n")
	for _, t := range list {
		for i, file := range t.files {
			fmt.Fprintf(&b, "\n%s\n%s: %s\n%s\n\n%s\n", strings.Repeat("=", 80), t.name, file, strings.Repeat("=", 80), strings.TrimSpace(t.texts[i]))
		}
	}
	return b.Bytes()
}

// marks are sentences that only one licence has, with what SPDX calls it. The order is
// that of an expression.
var marks = []struct {
	spdx        string
	has, hasNot *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`Apache License,?\s+Version 2\.0`), nil},
	{"BSD-2-Clause", regexp.MustCompile(`Redistribution and use in source and binary forms`), regexp.MustCompile(`(?i)(neither\s+the\s+names?|The\s+names?\s+of\s+the\s+authors?)`)},
	{"BSD-3-Clause", regexp.MustCompile(`(?is)Redistribution and use in source and binary forms.*(neither\s+the\s+names?|The\s+names?\s+of\s+the\s+authors?)`), nil},
	{"ISC", regexp.MustCompile(`Permission to use, copy, modify, and(/or)? distribute this software for any\s+purpose`), nil},
	{"MIT", regexp.MustCompile(`Permission is hereby granted, free of charge`), nil},
	{"MPL-2.0", regexp.MustCompile(`Mozilla Public License,? [Vv]ersion 2\.0`), nil},
}

// elsewhere are texts on what a module's authors use and do not compile into it.
var elsewhere = regexp.MustCompile(`(?i)3rd-party|logo`)

// spdx names the licences of a module as an expression, "" where none of its texts is
// recognised.
func (t third) spdx() string {
	var names []string
	for _, m := range marks {
		for i, text := range t.texts {
			if !elsewhere.MatchString(t.files[i]) && m.has.MatchString(text) && (m.hasNot == nil || !m.hasNot.MatchString(text)) {
				names = append(names, m.spdx)
				break
			}
		}
	}
	return strings.Join(names, " AND ")
}
