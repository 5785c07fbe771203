// Command gen counts what public BBj code uses, for internal/coverage/usage.tsv.
// It takes a folder with one folder a repository, named OWNER+NAME, and reaches
// no network. The same sources give the same bytes; no code is kept.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bbjtune/internal/corpus"
	"bbjtune/internal/coverage"
)

// extensions are those of BBj source.
var extensions = []string{".bbj", ".bbl", ".src", ".bbjt", ".aon"}

func main() {
	out := flag.String("out", "internal/coverage/usage.tsv", "`file` to write")
	flag.Parse()
	if err := run(flag.Args(), *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(args []string, out string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: gen [-out FILE] FOLDER")
	}
	entries, err := os.ReadDir(args[0])
	if err != nil {
		return err
	}
	var list []coverage.Repository
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		files, _, err := corpus.Load(filepath.Join(args[0], e.Name()), extensions)
		if err != nil {
			return err
		}
		r := coverage.Repository{Name: strings.ReplaceAll(e.Name(), "+", "/")}
		for _, f := range files {
			r.Programs = append(r.Programs, f.Text)
		}
		if len(r.Programs) > 0 {
			list = append(list, r)
		}
	}
	return os.WriteFile(out, coverage.Gather(list).Encode(), 0o644)
}
