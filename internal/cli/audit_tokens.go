package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"bbjtune/internal/audit"
	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/recipe"
	"bbjtune/internal/stream"
	"bbjtune/internal/trainer"
)

// countByWorker lets the training worker count the tokens of the rows: the
// tokenizer is of a kind that is not known here.
func (a *app) countByWorker(ctx context.Context, options *audit.Options, o auditOptions, file *os.File, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fault.Newf("write the rows to a file first", "the tokens of %s must be counted by the training worker, which needs a file", file.Name())
	}
	dir, err := os.MkdirTemp("", "bbjtune-count-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	texts, output := filepath.Join(dir, "texts.jsonl"), filepath.Join(dir, "counts")
	lines, err := writeRendered(ctx, texts, io.NewSectionReader(file, 0, info.Size()))
	if err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	a.show.Say("the tokenizer in %s is of a kind that bbjtune does not know: the training worker counts", o.tokenizer)
	r := recipe.Defaults()
	p := &pipeline{app: a, recipe: &r}
	defer p.close()
	w, err := p.startWorker(ctx)
	if err != nil {
		return err
	}
	job := trainer.Count{Protocol: trainer.Protocol, Kind: "count", BaseModel: abs(o.tokenizer), Texts: texts, Output: output}
	task := a.show.Start("count tokens")
	defer task.Drop()
	if _, err := w.Run(ctx, job, filepath.Join(dir, "job.json"), func(trainer.Event) {}); err != nil {
		return err
	}
	counts, err := readCounts(output, lines)
	if err != nil {
		return err
	}
	options.Tokens, options.MaxTokens = func(line int, _ string) int { return counts[line] }, o.maxTokens
	options.CountedBy = "the training worker, since bbjtune does not know this kind of tokenizer"
	return nil
}

// writeRendered writes what the model reads of every conversation, and returns the
// lines that they stand in.
func writeRendered(ctx context.Context, path string, rows io.Reader) (lines []int, err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buffered := bufio.NewWriter(f)
	enc := chat.NewEncoder(buffered)
	type rendered struct {
		line int
		text string
	}
	err = stream.Lines(ctx, rows, nil, func(batch []stream.Line) ([]rendered, error) {
		var out []rendered
		for _, l := range batch {
			if messages, _, problem := audit.ParseRow(l.Text); problem == "" {
				out = append(out, rendered{l.Number, audit.Rendered(messages)})
			}
		}
		return out, nil
	}, func(out []rendered) error {
		for _, r := range out {
			lines = append(lines, r.line)
			if err := enc.Encode(r.text); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = buffered.Flush()
	}
	return lines, err
}

// readCounts reads the worker's numbers, one for each of the lines.
func readCounts(path string, lines []int) (map[int]int, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	counts := make(map[int]int, len(lines))
	in := bufio.NewScanner(f)
	for _, line := range lines {
		if !in.Scan() {
			return nil, fmt.Errorf("the training worker counted %d of %d rows", len(counts), len(lines))
		}
		if counts[line], err = strconv.Atoi(in.Text()); err != nil {
			return nil, fmt.Errorf("what the training worker counted: %w", err)
		}
	}
	return counts, in.Err()
}
