package syntax

import (
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkParse reads the programs of the test data one after another.
func BenchmarkParse(b *testing.B) {
	var all [][]byte
	size, stmts := 0, 0
	files, err := filepath.Glob("../testdata/valid/*.bbj")
	if err != nil {
		b.Fatal(err)
	}
	if c := os.Getenv("BBJTUNE_BENCH"); c != "" {
		files, _ = filepath.Glob(c)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, src)
		size += len(src)
		stmts += countStmts(Parse(src).Stmts)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, src := range all {
			Parse(src)
		}
	}
	b.ReportMetric(float64(stmts), "stmts")
}

func countStmts(list []Stmt) int {
	n := len(list)
	for _, s := range list {
		switch s := s.(type) {
		case *ClassDecl:
			n += countStmts(s.Members)
		case *MethodDecl:
			n += countStmts(s.Body)
		}
	}
	return n
}
