// Command clusteronce joins the near-duplicates among the texts of a JSONL file,
// {"text":…} a line, and prints the number of the cluster of each, a line each: the
// Go side of bench/dedupe.py.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"bbjtune/internal/near"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

func run(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	var texts []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var document struct{ Text string }
		if err := json.Unmarshal(lines.Bytes(), &document); err != nil {
			return err
		}
		texts = append(texts, document.Text)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for _, cluster := range near.Clusters(texts) {
		fmt.Fprintln(out, cluster)
	}
	return out.Flush()
}
