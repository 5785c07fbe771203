// Rows writes a file of generated ChatML rows for benchmarks: blocks with the
// defects of the first attempt's set, each of a seed of its own.
//
//	go run ./bench/rows COUNT FILE
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"bbjtune/internal/audit/audittest"
	"bbjtune/internal/runs"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./bench/rows COUNT FILE")
		os.Exit(2)
	}
	count, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = runs.WriteWith(os.Args[2], func(w io.Writer) error { return audittest.Write(w, 1, count) })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
