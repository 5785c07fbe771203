// Command countonce counts the tokens of the texts of a JSONL file, a JSON string
// a line, on one core, and prints the seconds that it took, the tokens, and their
// sum: the Go side of bench/counting.py.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"bbjtune/internal/tokenizer"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

func run(folder, file string) error {
	t, err := tokenizer.Load(folder)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	var texts []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			return err
		}
		texts = append(texts, text)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	started := time.Now()
	n, sum := 0, uint64(0)
	var tokens []int32
	for _, text := range texts {
		tokens = t.Append(tokens[:0], text)
		for _, token := range tokens {
			sum = sum*31 + uint64(token)
		}
		n += len(tokens)
	}
	_, err = fmt.Println(time.Since(started).Seconds(), n, sum)
	return err
}
