package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/proc"
)

// LlamaQuantize has llama.cpp's own program llama-quantize write source in
// another form, and returns what the program says it is. The file appears under
// its name complete and flushed or not at all. log receives what it says.
func LlamaQuantize(ctx context.Context, program, source, out, form string, log io.Writer) (tool string, err error) {
	part := out + ".part"
	defer os.Remove(part) // nothing is left of it when all went well
	var said bytes.Buffer
	cmd := exec.Command(program, source, part, strings.ToUpper(form))
	cmd.Stdout = io.MultiWriter(&said, log)
	cmd.Stderr = cmd.Stdout
	p, err := proc.Start(cmd)
	if err != nil {
		return "", fault.Wrap(fmt.Errorf("start %s: %w", program, err), "name llama.cpp's llama-quantize, or take the name away: bbjtune brings a quantizer along")
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		return "", errors.Join(context.Cause(ctx), p.Stop(2*time.Second))
	}
	if p.Err() != nil {
		return "", fault.New(fmt.Sprintf("%s does not quantize %s: %s", program, filepath.Base(source), lastLine(said.String())),
			"the worker's log holds all that it said; where the disk is full, free some space")
	}
	if err := flushFile(part); err != nil {
		return "", err
	}
	info, err := Inspect(part)
	if err != nil {
		return "", err
	}
	if info.Type != strings.ToUpper(form) {
		return "", fault.New(fmt.Sprintf("%s was to write %s and wrote %s", program, strings.ToUpper(form), info.Type), "name llama.cpp's own llama-quantize")
	}
	if err := os.Rename(part, out); err != nil {
		return "", err
	}
	flushFolder(filepath.Dir(out))
	return "llama.cpp " + build(said.String()) + " (" + filepath.Base(program) + ")", nil
}

var buildPattern = regexp.MustCompile(`\bbuild\s*[=:]\s*(\d+)`)

// build is the release that the program says it comes from.
func build(said string) string {
	if found := buildPattern.FindStringSubmatch(said); found != nil {
		return "b" + found[1]
	}
	return "of an unknown build"
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return "it ended without a word"
}

func flushFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
